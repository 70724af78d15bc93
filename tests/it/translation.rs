//! Any client to any provider: who speaks one dialect is answered by a model of another, and cannot tell; what cannot be
//! said is refused or told, never lost.

use crate::support::call::Answer;
use crate::support::config::Setup;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use serde_json::{Value, json};

/// A gateway whose model `fast` is answered by one upstream of `kind`.
async fn in_front_of(kind: &str, upstream: &Upstream, more: &str) -> Gateway {
    Setup::new().providers(kind, &[upstream]).model("fast", 1, more).start().await
}

/// The data of each event, without `[DONE]`.
fn data(answer: &Answer) -> Vec<Value> {
    let lines = answer.text().lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect("an event is JSON")).collect()
}

fn joined(events: &[Value], pointer: &str) -> String {
    events.iter().filter_map(|event| event.pointer(pointer)?.as_str()).collect()
}

async fn scripted(script: Script) -> Upstream {
    let upstream = Upstream::start().await;
    upstream.always(script);
    upstream
}

const WEATHER: &str = r#"{"model":"fast","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"weather?"}],
"tools":[{"type":"function","function":{"name":"weather","description":"tells it","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}],
"tool_choice":"auto","max_tokens":100}"#;

#[tokio::test]
async fn an_openai_client_is_answered_by_claude() {
    let upstream = Upstream::start().await;
    let gateway = in_front_of("anthropic", &upstream, "").await;
    let answer = gateway.post("/v1/chat/completions", WEATHER).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body: Value = serde_json::from_str(answer.text()).expect("JSON");
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "fast", "the name that the client asked for");
    assert_eq!(body["choices"][0]["message"]["content"], "Hello there");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!((&body["usage"]["prompt_tokens"], &body["usage"]["completion_tokens"]), (&json!(11), &json!(7)));
    assert_eq!(answer.field("x-weighbridge-model"), Some("a/model-a"));
    assert_eq!(answer.field("x-weighbridge-dropped"), None);
    let seen = upstream.only();
    assert_eq!(seen.path(), "/v1/messages");
    assert!(seen.head.get("anthropic-version").is_some(), "{:?}", seen.head);
    let sent = seen.json();
    assert_eq!((&sent["model"], &sent["max_tokens"]), (&json!("model-a"), &json!(100)));
    assert!(sent["system"].to_string().contains("Be brief."), "{sent}");
    assert_eq!(sent["tools"][0]["input_schema"]["properties"]["city"]["type"], "string");
    let rows = gateway.settled(1).await;
    assert_eq!(rows[0].tokens(), (sample::INPUT, sample::OUTPUT));
}

#[tokio::test]
async fn an_openai_stream_comes_from_claude_event_by_event() {
    for bytewise in [false, true] {
        let upstream = Upstream::start().await;
        let events = sample::message_events().concat();
        let script = Script::sse();
        upstream.always(if bytewise { script.bytewise(events) } else { script.body(events) }.end());
        let gateway = in_front_of("anthropic", &upstream, "").await;
        let answer = gateway.post("/v1/chat/completions", sample::CHAT_USAGE_ASK).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
        let events = data(&answer);
        assert_eq!(joined(&events, "/choices/0/delta/content"), "Hello");
        assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
        let last = events.last().expect("some");
        assert_eq!((&last["choices"], &last["usage"]["completion_tokens"]), (&json!([]), &json!(7)));
        let finishes: Vec<_> =
            events.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str()).collect();
        assert_eq!(finishes, ["stop"]);
        assert_eq!(gateway.settled(1).await[0].tokens(), (sample::INPUT, sample::OUTPUT));
    }
}

#[tokio::test]
async fn an_anthropic_client_is_answered_by_an_openai_server() {
    let upstream = Upstream::start().await;
    let gateway = in_front_of("openai", &upstream, "").await;
    let answer = gateway.post("/v1/messages", sample::MESSAGE_ASK).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body: Value = serde_json::from_str(answer.text()).expect("JSON");
    assert_eq!(
        (&body["type"], &body["role"], &body["stop_reason"]),
        (&json!("message"), &json!("assistant"), &json!("end_turn"))
    );
    assert_eq!(body["content"], json!([{ "type": "text", "text": "Hello there" }]));
    assert_eq!((&body["usage"]["input_tokens"], &body["usage"]["output_tokens"]), (&json!(11), &json!(7)));
    assert!(answer.field("request-id").is_some(), "the header that Anthropic's SDKs read");
    let streamed = gateway.post("/v1/messages", sample::MESSAGE_STREAM_ASK).await;
    let events = data(&streamed);
    let names: Vec<_> =
        events.iter().filter_map(|event| event["type"].as_str()).filter(|name| *name != "ping").collect();
    assert_eq!((names.first(), names.last()), (Some(&"message_start"), Some(&"message_stop")), "{}", streamed.text());
    assert_eq!(joined(&events, "/delta/text"), "Hello");
    assert_eq!(events.len(), streamed.text().matches("event: ").count(), "each event is named");
    let seen = upstream.requests();
    assert!(seen.iter().all(|seen| seen.path() == "/v1/chat/completions"));
    assert_eq!(seen[1].json()["stream_options"], json!({ "include_usage": true }), "usage is always asked for");
    let rows = gateway.settled(2).await;
    assert!(rows.iter().all(|row| row.tokens() == (sample::INPUT, sample::OUTPUT)));
}

