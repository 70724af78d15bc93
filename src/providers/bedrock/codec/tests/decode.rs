//! Answers and streams.

use super::*;
use crate::{
    model::{ChatEvent, Citation, Finish, ServiceTier, Usage},
    providers::{UpstreamError, codec::Decoded},
    sse::{AwsScanner, SseEvent},
};
use proptest::prelude::*;

fn event(name: &str, data: &str) -> SseEvent {
    let data = Bytes::copy_from_slice(data.as_bytes());
    let name = Bytes::copy_from_slice(name.as_bytes());
    SseEvent { raw: data.clone(), name, has_data: !data.is_empty(), data, data_at: Some(0) }
}

fn stream(text: &str) -> Vec<SseEvent> {
    text.lines().filter_map(|line| line.split_once(' ')).map(|(name, data)| event(name, data)).collect()
}

fn told(events: &[SseEvent]) -> (Vec<ChatEvent<'static>>, Vec<Decoded>, Reading) {
    let (mut decoder, mut out) = (converse().decoder(), Vec::new());
    let seen = events.iter().map(|event| decoder.event(event, &mut |told| out.push(told.into_owned()))).collect();
    let reading = decoder.reading().clone();
    (out, seen, reading)
}

fn told_of_whole(body: &str) -> (Vec<ChatEvent<'static>>, Reading) {
    let mut out = Vec::new();
    let reading = converse().decode_whole(body.as_bytes(), &mut |told| out.push(told.into_owned()));
    (out, reading.expect("it is an answer"))
}

