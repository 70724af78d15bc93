//! What comes back.

use crate::{
    model::{ChatEvent, Citation, Finish, Usage},
    providers::{
        Reading, UpstreamError,
        codec::{Codec, Decoded},
        cohere::codec,
        mask::Key,
    },
    sse::{SseEvent, SseScanner},
};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

const TOOLS: &str = include_str!("../fixtures/tools_stream.sse");
const TEXT: &str = include_str!("../fixtures/text_stream.sse");

type Told = Vec<ChatEvent<'static>>;

fn cohere() -> codec::Chat {
    codec::Chat::new(Key::new(Some("my-own-secret".to_owned())))
}

fn events(stream: &[u8]) -> Vec<SseEvent> {
    let mut events = Vec::new();
    SseScanner::new(1 << 20).push(&Bytes::copy_from_slice(stream), &mut events).expect("short");
    events
}

fn told(events: &[SseEvent]) -> (Told, Vec<Decoded>, Reading) {
    let (mut decoder, mut out) = (cohere().decoder(), Vec::new());
    let seen = events.iter().map(|event| decoder.event(event, &mut |told| out.push(told.into_owned()))).collect();
    (out, seen, decoder.reading().clone())
}

/// Of events given as JSON.
fn told_of(data: &[Value]) -> (Told, Vec<Decoded>, Reading) {
    let stream: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    told(&events(stream.as_bytes()))
}

fn told_of_whole(body: &str) -> (Told, Reading) {
    let mut out = Vec::new();
    let reading = cohere().decode_whole(body.as_bytes(), &mut |told| out.push(told.into_owned()));
    (out, reading.expect("it is an answer"))
}

/// Pieces that belong together as one.
fn joined(events: Told) -> Told {
    let mut out = Told::new();
    for event in events {
        match (out.last_mut(), event) {
            (Some(ChatEvent::Text { text, .. }), ChatEvent::Text { text: more, .. })
            | (Some(ChatEvent::ToolArguments { json: text, .. }), ChatEvent::ToolArguments { json: more, .. }) => {
                text.to_mut().push_str(&more);
            }
            (_, event) => out.push(event),
        }
    }
    out
}

fn text(text: &'static str) -> ChatEvent<'static> {
    ChatEvent::Text { choice: 0, text: text.into() }
}

fn thought(text: &'static str) -> ChatEvent<'static> {
    ChatEvent::Reasoning { choice: 0, text: text.into() }
}

fn call(call: u32, id: &'static str, name: &'static str, json: &'static str) -> [ChatEvent<'static>; 2] {
    let choice = 0;
    let start = ChatEvent::ToolStart { choice, call, id: id.into(), name: name.into() };
    [start, ChatEvent::ToolArguments { choice, call, json: json.into() }]
}

fn finish(reason: Finish) -> ChatEvent<'static> {
    ChatEvent::Finish { choice: 0, reason, stop: None }
}

fn used(input: u64, output: u64) -> ChatEvent<'static> {
    ChatEvent::Usage { usage: Usage { input, output, ..Usage::ZERO }, tier: None }
}

