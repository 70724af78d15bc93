//! JSON web tokens (RFC 7519): three parts of base64url, of which the first is JSON that names an algorithm.

use super::reader::{Reader, url};
use crate::guard::{Grow, Hit};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Characters of a header that are looked at: what is longer (a header with certificates in it) is not known as one.
const MOST_HEADER: usize = 220;
/// Characters of the second part that must be there.
const LEAST_PAYLOAD: usize = 8;

pub(super) fn find(text: &Reader<'_>, at: usize, _length: usize) -> Option<Hit> {
    if !super::rule::stands_apart(text, at) {
        return None;
    }
    text.begin(at);
    let dot = text.run(at, MOST_HEADER + 1, url);
    if dot - at > MOST_HEADER || text.get(dot) != Some(b'.') || !names_algorithm(text.slice(at, dot)) {
        return None;
    }
    let end = text.run(dot + 1, LEAST_PAYLOAD, url);
    // An encrypted one whose key is agreed on directly has an empty second part (RFC 7516).
    let direct = end == dot + 1 && text.get(end) == Some(b'.');
    (direct || end - dot > LEAST_PAYLOAD).then_some(Hit { at: at..end, entity: "jwt", grow: Some(Grow::While(more)) })
}

fn more(byte: u8) -> bool {
    url(byte) || byte == b'.'
}

fn names_algorithm(header: &[u8]) -> bool {
    let mut json = [0_u8; MOST_HEADER];
    let Ok(length) = URL_SAFE_NO_PAD.decode_slice(header, &mut json) else { return false };
    let json = json.get(..length).unwrap_or_default().trim_ascii();
    json.starts_with(b"{") && json.ends_with(b"}") && memchr::memmem::find(json, b"\"alg\"").is_some()
}
