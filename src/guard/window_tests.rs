use super::*;
use crate::guard::{
    LONGEST,
    laws::{Brackets, assert_cuts_do_not_matter, edited},
    tail_of,
};
use proptest::prelude::*;

/// Four digits that stand apart; spaces and dashes may part them.
struct Digits;

impl Digits {
    fn at(text: &str, from: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let before = from.checked_sub(1).and_then(|at| bytes.get(at));
        if before.is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let (mut at, mut digits) = (from, 0);
        while digits < 4 {
            match bytes.get(at)? {
                byte if byte.is_ascii_digit() => digits += 1,
                b' ' | b'-' if digits > 0 && at - from < 20 => {}
                _ => return None,
            }
            at += 1;
        }
        (!bytes.get(at).is_some_and(u8::is_ascii_digit)).then_some(at)
    }
}

impl Spotter for Digits {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        (from..text.len()).find_map(|start| {
            let end = Self::at(text, start)?;
            Some(Hit { at: start..end, entity: "digits", grow: None })
        })
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        tail_of(text, from, LONGEST, |byte| byte.is_ascii_digit() || byte == b' ' || byte == b'-')
    }
}

/// `key_` and what follows of it.
struct Key(Grow);

impl Spotter for Key {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        let at = from + text.get(from..)?.find("key_")?;
        Some(Hit { at: at..at + 4, entity: "key", grow: Some(self.0) })
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let tail = text.len().saturating_sub(3).max(from);
        (tail..text.len())
            .find(|&at| text.is_char_boundary(at) && "key_".starts_with(&text[at..]))
            .unwrap_or(text.len())
    }
}

/// `"ssn": "1"`, quotes and all.
struct Across;

impl Spotter for Across {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        let at = from + text.get(from..)?.find("\"n\": \"1")?;
        Some(Hit { at: at..at + 7, entity: "number", grow: None })
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let tail = text.len().saturating_sub(6).max(from);
        let begins = |&at: &usize| text.is_char_boundary(at) && "\"n\": \"1".starts_with(&text[at..]);
        (tail..text.len()).find(begins).unwrap_or(text.len())
    }
}

/// A word that blocks.
struct Stop;

impl Spotter for Stop {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        let at = from + text.get(from..)?.find("stop")?;
        Some(Hit { at: at..at + 4, entity: "blocked", grow: None })
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let tail = text.len().saturating_sub(3).max(from);
        (tail..text.len())
            .find(|&at| text.is_char_boundary(at) && "stop".starts_with(&text[at..]))
            .unwrap_or(text.len())
    }
}

fn spotters(grow: Grow) -> Arc<[Arc<dyn Spotter>]> {
    Arc::from([Arc::new(Digits) as Arc<dyn Spotter>, Arc::new(Key(grow)), Arc::new(Stop)])
}

fn word() -> Grow {
    Grow::While(|byte| byte.is_ascii_alphanumeric())
}