#[tokio::test]
async fn a_responses_client_is_answered_by_claude() {
    let upstream = Upstream::start().await;
    let gateway = in_front_of("anthropic", &upstream, "").await;
    let whole = gateway.post("/v1/responses", r#"{"model":"fast","input":"hi"}"#).await;
    let body: Value = serde_json::from_str(whole.text()).expect("JSON");
    assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")), "{}", whole.text());
    assert_eq!(body["output"][0]["content"][0]["text"], "Hello there");
    let streamed = gateway.post("/v1/responses", r#"{"model":"fast","input":"hi","stream":true}"#).await;
    let events = data(&streamed);
    let numbers: Vec<_> = events.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>(), "{}", streamed.text());
    assert_eq!(events.last().expect("some")["type"], "response.completed");
    assert_eq!(events.last().expect("some")["response"]["usage"]["output_tokens"], 7);
}

#[tokio::test]
async fn a_fallback_crosses_from_openai_to_anthropic_unseen() {
    let (first, second) = (scripted(Script::error(500)).await, Upstream::start().await);
    let setup = Setup::new()
        .provider("a", "openai", &format!("http://{}", first.address), "")
        .provider("b", "anthropic", &format!("http://{}", second.address), "")
        .model("fast", 2, "");
    let gateway = setup.start().await;
    let answer = gateway.post("/v1/chat/completions", sample::CHAT_STREAM_ASK).await;
    assert_eq!((answer.status, answer.field("x-weighbridge-model")), (200, Some("b/model-b")), "{}", answer.text());
    assert_eq!(joined(&data(&answer), "/choices/0/delta/content"), "Hello");
    assert_eq!((first.requests().len(), second.only().path()), (1, "/v1/messages"));
    let rows = gateway.settled(2).await;
    assert_eq!((rows[0].tokens(), rows[1].tokens()), ((0, 0), (sample::INPUT, sample::OUTPUT)));
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_with_its_path_or_dropped_and_told() {
    let upstream = Upstream::start().await;
    let ask = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}],"logit_bias":{"50256":-100},"metadata":{"a":"b"}}"#;
    let strict = in_front_of("anthropic", &upstream, "").await;
    let refused = strict.post("/v1/chat/completions", ask).await;
    let body: Value = serde_json::from_str(refused.text()).expect("JSON");
    assert_eq!(
        (refused.status, &body["error"]["code"], &body["error"]["param"]),
        (400, &json!("not_translatable"), &json!("logit_bias"))
    );
    assert_eq!(refused.field("x-should-retry"), Some("false"));
    assert!(upstream.requests().is_empty(), "nothing was sent");
    let lenient = in_front_of("anthropic", &upstream, "translation: { unsupported: drop }").await;
    let answered = lenient.post("/v1/chat/completions", ask).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    assert_eq!(answered.field("x-weighbridge-dropped"), Some("logit_bias, metadata"));
    let sent = upstream.only().json();
    assert_eq!((&sent["logit_bias"], &sent["metadata"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn errors_of_the_provider_come_in_the_clients_dialect() {
    let refusal = Script::json(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}"#,
    );
    let upstream = scripted(refusal).await;
    let gateway = in_front_of("anthropic", &upstream, "").await;
    for ask in [sample::CHAT_ASK, sample::CHAT_STREAM_ASK] {
        let refused = gateway.post("/v1/chat/completions", ask).await;
        let body: Value = serde_json::from_str(refused.text()).expect("JSON");
        assert_eq!((refused.status, &body["error"]["message"]), (400, &json!("prompt is too long")));
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_in_the_clients_error_event() {
    let begun: String = sample::message_events()[..4].concat();
    let ends = [
        ("an error inside", format!("{begun}{}", sample::message_error())),
        ("cut off", begun.clone()),
        ("garbage", format!("{begun}data: <html>\n\n")),
    ];
    for (name, events) in ends {
        let upstream = scripted(Script::sse().body(events).end()).await;
        let gateway = in_front_of("anthropic", &upstream, "").await;
        let answer = gateway.post("/v1/chat/completions", sample::CHAT_STREAM_ASK).await;
        let events = data(&answer);
        assert_eq!(joined(&events, "/choices/0/delta/content"), "Hel", "{name}: {}", answer.text());
        assert!(events.last().expect("some")["error"]["message"].is_string(), "{name}: {}", answer.text());
        assert!(!answer.text().contains("[DONE]"), "{name}: never a clean end");
    }
}

#[tokio::test]
async fn a_budget_lowers_the_cap_of_a_translated_request_too() {
    let upstream = Upstream::start().await;
    // 8 USD a million of output, 2 of input: 0.01 USD pay for some 1,200 tokens of output beside a short prompt.
    let setup = Setup::new().providers("anthropic", &[&upstream]).model("fast", 1, "");
    let gateway = setup.search("budgets: [{ usd: 0.01, per: day }]").start().await;
    let ask = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}],"max_tokens":100000}"#;
    let answer = gateway.post("/v1/chat/completions", ask).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told: u64 = answer.field("x-weighbridge-output-cap").expect("a lowered cap is told").parse().expect("a number");
    assert_eq!(upstream.only().json()["max_tokens"], told);
    assert!(told < 1_250, "{told} tokens of output would cost more than the budget");
}

#[tokio::test]
async fn what_a_dialect_cannot_tell_any_more_breaks_the_stream_and_is_not_left_out() {
    let call = |arguments: &str, more: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,{more}\"function\":{{{}\"arguments\":\"{arguments}\"}}}}]}},\"finish_reason\":null}}]}}\n\n",
            if more.is_empty() { "" } else { "\"name\":\"f\"," }
        )
    };
    let begun = call("{\\\"a\\\"", "\"id\":\"call_1\",\"type\":\"function\",");
    let events =
        [begun, sample::chat_delta(" "), call(":1}", ""), sample::CHAT_FINISH.to_owned(), sample::CHAT_DONE.to_owned()];
    let upstream = scripted(Script::sse().body(events.concat()).end()).await;
    let gateway = in_front_of("openai", &upstream, "").await;
    let answer = gateway.post("/v1/messages", sample::MESSAGE_STREAM_ASK).await;
    // All of it came in one piece, so it may have been seen before anything was told.
    let whole = answer.status == 200 && answer.text().contains("message_stop");
    assert!(!whole, "half of a call's arguments is no answer: {}", answer.text());
    assert!(answer.text().contains("error"), "{}", answer.text());
}

