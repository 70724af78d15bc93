//! Settings, tokens, paths, and what goes up to Gemini and to Claude.

mod requests;

use super::*;
use crate::{
    model::{Api, ServiceTier},
    outbound::Client,
    providers::{SignFault, fake::Fake},
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, request::Parts};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use std::time::Duration;

/// Made for these tests, and of no use elsewhere.
const TEST_KEY: &str = include_str!("fixtures/test_key.b64");

fn account(settings: &str, env: &[(&str, &str)]) -> Result<account::Account, ConfigError> {
    let provider = config::Provider {
        name: "google".into(),
        kind: "vertex".to_owned(),
        settings: config::Section::from_yaml("providers.google", settings)?,
        catalogue: None,
        protocol: config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: Arc::default(),
    };
    settings::read_with(&provider, &|name| env.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned()))
}

/// A provider with these settings, as it is for `model`.
fn vertex(settings: &str, model: &str) -> Arc<dyn Provider> {
    let gemini: Arc<dyn Provider> = Arc::new(gemini::Gemini::new(Arc::new(account(settings, &[]).expect(settings))));
    gemini.for_model(model).expect("it is spoken to").unwrap_or(gemini)
}

const PLAIN: &str = "{ project: p-1, location: us-central1 }";
const COUNTING: &str = "{ project: p-1, location: us-east5 }";

fn service_account(token_uri: &str) -> Value {
    json!({
        "type": "service_account", "project_id": "of-the-file", "private_key_id": "key-7",
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{TEST_KEY}-----END PRIVATE KEY-----\n"),
        "client_email": "gateway@of-the-file.iam.gserviceaccount.com", "client_id": "1", "token_uri": token_uri,
    })
}

fn user(token_uri: &str) -> Value {
    json!({
        "type": "authorized_user", "client_id": "id.apps", "client_secret": "planted secret", "refresh_token": "1//planted",
        "quota_project_id": "billed", "token_uri": token_uri,
    })
}

/// Settings with the credentials as text.
fn with(credentials: &Value) -> String {
    format!("{{ project: p-1, credentials_json: {} }}", json!(credentials.to_string()))
}

async fn refreshed(provider: &dyn Provider) -> Result<Duration, String> {
    provider.feed().expect("it fetches its credentials").refresh(&Client::default()).await
}

fn signed(provider: &dyn Provider, now_us: u64) -> Result<Parts, SignFault> {
    let (mut head, ()) = http::Request::post("/").body(()).expect("a request").into_parts();
    provider.sign(&mut head, b"{}", now_us).map(|()| head)
}

fn now_us() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).expect("after 1970")
}