/// Pieces that belong together as one.
fn joined(events: Vec<ChatEvent<'static>>) -> Vec<ChatEvent<'static>> {
    let mut out: Vec<ChatEvent<'static>> = Vec::new();
    for event in events {
        match (out.last_mut(), event) {
            (Some(ChatEvent::Text { text, .. }), ChatEvent::Text { text: more, .. })
            | (Some(ChatEvent::Reasoning { text, .. }), ChatEvent::Reasoning { text: more, .. })
            | (Some(ChatEvent::ToolArguments { json: text, .. }), ChatEvent::ToolArguments { json: more, .. }) => {
                text.to_mut().push_str(&more);
            }
            (_, event) => out.push(event),
        }
    }
    out
}

fn want(arguments: &'static str) -> Vec<ChatEvent<'static>> {
    let choice = 0;
    let seal = |data: &str, hidden| Seal { maker: "anthropic".to_owned(), data: data.to_owned(), hidden };
    vec![
        ChatEvent::Start { id: None },
        ChatEvent::Reasoning { choice, text: "I should look.".into() },
        ChatEvent::Sealed { choice, seal: seal("EqQB==", false) },
        ChatEvent::Sealed { choice, seal: seal("aGlkZGVu", true) },
        ChatEvent::Text { choice, text: "Let me look.The sky is blue.".into() },
        ChatEvent::Citation {
            choice,
            citation: Citation {
                url: None,
                title: Some("Skies".to_owned()),
                quote: Some("sky is blue".to_owned()),
                document: Some(1),
            },
        },
        ChatEvent::Citation {
            choice,
            citation: Citation { url: Some("https://example.com/sky".to_owned()), ..Citation::default() },
        },
        ChatEvent::ToolStart { choice, call: 0, id: "tooluse_1".into(), name: "get_weather".into() },
        ChatEvent::ToolArguments { choice, call: 0, json: arguments.into() },
        ChatEvent::ToolStart { choice, call: 1, id: "tooluse_2".into(), name: "get_time".into() },
        ChatEvent::ToolArguments { choice, call: 1, json: "{}".into() },
        ChatEvent::Finish { choice, reason: Finish::ToolCalls, stop: None },
        ChatEvent::Usage {
            usage: Usage {
                input: 125,
                cache_read: 100,
                cache_write_5m: 10,
                cache_write_1h: 20,
                output: 60,
                ..Usage::default()
            },
            tier: Some(ServiceTier::Priority),
        },
    ]
}

#[test]
fn an_answer_that_came_whole_is_read_as_the_reference_has_it() {
    let (events, reading) = told_of_whole(include_str!("../../fixtures/answer.json"));
    assert_eq!(joined(events), want(r#"{ "city": "Paris" }"#));
    assert!(reading.complete && !reading.inconsistent);
}

#[test]
fn a_stream_says_the_same_as_the_whole_answer() {
    let (events, seen, reading) = told(&stream(include_str!("../../fixtures/stream.txt")));
    assert_eq!(joined(events), want(r#"{ "city": "Paris" }"#));
    assert_eq!(seen.last(), Some(&Decoded::End));
    assert!(seen.iter().rev().skip(1).all(|seen| *seen == Decoded::More));
    assert_eq!(reading, told_of_whole(include_str!("../../fixtures/answer.json")).1);
}

/// The same stream in the frames of AWS, proven by botocore's parser.
#[test]
fn a_stream_is_read_from_its_frames_wherever_the_network_cuts_it() {
    let framed = include_bytes!("../../fixtures/stream.eventstream");
    for cut in [1, 7, 64, framed.len()] {
        let (mut scanner, mut events) = (AwsScanner::new(1 << 16), Vec::new());
        for chunk in framed.chunks(cut) {
            scanner.push(&Bytes::copy_from_slice(chunk), &mut events).expect("the frames are whole");
        }
        assert_eq!(scanner.finish(), None);
        let (told, seen, _) = told(&events);
        assert_eq!(joined(told), want(r#"{ "city": "Paris" }"#), "chunks of {cut}");
        assert_eq!(seen.last(), Some(&Decoded::End));
    }
}

#[test]
fn a_stream_may_end_behind_its_stop_and_ends_with_its_usage() {
    let mut decoder = converse().decoder();
    let mut next = |name: &str, data: &str| {
        let seen = decoder.event(&event(name, data), &mut |_| {});
        (seen, decoder.may_end())
    };
    assert_eq!(next("messageStart", r#"{"role":"assistant"}"#), (Decoded::More, false));
    assert_eq!(next("contentBlockDelta", r#"{"delta":{"text":"a"}}"#), (Decoded::More, false));
    assert_eq!(next("messageStop", r#"{"stopReason":"end_turn"}"#), (Decoded::More, true));
    assert_eq!(next("metadata", r#"{"usage":{"inputTokens":1,"outputTokens":2}}"#), (Decoded::End, true));
}

#[test]
fn an_answer_by_a_schema_is_text_and_ends_as_text_does() {
    let body = json!({
        "output": {"message": {"content": [{"toolUse": {
            "toolUseId": "t", "name": "wb_json_answer", "input": {"name": "Paris"}
        }}]}},
        "stopReason": "tool_use"
    });
    let answer = |text: &'static str| {
        vec![
            ChatEvent::Start { id: None },
            ChatEvent::Text { choice: 0, text: text.into() },
            ChatEvent::Finish { choice: 0, reason: Finish::Stop, stop: None },
        ]
    };
    assert_eq!(told_of_whole(&body.to_string()).0, answer(r#"{"name":"Paris"}"#));
    let events = stream(
        r#"contentBlockStart {"contentBlockIndex":0,"start":{"toolUse":{"name":"wb_json_answer","toolUseId":"t"}}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"name\":"}}}
contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":"\"Paris\"}"}}}
messageStop {"stopReason":"tool_use"}"#,
    );
    assert_eq!(joined(told(&events).0), answer(r#"{"name":"Paris"}"#));
}

#[test]
fn each_stop_reason_has_its_finish() {
    let cases = [
        ("end_turn", Finish::Stop),
        ("tool_use", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("stop_sequence", Finish::StopSequence),
        ("guardrail_intervened", Finish::ContentFilter),
        ("content_filtered", Finish::ContentFilter),
        ("model_context_window_exceeded", Finish::ContextWindow),
        ("refusal", Finish::Refusal),
        ("something new", Finish::Stop),
    ];
    for (name, reason) in cases {
        let data = json!({"stopReason": name, "additionalModelResponseFields": {"stop_sequence": "END"}});
        let events = told(&[event("messageStop", &data.to_string())]).0;
        let stop = Some("END".into());
        assert_eq!(events.last(), Some(&ChatEvent::Finish { choice: 0, reason, stop }), "{name}");
    }
}

#[test]
fn exceptions_are_errors_with_the_status_that_they_stand_for() {
    let error = |status, message: &str| Decoded::Error(UpstreamError { status, message: message.to_owned() });
    let cases = [
        ("exception:throttlingException", r#"{"message":"slow down"}"#, error(429, "slow down")),
        ("exception:validationException", r#"{"message":"no"}"#, error(400, "no")),
        ("exception:serviceUnavailableException", r#"{"message":"no"}"#, error(503, "no")),
        ("exception:internalServerException", r#"{"Message":"no"}"#, error(500, "no")),
        ("exception:modelStreamErrorException", r#"{"message":"no"}"#, error(500, "no")),
        (
            "exception:modelStreamErrorException",
            r#"{"originalMessage":"no","originalStatusCode":529}"#,
            error(529, "no"),
        ),
        ("exception:somethingNew", "<html>", error(500, "<html>")),
        ("exception:x", "{}", error(500, "the provider reported an error without a message")),
        ("error:InternalError", "it broke, session-token", error(500, "it broke, ***")),
        ("error:InternalError", "", error(500, "the provider reported an error without a message")),
    ];
    for (name, data, want) in cases {
        assert_eq!(told(&[event(name, data)]).1, [want], "{name} {data}");
    }
}

#[test]
fn what_is_no_answer_is_told() {
    for body in ["", "[]", "null", "{}", r#"{"message":"denied"}"#, r#"{"output":{"message":{}}}"#] {
        assert!(converse().decode_whole(body.as_bytes(), &mut |_| {}).is_err(), "{body}");
    }
    let cases = [
        ("messageStart", "{", true),
        ("contentBlockDelta", "\u{1}", true),
        ("somethingNew", r#"{"a":1}"#, false),
        ("contentBlockDelta", r#"{"delta":7}"#, true),
        ("somethingNew", r#"{"delta":7}"#, false),
        ("", "", false),
    ];
    for (name, data, garbage) in cases {
        let seen = told(&[event(name, data)]).1;
        assert_eq!(matches!(seen.first(), Some(Decoded::Garbage(_))), garbage, "{name} {data}");
    }
}

#[test]
fn an_answer_that_the_model_spoilt_is_an_error() {
    for reason in ["malformed_model_output", "malformed_tool_use"] {
        let message = format!("the provider ended the answer with `{reason}`");
        let body = json!({"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": reason});
        let whole = converse().decode_whole(body.to_string().as_bytes(), &mut |_| {});
        assert_eq!(whole.err().map(|garbage| garbage.why), Some(message.clone()));
        let (_, seen, _) = told(&[event("messageStop", &json!({"stopReason": reason}).to_string())]);
        assert_eq!(seen, [Decoded::Error(UpstreamError { status: 502, message })]);
    }
}

#[test]
fn more_calls_or_open_blocks_than_are_kept_apart_are_refused() {
    let call = |n: usize| json!({"toolUse": {"toolUseId": format!("t{n}"), "name": "f", "input": {}}});
    let thought = |_| json!({"reasoningContent": {"text": "a"}});
    let why = |seen: Option<Decoded>| if let Some(Decoded::Garbage(garbage)) = seen { Some(garbage.why) } else { None };
    for (count, want) in [(1_024, None), (1_025, Some("an answer has more than 1024 tool calls"))] {
        let content: Vec<_> = (0..count).map(call).collect();
        let starts = (0..).zip(&content).map(|(n, start): (u32, _)| {
            event("contentBlockStart", &json!({"contentBlockIndex": n, "start": start}).to_string())
        });
        assert_eq!(why(told(&starts.collect::<Vec<_>>()).1.pop()).as_deref(), want);
        let body = json!({"output": {"message": {"content": content}}, "stopReason": "tool_use"});
        let whole = converse().decode_whole(body.to_string().as_bytes(), &mut |_| {});
        assert_eq!(whole.err().map(|garbage| garbage.why).as_deref(), want);
    }
    for (count, want) in [(4_096, None), (4_097, Some("an answer has more than 4096 pieces of output"))] {
        let deltas = (0..count).map(|n: usize| {
            event("contentBlockDelta", &json!({"contentBlockIndex": n, "delta": thought(n)}).to_string())
        });
        assert_eq!(why(told(&deltas.collect::<Vec<_>>()).1.pop()).as_deref(), want);
    }
}

/// What a client of any dialect may rely on, whatever came.
fn is_sound(events: &[ChatEvent<'_>]) -> bool {
    let mut calls = 0;
    let mut finished = 0;
    for (at, event) in events.iter().enumerate() {
        match event {
            ChatEvent::Start { .. } if at != 0 => return false,
            ChatEvent::Usage { .. } => {}
            _ if finished > 0 => return false,
            ChatEvent::ToolStart { call, id, .. } if *call != calls || id.is_empty() => return false,
            ChatEvent::ToolStart { .. } => calls += 1,
            ChatEvent::ToolArguments { call, json, .. } if *call >= calls || json.is_empty() => return false,
            ChatEvent::Text { text, .. } | ChatEvent::Reasoning { text, .. } if text.is_empty() => return false,
            ChatEvent::Finish { .. } => finished += 1,
            _ => {}
        }
    }
    events.first().is_none_or(|event| matches!(event, ChatEvent::Start { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Events lost, doubled, in another order or with bytes that are not theirs make no panic and no unsound answer.
    #[test]
    fn a_spoilt_stream_is_survived(
        order in proptest::collection::vec(0usize..25, 0..50),
        spoilt in proptest::collection::vec((0usize..50, 0usize..200, any::<u8>()), 0..6),
    ) {
        let good = stream(include_str!("../../fixtures/stream.txt"));
        let mut events: Vec<SseEvent> = order.iter().filter_map(|at| good.get(*at).cloned()).collect();
        for (which, at, byte) in spoilt {
            let Some(event) = events.get_mut(which) else { continue };
            let mut data = event.data.to_vec();
            match data.get_mut(at) {
                Some(old) => *old = byte,
                None => data.truncate(at / 3),
            }
            event.data = data.into();
        }
        let (told, seen, _) = told(&events);
        prop_assert_eq!(seen.len(), events.len());
        prop_assert!(is_sound(&told), "{:?}", told);
    }

    /// So does a whole answer.
    #[test]
    fn a_spoilt_answer_is_survived(at in 0usize..2000, byte in any::<u8>(), cut in proptest::option::of(0usize..2000)) {
        let mut body = include_bytes!("../../fixtures/answer.json").to_vec();
        if let Some(old) = body.get_mut(at) {
            *old = byte;
        }
        body.truncate(cut.unwrap_or(usize::MAX));
        let mut told = Vec::new();
        let _ = converse().decode_whole(&body, &mut |event| told.push(event.into_owned()));
        prop_assert!(is_sound(&told), "{:?}", told);
    }
}
