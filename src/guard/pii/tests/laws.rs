//! Mixtures, long texts, JSON.

use super::{Fold, Spotter, assert_cuts_do_not_matter, guard, marked};
use proptest::prelude::*;
use std::time::Duration;
use stopwatch::elapsed;

/// Time that something takes, in CPU time of nobody else's clock: the best of three.
mod stopwatch {
    use std::time::{Duration, SystemTime};

    pub fn elapsed(mut work: impl FnMut()) -> Duration {
        let once = |work: &mut dyn FnMut()| {
            let begun = SystemTime::now();
            work();
            begun.elapsed().unwrap_or_default()
        };
        (0..3).map(|_| once(&mut work)).min().unwrap_or_default()
    }
}

const PIECES: &[&str] = &[
    "bob@example.com",
    "+1 415 555 2671",
    "(415) 555-2671",
    "4111 1111 1111 1111",
    "4111111111111111",
    "DE89 3704 0044 0532 0130 00",
    "536-22-1234",
    "192.168.1.17",
    "2001:db8::1",
    "00:1A:2B:3C:4D:5E",
    "AB 12 34 56 C",
    "12345678Z",
    "1EG4-TE5-MK73",
    "529.982.247-25",
    "131052-308T",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "born 31 December 1980",
    "password: hunter2",
    "Mr. John Smith",
    "221B Baker Street, London",
    "https://example.com/a",
    "SWIFT DEUTDEFF",
    "123e4567-e89b-12d3-a456-426614174000",
    "call",
    "exp 12/27",
    "cvv 123",
    "NHS 943 476 5919",
    "EMP-123456",
    "ä",
    "邮箱",
    "é@",
    "::",
    "0x",
    "12",
    "a",
    "-",
    ".",
    "@",
    "+",
    "(",
    ")",
    "x",
    "_",
    "'",
    "\"",
    "=",
    ":",
    "/",
    ",",
    "$",
    "#",
    "is",
    "00",
    "0",
    "ext. 12",
    "\u{200b}",
    "&#64;",
    "&amp;",
];
const GLUE: &[&str] = &["", " ", " ", " ", "\n", ", ", ".", "-", ":", "/", "=", "@", "(", "\"", "é", "電"];

fn mixture() -> impl Strategy<Value = String> {
    let piece = (prop::sample::select(PIECES), prop::sample::select(GLUE));
    prop::collection::vec(piece, 1..6)
        .prop_map(|parts| parts.into_iter().flat_map(|(piece, glue)| [piece, glue]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Where a text is cut does not matter, whatever stands beside what.
    #[test]
    fn cuts_do_not_matter(text in mixture(), json in any::<bool>()) {
        let fold = if json { Fold::Json } else { Fold::Text };
        assert_cuts_do_not_matter(&guard("entities: [all]"), fold, &text);
        assert_cuts_do_not_matter(&guard("{ allow: [bob@example.com, 192.168.0.0/16] }"), fold, &text);
    }

    /// A hit depends on where it is, never on where the search began, and on 64 bytes before it.
    #[test]
    fn the_first_hit_does_not_depend_on_where_the_search_began(text in mixture(), from in 0_usize..80) {
        let spotters = guard("entities: [all]");
        let from = text.floor_char_boundary(from.min(text.len()));
        let one: &dyn Spotter = &*spotters[0];
        if let Some(hit) = one.next(&text, from) {
            for start in (from..=hit.at.start).filter(|&at| text.is_char_boundary(at)) {
                let again = one.next(&text, start).map(|hit| (hit.at, hit.entity));
                prop_assert_eq!(again, Some((hit.at.clone(), hit.entity)));
            }
        }
    }

    /// Whatever the bytes are, nothing panics.
    #[test]
    fn nothing_panics(text in "[0-9a-fA-FxXZ@.:+()'/ _\\-é電]{0,60}") {
        marked(&guard("entities: [all]"), &text);
    }
}

#[test]
fn strings_of_json_stay_strings_and_numbers_stay_numbers() {
    let spotters = guard("");
    for (text, want) in [
        (r#"{"mail":"bob@example.com"}"#, r#"{"mail":"[email bob@example.com]"}"#),
        (r#"{"mail":"bob\u0040example.com"}"#, r#"{"mail":"[email bob\\u0040example.com]"}"#),
        (r#"{"card":4111111111111111}"#, r#"{"card":1111111111111111}"#),
        (
            r#"{"phone_number": "4155552671", "n": 4155552671}"#,
            r#"{"phone_number": "[phone 4155552671]", "n": 1111111111}"#,
        ),
        (r#"{"ssn":"536221234"}"#, r#"{"ssn":"[us_ssn 536221234]"}"#),
        (r#"["4111 1111","1111 1111"]"#, r#"["4111 1111","1111 1111"]"#),
    ] {
        assert_eq!(assert_cuts_do_not_matter(&spotters, Fold::Json, text), want);
    }
}

/// Prose passes at once: held is at most the last word, a number only as far as it may go on.
#[test]
fn little_is_held() {
    let spotters = guard("");
    let one: &dyn Spotter = &*spotters[0];
    for (text, held) in [
        ("Hello wor", "wor"),
        ("Hello world ", ""),
        ("Hello, world. How", "How"),
        ("It is 5 o'clock ", ""),
        ("Hello (", "("),
        ("in 2024 ", "2024 "),
        ("call 415-555", "415-555"),
        ("bob@example.com ", ""),
        ("bob@example.com.", "bob@example.com."),
        ("4111 1111 1111 1111 ", "4111 1111 1111 1111 "),
    ] {
        assert_eq!(&text[one.pending(text, 0)..], held, "{text}");
    }
}

/// Twice the text, about twice the time, whatever the text is.
#[test]
fn time_is_linear() {
    let spotters = guard("entities: [all]");
    for unit in [
        "@", "1", "a", "1 ", "12-", "a.", "a@", "a@a.", "+1 ", "(0)", ":", "1.", "ab12", "é", "phone 1 ", "A ", "Mr. ",
        "0x", "is ", "=", "a1:",
    ] {
        let text = unit.repeat(40_000 / unit.len());
        let time = |text: &str| {
            elapsed(|| {
                for spotter in spotters.iter() {
                    let mut from = 0;
                    while let Some(hit) = spotter.next(text, from) {
                        from = hit.at.end;
                    }
                }
            })
        };
        let (half, whole) = (time(&text[..text.floor_char_boundary(text.len() / 2)]), time(&text));
        assert!(whole < half * 8 + Duration::from_millis(300), "{unit}: {half:?}, {whole:?}");
        assert!(whole < Duration::from_secs(10), "{unit}: {whole:?} for {} bytes", text.len());
    }
}
