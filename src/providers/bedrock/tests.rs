//! Settings, credentials, paths and headers.

use super::*;
use crate::{model::Usage, providers::codec::Framing};

fn provider(settings: &str) -> config::Provider {
    config::Provider {
        name: "p".into(),
        kind: "bedrock".to_owned(),
        settings: config::Section::from_yaml("providers.p", settings).expect("it is YAML"),
        catalogue: None,
        protocol: config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: Arc::default(),
    }
}

fn bedrock_in(settings: &str, env: &[(&str, &str)]) -> Result<Bedrock, ConfigError> {
    let found = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    settings::read_with(&provider(settings), &found)
}

fn bedrock(settings: &str) -> Bedrock {
    bedrock_in(settings, &[]).expect("the settings are right")
}

const KEYS: &str = "{ region: us-east-1, access_key_id: AKIDEXAMPLE, secret_access_key: secret-access-key }";

fn head(path: &str) -> Parts {
    let request = http::Request::post(path).header("content-type", "application/json");
    request.body(()).expect("it is a request").into_parts().0
}

const NOW_US: u64 = 1_440_938_160_000_000;

#[test]
fn a_region_has_its_own_host_unless_another_is_named() {
    let cases = [
        ("region: us-east-1", "bedrock-runtime.us-east-1.amazonaws.com", ""),
        ("region: eu-west-3, base_url: 'http://127.0.0.1:9000/aws'", "127.0.0.1:9000", "/aws"),
    ];
    for (settings, authority, base) in cases {
        let bedrock = bedrock(&format!("{{ {settings}, api_key: bedrock-key }}"));
        assert_eq!(&*bedrock.endpoint().authority, authority);
        assert_eq!(bedrock.codec_path("a", false), format!("{base}/model/a/converse"));
    }
}

#[test]
fn the_path_holds_the_model_whatever_its_letters() {
    let bedrock = bedrock(KEYS);
    let model = "anthropic.claude-3-5-sonnet-20241022-v2:0";
    let path = bedrock.codec_path(model, true);
    assert_eq!(path, "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse-stream");
    let path = bedrock.codec_path("arn:aws:bedrock:eu-west-3:1:inference-profile/x é?#", false);
    assert_eq!(path, "/model/arn%3Aaws%3Abedrock%3Aeu-west-3%3A1%3Ainference-profile%2Fx%20%C3%A9%3F%23/converse");
    assert!(path.parse::<http::Uri>().is_ok());
}

#[test]
fn no_api_is_spoken_and_all_are_translated() {
    let bedrock = bedrock(KEYS);
    assert!(Api::ALL.into_iter().all(|api| !bedrock.speaks(api)));
    let codec = bedrock.codec().expect("it translates");
    assert_eq!((codec.maker(), codec.framing()), ("anthropic", Framing::Aws));
}

#[test]
fn an_api_key_is_sent_and_nothing_is_signed() {
    let bedrock = bedrock("{ region: us-east-1, api_key: bedrock-api-key }");
    let mut head = head("/model/a/converse");
    bedrock.headers(Api::Messages, &HeaderMap::new(), &mut head.headers);
    bedrock.sign(&mut head, b"{}", NOW_US).expect("there is nothing to do");
    assert_eq!(head.headers["authorization"], "Bearer bedrock-api-key");
    assert!(!head.headers.contains_key("x-amz-date"));
    assert!(!format!("{head:?} {bedrock:?}").contains("bedrock-api-key"));
}

#[test]
fn the_clients_headers_do_not_go_up_but_its_name() {
    let mut client = HeaderMap::new();
    for (name, value) in [("user-agent", "sdk/1"), ("authorization", "Bearer x"), ("x-amz-date", "y")] {
        client.insert(name, value.parse().expect("it is a value"));
    }
    let mut head = HeaderMap::new();
    bedrock(KEYS).headers(Api::Messages, &client, &mut head);
    assert_eq!((head.len(), &head["user-agent"]), (1, &http::HeaderValue::from_static("sdk/1")));
}

#[test]
fn an_access_key_signs_for_the_host_of_the_endpoint() {
    let bedrock = bedrock(KEYS);
    let mut request = head("/model/a%3A0/converse");
    bedrock.sign(&mut request, b"{}", NOW_US).expect("there are keys");
    let told = request.headers["authorization"].to_str().expect("it is text").to_owned();
    let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, Signature=";
    assert!(told.starts_with(start), "{told}");
    let mut with_host = head("/model/a%3A0/converse");
    with_host.headers.insert("host", "bedrock-runtime.us-east-1.amazonaws.com".parse().expect("it is a value"));
    bedrock.sign(&mut with_host, b"{}", NOW_US).expect("there are keys");
    assert_eq!(with_host.headers["authorization"], told, "whether `host` is written yet or not");
    let other = |body: &[u8]| {
        let mut head = head("/model/a%3A0/converse");
        bedrock.sign(&mut head, body, NOW_US).expect("there are keys");
        head.headers["authorization"].clone()
    };
    assert_ne!(other(b"{ }"), told, "the body is signed");
}

