//! A text from one place on, which knows when it was asked for what has not come yet.

use crate::guard::{CONTEXT, LONGEST};
use std::cell::Cell;
use std::ops::Range;

/// A text as seen from a place at which a hit may begin: [`CONTEXT`] bytes before it, [`LONGEST`] behind it. Who looks
/// beyond the end of the text is told so afterwards ([`Look::cut`]): what it decided may change when more comes. So no
/// matcher needs a rule of its own for texts that come in pieces.
pub(super) struct Look<'a> {
    bytes: &'a [u8],
    start: usize,
    limit: usize,
    cut: Cell<bool>,
}

impl<'a> Look<'a> {
    pub(super) fn new(text: &'a str, start: usize) -> Self {
        let limit = text.len().min(start + LONGEST);
        Self { bytes: text.as_bytes(), start, limit, cut: Cell::new(false) }
    }

    /// Where the hit begins.
    pub(super) const fn start(&self) -> usize {
        self.start
    }

    /// The byte at `index`; 0 behind the end.
    #[inline]
    pub(super) fn at(&self, index: usize) -> u8 {
        if index < self.limit {
            return self.bytes[index];
        }
        if index < self.start + LONGEST {
            self.cut.set(true);
        }
        0
    }

    /// The byte so many steps before the start, at most [`CONTEXT`]; 0 before the beginning.
    #[inline]
    pub(super) fn back(&self, steps: usize) -> u8 {
        debug_assert!(steps <= CONTEXT, "no more is known");
        self.start.checked_sub(steps).map_or(0, |index| self.bytes[index])
    }

    /// The bytes before the start.
    pub(super) fn context(&self) -> &'a [u8] {
        &self.bytes[self.start.saturating_sub(CONTEXT)..self.start]
    }

    /// Bytes that were seen before.
    pub(super) fn seen(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range.start..range.end.min(self.limit)).unwrap_or_default()
    }

    /// Where the bytes of `class` from `from` on end.
    #[inline]
    pub(super) fn run(&self, from: usize, class: impl Fn(u8) -> bool) -> usize {
        let mut at = from;
        while class(self.at(at)) {
            at += 1;
        }
        at
    }

    /// Whether `word`, which is lower case, stands at `index`, in any case.
    pub(super) fn word_at(&self, index: usize, word: &str) -> bool {
        word.bytes().enumerate().all(|(offset, byte)| self.at(index + offset).to_ascii_lowercase() == byte)
    }

    /// Whether what was asked for goes beyond the end of the text.
    pub(super) fn cut(&self) -> bool {
        self.cut.get()
    }
}
