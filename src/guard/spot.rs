//! What a guard that looks for something in a text says about it.

use std::ops::Range;

/// Bytes in front of a hit that a spotter may look at.
pub const CONTEXT: usize = 64;

/// Bytes from the beginning of a hit to where it is decided, what must follow it included: no more is ever held back of
/// a stream. What is longer grows ([`Grow`]).
pub const LONGEST: usize = 256;

/// Something that was found in a text.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Where, in bytes of the folded text; at most [`LONGEST`] bytes.
    pub at: Range<usize>,
    /// What it is, in lower case (`credit_card`); of a closed set.
    pub entity: &'static str,
    /// It goes on behind its end.
    pub grow: Option<Grow>,
}

/// How a hit that is longer than what is held back goes on.
#[derive(Debug, Clone, Copy)]
pub enum Grow {
    /// As long as bytes are of this class, which has ASCII bytes only.
    While(fn(u8) -> bool),
    /// To the end of this text, which is ASCII, but at most for so many bytes.
    Until(&'static str, usize),
}

/// Looks for something in texts.
///
/// # Laws
///
/// Both are held by a property test of [`Window`](super::Window): the edited stream equals the edited whole text.
///
/// 1. Whether a hit begins at a place depends on the text alone, on at most [`CONTEXT`] bytes before the place and
///    [`LONGEST`] behind it, and never on where the search began: `next(text, from)` is the first place at or behind
///    `from` at which a hit begins.
/// 2. Whatever is appended to `text`: hits that begin before `pending(text, from)` stay as they are, and no others
///    come up there. `pending` is never more than [`LONGEST`] bytes before the end of the text.
pub trait Spotter: Send + Sync {
    /// The first hit in `text` that begins at or behind `from`, a boundary of characters.
    fn next(&self, text: &str, from: usize) -> Option<Hit>;

    /// From where on `text` may hold a hit that further text makes, lengthens or takes away; `text.len()`: nowhere.
    fn pending(&self, text: &str, from: usize) -> usize;
}

/// The beginning of the longest tail of `text` behind `from` of at most `most` bytes that has bytes of `class` only:
/// the simplest [`Spotter::pending`].
pub fn tail_of(text: &str, from: usize, most: usize, class: impl Fn(u8) -> bool) -> usize {
    let least = from.max(text.len().saturating_sub(most));
    let bytes = &text.as_bytes()[least..];
    let tail = bytes.iter().rev().take_while(|&&byte| class(byte)).count();
    text.ceil_char_boundary(text.len() - tail)
}
