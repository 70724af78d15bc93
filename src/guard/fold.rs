//! The text that guards decide on: escapes decoded, look-alikes folded, what nobody sees left out; each piece of it knows
//! the original bytes that it stands for, on which edits are made.
//!
//! Each character is folded for itself, and an escape by itself: so a stream can be folded piece by piece, and where it
//! is cut does not matter. What an unfinished escape at the end is, shows when more comes.

mod chars;
mod looks;
mod escapes;

pub use chars::prepare;
use chars::{fold_char, is_unseen, same_length};
use escapes::{Escape, json, reference};
use std::ops::Range;

/// What is decoded beside characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// A text: HTML's character references are decoded.
    Text,
    /// The source of a JSON value: JSON's escapes are decoded as well.
    Json,
}

/// So many characters that nobody sees, in a row, stand for nothing; with each further one there is a gap: else an
/// original of any length would stand for a short text.
const MOST_UNSEEN: u32 = 16;

/// A piece of folded text and the original that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// Where it ends in the folded text.
    folded: usize,
    /// Where its original ends.
    raw: usize,
    /// Byte for byte the same; else it is one character or one escape, which has no inside.
    same: bool,
}

/// Folded text with its original. The front of the folded text may be context, whose original is gone.
#[derive(Debug)]
pub struct Folder {
    fold: Fold,
    /// Context, then what is held.
    text: String,
    /// Bytes of context.
    context: usize,
    /// The original of what is held, and an unfinished escape behind it.
    raw: String,
    /// Bytes of `raw` without the unfinished escape.
    done: usize,
    /// Empty: what is held is the same as its original.
    steps: Vec<Step>,
    /// Characters that nobody sees, in a row.
    unseen: u32,
}

impl Folder {
    /// Nothing yet.
    pub const fn new(fold: Fold) -> Self {
        Self { fold, text: String::new(), context: 0, raw: String::new(), done: 0, steps: Vec::new(), unseen: 0 }
    }

    /// How it folds.
    pub const fn fold(&self) -> Fold {
        self.fold
    }

    /// The folded text: context first, what is held from [`Self::held`] on.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where in the folded text begins what is held.
    pub const fn held(&self) -> usize {
        self.context
    }

    /// The original of what is held.
    pub fn raw(&self) -> &str {
        &self.raw[..self.done]
    }

    /// The same, with an unfinished escape behind it.
    pub fn all(&self) -> &str {
        &self.raw
    }

    /// Takes the next piece of the original.
    pub fn push(&mut self, piece: &str) {
        self.raw.push_str(piece);
        self.advance(false);
    }

    /// The original is whole: an unfinished escape is none.
    pub fn finish(&mut self) {
        if self.done < self.raw.len() {
            self.advance(true);
        }
    }

    fn advance(&mut self, last: bool) {
        let fresh = &self.raw[self.done..];
        let same = self.steps.is_empty();
        if same && self.unseen == 0 && fresh.is_ascii() && !fresh.bytes().any(|byte| self.fold.decodes(byte)) {
            self.text.push_str(fresh);
            self.done = self.raw.len();
            return;
        }
        if same && self.done > 0 {
            self.steps.push(Step { folded: self.text.len(), raw: self.done, same: true });
        }
        while self.done < self.raw.len() {
            let rest = &self.raw[self.done..];
            let plain = same_length(rest, |byte| self.fold.decodes(byte));
            if plain > 0 {
                self.unseen = 0;
                self.text.push_str(&rest[..plain]);
                self.step(plain, true);
                continue;
            }
            let escape = match (rest.as_bytes().first(), self.fold) {
                (Some(b'&'), _) => reference(rest, last),
                (Some(b'\\'), Fold::Json) => json(rest, last),
                _ => Escape::None,
            };
            let Some(first) = rest.chars().next() else { return };
            let (character, length) = match escape {
                Escape::Char(character, length) => (character, length),
                Escape::Unfinished => return,
                Escape::None => (first, first.len_utf8()),
            };
            self.fold_one(character, length);
        }
    }

