//! Whatever the order of members, white space and escapes: each text is found, and nothing else.

use super::{ANSWERS, Dice, REQUESTS, asked, said, strings, walk};
use crate::{
    dialect::{
        strict,
        view::{answers, requests},
    },
    model::{Api, Text},
};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use serde_json::Value;

/// The strings of a fixture that say who speaks.
fn marked(value: &Value) -> Vec<(char, String)> {
    let mut all = Vec::new();
    walk(value, &mut all);
    let is_marked = |text: &String| text.as_bytes().get(1) == Some(&b'~');
    let mut found: Vec<_> = all.into_iter().filter(is_marked).map(|text| (first(&text), text)).collect();
    found.sort();
    found
}

fn first(text: &str) -> char {
    text.chars().next().unwrap_or_default()
}

fn found(api: Api, body: &[u8], view: fn(Api, &[u8]) -> Vec<Text>) -> Vec<(char, String)> {
    let texts = view(api, body);
    assert!(texts.is_sorted_by_key(|text| text.at.start), "{api}: in the order of their places");
    assert!(texts.windows(2).all(|pair| pair[0].at.end <= pair[1].at.start), "{api}: none inside of another");
    let mut found = strings(body, &texts);
    found.sort();
    found
}

#[test]
fn each_text_of_a_request_is_found_with_who_speaks_and_nothing_else() {
    for (api, body) in REQUESTS {
        strict::check(body.as_bytes()).expect("the fixture is strict");
        let want = marked(&serde_json::from_str(body).expect("JSON"));
        assert_eq!(found(api, body.as_bytes(), asked), want, "{api}");
    }
}

#[test]
fn each_text_of_an_answer_is_found_with_who_speaks_and_nothing_else() {
    for (api, body) in ANSWERS {
        let want = marked(&serde_json::from_str(body).expect("JSON"));
        assert_eq!(found(api, body.as_bytes(), said), want, "{api}");
    }
}

#[test]
fn each_api_that_has_a_body_of_text_has_a_view_and_says_so_else() {
    for api in Api::ALL {
        assert_eq!(super::request(api, None, b"{}").is_ok(), requests(api), "{api}");
        assert_eq!(super::answer(api, b"{}").is_ok(), answers(api), "{api}");
    }
    let error = super::request(Api::Files, None, b"{}").expect_err("no view");
    assert!(error.to_string().contains("`files`"), "{error}");
}

/// Replaces the marked strings by `texts`, which keep their marks.
fn plant(value: &mut Value, dice: &mut Dice) {
    match value {
        Value::String(text) if text.as_bytes().get(1) == Some(&b'~') => {
            const ODD: [&str; 12] =
                ["a", " ", "\"", "\\", "\n", "\u{1}", "é", "😀", "]}", "\\u0041", "data:", "{\"content\":\"x\"}"];
            let length = dice.roll(5);
            let mut planted = format!("{}~", first(text));
            (0..length).for_each(|_| planted.push_str(ODD[dice.roll(ODD.len())]));
            *text = planted;
        }
        Value::Array(list) => list.iter_mut().for_each(|value| plant(value, dice)),
        Value::Object(map) => map.values_mut().for_each(|value| plant(value, dice)),
        _ => {}
    }
}

/// Writes `value` with its members in any order, any white space, any escapes.
fn write(value: &Value, dice: &mut Dice, out: &mut String) {
    let gap = |dice: &mut Dice, out: &mut String| out.push_str(["", "", "", " ", "\n\t"][dice.roll(5)]);
    gap(dice, out);
    match value {
        Value::Array(list) => {
            out.push('[');
            for (at, value) in list.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write(value, dice, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            for at in (1..members.len()).rev() {
                members.swap(at, dice.roll(at + 1));
            }
            out.push('{');
            for (at, (key, value)) in members.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                gap(dice, out);
                string(key, dice, out);
                gap(dice, out);
                out.push(':');
                write(value, dice, out);
            }
            out.push('}');
        }
        Value::String(text) => string(text, dice, out),
        other => out.push_str(&other.to_string()),
    }
    gap(dice, out);
}

fn string(text: &str, dice: &mut Dice, out: &mut String) {
    out.push('"');
    // A picture whose escapes hide that it is one is taken for a text, which does no harm.
    let picture = text.starts_with("data:image/");
    for character in text.chars() {
        if matches!(character, '"' | '\\') || character.is_control() || (!picture && dice.roll(8) == 0) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Order, white space, escapes of texts and names: none of it hides a text, and none makes one of what is none.
    #[test]
    fn how_a_body_is_written_hides_no_text(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        for (bodies, view) in [(&REQUESTS[..], asked as fn(Api, &[u8]) -> Vec<Text>), (&ANSWERS[..], said)] {
            for (api, body) in bodies {
                let mut value: Value = serde_json::from_str(body).expect("JSON");
                plant(&mut value, &mut dice);
                let mut body = String::new();
                write(&value, &mut dice, &mut body);
                prop_assert_eq!(found(*api, body.as_bytes(), view), marked(&value), "{}: {}", api, body);
            }
        }
    }
}
