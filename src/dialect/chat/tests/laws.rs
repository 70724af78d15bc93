//! Laws, whatever is asked and answered.

use super::{Feature, Value, about, chunks, decode, json, try_decode, whole};
use crate::model::{ChatEvent, Citation, Content, Finish, Seal};
use proptest::prelude::*;

/// Joins deltas as OpenAI's SDKs do: texts are appended, elements of arrays found by their `index`.
fn join(all: &mut Value, delta: &Value) {
    match (all, delta) {
        (Value::Object(all), Value::Object(delta)) => {
            for (name, more) in delta {
                match all.get_mut(name) {
                    Some(Value::Null) | None => drop(all.insert(name.clone(), more.clone())),
                    Some(known) if name == "index" || name == "type" => *known = more.clone(),
                    Some(known) => join(known, more),
                }
            }
        }
        (Value::Array(all), Value::Array(delta)) => {
            for element in delta {
                let index = element["index"].as_u64().expect("elements have an index");
                let at = usize::try_from(index).expect("it is small");
                match all.get_mut(at) {
                    Some(known) => join(known, element),
                    None => all.push(element.clone()),
                }
            }
        }
        (Value::String(all), Value::String(delta)) => all.push_str(delta),
        (all, delta) => panic!("{all} and {delta} do not join"),
    }
}

/// Without the `index` of elements, which only a stream needs.
fn without_indices(message: &mut Value) {
    for name in ["tool_calls", "annotations", "images", "reasoning_details"] {
        for element in message[name].as_array_mut().into_iter().flatten() {
            element.as_object_mut().expect("an object").remove("index");
        }
        if message[name].is_null() {
            message.as_object_mut().expect("an object").remove(name);
        }
    }
}

/// What a stream says in the end.
fn joined(events: &[ChatEvent<'_>]) -> Value {
    let mut message = json!({});
    for chunk in chunks(events, about()) {
        if let Some(choice) = chunk["choices"].get(0) {
            join(&mut message, &choice["delta"]);
        }
    }
    message
}

fn word() -> impl Strategy<Value = String> {
    "[a-zäß\"\\\\\n ]{1,6}"
}

/// Events of one answer in the order that decoders keep: calls are numbered without gaps.
fn answer() -> impl Strategy<Value = Vec<ChatEvent<'static>>> {
    let seal = (prop_oneof!["anthropic", "openai", "gemini"], "[A-Za-z0-9+/]{1,9}", any::<bool>())
        .prop_map(|(maker, data, hidden)| Seal { maker, data, hidden });
    let event = prop_oneof![
        word().prop_map(|text| ChatEvent::Text { choice: 0, text: text.into() }),
        word().prop_map(|text| ChatEvent::Refusal { choice: 0, text: text.into() }),
        word().prop_map(|text| ChatEvent::Reasoning { choice: 0, text: text.into() }),
        seal.prop_map(|seal| ChatEvent::Sealed { choice: 0, seal }),
        (word(), word())
            .prop_map(|(id, name)| { ChatEvent::ToolStart { choice: 0, call: 0, id: id.into(), name: name.into() } }),
        word().prop_map(|json| ChatEvent::ToolArguments { choice: 0, call: 0, json: json.into() }),
        proptest::option::of(word()).prop_map(|url| {
            let citation = Citation { url, ..Citation::default() };
            ChatEvent::Citation { choice: 0, citation }
        }),
        prop_oneof![Just("image/png"), Just("audio/wav")].prop_map(|media_type| {
            ChatEvent::Media { choice: 0, media_type: media_type.into(), base64: "QUFB".into() }
        }),
    ];
    proptest::collection::vec(event, 0..12).prop_map(|mut events| {
        let mut calls = 0;
        events.retain_mut(|event| match event {
            ChatEvent::ToolStart { call, .. } => {
                *call = calls;
                calls += 1;
                true
            }
            ChatEvent::ToolArguments { call, .. } => {
                *call = calls.saturating_sub(1);
                calls > 0
            }
            _ => true,
        });
        events.push(ChatEvent::Finish { choice: 0, reason: Finish::Stop, stop: None });
        events
    })
}

