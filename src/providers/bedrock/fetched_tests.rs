//! Keys that are fetched from a fake of AWS's services.

use crate::{
    config,
    outbound::Client,
    providers::{
        Provider, SignFault,
        bedrock::{Bedrock, settings},
        fake::Fake,
    },
};
use http::request::Parts;
use std::sync::Arc;
use std::time::Duration;

/// A provider with these settings in this environment.
fn bedrock(settings: &str, env: &[(&str, &str)]) -> Result<Bedrock, config::ConfigError> {
    let provider = config::Provider {
        name: "aws".into(),
        kind: "bedrock".to_owned(),
        settings: config::Section::from_yaml("providers.aws", settings)?,
        catalogue: None,
        protocol: config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: Arc::default(),
    };
    settings::read_with(&provider, &|name| env.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned()))
}

async fn refreshed(provider: &dyn Provider) -> Result<Duration, String> {
    provider.feed().expect("it fetches its credentials").refresh(&Client::default()).await
}

fn head() -> Parts {
    http::Request::post("/model/m/converse").body(()).expect("a request").into_parts().0
}

/// The id of the key that a request is signed with at `now_us`.
fn signed_with(provider: &dyn Provider, now_us: u64) -> Result<String, SignFault> {
    let mut head = head();
    provider.sign(&mut head, b"{}", now_us)?;
    let told = head.headers["authorization"].to_str().expect("it is text").to_owned();
    let (_, rest) = told.split_once("Credential=").expect("signed");
    let token = head.headers["x-amz-security-token"].to_str().expect("it is text");
    Ok(format!("{} {token}", rest.split('/').next().expect("an id")))
}

fn document(id: &str, seconds: i64) -> String {
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"{id}","SecretAccessKey":"secret/of+{id}=","Token":"token-of-{id}","Expiration":"{}"}}"#,
        end.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
}

fn answer(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

fn now_us() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).expect("after 1970")
}

const HOUR_US: u64 = 3_600_000_000;

#[tokio::test]
async fn an_instance_is_asked_for_a_session_a_role_and_its_keys() {
    let mut fake = Fake::start(vec![
        answer("session=="),
        answer("my-role\n"),
        answer(&document("FIRST", 3_600)),
        answer("session2"),
        (404, String::new()),
        answer("session3"),
        answer("my-role"),
        answer(&document("SECOND", 7_200)),
    ])
    .await;
    let settings = format!("{{ region: us-east-1, credentials: instance, metadata_url: '{}/' }}", fake.base);
    let provider = bedrock(&settings, &[]).expect("the settings are right");
    assert_eq!(signed_with(&provider, now_us()), Err(SignFault::NoCredentials));
    let life = refreshed(&provider).await.expect("keys came");
    assert!((3_500..=3_600).contains(&life.as_secs()), "{life:?}");
    let call = fake.call().await;
    assert_eq!(
        (&*call.line, call.field("x-aws-ec2-metadata-token-ttl-seconds")),
        ("PUT /latest/api/token", Some("300"))
    );
    for path in ["", "my-role"] {
        let call = fake.call().await;
        assert_eq!(call.line, format!("GET /latest/meta-data/iam/security-credentials/{path}"));
        assert_eq!(call.field("x-aws-ec2-metadata-token"), Some("session=="));
    }
    assert_eq!(signed_with(&provider, now_us()).as_deref(), Ok("FIRST token-of-FIRST"));
    let why = refreshed(&provider).await.expect_err("it has no role any more");
    assert!(why.contains("role") && why.contains("404"), "{why}");
    assert_eq!(signed_with(&provider, now_us()).as_deref(), Ok("FIRST token-of-FIRST"), "used until they end");
    assert_eq!(signed_with(&provider, now_us() + HOUR_US), Err(SignFault::Expired));
    refreshed(&provider).await.expect("keys came");
    assert_eq!(signed_with(&provider, now_us() + HOUR_US).as_deref(), Ok("SECOND token-of-SECOND"));
    let source = provider.feed().expect("there").source().to_owned();
    assert!(source.starts_with("providers.aws.credentials: ") && !source.contains("secret"), "{source}");
    assert_eq!(provider.masked("token-of-SECOND"), "***");
}

