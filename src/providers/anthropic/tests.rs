//! Golden streams and bodies, written from Anthropic's public reference; headers.

use super::*;
use crate::{
    model::{Caps, Demand, Draft, ServiceTier, Span, Usage},
    providers::Seen,
    sse::{SseEvent, SseScanner},
};
use serde_json::{Value, json};

fn anthropic(settings: &str) -> Result<Box<dyn Provider>, ConfigError> {
    let settings = config::Section::from_yaml("providers.p", settings)?;
    build(&config::Provider {
        name: "p".into(),
        kind: "anthropic".to_owned(),
        settings,
        catalogue: None,
        protocol: config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    })
}

fn plain() -> Box<dyn Provider> {
    anthropic("{ api_key: sk-ant-secret }").expect("the settings are right")
}

fn events(stream: &str) -> Vec<SseEvent> {
    let mut out = Vec::new();
    SseScanner::new(1 << 20).push(&Bytes::copy_from_slice(stream.as_bytes()), &mut out).expect("short");
    out
}

fn event(data: &Value) -> SseEvent {
    let name = data["type"].as_str().unwrap_or("x");
    events(&format!("event: {name}\ndata: {data}\n\n")).remove(0)
}

fn letter(seen: &Seen) -> char {
    match seen {
        Seen::Quiet { strip: None } => 'q',
        Seen::Output { strip: None } => 'o',
        Seen::End => 'n',
        Seen::Error(_) => 'e',
        Seen::Garbage(_) => 'g',
        other => panic!("nothing is hidden here: {other:?}"),
    }
}

#[test]
fn a_stream_is_read_as_the_reference_has_it() {
    let mut reader = plain().stream_reader(Api::Messages, true);
    let stream = events(include_str!("fixtures/messages_stream.sse"));
    let letters: String = stream.iter().map(|event| letter(&reader.event(event))).collect();
    assert_eq!(letters, "qqqooqqoqoqooqon");
    assert_eq!(reader.output().text(), r#"I should look.Okay, éget_weather{"location": "Paris"}"#);
    let usage = Usage {
        input: 25,
        cache_read: 2000,
        cache_write_5m: 100,
        cache_write_1h: 200,
        output: 80,
        reasoning: 9,
        ..Usage::default()
    };
    let reading = reader.reading();
    assert_eq!((reading.usage, reading.complete, reading.inconsistent), (Some(usage), true, false));
    assert_eq!(reading.tier, Some(ServiceTier::Standard));
}

#[test]
fn input_is_known_before_the_stream_ends() {
    let mut reader = plain().stream_reader(Api::Messages, true);
    let stream = events(include_str!("fixtures/messages_error_stream.sse"));
    reader.event(&stream[0]);
    assert_eq!(reader.reading().usage, Some(Usage { input: 25, output: 1, ..Usage::default() }));
    assert!(!reader.reading().complete);
    reader.event(&stream[1]);
    let Seen::Error(error) = reader.event(&stream[2]) else { panic!("an error event") };
    assert_eq!((error.status, error.message.as_str()), (529, "Overloaded"));
}

#[test]
fn events_are_told_apart() {
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let block = |block: Value| json!({"type": "content_block_start", "index": 0, "content_block": block});
    let cases = [
        ("ping", json!({"type": "ping"}), 'q'),
        ("a text block", block(json!({"type": "text", "text": ""})), 'q'),
        ("a text block that begins with text", block(json!({"type": "text", "text": "a"})), 'o'),
        ("a thinking block", block(json!({"type": "thinking", "thinking": ""})), 'q'),
        ("hidden thinking", block(json!({"type": "redacted_thinking", "data": "x"})), 'o'),
        ("a tool call", block(json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})), 'o'),
        ("a server's tool call", block(json!({"type": "server_tool_use", "id": "t", "name": "f"})), 'o'),
        ("a tool's result", block(json!({"type": "web_search_tool_result", "content": []})), 'o'),
        ("text", delta(json!({"type": "text_delta", "text": "a"})), 'o'),
        ("no text", delta(json!({"type": "text_delta", "text": ""})), 'q'),
        ("thinking", delta(json!({"type": "thinking_delta", "thinking": "a"})), 'o'),
        ("arguments", delta(json!({"type": "input_json_delta", "partial_json": "{"})), 'o'),
        ("a citation", delta(json!({"type": "citations_delta", "citation": {}})), 'o'),
        ("a signature", delta(json!({"type": "signature_delta", "signature": "x"})), 'o'),
        ("the end of a block", json!({"type": "content_block_stop", "index": 0}), 'q'),
        ("a stop reason", json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}), 'o'),
        ("no stop reason", json!({"type": "message_delta", "delta": {"stop_reason": null}}), 'q'),
        ("the end", json!({"type": "message_stop"}), 'n'),
        ("an error", json!({"type": "error", "error": {"type": "api_error", "message": "m"}}), 'e'),
        ("what is yet to come", json!({"type": "new_thing", "delta": {"x": 1}}), 'q'),
        ("an unknown shape", json!({"type": "content_block_delta", "delta": [1]}), 'o'),
    ];
    for (name, data, want) in cases {
        let mut reader = plain().stream_reader(Api::Messages, true);
        assert_eq!(letter(&reader.event(&event(&data))), want, "{name}");
    }
    for (stream, want) in [("data: <html>\n\n", 'g'), (": hi\n\n", 'q'), ("data: {\"error\":{}}\n\n", 'e')] {
        let mut reader = plain().stream_reader(Api::Messages, true);
        assert_eq!(letter(&reader.event(&events(stream)[0])), want, "{stream}");
    }
}

