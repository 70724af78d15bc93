//! Answers as Google's SDK reads them, and sends them back.

use super::encoder;
use super::tests::{call, read};
use crate::{
    dialect::About,
    model::{ChatEvent, Citation, Content, Finish, Part, Reasoned, Seal, Usage},
};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::borrow::Cow;

fn about() -> About {
    About {
        id: "abc".into(),
        model: "fast".into(),
        created_s: 1_700_000_000,
        include_usage: false,
        request: Bytes::new(),
    }
}

fn text(text: &str) -> ChatEvent<'_> {
    ChatEvent::Text { choice: 0, text: Cow::Borrowed(text) }
}

fn thought(text: &str) -> ChatEvent<'_> {
    ChatEvent::Reasoning { choice: 0, text: Cow::Borrowed(text) }
}

fn sealed(maker: &str, hidden: bool) -> ChatEvent<'static> {
    let seal = Seal { maker: maker.to_owned(), data: "c2VhbA==".to_owned(), hidden };
    ChatEvent::Sealed { choice: 0, seal }
}

fn tool<'a>(call: u32, id: &'a str, name: &'a str) -> ChatEvent<'a> {
    ChatEvent::ToolStart { choice: 0, call, id: Cow::Borrowed(id), name: Cow::Borrowed(name) }
}

fn arguments(call: u32, json: &str) -> ChatEvent<'_> {
    ChatEvent::ToolArguments { choice: 0, call, json: Cow::Borrowed(json) }
}

fn finish(reason: Finish) -> ChatEvent<'static> {
    ChatEvent::Finish { choice: 0, reason, stop: None }
}

fn used() -> ChatEvent<'static> {
    let usage = Usage { input: 10, cache_read: 5, output: 7, reasoning: 3, ..Usage::default() };
    ChatEvent::Usage { usage, tier: None }
}

fn metadata() -> Value {
    json!({"promptTokenCount": 15, "candidatesTokenCount": 7, "totalTokenCount": 25, "cachedContentTokenCount": 5,
        "thoughtsTokenCount": 3})
}

