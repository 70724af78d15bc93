//! Golden pairs, written from OpenAI's reference and from what other servers are known to send.

use super::*;
use crate::{
    model::{
        ChatEvent, Content, Finish, Format, Json, Message, Part, Reasoned, Role, Sampling, ServiceTier, Source,
        Thinking, Tool, ToolCall, ToolChoice, ToolResult,
    },
    providers::{
        codec::{Decoded, gaps},
        openai::tests::tell,
    },
    sse::{SseEvent, SseScanner},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn codec(manner: Manner) -> ChatCodec {
    ChatCodec { manner, cap: CapField::Newer, key: Key::new(Some("secret-0123456789".to_owned())) }
}

fn encoded(manner: Manner, chat: &Chat) -> Value {
    let body = codec(manner).encode(chat, &Goal { model: "gpt-5.1", cap: Some(900), most_output: None });
    serde_json::from_slice(&body).expect("it is JSON")
}

fn turn(role: Role, contents: Vec<Content>) -> Message {
    Message { role, name: None, parts: contents.into_iter().map(Part::new).collect() }
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

fn conversation() -> Chat {
    let png = Source::Inline { media_type: "image/png".to_owned(), base64: Bytes::from_static(b"iVBORw0KGgo=") };
    let pdf = Source::Inline { media_type: "application/pdf".to_owned(), base64: Bytes::from_static(b"JVBERi0=") };
    let mp3 = Source::Inline { media_type: "audio/mpeg".to_owned(), base64: Bytes::from_static(b"SUQz") };
    let call = |id: &str, arguments: &str| {
        Content::ToolCall(ToolCall { id: id.to_owned(), name: "weather".to_owned(), arguments: arguments.to_owned() })
    };
    let result = |id: &str, texts: &[&str]| {
        let parts = texts.iter().map(|text| Part::text(*text)).collect();
        Content::ToolResult(ToolResult { id: id.to_owned(), parts, ..ToolResult::default() })
    };
    let thought = Content::Reasoning(Reasoned { text: "Two cities.".to_owned(), seal: None });
    Chat {
        stream: true,
        messages: vec![
            turn(Role::System, vec![text("Be brief."), text("Be kind.")]),
            turn(
                Role::User,
                vec![
                    text("What is this?"),
                    Content::Image { source: png, detail: Some("low".to_owned()) },
                    Content::Image { source: Source::Url("https://h/p.png".to_owned()), detail: None },
                    Content::Document { source: pdf, name: Some("a.pdf".to_owned()) },
                    Content::Document { source: Source::Text("plain".to_owned()), name: Some("n.txt".to_owned()) },
                    Content::Audio { source: mp3 },
                ],
            ),
            turn(Role::Assistant, vec![thought, text("I look."), call("c1", r#"{"city":"Paris"}"#), call("c2", "")]),
            turn(Role::User, vec![text("And now?"), result("c1", &["18 °C", "sunny"]), result("c2", &[])]),
            turn(Role::Assistant, vec![Content::Refusal("No.".to_owned())]),
            turn(Role::Assistant, vec![]),
            turn(Role::User, vec![text("Why \"no\"?")]),
        ],
        tools: vec![Tool {
            name: "weather".to_owned(),
            description: Some("The weather".to_owned()),
            parameters: Json::new(r#"{"type":"object","properties":{"city":{"type":"string"}}}"#),
            strict: Some(true),
            cache: None,
        }],
        tool_choice: Some(ToolChoice::Named("weather".to_owned())),
        parallel_tool_calls: Some(true),
        max_output_tokens: Some(1_000),
        sampling: Sampling { temperature: Some(0.0), seed: Some(42), ..Sampling::default() },
        stop: ["a", "b", "c", "d", "e"].map(str::to_owned).into(),
        format: Format::Schema {
            name: String::new(),
            description: None,
            schema: Json::new(r#"{"type":"object"}"#).expect("JSON"),
            strict: Some(true),
        },
        thinking: Thinking { budget_tokens: Some(100_000), ..Thinking::default() },
        logprobs: Some(0),
        choices: 2,
        service_tier: Some("standard_only".to_owned()),
        user: Some("u1".to_owned()),
        ..Chat::default()
    }
}

#[test]
fn a_conversation_is_said_as_the_reference_has_it() {
    let want: Value = serde_json::from_str(include_str!("fixtures/request.json")).expect("JSON");
    assert_eq!(encoded(Manner::OPENAI, &conversation()), want);
}

#[test]
fn other_servers_get_thoughts_and_no_words_that_few_know() {
    let mut want: Value = serde_json::from_str(include_str!("fixtures/request.json")).expect("JSON");
    want["messages"][2]["reasoning_content"] = json!("Two cities.");
    want["messages"][6]["content"] = json!("No.");
    want["stop"] = json!(["a", "b", "c", "d", "e"]);
    assert_eq!(encoded(Manner::OTHERS, &conversation()), want);
}

#[test]
fn an_effort_is_lowered_to_a_word_that_the_server_knows() {
    const FEW: Manner = Manner { efforts: &[Effort::None, Effort::High], ..Manner::OTHERS };
    let thinking = |effort| Thinking { effort: Some(effort), ..Thinking::default() };
    let cases = [
        (Manner::OPENAI, thinking(Effort::Max), json!("xhigh")),
        (Manner::OPENAI, thinking(Effort::Minimal), json!("minimal")),
        (Manner::OPENAI, thinking(Effort::None), json!("none")),
        (Manner::OTHERS, thinking(Effort::XHigh), json!("high")),
        (Manner::OTHERS, thinking(Effort::Minimal), json!("low")),
        (FEW, thinking(Effort::Low), json!("high")),
        (FEW, thinking(Effort::None), json!("none")),
        (Manner::OPENAI, Thinking { budget_tokens: Some(5_000), ..Thinking::default() }, json!("medium")),
        (Manner::OPENAI, Thinking { budget_tokens: Some(1_024), ..Thinking::default() }, json!("low")),
        (Manner::OPENAI, Thinking { adaptive: true, ..Thinking::default() }, Value::Null),
        (Manner::OPENAI, Thinking { off: true, ..Thinking::default() }, Value::Null),
    ];
    for (manner, thinking, want) in cases {
        let chat = Chat { thinking: thinking.clone(), ..Chat::default() };
        assert_eq!(encoded(manner, &chat)["reasoning_effort"], want, "{thinking:?}");
    }
}

#[test]
fn only_openais_words_for_tiers_go_up() {
    for (tier, want) in [
        ("auto", json!("auto")),
        ("flex", json!("flex")),
        ("priority", json!("priority")),
        ("standard_only", json!("default")),
        ("batch", Value::Null),
    ] {
        let chat = Chat { service_tier: Some(tier.to_owned()), ..Chat::default() };
        assert_eq!(encoded(Manner::OPENAI, &chat)["service_tier"], want, "{tier}");
    }
}

#[test]
fn choices_of_tools_are_not_sent_without_tools() {
    let chat = Chat { tool_choice: Some(ToolChoice::Auto), parallel_tool_calls: Some(false), ..Chat::default() };
    let body = encoded(Manner::OPENAI, &chat);
    assert_eq!(body, json!({"model": "gpt-5.1", "messages": [], "max_completion_tokens": 900}));
}

fn events(stream: &str) -> Vec<SseEvent> {
    let mut out = Vec::new();
    SseScanner::new(1 << 20).push(&Bytes::copy_from_slice(stream.as_bytes()), &mut out).expect("short");
    out
}

/// What a stream of these chunks says, one line an event, and how it ends.
fn read(stream: &str) -> (Vec<String>, Decoded, Reading) {
    let (mut said, mut decoder) = (Vec::new(), codec(Manner::OTHERS).decoder());
    let mut last = Decoded::More;
    for event in events(stream) {
        last = decoder.event(&event, &mut |event| said.push(tell(&event)));
        if last != Decoded::More {
            break;
        }
    }
    (said, last, decoder.reading().clone())
}

/// A stream of these chunks, ended as it should be.
fn of(chunks: &[Value]) -> Vec<String> {
    let stream: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    read(&format!("{stream}data: [DONE]\n\n")).0
}

/// What one choice whose deltas are these says.
fn deltas(deltas: &[Value]) -> Vec<String> {
    let chunks: Vec<_> = deltas.iter().map(|delta| json!({"choices": [{"index": 0, "delta": delta}]})).collect();
    of(&chunks)
}

#[test]
fn streams_are_told_as_the_reference_has_them() {
    let (said, last, reading) = read(include_str!("../fixtures/chat_tools_stream.sse"));
    let want = [
        "start chatcmpl-B9MBs8CjcvOlj2tiUjpVEhMQgCDCn",
        "0 call 0 call_abc123 get_weather",
        r#"0 arguments 0 {"location":"#,
        r#"0 arguments 0 "Paris"}"#,
        "0 finish ToolCalls",
        "usage 81 17",
    ];
    // The cuts of the arguments are the fixture's own.
    let joined = |lines: &[String]| lines.iter().filter(|line| line.contains("arguments")).count();
    assert_eq!(said.first().map(String::as_str), want.first().copied());
    assert_eq!(said.last().map(String::as_str), want.last().copied());
    assert!(joined(&said) > 0 && said.contains(&want[4].to_owned()), "{said:?}");
    assert_eq!((last, reading.complete, reading.tier), (Decoded::End, true, Some(ServiceTier::Standard)));
    let (said, last, reading) = read(include_str!("../fixtures/chat_stream_asked.sse"));
    assert!(said.contains(&"0 finish Stop".to_owned()), "{said:?}");
    assert_eq!((last, reading.complete), (Decoded::End, true));
    assert_eq!(said.iter().filter(|line| line.starts_with("start")).count(), 1);
}

#[test]
fn each_kind_of_delta_is_told() {
    let logprobs =
        json!({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}}]});
    assert_eq!(of(&[logprobs])[1..3], ["0 text a", r#"0 logprobs [{"token":"a"}]"#]);
    let cases = [
        (json!({"content": ""}), vec![]),
        (json!({"content": null, "tool_calls": null, "refusal": null}), vec![]),
        (json!({"content": "a\n"}), vec!["0 text a\n"]),
        (json!({"content": 7}), vec!["0 text 7"]),
        (json!({"content": {"type": "text", "text": "a"}}), vec!["0 text a"]),
        (json!({"refusal": "no"}), vec!["0 refusal no"]),
        (json!({"reasoning_content": "r", "content": "a"}), vec!["0 thought r", "0 text a"]),
        (json!({"reasoning": "r"}), vec!["0 thought r"]),
        (json!({"reasoning": "r", "reasoning_content": "r"}), vec!["0 thought r"]),
        (
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "a"}]}),
            vec!["0 thought t", "0 text a"],
        ),
        (json!({"audio": {"data": "QUJD", "transcript": "hi"}}), vec!["0 text hi", "0 media audio/pcm QUJD"]),
        (
            json!({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}]}),
            vec!["0 media image/png QUJD"],
        ),
        (
            json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://h", "title": "T"}}]}),
            vec!["0 cites https://h T"],
        ),
    ];
    for (delta, want) in cases {
        let said = deltas(std::slice::from_ref(&delta));
        assert_eq!(said[1..said.len() - 1], want[..], "{delta}");
    }
}

