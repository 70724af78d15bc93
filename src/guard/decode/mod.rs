//! Texts that are hidden in a text: base64, hex, escapes, rot13, backwards, leet, letters spaced or split.
//!
//! A guard that decides about whole texts asks for [`views`] and looks at them as it looks at the text. Each form is
//! tried only where its trigger is there and gives at most one view, so there are at most [`MOST_VIEWS`]; none is much
//! longer than the text (what is split gets spaces: twice as long). Time is linear in the text. What is hidden twice
//! (base64 of rot13) is not found; nor are ciphers with a key, other languages backwards or in rot13, and words that are
//! split by spaces alone.
//!
//! Cost: about 2 µs per KiB of prose (one pass for the letters, one for the words); a view costs as much again.

mod letters;
mod runs;

use letters::{leet, looks_turned, reversed, rot13, spaced, split};
use runs::{base64, escaped, hex};

/// No text has more views.
pub const MOST_VIEWS: usize = 8;

/// A text that was hidden in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// How it was hidden: `base64`, `hex`, `escapes`, `rot13`, `reversed`, `leet`, `spaced`, `split`.
    pub form: &'static str,
    /// The text; not folded.
    pub text: String,
}

/// What is hidden in `text`, which is folded; empty for nearly all texts.
pub fn views(text: &str) -> Vec<View> {
    let mut views = Vec::new();
    let mut add = |form, text: Option<String>| views.extend(text.map(|text| View { form, text }));
    let traces = Traces::of(text);
    if traces.long_run {
        add("base64", base64(text));
    }
    if traces.hex_run {
        add("hex", hex(text));
    }
    if traces.escapes >= 3 {
        add("escapes", escaped(text));
    }
    if traces.leet >= 3 {
        add("leet", leet(text));
    }
    if traces.singles {
        add("spaced", spaced(text));
    }
    if traces.joints {
        add("split", split(text));
    }
    let turned = looks_turned(text);
    if turned.rot13 {
        add("rot13", Some(rot13(text)));
    }
    if turned.reversed {
        add("reversed", Some(reversed(text)));
    }
    views
}

/// What one pass over the bytes says about what may be hidden.
#[derive(Debug, Default)]
struct Traces {
    /// A run of letters, digits, `+/-_` that is long enough for base64.
    long_run: bool,
    /// Pairs of hex digits, alone or with marks between, that are many enough.
    hex_run: bool,
    /// `%41`, `\x41`, `\u0041`.
    escapes: u32,
    /// Digits and marks between letters.
    leet: u32,
    /// Many letters in a row that stand alone.
    singles: bool,
    /// Many marks between letters, close together.
    joints: bool,
}

/// What a byte is for [`Traces`]: bits.
const LETTER: u8 = 1;
const HEX: u8 = 2;
const RUN: u8 = 4;
const LEET: u8 = 8;
const JOINT: u8 = 16;
const ESCAPE: u8 = 32;
const GAP: u8 = 64;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0_u8; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut class = 0;
        if b.is_ascii_alphabetic() {
            class |= LETTER;
        }
        if b.is_ascii_hexdigit() {
            class |= HEX;
        }
        if b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_') {
            class |= RUN;
        }
        if matches!(b, b'0' | b'1' | b'3' | b'4' | b'5' | b'7' | b'@' | b'$' | b'!' | b'|') {
            class |= LEET;
        }
        if matches!(b, b'-' | b'*' | b'|' | b'~' | b'^' | b'+' | b'_' | b'.' | b'"' | b'\'' | b'/' | b'\\') {
            class |= JOINT;
        }
        if matches!(b, b'%' | b'\\') {
            class |= ESCAPE;
        }
        if matches!(b, b' ' | b'\t' | b'\n' | b'\r') {
            class |= GAP;
        }
        table[byte] = class;
        byte += 1;
    }
    table
}

impl Traces {
    fn of(text: &str) -> Self {
        const HEX_LEAST: u32 = 24;
        let bytes = text.as_bytes();
        let mut traces = Self::default();
        let (mut run, mut hexes, mut others) = (0_u32, 0_u32, 0_u32);
        let (mut singles, mut joints, mut block) = (0_u32, 0_u32, 0_usize);
        let (mut before, mut last) = (GAP, GAP);
        for (at, &byte) in bytes.iter().enumerate() {
            let class = class_of(byte);
            run = if class & RUN == 0 { 0 } else { run + 1 };
            traces.long_run |= run >= runs::BASE64_LEAST;
            if class & HEX != 0 {
                (hexes, others) = (hexes + 1, 0);
                traces.hex_run |= hexes >= HEX_LEAST;
            } else {
                others += 1;
                if others > 3 || (class & LETTER != 0 && !matches!(byte, b'x' | b'X')) {
                    hexes = 0;
                }
            }
            traces.escapes += u32::from(class & ESCAPE != 0);
            if class & LETTER != 0 {
                traces.leet += u32::from(last & LEET != 0 && before & LETTER != 0);
                if last & JOINT != 0 && before & LETTER != 0 {
                    joints = if at - block > letters::CLOSE { 1 } else { joints + 1 };
                    block = if joints == 1 { at } else { block };
                    traces.joints |= joints >= letters::JOINTS_LEAST;
                }
                // A letter between two that are none.
                let alone = last & LETTER == 0 && bytes.get(at + 1).is_none_or(|&next| class_of(next) & LETTER == 0);
                singles = if alone { singles + 1 } else { 0 };
                traces.singles |= singles >= letters::SINGLES_LEAST;
            }
            (before, last) = (last, class);
        }
        traces
    }
}

fn class_of(byte: u8) -> u8 {
    CLASS[usize::from(byte)]
}

#[cfg(test)]
mod tests;
