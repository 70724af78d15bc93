//! Answers.

use crate::{
    model::{ChatEvent, Citation, Finish, Seal, ServiceTier, Usage},
    providers::{
        UpstreamError,
        anthropic::codec::Messages,
        codec::{Codec, Decoded},
        mask::Key,
    },
    sse::{SseEvent, SseScanner},
};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

type Told = Vec<ChatEvent<'static>>;

fn codec() -> Messages {
    Messages::new(Key::new(None))
}

fn events(stream: &[u8]) -> Vec<SseEvent> {
    let mut out = Vec::new();
    SseScanner::new(1 << 20).push(&Bytes::copy_from_slice(stream), &mut out).expect("short");
    out
}

fn stream(data: &[Value]) -> (Told, Vec<Decoded>) {
    let text: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    read(text.as_bytes())
}

fn read(stream: &[u8]) -> (Told, Vec<Decoded>) {
    let (mut told, mut decoder) = (Vec::new(), codec().decoder());
    let mut take = |event: ChatEvent<'_>| told.push(event.into_owned());
    let decoded = events(stream).iter().map(|event| decoder.event(event, &mut take)).collect();
    (told, decoded)
}

fn whole(body: &Value) -> Told {
    let mut told = Vec::new();
    codec().decode_whole(body.to_string().as_bytes(), &mut |event| told.push(event.into_owned())).expect("an answer");
    told
}

fn start(id: &str) -> ChatEvent<'_> {
    ChatEvent::Start { id: (!id.is_empty()).then(|| id.into()) }
}

fn text(text: &str) -> ChatEvent<'_> {
    ChatEvent::Text { choice: 0, text: text.into() }
}

fn called<'a>(call: u32, id: &'a str, name: &'a str) -> ChatEvent<'a> {
    ChatEvent::ToolStart { choice: 0, call, id: id.into(), name: name.into() }
}

fn arguments(call: u32, json: &str) -> ChatEvent<'_> {
    ChatEvent::ToolArguments { choice: 0, call, json: json.into() }
}

fn finish(reason: Finish) -> ChatEvent<'static> {
    ChatEvent::Finish { choice: 0, reason, stop: None }
}

fn sealed(data: &str, hidden: bool) -> ChatEvent<'static> {
    ChatEvent::Sealed { choice: 0, seal: Seal { maker: "anthropic".to_owned(), data: data.to_owned(), hidden } }
}

const STREAM: &[u8] = include_bytes!("../../fixtures/messages_stream.sse");

#[test]
fn a_stream_is_told_event_by_event() {
    let (told, decoded) = read(STREAM);
    let usage = |output, reasoning| {
        let usage = Usage {
            input: 25,
            cache_read: 2000,
            cache_write_5m: 100,
            cache_write_1h: 200,
            output,
            reasoning,
            ..Usage::default()
        };
        ChatEvent::Usage { usage, tier: Some(ServiceTier::Standard) }
    };
    let want = [
        start("msg_01ABC"),
        usage(1, 0),
        ChatEvent::Reasoning { choice: 0, text: "I should look.".into() },
        sealed("EqQBCgIYAhIM1gbcDa9GJwZA2b3h", false),
        text("Okay, é"),
        called(0, "toolu_01T1x1fJ34qAmk2tNTrN7Up6", "get_weather"),
        arguments(0, r#"{"location":"#),
        arguments(0, r#" "Paris"}"#),
        finish(Finish::ToolCalls),
        usage(80, 9),
    ];
    assert_eq!(told, want);
    assert_eq!(decoded.last(), Some(&Decoded::End));
    assert!(decoded[..decoded.len() - 1].iter().all(|decoded| *decoded == Decoded::More));
}

#[test]
fn a_whole_answer_is_told_in_the_same_words() {
    let told = whole(&json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "Eq"},
        {"type": "redacted_thinking", "data": "Em"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "u"}]},
        {"type": "text", "text": "Yes.", "citations": [
            {"type": "web_search_result_location", "url": "https://h", "title": "H", "cited_text": "yes", "encrypted_index": "x"},
            {"type": "char_location", "cited_text": "c", "document_index": 1, "document_title": "D", "start_char_index": 0}]},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x":1}},
        {"type": "tool_use", "id": "", "name": "g", "input": {}}],
        "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 4}}));
    let cited = |citation| ChatEvent::Citation { choice: 0, citation };
    let some = |text: &str| Some(text.to_owned());
    let want = [
        start("msg_1"),
        ChatEvent::Reasoning { choice: 0, text: "Hm.".into() },
        sealed("Eq", false),
        sealed("Em", true),
        text("Yes."),
        cited(Citation { url: some("https://h"), title: some("H"), quote: some("yes"), document: None }),
        cited(Citation { url: None, title: some("D"), quote: some("c"), document: Some(1) }),
        called(0, "t1", "f"),
        arguments(0, r#"{"x":1}"#),
        called(1, "call_1", "g"),
        arguments(1, "{}"),
        finish(Finish::ToolCalls),
        ChatEvent::Usage { usage: Usage { input: 3, output: 4, ..Usage::default() }, tier: None },
    ];
    assert_eq!(told, want);
    for body in ["", "<html>", "{}", r#"{"content":null}"#, r#"{"type":"error","error":{"type":"x","message":"m"}}"#] {
        assert!(codec().decode_whole(body.as_bytes(), &mut |_| {}).is_err(), "{body}");
    }
}

