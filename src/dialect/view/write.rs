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
                None => String::from_utf8_lossy(text),
                Some(_) => Cow::Owned(unescaped(text)),
            }
        }
        Form::Json | Form::Plain => String::from_utf8_lossy(raw),
    }
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

/// The text of a string's inside.
pub(super) fn unescaped(inside: &[u8]) -> String {
    let (mut out, mut rest) = (String::with_capacity(inside.len()), inside);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.push_str(&String::from_utf8_lossy(&rest[..at]));
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
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// Whether four hexadecimal digits stand behind a `u`.
fn is_unit(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"u").and_then(|text| text.get(..4));
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}
