//! Golden answers, as events and whole.

use super::{finish, stream, text, whole};
use crate::model::{ChatEvent, Citation, Finish, Seal, ServiceTier, Usage};
use serde_json::{Value, json};

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

fn short() -> Value {
    json!({"model": "m", "input": "hi"})
}

fn usage() -> ChatEvent<'static> {
    let usage = Usage { input: 5, cache_read: 3, cache_write_5m: 2, output: 7, reasoning: 4, ..Usage::default() };
    ChatEvent::Usage { usage, tier: Some(ServiceTier::Standard) }
}

fn response(status: &str, output: Value, usage: Value) -> Value {
    let ended = status != "in_progress";
    json!({
        "id": "resp_r1", "object": "response", "created_at": 1_700_000_000, "status": status, "background": false,
        "error": null, "incomplete_details": null, "instructions": null, "max_output_tokens": null,
        "max_tool_calls": null, "metadata": {}, "model": "claude", "output": output, "parallel_tool_calls": true,
        "previous_response_id": null, "prompt_cache_key": null, "reasoning": {"effort": null, "summary": null},
        "safety_identifier": null, "service_tier": ended.then_some("default"), "store": false, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0,
        "truncation": "disabled", "usage": usage, "user": null,
    })
}

#[test]
fn a_text_streams_as_the_reference_has_it() {
    let answer = [ChatEvent::Start { id: None }, text("Hel"), text("lo\n"), finish(Finish::Stop), usage()];
    let events = stream(&short(), &answer);
    let message = |status: &str, content: Value| {
        let (id, kind, role) = ("msg_r1_0", "message", "assistant");
        json!({"id": id, "type": kind, "status": status, "role": role, "content": content})
    };
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let done = message("completed", json!([part("Hello\n")]));
    let at = |mut event: Value| {
        let place = json!({"item_id": "msg_r1_0", "output_index": 0, "content_index": 0});
        event.as_object_mut().expect("an object").extend(place.as_object().expect("an object").clone());
        event
    };
    let figures = json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 11, "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 21});
    let begun = response("in_progress", json!([]), Value::Null);
    let mut want = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": message("in_progress", json!([]))}),
        at(json!({"type": "response.content_part.added", "part": part("")})),
        at(json!({"type": "response.output_text.delta", "delta": "Hel", "logprobs": []})),
        at(json!({"type": "response.output_text.delta", "delta": "lo\n", "logprobs": []})),
        at(json!({"type": "response.output_text.done", "text": "Hello\n", "logprobs": []})),
        at(json!({"type": "response.content_part.done", "part": part("Hello\n")})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": done}),
        json!({"type": "response.completed", "response": response("completed", json!([done]), figures.clone())}),
    ];
    for (number, event) in want.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    assert_eq!(events, want);
    assert_eq!(whole(&short(), &answer), response("completed", json!([done]), figures));
}

#[test]
fn a_response_repeats_what_was_asked_for() {
    let asked = json!({
        "model": "m", "input": "hi", "instructions": "Be brief.", "max_output_tokens": 9, "temperature": 0.2,
        "top_p": 0.5, "metadata": {"a": "b"}, "reasoning": {"effort": "low"}, "store": true, "user": "u",
        "text": {"verbosity": "low"}, "tool_choice": "required", "parallel_tool_calls": false, "truncation": "auto",
        "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g", "strict": null,
            "parameters": {"type": "object"}}, {"type": "custom", "name": "h"}],
    });
    let got = whole(&asked, &[text("x"), finish(Finish::Stop)]);
    for name in [
        "instructions",
        "max_output_tokens",
        "temperature",
        "top_p",
        "metadata",
        "user",
        "tool_choice",
        "parallel_tool_calls",
        "truncation",
    ] {
        assert_eq!(got[name], asked[name], "{name}");
    }
    assert_eq!(got["store"], false, "nothing is kept");
    assert_eq!(got["text"], json!({"format": {"type": "text"}, "verbosity": "low"}));
    assert_eq!(got["reasoning"], json!({"effort": "low", "summary": null}));
    let tools = json!([{"type": "function", "name": "f", "parameters": null, "strict": null}, asked["tools"][1],
        asked["tools"][2]]);
    assert_eq!(got["tools"], tools);
}

