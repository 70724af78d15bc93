//! Out of their places, and back into them.

use super::{ANSWERS, REQUESTS, asked, said};
use crate::{
    dialect::view::{decoded, edited, replacement},
    model::{Form, Text},
};
use bytes::Bytes;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::Value;
use std::borrow::Cow;

#[test]
fn a_text_that_is_replaced_by_itself_changes_no_meaning_and_nothing_beside_it() {
    let bodies = REQUESTS.map(|(api, body)| (body, asked(api, body.as_bytes())));
    let answers = ANSWERS.map(|(api, body)| (body, said(api, body.as_bytes())));
    for (body, texts) in bodies.into_iter().chain(answers) {
        let bytes = Bytes::from_static(body.as_bytes());
        let same = |Text { at, form, .. }: &Text| (at.clone(), replacement(*form, &decoded(*form, &bytes[at.clone()])));
        let edits: Vec<_> = texts.iter().map(same).collect();
        let again = edited(&bytes, &edits);
        let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        assert_eq!(value(&again), value(&bytes));
        assert_eq!(again, bytes, "they were written without needless escapes");
    }
}

#[test]
fn edits_keep_all_else_byte_for_byte() {
    let body = Bytes::from_static(b"{ \"b\" : \"one\",\n\"a\":\"tw\\u006f\" , \"c\":{}}");
    let edit = |from: usize, to: usize, text: &str| (from..to, replacement(Form::String, text));
    let got = edited(&body, &[edit(8, 13, "\"1\""), edit(19, 29, "")]);
    assert_eq!(got, &b"{ \"b\" : \"\\\"1\\\"\",\n\"a\":\"\" , \"c\":{}}"[..]);
    assert_eq!(edited(&body, &[]).as_ptr(), body.as_ptr(), "nothing is copied for nothing");
}

#[test]
fn a_text_without_escapes_is_borrowed() {
    assert!(matches!(decoded(Form::String, "\"é so\"".as_bytes()), Cow::Borrowed("é so")));
    assert!(matches!(decoded(Form::Json, b"{\"a\":\"\\n\"}"), Cow::Borrowed("{\"a\":\"\\n\"}")));
    assert!(matches!(decoded(Form::Plain, b"a\\n"), Cow::Borrowed("a\\n")));
}

#[test]
fn what_is_no_text_is_decoded_as_far_as_it_goes() {
    let cases: [(&[u8], &str); 8] = [
        (br#""a\ud83d\ude00b""#, "a😀b"),
        (br#""a\ud83db""#, "a\u{fffd}b"),
        (br#""a\ude00\u0041""#, "a\u{fffd}A"),
        (br#""a\xb\n""#, "a\\xb\n"),
        (br#""a\u12""#, "a\\u12"),
        (b"\"a\xff\"", "a\u{fffd}"),
        (br#""a\"#, "a"),
        (b"", ""),
    ];
    for (raw, want) in cases {
        assert_eq!(decoded(Form::String, raw), want, "{raw:?}");
    }
}

proptest! {
    /// What is written is read again.
    #[test]
    fn a_text_comes_back(text in any::<String>()) {
        for form in [Form::String, Form::StringOfJson, Form::Plain] {
            let raw = replacement(form, &text);
            prop_assert_eq!(decoded(form, &raw), text.as_str());
        }
        let raw = replacement(Form::String, &text);
        prop_assert_eq!(serde_json::from_slice::<String>(&raw).ok(), Some(text));
    }

    /// Whatever stands there, it is decoded to something.
    #[test]
    fn decoding_never_fails(raw in any::<Vec<u8>>()) {
        for form in [Form::String, Form::StringOfJson, Form::Json, Form::Plain] {
            prop_assert!(decoded(form, &raw).len() <= raw.len() * 3 + 3);
        }
    }
}