    /// Folds `character`, which `length` bytes of the original stand for.
    fn fold_one(&mut self, character: char, length: usize) {
        if is_unseen(character) {
            self.unseen = self.unseen.saturating_add(1);
            if self.unseen > MOST_UNSEEN {
                self.text.push(' ');
            }
            return self.step(length, false);
        }
        self.unseen = 0;
        let before = self.text.len();
        fold_char(character, &mut self.text);
        let same = self.text[before..] == self.raw[self.done..self.done + length];
        self.step(length, same && length > 0);
    }

    /// The next `length` bytes of the original stand for what was appended to the text.
    fn step(&mut self, length: usize, same: bool) {
        self.done += length;
        let step = Step { folded: self.text.len(), raw: self.done, same };
        match self.steps.last_mut() {
            Some(last) if last.same && same => *last = step,
            _ => self.steps.push(step),
        }
    }

    /// The original of the folded bytes `at`, as a range of [`Self::raw`]; whole characters and escapes.
    pub fn raw_of(&self, at: &Range<usize>) -> Range<usize> {
        self.raw_begin(at.start)..self.raw_end(at.end).max(self.raw_begin(at.start))
    }

    /// Where the original of what begins at `at` begins.
    pub fn raw_begin(&self, at: usize) -> usize {
        if self.steps.is_empty() {
            return at.saturating_sub(self.context).min(self.done);
        }
        let index = self.steps.partition_point(|step| step.folded <= at);
        let Some(step) = self.steps.get(index) else { return self.done };
        let (folded, raw) = self.begin_of(index);
        if step.same { raw + at.saturating_sub(folded) } else { raw }
    }

    fn raw_end(&self, at: usize) -> usize {
        if self.steps.is_empty() {
            return at.saturating_sub(self.context).min(self.done);
        }
        let index = self.steps.partition_point(|step| step.folded < at);
        let Some(step) = self.steps.get(index) else { return self.done };
        let (folded, raw) = self.begin_of(index);
        if step.same { raw + at.saturating_sub(folded) } else { step.raw }
    }

    fn begin_of(&self, index: usize) -> (usize, usize) {
        index.checked_sub(1).and_then(|before| self.steps.get(before)).map_or((self.context, 0), |s| (s.folded, s.raw))
    }

    /// The first quote in `at` that is none of a JSON string's content but its beginning or end.
    pub fn quote(&self, mut at: Range<usize>) -> Option<usize> {
        loop {
            let quote = at.start + memchr::memchr(b'"', self.text.as_bytes().get(at.clone())?)?;
            let index = self.steps.partition_point(|step| step.folded <= quote);
            if self.steps.get(index).is_none_or(|step| step.same) {
                return Some(quote);
            }
            at.start = quote + 1;
        }
    }

    /// Lets go of the original in front of the folded place `to`; `keep` bytes before it stay as context.
    pub fn release(&mut self, to: usize, keep: usize) {
        let raw = if to >= self.text.len() { self.done } else { self.raw_begin(to) };
        let cut = self.text.floor_char_boundary(to.saturating_sub(keep));
        self.text.drain(..cut);
        self.raw.drain(..raw);
        self.done -= raw;
        self.context = to - cut;
        if !self.steps.is_empty() {
            self.steps.retain_mut(|step| {
                let stays = step.raw > raw;
                step.folded = step.folded.saturating_sub(cut);
                step.raw = step.raw.saturating_sub(raw);
                stays
            });
            if self.steps.iter().all(|step| step.same) && self.text.len() - self.context == self.done {
                self.steps.clear();
            }
        }
    }
}

impl Fold {
    const fn decodes(self, byte: u8) -> bool {
        byte == b'&' || (byte == b'\\' && matches!(self, Self::Json))
    }
}

/// `text` folded whole.
pub fn fold(text: &str) -> String {
    let mut folder = Folder::new(Fold::Text);
    folder.push(text);
    folder.finish();
    folder.text
}

#[cfg(test)]
mod tests;