#[test]
fn parallel_calls_are_items_of_their_own() {
    let start = |call, id: &'static str, name: &'static str| ChatEvent::ToolStart {
        choice: 0,
        call,
        id: id.into(),
        name: name.into(),
    };
    let json_piece = |call, json: &'static str| ChatEvent::ToolArguments { choice: 0, call, json: json.into() };
    let events = stream(
        &short(),
        &[
            text("Looking."),
            start(0, "call_a", "f"),
            json_piece(0, "{\"x\":"),
            json_piece(0, "1}"),
            start(1, "call_b", "g"),
            finish(Finish::ToolCalls),
        ],
    );
    let want = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(types(&events), want);
    assert_eq!(
        events[8]["item"],
        json!({"type": "function_call", "id": "fc_r1_1", "status": "in_progress",
        "arguments": "", "call_id": "call_a", "name": "f"})
    );
    assert_eq!(
        events[11],
        json!({"type": "response.function_call_arguments.done", "sequence_number": 11,
        "item_id": "fc_r1_1", "output_index": 1, "name": "f", "arguments": "{\"x\":1}"})
    );
    assert_eq!(
        events[16]["item"],
        json!({"type": "function_call", "id": "fc_r1_2", "status": "completed",
        "arguments": "{}", "call_id": "call_b", "name": "g"}),
        "no arguments are an empty object"
    );
}

#[test]
fn arguments_that_come_crosswise_reach_their_calls() {
    let start = |call, id: &'static str| ChatEvent::ToolStart { choice: 0, call, id: id.into(), name: "f".into() };
    let piece = |call, json: &'static str| ChatEvent::ToolArguments { choice: 0, call, json: json.into() };
    let answer = [
        start(0, "a"),
        start(1, "b"),
        piece(1, "{\"b\""),
        piece(0, "{\"a\":1}"),
        piece(1, ":2}"),
        finish(Finish::ToolCalls),
    ];
    let output = &whole(&short(), &answer)["output"];
    assert_eq!((&output[0]["arguments"], &output[1]["arguments"]), (&json!("{\"a\":1}"), &json!("{\"b\":2}")));
    assert_eq!((&output[0]["call_id"], &output[1]["call_id"]), (&json!("a"), &json!("b")));
}