#[test]
fn cumulative_usage_is_taken_not_added_up() {
    let start = |usage: Value| json!({"type": "message_start", "message": {"usage": usage}});
    let delta = |usage: Value| json!({"type": "message_delta", "delta": {}, "usage": usage});
    let of = |input, output| Usage { input, output, ..Usage::default() };
    let cases = [
        (
            "output grows",
            json!({"input_tokens": 5, "output_tokens": 1}),
            json!({"output_tokens": 9}),
            Some(of(5, 9)),
            false,
        ),
        (
            "input again",
            json!({"input_tokens": 5}),
            json!({"input_tokens": 5, "output_tokens": 9}),
            Some(of(5, 9)),
            false,
        ),
        (
            "input late",
            json!({"input_tokens": 0}),
            json!({"input_tokens": 5, "output_tokens": 9}),
            Some(of(5, 9)),
            false,
        ),
        (
            "input taken back",
            json!({"input_tokens": 5}),
            json!({"input_tokens": 0, "output_tokens": 9}),
            Some(of(5, 9)),
            true,
        ),
        (
            "writes without a breakdown live 5 minutes",
            json!({"input_tokens": 5, "cache_creation_input_tokens": 7, "cache_read_input_tokens": null}),
            json!({"output_tokens": 9}),
            Some(Usage { cache_write_5m: 7, ..of(5, 9) }),
            false,
        ),
        (
            "a breakdown of less than the whole",
            json!({"input_tokens": 5, "cache_creation_input_tokens": 7, "cache_creation": {"ephemeral_1h_input_tokens": 3}}),
            json!({"output_tokens": 9}),
            Some(Usage { cache_write_5m: 4, cache_write_1h: 3, ..of(5, 9) }),
            true,
        ),
        (
            "a breakdown alone",
            json!({"input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 3, "ephemeral_5m_input_tokens": 2}}),
            json!({"output_tokens": 9}),
            Some(Usage { cache_write_5m: 2, cache_write_1h: 3, ..of(5, 9) }),
            false,
        ),
        (
            "more thinking than output",
            json!({"input_tokens": 5}),
            json!({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 10}}),
            Some(Usage { reasoning: 9, ..of(5, 0) }),
            true,
        ),
        ("negative", json!({"input_tokens": 5}), json!({"output_tokens": -9}), None, true),
        ("fraction", json!({"input_tokens": 0.5}), json!({"output_tokens": 9}), None, true),
    ];
    for (name, first, last, want, inconsistent) in cases {
        let mut reader = plain().stream_reader(Api::Messages, true);
        reader.event(&event(&start(first)));
        reader.event(&event(&delta(last)));
        assert_eq!((reader.reading().usage, reader.reading().inconsistent), (want, inconsistent), "{name}");
    }
}

#[test]
fn output_that_is_not_told_is_not_0() {
    let input = Some(Usage { input: 5, cache_read: 3, ..Usage::default() });
    for output in [json!({}), json!({"output_tokens": null})] {
        let mut usage = json!({"input_tokens": 5, "cache_read_input_tokens": 3});
        usage.as_object_mut().expect("an object").extend(output.as_object().expect("an object").clone());
        let mut reader = plain().stream_reader(Api::Messages, true);
        for data in [
            json!({"type": "message_start", "message": {"usage": usage}}),
            json!({"type": "message_delta", "delta": {}, "usage": output}),
            json!({"type": "message_stop"}),
        ] {
            reader.event(&event(&data));
        }
        let whole = json!({"content": [], "usage": usage}).to_string();
        let whole = plain().read_whole(Api::Messages, whole.as_bytes()).expect("an answer");
        for reading in [reader.reading(), &whole] {
            let got = (reading.usage, reading.partial, reading.complete, reading.inconsistent);
            assert_eq!(got, (None, input, false, false), "{usage}");
        }
    }
}

#[test]
fn whole_answers_are_read() {
    let reading = plain().read_whole(Api::Messages, include_bytes!("fixtures/messages.json")).expect("an answer");
    let usage = Usage { input: 2095, cache_write_5m: 50, cache_read: 7, output: 503, ..Usage::default() };
    assert_eq!((reading.usage, reading.tier, reading.complete), (Some(usage), Some(ServiceTier::Batch), true));
    let count = plain().read_whole(Api::CountTokens, include_bytes!("fixtures/count_tokens.json")).expect("a count");
    assert_eq!((count.usage, count.complete), (Some(Usage::default()), true), "counting is free");
    for body in ["", "<html>", "{}", include_str!("fixtures/error.json"), r#"{"content":null}"#] {
        assert!(plain().read_whole(Api::Messages, body.as_bytes()).is_err(), "{body}");
        assert!(plain().read_whole(Api::CountTokens, body.as_bytes()).is_err(), "{body}");
    }
    let message = plain().error_message(include_bytes!("fixtures/error.json"));
    assert_eq!(message.as_deref(), Some("The requested resource could not be found."));
}

#[test]
fn the_text_of_a_whole_answer_is_found() {
    let body = br#"{"content":[{"type":"thinking","thinking":"a"},{"type":"text","text":"b"},
        {"type":"tool_use","id":"t","name":"f","input":{"x":1}}]}"#;
    assert_eq!(plain().output_of_whole(Api::Messages, body).text(), r#"abf{"x":1}"#);
    assert_eq!(plain().output_of_whole(Api::Messages, b"<html>").text(), "");
}