/// Streams of calls by many servers, and what each of them says.
#[derive(serde::Deserialize)]
struct CallCase {
    name: String,
    /// `tool_calls` of one delta after the other.
    pieces: Vec<Value>,
    want: Vec<String>,
}

#[test]
fn calls_are_told_apart_however_servers_number_them() {
    let cases: Vec<CallCase> = serde_json::from_str(include_str!("fixtures/calls.json")).expect("JSON");
    for CallCase { name, pieces, want } in cases {
        let pieces: Vec<_> = pieces.into_iter().map(|calls| json!({"tool_calls": calls})).collect();
        let said = deltas(&pieces);
        assert_eq!(said[1..said.len() - 1], want[..], "{name}");
        assert_eq!(said.last().map(String::as_str), Some("0 finish ToolCalls"), "{name}");
    }
    let piece = |call: Value| json!({"function_call": call});
    let before = deltas(&[piece(json!({"name": "f", "arguments": "{"})), piece(json!({"arguments": "}"}))]);
    assert_eq!(before[1..4], ["0 call 0 call_0 f", "0 arguments 0 {", "0 arguments 0 }"]);
}

#[test]
fn an_answer_is_over_once_and_for_the_reason_that_was_told() {
    let cases = [
        (json!("stop"), "0 finish Stop"),
        (json!("length"), "0 finish Length"),
        (json!("tool_calls"), "0 finish Stop"),
        (json!("content_filter"), "0 finish ContentFilter"),
        (json!("model_length"), "0 finish ContextWindow"),
        (json!("eos"), "0 finish Stop"),
        (Value::Null, "0 finish Stop"),
    ];
    for (word, want) in cases {
        let chunk = json!({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": word}]});
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}});
        let said = of(&[chunk.clone(), chunk, usage]);
        assert_eq!(said.iter().filter(|line| line.contains("finish")).collect::<Vec<_>>(), [want], "{word}");
    }
    let stopped = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "END"}]});
    assert_eq!(of(&[stopped])[1], "0 finish StopSequence END");
    let both =
        of(&[json!({"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]})]);
    assert_eq!(both, ["start", "1 text b", "0 text a", "1 finish Stop", "0 finish Stop"]);
    assert_eq!(of(&[]), ["start", "0 finish Stop"]);
}

#[test]
fn errors_and_garbage_are_told_apart() {
    let leak = r#"{"error":{"message":"bad secret-0123456789","code":429}}"#;
    let (_, last, _) = read(&format!("data: {leak}\n\n"));
    assert!(matches!(&last, Decoded::Error(error) if error.status == 429 && error.message == "bad ***"), "{last:?}");
    let broken = r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#;
    assert!(matches!(read(&format!("data: {broken}\n\n")).1, Decoded::Error(_)));
    for (data, want) in [
        ("<html>", true),
        (r#"{"choices":["#, true),
        (r#"{"choices":[{"delta":{"tool_calls":"?"}}]}"#, true),
        (r#"{"choices":[],"prompt_filter_results":[]}"#, false),
        (r#"{"object":"something else"}"#, false),
        (r#"{"choices":[{"delta":{"content":"a"},"message":null,"content_filter_results":{}}]}"#, false),
    ] {
        assert_eq!(matches!(read(&format!("data: {data}\n\n")).1, Decoded::Garbage(_)), want, "{data}");
    }
    assert_eq!(read(": keep-alive\n\n").1, Decoded::More);
}

#[test]
fn whole_answers_are_told_like_streams() {
    let body = json!({"id": "chatcmpl-1", "object": "chat.completion", "service_tier": "flex", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hi", "refusal": null, "annotations": []},
            "logprobs": null, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": null, "tool_calls": [
            {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"b\"}"}},
            {"id": "y", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}}});
    let mut said = Vec::new();
    let reading = codec(Manner::OPENAI).decode_whole(body.to_string().as_bytes(), &mut |event| said.push(tell(&event)));
    let want = [
        "start chatcmpl-1",
        "0 text Hi",
        "1 call 0 x f",
        r#"1 arguments 0 {"a":"b"}"#,
        "1 call 1 y f",
        "1 arguments 1 {}",
        "0 finish Stop",
        "1 finish ToolCalls",
        "usage 9 12",
    ];
    assert_eq!(said, want);
    let reading = reading.expect("an answer");
    assert_eq!((reading.complete, reading.tier), (true, Some(ServiceTier::Flex)));
    for body in
        ["", "<html>", "[]", "{}", r#"{"error":{"message":"m"}}"#, r#"{"choices":null}"#, "{\"choices\":[\"\"]}"]
    {
        assert!(codec(Manner::OPENAI).decode_whole(body.as_bytes(), &mut |_| {}).is_err(), "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is lost, doubled, moved or damaged on the way: nothing panics, an answer begins once and ends once, and
    /// calls have ids and numbers without gaps.
    #[test]
    fn damaged_streams_do_no_harm(order in proptest::collection::vec(0usize..12, 0..24), at in 0usize..400, byte in any::<u8>()) {
        let streams = concat!(include_str!("../fixtures/chat_tools_stream.sse"), include_str!("../fixtures/chat_stream_asked.sse"));
        let whole = events(streams);
        let mut decoder = codec(Manner::OPENAI).decoder();
        let (mut starts, mut calls, mut finishes) = (0, 0, 0);
        for (turn, index) in order.into_iter().enumerate() {
            let Some(event) = whole.get(index) else { continue };
            let mut data = event.data.to_vec();
            if turn % 3 == 1 && let Some(place) = data.get_mut(at) {
                *place = byte;
            }
            let event = SseEvent { data: data.into(), ..event.clone() };
            let _what = decoder.event(&event, &mut |event| match event {
                ChatEvent::Start { .. } => starts += 1,
                ChatEvent::ToolStart { call, id, choice: 0, .. } => {
                    assert!(call == calls && !id.is_empty());
                    calls += 1;
                }
                ChatEvent::ToolArguments { call, choice: 0, .. } => assert!(call < calls),
                ChatEvent::Finish { choice: 0, reason, .. } => {
                    assert!(reason != Finish::ToolCalls || calls > 0);
                    finishes += 1;
                }
                _ => {}
            });
        }
        prop_assert!(starts <= 1 && finishes <= 1);
    }
}

#[test]
fn what_is_left_out_is_told() {
    let told = |manner: Manner, mut chat: Chat| {
        for (feature, path) in [
            (Feature::StopSequences, "stop"),
            (Feature::ServiceTier, "service_tier"),
            (Feature::ReasoningEffort, "thinking"),
            (Feature::ForcedTool, "tool_choice"),
            (Feature::AudioInput, "audio[0]"),
            (Feature::AudioInput, "audio[1]"),
        ] {
            chat.uses(feature, path);
        }
        let gaps = gaps(&codec(manner), &chat, &Goal { model: "gpt-5.1", cap: None, most_output: None });
        (gaps.unsupported.into_iter().map(|used| used.path).collect::<Vec<_>>(), gaps.hints)
    };
    let refused = |path: &str| (vec![path.to_owned()], vec![]);
    let dropped = |path: &str| (vec![], vec![path.to_owned()]);
    let nothing = (vec![], vec![]);
    let stops = |count: usize| Chat { stop: vec!["END".to_owned(); count], ..Chat::default() };
    assert_eq!(told(Manner::OPENAI, stops(4)), nothing);
    assert_eq!(told(Manner::OPENAI, stops(5)), refused("stop"));
    assert_eq!(told(Manner::OTHERS, stops(5)), nothing);
    let tier = |tier: &str| Chat { service_tier: Some(tier.to_owned()), ..Chat::default() };
    assert_eq!(told(Manner::OPENAI, tier("reserved")), dropped("service_tier"));
    assert_eq!(told(Manner::OPENAI, tier("standard_only")), nothing);
    let thinking = |thinking| Chat { thinking, ..Chat::default() };
    let off = Thinking { off: true, ..Thinking::default() };
    assert_eq!(told(Manner::OPENAI, thinking(off)), dropped("thinking"), "never refused");
    let budget = Thinking { budget_tokens: Some(9), ..Thinking::default() };
    assert_eq!(told(Manner::OPENAI, thinking(budget)), nothing);
    let forced = Chat { tool_choice: Some(ToolChoice::Required), ..Chat::default() };
    assert_eq!(told(Manner::OPENAI, forced), refused("tool_choice"), "there is no tool");
    let inline = Source::Inline { media_type: "audio/mpeg".to_owned(), base64: Bytes::from_static(b"SUQz") };
    let sounds = [inline, Source::Url("https://h/a.mp3".to_owned())].map(|source| Content::Audio { source });
    let chat = Chat { messages: vec![turn(Role::User, sounds.into())], ..Chat::default() };
    assert_eq!(told(Manner::OPENAI, chat), refused("audio[1]"), "nothing fetches it");
}

#[test]
fn more_choices_or_calls_than_are_kept_apart_are_refused() {
    let choices =
        |count: u32| -> Vec<_> { (0..count).map(|n| json!({"index": n, "delta": {"content": "a"}})).collect() };
    let calls = |count: u32| -> Vec<_> {
        (0..count).map(|n| json!({"index": n, "id": format!("c{n}"), "function": {"name": "f"}})).collect()
    };
    let called = |count| json!({"choices": [{"index": 0, "message": {"tool_calls": calls(count)}}]});
    let cases = [
        (json!({"choices": choices(128)}), None),
        (json!({"choices": choices(129)}), Some("it has more than 128 choices")),
        (called(1_024), None),
        (called(1_025), Some("an answer has more than 1024 tool calls")),
    ];
    for (body, want) in cases {
        let streamed = match read(&format!("data: {body}\n\n")).1 {
            Decoded::Garbage(garbage) => Some(garbage.why),
            _ => None,
        };
        assert_eq!(streamed.as_deref(), want);
        let whole = codec(Manner::OTHERS).decode_whole(body.to_string().as_bytes(), &mut |_| {});
        assert_eq!(whole.err().map(|garbage| garbage.why).as_deref(), want);
    }
}
