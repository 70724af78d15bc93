//! Golden pairs, written from OpenAI's reference.

use super::*;
use crate::{
    model::{
        ChatEvent, Content, Effort, Finish, Format, Json, Message, Part, Reasoned, Role, Seal, ServiceTier, Source,
        Thinking, Tool, ToolCall, ToolChoice, ToolResult,
    },
    providers::{
        codec::{Decoded, Gaps, gaps},
        openai::tests::tell,
    },
    sse::{SseEvent, SseScanner},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn codec() -> ResponsesCodec {
    ResponsesCodec { key: Key::new(Some("secret-0123456789".to_owned())) }
}

fn encoded(chat: &Chat, cap: Option<u64>) -> Value {
    let body = codec().encode(chat, &Goal { model: "gpt-5.1", cap, most_output: None });
    serde_json::from_slice(&body).expect("it is JSON")
}

fn turn(role: Role, contents: Vec<Content>) -> Message {
    Message { role, name: None, parts: contents.into_iter().map(Part::new).collect() }
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

fn inline(media_type: &str, base64: &'static [u8]) -> Source {
    Source::Inline { media_type: media_type.to_owned(), base64: Bytes::from_static(base64) }
}

fn turns() -> Vec<Message> {
    let call = |id: &str, arguments: &str| {
        Content::ToolCall(ToolCall { id: id.to_owned(), name: "look".to_owned(), arguments: arguments.to_owned() })
    };
    let result = |id: &str, contents: Vec<Content>| {
        let parts = contents.into_iter().map(Part::new).collect();
        Content::ToolResult(ToolResult { id: id.to_owned(), parts, ..ToolResult::default() })
    };
    let thought = |text: &str, maker: &str, data: &str| {
        let seal = Seal { maker: maker.to_owned(), data: data.to_owned(), hidden: false };
        Content::Reasoning(Reasoned { text: text.to_owned(), seal: Some(seal) })
    };
    let picture = |detail: Option<&str>| Content::Image {
        source: inline("image/png", b"iVBORw0KGgo="),
        detail: detail.map(str::to_owned),
    };
    vec![
        turn(Role::System, vec![text("Be brief.")]),
        turn(Role::System, vec![text("Be kind.")]),
        turn(
            Role::User,
            vec![
                text("What is this?"),
                picture(Some("low")),
                Content::Document { source: Source::Url("https://h/a.pdf".to_owned()), name: None },
                Content::Document { source: inline("application/pdf", b"JVBERi0="), name: Some("b.pdf".to_owned()) },
            ],
        ),
        turn(
            Role::Assistant,
            vec![
                thought("I should look.", "openai", "gAAAA1"),
                thought("Not mine.", "anthropic", "EqQB"),
                text("I look."),
                call("c1", r#"{"at":1}"#),
                call("c2", ""),
            ],
        ),
        turn(
            Role::User,
            vec![result("c1", vec![text("seen"), picture(None)]), result("c2", vec![text("a"), text("b")])],
        ),
        turn(Role::System, vec![text("Now in French.")]),
        turn(Role::Assistant, vec![text("Non"), Content::Refusal("Je refuse.".to_owned())]),
        turn(Role::User, vec![text("Why?")]),
    ]
}

#[test]
fn a_conversation_is_said_as_the_reference_has_it() {
    let chat = Chat {
        stream: true,
        messages: turns(),
        tools: vec![
            Tool { name: "look".to_owned(), description: None, parameters: None, strict: None, cache: None },
            Tool {
                name: "find".to_owned(),
                description: Some("Finds".to_owned()),
                parameters: Json::new(r#"{"type":"object"}"#),
                strict: Some(true),
                cache: None,
            },
        ],
        tool_choice: Some(ToolChoice::Named("look".to_owned())),
        max_output_tokens: Some(5),
        format: Format::Json,
        verbosity: Some("low".to_owned()),
        thinking: Thinking { effort: Some(Effort::Max), shown: Some(true), ..Thinking::default() },
        logprobs: Some(2),
        metadata: vec![("team".to_owned(), "t".to_owned())],
        ..Chat::default()
    };
    let want: Value = serde_json::from_str(include_str!("fixtures/request.json")).expect("JSON");
    assert_eq!(encoded(&chat, Some(100)), want);
}

#[test]
fn a_plain_question_asks_for_nothing_else() {
    let chat = Chat { messages: vec![turn(Role::User, vec![text("Hi")])], ..Chat::default() };
    let input = json!([{"type": "message", "role": "user", "content": "Hi"}]);
    assert_eq!(encoded(&chat, None), json!({"model": "gpt-5.1", "input": input, "store": false}));
    let chat = Chat { messages: vec![turn(Role::System, vec![text("Hi")])], ..Chat::default() };
    let input = json!([{"type": "message", "role": "system", "content": "Hi"}]);
    assert_eq!(encoded(&chat, None), json!({"model": "gpt-5.1", "input": input, "store": false}));
}

fn events(stream: &str) -> Vec<SseEvent> {
    let mut out = Vec::new();
    SseScanner::new(1 << 20).push(&Bytes::copy_from_slice(stream.as_bytes()), &mut out).expect("short");
    out
}

fn read(stream: &str) -> (Vec<String>, Decoded, Reading) {
    let (mut said, mut decoder) = (Vec::new(), codec().decoder());
    let mut last = Decoded::More;
    for event in events(stream) {
        last = decoder.event(&event, &mut |event| said.push(tell(&event)));
        if last != Decoded::More {
            break;
        }
    }
    (said, last, decoder.reading().clone())
}

fn of(list: &[Value]) -> (Vec<String>, Decoded) {
    let stream: String = list.iter().map(|event| format!("data: {event}\n\n")).collect();
    let (said, last, _) = read(&stream);
    (said, last)
}

#[test]
fn streams_are_told_as_the_reference_has_them() {
    let (said, last, reading) = read(include_str!("../fixtures/responses_stream.sse"));
    let id = "start resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654";
    assert_eq!(said, [id, "0 text Hi", "0 text  there!", "0 finish Stop", "usage 37 11"]);
    assert_eq!((last, reading.complete, reading.tier), (Decoded::End, true, Some(ServiceTier::Flex)));
    let (said, last, _) = read(include_str!("fixtures/tools_stream.sse"));
    let want = [
        "start resp_1",
        "0 thought First, look.",
        "0 thought \n\n",
        "0 thought Then tell.",
        "0 sealed openai gAAAA1",
        "0 call 0 call_a look",
        r#"0 arguments 0 {"at":"#,
        "0 arguments 0 1}",
        "0 call 1 call_b look",
        "0 arguments 1 {}",
        "0 finish ToolCalls",
        "usage 50 20",
    ];
    assert_eq!((said, last), (want.map(str::to_owned).into(), Decoded::End));
}

#[test]
fn what_was_not_streamed_is_told_from_the_whole_item_and_never_twice() {
    let message = json!({"type": "message", "content": [
        {"type": "output_text", "text": "Hi", "annotations": [{"type": "url_citation", "url": "https://h", "title": "T"}]},
        {"type": "refusal", "refusal": "no"}]});
    let output = json!([{"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}, message,
        {"type": "function_call", "call_id": "x", "name": "f", "arguments": "{}"},
        {"type": "image_generation_call", "result": "QUJD", "output_format": "webp"}]);
    let tail = [
        "0 sealed openai gAAAA hidden",
        "0 text Hi",
        "0 cites https://h T",
        "0 refusal no",
        "0 call 0 x f",
        "0 arguments 0 {}",
        "0 media image/webp QUJD",
        "0 finish ToolCalls",
    ];
    let completed =
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": output}});
    let (said, last) = of(&[json!({"type": "keepalive"}), completed.clone()]);
    assert_eq!((&said[0], &said[1..], last), (&"start r".to_owned(), &tail.map(str::to_owned)[..], Decoded::End));
    let created = json!({"type": "response.created", "response": {"id": "r"}});
    let items = output.as_array().expect("a list").iter().enumerate();
    let done = items.map(|(at, item)| json!({"type": "response.output_item.done", "output_index": at, "item": item}));
    let list: Vec<_> = [created].into_iter().chain(done).chain([completed]).collect();
    assert_eq!(of(&list).0[1..], tail);
    let pieces = [
        json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Hi", "logprobs": [{"token": "Hi"}]}),
        json!({"type": "response.output_text.annotation.added", "output_index": 0,
            "annotation": {"type": "url_citation", "url": "https://h", "title": "T"}}),
        json!({"type": "response.output_text.done", "output_index": 0, "text": "Hi"}),
        json!({"type": "response.refusal.delta", "output_index": 0, "delta": "no"}),
        json!({"type": "response.refusal.done", "output_index": 0, "refusal": "no"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message}),
    ];
    let want = ["0 text Hi", r#"0 logprobs [{"token":"Hi"}]"#, "0 cites https://h T", "0 refusal no"];
    assert_eq!(of(&pieces).0, want);
}

#[test]
fn the_end_is_told_with_its_reason() {
    let ended = |kind: &str, reason: Value| {
        of(&[json!({"type": kind, "response": {"incomplete_details": reason, "output": []}})])
    };
    for (kind, reason, want) in [
        ("response.completed", Value::Null, "0 finish Stop"),
        ("response.incomplete", json!({"reason": "max_output_tokens"}), "0 finish Length"),
        ("response.incomplete", json!({"reason": "content_filter"}), "0 finish ContentFilter"),
        ("response.incomplete", Value::Null, "0 finish Length"),
    ] {
        let (said, last) = ended(kind, reason);
        assert_eq!((said.last().map(String::as_str), last), (Some(want), Decoded::End), "{kind}");
    }
    let leak = json!({"error": {"code": "rate_limit_exceeded", "message": "bad secret-0123456789"}});
    for event in [
        json!({"type": "response.failed", "response": leak}),
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "bad secret-0123456789"}),
        leak.clone(),
    ] {
        let (_, last) = of(std::slice::from_ref(&event));
        assert!(matches!(&last, Decoded::Error(e) if e.status == 429 && e.message == "bad ***"), "{event}: {last:?}");
    }
    assert!(matches!(read("data: <html>\n\n").1, Decoded::Garbage(_)));
    assert_eq!(read("data: [DONE]\n\n").1, Decoded::More);
    assert_eq!(of(&[json!({"type": "response.web_search_call.searching", "output_index": 0})]).1, Decoded::More);
}

#[test]
fn whole_answers_are_told_like_streams() {
    let body = json!({"id": "r", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "error": null,
        "output": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            "encrypted_content": "gAAAA"},
            {"type": "message", "content": [{"type": "output_text", "text": "Hi"}, {"type": "output_text", "text": "!"}]}],
        "service_tier": "priority",
        "usage": {"input_tokens": 3, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 2}}});
    let mut said = Vec::new();
    let reading = codec().decode_whole(body.to_string().as_bytes(), &mut |event| said.push(tell(&event)));
    let want = [
        "start r",
        "0 thought a",
        "0 thought \n\n",
        "0 thought b",
        "0 sealed openai gAAAA",
        "0 text Hi",
        "0 text !",
        "0 finish Length",
        "usage 3 4",
    ];
    assert_eq!(said, want);
    let reading = reading.expect("an answer");
    assert_eq!((reading.complete, reading.tier), (true, Some(ServiceTier::Priority)));
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"error":{"message":"m"},"output":[]}"#,
        r#"{"output":null}"#,
        r#"{"output":"?"}"#,
        r#"{"status":"failed","output":[]}"#,
    ] {
        assert!(codec().decode_whole(body.as_bytes(), &mut |_| {}).is_err(), "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is lost, doubled, moved or damaged on the way: nothing panics, an answer begins once and ends once, and
    /// calls have ids and numbers without gaps.
    #[test]
    fn damaged_streams_do_no_harm(order in proptest::collection::vec(0usize..40, 0..60), at in 0usize..400, byte in any::<u8>()) {
        let streams = concat!(include_str!("fixtures/tools_stream.sse"), include_str!("../fixtures/responses_stream.sse"));
        let whole = events(streams);
        let mut decoder = codec().decoder();
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
                ChatEvent::ToolStart { call, id, .. } => {
                    assert!(call == calls && !id.is_empty());
                    calls += 1;
                }
                ChatEvent::ToolArguments { call, .. } => assert!(call < calls),
                ChatEvent::Finish { reason, .. } => {
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
    let told = |mut chat: Chat| {
        chat.uses(Feature::ServiceTier, "service_tier");
        chat.uses(Feature::ReasoningEffort, "thinking");
        gaps(&codec(), &chat, &Goal { model: "gpt-5.1", cap: None, most_output: None })
    };
    let dropped = |path: &str| Gaps { hints: vec![path.to_owned()], ..Gaps::default() };
    let adaptive = |shown| Thinking { adaptive: true, shown, ..Thinking::default() };
    assert_eq!(told(Chat { thinking: adaptive(None), ..Chat::default() }), dropped("thinking"));
    assert_eq!(told(Chat { thinking: adaptive(Some(true)), ..Chat::default() }), Gaps::default());
    let tier = |tier: &str| Chat { service_tier: Some(tier.to_owned()), ..Chat::default() };
    assert_eq!(told(tier("reserved")), dropped("service_tier"));
    assert_eq!(told(tier("flex")), Gaps::default());
    assert_eq!(told(Chat { max_output_tokens: Some(5), ..Chat::default() }), Gaps::default(), "more room harms nobody");
}

#[test]
fn more_items_or_calls_than_are_kept_apart_are_refused() {
    let output = |kind: &str, count: u32| -> Vec<_> {
        (0..count).map(|n| json!({"type": kind, "call_id": format!("c{n}"), "name": "f"})).collect()
    };
    let cases = [
        (output("function_call", 1_024), None),
        (output("function_call", 1_025), Some("an answer has more than 1024 tool calls")),
        (output("message", 4_096), None),
        (output("message", 4_097), Some("an answer has more than 4096 pieces of output")),
    ];
    for (output, want) in cases {
        let body = json!({"id": "r", "output": output});
        let whole = codec().decode_whole(body.to_string().as_bytes(), &mut |_| {});
        assert_eq!(whole.err().map(|garbage| garbage.why).as_deref(), want);
        let items = (0..)
            .zip(&output)
            .map(|(n, item): (u32, _)| json!({"type": "response.output_item.done", "output_index": n, "item": item}));
        let why = |decoded| if let Decoded::Garbage(garbage) = decoded { Some(garbage.why) } else { None };
        assert_eq!(why(of(&items.collect::<Vec<_>>()).1).as_deref(), want);
        assert_eq!(why(of(&[json!({"type": "response.completed", "response": body})]).1).as_deref(), want);
    }
}
