//! What a client is answered.

use super::{About, Value, about, chunks, json, whole};
use crate::model::{ChatEvent, Citation, Finish, Seal, ServiceTier, Usage};
use bytes::Bytes;

const USAGE: Usage = Usage {
    input: 10,
    cache_read: 5,
    cache_write_5m: 2,
    cache_write_1h: 1,
    output: 7,
    reasoning: 3,
    audio_input: 4,
    audio_output: 6,
    ..Usage::ZERO
};

fn text(text: &str) -> ChatEvent<'_> {
    ChatEvent::Text { choice: 0, text: text.into() }
}

fn reasoning(text: &str) -> ChatEvent<'_> {
    ChatEvent::Reasoning { choice: 0, text: text.into() }
}

fn sealed(maker: &str, data: &str, hidden: bool) -> ChatEvent<'static> {
    ChatEvent::Sealed { choice: 0, seal: Seal { maker: maker.to_owned(), data: data.to_owned(), hidden } }
}

fn call(call: u32, id: &'static str, name: &'static str) -> ChatEvent<'static> {
    ChatEvent::ToolStart { choice: 0, call, id: id.into(), name: name.into() }
}

fn arguments(call: u32, json: &'static str) -> ChatEvent<'static> {
    ChatEvent::ToolArguments { choice: 0, call, json: json.into() }
}

fn finish(reason: Finish) -> ChatEvent<'static> {
    ChatEvent::Finish { choice: 0, reason, stop: None }
}

/// The deltas of the only choice.
fn deltas(chunks: &[Value]) -> Vec<Value> {
    chunks.iter().filter_map(|chunk| chunk["choices"].get(0)).map(|choice| choice["delta"].clone()).collect()
}

#[test]
fn a_stream_begins_with_the_role_and_ends_with_the_reason_and_then_the_usage() {
    let events = [
        ChatEvent::Start { id: Some("msg_1".into()) },
        text("Hel"),
        text("lo"),
        finish(Finish::Stop),
        ChatEvent::Usage { usage: USAGE, tier: None },
    ];
    let chunk = |delta: Value, reason: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}], "usage": null})
    };
    let usage = json!({"prompt_tokens": 22, "completion_tokens": 16, "total_tokens": 38,
        "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 6}});
    let last = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m",
        "choices": [], "usage": usage});
    let want = [
        chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        chunk(json!({"content": "Hel"}), Value::Null),
        chunk(json!({"content": "lo"}), Value::Null),
        chunk(json!({}), json!("stop")),
        last,
    ];
    assert_eq!(chunks(&events, about()), want);
    let mut quiet = about();
    quiet.include_usage = false;
    let told = chunks(&events, quiet);
    assert_eq!(told.len(), 4, "no usage chunk");
    assert!(told.iter().all(|chunk| chunk.get("usage").is_none()), "nor a member for it");
    let body = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello", "refusal": null},
            "logprobs": null, "finish_reason": "stop"}], "usage": usage});
    assert_eq!(whole(&events, about()), body);
}

#[test]
fn calls_have_their_index_and_arguments_are_an_object_even_where_there_are_none() {
    let events =
        [call(0, "a", "f"), arguments(0, "{\"x\""), arguments(0, ":1}"), call(1, "b", "g"), finish(Finish::ToolCalls)];
    let chunks = chunks(&events, about());
    let begin = |index: u32, id: &str, name: &str| {
        json!({"tool_calls": [{"index": index, "id": id, "type": "function",
            "function": {"name": name, "arguments": ""}}]})
    };
    let more =
        |index: u32, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
    let want = [
        json!({"role": "assistant", "content": null}),
        begin(0, "a", "f"),
        more(0, "{\"x\""),
        more(0, ":1}"),
        begin(1, "b", "g"),
        more(1, "{}"),
        json!({}),
    ];
    assert_eq!(deltas(&chunks), want);
    assert_eq!(chunks.last().expect("a chunk")["choices"][0]["finish_reason"], "tool_calls");
    let body = whole(&events, about());
    let function = |id: &str, name: &str, arguments: &str| {
        let inner = json!({"name": name, "arguments": arguments});
        json!({"id": id, "type": "function", "function": inner})
    };
    let message = json!({"role": "assistant", "content": null, "refusal": null,
        "tool_calls": [function("a", "f", "{\"x\":1}"), function("b", "g", "{}")]});
    assert_eq!(body["choices"][0]["message"], message);
}

