//! What holds of every answer, and of every request however damaged.

use super::{decode, stream, whole};
use crate::{
    dialect,
    model::{Api, ChatEvent, Citation, Draft, Feature, Finish, Seal, Usage},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Any event, in any order, also such as no decoder should tell.
fn event() -> impl Strategy<Value = ChatEvent<'static>> {
    let choice = || prop_oneof![9 => Just(0u32), 1 => Just(1)];
    let words = "[a-zé\"\n{}:1]{1,4}";
    prop_oneof![
        Just(ChatEvent::Start { id: None }),
        (choice(), words).prop_map(|(choice, text)| ChatEvent::Text { choice, text: text.into() }),
        (choice(), words).prop_map(|(choice, text)| ChatEvent::Refusal { choice, text: text.into() }),
        (choice(), words).prop_map(|(choice, text)| ChatEvent::Reasoning { choice, text: text.into() }),
        (choice(), any::<bool>()).prop_map(|(choice, hidden)| {
            ChatEvent::Sealed { choice, seal: Seal { maker: "gemini".to_owned(), data: "x".to_owned(), hidden } }
        }),
        (choice(), 0..4u32).prop_map(|(choice, call)| {
            ChatEvent::ToolStart { choice, call, id: format!("c{call}").into(), name: "f".into() }
        }),
        (choice(), 0..4u32, words)
            .prop_map(|(choice, call, json)| { ChatEvent::ToolArguments { choice, call, json: json.into() } }),
        choice().prop_map(|choice| {
            let citation = Citation { url: Some("https://a".to_owned()), ..Citation::default() };
            ChatEvent::Citation { choice, citation }
        }),
        (choice(), words).prop_map(|(choice, json)| ChatEvent::Logprobs { choice, json: json.into() }),
        choice()
            .prop_map(|choice| { ChatEvent::Media { choice, media_type: "image/png".into(), base64: "AA==".into() } }),
        choice().prop_map(|choice| ChatEvent::Finish { choice, reason: Finish::Length, stop: None }),
        any::<u64>().prop_map(|input| ChatEvent::Usage { usage: Usage { input, ..Usage::default() }, tier: None }),
    ]
}

/// Puts an answer together from its deltas alone, as an SDK does, and checks that what is told again is the same.
fn put_together(events: &[Value]) -> Value {
    let mut items: BTreeMap<u64, Value> = BTreeMap::new();
    let mut done = BTreeMap::new();
    for event in events {
        let kind = event["type"].as_str().expect("a type");
        let Some(at) = event["output_index"].as_u64() else { continue };
        if kind == "response.output_item.added" {
            assert!(items.insert(at, event["item"].clone()).is_none(), "an item begins once");
            continue;
        }
        let item = items.get_mut(&at).expect("it began");
        assert!(!done.contains_key(&at), "nothing behind the end of an item");
        if kind == "response.output_item.done" {
            assert_eq!(item["id"], event["item"]["id"]);
            for member in ["status", "encrypted_content", "result"] {
                if event["item"].get(member).is_some() {
                    item[member] = event["item"][member].clone();
                }
            }
            assert_eq!(*item, event["item"]);
            done.insert(at, event["item"].clone());
            continue;
        }
        assert_eq!(item["id"], event["item_id"]);
        grow(item, kind, event);
    }
    assert_eq!(items.len(), done.len(), "each item ends");
    Value::Array(done.into_values().collect())
}

fn grow(item: &mut Value, kind: &str, event: &Value) {
    let list = if event.get("summary_index").is_some() { "summary" } else { "content" };
    let index = event.get("content_index").or(event.get("summary_index")).and_then(Value::as_u64);
    let part = index.map(|index| (index as usize, &mut item[list]));
    let push = |text: &mut Value| {
        *text = json!(format!("{}{}", text.as_str().expect("text"), event["delta"].as_str().expect("text")))
    };
    match (kind, part) {
        ("response.content_part.added" | "response.reasoning_summary_part.added", Some((index, parts))) => {
            let parts = parts.as_array_mut().expect("parts");
            assert_eq!(parts.len(), index, "parts come in order");
            parts.push(event["part"].clone());
        }
        ("response.output_text.delta", Some((index, parts))) => {
            push(&mut parts[index]["text"]);
            let logprobs = event["logprobs"].as_array().expect("a list").clone();
            parts[index]["logprobs"].as_array_mut().expect("a list").extend(logprobs);
        }
        ("response.refusal.delta", Some((index, parts))) => push(&mut parts[index]["refusal"]),
        ("response.reasoning_summary_text.delta", Some((index, parts))) => push(&mut parts[index]["text"]),
        ("response.function_call_arguments.delta", None) => push(&mut item["arguments"]),
        ("response.output_text.annotation.added", Some((index, parts))) => {
            let notes = parts[index]["annotations"].as_array_mut().expect("a list");
            assert_eq!(event["annotation_index"], notes.len());
            notes.push(event["annotation"].clone());
        }
        ("response.output_text.done" | "response.reasoning_summary_text.done", Some((index, parts))) => {
            assert_eq!(parts[index]["text"], event["text"]);
        }
        ("response.refusal.done", Some((index, parts))) => assert_eq!(parts[index]["refusal"], event["refusal"]),
        ("response.content_part.done" | "response.reasoning_summary_part.done", Some((index, parts))) => {
            assert_eq!(parts[index], event["part"]);
        }
        ("response.function_call_arguments.done", None) => assert_eq!(item["arguments"], event["arguments"]),
        ("response.image_generation_call.completed", None) => {}
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The deltas of a stream, the ends of its items, its last event and the whole answer all say the same.
    #[test]
    fn a_stream_says_the_same_three_times(answer in prop::collection::vec(event(), 0..24)) {
        let request = json!({"model": "m", "input": "hi"});
        let events = stream(&request, &answer);
        let (last, before) = events.split_last().expect("an event");
        let ends = ["response.completed", "response.incomplete"];
        prop_assert!(ends.iter().any(|end| last["type"] == *end));
        prop_assert!(before.iter().all(|event| ends.iter().all(|end| event["type"] != *end)), "one end");
        prop_assert_eq!(&put_together(&events), &last["response"]["output"]);
        prop_assert_eq!(&whole(&request, &answer), &last["response"]);
    }

    /// What an answer said can be sent back as it is: nothing of it is refused or unknown.
    #[test]
    fn the_output_can_be_sent_back(answer in prop::collection::vec(event(), 0..24)) {
        let output = whole(&json!({"model": "m", "input": "hi"}), &answer)["output"].clone();
        let chat = decode(&json!({"model": "m", "input": output})).expect("it can be translated");
        for used in &chat.uses {
            // Painted pictures come from a tool of OpenAI's own.
            let known = used.feature == Feature::HostedTool || used.feature.is_hint();
            prop_assert!(known && used.feature != Feature::Unknown, "{used:?}");
        }
    }

    /// Whatever is cut out of a request or put into it, it is read or refused.
    #[test]
    fn damage_is_refused_or_read(at in 0usize..4_000, gone in 0usize..40, with in "[\\[\\]{}\",:0-9a-z]{0,6}") {
        let mut body = REQUEST.to_owned();
        let at = at.min(body.len());
        body.replace_range(at..(at + gone).min(body.len()), &with);
        let ask = dialect::parse(Api::Responses, Draft::copy_of(body.as_bytes()));
        if let Ok(Err(error)) = ask.map(|ask| dialect::decode(&ask)) {
            prop_assert!(error.param.is_some() && !error.message.is_empty());
        }
    }
}

const REQUEST: &str = include_str!("../fixtures/request.json");