fn start(id: &'static str) -> ChatEvent<'static> {
    ChatEvent::Start { id: Some(id.into()) }
}

#[test]
fn a_plan_and_calls_in_parallel_are_told_whole_and_streamed() {
    let mut want = vec![start("fba98ad3-e5a1-413c-a8de-84fbf9baabf7"), text("I will search.")];
    want.extend(call(0, "get_weather_p1t92w7gfgq7", "get_weather", "{\n    \"location\": \"Madrid\"\n}"));
    want.extend(call(1, "get_time_ay6nmvjgp9vn", "get_time", "{}"));
    want.extend([finish(Finish::ToolCalls), used(37, 28)]);
    let (told, seen, reading) = told(&events(TOOLS.as_bytes()));
    assert_eq!(joined(told), want);
    assert_eq!((seen.last(), reading.complete), (Some(&Decoded::End), true));
    let (told, reading) = told_of_whole(include_str!("../fixtures/tools.json"));
    assert_eq!((told, reading.complete), (want, true));
}

#[test]
fn thoughts_texts_and_their_sources_are_told_whole_and_streamed() {
    let source = |title: &str, url: Option<&str>| {
        let (title, quote) = (Some(title.to_owned()), Some("24°C".to_owned()));
        let citation = Citation { url: url.map(str::to_owned), title, quote, document: None };
        ChatEvent::Citation { choice: 0, citation }
    };
    let want = vec![
        start("e8f9afc1-0888-46f0-a9ed-eb0e5a51e17f"),
        thought("It is warm."),
        text("It is 24°C."),
        source("get_weather_m3kdvxncg1p8:0", None),
        source("Weather", Some("https://h/w")),
        finish(Finish::Stop),
        used(7, 10),
    ];
    let (told, seen, _) = told(&events(TEXT.as_bytes()));
    assert_eq!(joined(told), want);
    assert_eq!(seen.iter().position(|seen| *seen == Decoded::End), Some(seen.len() - 2), "before `[DONE]`");
    assert_eq!(told_of_whole(include_str!("../fixtures/text.json")).0, want);
}

fn plan(text: &str) -> Value {
    json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": text}}})
}

fn begins(index: u64, id: &str, name: &str, arguments: &str) -> Value {
    let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    json!({"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call}}})
}

fn piece(index: u64, arguments: &str) -> Value {
    let call = json!({"function": {"arguments": arguments}});
    json!({"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": call}}})
}

fn ends(reason: &str) -> Value {
    json!({"type": "message-end", "delta": {"finish_reason": reason}})
}

#[test]
fn an_answer_by_a_schema_is_text_and_its_plan_a_thought() {
    let answer = [plan("I will "), plan("answer."), begins(0, "c", "wb_json_answer", ""), piece(0, "{\"a\":1}")];
    let (told, ..) = told_of(&[&answer[..], &[ends("TOOL_CALL")]].concat());
    let want = [ChatEvent::Start { id: None }, thought("I will answer."), text("{\"a\":1}"), finish(Finish::Stop)];
    assert_eq!(told, want);
    let whole = json!({"message": {"tool_plan": "I will answer.", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "wb_json_answer", "arguments": "{\"a\":1}"}}]},
        "finish_reason": "TOOL_CALL"});
    assert_eq!(told_of_whole(&whole.to_string()).0, want);
}

#[test]
fn a_plan_that_leads_to_no_call_is_text() {
    let (told, ..) = told_of(&[plan("I will not."), ends("COMPLETE")]);
    assert_eq!(told, [ChatEvent::Start { id: None }, text("I will not."), finish(Finish::Stop)]);
    let long = "é".repeat(10_000);
    let (told, ..) = told_of(&[plan(&long), plan(&long), plan("x")]);
    let lengths = told.iter().map(|event| if let ChatEvent::Text { text, .. } = event { text.len() } else { 0 });
    assert_eq!(lengths.collect::<Vec<_>>(), [0, 20_000, 20_000, 1], "a long one is not held");
}

#[test]
fn why_an_answer_is_over_is_told() {
    let cases = [
        ("COMPLETE", Finish::Stop),
        ("STOP_SEQUENCE", Finish::StopSequence),
        ("MAX_TOKENS", Finish::Length),
        ("TOOL_CALL", Finish::Stop),
        ("SOMETHING_NEW", Finish::Stop),
    ];
    for (reason, want) in cases {
        let whole = json!({"message": {"content": "Hi"}, "finish_reason": reason}).to_string();
        assert_eq!(told_of_whole(&whole).0.last(), Some(&finish(want)), "{reason}");
        assert_eq!(told_of(&[ends(reason)]).0.last(), Some(&finish(want)), "{reason}");
    }
    let called = told_of(&[begins(0, "c", "f", ""), ends("COMPLETE")]).0;
    assert_eq!(called.last(), Some(&finish(Finish::ToolCalls)));
}

#[test]
fn an_answer_that_was_broken_off_is_an_error_and_what_it_cost_is_known() {
    let usage = json!({"billed_units": {"input_tokens": 3, "output_tokens": 2}});
    let cases = [
        ("ERROR", json!("the key my-own-secret broke"), 500, "the key *** broke"),
        ("ERROR", json!(null), 500, "the provider ended the answer with `ERROR`"),
        ("TIMEOUT", json!(null), 504, "the provider ended the answer with `TIMEOUT`"),
        ("COMPLETE", json!("late"), 500, "late"),
    ];
    for (reason, error, status, message) in cases {
        let end = json!({"type": "message-end", "delta": {"finish_reason": reason, "error": error, "usage": usage}});
        let (told, seen, reading) = told_of(&[end]);
        let message = message.to_owned();
        assert_eq!((told, seen), (vec![], vec![Decoded::Error(UpstreamError { status, message })]));
        assert_eq!(reading.usage, Some(Usage { input: 3, output: 2, ..Usage::ZERO }));
    }
    let bare = told_of(&[json!({"id": "x", "message": "internal server error, this has been reported"})]).1;
    assert!(matches!(&bare[..], [Decoded::Error(error)] if error.message.starts_with("internal")), "{bare:?}");
    let whole = json!({"message": {"content": []}, "finish_reason": "TIMEOUT"}).to_string();
    assert!(cohere().decode_whole(whole.as_bytes(), &mut |_| {}).is_err());
}

