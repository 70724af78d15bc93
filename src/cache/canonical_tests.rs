//! The laws of the canonical form.

use super::of;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn form(text: &str) -> Vec<u8> {
    of(text.as_bytes(), &[], &[]).unwrap_or_else(|| panic!("`{text}` has a form"))
}

/// Any value, with objects that are long enough to be hashed now and then.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[\\x00-\\x1f\"\\\\é😀]{0,6}".prop_map(Value::from),
        "[a-z]{600,700}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z\\PC]{0,6}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn bodies() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z]{1,5}", values(), 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// `value` as another client may write it: `seed` chooses order, white space and escapes. Below names whose order means
/// something the order stays.
fn written(value: &Value, seed: &mut u64, in_order: bool, depth: usize) -> String {
    let mut next = |most: u64| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % most
    };
    let space = ["", " ", "\n", "\t\r ", "  "][next(5) as usize];
    let escapes = next(2) == 0;
    let text = |text: &str| match escapes {
        false => Value::from(text).to_string(),
        true => {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", units.collect::<String>())
        }
    };
    match value {
        Value::String(words) => text(words),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| written(item, seed, in_order, depth + 1)).collect();
            format!("[{space}{}{space}]", items.join(&format!("{space},")))
        }
        Value::Object(members) => {
            let mut order: Vec<(&String, &Value)> = members.iter().collect();
            if !in_order {
                for at in (1..order.len()).rev() {
                    order.swap(at, next(at as u64 + 1) as usize);
                }
            }
            let member = |(name, value): (&String, &Value), seed: &mut u64| {
                let below = in_order || (depth > 1 && super::IN_ORDER.contains(&name.as_bytes()));
                format!("{}{space}:{space}{}", text(name), written(value, seed, below, depth + 1))
            };
            let members: Vec<String> = order.into_iter().map(|one| member(one, seed)).collect();
            format!("{{{space}{}{space}}}", members.join(&format!(",{space}")))
        }
        other => other.to_string(),
    }
}

/// Everything that a value says, in one way: what the form must tell apart.
fn plain(value: &Value) -> String {
    value.to_string()
}

proptest! {
    #[test]
    fn however_a_body_is_written_it_has_one_form(body in bodies(), mut seed in any::<u64>()) {
        let other = written(&body, &mut seed, false, 1);
        prop_assert_eq!(form(&plain(&body)), form(&other), "{}", other);
    }

    #[test]
    fn bodies_that_say_other_things_have_other_forms(one in bodies(), other in bodies()) {
        prop_assert_eq!(plain(&one) == plain(&other), form(&plain(&one)) == form(&plain(&other)));
    }

    #[test]
    fn a_body_that_is_changed_at_one_place_has_another_form(body in bodies(), name in "[a-z]{1,5}", value in values()) {
        let mut other = body.clone();
        other.as_object_mut().expect("an object").insert(name, value);
        prop_assert_eq!(plain(&body) == plain(&other), form(&plain(&body)) == form(&plain(&other)));
    }

    #[test]
    fn whatever_comes_is_read_to_its_end_or_has_no_form(text in "[\\[\\]{}\",:0-9a-u\\\\ -]{0,40}") {
        if of(text.as_bytes(), &[], &[]).is_some() {
            let is_object = text.trim_start().starts_with('{') && text.trim_end().ends_with('}');
            prop_assert!(is_object, "it is no object");
        }
    }
}

#[test]
fn numbers_are_told_apart_as_they_are_written() {
    let numbers = ["1", "1.0", "1e0", "10e-1", "-1", "1.00", "100000000000000000000", "100000000000000000001"];
    let forms: std::collections::BTreeSet<Vec<u8>> =
        numbers.iter().map(|number| form(&format!("{{\"a\":{number}}}"))).collect();
    assert_eq!(forms.len(), numbers.len());
}

