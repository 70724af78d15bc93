//! What is accepted, what is refused, and what is found.

use super::*;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::HashSet;

fn told(body: &str) -> String {
    check(body.as_bytes()).expect_err(body).to_string()
}

#[test]
fn ambiguous_json_is_refused_with_its_place() {
    let deep = format!("{}1{}", r#"{"a":["#.repeat(33), "]}".repeat(33));
    let long = "k".repeat(100);
    let twice = format!(r#"{{"{long}":1,"{long}":2}}"#);
    let cases = [
        ("nothing", "", "the body is empty; a JSON object belongs here (byte 0)"),
        ("white space", " \n", "the body is empty; a JSON object belongs here (byte 2)"),
        ("an array", "[1]", "the body must be a JSON object (byte 0)"),
        ("a byte order mark", "\u{feff}{}", "the body must be a JSON object (byte 0)"),
        ("trailing bytes", "{} {}", "unexpected bytes behind the JSON object (byte 3)"),
        ("cut off", r#"{"a":[1,"#, "a[1]: the JSON text ends too early (byte 8)"),
        ("cut off in a string", r#"{"a":"b"#, "a: the JSON text ends too early (byte 7)"),
        ("duplicate key", r#"{"a":1,"a":2}"#, "duplicate key `a` (byte 7)"),
        ("escaped duplicate", r#"{"model":1,"mod\u0065l":2}"#, "duplicate key `model` (byte 11)"),
        (
            "a duplicate below",
            r#"{"messages":[{},{"content":{"text":1,"text":2}}]}"#,
            "messages[1].content: duplicate key `text` (byte 37)",
        ),
        ("empty names count", r#"{"":1,"":2}"#, "duplicate key `` (byte 6)"),
        ("too deep", &deep, ""),
        ("lone high surrogate", r#"{"a":"\ud800"}"#, "a: lone surrogate in a `\\u` escape (byte 6)"),
        ("lone low surrogate", r#"{"a":"\udc00"}"#, "a: lone surrogate in a `\\u` escape (byte 6)"),
        ("two high surrogates", r#"{"a":"\ud83d\ud83d"}"#, "a: lone surrogate in a `\\u` escape (byte 6)"),
        ("surrogate in a name", r#"{"\ud800":1}"#, "lone surrogate in a `\\u` escape (byte 2)"),
        ("unknown escape", r#"{"a":"\x"}"#, "a: invalid escape in a string (byte 6)"),
        ("half an escape", r#"{"a":"\u00g0"}"#, "a: invalid escape in a string (byte 6)"),
        ("control character", "{\"a\":\"x\ny\"}", "a: control character in a string; it must be escaped (byte 7)"),
        ("nul", "{\"a\":\"\0\"}", "a: control character in a string; it must be escaped (byte 6)"),
        ("leading zero", r#"{"a":01}"#, "a: invalid number (byte 7)"),
        ("bare minus", r#"{"a":-}"#, "a: invalid number (byte 6)"),
        ("no digit behind the dot", r#"{"a":1.}"#, "a: invalid number (byte 7)"),
        ("no digit in front of the dot", r#"{"a":.5}"#, "a: unexpected `.`; expected a value (byte 5)"),
        ("a plus", r#"{"a":+1}"#, "a: unexpected `+`; expected a value (byte 5)"),
        ("an empty exponent", r#"{"a":1e}"#, "a: invalid number (byte 7)"),
        ("out of range", r#"{"a":1e999}"#, "a: number out of range (byte 5)"),
        ("NaN", r#"{"a":NaN}"#, "a: unexpected `N`; expected a value (byte 5)"),
        ("a comma too many", r#"{"a":1,}"#, "unexpected `}`; expected a name in double quotes (byte 7)"),
        ("a comma too many in an array", r#"{"a":[1,]}"#, "a[1]: unexpected `]`; expected a value (byte 8)"),
        ("no colon", r#"{"a" 1}"#, "a: unexpected `1`; expected `:` (byte 5)"),
        ("no comma", r#"{"a":1 "b":2}"#, "unexpected `\"`; expected `,` or `}` (byte 7)"),
        ("a name without quotes", r"{a:1}", "unexpected `a`; expected a name in double quotes (byte 1)"),
        ("single quotes", r"{'a':1}", "unexpected `'`; expected a name in double quotes (byte 1)"),
        ("a comment", r#"{"a":1/*x*/}"#, "unexpected `/`; expected `,` or `}` (byte 6)"),
        ("a long name is shortened", &twice, ""),
        ("half a word", r#"{"a":tru}"#, "a: unexpected `t`; expected a value (byte 5)"),
        ("two values", r#"{"a":truefalse}"#, "unexpected `f`; expected `,` or `}` (byte 9)"),
    ];
    for (name, body, want) in cases {
        let got = told(body);
        if want.is_empty() {
            assert!(got.len() < 400, "{name}: {got}");
        } else {
            assert_eq!(got, want, "{name}");
        }
    }
    assert!(told(&deep).contains("nested deeper than 64 levels"));
}

#[test]
fn invalid_utf8_is_refused_with_its_place() {
    let cases: [(&str, &[u8], &str); 4] = [
        ("in a string", b"{\"a\":[\"xy\xff\"]}", "a[0]: invalid UTF-8 (byte 9)"),
        ("in a name", b"{\"\xc3\":1}", "invalid UTF-8 (byte 2)"),
        ("outside", b"{\"a\":\xff}", "a: invalid UTF-8 (byte 5)"),
        ("an encoded surrogate", b"{\"a\":\"\xed\xa0\x80\"}", "a: invalid UTF-8 (byte 6)"),
    ];
    for (name, body, want) in cases {
        assert_eq!(check(body).expect_err(name).to_string(), want, "{name}");
    }
}

#[test]
fn sixty_four_levels_are_accepted() {
    let body = format!(r#"{{"a":{}{}}}"#, "[".repeat(63), "]".repeat(63));
    assert!(check(body.as_bytes()).is_ok());
    let body = format!(r#"{{"a":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    assert!(check(body.as_bytes()).is_err());
}

#[test]
fn an_object_of_many_members_is_checked_in_linear_time() {
    let members: Vec<String> = (0..200_000).map(|n| format!(r#""k{n}":1"#)).collect();
    let body = format!(r#"{{"a":{{{}}}}}"#, members.join(","));
    assert!(check(body.as_bytes()).is_ok());
    let body = format!(r#"{{"a":{{{},"k\u00377":2}}}}"#, members.join(","));
    assert_eq!(check(body.as_bytes()).map_err(|fault| fault.reason).err(), Some(Reason::DuplicateKey("k77".into())));
}

#[test]
fn text_is_counted_and_payloads_are_not() {
    let payload = "QUJD".repeat(100);
    let cases = [
        ("a string", r#"{"a":"four"}"#.to_owned(), 4),
        ("escapes count as what they stand for", r#"{"a":"\n\u00e9\ud83d\ude00\/"}"#.to_owned(), 1 + 2 + 4 + 1),
        ("names below the top level", r#"{"a":{"role":"user"}}"#.to_owned(), 8),
        ("a data URL", format!(r#"{{"image_url":"data:image/png;base64,{payload}"}}"#), 0),
        ("a data URL in an array", format!(r#"{{"a":["data:image/png;base64,{payload}"]}}"#), 0),
        ("no data URL", r#"{"a":"data: four"}"#.to_owned(), 10),
        ("a prompt in a data URL", format!(r#"{{"a":"data:a/b;base64,{}"}}"#, "do this ".repeat(50)), 416),
        ("a data URL that is prose", format!(r#"{{"content":"data:a/b;base64,{payload}"}}"#), 416),
        ("data beside media_type", format!(r#"{{"s":{{"media_type":"image/png","data":"{payload}"}}}}"#), 10 + 9 + 4),
        ("data before format", format!(r#"{{"s":{{"data":"{payload}","format":"wav"}}}}"#), 4 + 6 + 3),
        ("data alone", format!(r#"{{"s":{{"data":"{payload}"}}}}"#), 4 + 400),
        ("a text document", r#"{"s":{"media_type":"text/plain","data":"some text"}}"#.to_owned(), 10 + 10 + 4 + 9),
        ("numbers are no text", r#"{"a":1,"b":true,"c":[null]}"#.to_owned(), 0),
        ("but in arrays they may be tokens", r#"{"prompt":[[1,2],[30]]}"#.to_owned(), 12),
    ];
    for (name, body, want) in cases {
        assert_eq!(check(body.as_bytes()).expect(name).text_bytes, want, "{name}");
    }
}

/// JSON text of all kinds, right and wrong.
fn json() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "[a-c]{0,3}".prop_map(|s| format!("\"{s}\"")),
        Just(r#""\u0061""#.to_owned()),
        Just(r#""\ud83d\ude00é""#.to_owned()),
        "\\PC{0,12}".prop_map(|s| Value::String(s).to_string()),
    ];
    let leaf = prop_oneof![
        string.clone(),
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| Value::from(n).to_string()),
        "-?[0-9]{1,3}(\\.[0-9]{0,2})?(e[+-]?[0-9]{0,4})?",
    ];
    let value = leaf.prop_recursive(4, 40, 6, move |inner| {
        let space = "[ \n]{0,2}";
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..5), space)
                .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!("{space},{space}")))),
            (proptest::collection::vec((string.clone(), inner), 0..6), space).prop_map(|(members, space)| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("{k}{space}:{v}")).collect();
                format!("{{{}{space}}}", members.join(","))
            }),
        ]
    });
    (value, proptest::option::of((any::<prop::sample::Index>(), "[\"{}\\[\\],:\\\\0 a\u{1}]"))).prop_map(
        |(text, flaw)| {
            let Some((at, with)) = flaw else { return text };
            let at = text.floor_char_boundary(at.index(text.len() + 1));
            format!("{}{with}{}", &text[..at], &text[at..])
        },
    )
}

/// JSON as the naive reader sees it: every name of every object, in order.
#[derive(Debug)]
enum Naive {
    Leaf,
    Array(Vec<Naive>),
    Object(Vec<(String, Naive)>),
}

impl Naive {
    fn is_ambiguous(&self) -> bool {
        match self {
            Self::Leaf => false,
            Self::Array(items) => items.iter().any(Self::is_ambiguous),
            Self::Object(members) => {
                let names: HashSet<_> = members.iter().map(|(name, _)| name).collect();
                names.len() < members.len() || members.iter().any(|(_, value)| value.is_ambiguous())
            }
        }
    }
}

impl<'de> serde::Deserialize<'de> for Naive {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Naive;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("anything")
            }
            fn visit_unit<E>(self) -> Result<Naive, E> {
                Ok(Naive::Leaf)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Naive, E> {
                Ok(Naive::Leaf)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Naive, E> {
                Ok(Naive::Leaf)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Naive, E> {
                Ok(Naive::Leaf)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Naive, E> {
                Ok(Naive::Leaf)
            }
            fn visit_str<E>(self, _: &str) -> Result<Naive, E> {
                Ok(Naive::Leaf)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Naive, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Naive::Array(items))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Naive, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Naive::Object(members))
            }
        }
        from.deserialize_any(Visitor)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Accepted is exactly what serde_json accepts, is an object, and holds no name twice; and the spans are true.
    #[test]
    fn strict_is_json_without_ambiguity(value in json()) {
        for body in [value.clone(), format!("{{\"a\":{value}}}")] {
            let naive = serde_json::from_str::<Naive>(&body);
            let want = matches!(&naive, Ok(naive @ Naive::Object(_)) if !naive.is_ambiguous());
            let got = check(body.as_bytes());
            prop_assert_eq!(got.is_ok(), want, "{}: {:?} {:?}", &body, got.err(), naive.err());
            let Ok(outline) = check(body.as_bytes()) else { continue };
            let tree: Value = serde_json::from_str(&body).expect("accepted");
            prop_assert_eq!(tree.as_object().expect("an object").len(), outline.members.len());
            for member in &outline.members {
                let name = std::str::from_utf8(&member.key).expect("names are UTF-8");
                let text = &body[member.value.range()];
                prop_assert_eq!(Some(&serde_json::from_str(text).expect("a value")), tree.get(name));
                if member.kind == Kind::String {
                    let text = string(body.as_bytes(), member.value);
                    prop_assert_eq!(Some(text.as_str()), tree[name].as_str());
                }
            }
        }
    }

    /// Whatever the bytes are, the answer is one or the other.
    #[test]
    fn no_bytes_do_harm(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        let framed = [b"{\"a\":\"", &body[..], b"\"}"].concat();
        for body in [body, framed] {
            if check(&body).is_ok() {
                prop_assert!(serde_json::from_slice::<Value>(&body).is_ok());
            }
        }
    }
}
