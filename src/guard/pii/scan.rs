//! Where a hit may begin: one pass over the bytes, which leaves words without digits and `@` alone.

use super::entity::{Entity, Set};
use std::ops::Range;

const SPACE: u8 = 1;
const DIGIT: u8 = 2;
const AT: u8 = 4;
const CAPITAL: u8 = 8;
const DOT: u8 = 16;

/// What each byte is.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' ' | b'\n' | b'\r' | b'\t' => SPACE,
            b'0'..=b'9' => DIGIT,
            b'@' => AT,
            b'A'..=b'Z' | 0xc3 => CAPITAL,
            b'.' | b'/' => DOT,
            _ => 0,
        };
        byte += 1;
    }
    classes
}

/// Finds the words in which a hit may begin.
pub(super) struct Scan {
    /// A word with one of these.
    wanted: u8,
    /// All words: values are told by the word in front of them.
    all: bool,
}

impl Scan {
    pub(super) fn new(on: Set) -> Self {
        let mut wanted = DIGIT | AT;
        if on.meets(Set::of(&[Entity::Person, Entity::Address, Entity::SwiftBic, Entity::VehiclePlate])) {
            wanted |= CAPITAL;
        }
        if on.has(Entity::Url) {
            wanted |= DOT;
        }
        Self { wanted, all: on.meets(Set::of(&[Entity::Username, Entity::Password])) || on.has(Entity::Address) }
    }

    /// The words from `from` on in which a hit may begin, in order: what stands between spaces. Every hit begins in one
    /// with a digit, an `@` or, where `wanted` says so, something else behind the beginning; or in one with nothing but
    /// a space between it and a digit (`AB 12 34 56 C`, `March 3`).
    pub(super) fn chunks<'a>(&'a self, text: &'a str, from: usize) -> impl Iterator<Item = Range<usize>> + 'a {
        let bytes = text.as_bytes();
        let mut at = from;
        std::iter::from_fn(move || {
            loop {
                let start = at;
                let mut classes = 0;
                let mut end = start;
                while let Some(&byte) = bytes.get(end) {
                    let class = CLASS[usize::from(byte)];
                    if class == SPACE {
                        break;
                    }
                    classes |= class;
                    end += 1;
                }
                let next = bytes.get(end + 1).copied().unwrap_or(0);
                at = end + 1;
                let wanted = classes & self.wanted != 0 || next.is_ascii_digit() || self.all;
                if wanted && end > start {
                    return Some(start..end);
                }
                if end >= bytes.len() {
                    return None;
                }
            }
        })
    }
}

/// Whether a word, a number or a sign that a number begins with begins at `at`.
pub(super) fn is_start(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    // `\n` in what is JSON inside of JSON, of which one layer of escapes was decoded.
    let escape = matches!(before, b'n' | b'r' | b't') && at >= 2 && bytes[at - 2] == b'\\';
    let before = if escape { b' ' } else { before };
    match bytes[at] {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => !before.is_ascii_alphanumeric(),
        b'+' | b'(' | b':' => true,
        // The first byte of a character of two bytes: letters of alphabets.
        0xc3..=0xdf => before < 0x80 && !before.is_ascii_alphanumeric(),
        b'_' => !before.is_ascii_alphanumeric(),
        byte => byte > b' ' && byte < 0x7f && matches!(before, b' ' | b'"' | b'\'' | b'`' | b':' | b'='),
    }
}
