//! JSON on one line, as the data of an event must be.

use bytes::{BufMut, BytesMut};
use serde::Serialize;

/// Appends `value` to `out` without line ends: JSON of others that stands in it (a tool's arguments, members of the
/// request) may have some between its words, and an event's data would end there.
pub(super) fn json(value: &impl Serialize, out: &mut BytesMut) {
    let from = out.len();
    serde_json::to_writer(out.writer(), value).expect("texts, numbers and JSON always serialize");
    let written = &mut out[from..];
    // In valid JSON a bare line end stands between words only.
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'\n', b'\r', &written[at..]) {
        at += found;
        written[at] = b' ';
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn line_ends_between_words_become_spaces_and_those_in_strings_stay_escaped() {
        let raw = RawValue::from_string("{\r\n  \"a\":\n\"b\\n\"\n}".to_owned()).expect("JSON");
        let mut out = BytesMut::from(&b"data: x\n"[..]);
        json(&raw, &mut out);
        assert_eq!(out, &b"data: x\n{    \"a\": \"b\\n\" }"[..]);
    }
}
