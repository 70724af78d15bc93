//! A cursor over JSON that tells places. It is lenient: what a provider sends was not checked, and what a reader makes
//! of it is not known. What it cannot read makes it *broken*, and then it stands at the end: every loop over it is over.

use crate::dialect::strict::plain_run;
use std::{borrow::Cow, ops::Range};

/// Containers inside one another that are walked into: what lies deeper is taken as one value.
const MOST_DEEP: usize = 64;

/// What kind of value the cursor stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Array,
    Object,
    /// A number, `true`, `false`.
    Scalar,
    Null,
    /// None: the end, or no JSON.
    Nothing,
}

/// Where it stands.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    broken: bool,
    /// There was a backslash in the last string.
    escaped: bool,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0, broken: false, escaped: false }
    }

    /// What stands at `place`.
    pub(super) fn slice(&self, place: &Range<usize>) -> &'a [u8] {
        self.bytes.get(place.clone()).unwrap_or_default()
    }

    /// All of it.
    pub(super) const fn all(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where it stands.
    pub(super) const fn place(&self) -> usize {
        self.at
    }

    /// Goes to `at`, where a value begins.
    pub(super) const fn goto(&mut self, at: usize) {
        self.at = at;
    }

    /// Whether everything was read, and nothing is left.
    pub(super) fn whole(&mut self) -> bool {
        self.peek_byte().is_none() && !self.broken
    }

    /// Whether what comes lies too deep to be walked into.
    pub(super) const fn too_deep(&self) -> bool {
        self.depth >= MOST_DEEP
    }

    /// What kind of value comes.
    #[inline]
    pub(super) fn peek(&mut self) -> Kind {
        match self.peek_byte() {
            Some(b'"') => Kind::String,
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'n') => Kind::Null,
            Some(b',' | b':' | b']' | b'}') | None => Kind::Nothing,
            Some(_) => Kind::Scalar,
        }
    }

    /// Goes into the container that comes.
    pub(super) fn enter(&mut self) {
        match self.peek() {
            Kind::Object | Kind::Array => {
                self.depth += 1;
                self.at += 1;
            }
            _ => self.give_up(),
        }
    }

    /// The name of the next member, unescaped; its value comes. `None`: the object is over.
    #[inline]
    pub(super) fn key(&mut self) -> Option<Cow<'a, [u8]>> {
        if !self.next(b'}') {
            return None;
        }
        if self.peek() != Kind::String {
            self.give_up();
            return None;
        }
        let place = self.string();
        if self.peek_byte() != Some(b':') {
            self.give_up();
            return None;
        }
        self.at += 1;
        let name = inside(self.slice(&place));
        Some(if self.escaped { Cow::Owned(super::write::unescaped(name).into_bytes()) } else { Cow::Borrowed(name) })
    }

    /// Whether another element comes; else the array is over.
    #[inline]
    pub(super) fn more(&mut self) -> bool {
        self.next(b']')
    }

    fn next(&mut self, end: u8) -> bool {
        loop {
            match self.peek_byte() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => {
                    self.at += 1;
                    self.depth -= usize::from(self.depth > 0);
                    return false;
                }
                Some(b']' | b'}' | b':') | None => {
                    self.give_up();
                    return false;
                }
                Some(_) => return true,
            }
        }
    }

    /// Goes behind the value that comes; returns its place.
    #[inline]
    pub(super) fn skip(&mut self) -> Range<usize> {
        match self.peek() {
            Kind::String => self.string(),
            Kind::Object | Kind::Array => self.container(),
            Kind::Scalar | Kind::Null => {
                let from = self.at;
                let rest = self.bytes.get(from..).unwrap_or_default();
                let over = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\n' | b'\r' | b'\t' | b'"');
                self.at += rest.iter().position(over).unwrap_or(rest.len());
                from..self.at
            }
            Kind::Nothing => {
                self.give_up();
                self.at..self.at
            }
        }
    }

    /// Goes behind the value that comes.
    #[inline]
    pub(super) fn pass(&mut self) {
        self.skip();
    }

    /// Goes behind the value that comes, and tells where it begins in `place`. What is told twice cannot be read in one way
    /// only.
    pub(super) fn mark(&mut self, place: &mut Option<usize>) {
        let at = self.skip().start;
        if place.replace(at).is_some() {
            self.give_up();
        }
    }

    /// Goes behind the string that comes, whose quote stands here; returns its place, with its quotes.
    #[inline]
    pub(super) fn string(&mut self) -> Range<usize> {
        let from = self.at;
        self.at += 1;
        self.escaped = false;
        loop {
            self.at += plain_run(self.bytes.get(self.at..).unwrap_or_default());
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return from..self.at;
                }
                Some(b'\\') => {
                    self.escaped = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
                None => {
                    self.give_up();
                    return from..self.at;
                }
            }
        }
    }

    fn container(&mut self) -> Range<usize> {
        let (from, mut open) = (self.at, 0_usize);
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.string();
                    continue;
                }
                Some(b'{' | b'[') => open += 1,
                Some(b'}' | b']') => {
                    open -= 1;
                    if open == 0 {
                        self.at += 1;
                        return from..self.at;
                    }
                }
                Some(_) => {}
                None => {
                    self.give_up();
                    return from..self.at;
                }
            }
            self.at += 1;
        }
    }

    /// The number that comes, if it is a whole one and not negative.
    pub(super) fn number(&mut self) -> Option<u64> {
        let place = self.skip();
        std::str::from_utf8(self.slice(&place)).ok()?.parse().ok()
    }

    /// Whether `true` comes.
    pub(super) fn flag(&mut self) -> bool {
        let place = self.skip();
        self.slice(&place) == b"true"
    }

    /// The word that comes: what is inside of its quotes; empty if it is no string.
    pub(super) fn word(&mut self) -> &'a [u8] {
        let string = self.peek() == Kind::String;
        let place = self.skip();
        if string { inside(self.slice(&place)) } else { b"" }
    }

    #[inline]
    fn peek_byte(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    #[cold]
    const fn give_up(&mut self) {
        self.broken = true;
        self.at = self.bytes.len();
    }
}

/// What stands between the quotes of a string.
pub(super) fn inside(string: &[u8]) -> &[u8] {
    string.get(1..string.len().saturating_sub(1)).unwrap_or_default()
}