#[test]
fn each_location_has_its_host_and_each_model_its_path() {
    let base = "/v1/projects/p-1/locations";
    let cases = [
        (
            "us-central1",
            "gemini-2.5-pro",
            "us-central1-aiplatform.googleapis.com",
            "google/models/gemini-2.5-pro:generateContent",
        ),
        ("global", "google/gemini-3-pro", "aiplatform.googleapis.com", "google/models/gemini-3-pro:generateContent"),
        (
            "eu",
            "claude-sonnet-4-5@20250929",
            "aiplatform.eu.rep.googleapis.com",
            "anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        ),
        (
            "us",
            "anthropic/claude-opus-4-6",
            "aiplatform.us.rep.googleapis.com",
            "anthropic/models/claude-opus-4-6:rawPredict",
        ),
    ];
    for (location, model, host, path) in cases {
        let provider = vertex(&format!("{{ project: p-1, location: {location} }}"), model);
        assert_eq!(&*provider.endpoint().authority, host);
        assert_eq!(provider.codec_path(model, false), format!("{base}/{location}/publishers/{path}"));
        assert_eq!(provider.kind(), "vertex");
    }
    let streams = [
        ("gemini-2.5-pro", "gemini-2.5-pro:streamGenerateContent?alt=sse"),
        ("claude-opus-4-6", "claude-opus-4-6:streamRawPredict"),
    ];
    for (model, end) in streams {
        assert!(vertex(PLAIN, model).codec_path(model, true).ends_with(end), "{model}");
    }
    let tuned = vertex("{ project: p, location: us-east1, base_url: 'http://127.0.0.1:9/x/' }", "endpoints/42");
    assert_eq!(
        tuned.codec_path("endpoints/42", false),
        "/x/v1/projects/p/locations/us-east1/endpoints/42:generateContent"
    );
    let claude = vertex(COUNTING, "claude-opus-4-6");
    let counted = claude.path(Api::CountTokens, "claude-opus-4-6", false);
    assert!(counted.ends_with("/publishers/anthropic/models/count-tokens:rawPredict"), "{counted}");
}

#[test]
fn the_models_name_decides_what_is_spoken() {
    let spoken = |model: &str| {
        let provider = vertex(PLAIN, model);
        let apis: Vec<_> = Api::ALL.into_iter().filter(|api| provider.speaks(*api)).collect();
        (apis, provider.codec().expect("it translates").maker())
    };
    assert_eq!(spoken("gemini-2.5-pro"), (vec![Api::Generate], "gemini"));
    assert_eq!(spoken("anthropic/claude-x"), (vec![Api::Messages], "anthropic"));
    assert!(vertex(COUNTING, "claude-x").speaks(Api::CountTokens), "Google counts in some locations only");
    assert!(!vertex("{ project: p }", "claude-x").speaks(Api::CountTokens), "`global` is none of them");
    let gemini = vertex(PLAIN, "gemini-2.5-pro");
    let why = gemini.for_model("meta/llama-4").expect_err("nobody speaks it");
    assert!(why.contains("`meta`") && why.contains("anthropic"), "{why}");
}

#[tokio::test]
async fn a_service_account_signs_an_assertion_and_gets_a_token() {
    let token = r#"{"access_token":"ya29.c.planted-token","expires_in":3599,"token_type":"Bearer"}"#;
    let mut fake = Fake::start(vec![(200, token.to_owned())]).await;
    let token_uri = format!("{}/token", fake.base);
    let provider = vertex(&with(&service_account(&token_uri)), "gemini-2.5-pro");
    assert_eq!(signed(&*provider, now_us()).map(|_| ()), Err(SignFault::NoCredentials));
    let life = refreshed(&*provider).await.expect("a token came");
    assert_eq!(life.as_secs(), 3_599);
    let call = fake.call().await;
    assert_eq!((&*call.line, call.field("content-type")), ("POST /token", Some("application/x-www-form-urlencoded")));
    let assertion =
        call.body.strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
    let (message, signature) = assertion.and_then(|jwt| jwt.rsplit_once('.')).expect("an assertion");
    let der = STANDARD.decode(TEST_KEY.replace('\n', "")).expect("base64");
    let public = RsaKeyPair::from_pkcs8(&der).expect("a key").public().as_ref().to_vec();
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    let verified = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(message.as_bytes(), &signature);
    assert!(verified.is_ok(), "the signature is of that key");
    let parts: Vec<Value> = message
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON"))
        .collect();
    let issued = parts[1]["iat"].as_u64().expect("a number");
    assert!(issued.abs_diff(now_us() / 1_000_000) < 60, "{issued}");
    let claims = json!({
        "iss": "gateway@of-the-file.iam.gserviceaccount.com", "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": token_uri, "iat": issued, "exp": issued + 3600,
    });
    assert_eq!(parts, [json!({"alg": "RS256", "typ": "JWT", "kid": "key-7"}), claims]);
    let head = signed(&*provider, now_us()).expect("there is a token");
    assert_eq!(head.headers["authorization"], "Bearer ya29.c.planted-token");
    assert!(!format!("{head:?} {provider:?}").contains("planted"), "what is secret does not print");
    let claude = provider.for_model("claude-opus-4-6").expect("spoken").expect("another");
    assert_eq!(
        signed(&*claude, now_us()).expect("the same account").headers["authorization"],
        "Bearer ya29.c.planted-token"
    );
    assert_eq!(signed(&*provider, now_us() + 3_600_000_000).map(|_| ()), Err(SignFault::Expired));
    assert_eq!(provider.masked("it was ya29.c.planted-token"), "it was ***");
}

#[tokio::test]
async fn a_users_login_is_refreshed_and_an_old_token_is_used_until_it_ends() {
    let told = |token: &str, life: u64| (200, json!({"access_token": token, "expires_in": life}).to_string());
    let refused =
        (400, r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#.to_owned());
    let mut fake = Fake::start(vec![told("first-token", 600), refused, told("second-token", 900)]).await;
    let provider = vertex(&with(&user(&format!("{}/token", fake.base))), "gemini-2.5-pro");
    refreshed(&*provider).await.expect("a token came");
    let form = "grant_type=refresh_token&client_id=id.apps&client_secret=planted%20secret&refresh_token=1%2F%2Fplanted";
    assert_eq!(fake.call().await.body, form);
    let head = signed(&*provider, now_us()).expect("there is a token");
    assert_eq!(
        (&head.headers["authorization"], &head.headers["x-goog-user-project"]),
        (&HeaderValue::from_static("Bearer first-token"), &HeaderValue::from_static("billed"))
    );
    let why = refreshed(&*provider).await.expect_err("refused");
    assert_eq!(why, "no token is given (status 400): invalid_grant Token has been expired or revoked.");
    assert_eq!(signed(&*provider, now_us()).expect("still good").headers["authorization"], "Bearer first-token");
    refreshed(&*provider).await.expect("a token came");
    assert_eq!(signed(&*provider, now_us()).expect("new").headers["authorization"], "Bearer second-token");
}

#[tokio::test]
async fn a_machine_asks_its_metadata_service() {
    let token = r#"{"access_token":"of-the-machine","expires_in":300,"token_type":"Bearer"}"#;
    let answers = [token, "<html>", "{}", r#"{"access_token":"x"}"#, r#"{"access_token":"a\nb","expires_in":3}"#];
    let mut fake = Fake::start(answers.iter().map(|body| (200, (*body).to_owned())).collect()).await;
    let host = fake.base.replace("http://", "");
    let account = account("{ project: p }", &[("GCE_METADATA_HOST", &*host)]).expect("the environment tells it");
    let provider = gemini::Gemini::new(Arc::new(account));
    assert_eq!(refreshed(&provider).await.map(|life| life.as_secs()), Ok(300));
    let call = fake.call().await;
    assert_eq!(call.line, "GET /computeMetadata/v1/instance/service-accounts/default/token");
    assert_eq!(call.field("metadata-flavor"), Some("Google"));
    for word in ["no access token", "no access token", "does not last", "no header"] {
        let why = refreshed(&provider).await.expect_err(word);
        assert!(why.contains(word), "{why}");
    }
    assert_eq!(signed(&provider, now_us()).expect("the first").headers["authorization"], "Bearer of-the-machine");
}

#[test]
fn credentials_are_looked_for_in_the_order_of_google() {
    let home = tempfile::tempdir().expect("a folder");
    let gcloud = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&gcloud).expect("made");
    std::fs::write(gcloud.join("application_default_credentials.json"), user("https://h/token").to_string())
        .expect("written");
    let file = home.path().join("key.json");
    std::fs::write(&file, service_account("https://h/token").to_string()).expect("written");
    let (file, home) = (file.display().to_string(), home.path().display().to_string());
    let env = [("GOOGLE_APPLICATION_CREDENTIALS", &*file), ("HOME", &*home)];
    let source = |settings: &str, from: usize| {
        let account = account(settings, &env[from..]).expect(settings);
        (account.feed.source().to_owned(), account.base)
    };
    let (of_env, base) = source("{ location: eu }", 0);
    assert!(of_env.contains("credentials_file") && of_env.contains("gateway@"), "{of_env}");
    assert_eq!(base, "/v1/projects/of-the-file/locations/eu");
    let (of_gcloud, base) = source("{}", 1);
    assert!(of_gcloud.ends_with("for a user's login"), "{of_gcloud}");
    assert_eq!(base, "/v1/projects/billed/locations/global");
    let (of_machine, _) = source("{ project: p }", 2);
    assert_eq!(of_machine, "providers.google.credentials: the metadata service at http://metadata.google.internal");
    assert_eq!(source("{ project: p, credentials: metadata }", 0).0, of_machine);
}

#[test]
fn a_mistake_in_the_environments_file_names_the_variable_and_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key.json");
    std::fs::write(&file, r#"{"type":"external_account"}"#).expect("written");
    for (path, word) in
        [(file.display().to_string(), "external_account"), ("/nowhere/at/all".to_owned(), "cannot be read")]
    {
        let told = account("{ project: p }", &[("GOOGLE_APPLICATION_CREDENTIALS", &*path)]).map(|_| ());
        let told = told.expect_err("it is of no use").to_string();
        assert!(
            told.contains("GOOGLE_APPLICATION_CREDENTIALS") && told.contains(&path) && told.contains(word),
            "{told}"
        );
        assert!(!told.contains("credentials_file"), "nobody set that key: {told}");
    }
}

#[test]
fn settings_that_lead_nowhere_are_told_with_their_key() {
    let json = |mut value: Value, name: &str, new: Value| {
        value[name] = new;
        with(&value)
    };
    let good = || service_account("https://h/token");
    let cases = [
        ("{}".to_owned(), "google.project"),
        ("{ project: 'p/q' }".to_owned(), "google.project"),
        ("{ project: p, location: 'us central' }".to_owned(), "google.location"),
        ("{ project: p, base_url: ftp://x }".to_owned(), "google.base_url"),
        ("{ project: p, credentials_file: /nowhere/at/all }".to_owned(), "google.credentials_file"),
        ("{ project: p, credentials: file }".to_owned(), "google.credentials_file"),
        ("{ project: p, credentials: metadata, credentials_file: x }".to_owned(), "google.credentials_file"),
        ("{ project: p, credentials_json: '{}', credentials_file: x }".to_owned(), "google.credentials_file"),
        ("{ project: p, metadata_url: x }".to_owned(), "google.metadata_url"),
        ("{ project: p, api_key: x }".to_owned(), "api_key"),
        ("{ project: p, credentials_json: x }".to_owned(), "no JSON"),
        (json(good(), "type", json!("external_account")), "external_account"),
        (json(good(), "client_email", Value::Null), "client_email"),
        (json(good(), "private_key", json!("planted")), "private_key"),
        (json(good(), "token_uri", json!("http://example.com/token")), "token_uri"),
        (json(user("https://h/t"), "refresh_token", json!("")), "refresh_token"),
    ];
    for (settings, word) in cases {
        let told = account(&settings, &[]).map(|_| ()).expect_err(&settings).to_string();
        assert!(told.contains(word) && !told.contains("planted"), "{settings}: {told}");
    }
}

#[test]
fn of_the_clients_headers_those_of_the_own_dialect_go_up() {
    let mut client = HeaderMap::new();
    for (name, value) in [
        ("user-agent", "sdk"),
        ("authorization", "Bearer theirs"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "context-1m-2025-08-07"),
        ("x-goog-api-client", "g"),
        ("x-goog-api-key", "theirs"),
    ] {
        client.insert(name, HeaderValue::from_static(value));
    }
    let passed = |model: &str, api: Api| {
        let mut head = HeaderMap::new();
        vertex(PLAIN, model).headers(api, &client, &mut head);
        let mut names: Vec<_> = head.keys().map(ToString::to_string).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(passed("claude-x", Api::Messages), "anthropic-beta user-agent");
    assert_eq!(passed("claude-x", Api::ChatCompletions), "user-agent");
    assert_eq!(passed("claude-x", Api::CountTokens), "user-agent");
    assert_eq!(passed("gemini-x", Api::Generate), "user-agent x-goog-api-client");
    assert!(!vertex(PLAIN, "claude-x").takes_query(), "`beta=true` is no parameter there");
}

#[test]
fn of_the_clients_betas_those_go_up_that_vertex_knows_and_the_rest_is_told() {
    let mut client = HeaderMap::new();
    for value in ["claude-code-20250219, interleaved-thinking-2025-05-14,effort-2025-11-24", " context-1m-2025-08-07 ,"]
    {
        client.append("anthropic-beta", HeaderValue::from_static(value));
    }
    let provider = vertex(COUNTING, "claude-x");
    let passed = |api: Api| {
        let mut head = HeaderMap::new();
        provider.headers(api, &client, &mut head);
        let values: Vec<_> =
            head.get_all("anthropic-beta").iter().map(|value| value.to_str().expect("text").to_owned()).collect();
        (values, provider.headers_cut(api, &client))
    };
    let (up, cut) = passed(Api::Messages);
    assert_eq!(up, ["interleaved-thinking-2025-05-14,context-1m-2025-08-07"]);
    assert_eq!(cut, ["anthropic-beta:claude-code-20250219", "anthropic-beta:effort-2025-11-24"]);
    let (up, cut) = passed(Api::CountTokens);
    assert_eq!((up.len(), cut.len()), (0, 4), "none is taken where tokens are counted");
    assert_eq!(passed(Api::ChatCompletions), (Vec::new(), Vec::new()), "there it says nothing");
}

#[test]
fn answers_are_metered_and_errors_told() {
    let gemini = vertex(PLAIN, "gemini-2.5-pro");
    let body = br#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"finishReason":"STOP","avgLogprobs":-0.1}],
        "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4,"trafficType":"ON_DEMAND_PRIORITY"},
        "modelVersion":"gemini-2.5-pro","createTime":"2026-01-01T00:00:00Z","responseId":"r"}"#;
    let reading = gemini.read_whole(Api::Generate, body).expect("an answer");
    assert_eq!((reading.usage.map(|usage| usage.output), reading.tier), (Some(1), Some(ServiceTier::Priority)));
    let claude = vertex(PLAIN, "claude-sonnet-4-5");
    let body = br#"{"id":"msg_vrtx_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929",
        "content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}"#;
    let reading = claude.read_whole(Api::Messages, body).expect("an answer");
    assert_eq!(reading.usage.map(|usage| (usage.input, usage.output)), Some((3, 2)));
    assert_eq!(claude.output_of_whole(Api::Messages, body).text(), "Hi");
    assert!(claude.read_whole(Api::CountTokens, br#"{"input_tokens":14}"#).is_ok());
    let error = br#"[{"error":{"code":403,"message":"Permission denied for ya29.a0AfB_planted","status":"PERMISSION_DENIED"}}]"#;
    for provider in [gemini, claude] {
        assert_eq!(provider.error_message(error).as_deref(), Some("Permission denied for ya29.***"));
    }
}