#[test]
fn only_the_model_changes() {
    let body = r#"{"max_tokens":5, "model": "was","stream":true}"#;
    let mut ask = Ask {
        api: Api::Messages,
        body: Draft::copy_of(body.as_bytes()),
        model: "was".to_owned(),
        model_span: Span { start: 26, end: 31 },
        stream: true,
        include_usage: None,
        user: None,
        max_output_tokens: Some(5),
        choices: 1,
        text_bytes: 0,
        caps: Caps::default(),
        metadata: Vec::new(),
        demand: Demand::default(),
        form: false,
        opening: Default::default(),
        sealed_elsewhere: false,
    };
    let edits = plain().edits(&ask, &Bytes::from_static(b"\"new\""), None);
    assert_eq!(ask.body.apply(&edits), body.replace("was", "new"));
    let edits = plain().edits(&ask, &Bytes::from_static(b"\"was\""), None);
    assert!(edits.is_empty(), "nothing is to be changed");
    assert_eq!(ask.body.apply(&edits), body);
}

#[test]
fn the_version_may_stand_in_the_base_url_or_not() {
    let cases = [
        ("{}", "/v1/messages"),
        ("{ base_url: 'https://h' }", "/v1/messages"),
        ("{ base_url: 'https://h/v1/' }", "/v1/messages"),
        ("{ base_url: 'https://h/anthropic' }", "/anthropic/v1/messages"),
    ];
    for (settings, want) in cases {
        let provider = anthropic(settings).expect(settings);
        assert_eq!(provider.path(Api::Messages, "m", false), want, "{settings}");
        assert_eq!(provider.path(Api::CountTokens, "m", false), format!("{want}/count_tokens"), "{settings}");
    }
    assert!(anthropic("{ organization: x }").is_err());
}

#[test]
fn beta_headers_go_up_unchanged_and_keys_do_not() {
    let mut client = HeaderMap::new();
    for (name, value) in [
        ("anthropic-beta", "a,b"),
        ("anthropic-beta", "c"),
        ("anthropic-version", "2024-01-01"),
        ("authorization", "Bearer theirs"),
        ("x-api-key", "theirs"),
        ("cookie", "theirs"),
        ("anthropic-dangerous-direct-browser-access", "true"),
    ] {
        client.append(name, HeaderValue::from_static(value));
    }
    let mut head = HeaderMap::new();
    plain().headers(Api::Messages, &client, &mut head);
    let mut got: Vec<_> = head.iter().map(|(k, v)| format!("{k}: {}", v.to_str().expect("ASCII"))).collect();
    got.sort();
    let want =
        ["anthropic-beta: a,b", "anthropic-beta: c", "anthropic-version: 2024-01-01", "x-api-key: sk-ant-secret"];
    assert_eq!(got, want);
    let mut head = HeaderMap::new();
    client.insert("user-agent", HeaderValue::from_static("ua"));
    plain().headers(Api::ChatCompletions, &client, &mut head);
    let told = [&head["anthropic-version"], &head["user-agent"], &head["x-api-key"]];
    assert_eq!(
        (head.len(), told),
        (3, ["2023-06-01", "ua", "sk-ant-secret"].map(|v| v.parse().expect("ASCII")).each_ref())
    );
    let mut head = HeaderMap::new();
    plain().headers(Api::Messages, &HeaderMap::new(), &mut head);
    assert_eq!(head["anthropic-version"], "2023-06-01", "the default");
    assert!(!format!("{head:?} {:?}", plain()).contains("secret"));
}
