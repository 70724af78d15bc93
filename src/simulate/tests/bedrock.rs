//! Bedrock's calls.

use super::Bench;
use crate::simulate::{Knobs, Outcome, Simulator};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const WHOLE: &str = "/model/anthropic.claude-sim-v1%3A0/converse";
const STREAM: &str = "/model/anthropic.claude-sim-v1:0/converse-stream";
const SIGNED: (&str, &str) = (
    "authorization",
    "AWS4-HMAC-SHA256 Credential=AKIASIM/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00ff",
);

fn hello(extra: Value) -> Value {
    let mut body = json!({
        "system": [{"text": "abcd"}],
        "messages": [{"role": "user", "content": [{"text": "hello there"}]}],
    });
    body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    body
}

fn tools() -> Value {
    let schema = json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    json!([
        {"toolSpec": {"name": "other", "inputSchema": {"json": {"type": "object"}}}},
        {"cachePoint": {"type": "default"}},
        {"toolSpec": {"name": "weather", "inputSchema": {"json": schema}}},
    ])
}

/// The path of a model's id, encoded as a client must.
fn of(id: &str, verb: &str) -> String {
    format!("/model/{}/{verb}", id.replace('?', "%3F").replace('&', "%26"))
}

async fn ask(bench: &Bench, path: &str, body: &Value) -> Value {
    let answer = bench.ask("POST", path, &[SIGNED], &body.to_string()).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    answer.json()
}

/// Header values by name, in order, and the payload.
type Frame = (Vec<(String, String)>, Value);

/// Reads event-stream messages and checks both of their CRCs.
fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let number = |at: &[u8]| u32::from_be_bytes(at[..4].try_into().expect("four bytes"));
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (total, head) = (number(bytes) as usize, number(&bytes[4..]) as usize);
        assert_eq!(number(&bytes[8..]), crc32fast::hash(&bytes[..8]), "the prelude's CRC");
        assert_eq!(number(&bytes[total - 4..]), crc32fast::hash(&bytes[..total - 4]), "the message's CRC");
        let mut headers = Vec::new();
        let mut rest = &bytes[12..12 + head];
        while let Some((length, after)) = rest.split_first() {
            let (name, after) = after.split_at(usize::from(*length));
            assert_eq!(after[0], 7, "text");
            let (value, after) = after[3..].split_at(usize::from(u16::from_be_bytes([after[1], after[2]])));
            headers.push((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned()));
            rest = after;
        }
        frames.push((headers, serde_json::from_slice(&bytes[12 + head..total - 4]).expect("JSON")));
        bytes = &bytes[total..];
    }
    frames
}

async fn bytes(bench: &Bench, path: &str, body: &Value) -> Bytes {
    let response = bench.send("POST", path, &[SIGNED], &body.to_string()).await;
    assert_eq!(response.headers()["content-type"], "application/vnd.amazon.eventstream");
    response.into_body().collect().await.expect("a whole body").to_bytes()
}

/// Name and payload of each event.
async fn events(bench: &Bench, path: &str, body: &Value) -> Vec<(String, Value)> {
    let named = |(headers, payload): Frame| (headers.first().expect("a header").1.clone(), payload);
    frames(&bytes(bench, path, body).await).into_iter().map(named).collect()
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn usage_counts_the_cache_apart_from_input() {
    let bench = Bench::new("output=3,cached=10,cache_write=20,cache_write_1h=30,reasoning=9,latency=2ms").await;
    let answer = ask(&bench, WHOLE, &hello(json!({}))).await;
    let want = json!({
        "inputTokens": 4, "outputTokens": 3 + 9, "totalTokens": 4 + 60 + 12,
        "cacheReadInputTokens": 10, "cacheWriteInputTokens": 50,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 20}, {"ttl": "1h", "inputTokens": 30}],
    });
    assert_eq!((&answer["usage"], &answer["metrics"]["latencyMs"]), (&want, &json!(2)));
    let message = &answer["output"]["message"];
    assert_eq!((&message["role"], &answer["stopReason"]), (&json!("assistant"), &json!("end_turn")));
    assert_eq!(message["content"][0]["text"].as_str().map(|text| text.split(' ').count()), Some(3));
    let request = bench.sim.recorded().pop().expect("a request");
    assert_eq!(request.model, "anthropic.claude-sim-v1:0");
    assert_eq!(request.reported.expect("usage").usage().input_total(), 4 + 60);
    let capped = ask(&bench, WHOLE, &hello(json!({"inferenceConfig": {"maxTokens": 2}}))).await;
    assert_eq!((&capped["stopReason"], &capped["usage"]["outputTokens"]), (&json!("max_tokens"), &json!(2 + 9)));
    let silent = ask(&bench, &of("m?no_usage=yes", "converse"), &hello(json!({}))).await;
    assert!(silent.get("usage").is_none());
}

