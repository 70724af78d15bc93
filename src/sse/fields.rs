//! From the bytes of one whole event to its fields.

use super::SseEvent;
use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use std::ops::Range;

impl SseEvent {
    /// Reads the fields of `raw`. `first`: it is the first of its stream, so a byte order mark is no text.
    pub(super) fn read(raw: Bytes, first: bool) -> Self {
        let mut fields = Fields::default();
        let bom = if first && raw.starts_with(BOM) { BOM.len() } else { 0 };
        for line in (Lines { bytes: &raw, at: bom }) {
            fields.take(&raw, line);
        }
        let data = match (&fields.joined, &fields.data) {
            (Some(joined), _) => Bytes::copy_from_slice(joined),
            (None, Some(range)) if !range.is_empty() => raw.slice(range.clone()),
            (None, _) => Bytes::new(),
        };
        let name = if fields.name.is_empty() { Bytes::new() } else { raw.slice(fields.name) };
        let data_at = if fields.joined.is_none() { fields.data.as_ref().map(|range| range.start) } else { None };
        Self { has_data: fields.data.is_some(), name, data, data_at, raw }
    }
}

impl SseEvent {
    /// The event without the bytes `cut` of its data, to be passed on instead of `raw`.
    ///
    /// An event whose data stands on several lines is written anew, with its name and data only.
    pub fn without(&self, cut: Range<usize>) -> Bytes {
        let end = cut.end.min(self.data.len());
        let start = cut.start.min(end);
        let mut out = Vec::with_capacity(self.raw.len() + 16);
        self.with_data(&[&self.data[..start], &self.data[end..]], &mut out);
        out.into()
    }

    /// Appends the event with other data, the pieces of `data` one behind the other, to be passed on instead of `raw`.
    ///
    /// An event whose data stands on several lines is written anew, with its name and data only.
    pub fn with_data(&self, data: &[&[u8]], out: &mut Vec<u8>) {
        if let Some(at) = self.data_at {
            out.extend_from_slice(&self.raw[..at]);
            data.iter().for_each(|piece| out.extend_from_slice(piece));
            out.extend_from_slice(&self.raw[at + self.data.len()..]);
            return;
        }
        if !self.name.is_empty() {
            out.extend_from_slice(b"event: ");
            out.extend_from_slice(&self.name);
            out.push(b'\n');
        }
        for line in data.concat().split(|byte| *byte == b'\n') {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        out.push(b'\n');
    }
}

/// U+FEFF in UTF-8.
pub(super) const BOM: &[u8; 3] = b"\xef\xbb\xbf";

#[derive(Default)]
struct Fields {
    name: Range<usize>,
    /// The first `data` line's value.
    data: Option<Range<usize>>,
    /// All of them, as soon as there are two.
    joined: Option<BytesMut>,
}

impl Fields {
    fn take(&mut self, raw: &[u8], line: Range<usize>) {
        let text = &raw[line.clone()];
        if let Some(value) = value_of(text, b"data") {
            let range = line.start + value..line.end;
            match (&self.data, &mut self.joined) {
                (None, _) => self.data = Some(range),
                (Some(_), Some(joined)) => {
                    joined.extend_from_slice(b"\n");
                    joined.extend_from_slice(&raw[range]);
                }
                (Some(first), None) => {
                    let mut joined = BytesMut::with_capacity(raw.len());
                    joined.extend_from_slice(&raw[first.clone()]);
                    joined.extend_from_slice(b"\n");
                    joined.extend_from_slice(&raw[range]);
                    self.joined = Some(joined);
                }
            }
        } else if let Some(value) = value_of(text, b"event") {
            self.name = line.start + value..line.end;
        }
    }
}

/// Where the value of `field` begins in `line`, if the line is of that field; one space behind the colon is not
/// part of it. A line without a colon is a field with an empty value.
fn value_of(line: &[u8], field: &[u8]) -> Option<usize> {
    match line.strip_prefix(field)? {
        [b':', b' ', ..] => Some(field.len() + 2),
        [b':', ..] => Some(field.len() + 1),
        [] => Some(line.len()),
        _ => None,
    }
}

/// The lines of one event, without their ends.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let Some(length) = memchr2(b'\n', b'\r', rest) else {
            self.at = self.bytes.len();
            return Some(start..self.bytes.len());
        };
        let end = if rest[length..].starts_with(b"\r\n") { length + 2 } else { length + 1 };
        self.at = start + end;
        Some(start..start + length)
    }
}