#[test]
fn what_looks_alike_is_told_apart() {
    let bodies = [
        r#"{"a":"1"}"#,
        r#"{"a":1}"#,
        r#"{"a":[1]}"#,
        r#"{"a":[[1]]}"#,
        r#"{"a":[1,2]}"#,
        r#"{"a":[2,1]}"#,
        r#"{"a":[12]}"#,
        r#"{"a":{}}"#,
        r#"{"a":[]}"#,
        r#"{"a":null}"#,
        r#"{"a":"null"}"#,
        r#"{"a":false}"#,
        r#"{"a":""}"#,
        r#"{}"#,
        r#"{"a":{"b":1},"c":2}"#,
        r#"{"a":{"b":1,"c":2}}"#,
        r#"{"A":1}"#,
    ];
    let forms: std::collections::BTreeSet<Vec<u8>> = bodies.iter().map(|body| form(body)).collect();
    assert_eq!(forms.len(), bodies.len());
}

#[test]
fn the_order_of_a_schema_is_a_part_of_the_request_and_that_of_a_conversation_is_not() {
    let chat = |schema: &str| {
        format!("{{\"tools\":[{{\"function\":{{\"name\":\"f\",\"parameters\":{{\"properties\":{schema}}}}}}}]}}")
    };
    let [one, other] = [r#"{"a":{"type":"string"},"b":{}}"#, r#"{"b":{},"a":{"type":"string"}}"#].map(chat);
    assert_ne!(form(&one), form(&other), "answers come in the order of the schema");
    let [one, other] = [r#"{"input":[{"role":"user","content":"x"}]}"#, r#"{"input":[{"content":"x","role":"user"}]}"#];
    assert_eq!(form(one), form(other), "the body's own `input` is a conversation");
}

#[test]
fn members_that_say_nothing_about_the_answer_are_left_out_and_state_has_no_form() {
    let ignored: [&[&str]; 3] = [&["user"], &["metadata", "user_id"], &["stream"]];
    let form = |text: &str| of(text.as_bytes(), &ignored, &["store", "conversation"]);
    let same = form(r#"{"m":[1],"metadata":{}}"#);
    assert!(same.is_some());
    assert_eq!(form(r#"{"user":"x","metadata":{"user_id":"u"},"m":[1],"stream":true}"#), same);
    assert_eq!(form(r#"{"metadata":{"user_id":"v"},"u\u0073er":{"deep":[1]},"m":[1]}"#), same);
    assert_ne!(form(r#"{"m":[1],"metadata":{"team":"u"}}"#), same);
    assert_ne!(form(r#"{"m":[{"user":"x"}],"metadata":{}}"#), form(r#"{"m":[{}],"metadata":{}}"#), "only at its path");
    for stateful in [r#"{"store":true}"#, r#"{"conversation":"c"}"#, r#"{"conversation":{"id":"c"}}"#] {
        assert_eq!(form(stateful), None, "{stateful}");
    }
    for stateless in [r#"{"store":false}"#, r#"{"store":null}"#, r#"{"m":{"store":true}}"#] {
        assert!(form(stateless).is_some(), "{stateless}");
    }
}

#[test]
fn what_is_no_object_has_no_form() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for text in ["", "[]", "1", "{", "{}x", r#"{"a":}"#, r#"{"a":"\ud800"}"#, r#"{"a":"\x"}"#, r#"{"a" 1}"#, &deep] {
        assert_eq!(of(text.as_bytes(), &[], &[]), None, "{text}");
    }
}

#[test]
fn a_long_body_is_hashed_in_parts_and_still_told_apart_at_each_place() {
    let mut big = Map::new();
    for n in 0..40 {
        big.insert(format!("k{n}"), json!({"text": "x".repeat(100), "deep": {"n": n, "more": "y".repeat(1500)}}));
    }
    let body = Value::Object(big);
    let text = body.to_string();
    let base = form(&text);
    assert!(base.len() < 100, "{}", base.len());
    let mut seed = 7;
    assert_eq!(form(&written(&body, &mut seed, false, 1)), base);
    for at in text.match_indices("\"n\":").map(|(at, _)| at + 4) {
        let mut other = text.clone();
        other.insert(at, '9');
        assert_ne!(form(&other), base);
    }
}