#[tokio::test]
async fn a_stream_is_frames_with_both_crcs_and_the_documented_headers() {
    let bench = Bench::new("output=2").await;
    let frames = frames(&bytes(&bench, STREAM, &hello(json!({}))).await);
    for (headers, _) in &frames {
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [":event-type", ":content-type", ":message-type"]);
        assert_eq!((headers[1].1.as_str(), headers[2].1.as_str()), ("application/json", "event"));
    }
    let events = events(&bench, STREAM, &hello(json!({}))).await;
    let want =
        ["messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];
    assert_eq!(names(&events), want, "of text there is no start");
    assert_eq!(events[0].1, json!({"role": "assistant"}));
    assert_eq!(events[4].1, json!({"stopReason": "end_turn"}));
    assert_eq!((&events[5].1["usage"]["outputTokens"], &events[5].1["metrics"]["latencyMs"]), (&json!(2), &json!(0)));
    let text: String = events.iter().filter_map(|(_, payload)| payload["delta"]["text"].as_str()).collect();
    let whole = ask(&bench, WHOLE, &hello(json!({}))).await;
    assert_eq!(whole["output"]["message"]["content"][0]["text"], text);
    let page = bench.ask("GET", "/_simulate/stats", &[], "").await.json();
    assert_eq!(page["by_path"]["/model/{modelId}/converse-stream"], 2);
    assert!(bench.sim.recorded()[0].stream);
}

#[tokio::test]
async fn a_tool_is_called_when_required_named_or_asked_for() {
    let bench = Bench::new("").await;
    let cases = [
        (json!({"any": {}}), Some("other")),
        (json!({"tool": {"name": "weather"}}), Some("weather")),
        (json!({"auto": {}}), None),
    ];
    for (choice, want) in cases {
        let body = hello(json!({"toolConfig": {"tools": tools(), "toolChoice": choice}}));
        let answer = ask(&bench, WHOLE, &body).await;
        let block = &answer["output"]["message"]["content"][0];
        assert_eq!(block["toolUse"]["name"].as_str(), want);
        assert_eq!(answer["stopReason"] == "tool_use", want.is_some());
        if want == Some("weather") {
            assert_eq!(block["toolUse"]["input"], json!({"city": "naïve balance"}));
            let events = events(&bench, STREAM, &body).await;
            assert_eq!(names(&events)[..2], ["messageStart", "contentBlockStart"]);
            assert_eq!(events[1].1["start"]["toolUse"]["name"], "weather");
            let parts: Vec<_> = events.iter().filter_map(|(_, it)| it["delta"]["toolUse"]["input"].as_str()).collect();
            assert!(parts.len() > 1, "arguments come in pieces");
            assert_eq!(parts.concat(), r#"{"city":"naïve balance"}"#);
        }
    }
    let asked = json!([{"role": "user", "content": [{"text": "please call the tool"}]}]);
    let body = json!({"messages": asked, "toolConfig": {"tools": tools()}});
    assert_eq!(ask(&bench, WHOLE, &body).await["stopReason"], "tool_use");
    let called = ask(&bench, WHOLE, &body).await["output"]["message"].clone();
    let result = json!({"toolResult": {"toolUseId": "t", "content": [{"text": "sun"}]}});
    let result = json!({"role": "user", "content": [result]});
    let body = json!({"messages": [asked[0], called, result], "toolConfig": {"tools": tools()}});
    assert_eq!(ask(&bench, WHOLE, &body).await["stopReason"], "end_turn");
}

#[tokio::test]
async fn thoughts_are_a_block_of_their_own_where_they_are_asked_for() {
    let bench = Bench::new("output=1,reasoning=40").await;
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let body = hello(json!({"additionalModelRequestFields": {"thinking": thinking}}));
    let content = &ask(&bench, WHOLE, &body).await["output"]["message"]["content"];
    let thought = &content[0]["reasoningContent"]["reasoningText"];
    assert!(thought["text"].is_string() && thought["signature"].is_string() && content[1]["text"].is_string());
    let events = events(&bench, STREAM, &body).await;
    let blocks: Vec<_> = events.iter().filter_map(|(_, payload)| payload["contentBlockIndex"].as_u64()).collect();
    assert_eq!(blocks, [0, 0, 0, 1, 1]);
    assert_eq!(events[1].1["delta"]["reasoningContent"]["text"], thought["text"]);
    let plain = ask(&bench, WHOLE, &hello(json!({}))).await;
    assert!(plain["output"]["message"]["content"][0]["text"].is_string());
}

#[tokio::test]
async fn json_is_answered_where_a_schema_is_given() {
    let bench = Bench::new("").await;
    let schema = r#"{"type":"object","required":["n"],"properties":{"n":{"type":"number"}}}"#;
    let format = json!({"type": "json_schema", "structure": {"jsonSchema": {"name": "n", "schema": schema}}});
    let answer = ask(&bench, WHOLE, &hello(json!({"outputConfig": {"textFormat": format}}))).await;
    assert_eq!(answer["output"]["message"]["content"][0]["text"], r#"{"n":1.5}"#);
}

#[tokio::test]
async fn errors_have_a_message_in_the_body_and_their_name_in_a_header() {
    let bench = Bench::new("retry_after=7").await;
    let kinds = [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ];
    for (status, kind) in kinds {
        for verb in ["converse", "converse-stream"] {
            let path = of(&format!("m?error={status}"), verb);
            let answer = bench.ask("POST", &path, &[SIGNED], &hello(json!({})).to_string()).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.headers["x-amzn-errortype"]),
                (status, &kind.parse().expect("a value"))
            );
            assert_eq!(answer.headers["retry-after"], "7");
            assert!(answer.headers.contains_key("x-amzn-requestid"));
            let members = answer.json();
            assert_eq!(members.as_object().map(|it| it.keys().cloned().collect()), Some(vec!["message".to_owned()]));
        }
    }
    let twice = json!({"messages": [{"role": "user", "content": [{"text": "a"}]}, {"role": "user", "content": [{"text": "b"}]}]});
    assert!(ask(&bench, WHOLE, &twice).await["message"].as_str().is_some_and(|told| told.contains("alternate")));
    let missing = bench.ask("POST", WHOLE, &[SIGNED], "{}").await;
    assert_eq!(
        (missing.status.as_u16(), &missing.headers["x-amzn-errortype"]),
        (400, &"ValidationException".parse().expect("a value"))
    );
}