#[tokio::test]
async fn what_an_instance_cannot_give_is_told() {
    let cases = [
        (vec![(403, String::new())], "hop limit"),
        (vec![answer("s"), answer("")], "no role"),
        (vec![answer("s"), answer("r"), answer("<html>")], "no document"),
        (
            vec![answer("s"), answer("r"), answer(r#"{"Code":"AssumeRoleUnauthorizedAccess"}"#)],
            "AssumeRoleUnauthorizedAccess",
        ),
        (vec![answer("s"), answer("r"), answer(r#"{"Code":"Success","AccessKeyId":"A"}"#)], "no access key"),
        (vec![answer("s"), answer("r"), answer(&document("A", 1).replace("20", "xx"))], "no time"),
        (vec![answer("s"), answer("r"), answer(&document("A", -60))], "expired"),
    ];
    for (answers, word) in cases {
        let fake = Fake::start(answers).await;
        let env = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*fake.base)];
        let provider = bedrock("{ region: us-east-1, credentials: instance }", &env).expect("the settings are right");
        let why = refreshed(&provider).await.expect_err(word);
        assert!(why.contains(word) && !why.contains("secret"), "{word}: {why}");
        assert_eq!(signed_with(&provider, now_us()), Err(SignFault::NoCredentials));
    }
}

#[tokio::test]
async fn a_container_is_asked_with_the_token_that_stands_in_its_file_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    let mut fake =
        Fake::start(vec![answer(&document("A", 900)), answer(&document("B", 900)), (403, String::new())]).await;
    let (uri, file) = (format!("{}/v1/credentials?a=1", fake.base), path.display().to_string());
    let env = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*uri), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &*file)];
    let provider = bedrock("{ region: us-east-1 }", &env).expect("the environment tells it");
    let why = refreshed(&provider).await.expect_err("there is no token");
    assert!(why.contains(&file), "{why}");
    for (token, id) in [("first", "A"), ("second\n", "B")] {
        std::fs::write(&path, token).expect("written");
        refreshed(&provider).await.expect("keys came");
        let call = fake.call().await;
        assert_eq!((&*call.line, call.field("authorization")), ("GET /v1/credentials?a=1", Some(token.trim())));
        assert_eq!(signed_with(&provider, now_us()), Ok(format!("{id} token-of-{id}")));
    }
    let why = refreshed(&provider).await.expect_err("it refuses");
    assert!(why.contains("403") && !why.contains("second"), "{why}");
}

const ASSUMED: &str = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">
  <AssumeRoleWithWebIdentityResult>
    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/weighbridge</Arn></AssumedRoleUser>
    <Credentials>
      <SessionToken>token&amp;more</SessionToken>
      <SecretAccessKey>secret/key</SecretAccessKey>
      <Expiration>2100-01-01T00:00:00Z</Expiration>
      <AccessKeyId>ASIA1</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>";

const REFUSED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>\
                       <Message>Couldn't retrieve verification key</Message></Error></ErrorResponse>";

#[tokio::test]
async fn a_role_is_assumed_with_a_web_identity() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    std::fs::write(&path, "ey.J+w/t==\n").expect("written");
    let mut fake = Fake::start(vec![answer(ASSUMED), (400, REFUSED.to_owned())]).await;
    let file = path.display().to_string();
    let env = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &*file),
        ("AWS_ENDPOINT_URL_STS", &*fake.base),
    ];
    let provider = bedrock("{ region: eu-west-1 }", &env).expect("the environment tells it");
    refreshed(&provider).await.expect("keys came");
    let call = fake.call().await;
    assert_eq!(call.line, "POST /");
    assert!(call.field("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")));
    let form = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr\
                &RoleSessionName=weighbridge&WebIdentityToken=ey.J%2Bw%2Ft%3D%3D";
    assert_eq!(call.body, form);
    assert_eq!(signed_with(&provider, now_us()).as_deref(), Ok("ASIA1 token&more"));
    let why = refreshed(&provider).await.expect_err("refused");
    assert!(why.contains("InvalidIdentityToken") && why.contains("role/r") && !why.contains("ey.J"), "{why}");
}