#[test]
fn a_thought_is_an_item_with_its_seal() {
    let seal = |maker: &str, hidden| ChatEvent::Sealed {
        choice: 0,
        seal: Seal { maker: maker.to_owned(), data: "EqQ=".to_owned(), hidden },
    };
    let thought = |text: &'static str| ChatEvent::Reasoning { choice: 0, text: text.into() };
    let events = stream(
        &short(),
        &[
            thought("Hm"),
            thought("."),
            seal("anthropic", false),
            seal("anthropic", true),
            seal("openai", true),
            text("x"),
        ],
    );
    let want = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_item.added",
    ];
    assert_eq!(types(&events)[..14], want);
    assert_eq!(events[2]["item"], json!({"type": "reasoning", "id": "rs_r1_0", "summary": []}));
    assert_eq!(
        events[3],
        json!({"type": "response.reasoning_summary_part.added", "sequence_number": 3,
        "item_id": "rs_r1_0", "output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": ""}})
    );
    assert_eq!(
        events[4],
        json!({"type": "response.reasoning_summary_text.delta", "sequence_number": 4,
        "item_id": "rs_r1_0", "output_index": 0, "summary_index": 0, "delta": "Hm"})
    );
    assert_eq!(
        events[8]["item"],
        json!({"type": "reasoning", "id": "rs_r1_0",
        "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "wb1:anthropic:EqQ="})
    );
    assert_eq!(events[10]["item"]["encrypted_content"], "wb1:anthropic+hidden:EqQ=");
    assert_eq!(events[12]["item"]["encrypted_content"], "EqQ=", "OpenAI's own stands bare");
}

#[test]
fn citations_say_which_characters_they_are_about() {
    let cite = |url: &str| ChatEvent::Citation {
        choice: 0,
        citation: Citation { url: Some(url.to_owned()), title: Some("T".to_owned()), ..Citation::default() },
    };
    let answer = [text("Zürich."), cite("https://a"), cite("https://b"), text(" Bern."), cite("https://c")];
    let note = |start: u64, end: u64, url: &str| {
        let kind = "url_citation";
        json!({"type": kind, "start_index": start, "end_index": end, "title": "T", "url": url})
    };
    let want = [note(0, 7, "https://a"), note(0, 7, "https://b"), note(7, 13, "https://c")];
    let events = stream(&short(), &answer);
    let added: Vec<_> =
        events.iter().filter(|event| event["type"] == "response.output_text.annotation.added").collect();
    assert_eq!(added.iter().map(|event| event["annotation"].clone()).collect::<Vec<_>>(), want);
    assert_eq!(added.iter().map(|event| &event["annotation_index"]).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(whole(&short(), &answer)["output"][0]["content"][0]["annotations"], json!(want));
    let of_document = Citation { document: Some(0), quote: Some("q".to_owned()), ..Citation::default() };
    let answer = [text("x"), ChatEvent::Citation { choice: 0, citation: of_document }];
    assert_eq!(whole(&short(), &answer)["output"][0]["content"][0]["annotations"], json!([]));
}

#[test]
fn log_probabilities_follow_their_text() {
    let tokens = r#"[{"token":"x","logprob":-0.5,"bytes":[120],"top_logprobs":[]}]"#;
    let bad = ChatEvent::Logprobs { choice: 0, json: "{".into() };
    let answer = [text("x"), ChatEvent::Logprobs { choice: 0, json: tokens.into() }, bad];
    let want: Value = serde_json::from_str(tokens).expect("JSON");
    let events = stream(&short(), &answer);
    assert_eq!((&events[5]["delta"], &events[5]["logprobs"]), (&json!(""), &want));
    assert_eq!(events[6]["logprobs"], want, "also in `response.output_text.done`");
    assert_eq!(whole(&short(), &answer)["output"][0]["content"][0]["logprobs"], want);
}

#[test]
fn a_refusal_is_a_part_of_its_own() {
    let refusal = |text: &'static str| ChatEvent::Refusal { choice: 0, text: text.into() };
    let answer = [text("Well. "), refusal("I can"), refusal("not."), finish(Finish::Refusal)];
    let events = stream(&short(), &answer);
    let want = [
        "response.output_text.done",
        "response.content_part.done",
        "response.content_part.added",
        "response.refusal.delta",
        "response.refusal.delta",
        "response.refusal.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(types(&events)[5..], want);
    assert_eq!(
        events[8],
        json!({"type": "response.refusal.delta", "sequence_number": 8, "item_id": "msg_r1_0",
        "output_index": 0, "content_index": 1, "delta": "I can"})
    );
    assert_eq!(whole(&short(), &answer)["output"][0]["content"][1], json!({"type": "refusal", "refusal": "I cannot."}));
}

#[test]
fn a_picture_is_an_item() {
    let media =
        |media_type: &'static str| ChatEvent::Media { choice: 0, media_type: media_type.into(), base64: "iVBO".into() };
    let output = &whole(&short(), &[media("image/png"), media("audio/wav")])["output"];
    let want = json!([{"type": "image_generation_call", "id": "ig_r1_0", "status": "completed", "result": "iVBO"}]);
    assert_eq!(*output, want);
    let want = ["response.output_item.added", "response.image_generation_call.completed", "response.output_item.done"];
    assert_eq!(types(&stream(&short(), &[media("image/png")]))[2..5], want);
}

#[test]
fn each_way_to_end_has_its_word() {
    let rows = [
        (Finish::Stop, "completed", Value::Null),
        (Finish::StopSequence, "completed", Value::Null),
        (Finish::ToolCalls, "completed", Value::Null),
        (Finish::Paused, "completed", Value::Null),
        (Finish::Length, "incomplete", json!({"reason": "max_output_tokens"})),
        (Finish::ContextWindow, "incomplete", json!({"reason": "max_output_tokens"})),
        (Finish::ContentFilter, "incomplete", json!({"reason": "content_filter"})),
        (Finish::Refusal, "incomplete", json!({"reason": "content_filter"})),
    ];
    for (reason, status, details) in rows {
        let answer = [text("x"), finish(reason)];
        let events = stream(&short(), &answer);
        let last = events.last().expect("an event");
        assert_eq!(last["type"], format!("response.{status}"), "{reason:?}");
        assert_eq!((&last["response"]["status"], &last["response"]["incomplete_details"]), (&json!(status), &details));
        assert_eq!(last["response"]["output"][0]["status"], status, "{reason:?}");
        assert_eq!(whole(&short(), &answer), last["response"], "{reason:?}");
    }
}

#[test]
fn only_the_first_answer_is_written_and_an_empty_one_is_whole() {
    let other = [
        ChatEvent::Text { choice: 1, text: "no".into() },
        ChatEvent::Finish { choice: 1, reason: Finish::Length, stop: None },
    ];
    assert_eq!(types(&stream(&short(), &other)), ["response.created", "response.in_progress", "response.completed"]);
    assert_eq!(whole(&short(), &[])["output"], json!([]));
}

#[test]
fn a_call_comes_as_what_the_client_declared() {
    let asked = json!({"model": "m", "input": "hi", "tools": [
        {"type": "custom", "name": "patch"},
        {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "close"}]},
    ]});
    let start = |call: u32, id: &'static str, name: &'static str| ChatEvent::ToolStart {
        choice: 0,
        call,
        id: id.into(),
        name: name.into(),
    };
    let piece = |call: u32, json: &'static str| ChatEvent::ToolArguments { choice: 0, call, json: json.into() };
    let answer = [
        start(0, "c1", "patch"),
        piece(0, "{\"input\":\"a\\"),
        piece(0, "nb\"}"),
        start(1, "c2", "agents__close"),
        piece(1, "{\"x\":1}"),
        start(2, "c3", "patch"),
        piece(2, "*** bare"),
        finish(Finish::ToolCalls),
    ];
    let events = stream(&asked, &answer);
    let custom: Vec<_> = events.iter().filter(|event| event["output_index"] == 0).collect();
    let item = |status: &str, input: &str| {
        json!({"type": "custom_tool_call", "id": "ctc_r1_0", "status": status, "input": input, "call_id": "c1",
            "name": "patch"})
    };
    let words: Vec<_> = custom.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    let delta = "response.custom_tool_call_input.delta";
    let done = "response.custom_tool_call_input.done";
    assert_eq!(words, ["response.output_item.added", delta, delta, done, "response.output_item.done"]);
    assert_eq!((&custom[0]["item"], &custom[4]["item"]), (&item("in_progress", ""), &item("completed", "a\nb")));
    let texts = [&custom[1]["delta"], &custom[2]["delta"], &custom[3]["input"]];
    assert_eq!(texts, [&json!("a"), &json!("\nb"), &json!("a\nb")]);
    assert_eq!(custom[1]["item_id"], "ctc_r1_0");
    let output = &whole(&asked, &answer)["output"];
    assert_eq!(output, &events.last().expect("some")["response"]["output"]);
    assert_eq!((&output[1]["name"], &output[1]["namespace"]), (&json!("close"), &json!("agents")));
    assert_eq!((&output[1]["type"], &output[1]["arguments"]), (&json!("function_call"), &json!("{\"x\":1}")));
    assert_eq!(output[2]["input"], "*** bare", "what is no such object is passed on");
}