#[test]
fn hits_are_replaced_in_order_and_the_first_of_overlapping_ones_counts() {
    let until = Grow::Until("END", 12);
    let cases = [
        ("plain", Fold::Text, word(), "hello there", "hello there"),
        ("digits", Fold::Text, word(), "a 12-34 b 12345", "a [digits 12-34] b 12345"),
        ("what grows", Fold::Text, word(), "key_12345678 x", "[key key_ …] x"),
        ("up to a marker", Fold::Text, until, "key_ 1234 END x", "[key key_ …] x"),
        ("without the marker", Fold::Text, until, "key_ 123456789012 x", "[key key_ …]2 x"),
        ("blocked", Fold::Text, word(), "1234 stop 1234", "[digits 1234] "),
        ("folded", Fold::Text, word(), "&#49;2\u{200b}34", "[digits &#49;2\u{200b}34]"),
        ("in JSON", Fold::Json, word(), r#"{"a":"\u0031234","b":1234}"#, r#"{"a":"[digits \\u0031234]","b":1111}"#),
        (
            "not over a string's end",
            Fold::Json,
            until,
            r#"{"a":"key_","b":"END"}"#,
            r#"{"a":"[key key_ …]","b":"END"}"#,
        ),
    ];
    for (name, fold, grow, text, want) in cases {
        assert_eq!(assert_cuts_do_not_matter(&spotters(grow), fold, text), want, "{name}");
    }
}

#[test]
fn a_hit_over_the_ends_of_strings_is_judged_whole_and_edited_in_each_of_them() {
    let all: Arc<[Arc<dyn Spotter>]> = Arc::from([Arc::new(Across) as Arc<dyn Spotter>, Arc::new(Digits)]);
    let out = assert_cuts_do_not_matter(&all, Fold::Json, r#"{"n": "123456789","m":"1234"}"#);
    let told = r#"[number \"n\": \"1]"#;
    assert_eq!(out, format!(r#"{{"{told}": "{told}23456789","m":"[digits 1234]"}}"#));
    serde_json::from_str::<serde_json::Value>(&out).expect("it stays JSON");
    let blocking: Arc<[Arc<dyn Spotter>]> = Arc::from([Arc::new(Across) as Arc<dyn Spotter>]);
    let mut window = Window::new(blocking, Fold::Json);
    let blocked = window.push(r#"{"n": "1"}"#, &mut Brackets("number"), &mut String::new());
    assert_eq!(blocked.expect_err("it blocks").entity, "number");
}

/// What is not linear would take hours.
#[test]
fn many_hits_in_one_string_of_json_take_linear_time() {
    let count = 50_000;
    let text = format!("{{\"a\":\"{}\"}}", r#"1234 \" "#.repeat(count));
    let all: Arc<[Arc<dyn Spotter>]> = Arc::from([Arc::new(Digits) as Arc<dyn Spotter>]);
    let (out, _) = edited(&all, Fold::Json, &[&text]);
    assert_eq!(out.matches("[digits 1234]").count(), count);
}

#[test]
fn ordinary_text_passes_at_once() {
    let mut window = Window::new(spotters(word()), Fold::Text);
    let (mut words, mut out) = (Brackets(""), String::new());
    for (piece, held) in [("Hello", 0), (" wor", 0), ("ld 12", 3), ("3", 4), (" a ke", 2)] {
        window.push(piece, &mut words, &mut out).expect("nothing blocks");
        assert_eq!(window.held(), held, "{piece:?}");
    }
    window.finish(&mut words, &mut out).expect("nothing blocks");
    assert_eq!(out, "Hello world 123 a ke");
}

proptest! {
    /// Where a text is cut changes nothing of what comes out.
    #[test]
    fn cuts_do_not_matter(
        text in r#"([ke_sto1-3 \-"\u{200b}é]|key_|stop|1234|END|&#49;|\\u0031|\\"){0,30}"#,
        cuts in proptest::collection::vec(0_usize..120, 0..6),
        json in any::<bool>(),
        until in any::<bool>(),
    ) {
        let fold = if json { Fold::Json } else { Fold::Text };
        let spotters = spotters(if until { Grow::Until("END", 12) } else { word() });
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(edited(&spotters, fold, &pieces), edited(&spotters, fold, &[&text]));
    }

    /// What is edited in JSON stays JSON.
    #[test]
    fn json_stays_json(text in r#"([ke_sto1-3 \-é]|key_|1234|END|\\u0031|\\"|\\\\|\\n){0,20}"#, number in 0_u64..20_000, until in any::<bool>()) {
        let source = format!(r#"{{"{text}":"{text}","n":{number},"l":["{text}",{number}]}}"#);
        prop_assume!(serde_json::from_str::<serde_json::Value>(&source).is_ok());
        let spotters = spotters(if until { Grow::Until("END", 12) } else { word() });
        let (out, blocked) = edited(&spotters, Fold::Json, &[&source]);
        prop_assert!(blocked.is_some() || serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{}", out);
    }
}
