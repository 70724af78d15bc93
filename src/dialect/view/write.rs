//! Texts out of their places, and back into them.

use crate::{dialect::strict::escape, model::Form};
use bytes::{Bytes, BytesMut};
use std::{borrow::Cow, ops::Range};

/// The text that `raw`, which stands at a place of this `form`, holds. Borrowed where there is no escape.
///
/// Never fails: what is no UTF-8, and half of a surrogate pair, is U+FFFD; a backslash that escapes nothing stays.
pub fn decoded(form: Form, raw: &[u8]) -> Cow<'_, str> {
    match form {
        Form::String | Form::StringOfJson => {
            let text = super::cursor::inside(raw);
            match memchr::memchr(b'\\', text) {
                None => lossy(text),
                Some(_) => Cow::Owned(unescaped(text)),
            }
        }
        Form::Json | Form::Plain => lossy(raw),
    }
}

/// As [`String::from_utf8_lossy`], which steps through a text by its characters: most are UTF-8, which is seen ten times as fast.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// What must stand at a place of this `form` to hold `text`: for [`Form::Json`] that is JSON itself.
pub fn replacement(form: Form, text: &str) -> Bytes {
    match form {
        Form::String | Form::StringOfJson => Bytes::from(serde_json::to_vec(text).expect("a string always serializes")),
        Form::Json | Form::Plain => Bytes::copy_from_slice(text.as_bytes()),
    }
}

/// `body` with other bytes in the places of `edits`; all else stays byte for byte. One copy, none where there are no
/// edits.
///
/// The edits stand in the order of their places and do not overlap; one that does, or lies outside of the body, is left
/// out.
pub fn edited(body: &Bytes, edits: &[(Range<usize>, Bytes)]) -> Bytes {
    if edits.is_empty() {
        return body.clone();
    }
    let more: usize = edits.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut out = BytesMut::with_capacity(body.len() + more);
    let mut at = 0;
    for (place, bytes) in edits {
        let Some(kept) = body.get(at..place.start).filter(|_| place.start <= place.end && place.end <= body.len())
        else {
            debug_assert!(false, "edits are in order and inside of the body");
            continue;
        };
        out.extend_from_slice(kept);
        out.extend_from_slice(bytes);
        at = place.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out.freeze()
}

/// What an event says of one text alone: `data` with `text` at the place `at` and, of all else, only what tells where it
/// belongs. Nothing is said or done twice by an event that was told before: no calls of tools, no reasons of an end, no
/// usage, no probabilities. `sequence`: the event's number, where it has one, and what it is now.
///
/// `text` is JSON; data that is none is told as it stands, with `text` in it.
pub fn alone(data: &Bytes, at: &Range<usize>, text: &Bytes, sequence: Option<(Range<usize>, Bytes)>) -> Bytes {
    const MARK: &str = "\u{1}text\u{1}";
    let quoted = serde_json::Value::from(MARK).to_string();
    let with = |bytes: Bytes| {
        let mut edits: Vec<_> = sequence.clone().into_iter().chain([(at.clone(), bytes)]).collect();
        edits.sort_by_key(|(at, _)| at.start);
        edited(data, &edits)
    };
    let marked = serde_json::from_slice(&with(Bytes::from(quoted.clone())));
    let Some(alone) = marked.ok().and_then(|value| on_the_way(value, MARK, true)) else { return with(text.clone()) };
    let written = alone.to_string();
    let Some(found) = memchr::memmem::find(written.as_bytes(), quoted.as_bytes()) else { return with(text.clone()) };
    [&written.as_bytes()[..found], text, &written.as_bytes()[found + quoted.len()..]].concat().into()
}

/// Members that tell what an event is and where its text belongs.
const FRAME: [&str; 17] = [
    "content_index",
    "created",
    "createTime",
    "index",
    "item_id",
    "jsonPath",
    "model",
    "modelVersion",
    "object",
    "output_index",
    "responseId",
    "role",
    "sequence_number",
    "summary_index",
    "system_fingerprint",
    "thought",
    "type",
];

/// What of `value` leads to the string `mark`, with the frame around it; `None`: it is not in there.
fn on_the_way(value: serde_json::Value, mark: &str, top: bool) -> Option<serde_json::Value> {
    use serde_json::Value::{Array, Object, String as Text};
    match value {
        Text(text) => (text == mark).then_some(Text(text)),
        Array(items) => items.into_iter().find_map(|item| on_the_way(item, mark, false)).map(|item| Array(vec![item])),
        Object(members) => {
            let mut kept = serde_json::Map::new();
            let mut leads = false;
            for (name, member) in members {
                let frame = FRAME.contains(&&*name) || (top && name == "id");
                let scalar = !member.is_array() && !member.is_object();
                if frame && scalar && member != mark {
                    kept.insert(name, member);
                } else if let Some(member) = on_the_way(member, mark, false) {
                    leads = true;
                    kept.insert(name, member);
                }
            }
            leads.then_some(Object(kept))
        }
        _ => None,
    }
}

/// The text of a string's inside.
pub(super) fn unescaped(inside: &[u8]) -> String {
    let (mut out, mut rest) = (String::with_capacity(inside.len()), inside);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.push_str(&lossy(&rest[..at]));
        let behind = &rest[at + 1..];
        let length = match escape(behind) {
            Ok((character, length)) => {
                out.push(character);
                length
            }
            Err(_) if is_unit(behind) => {
                out.push(char::REPLACEMENT_CHARACTER);
                5
            }
            Err(_) => {
                out.push('\\');
                0
            }
        };
        rest = behind.get(length..).unwrap_or_default();
    }
    out.push_str(&lossy(rest));
    out
}

/// Whether four hexadecimal digits stand behind a `u`.
fn is_unit(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"u").and_then(|text| text.get(..4));
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}