#[test]
fn the_answers_own_tool_is_text() {
    let told = whole(&json!({"id": "m", "stop_reason": "tool_use", "content": [
        {"type": "tool_use", "id": "t", "name": "wb_json_answer", "input": {"x":1}}]}));
    assert_eq!(told, [start("m"), text(r#"{"x":1}"#), finish(Finish::Stop)]);
    let block = |index: u32, name: &str| {
        json!({"type": "content_block_start", "index": index,
        "content_block": {"type": "tool_use", "id": "t", "name": name, "input": {}}})
    };
    let piece = |index: u32, json: &str| {
        json!({"type": "content_block_delta", "index": index,
        "delta": {"type": "input_json_delta", "partial_json": json}})
    };
    let stop = |index: u32| json!({"type": "content_block_stop", "index": index});
    let over = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}});
    let answer = [block(0, "wb_json_answer"), piece(0, "{\"x\""), piece(0, ":1}"), stop(0), over.clone()];
    assert_eq!(stream(&answer).0, [start(""), text("{\"x\""), text(":1}"), finish(Finish::Stop)]);
    let beside = [block(0, "f"), stop(0), block(1, "wb_json_answer"), piece(1, "{}"), stop(1), over];
    let want = [start(""), called(0, "t", "f"), arguments(0, "{}"), text("{}"), finish(Finish::ToolCalls)];
    assert_eq!(stream(&beside).0, want, "beside a call it is a call's turn");
}

#[test]
fn each_stop_reason_has_its_word() {
    let cases = [
        ("end_turn", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("pause_turn", Finish::Paused),
        ("refusal", Finish::Refusal),
        ("model_context_window_exceeded", Finish::ContextWindow),
        ("what is yet to come", Finish::Stop),
    ];
    for (reason, want) in cases {
        let told = stream(&[json!({"type": "message_delta", "delta": {"stop_reason": reason}})]).0;
        assert_eq!(told, [start(""), finish(want)], "{reason}");
    }
    let stopped = json!({"content": [], "stop_reason": "stop_sequence", "stop_sequence": "END"});
    let want = ChatEvent::Finish { choice: 0, reason: Finish::StopSequence, stop: Some("END".into()) };
    assert_eq!(whole(&stopped), [start(""), want]);
    let refused =
        json!({"content": [], "stop_reason": "refusal", "stop_details": {"type": "refusal", "explanation": "No."}});
    let why = ChatEvent::Refusal { choice: 0, text: "No.".into() };
    assert_eq!(whole(&refused), [start(""), why, finish(Finish::Refusal)]);
}

#[test]
fn events_out_of_place_are_told_apart() {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let overloaded = UpstreamError { status: 529, message: "Overloaded".to_owned() };
    assert_eq!(stream(&[error]).1, [Decoded::Error(overloaded)]);
    assert!(matches!(read(b"data: <html>\n\n").1[..], [Decoded::Garbage(_)]));
    let quiet =
        [json!({"type": "ping"}), json!({"type": "new_thing", "delta": {}}), json!({"type": "new_thing", "delta": 7})];
    assert_eq!(stream(&quiet), (vec![], vec![Decoded::More; 3]));
    for odd in [json!({"type": "content_block_delta", "delta": 7}), json!({"delta": 7}), json!("x")] {
        assert!(matches!(stream(std::slice::from_ref(&odd)).1[..], [Decoded::Garbage(_)]), "{odd}");
    }
    let unasked =
        json!({"type": "content_block_delta", "index": 9, "delta": {"type": "input_json_delta", "partial_json": "{"}});
    assert_eq!(stream(&[unasked]).0, [start("")], "a piece of no call");
    let stop = json!({"type": "message_stop"});
    assert_eq!(stream(&[stop.clone(), stop]).0, [start(""), finish(Finish::Stop)], "an answer is over once");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever becomes of the events, reading them ends in no panic, and an answer begins and is over once.
    #[test]
    fn mutilated_streams_do_no_harm(
        order in proptest::collection::vec(0usize..16, 0..40),
        at in 0usize..4000,
        byte in any::<u8>(),
    ) {
        let mut bytes = STREAM.to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let events = events(&bytes);
        let (mut told, mut decoder) = (Told::new(), codec().decoder());
        for index in order {
            if let Some(event) = events.get(index) {
                decoder.event(event, &mut |event| told.push(event.into_owned()));
            }
        }
        let starts = told.iter().filter(|event| matches!(event, ChatEvent::Start { .. })).count();
        let ends = told.iter().filter(|event| matches!(event, ChatEvent::Finish { .. })).count();
        prop_assert!(starts <= 1 && ends <= 1);
        let begun = told.first().is_none_or(|first| matches!(first, ChatEvent::Start { .. }));
        prop_assert!(begun, "nothing comes before the start");
        codec().decode_whole(&bytes, &mut |_| {}).ok();
    }
}

#[test]
fn more_calls_than_are_kept_apart_are_refused() {
    for (count, want) in [(1_024_u32, None), (1_025, Some("an answer has more than 1024 tool calls"))] {
        let call = |n| json!({"type": "tool_use", "id": format!("t{n}"), "name": "f", "input": {}});
        let content: Vec<_> = (0..count).map(call).collect();
        let starts = (0..)
            .zip(&content)
            .map(|(n, block): (u32, _)| json!({"type": "content_block_start", "index": n, "content_block": block}));
        let last = stream(&starts.collect::<Vec<_>>()).1.pop();
        let why = if let Some(Decoded::Garbage(garbage)) = last { Some(garbage.why) } else { None };
        assert_eq!(why.as_deref(), want);
        let body = json!({"content": content, "stop_reason": "tool_use"});
        let whole = codec().decode_whole(body.to_string().as_bytes(), &mut |_| {});
        assert_eq!(whole.err().map(|garbage| garbage.why).as_deref(), want);
    }
}
