//! From the events of an answer to what a client reads.

use crate::{
    dialect::{About, decode, encoder, parse},
    model::{Api, ChatEvent, Citation, Content, Draft, Finish, Part, Seal, ServiceTier, Usage},
    sse::SseScanner,
};
use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What the encoder wrote, and what it told of the end marker.
fn written(stream: bool, events: &[ChatEvent<'_>]) -> (BytesMut, usize) {
    let about = About {
        id: "7f3a".into(),
        model: "fast".into(),
        created_s: 0,
        include_usage: false,
        request: bytes::Bytes::new(),
    };
    let mut encoder = encoder(Api::Messages, stream, about).expect("messages are a conversation");
    let mut out = BytesMut::new();
    for event in events {
        encoder.event(event, &mut out);
        assert!(stream || out.is_empty(), "nothing is written before the end");
    }
    let last = encoder.end(&mut out);
    (out, last)
}

fn whole(events: &[ChatEvent<'_>]) -> Value {
    let (body, last) = written(false, events);
    assert_eq!(last, 0);
    serde_json::from_slice(&body).expect("it is JSON")
}

/// The data of a stream's events, after a look at their names.
fn streamed(events: &[ChatEvent<'_>]) -> Vec<Value> {
    let (mut body, last) = written(true, events);
    let mut read = Vec::new();
    SseScanner::new(1 << 20).push(&body.split().freeze(), &mut read).expect("short");
    let data = read.iter().map(|event| {
        let data: Value = serde_json::from_slice(&event.data).expect("it is JSON");
        assert_eq!(event.name, data["type"].as_str().expect("a type").as_bytes());
        data
    });
    let data = data.collect();
    assert_eq!(read.last().map(|event| event.raw.len()), Some(last), "the end marker");
    data
}

/// Reads a stream as Anthropic's SDKs do, which is strict about its order. Returns the message.
fn collected(stream: &[Value]) -> Value {
    assert_eq!((&stream[0]["type"], &stream[1]["type"]), (&json!("message_start"), &json!("ping")));
    assert_eq!(stream[stream.len() - 1], json!({"type": "message_stop"}));
    let mut message = stream[0]["message"].clone();
    let mut blocks: Vec<Value> = Vec::new();
    let mut open = None;
    for event in &stream[2..stream.len() - 1] {
        let kind = event["type"].as_str().expect("a type");
        if kind == "message_delta" {
            assert_eq!(open, None);
            for (name, value) in event["delta"].as_object().expect("an object") {
                message[name] = value.clone();
            }
            message["usage"] = event["usage"].clone();
            continue;
        }
        let index = event["index"].as_u64().expect("an index");
        match kind {
            "content_block_start" => {
                assert_eq!((open, index), (None, blocks.len() as u64));
                open = Some((index, String::new()));
                blocks.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let (at, json) = open.as_mut().expect("a block is open");
                assert_eq!(*at, index);
                let (delta, block) = (&event["delta"], blocks.last_mut().expect("one is open"));
                let more = |name: &str, block: &mut Value| {
                    let text =
                        format!("{}{}", block[name].as_str().expect("a text"), delta[name].as_str().expect("text"));
                    block[name] = json!(text);
                };
                match delta["type"].as_str().expect("a type") {
                    "text_delta" => more("text", block),
                    "thinking_delta" => more("thinking", block),
                    "signature_delta" => more("signature", block),
                    "input_json_delta" => json.push_str(delta["partial_json"].as_str().expect("a text")),
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" => {
                let (at, json) = open.take().expect("a block is open");
                assert_eq!(at, index);
                let block = blocks.last_mut().expect("one was open");
                if block["type"] == "tool_use" {
                    block["input"] = serde_json::from_str(&json).expect("arguments are JSON");
                }
            }
            other => panic!("{other}"),
        }
    }
    message["content"] = json!(blocks);
    message
}

fn text(text: &str) -> ChatEvent<'_> {
    ChatEvent::Text { choice: 0, text: text.into() }
}

fn thought(text: &str) -> ChatEvent<'_> {
    ChatEvent::Reasoning { choice: 0, text: text.into() }
}

fn sealed(maker: &str, data: &str, hidden: bool) -> ChatEvent<'static> {
    ChatEvent::Sealed { choice: 0, seal: Seal { maker: maker.to_owned(), data: data.to_owned(), hidden } }
}

fn call<'a>(call: u32, id: &'a str, name: &'a str) -> ChatEvent<'a> {
    ChatEvent::ToolStart { choice: 0, call, id: id.into(), name: name.into() }
}

fn arguments(call: u32, json: &str) -> ChatEvent<'_> {
    ChatEvent::ToolArguments { choice: 0, call, json: json.into() }
}

