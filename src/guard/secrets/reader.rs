//! Reads a text and remembers whether its end was met: what was read without that is decided.

use std::cell::Cell;

/// A class of ASCII bytes.
pub(super) type Class = fn(u8) -> bool;

/// A text that may go on, and a place in it where something may begin.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    over: Cell<bool>,
    begins: Cell<usize>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, over: Cell::new(false), begins: Cell::new(usize::MAX) }
    }

    /// The byte at this place; `None` at the end, which is remembered.
    pub(super) fn get(&self, at: usize) -> Option<u8> {
        let byte = self.bytes.get(at).copied();
        if byte.is_none() {
            self.over.set(true);
        }
        byte
    }

    /// Where the run of bytes of `class` ends that begins here; it has at most `most` bytes.
    pub(super) fn run(&self, at: usize, most: usize, class: impl Fn(u8) -> bool) -> usize {
        let mut end = at;
        while end - at < most && self.get(end).is_some_and(&class) {
            end += 1;
        }
        end
    }

    /// Whether `literal` stands here.
    pub(super) fn literal(&self, at: usize, literal: &str) -> bool {
        literal.bytes().enumerate().all(|(index, byte)| self.get(at + index) == Some(byte))
    }

    /// What was read already, or stands in front.
    pub(super) fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// The byte in front of this place.
    pub(super) fn before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).and_then(|at| self.bytes.get(at)).copied()
    }

    /// From here on a hit may begin.
    pub(super) fn begin(&self, at: usize) {
        if self.begins.get() == usize::MAX {
            self.begins.set(at);
        }
    }

    /// From where on more text may change what was found out.
    pub(super) fn open(&self) -> Option<usize> {
        (self.over.get() && self.begins.get() < self.bytes.len()).then(|| self.begins.get())
    }
}

pub(super) const fn digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

pub(super) const fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

pub(super) const fn alpha(byte: u8) -> bool {
    byte.is_ascii_alphabetic()
}

pub(super) const fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

pub(super) const fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

pub(super) const fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// Base64 of RFC 4648 §5, without padding.
pub(super) const fn url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Base64 of RFC 4648 §4, without padding.
pub(super) const fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// Both kinds of base64, with padding.
pub(super) const fn any64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// What the parts of a dotted token have, and the dots.
pub(super) const fn dotted(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=')
}

/// A UUID's digits and dashes.
pub(super) const fn uuid(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'-'
}

/// Percent-encoded base64.
pub(super) const fn percent(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'-' | b'_' | b'+' | b'/' | b'=')
}
