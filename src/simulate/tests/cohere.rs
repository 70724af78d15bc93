//! Cohere's format.

use super::Bench;
use hyper::StatusCode;
use serde_json::{Value, json};

const CHAT: &str = "/v2/chat";
const AUTH: [(&str, &str); 1] = [("authorization", "Bearer sim")];

fn hello() -> Value {
    json!({"model": "command-a", "messages": [{"role": "user", "content": "hello"}]})
}

#[tokio::test]
async fn what_is_billed_is_less_than_what_is_read() {
    let bench = Bench::new("output=4,cached=3").await;
    let answer = bench.ask("POST", CHAT, &AUTH, &hello().to_string()).await.json();
    assert_eq!(answer["usage"]["billed_units"], json!({"input_tokens": 5, "output_tokens": 4}));
    assert_eq!(answer["usage"]["tokens"]["input_tokens"], 71);
    let recorded = bench.sim.recorded();
    let billed = recorded.last().and_then(|last| last.reported).expect("reported");
    assert_eq!((billed.fresh, billed.cached, billed.sent), (2, 3, 4));
}

#[tokio::test]
async fn a_stream_opens_and_closes_what_it_tells() {
    let bench = Bench::new("output=3,reasoning=2").await;
    let mut ask = hello();
    ask["stream"] = json!(true);
    let answer = bench.ask("POST", CHAT, &AUTH, &ask.to_string()).await;
    let names: Vec<String> = answer.events().into_iter().map(|(name, _)| name).collect();
    let want = [
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "content-start",
        "content-delta",
        "content-delta",
        "content-delta",
        "content-end",
        "message-end",
        "",
    ];
    assert_eq!(names, want);
    let data = answer.data();
    assert_eq!((&data[4]["index"], &data[4]["delta"]["message"]["content"]["type"]), (&json!(1), &json!("text")));
    assert!(data.iter().zip(want).all(|(event, name)| event["type"] == name));
}

#[tokio::test]
async fn what_cohere_does_not_know_is_refused() {
    let bench = Bench::new("").await;
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let calls = json!({"role": "assistant", "tool_calls": [call]});
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "1"});
    let user = json!({"role": "user", "content": "hello"});
    let messages = |all: &[&Value]| json!({"messages": all});
    let cases = [
        (json!({"top_p": 0.5}), "top_p"),
        (json!({"n": 1}), "n"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"tool_choice": "auto"}), "tool_choice"),
        (messages(&[&json!({"role": "developer", "content": "a"})]), "role"),
        (messages(&[&json!({"role": "user", "content": "a", "name": "b"})]), "messages[0].name"),
        (messages(&[&user, &calls, &user]), "followed by its result"),
        (messages(&[&user, &calls, &result("b")]), "answers no tool call"),
        (
            messages(&[
                &user,
                &json!({"role": "assistant", "content": ""}),
                &json!({"role": "assistant", "content": []}),
            ]),
            "empty",
        ),
    ];
    for (more, told) in cases {
        let mut ask = hello();
        more.as_object().into_iter().flatten().for_each(|(name, value)| ask[name] = value.clone());
        let answer = bench.ask("POST", CHAT, &AUTH, &ask.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{more}");
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(told), "{more}: {message}");
    }
    let good = messages(&[&user, &calls, &result("a")]);
    let mut ask = hello();
    ask["messages"] = good["messages"].clone();
    assert_eq!(bench.ask("POST", CHAT, &AUTH, &ask.to_string()).await.status, StatusCode::OK);
    assert_eq!(bench.ask("POST", CHAT, &[], &ask.to_string()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_tools_arguments_are_told_piece_by_piece() {
    let bench = Bench::new("").await;
    let function = json!({"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}});
    let mut ask = hello();
    ask["tools"] = json!([{"type": "function", "function": function}]);
    ask["tool_choice"] = json!("REQUIRED");
    ask["stream"] = json!(true);
    let data = bench.ask("POST", CHAT, &AUTH, &ask.to_string()).await.data();
    let piece =
        |event: &Value| event["delta"]["message"]["tool_calls"]["function"]["arguments"].as_str().map(str::to_owned);
    let arguments: String = data.iter().filter_map(piece).collect();
    assert!(serde_json::from_str::<Value>(&arguments).is_ok_and(|value| value["x"].is_string()), "{arguments}");
    let end = data.last().expect("an end");
    assert_eq!(end["delta"]["finish_reason"], "TOOL_CALL");
}