#[test]
fn a_call_of_a_free_form_tool_comes_with_its_text() {
    let asked = || About {
        request: Bytes::from_static(br#"{"tools":[{"type":"custom","custom":{"name":"patch"}},{"type":"function"}]}"#),
        ..about()
    };
    let events = [
        call(0, "a", "patch"),
        arguments(0, "{\"input\": \"x\\"),
        arguments(0, "ny\"}"),
        call(1, "b", "f"),
        call(2, "c", "patch"),
        arguments(2, "bare"),
        finish(Finish::ToolCalls),
    ];
    let told: Vec<_> =
        deltas(&chunks(&events, asked())).iter().filter_map(|delta| delta.get("tool_calls").cloned()).collect();
    let want = [
        json!([{"index": 0, "id": "a", "type": "custom", "custom": {"name": "patch", "input": ""}}]),
        json!([{"index": 0, "custom": {"input": "x"}}]),
        json!([{"index": 0, "custom": {"input": "\ny"}}]),
        json!([{"index": 1, "id": "b", "type": "function", "function": {"name": "f", "arguments": ""}}]),
        json!([{"index": 2, "id": "c", "type": "custom", "custom": {"name": "patch", "input": ""}}]),
        json!([{"index": 2, "custom": {"input": "bare"}}]),
        json!([{"index": 1, "function": {"arguments": "{}"}}]),
    ];
    assert_eq!(told, want);
    let whole = whole(&events, asked());
    let calls = &whole["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0], json!({"id": "a", "type": "custom", "custom": {"name": "patch", "input": "x\ny"}}));
    assert_eq!(calls[1]["function"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(calls[2]["custom"]["input"], "bare");
}

#[test]
fn a_call_that_was_cut_off_does_not_look_whole() {
    let events = [call(0, "a", "f"), finish(Finish::Length)];
    let message = whole(&events, about())["choices"][0]["message"].clone();
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], "");
    assert_eq!(deltas(&chunks(&events, about())).len(), 3, "the role, the call, the reason");
}

#[test]
fn a_client_of_functions_is_answered_with_a_function_call() {
    let mut about = about();
    about.request = Bytes::from_static(br#"{"functions":[{"name":"f"}]}"#);
    let events =
        [call(0, "a", "f"), arguments(0, "{}"), call(1, "b", "g"), arguments(1, "{}"), finish(Finish::ToolCalls)];
    let told = chunks(&events, about.clone());
    let want = [
        json!({"role": "assistant", "content": null}),
        json!({"function_call": {"name": "f", "arguments": ""}}),
        json!({"function_call": {"arguments": "{}"}}),
        json!({}),
    ];
    assert_eq!(deltas(&told), want);
    assert_eq!(told[3]["choices"][0]["finish_reason"], "function_call");
    let choice = whole(&events, about)["choices"][0].clone();
    assert_eq!(choice["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
    assert!(choice["message"].get("tool_calls").is_none());
    assert_eq!(choice["finish_reason"], "function_call");
}

#[test]
fn a_thought_is_told_as_it_comes_and_again_with_its_seal() {
    let events = [
        reasoning("hm"),
        reasoning("."),
        sealed("anthropic", "SIG", false),
        sealed("anthropic", "RED", true),
        reasoning("sum"),
        sealed("openai", "ENC", true),
        text("4"),
        reasoning("unsealed"),
        call(0, "a", "f"),
        sealed("gemini", "G", false),
    ];
    let details = json!([
        {"type": "reasoning.text", "text": "hm.", "signature": "wb1:anthropic:SIG", "index": 0},
        {"type": "reasoning.encrypted", "data": "wb1:anthropic:RED", "index": 1},
        {"type": "reasoning.summary", "summary": "sum", "index": 2},
        {"type": "reasoning.encrypted", "data": "ENC", "index": 3},
        {"type": "reasoning.text", "text": "", "signature": "wb1:gemini:G", "index": 4},
    ]);
    let deltas = deltas(&chunks(&events, about()));
    assert_eq!(deltas[1..3], [json!({"reasoning_content": "hm"}), json!({"reasoning_content": "."})]);
    assert_eq!(deltas[3], json!({"reasoning_details": [details[0]]}));
    assert_eq!(deltas[6], json!({"reasoning_details": [details[2], details[3]]}));
    let body = whole(&events, about());
    assert_eq!(body["choices"][0]["message"]["reasoning_details"], details);
    assert_eq!(body["choices"][0]["message"]["reasoning_content"], "hm.sumunsealed");
}

#[test]
fn sources_stand_at_the_characters_of_the_text_before_them() {
    let source = |url: Option<&str>| ChatEvent::Citation {
        choice: 0,
        citation: Citation { url: url.map(str::to_owned), ..Citation::default() },
    };
    let events =
        [text("Ä "), text("b."), source(Some("u")), source(Some("v")), source(None), text(" c"), source(Some("w"))];
    let annotation = |start: u32, end: u32, url: &str| {
        json!({"type": "url_citation",
            "url_citation": {"start_index": start, "end_index": end, "url": url, "title": url}})
    };
    let want = json!([annotation(0, 4, "u"), annotation(0, 4, "v"), annotation(4, 6, "w")]);
    assert_eq!(whole(&events, about())["choices"][0]["message"]["annotations"], want);
    let deltas = deltas(&chunks(&events, about()));
    let told: Vec<_> = deltas.iter().filter_map(|delta| delta["annotations"].get(0)).collect();
    assert_eq!(told.len(), 3, "a source without an address has no words");
    assert_eq!((&told[2]["url_citation"], &told[2]["index"]), (&want[2]["url_citation"], &json!(2)));
}

#[test]
fn log_probabilities_go_with_the_text() {
    let logprobs = |json: &'static str| ChatEvent::Logprobs { choice: 0, json: json.into() };
    let events = [text("a"), logprobs(r#"[{"token":"a"}]"#), text("b"), logprobs(r#"[{"token":"b"}]"#), logprobs("{")];
    let told = chunks(&events, about());
    assert_eq!(told[2]["choices"][0]["logprobs"], json!({"content": [{"token": "a"}], "refusal": null}));
    let want = json!({"content": [{"token": "a"}, {"token": "b"}], "refusal": null});
    assert_eq!(whole(&events, about())["choices"][0]["logprobs"], want);
}

#[test]
fn pictures_and_sound_have_members_of_their_own() {
    let media = |media_type: &'static str, base64: &'static str| ChatEvent::Media {
        choice: 0,
        media_type: media_type.into(),
        base64: base64.into(),
    };
    let events = [media("image/png", "AAAA"), media("audio/wav", "BBBB"), media("audio/wav", "CCCC")];
    let url = json!({"url": "data:image/png;base64,AAAA"});
    let message = whole(&events, about())["choices"][0]["message"].clone();
    assert_eq!(message["images"], json!([{"type": "image_url", "image_url": url}]));
    let audio = json!({"id": "chatcmpl-1", "data": "BBBBCCCC", "expires_at": 1_700_000_000, "transcript": ""});
    assert_eq!((&message["audio"], &message["content"]), (&audio, &Value::Null));
    let deltas = deltas(&chunks(&events, about()));
    assert_eq!(deltas[1], json!({"images": [{"type": "image_url", "image_url": url, "index": 0}]}));
    assert_eq!(deltas[3], json!({"audio": {"data": "CCCC"}}), "what stands once stands in the first");
}

#[test]
fn each_reason_has_its_word() {
    let cases = [
        (Finish::Stop, "stop"),
        (Finish::StopSequence, "stop"),
        (Finish::Paused, "stop"),
        (Finish::Length, "length"),
        (Finish::ContextWindow, "length"),
        (Finish::ToolCalls, "tool_calls"),
        (Finish::ContentFilter, "content_filter"),
        (Finish::Refusal, "content_filter"),
    ];
    for (reason, word) in cases {
        let events = [text("a"), finish(reason), finish(Finish::Stop)];
        assert_eq!(whole(&events, about())["choices"][0]["finish_reason"], word);
        let told = chunks(&events, about());
        assert_eq!(told[2]["choices"][0]["finish_reason"], word);
        assert_eq!(told.len(), 3, "it is told once");
    }
}

#[test]
fn an_answer_that_says_nothing_is_one_all_the_same() {
    let told = chunks(&[], about());
    assert_eq!(deltas(&told), [json!({"role": "assistant", "content": ""}), json!({})]);
    assert_eq!(told[1]["choices"][0]["finish_reason"], "stop");
    assert_eq!(told.len(), 2, "usage that nobody told is not made up");
    assert_eq!(whole(&[], about())["choices"][0]["message"]["content"], "");
}

#[test]
fn several_answers_each_have_their_role_and_reason() {
    let said = |choice: u32, text: &'static str| ChatEvent::Text { choice, text: text.into() };
    let events = [
        said(1, "b"),
        said(0, "a"),
        ChatEvent::Refusal { choice: 2, text: "no".into() },
        ChatEvent::Finish { choice: 1, reason: Finish::Length, stop: None },
    ];
    let body = whole(&events, about());
    let contents: Vec<_> = (0..3).map(|at| &body["choices"][at]["message"]["content"]).collect();
    assert_eq!(contents, [&json!("a"), &json!("b"), &Value::Null]);
    assert_eq!(body["choices"][2]["message"]["refusal"], "no");
    let told = chunks(&events, about());
    for index in 0..3u32 {
        let of: Vec<_> = told.iter().map(|chunk| &chunk["choices"][0]).filter(|of| of["index"] == index).collect();
        assert_eq!(of[0]["delta"]["role"], "assistant");
        assert!(of.iter().rev().skip(1).all(|of| of["finish_reason"].is_null()));
        assert_eq!(of[2]["finish_reason"], if index == 1 { "length" } else { "stop" });
    }
}

#[test]
fn the_tier_is_told_in_the_dialects_word() {
    let cases = [
        (ServiceTier::Standard, "default"),
        (ServiceTier::Flex, "flex"),
        (ServiceTier::Priority, "priority"),
        (ServiceTier::Batch, "default"),
    ];
    for (tier, word) in cases {
        let events = [ChatEvent::Usage { usage: USAGE, tier: Some(tier) }, text("a")];
        assert_eq!(whole(&events, about())["service_tier"], word);
        assert!(chunks(&events, about()).iter().all(|chunk| chunk["service_tier"] == word));
    }
    assert!(whole(&[text("a")], about()).get("service_tier").is_none());
}