/// A request in which everything is.
fn everything() -> Value {
    json!({"model": "m", "messages": [
        {"role": "system", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "name": "n", "content": [{"type": "text", "text": "b"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,CCCC", "filename": "a.pdf"}}]},
        {"role": "assistant", "content": null, "reasoning_content": "r", "reasoning_details": [
            {"type": "reasoning.text", "text": "r", "signature": "s"}, {"type": "reasoning.encrypted", "data": "d"}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "d", "type": "custom", "custom": {"name": "g", "input": "x"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "t"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "function_call":
            {"name": "f", "arguments": "{}"}, "images": [{"type": "image_url", "image_url": {"url": "https://a"}}]},
        {"role": "function", "name": "f", "content": "1"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": true}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "stop": ["x"], "temperature": 1,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}, "n": 2,
        "reasoning_effort": "low", "reasoning": {"max_tokens": 5}, "logprobs": true, "top_logprobs": 1,
        "logit_bias": {"1": 1}, "metadata": {"a": "b"}, "modalities": ["audio"], "stream_options": {}, "seed": 1})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A stream adds up to what the same answer says whole.
    #[test]
    fn a_stream_adds_up_to_the_whole(events in answer()) {
        let mut streamed = joined(&events);
        let mut message = whole(&events, about())["choices"][0]["message"].clone();
        without_indices(&mut streamed);
        without_indices(&mut message);
        // Nothing said is told as an empty text or as `null`.
        for message in [&mut streamed, &mut message] {
            let said = message["content"].as_str().is_some_and(|text| !text.is_empty());
            if !said { message["content"] = Value::Null; }
            if message["refusal"].is_null() { message["refusal"] = Value::Null; }
        }
        prop_assert_eq!(streamed, message);
    }

    /// What a client sends back of an answer means what was said.
    #[test]
    fn an_answer_that_is_sent_back_keeps_its_meaning(events in answer()) {
        let message = whole(&events, about())["choices"][0]["message"].clone();
        let chat = decode(&json!({"model": "m", "messages": [message]}));
        let (mut said, mut refused, mut seals, mut calls) = (String::new(), String::new(), Vec::new(), Vec::new());
        for part in &chat.messages[0].parts {
            match &part.content {
                Content::Text(text) => said.push_str(text),
                Content::Refusal(text) => refused.push_str(text),
                Content::Reasoning(thought) => seals.extend(thought.seal.clone()),
                Content::ToolCall(call) => calls.push((call.id.clone(), call.name.clone())),
                _ => {}
            }
        }
        let (mut want_said, mut want_refused, mut want_seals, mut want_calls) =
            (String::new(), String::new(), Vec::new(), Vec::new());
        for event in &events {
            match event {
                ChatEvent::Text { text, .. } => want_said.push_str(text),
                ChatEvent::Refusal { text, .. } => want_refused.push_str(text),
                ChatEvent::Sealed { seal, .. } => want_seals.push(seal.clone()),
                ChatEvent::ToolStart { id, name, .. } => want_calls.push((id.to_string(), name.to_string())),
                _ => {}
            }
        }
        prop_assert_eq!((said, refused, seals, calls), (want_said, want_refused, want_seals, want_calls));
    }

    /// It does not matter whether the client read it as a stream.
    #[test]
    fn a_stream_that_is_sent_back_means_what_the_whole_means(events in answer()) {
        let message = whole(&events, about())["choices"][0]["message"].clone();
        let back = |message: Value| decode(&json!({"model": "m", "messages": [message]})).messages;
        prop_assert_eq!(back(joined(&events)), back(message));
    }

    /// A body that was cut or changed somewhere is read or refused.
    #[test]
    fn no_body_makes_it_panic(
        at in any::<prop::sample::Index>(),
        with in "[\\]\\[{}\",:0-9a-z]{0,3}",
        cut in 0usize..9,
    ) {
        let mut body = everything().to_string().into_bytes();
        let start = at.index(body.len());
        let end = (start + cut).min(body.len());
        body.splice(start..end, with.into_bytes());
        let _ = try_decode(&body);
    }

    /// A value of another kind anywhere is read or refused.
    #[test]
    fn no_kind_of_value_makes_it_panic(at in any::<prop::sample::Index>(), kind in 0usize..6) {
        let mut body = everything();
        let mut paths = Vec::new();
        walk(&body, String::new(), &mut paths);
        let other = [json!(null), json!(true), json!(-1.5), json!("x"), json!([1]), json!({"x": 1})][kind].clone();
        *body.pointer_mut(&paths[at.index(paths.len())]).expect("it was walked") = other;
        if body.is_object() {
            let _ = try_decode(body.to_string().as_bytes());
        }
    }

    /// Events in any order make JSON all the same.
    #[test]
    fn events_in_any_order_make_an_answer(
        mut events in answer(),
        swaps in proptest::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..6),
    ) {
        for (a, b) in swaps {
            let (a, b) = (a.index(events.len()), b.index(events.len()));
            events.swap(a, b);
            events.push(events[a].clone());
        }
        prop_assert!(!chunks(&events, about()).is_empty());
        prop_assert!(whole(&events, about())["choices"].is_array());
    }
}

/// Pointers to all values.
fn walk(value: &Value, at: String, to: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| walk(value, format!("{at}/{name}"), to));
        }
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, value)| walk(value, format!("{at}/{index}"), to));
        }
        _ => {}
    }
    to.push(at);
}

#[test]
fn the_request_in_which_everything_is_can_be_read() {
    let chat = decode(&everything());
    assert_eq!(chat.messages.len(), 6);
    assert!(chat.uses.iter().all(|used| used.feature != Feature::Unknown), "{:?}", chat.uses);
}