#[tokio::test]
async fn a_stream_breaks_as_the_knobs_say() {
    let bench = Bench::new("").await;
    let cases = [
        (503, "modelStreamErrorException"),
        (429, "throttlingException"),
        (400, "validationException"),
        (500, "internalServerException"),
    ];
    for (status, want) in cases {
        let path = of(&format!("m?error_after=2&error_status={status}"), "converse-stream");
        let frames = frames(&bytes(&bench, &path, &hello(json!({}))).await);
        assert_eq!(frames.len(), 1 + 2 + 1);
        let (headers, payload) = frames.last().expect("an exception");
        assert_eq!(headers[0], (":exception-type".to_owned(), want.to_owned()));
        assert_eq!(headers[2].1, "exception");
        assert!(payload["message"].is_string());
    }
    let cut = of("m?cut=2", "converse-stream");
    let body = bench.send("POST", &cut, &[SIGNED], &hello(json!({})).to_string()).await.into_body();
    assert!(body.collect().await.is_err());
    assert!(
        bench.sim.recorded().iter().all(|request| request.outcome == Outcome::Broken && request.reported.is_none())
    );
    let plain = bytes(&bench, &of("m", "converse-stream"), &hello(json!({}))).await;
    let split = bytes(&bench, &of("m?split=3", "converse-stream"), &hello(json!({}))).await;
    assert_eq!(split, plain);
}

#[tokio::test]
async fn any_signature_and_any_token_is_taken_but_none_is_refused() {
    let mut bench = Bench::new("").await;
    let body = hello(json!({})).to_string();
    let none = bench.ask("POST", WHOLE, &[], &body).await;
    assert_eq!((none.status.as_u16(), &none.json()["message"]), (403, &json!("Missing Authentication Token")));
    assert_eq!(none.headers["x-amzn-errortype"], "MissingAuthenticationTokenException");
    for headers in [SIGNED, ("authorization", "Bearer bedrock-api-key-x")] {
        assert_eq!(bench.ask("POST", WHOLE, &[headers], &body).await.status, 200);
    }
    for (key, want) in [("AKIASIM", 200), ("AKIAOTHER", 403)] {
        let knobs = Knobs { api_key: Some(key.to_owned()), ..Knobs::default() };
        bench.sim = Simulator::start(super::anywhere(), knobs).await.expect("a port");
        assert_eq!(bench.ask("POST", WHOLE, &[SIGNED], &body).await.status, want);
    }
}