#[test]
fn the_environment_is_asked_where_the_settings_name_nobody() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "secret-of-env"),
        ("AWS_SESSION_TOKEN", "token-of-env"),
        ("AWS_REGION", "eu-central-1"),
    ];
    let signed = |settings: &str, env: &[(&str, &str)]| {
        let bedrock = bedrock_in(settings, env).expect("there are credentials");
        let mut head = head("/");
        bedrock.headers(Api::Messages, &HeaderMap::new(), &mut head.headers);
        bedrock.sign(&mut head, b"", NOW_US).expect("there are keys");
        head.headers["authorization"].to_str().expect("it is text").to_owned()
    };
    assert!(signed("{}", &keys).contains("Credential=AKIDENV/20150830/eu-central-1/"));
    assert!(signed(KEYS, &keys).contains("Credential=AKIDEXAMPLE/20150830/us-east-1/"));
    let bearer = [("AWS_BEARER_TOKEN_BEDROCK", "abc"), ("AWS_DEFAULT_REGION", "us-west-2")];
    assert_eq!(signed("{}", &bearer), "Bearer abc");
}

#[test]
fn a_credentials_file_is_read_by_its_profile() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials");
    let text =
        "[default]\naws_access_key_id=A\naws_secret_access_key=b\n[x]\naws_access_key_id=X\naws_secret_access_key=y\n";
    std::fs::write(&path, text).expect("written");
    for (profile, id) in [("", "A"), (", profile: x", "X")] {
        let settings = format!("{{ region: us-east-1, credentials_file: '{}'{profile} }}", path.display());
        let mut head = head("/");
        bedrock(&settings).sign(&mut head, b"", NOW_US).expect("there are keys");
        let told = head.headers["authorization"].to_str().expect("it is text");
        assert!(told.contains(&format!("Credential={id}/")), "{told}");
    }
}

#[test]
fn settings_that_lead_nowhere_are_told_with_their_key() {
    let cases = [
        ("{ api_key: a }", "region"),
        ("{ region: 'us east', api_key: a }", "region"),
        ("{ region: us-east-1, api_key: a, access_key_id: b }", "several credentials"),
        ("{ region: us-east-1, access_key_id: b }", "secret_access_key"),
        ("{ region: us-east-1, secret_access_key: b }", "access_key_id"),
        ("{ region: us-east-1, api_key: '' }", "api_key"),
        ("{ region: us-east-1, credentials_file: /nowhere/at/all }", "credentials_file"),
        ("{ region: us-east-1, api_key: a, profile: x }", "profile"),
        ("{ region: us-east-1, api_key: a, base_url: ftp://x }", "base_url"),
        ("{ region: us-east-1, api_key: a, acess_key_id: x }", "acess_key_id"),
    ];
    for (settings, word) in cases {
        let told = bedrock_in(settings, &[]).map(|_| ()).expect_err(settings);
        assert!(format!("{told:?} {told}").contains(word), "{settings}: {told}");
    }
}

#[test]
fn messages_of_errors_are_found_and_their_secrets_masked() {
    let bedrock = bedrock(KEYS);
    let cases = [
        (
            r#"{"message":"The provided model identifier is invalid."}"#,
            Some("The provided model identifier is invalid."),
        ),
        (r#"{"Message":"Credential=AKIDEXAMPLE secret-access-key"}"#, Some("Credential=*** ***")),
        (r#"{"message":null}"#, None),
        ("<html>", None),
    ];
    for (body, want) in cases {
        assert_eq!(bedrock.error_message(body.as_bytes()).as_deref(), want, "{body}");
    }
    let long = format!(r#"{{"message":"{}"}}"#, "é".repeat(2000));
    assert!(bedrock.error_message(long.as_bytes()).is_some_and(|told| told.len() < 1100));
    assert_eq!(bedrock.masked("secret-access-key"), "***");
}

#[test]
fn a_whole_answer_is_metered() {
    let bedrock = bedrock(KEYS);
    let body = include_bytes!("fixtures/answer.json");
    let reading = bedrock.read_whole(Api::Messages, body).expect("it is an answer");
    assert_eq!(reading.usage.map(|usage| usage.output_total()), Some(60));
    assert_eq!(reading.usage.as_ref().map(Usage::input_total), Some(255));
    let text = bedrock.output_of_whole(Api::Messages, body);
    assert!(text.text().starts_with("I should look.Let me look."), "{}", text.text());
    assert_eq!(bedrock.output_of_whole(Api::Messages, b"{}").bytes(), 0);
}