const fn finish(reason: Finish) -> ChatEvent<'static> {
    ChatEvent::Finish { choice: 0, reason, stop: None }
}

fn answer() -> Vec<ChatEvent<'static>> {
    let usage = Usage {
        input: 20,
        audio_input: 5,
        cache_read: 2000,
        cache_write_5m: 100,
        cache_write_1h: 200,
        output: 80,
        reasoning: 9,
        ..Usage::default()
    };
    let citation = Citation { url: Some("https://x".to_owned()), ..Citation::default() };
    vec![
        ChatEvent::Start { id: Some("chatcmpl-1".into()) },
        thought("I should look."),
        sealed("anthropic", "EqQBCgIYAhIM1gbcDa9GJwZA2b3h", false),
        sealed("openai", "gAAAA", true),
        text("Okay, é"),
        ChatEvent::Citation { choice: 0, citation },
        ChatEvent::Text { choice: 1, text: "another answer".into() },
        text("\n\"so\""),
        call(0, "call_1", "get_weather"),
        arguments(0, r#"{"location":"#),
        arguments(0, r#" "Paris"}"#),
        call(1, "call_2", "now"),
        finish(Finish::ToolCalls),
        ChatEvent::Usage { usage, tier: Some(ServiceTier::Flex) },
    ]
}

#[test]
fn a_stream_is_written_as_the_reference_has_it() {
    let (stream, last) = written(true, &answer());
    let stream = std::str::from_utf8(&stream).expect("it is UTF-8");
    assert_eq!(stream, include_str!("../fixtures/answer.sse"));
    assert!(stream[stream.len() - last..].starts_with("event: message_stop\n"));
}

#[test]
fn a_message_is_written_as_the_reference_has_it() {
    let want: Value = serde_json::from_str(include_str!("../fixtures/answer.json")).expect("it is JSON");
    assert_eq!(whole(&answer()), want);
    assert_eq!(collected(&streamed(&answer())), want, "the stream says the same");
}

#[test]
fn usage_that_is_known_early_stands_at_the_start() {
    let usage = |input, output| ChatEvent::Usage { usage: Usage { input, output, ..Usage::default() }, tier: None };
    let events = [usage(7, 1), ChatEvent::Start { id: None }, text("a"), finish(Finish::Stop), usage(7, 3)];
    let stream = streamed(&events);
    assert_eq!(stream[0]["message"]["usage"]["input_tokens"], 7);
    let of = &stream[stream.len() - 2]["usage"];
    assert_eq!((&of["input_tokens"], &of["output_tokens"]), (&json!(7), &json!(3)));
}

#[test]
fn an_answer_that_begins_or_ends_without_a_word_is_whole_all_the_same() {
    let cases: [(&str, &[ChatEvent<'_>], Value, &str); 4] = [
        ("nothing", &[], json!([]), "end_turn"),
        ("a start", &[ChatEvent::Start { id: None }], json!([]), "end_turn"),
        ("no start", &[text("a")], json!([{"type": "text", "text": "a"}]), "end_turn"),
        (
            "a call",
            &[call(0, "c", "f")],
            json!([{"type": "tool_use", "id": "c", "name": "f", "input": {}}]),
            "tool_use",
        ),
    ];
    for (name, events, content, reason) in cases {
        for message in [whole(events), collected(&streamed(events))] {
            assert_eq!((&message["content"], &message["stop_reason"]), (&content, &json!(reason)), "{name}");
        }
    }
}

#[test]
fn each_end_has_its_word() {
    let cases = [
        (Finish::Stop, None, "end_turn"),
        (Finish::StopSequence, Some("END"), "stop_sequence"),
        (Finish::Length, None, "max_tokens"),
        (Finish::ToolCalls, None, "tool_use"),
        (Finish::ContentFilter, None, "refusal"),
        (Finish::Refusal, None, "refusal"),
        (Finish::Paused, None, "pause_turn"),
        (Finish::ContextWindow, None, "model_context_window_exceeded"),
    ];
    for (reason, stop, want) in cases {
        let events = [text("a"), ChatEvent::Finish { choice: 0, reason, stop: stop.map(Into::into) }];
        for message in [whole(&events), collected(&streamed(&events))] {
            assert_eq!((&message["stop_reason"], &message["stop_sequence"]), (&json!(want), &json!(stop)));
        }
    }
}

#[test]
fn pieces_become_blocks() {
    let refusal = ChatEvent::Refusal { choice: 0, text: "no".into() };
    let thinking = |text: &str, seal: &str| json!({"type": "thinking", "thinking": text, "signature": seal});
    let said = |text: &str| json!({"type": "text", "text": text});
    let cases: [(&str, Vec<ChatEvent<'_>>, Value); 6] = [
        (
            "a thought that is not sealed",
            vec![thought("a"), thought("b"), text("c")],
            json!([thinking("ab", "wb1::"), said("c")]),
        ),
        (
            "two thoughts",
            vec![thought("a"), sealed("anthropic", "s", false), thought("b"), sealed("gemini", "g", false)],
            json!([thinking("a", "s"), thinking("b", "wb1:gemini:g")]),
        ),
        (
            "a seal without words",
            vec![text("a"), sealed("gemini", "g", false), text("b")],
            json!([said("a"), thinking("", "wb1:gemini:g"), said("b")]),
        ),
        (
            "words of a hidden thought",
            vec![thought("a"), sealed("openai", "e", true)],
            json!([thinking("a", "wb1::"), {"type": "redacted_thinking", "data": "wb1:openai:e"}]),
        ),
        ("a refusal", vec![text("a"), refusal], json!([said("a"), said("no")])),
        (
            "text between calls",
            vec![call(0, "c", "f"), text("a"), call(1, "d", "g"), arguments(1, "{\"x\":1}")],
            json!([{"type": "tool_use", "id": "c", "name": "f", "input": {}}, said("a"),
                {"type": "tool_use", "id": "d", "name": "g", "input": {"x": 1}}]),
        ),
    ];
    for (name, events, want) in cases {
        assert_eq!(whole(&events)["content"], want, "{name}");
        assert_eq!(collected(&streamed(&events))["content"], want, "{name}, streamed");
    }
}

#[test]
fn calls_that_come_at_once_are_told_one_after_another() {
    let events = [
        call(0, "c0", "f"),
        call(1, "c1", "f"),
        arguments(1, r#"{"b":"}"#),
        arguments(0, r##"{"a":"\"""##),
        call(2, "c2", "f"),
        arguments(2, "{}"),
        arguments(1, r#"{"}"#),
        arguments(0, "}"),
        text("done"),
    ];
    let tool = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "f", "input": input});
    let want = json!([tool("c0", json!({"a": "\""})), tool("c1", json!({"b": "}{"})), tool("c2", json!({})),
        {"type": "text", "text": "done"}]);
    assert_eq!(whole(&events)["content"], want);
    assert_eq!(collected(&streamed(&events))["content"], want);
}

#[test]
fn a_call_does_not_wait_for_one_that_is_whole() {
    let events = [call(0, "c0", "f"), arguments(0, "{}"), call(1, "c1", "f"), arguments(1, r#"{"a""#)];
    let about = About { id: "i".into(), model: "m".into(), created_s: 0, include_usage: false, request: [][..].into() };
    let mut encoder = encoder(Api::Messages, true, about).expect("a conversation");
    let mut out = BytesMut::new();
    for event in &events {
        out.clear();
        encoder.event(event, &mut out);
        assert!(!out.is_empty(), "{event:?}");
    }
}

#[test]
fn arguments_that_are_no_object_are_kept_as_they_are() {
    for raw in ["{\"a\":", "[1]", "\"a\"", "null", "{} {}"] {
        let message = whole(&[call(0, "c", "f"), arguments(0, raw)]);
        assert_eq!(message["content"][0]["input"], json!({"_raw": raw}));
    }
    for (empty, want) in [("", "{}"), (" \n", "{}"), (" { } ", "{}"), (r#"{"b":1,"a":1.0}"#, r#"{"b":1,"a":1.0}"#)] {
        let body = written(false, &[call(0, "c", "f"), arguments(0, empty)]).0;
        let body = String::from_utf8_lossy(&body).replace("{ }", "{}");
        assert!(body.contains(&format!(r#""input":{want}}}"#)), "{body}");
    }
}

/// A part of an answer, in the order in which a decoder tells it.
fn segment() -> impl Strategy<Value = Vec<ChatEvent<'static>>> {
    let word = || "[a-z{}\"\\\\é]{1,6}";
    let said = |text: String| ChatEvent::Text { choice: 0, text: text.into() };
    let thought = |text: String| ChatEvent::Reasoning { choice: 0, text: text.into() };
    prop_oneof![
        word().prop_map(move |text| vec![said(text)]),
        word().prop_map(|text| vec![ChatEvent::Refusal { choice: 0, text: text.into() }]),
        word().prop_map(move |text| vec![thought(text)]),
        (word(), any::<bool>()).prop_map(|(data, hidden)| vec![sealed("gemini", &data, hidden)]),
        prop::collection::vec((word(), prop::collection::vec(0u8..4, 0..3)), 1..4).prop_flat_map(calls),
    ]
}

/// Calls whose pieces come in any order between one another.
fn calls(of: Vec<(String, Vec<u8>)>) -> impl Strategy<Value = Vec<ChatEvent<'static>>> {
    let json: Vec<Vec<char>> =
        of.iter().map(|(word, numbers)| json!({ word: numbers, "t": word }).to_string().chars().collect()).collect();
    let order: Vec<usize> = json.iter().enumerate().flat_map(|(at, json)| vec![at; json.len() / 3 + 1]).collect();
    Just(order).prop_shuffle().prop_map(move |order| {
        let number = |at: usize| u32::try_from(at).expect("few");
        let start = |at: usize| ChatEvent::ToolStart {
            choice: 0,
            call: number(at),
            id: format!("call_{at}").into(),
            name: "f".into(),
        };
        let mut events: Vec<_> = (0..json.len()).map(start).collect();
        let mut told = vec![0; json.len()];
        for at in order {
            let piece: String = json[at].iter().skip(told[at]).take(3).collect();
            told[at] += 3;
            if !piece.is_empty() {
                events.push(ChatEvent::ToolArguments { choice: 0, call: number(at), json: piece.into() });
            }
        }
        events
    })
}

/// The events of an answer that would be read as `parts`.
fn retold(parts: &[Part]) -> Vec<ChatEvent<'_>> {
    let mut events = Vec::new();
    let mut count = 0;
    for part in parts {
        match &part.content {
            Content::Text(said) => events.push(text(said)),
            Content::Reasoning(reasoned) => {
                events.extend((!reasoned.text.is_empty()).then(|| thought(&reasoned.text)));
                events.extend(reasoned.seal.clone().map(|seal| ChatEvent::Sealed { choice: 0, seal }));
            }
            Content::ToolCall(of) => {
                events.extend([call(count, &of.id, &of.name), arguments(count, &of.arguments)]);
                count += 1;
            }
            other => panic!("{other:?}"),
        }
        // Ends the piece: two texts in a row stay two.
        events.push(ChatEvent::Refusal { choice: 0, text: "|".into() });
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A stream says what a whole message says, and what a client sends back of it means the same.
    #[test]
    fn a_stream_a_message_and_history_agree(segments in prop::collection::vec(segment(), 0..6)) {
        let mut events = Vec::new();
        let mut first = 0;
        for segment in segments {
            let count = segment.iter().filter(|event| matches!(event, ChatEvent::ToolStart { .. })).count();
            events.extend(segment.into_iter().map(|event| match event {
                ChatEvent::ToolStart { choice, call, id, name } =>
                    ChatEvent::ToolStart { choice, call: call + first, id: format!("{id}_{first}").into(), name },
                ChatEvent::ToolArguments { choice, call, json } =>
                    ChatEvent::ToolArguments { choice, call: call + first, json },
                other => other,
            }));
            first += u32::try_from(count).expect("few");
            // Nothing else ends a group of calls.
            events.push(text(";"));
        }
        let message = whole(&events);
        prop_assert_eq!(&collected(&streamed(&events)), &message);

        let history = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "assistant",
            "content": message["content"]}]});
        let ask = parse(Api::Messages, Draft::copy_of(history.to_string().as_bytes())).expect("it parses");
        let chat = decode(&ask).expect("it decodes").expect("a conversation");
        let parts = chat.messages.first().map(|message| message.parts.clone()).unwrap_or_default();
        let mut again = whole(&retold(&parts))["content"].clone();
        again.as_array_mut().expect("blocks").retain(|block| *block != json!({"type": "text", "text": "|"}));
        prop_assert_eq!(&again, &message["content"]);
    }

    /// Events in any order, with anything in them, make a stream that an SDK reads.
    #[test]
    fn any_order_of_events_makes_a_stream_in_order(
        segments in prop::collection::vec(segment(), 0..6),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let all: Vec<_> = segments.into_iter().flatten().chain([finish(Finish::Stop)]).collect();
        let events: Vec<_> = picks.iter().map(|pick| pick.get(&all).clone()).collect();
        let stream = streamed(&events);
        let mut open = None;
        for event in &stream {
            match event["type"].as_str().expect("a type") {
                "content_block_start" => prop_assert_eq!(open.replace(event["index"].clone()), None),
                "content_block_delta" => prop_assert_eq!(open.as_ref(), Some(&event["index"])),
                "content_block_stop" => prop_assert_eq!(open.take(), Some(event["index"].clone())),
                _ => prop_assert_eq!(&open, &None),
            }
        }
        whole(&events);
    }
}
