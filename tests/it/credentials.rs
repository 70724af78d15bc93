//! Credentials that come from the network: until they come another target answers, they are renewed before they end, and
//! one account at Vertex serves Gemini and Claude.

use crate::support::config::Setup;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::{Recorded, Upstream};
use serde_json::{Value, json};

/// Made for the tests of the library, and of no use elsewhere.
const TEST_KEY: &str = include_str!("../../src/providers/vertex/fixtures/test_key.b64");

const CHAT: &str = "/v1/chat/completions";

/// Settings of a provider of kind `vertex` at `vertex`, with a service account whose tokens are given by `tokens`.
fn settings(vertex: &Upstream, tokens: &Upstream) -> String {
    let file = json!({
        "type": "service_account", "project_id": "p-1", "private_key_id": "k",
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{TEST_KEY}-----END PRIVATE KEY-----\n"),
        "client_email": "gateway@p-1.iam.gserviceaccount.com", "token_uri": format!("http://{}/token", tokens.address),
    });
    let text = json!(file.to_string());
    format!("kind: vertex, base_url: \"http://{}\", location: us-central1, credentials_json: {text}", vertex.address)
}

/// What Vertex answers: Gemini's answer or Claude's, whole or streamed.
fn answers(request: &Recorded) -> Script {
    let gemini = json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello there"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "trafficType": "ON_DEMAND"},
    });
    match request.path().rsplit(':').next().unwrap_or_default() {
        "generateContent" => Script::json(200, gemini.to_string()),
        "streamGenerateContent?alt=sse" => Script::events([format!("data: {gemini}\r\n\r\n")]),
        "rawPredict" => Script::json(200, sample::MESSAGE),
        "streamRawPredict" => Script::events(sample::message_events()),
        _ => Script::error(404),
    }
}

/// The `n`th token, good for so many seconds.
fn token(n: usize, seconds: u64) -> Script {
    let body = json!({"access_token": format!("ya29.planted-{n}"), "expires_in": seconds, "token_type": "Bearer"});
    Script::json(200, body.to_string())
}

async fn vertex() -> (Upstream, Upstream) {
    let (vertex, tokens) = (Upstream::start().await, Upstream::start().await);
    vertex.by(answers);
    tokens.by(|request| token(request.number, 3_600));
    (vertex, tokens)
}

/// Asks until there are credentials.
async fn answered(gateway: &Gateway, path: &str, ask: &'static str) -> Value {
    let probe = || async {
        let answer = gateway.post(path, ask).await;
        assert!([200, 503].contains(&answer.status), "{}", answer.text());
        (answer.status == 200).then(|| answer.json())
    };
    eventually("an answer with credentials", probe).await
}

fn asked(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#)
}

#[tokio::test]
async fn until_credentials_come_the_next_target_answers_and_nothing_is_paid() {
    let (vertex, tokens) = vertex().await;
    let (other, gate) = (Upstream::start().await, Gate::new());
    tokens.next(Script::new().wait(&gate).head(503, &[("content-length", "0")]).end());
    let setup = Setup::new().account("a", &settings(&vertex, &tokens));
    let setup = setup.provider("b", "openai", &format!("http://{}", other.address), "");
    let gateway = setup.model("fast", 2, "").model_of("alone", &["a"], "").start().await;
    let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!((answer.status, answer.field("x-weighbridge-attempts")), (200, Some("2")), "{}", answer.text());
    assert_eq!(answer.field("x-weighbridge-model"), Some("b/model-b"));
    let rows = gateway.settled(2).await;
    assert_eq!((rows[0].tokens(), rows[0].number("cost_nano_usd")), ((0, 0), 0), "it was not sent");
    let refused = gateway.post(CHAT, asked("alone")).await;
    assert_eq!(refused.openai_error(503), "upstream_no_credentials");
    assert!(refused.field("retry-after").is_some(), "{}", refused.text());
    assert!(refused.text().contains("a/model-a") && refused.text().contains("log"), "{}", refused.text());
    assert_eq!((vertex.count(), vertex.connections()), (0, 0), "nobody was called");
    gate.open();
    let probe = || async {
        let answer = gateway.post(CHAT, asked("alone")).await;
        (answer.status == 200).then_some(answer)
    };
    eventually("credentials, at the second try", probe).await;
    let log = gateway.log();
    assert!(log.contains("providers.a.credentials_json") && log.contains("503"), "what failed is told: {log}");
    assert!(!log.contains("planted") && !log.contains(&TEST_KEY[..40]), "and no secret");
    let failures = "weighbridge_providers_credentials_failures_total{provider=\"a\"}";
    assert!(gateway.metric(failures).await >= 1.0);
}