#[test]
fn the_environment_is_searched_in_the_order_of_aws() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials");
    std::fs::write(&path, "[default]\naws_access_key_id=A\naws_secret_access_key=b\n").expect("written");
    let file = path.display().to_string();
    let all = [
        ("AWS_BEARER_TOKEN_BEDROCK", "abc"),
        ("AWS_ACCESS_KEY_ID", "A"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_SHARED_CREDENTIALS_FILE", &*file),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/creds"),
    ];
    let whom = |from: usize, settings: &str| {
        let provider = bedrock(settings, &all[from..]).expect("there are credentials");
        provider.feed().map(|feed| feed.source().to_owned())
    };
    let settings = "{ region: eu-west-1 }";
    let asked = [
        (0, None),
        (1, None),
        (3, Some("providers.aws.credentials: sts.eu-west-1.amazonaws.com for role arn:aws:iam::1:role/r")),
        (5, None),
        (6, Some("providers.aws.credentials: the container's credentials at 169.254.170.2")),
        (7, Some("providers.aws.credentials: the instance's metadata service at http://169.254.169.254")),
    ];
    for (from, want) in asked {
        assert_eq!(whom(from, settings).as_deref(), want, "from {from}");
    }
    let chosen = [("env", false), ("file", false), ("web_identity", true), ("container", true), ("instance", true)];
    for (way, fetched) in chosen {
        let settings = format!("{{ region: eu-west-1, credentials: {way} }}");
        assert_eq!(whom(0, &settings).is_some(), fetched, "{way}");
    }
}

#[test]
fn ways_that_lead_nowhere_are_told_with_their_key() {
    let disabled = [("AWS_EC2_METADATA_DISABLED", "true")];
    let far = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/creds")];
    type Env<'e> = &'e [(&'e str, &'e str)];
    let sts = [("AWS_ENDPOINT_URL_STS", "http://sts.example.com")];
    let cases: [(&str, Env<'_>, &str); 14] = [
        ("{ region: r }", &disabled, "has no credentials"),
        ("{ region: r }", &far, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ("{ region: r, credentials: env }", &[], "AWS_ACCESS_KEY_ID"),
        ("{ region: r, credentials: static }", &[], "access_key_id"),
        ("{ region: r, credentials: file }", &[], "credentials_file"),
        ("{ region: r, credentials: container }", &[], "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        ("{ region: r, credentials: web_identity }", &[], "role_arn"),
        ("{ region: r, role_arn: a }", &[], "web_identity_token_file"),
        ("{ region: r, role_arn: a, web_identity_token_file: t, sts_url: 'http://h' }", &[], "sts_url"),
        ("{ region: r, role_arn: a, web_identity_token_file: t }", &sts, "AWS_ENDPOINT_URL_STS"),
        ("{ region: r, credentials: instance, metadata_url: x }", &[], "metadata_url"),
        ("{ region: r, credentials: instance, api_key: k }", &[], "api_key"),
        ("{ region: r, credentials: ec2 }", &[], "credentials"),
        ("{ region: r, role_arn: a, credentials_file: b }", &[], "several credentials"),
    ];
    for (settings, env, word) in cases {
        let told = bedrock(settings, env).map(|_| ()).expect_err(settings).to_string();
        assert!(told.contains(word) && told.contains("providers.aws"), "{settings}: {told}");
    }
}