#[tokio::test]
async fn a_body_of_too_many_values_is_refused_where_it_would_be_translated() {
    let upstream = Upstream::start().await;
    let gateway = in_front_of("anthropic", &upstream, "").await;
    let many = "1,".repeat(2_000_001);
    let ask = format!(r#"{{"model":"fast","messages":[{{"role":"user","content":"hi"}}],"x":[{many}1]}}"#);
    let refused = gateway.post("/v1/chat/completions", ask).await;
    assert_eq!(refused.openai_error(400), "invalid_request");
    assert!(refused.text().contains("too many to be translated"), "{}", refused.text());
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_thought_that_another_maker_sealed_does_not_reach_a_provider() {
    let upstream = Upstream::start().await;
    let gateway = in_front_of("anthropic", &upstream, "").await;
    // As a client of Anthropic's keeps what an OpenAI-compatible server thought, and what Gemini signed.
    let ask = r#"{"model":"fast","max_tokens":16,"messages":[{"role":"user","content":"hi"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"wb1::"},{"type":"thinking","thinking":"so","signature":"wb1:gemini:c2ln"},{"type":"text","text":"a"}]},
        {"role":"user","content":"go on"}]}"#;
    let answer = gateway.post("/v1/messages", ask).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = upstream.only().text().to_owned();
    assert!(!sent.contains("thinking") && !sent.contains("wb1") && sent.contains("go on"), "{sent}");
    assert!(
        answer.field("x-weighbridge-dropped").is_some_and(|paths| paths.contains("messages[1].content")),
        "{answer:?}"
    );
    let own = ask.replace("wb1::", "own-1").replace("wb1:gemini:c2ln", "own-2");
    assert_eq!(gateway.post("/v1/messages", own.clone()).await.status, 200);
    assert_eq!(upstream.requests()[1].body, sample::renamed(own.as_bytes(), "model-a"), "its own pass as they are");
}