#[test]
fn what_cannot_be_told_is_garbage_and_what_is_unknown_is_passed_over() {
    let strange = |data: Value| told_of(&[data]).1.pop();
    let garbage = [
        json!({"type": "content-delta", "delta": {"message": {"content": 7}}}),
        json!({"type": "content-delta", "delta": 7}),
        json!({"type": "tool-call-start", "delta": {"message": {"tool_calls": "f"}}}),
        piece(3, "{}"),
        json!("text"),
    ];
    for data in garbage {
        assert!(matches!(strange(data.clone()), Some(Decoded::Garbage(_))), "{data}");
    }
    for data in [json!({"type": "new-event", "delta": {"message": {"content": 7}}}), json!({}), piece(3, "")] {
        assert_eq!(strange(data.clone()), Some(Decoded::More), "{data}");
    }
    assert!(matches!(told(&events(b"data: <html>\n\n")).1[..], [Decoded::Garbage(_)]));
    for body in ["", "<html>", "[]", "{}", r#"{"message":7}"#, r#"{"message":{"content":7}}"#] {
        assert!(cohere().decode_whole(body.as_bytes(), &mut |_| {}).is_err(), "{body}");
    }
    let late = told_of(&[begins(0, "c", "f", ""), json!({"type": "tool-call-end", "index": 0}), piece(0, "{}")]).1;
    assert!(matches!(late.last(), Some(Decoded::Garbage(_))), "arguments behind the end would spoil them");
}

#[test]
fn events_that_come_again_are_told_once() {
    let once = [begins(0, "c", "f", "{}"), ends("TOOL_CALL")];
    let again = [&once[..1], &once[..1], &once[1..], &once].concat();
    assert_eq!(told_of(&again).0, told_of(&once).0);
    let anonymous = told_of(&[begins(0, "", "f", "{}"), begins(0, "", "g", "{}")]).0;
    let ids = anonymous.iter().filter_map(|event| match event {
        ChatEvent::ToolStart { id, .. } => Some(id.to_string()),
        _ => None,
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["call_0", "call_1"]);
}

#[test]
fn more_calls_than_are_kept_apart_are_refused() {
    for (count, fits) in [(1_024, true), (1_025, false)] {
        let calls: Vec<_> = (0..count).map(|n| begins(n, &format!("c{n}"), "f", "{}")).collect();
        let garbage = told_of(&calls).1.iter().any(|seen| matches!(seen, Decoded::Garbage(_)));
        assert_eq!(garbage, !fits);
        let calls: Vec<_> = calls.iter().map(|call| call["delta"]["message"]["tool_calls"].clone()).collect();
        let whole = json!({"message": {"tool_calls": calls}}).to_string();
        assert_eq!(cohere().decode_whole(whole.as_bytes(), &mut |_| {}).is_ok(), fits);
    }
}

#[test]
fn a_stream_that_is_cut_off_may_not_end() {
    let mut decoder = cohere().decoder();
    for event in events(TEXT.as_bytes()).iter().take(7) {
        assert_eq!(decoder.event(event, &mut |_| {}), Decoded::More);
    }
    assert!(!decoder.may_end() && !decoder.reading().has_figures());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever becomes of the events, reading them ends in no panic, and an answer begins and is over once.
    #[test]
    fn mutilated_streams_do_no_harm(
        tools in any::<bool>(),
        order in proptest::collection::vec(0usize..14, 0..20),
        at in 0usize..1900,
        byte in any::<u8>(),
    ) {
        let mut bytes = if tools { TOOLS } else { TEXT }.as_bytes().to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let events = events(&bytes);
        let order: Vec<_> = order.into_iter().filter_map(|index| events.get(index).cloned()).collect();
        for events in [events, order] {
            let told = told(&events).0;
            let starts = told.iter().filter(|event| matches!(event, ChatEvent::Start { .. })).count();
            let begun = told.first().is_none_or(|first| matches!(first, ChatEvent::Start { .. }));
            let ends = told.iter().filter(|event| matches!(event, ChatEvent::Finish { .. })).count();
            prop_assert!(begun && starts <= 1 && ends <= 1);
        }
        let mut whole = include_bytes!("../fixtures/tools.json").to_vec();
        if let Some(place) = whole.get_mut(at) {
            *place = byte;
        }
        cohere().decode_whole(&whole, &mut |_| {}).ok();
    }
}
