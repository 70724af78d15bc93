//! Requests that no client should send.

use crate::{
    dialect::{decode, parse},
    model::{Api, Draft},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What stands for a value that a client put in the wrong place.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(0)),
        Just(json!(-1.5)),
        Just(json!("text")),
        Just(json!([])),
        Just(json!([{"type": "text"}])),
        Just(json!({})),
        Just(json!({"type": "document", "source": {"type": "content", "content": [{"type": "image"}]}})),
        Just(json!(true)),
    ]
}

/// Replaces the value that stands `at`-th in `body`.
fn put(body: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *body = with.clone();
    }
    *at = at.wrapping_sub(1);
    match body {
        Value::Array(list) => list.iter_mut().for_each(|value| put(value, at, with)),
        Value::Object(map) => map.values_mut().for_each(|value| put(value, at, with)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands wherever, a request is read or refused with a place.
    #[test]
    fn odd_values_are_taken_noted_or_refused(mut at in 1usize..160, with in odd()) {
        let mut body: Value = serde_json::from_str(include_str!("../fixtures/claude_code.json")).expect("it is JSON");
        put(&mut body, &mut at, &with);
        if let Ok(ask) = parse(Api::Messages, Draft::copy_of(body.to_string().as_bytes()))
            && let Err(bad) = decode(&ask)
        {
            prop_assert!(bad.param.is_some(), "{}", bad.message);
        }
    }
}