#[tokio::test]
async fn tokens_are_renewed_before_they_end() {
    let (vertex, tokens) = vertex().await;
    tokens.next(token(0, 2)).next(token(1, 3_600));
    let gateway = Setup::new().account("a", &settings(&vertex, &tokens)).model("fast", 1, "").start().await;
    let bearer = |seen: &Recorded| seen.head.get("authorization").map(ToString::to_string);
    let probe = || async {
        let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
        assert!([200, 503].contains(&answer.status), "{}", answer.text());
        let last = vertex.requests().last().and_then(bearer);
        (last.as_deref() == Some("Bearer ya29.planted-1")).then_some(())
    };
    eventually("the second token", probe).await;
    let expiry = "weighbridge_providers_credentials_expiry_timestamp_seconds{provider=\"a\"}";
    assert!(gateway.metric(expiry).await > 1_700_000_000.0);
}

#[tokio::test]
async fn one_account_serves_gemini_and_claude_to_clients_of_any_dialect() {
    let (vertex, tokens) = vertex().await;
    let setup = Setup::new().account("google", &settings(&vertex, &tokens));
    let setup = setup.target("gemini", "google", "gemini-2.5-flash").price("gemini-2.5-flash", "input: 2, output: 8");
    let setup = setup.target("claude", "google", "claude-sonnet-4-5").price("claude-sonnet-4-5", "input: 2, output: 8");
    let gateway = setup.start().await;
    let chat = answered(&gateway, CHAT, r#"{"model":"gemini","messages":[{"role":"user","content":"hi"}]}"#).await;
    assert_eq!(chat["choices"][0]["message"]["content"], "Hello there");
    let before = vertex.count();
    let base = "/v1/projects/p-1/locations/us-central1/publishers";
    let calls = [
        (CHAT, asked("claude"), "anthropic/models/claude-sonnet-4-5:rawPredict"),
        (
            "/v1/messages?beta=true",
            asked("claude").replace("{\"model", "{\"max_tokens\":9,\"model"),
            "anthropic/models/claude-sonnet-4-5:rawPredict",
        ),
        (
            "/v1/messages",
            asked("claude").replace("{\"model", "{\"max_tokens\":9,\"stream\":true,\"model"),
            "anthropic/models/claude-sonnet-4-5:streamRawPredict",
        ),
        (
            "/v1/messages",
            asked("gemini").replace("{\"model", "{\"max_tokens\":9,\"model"),
            "google/models/gemini-2.5-flash:generateContent",
        ),
        (
            "/v1beta/models/gemini:streamGenerateContent?alt=sse",
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#.to_owned(),
            "google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ),
    ];
    for (at, (path, ask, want)) in calls.into_iter().enumerate() {
        let answer = gateway.post(path, ask).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(answer.text().contains("Hel"), "{path}: {}", answer.text());
        let seen = &vertex.requests()[before + at];
        assert_eq!(seen.path(), format!("{base}/{want}"), "{path}");
        assert!(seen.head.get("authorization").is_some_and(|value| value.starts_with("Bearer ya29.")), "{path}");
        let body = seen.json();
        assert!(body.get("model").is_none(), "the path names it: {body}");
        let version = want.starts_with("anthropic").then_some("vertex-2023-10-16");
        assert_eq!(body["anthropic_version"].as_str(), version, "{body}");
    }
    // Those before the token came are rows too.
    let probe = || async {
        let rows = gateway.rows().await;
        (rows.iter().filter(|row| row.tokens() == (sample::INPUT, sample::OUTPUT)).count() == before + 5).then_some(())
    };
    eventually("all are metered", probe).await;
}

#[tokio::test]
async fn bedrock_is_signed_with_the_keys_of_the_instance() {
    let (bedrock, metadata) = (Upstream::start().await, Upstream::start().await);
    metadata.by(|request| match request.path() {
        "/latest/api/token" => Script::answer(200, "text/plain", "session"),
        "/latest/meta-data/iam/security-credentials/" => Script::answer(200, "text/plain", "role"),
        "/latest/meta-data/iam/security-credentials/role" => {
            let keys = json!({
                "Code": "Success", "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "planted-secret", "Token": "planted-token",
                "Expiration": "2100-01-01T00:00:00Z",
            });
            Script::json(200, keys.to_string())
        }
        _ => Script::error(404),
    });
    let converse = json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18},
    });
    bedrock.always(Script::json(200, converse.to_string()));
    let settings = format!(
        "kind: bedrock, region: us-east-1, base_url: \"http://{}\", credentials: instance, metadata_url: \"http://{}\"",
        bedrock.address, metadata.address
    );
    let gateway = Setup::new().account("a", &settings).model("fast", 1, "").start().await;
    let chat = answered(&gateway, CHAT, sample::CHAT_ASK).await;
    assert_eq!(chat["choices"][0]["message"]["content"], "Hello there");
    let seen = bedrock.requests().into_iter().find(|seen| seen.whole && !seen.body.is_empty()).expect("it was asked");
    let proof = seen.head.get("authorization").expect("it is signed").to_owned();
    assert!(proof.contains("Credential=ASIAEXAMPLE/"), "{proof}");
    assert_eq!(seen.head.get("x-amz-security-token"), Some("planted-token"));
    assert!(!gateway.log().contains("planted"), "no secret is told");
}