/// The events as a client reads them.
fn stream(events: &[ChatEvent<'_>]) -> Vec<Value> {
    let (mut encoder, mut out) = (encoder(true, about()), BytesMut::new());
    for event in events {
        encoder.event(event, &mut out);
    }
    assert_eq!(encoder.end(&mut out), 0, "there is no end marker");
    let text = std::str::from_utf8(&out).expect("text");
    let events: Vec<_> = text.split_terminator("\r\n\r\n").collect();
    let value = |event: &&str| serde_json::from_str(event.strip_prefix("data: ").expect("data")).expect("JSON");
    events.iter().map(value).collect()
}

fn whole(events: &[ChatEvent<'_>]) -> Value {
    let (mut encoder, mut out) = (encoder(false, about()), BytesMut::new());
    for event in events {
        encoder.event(event, &mut out);
    }
    assert!(out.is_empty(), "nothing is written before the end");
    assert_eq!(encoder.end(&mut out), 0);
    serde_json::from_slice(&out).expect("JSON")
}

fn parts(events: &[Value]) -> Vec<Value> {
    let of = |event: &Value| event["candidates"][0]["content"]["parts"].as_array().expect("parts").clone();
    events.iter().flat_map(of).collect()
}

#[test]
fn a_stream_of_text_is_events_that_each_are_a_response() {
    let events = [
        ChatEvent::Start { id: Some(Cow::Borrowed("up")) },
        thought("Hm."),
        text("Hel"),
        text("lo"),
        finish(Finish::Stop),
        used(),
    ];
    let event = |part: Value| {
        json!({"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], "modelVersion": "fast",
            "responseId": "abc"})
    };
    let want = [
        event(json!({"text": "Hm.", "thought": true})),
        event(json!({"text": "Hel"})),
        event(json!({"text": "lo"})),
        json!({"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": metadata(), "modelVersion": "fast", "responseId": "abc"}),
    ];
    assert_eq!(stream(&events), want);
    let want = json!({"candidates": [{"content": {"parts": [{"text": "Hm.", "thought": true}, {"text": "Hello"}],
        "role": "model"}, "finishReason": "STOP", "index": 0}], "usageMetadata": metadata(), "modelVersion": "fast",
        "responseId": "abc"});
    assert_eq!(whole(&events), want);
}

#[test]
fn a_call_goes_out_whole_and_in_order_even_if_calls_come_side_by_side() {
    let events = [
        sealed("gemini", false),
        tool(0, "a", "look"),
        tool(1, "b", "touch"),
        arguments(1, r#"{"x""#),
        arguments(0, r#"{"q":"#),
        arguments(0, "1}"),
        arguments(1, ":2}"),
        tool(2, "c", "rest"),
        finish(Finish::ToolCalls),
        used(),
    ];
    let call = |id: &str, name: &str, args: Value| json!({"functionCall": {"id": id, "name": name, "args": args}});
    let mut first = call("a", "look", json!({"q": 1}));
    first["thoughtSignature"] = json!("c2VhbA==");
    let want = [first, call("b", "touch", json!({"x": 2})), call("c", "rest", json!({}))];
    let events_out = stream(&events);
    assert_eq!(parts(&events_out)[..3], want);
    assert_eq!(events_out.last().expect("one")["candidates"][0]["finishReason"], "STOP");
    assert_eq!(whole(&events)["candidates"][0]["content"]["parts"], json!(want));
}

#[test]
fn a_call_that_was_cut_is_told_and_not_sent() {
    let cut = |reason| [tool(0, "a", "look"), arguments(0, r#"{"q":"#), finish(reason)];
    let last = whole(&cut(Finish::ToolCalls))["candidates"][0].clone();
    assert_eq!(last["finishReason"], "MALFORMED_FUNCTION_CALL");
    assert!(last["finishMessage"].as_str().expect("a text").contains("`look`"));
    assert_eq!(last["content"]["parts"], json!([{"text": ""}]));
    assert_eq!(whole(&cut(Finish::Length))["candidates"][0]["finishReason"], "MAX_TOKENS");
}

#[test]
fn every_reason_has_googles_word() {
    let cases = [
        (Finish::Stop, "STOP"),
        (Finish::StopSequence, "STOP"),
        (Finish::ToolCalls, "STOP"),
        (Finish::Length, "MAX_TOKENS"),
        (Finish::ContextWindow, "MAX_TOKENS"),
        (Finish::ContentFilter, "SAFETY"),
        (Finish::Refusal, "SAFETY"),
        (Finish::Paused, "OTHER"),
    ];
    for (reason, want) in cases {
        assert_eq!(whole(&[text("x"), finish(reason)])["candidates"][0]["finishReason"], want);
    }
}

#[test]
fn several_answers_keep_their_indices() {
    let said = |choice, text| ChatEvent::Text { choice, text: Cow::Borrowed(text) };
    let over = |choice| ChatEvent::Finish { choice, reason: Finish::Stop, stop: None };
    let events = [said(1, "b"), said(0, "a"), said(1, "c"), over(1), over(0)];
    let whole = whole(&events);
    let texts: Vec<_> = whole["candidates"]
        .as_array()
        .expect("answers")
        .iter()
        .map(|one| (&one["index"], &one["content"]["parts"]))
        .collect();
    assert_eq!(texts, [(&json!(0), &json!([{"text": "a"}])), (&json!(1), &json!([{"text": "bc"}]))]);
    let last = stream(&events).pop().expect("one");
    assert_eq!((&last["candidates"][1]["index"], &last["candidates"][1]["finishReason"]), (&json!(1), &json!("STOP")));
    assert_eq!(last.get("usageMetadata"), None, "what was not told is not made up");
}

#[test]
fn media_sources_and_probabilities_are_told() {
    let logprobs = r#"[{"token":"x","logprob":-0.5,"bytes":[1],"top_logprobs":[{"token":"y","logprob":-1.5}]}]"#;
    let citation = Citation { url: Some("https://a".to_owned()), title: Some("A".to_owned()), ..Citation::default() };
    let events = [
        text("x"),
        ChatEvent::Logprobs { choice: 0, json: Cow::Borrowed(logprobs) },
        ChatEvent::Citation { choice: 0, citation },
        ChatEvent::Media { choice: 0, media_type: Cow::Borrowed("image/png"), base64: Cow::Borrowed("AA==") },
        finish(Finish::Stop),
    ];
    let logprobs = json!({"topCandidates": [{"candidates": [{"token": "y", "logProbability": -1.5}]}],
        "chosenCandidates": [{"token": "x", "logProbability": -0.5}]});
    let grounding = json!({"groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}]});
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "AA=="}});
    let whole = whole(&events)["candidates"][0].clone();
    assert_eq!((&whole["logprobsResult"], &whole["groundingMetadata"]), (&logprobs, &grounding));
    assert_eq!(whole["content"]["parts"], json!([{"text": "x"}, picture]));
    let events = stream(&events);
    assert_eq!(events[1]["candidates"][0]["logprobsResult"], logprobs);
    assert_eq!(events[2]["candidates"][0]["groundingMetadata"], grounding);
}

/// What a client keeps of an answer, sent back: event by event as the SDK's chats do, and whole.
#[test]
fn an_answer_comes_back_as_it_was_said() {
    let events = [
        thought("I "),
        thought("think."),
        sealed("anthropic", false),
        sealed("anthropic", true),
        thought("More."),
        sealed("openai", false),
        text("Hel"),
        text("lo"),
        tool(0, "toolu_1", "look"),
        arguments(0, r#"{"a":1}"#),
        sealed("gemini", false),
        finish(Finish::ToolCalls),
    ];
    let reasoned = |text: &str, maker: &str, hidden| {
        let seal = Seal { maker: maker.to_owned(), data: "c2VhbA==".to_owned(), hidden };
        Part::new(Content::Reasoning(Reasoned { text: text.to_owned(), seal: Some(seal) }))
    };
    let want = vec![
        reasoned("I think.", "anthropic", false),
        reasoned("", "anthropic", true),
        reasoned("More.", "openai", false),
        Part::text("Hello"),
        call("toolu_1", "look", r#"{"a":1}"#),
        reasoned("", "gemini", false),
    ];
    let pieces: Vec<_> = stream(&events).iter().map(|event| event["candidates"][0]["content"].clone()).collect();
    let whole = vec![whole(&events)["candidates"][0]["content"].clone()];
    for contents in [pieces, whole] {
        let mut turns = vec![json!({"role": "user", "parts": [{"text": "hi"}]})];
        turns.extend(contents);
        let body = json!({ "contents": turns }).to_string();
        assert_eq!(read(&body).messages[1].parts, want, "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Events in any order: what is written is JSON.
    #[test]
    fn no_order_of_events_does_harm(order in proptest::collection::vec(0usize..9, 0..20)) {
        let logprobs = ChatEvent::Logprobs { choice: 0, json: Cow::Borrowed("nonsense") };
        let all = [text("a"), thought("b"), sealed("gemini", false), sealed("openai", true), tool(0, "i", "f"),
            arguments(0, "{"), arguments(0, "}"), finish(Finish::Stop), logprobs];
        let events: Vec<_> = order.into_iter().map(|which| all[which].clone()).collect();
        let _events = stream(&events);
        let _whole = whole(&events);
    }
}
