//! Anthropic's calls.

use super::{Bench, MESSAGES};
use serde_json::{Value, json};

fn hello(extra: Value) -> Value {
    let messages = json!([{"role": "user", "content": [{"type": "text", "text": "hello there"}]}]);
    let mut body = json!({"model": "sim-small", "max_tokens": 100, "system": "abcd", "messages": messages});
    body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    body
}

#[tokio::test]
async fn a_message_reports_cache_reads_and_writes_apart_from_input() {
    let bench = Bench::new("output=3,cached=10,cache_write=20,cache_write_1h=30,reasoning=9").await;
    let answer = bench.post(MESSAGES, &hello(json!({}))).await;
    assert!(answer.headers.contains_key("request-id"));
    let answer = answer.json();
    assert_eq!(
        (&answer["type"], &answer["role"], &answer["stop_reason"]),
        (&json!("message"), &json!("assistant"), &json!("end_turn"))
    );
    assert_eq!(answer["content"][0]["type"], "text");
    let usage = &answer["usage"];
    assert_eq!(usage["input_tokens"], 4, "15 characters");
    assert_eq!((&usage["cache_read_input_tokens"], &usage["cache_creation_input_tokens"]), (&json!(10), &json!(50)));
    assert_eq!(usage["cache_creation"], json!({"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30}));
    assert_eq!(usage["output_tokens"], 3 + 9, "thinking is output");
    assert_eq!(usage["output_tokens_details"]["thinking_tokens"], 9);
    let reported = bench.sim.recorded().last().expect("a request").reported.expect("usage");
    assert_eq!(reported.usage().input_total(), 4 + 60);
}

#[tokio::test]
async fn a_stream_has_all_events_in_order_each_with_its_name() {
    let bench = Bench::new("output=2").await;
    let answer = bench.post(MESSAGES, &hello(json!({"stream": true}))).await;
    let names: Vec<String> = answer.events().into_iter().map(|(name, _)| name).collect();
    let want = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, want);
    let data = answer.data();
    assert!(data.iter().zip(want).all(|(event, name)| event["type"] == name));
    assert_eq!(data[0]["message"]["usage"]["output_tokens"], 1);
    assert_eq!(data[0]["message"]["usage"]["input_tokens"], 4);
    assert_eq!(data[3]["delta"]["type"], "text_delta");
    assert_eq!(data[6]["usage"]["output_tokens"], 2, "cumulative, not to be added");
    assert_eq!(data[6]["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
}

#[tokio::test]
async fn a_tool_use_block_streams_its_input_as_partial_json() {
    let bench = Bench::new("").await;
    let schema = json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    let tools = json!([{"name": "weather", "input_schema": schema}]);
    let body = hello(json!({"tools": tools, "tool_choice": {"type": "any"}}));
    let answer = bench.post(MESSAGES, &body).await.json();
    assert_eq!(answer["content"][0]["input"], json!({"city": "naïve balance"}));
    assert_eq!(answer["stop_reason"], "tool_use");
    let mut body = body;
    body["stream"] = json!(true);
    let data = bench.post(MESSAGES, &body).await.data();
    assert_eq!(data[1]["content_block"]["name"], "weather");
    assert_eq!(data[1]["content_block"]["input"], json!({}));
    let parts: String = data.iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&parts).expect("JSON"), json!({"city": "naïve balance"}));
}

#[tokio::test]
async fn tokens_are_counted_as_they_are_billed() {
    let bench = Bench::new("").await;
    let count = bench.post("/v1/messages/count_tokens", &hello(json!({}))).await.json();
    assert_eq!(count, json!({"input_tokens": 4}));
    assert_eq!(bench.sim.stats().prompt_tokens, 0, "counting is free");
}

#[tokio::test]
async fn errors_have_anthropics_shape() {
    let bench = Bench::new("").await;
    let kinds = [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ];
    for (status, kind) in kinds {
        let model = format!("sim?error={status}");
        let answer = bench.post(MESSAGES, &hello(json!({"model": model}))).await;
        assert_eq!(answer.status, status);
        let error = answer.json();
        assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!(kind)));
        assert_eq!(error["request_id"].as_str(), answer.headers["request-id"].to_str().ok());
    }
    let without_cap = bench.post(MESSAGES, &json!({"model": "m", "messages": []})).await;
    assert_eq!(without_cap.json()["error"]["message"], "max_tokens: Field required");
}
