//! Golden streams and bodies, written from OpenAI's public reference; edits; headers.

pub(in crate::providers) mod carried;
mod edits;
mod media;
mod targets;

use super::*;
use crate::{
    model::{ChatEvent, ServiceTier, Usage},
    providers::{Seen, lenient, openai::chat},
    sse::{SseEvent, SseScanner},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn openai(settings: &str) -> Result<Box<dyn Provider>, ConfigError> {
    let settings = config::Section::from_yaml("providers.p", settings)?;
    build(&config::Provider {
        name: "p".into(),
        kind: "openai".to_owned(),
        settings,
        catalogue: None,
        protocol: config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    })
}

fn plain() -> Box<dyn Provider> {
    openai("{ api_key: sk-secret-0123456789 }").expect("the settings are right")
}

fn events(stream: &str) -> Vec<SseEvent> {
    let mut out = Vec::new();
    SseScanner::new(1 << 20).push(&Bytes::copy_from_slice(stream.as_bytes()), &mut out).expect("short");
    out
}

fn event(data: &str) -> SseEvent {
    events(&format!("data: {data}\n\n")).remove(0)
}

/// One letter an event: Quiet, Output, Hidden, eNd, Error, Garbage.
fn letter(seen: &Seen) -> char {
    match seen {
        Seen::Quiet { .. } => 'q',
        Seen::Output { .. } => 'o',
        Seen::Hidden => 'h',
        Seen::End => 'n',
        Seen::Error(_) => 'e',
        Seen::Garbage(_) => 'g',
    }
}

fn read(api: Api, hide: bool, stream: &str) -> (String, Box<dyn StreamReader>) {
    let mut reader = plain().stream_reader(api, hide);
    let letters = events(stream).iter().map(|event| letter(&reader.event(event))).collect();
    (letters, reader)
}

#[test]
fn streams_are_read_as_the_reference_has_them() {
    let chat = Usage { input: 93, cache_read: 1024, output: 26, reasoning: 20, ..Usage::default() };
    let tools = Usage { input: 81, output: 17, ..Usage::default() };
    let short = Usage { input: 5, output: 2, ..Usage::default() };
    let responses = Usage { input: 32, cache_read: 5, output: 8, reasoning: 3, ..Usage::default() };
    let cases = [
        (Api::ChatCompletions, include_str!("fixtures/chat_stream_asked.sse"), "qooohn", chat, "Hello \"you\" é"),
        (
            Api::ChatCompletions,
            include_str!("fixtures/chat_tools_stream.sse"),
            "oooohn",
            tools,
            r#"get_weather{"location":"Paris"}"#,
        ),
        (Api::Completions, include_str!("fixtures/completions_stream.sse"), "oohn", short, "This is"),
        (Api::Responses, include_str!("fixtures/responses_stream.sse"), "qqqqooooon", responses, "Hi there!"),
    ];
    for (api, stream, letters, usage, text) in cases {
        let (got, reader) = read(api, true, stream);
        assert_eq!(got, letters, "{api}");
        assert_eq!(reader.output().text(), text, "{api}");
        let reading = reader.reading();
        assert_eq!((reading.usage, reading.complete, reading.inconsistent), (Some(usage), true, false), "{api}");
        let (got, _) = read(api, false, stream);
        assert_eq!(got, letters.replace('h', "q"), "{api}: the client asked for the usage chunk");
    }
}

#[test]
fn the_tier_that_was_billed_is_read() {
    let (_, reader) = read(Api::Responses, true, include_str!("fixtures/responses_stream.sse"));
    assert_eq!((reader.reading().tier, reader.next_sequence()), (Some(ServiceTier::Flex), 10));
    let (_, reader) = read(Api::ChatCompletions, true, include_str!("fixtures/chat_stream.sse"));
    assert_eq!((reader.reading().tier, reader.reading().usage), (Some(ServiceTier::Standard), None));
}

/// PITFALLS 16.
#[test]
fn a_client_that_did_not_ask_gets_byte_for_byte_what_openai_would_have_sent() {
    let mut reader = plain().stream_reader(Api::ChatCompletions, true);
    let mut passed = Vec::new();
    for event in events(include_str!("fixtures/chat_stream_asked.sse")) {
        match reader.event(&event) {
            Seen::Quiet { strip: Some(cut) } | Seen::Output { strip: Some(cut) } => passed.extend(event.without(cut)),
            Seen::Hidden => {}
            _ => passed.extend(event.raw),
        }
    }
    assert_eq!(String::from_utf8_lossy(&passed), include_str!("fixtures/chat_stream.sse"));
}

#[test]
fn chunks_are_told_apart() {
    let cases = [
        ("role only", r#"{"choices":[{"delta":{"role":"assistant"},"finish_reason":null}]}"#, 'q'),
        ("empty content", r#"{"choices":[{"delta":{"content":""}}]}"#, 'q'),
        ("null content", r#"{"choices":[{"delta":{"content":null,"tool_calls":null,"audio":null}}]}"#, 'q'),
        ("content", r#"{"choices":[{"delta":{"content":"a"}}]}"#, 'o'),
        ("content in parts", r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}]}"#, 'o'),
        ("second choice", r#"{"choices":[{"delta":{}},{"index":1,"delta":{"content":"a"}}]}"#, 'o'),
        ("refusal", r#"{"choices":[{"delta":{"refusal":"no"}}]}"#, 'o'),
        ("reasoning_content", r#"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#, 'o'),
        ("reasoning", r#"{"choices":[{"delta":{"reasoning":"a"}}]}"#, 'o'),
        ("tool call", r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x"}]}}]}"#, 'o'),
        ("no tool call", r#"{"choices":[{"delta":{"tool_calls":[]}}]}"#, 'q'),
        ("function call", r#"{"choices":[{"delta":{"function_call":{"name":"f"}}}]}"#, 'o'),
        ("audio", r#"{"choices":[{"delta":{"audio":{"id":"a","data":"QUJD"}}}]}"#, 'o'),
        ("finish", r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#, 'o'),
        ("content filter of Azure", r#"{"choices":[],"prompt_filter_results":[]}"#, 'q'),
        ("usage", r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, 'h'),
        ("no usage yet", r#"{"choices":[],"usage":null}"#, 'q'),
        ("null choices", r#"{"choices":null}"#, 'q'),
        ("error", r#"{"error":{"message":"m","type":"server_error"}}"#, 'e'),
        ("error as text", r#"{"error":"m"}"#, 'e'),
        ("error beside choices", r#"{"error":{"code":502},"choices":[{"finish_reason":"error"}]}"#, 'e'),
        ("no error", r#"{"error":null,"choices":[]}"#, 'q'),
        ("done", "[DONE]", 'n'),
        ("done with spaces", " [DONE] ", 'n'),
        ("an unknown shape", r#"{"choices":[{"delta":{"tool_calls":"?"}}]}"#, 'o'),
        ("not JSON", "<html>", 'g'),
        ("cut JSON", r#"{"choices":["#, 'g'),
        ("empty data", "", 'g'),
    ];
    for (name, data, want) in cases {
        let mut reader = plain().stream_reader(Api::ChatCompletions, true);
        assert_eq!(letter(&reader.event(&event(data))), want, "{name}");
    }
    let comment = events(": keep-alive\n\n").remove(0);
    assert_eq!(plain().stream_reader(Api::ChatCompletions, true).event(&comment), Seen::Quiet { strip: None });
}

#[test]
fn an_error_inside_a_stream_is_told_with_its_status_and_without_keys() {
    let (letters, reader) = read(Api::Responses, true, include_str!("fixtures/responses_failed_stream.sse"));
    assert_eq!((letters.as_str(), reader.next_sequence()), ("qe", 2));
    let cases = [
        (
            Api::Responses,
            r#"{"type":"error","code":"server_error","message":"m","param":null,"sequence_number":1}"#,
            500,
        ),
        (
            Api::Responses,
            r#"{"type":"error","error":{"type":"tokens","code":"rate_limit_exceeded","message":"m"}}"#,
            429,
        ),
        (
            Api::Responses,
            r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"m"}}}"#,
            500,
        ),
        (Api::ChatCompletions, r#"{"error":{"message":"m","code":429}}"#, 429),
    ];
    for (api, data, status) in cases {
        let seen = plain().stream_reader(api, true).event(&event(data));
        assert!(matches!(&seen, Seen::Error(e) if e.status == status && e.message == "m"), "{data}: {seen:?}");
    }
    let leak = event(r#"{"error":{"message":"bad key sk-secret-0123456789"}}"#);
    let seen = plain().stream_reader(Api::ChatCompletions, true).event(&leak);
    assert!(matches!(&seen, Seen::Error(e) if !e.message.contains("0123456789")), "{seen:?}");
}

#[test]
fn usage_is_split_into_disjoint_classes() {
    let of = |input, cache_read, output, reasoning| Usage { input, cache_read, output, reasoning, ..Usage::default() };
    let cases = [
        ("plain", json!({"prompt_tokens": 5, "completion_tokens": 7}), Some(of(5, 0, 7, 0)), false),
        ("responses", json!({"input_tokens": 5, "output_tokens": 7}), Some(of(5, 0, 7, 0)), false),
        (
            "cached and reasoning",
            json!({"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 3}}),
            Some(of(0, 5, 4, 3)),
            false,
        ),
        (
            "audio",
            json!({"prompt_tokens": 9, "completion_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 4}}),
            Some(Usage { audio_input: 3, audio_output: 4, ..of(4, 2, 4, 1) }),
            false,
        ),
        (
            "cache writes",
            json!({"prompt_tokens": 9, "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3}}),
            Some(Usage { cache_write_5m: 3, ..of(4, 2, 1, 0) }),
            false,
        ),
        (
            "DeepSeek",
            json!({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8}),
            Some(of(1, 8, 1, 0)),
            false,
        ),
        (
            "xAI's reasoning is apart",
            json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 19,
                "completion_tokens_details": {"reasoning_tokens": 6}}),
            Some(of(9, 0, 4, 6)),
            false,
        ),
        (
            "a part larger than its whole is cut",
            json!({"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 8}}),
            Some(of(0, 5, 0, 7)),
            true,
        ),
        (
            "two parts larger than their whole are cut",
            json!({"prompt_tokens": 5, "completion_tokens": 0,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 2}}),
            Some(Usage { audio_input: 1, ..of(0, 4, 0, 0) }),
            true,
        ),
        (
            "nulls",
            json!({"prompt_tokens": 8, "completion_tokens": 1, "prompt_tokens_details": null}),
            Some(of(8, 0, 1, 0)),
            false,
        ),
        ("negative", json!({"prompt_tokens": -1, "completion_tokens": 7}), None, true),
        ("fraction", json!({"prompt_tokens": 1.5, "completion_tokens": 7}), None, true),
        ("absurd", json!({"prompt_tokens": 1, "completion_tokens": u64::MAX}), None, true),
        ("text", json!({"prompt_tokens": "1", "completion_tokens": 7}), None, true),
        ("empty", json!({}), None, true),
        ("no object", json!("none"), None, true),
    ];
    for (name, usage, want, inconsistent) in cases {
        let data = json!({"choices": [], "usage": usage}).to_string();
        let mut reader = plain().stream_reader(Api::ChatCompletions, true);
        reader.event(&event(&data));
        assert_eq!((reader.reading().usage, reader.reading().inconsistent), (want, inconsistent), "{name}");
        let whole = plain().read_whole(Api::ChatCompletions, data.as_bytes()).expect(name);
        assert_eq!((whole.usage, whole.inconsistent), (want, inconsistent), "{name}, whole");
    }
}

#[test]
fn output_that_is_not_told_is_not_0() {
    let input = Some(Usage { input: 5, cache_read: 3, ..Usage::default() });
    let of_chat =
        [json!({}), json!({"completion_tokens": null}), json!({"completion_tokens": null, "total_tokens": 8})];
    for more in of_chat {
        let mut usage = json!({"prompt_tokens": 8, "prompt_tokens_details": {"cached_tokens": 3}});
        usage.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let data = json!({"choices": [], "usage": usage}).to_string();
        for api in [Api::ChatCompletions, Api::Completions] {
            let mut reader = plain().stream_reader(api, true);
            reader.event(&event(&data));
            reader.event(&event("[DONE]"));
            let whole = plain().read_whole(api, data.as_bytes()).expect("an answer");
            for reading in [reader.reading(), &whole] {
                let got = (reading.usage, reading.partial, reading.complete, reading.inconsistent);
                assert_eq!(got, (None, input, false, false), "{api}: {usage}");
            }
        }
    }
    let usage = json!({"input_tokens": 8, "input_tokens_details": {"cached_tokens": 3}, "output_tokens": null});
    let done = json!({"type": "response.completed", "response": {"usage": usage}}).to_string();
    let mut reader = plain().stream_reader(Api::Responses, true);
    reader.event(&event(&done));
    let whole = json!({"output": [], "usage": usage}).to_string();
    let whole = plain().read_whole(Api::Responses, whole.as_bytes()).expect("an answer");
    for reading in [reader.reading(), &whole] {
        assert_eq!((reading.usage, reading.partial, reading.complete), (None, input, false));
    }
    let vectors = json!({"data": [], "usage": {"prompt_tokens": 8, "total_tokens": 8}}).to_string();
    let vectors = plain().read_whole(Api::Embeddings, vectors.as_bytes()).expect("an answer");
    assert_eq!((vectors.usage, vectors.complete), (Some(Usage { input: 8, ..Usage::default() }), true), "none to tell");
}

/// PITFALLS 4.
#[test]
fn usage_that_comes_twice_is_not_added_up() {
    let mut reader = plain().stream_reader(Api::ChatCompletions, true);
    for output in [1, 2, 3] {
        let data = json!({"choices": [{"delta": {"content": "x"}}],
            "usage": {"prompt_tokens": 4, "completion_tokens": output}});
        reader.event(&event(&data.to_string()));
        assert!(!reader.reading().complete);
    }
    reader.event(&event("[DONE]"));
    assert_eq!(reader.reading().usage, Some(Usage { input: 4, output: 3, ..Usage::default() }));
    assert!(reader.reading().complete);
}

#[test]
fn whole_answers_are_read() {
    let chat = Usage { input: 15, audio_input: 4, output: 8, audio_output: 2, ..Usage::default() };
    let cases = [
        (Api::ChatCompletions, include_str!("fixtures/chat.json"), chat, Some(ServiceTier::Priority)),
        (Api::Embeddings, include_str!("fixtures/embeddings.json"), Usage { input: 8, ..Usage::default() }, None),
        (
            Api::Responses,
            include_str!("fixtures/responses.json"),
            Usage { input: 36, output: 87, ..Usage::default() },
            Some(ServiceTier::Standard),
        ),
    ];
    for (api, body, usage, tier) in cases {
        let reading = plain().read_whole(api, body.as_bytes()).expect(body);
        assert_eq!((reading.usage, reading.tier, reading.complete), (Some(usage), tier, true), "{api}");
    }
    let without = plain().read_whole(Api::ChatCompletions, br#"{"choices":[]}"#).expect("an answer");
    assert_eq!((without.usage, without.complete, without.inconsistent), (None, false, false));
    for body in ["", "<html>", "[]", "{}", r#"{"error":{"message":"m"}}"#, r#"{"choices":null}"#, r#"{"choices":[]"#] {
        assert!(plain().read_whole(Api::ChatCompletions, body.as_bytes()).is_err(), "{body}");
    }
    let message = plain().error_message(include_bytes!("fixtures/error.json")).expect("a message");
    assert!(message.starts_with("Incorrect API key provided: sk-*** You"), "{message}");
}

#[test]
fn the_text_of_a_whole_answer_is_found() {
    let chat = r#"{"choices":[{"message":{"role":"assistant","content":"a","reasoning":"b"}},
        {"message":{"content":null,"tool_calls":[{"id":"t","function":{"name":"f","arguments":"{}"}}]}}]}"#;
    let responses = r#"{"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"a"}]},
        {"type":"message","content":[{"type":"output_text","text":"b"}]},
        {"type":"function_call","name":"f","arguments":"{}","call_id":"x"}]}"#;
    let cases = [
        (Api::ChatCompletions, chat, "abf{}"),
        (Api::Completions, r#"{"choices":[{"text":"a"},{"text":"b"}]}"#, "ab"),
        (Api::Responses, responses, "abf{}"),
        (Api::Embeddings, include_str!("fixtures/embeddings.json"), ""),
        (Api::ChatCompletions, "<html>", ""),
    ];
    for (api, body, want) in cases {
        assert_eq!(plain().output_of_whole(api, body.as_bytes()).text(), want, "{body}");
    }
}

#[test]
fn settings_make_paths_and_credentials() {
    let provider = openai("{ api_key: k, base_url: 'http://127.0.0.1:8000/v1/', organization: o, project: p }");
    let provider = provider.expect("the settings are right");
    assert_eq!(provider.path(Api::ChatCompletions, "m", false), "/v1/chat/completions");
    assert_eq!(provider.path(Api::Responses, "m", false), "/v1/responses");
    assert_eq!(&*provider.endpoint().authority, "127.0.0.1:8000");
    let mut client = HeaderMap::new();
    for (name, value) in [
        ("authorization", "Bearer theirs"),
        ("x-api-key", "theirs"),
        ("api-key", "theirs"),
        ("cookie", "theirs"),
        ("openai-organization", "theirs"),
        ("host", "theirs"),
        ("x-forwarded-for", "theirs"),
        ("openai-beta", "b1"),
        ("user-agent", "ua"),
        ("x-weighbridge-user", "theirs"),
    ] {
        client.append(name, HeaderValue::from_static(value));
    }
    client.append("openai-beta", HeaderValue::from_static("b2"));
    let mut head = HeaderMap::new();
    provider.headers(Api::ChatCompletions, &client, &mut head);
    let mut got: Vec<_> = head.iter().map(|(k, v)| format!("{k}: {}", v.to_str().expect("ASCII"))).collect();
    got.sort();
    let want = [
        "authorization: Bearer k",
        "openai-beta: b1",
        "openai-beta: b2",
        "openai-organization: o",
        "openai-project: p",
        "user-agent: ua",
    ];
    assert_eq!(got, want);
    let mut head = HeaderMap::new();
    openai("{}").expect("a key is optional").headers(Api::Responses, &client, &mut head);
    assert!(!head.contains_key("authorization"), "a client's key never goes up");
    let mut head = HeaderMap::new();
    openai("{}").expect("a key is optional").headers(Api::Messages, &client, &mut head);
    assert_eq!((head.len(), &head["user-agent"]), (1, &HeaderValue::from_static("ua")), "of another dialect");
}

#[test]
fn wrong_settings_are_refused_and_secrets_never_print() {
    for wrong in ["{ base_url: ftp://x }", "{ api_kei: x }", "{ api_key: \"a\\nb\" }", "{ project: \"\\u0001\" }"] {
        assert!(openai(wrong).is_err(), "{wrong}");
    }
    assert!(!format!("{:?}", plain()).contains("secret"));
}

proptest! {
    /// Cutting a member out leaves what the JSON would have been without it.
    #[test]
    fn a_stripped_chunk_is_the_chunk_without_usage(
        before in "[a-c]{0,2}", after in "[d-f]{0,2}", space in "[ \n\t]{0,2}", usage in "null|1|\\{\"a\":\\[1,2\\]\\}|\"u\"",
    ) {
        let members = |names: &str| names.chars().map(|c| format!("\"{c}\"{space}:{space}\"usage\"")).collect::<Vec<_>>();
        let given = format!("\"usage\"{space}:{space}{usage}");
        let all = [members(&before), vec![given], members(&after)].concat();
        let join = |members: &[String]| format!("{{{space}{}{space}}}", members.join(&format!("{space},{space}")));
        let data = join(&all);
        #[derive(serde::Deserialize)]
        struct Given<'a> {
            #[serde(borrow, deserialize_with = "lenient::raw")]
            usage: Option<&'a serde_json::value::RawValue>,
        }
        let Ok(given) = serde_json::from_str::<Given<'_>>(&data) else { return Ok(()) };
        let cut = lenient::member_range(data.as_bytes(), "usage", given.usage.expect("given")).expect("found");
        let left = format!("{}{}", &data[..cut.start], &data[cut.end..]);
        let mut want: Value = serde_json::from_str(&data).expect("JSON");
        want.as_object_mut().expect("an object").remove("usage");
        prop_assert_eq!(serde_json::from_str::<Value>(&left).expect("still JSON"), want, "{}", left);
    }

    /// Whatever a provider sends, reading it does no harm.
    #[test]
    fn no_event_does_harm(data in "[\\[\\]{}\",:a-e0-9 ]{0,60}", api in 0..2usize) {
        let api = [Api::ChatCompletions, Api::Responses][api];
        let _seen = plain().stream_reader(api, true).event(&event(&data));
    }
}

#[test]
fn output_is_bounded() {
    let mut reader = chat::Reader::new(Api::ChatCompletions, true, Key::new(None));
    let data = json!({"choices": [{"delta": {"content": "x".repeat(150_000)}}]}).to_string();
    let event = event(&data);
    for _ in 0..3 {
        reader.event(&event);
    }
    assert_eq!((reader.output().text().len(), reader.output().bytes()), (150_000, 450_000));
}

/// An event of an answer in one line.
pub(in crate::providers) fn tell(event: &ChatEvent<'_>) -> String {
    let line = match event {
        ChatEvent::Start { id } => format!("start {}", id.as_deref().unwrap_or_default()),
        ChatEvent::Text { choice, text } => return format!("{choice} text {text}"),
        ChatEvent::Refusal { choice, text } => format!("{choice} refusal {text}"),
        ChatEvent::Reasoning { choice, text } => return format!("{choice} thought {text}"),
        ChatEvent::Sealed { choice, seal } => {
            format!("{choice} sealed {} {}{}", seal.maker, seal.data, if seal.hidden { " hidden" } else { "" })
        }
        ChatEvent::ToolStart { choice, call, id, name } => format!("{choice} call {call} {id} {name}"),
        ChatEvent::ToolArguments { choice, call, json } => return format!("{choice} arguments {call} {json}"),
        ChatEvent::Citation { choice, citation } => {
            let [url, title] = [&citation.url, &citation.title].map(|text| text.as_deref().unwrap_or_default());
            format!("{choice} cites {url} {title}")
        }
        ChatEvent::Logprobs { choice, json } => format!("{choice} logprobs {json}"),
        ChatEvent::Media { choice, media_type, base64 } => format!("{choice} media {media_type} {base64}"),
        ChatEvent::Finish { choice, reason, stop } => {
            format!("{choice} finish {reason:?} {}", stop.as_deref().unwrap_or_default())
        }
        ChatEvent::Usage { usage, .. } => format!("usage {} {}", usage.input_total(), usage.output_total()),
    };
    line.trim_end().to_owned()
}
