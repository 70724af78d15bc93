//! Vertex: Gemini's and Anthropic's formats behind Google's credentials, and where these come from.

use super::Bench;
use hyper::StatusCode;
use serde_json::json;

const MODELS: &str = "/v1/projects/p/locations/l/publishers";
const AUTH: [(&str, &str); 1] = [("authorization", "Bearer ya29.any")];

#[tokio::test]
async fn gemini_answers_behind_a_token() {
    let bench = Bench::new("output=2").await;
    let ask = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}).to_string();
    let path = format!("{MODELS}/google/models/g:generateContent");
    let answer = bench.ask("POST", &path, &AUTH, &ask).await;
    assert_eq!(answer.json()["usageMetadata"]["candidatesTokenCount"], 2);
    let refused = bench.ask("POST", &path, &[], &ask).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["status"]),
        (StatusCode::UNAUTHORIZED, &json!("UNAUTHENTICATED"))
    );
    let stream =
        bench.ask("POST", &format!("{MODELS}/google/models/g:streamGenerateContent?alt=sse"), &AUTH, &ask).await;
    assert!(stream.text.contains("\r\n\r\n") && stream.text.contains("STOP"));
}

#[tokio::test]
async fn claude_wants_its_version_in_the_body_and_its_name_in_the_path() {
    let bench = Bench::new("output=2").await;
    let good = json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]});
    let path = format!("{MODELS}/anthropic/models/claude%3Foutput=3:rawPredict");
    let answer = bench.ask("POST", &path, &AUTH, &good.to_string()).await.json();
    assert_eq!((&answer["usage"]["output_tokens"], &answer["model"]), (&json!(3), &json!("claude")));
    for (name, value) in
        [("anthropic_version", json!(null)), ("anthropic_version", json!("2023-06-01")), ("model", json!("claude"))]
    {
        let mut bad = good.clone();
        bad[name] = value;
        let refused = bench.ask("POST", &path, &AUTH, &bad.to_string()).await;
        assert_eq!((refused.status, &refused.json()["type"]), (StatusCode::BAD_REQUEST, &json!("error")), "{name}");
    }
    let stream = bench
        .ask("POST", &format!("{MODELS}/anthropic/models/claude:streamRawPredict"), &AUTH, &good.to_string())
        .await;
    assert_eq!(stream.events().first().map(|(name, _)| name.clone()).as_deref(), Some("message_start"));
}

#[tokio::test]
async fn tokens_are_given_and_taken() {
    let bench = Bench::new("").await;
    let metadata = "/computeMetadata/v1/instance/service-accounts/default/token";
    assert_eq!(bench.ask("GET", metadata, &[], "").await.status, StatusCode::FORBIDDEN);
    let given = bench.ask("GET", metadata, &[("metadata-flavor", "Google")], "").await.json();
    assert_eq!((&given["expires_in"], &given["token_type"]), (&json!(3599), &json!("Bearer")));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let refresh = "grant_type=refresh_token&client_id=a&client_secret=b&refresh_token=c%2Fd";
    assert_eq!(bench.ask("POST", "/token", &form, refresh).await.status, StatusCode::OK);
    let bad = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c";
    let refused = bench.ask("POST", "/token", &form, bad).await;
    assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
}
