//! Texts that are hidden in a text: base64, hex, escapes, rot13, backwards, leet, letters spaced or split.
//!
//! A guard that decides about whole texts asks for [`views`] and looks at them as it looks at the text. Each form is
//! tried only where its trigger is there and gives at most one view, so there are at most [`MOST_VIEWS`]; none is much
//! longer than the text (what is split gets spaces: twice as long). Time is linear in the text. What is hidden twice
//! (base64 of rot13) is not found; nor are ciphers with a key, other languages backwards or in rot13, and words that are
//! split by spaces alone.
//!
//! Cost: 3 to 10 µs per KiB (one pass for the letters, one for the words); a view costs as much again to make.

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
    /// Many marks behind short pieces of words, close together.
    joints: bool,
}

/// What a byte is for [`Traces`]: bits.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const LEET: u8 = 4;
const JOINT: u8 = 8;
const ESCAPE: u8 = 16;
const OTHER: u8 = 32;
const GAP: u8 = 64;
/// Marks that stand in ordinary words and at their ends.
const PLAIN: u8 = 128;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0_u8; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0' | b'1' | b'3' | b'4' | b'5' | b'7' => DIGIT | LEET,
            b'0'..=b'9' => DIGIT,
            b'@' | b'$' | b'!' => LEET,
            b'|' => LEET | JOINT,
            b'-' | b'*' | b'~' | b'^' | b'+' => JOINT,
            b'%' | b'\\' => ESCAPE,
            b' ' | b'\t' | b'\n' | b'\r' => GAP,
            b'.' | b',' | b';' | b':' | b'?' | b'(' | b')' | b'\'' | b'"' => PLAIN,
            _ => OTHER,
        };
        byte += 1;
    }
    table
}

/// Numbers of [`Traces`] that go on from word to word.
#[derive(Default)]
struct Counts {
    hexes: usize,
    singles: u32,
    joints: u32,
    /// Where the first of the joints stands.
    first_joint: usize,
}

impl Traces {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut traces, mut counts) = (Self::default(), Counts::default());
        let (mut begin, mut classes) = (0, 0);
        for (at, &byte) in bytes.iter().enumerate() {
            let class = class_of(byte);
            if class == GAP {
                traces.word(bytes, begin, at, classes, &mut counts);
                (begin, classes) = (at + 1, 0);
            } else {
                classes |= class;
            }
        }
        traces.word(bytes, begin, bytes.len(), classes, &mut counts);
        traces
    }

    /// What stands between two spaces, all of whose classes are `classes`.
    #[inline]
    fn word(&mut self, bytes: &[u8], begin: usize, end: usize, classes: u8, counts: &mut Counts) {
        let length = end - begin;
        // An ordinary word has two letters side by side, mostly its first.
        let word = &bytes[begin..end];
        let ordinary = classes & (DIGIT | LEET | JOINT | ESCAPE) == 0 && length < runs::BASE64_LEAST as usize;
        if ordinary && word.windows(2).any(|two| class_of(two[0]) & class_of(two[1]) & LETTER != 0) {
            (counts.hexes, counts.singles) = (0, 0);
            return;
        }
        // `"ig" + "nore"`: the mark between two strings.
        let quote =
            |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| matches!(byte, b'"' | b'\''));
        self.joints |= length == 1 && bytes[begin] == b'+' && quote(begin.checked_sub(2)) && quote(Some(end + 1));
        if length > 0 {
            self.odd_word(word, begin, counts);
        }
    }

    fn odd_word(&mut self, word: &[u8], begin: usize, counts: &mut Counts) {
        let (mut run, mut piece) = (0_u32, 0_u32);
        let mut hexes = 0;
        for (at, &byte) in word.iter().enumerate() {
            let class = class_of(byte);
            let last = at.checked_sub(1).map_or(GAP, |at| class_of(word[at]));
            let next = word.get(at + 1).map_or(GAP, |&next| class_of(next));
            let in_run = class & (LETTER | DIGIT) != 0 || matches!(byte, b'+' | b'/' | b'-' | b'_');
            run = if in_run { run + 1 } else { 0 };
            self.long_run |= run >= runs::BASE64_LEAST;
            hexes += usize::from(byte.is_ascii_hexdigit());
            self.escapes += u32::from(class & ESCAPE != 0 && next & (LETTER | DIGIT) != 0);
            // `n0r`, `v10u`: between letters.
            let behind = if next & LEET == 0 { next } else { word.get(at + 2).map_or(GAP, |&next| class_of(next)) };
            self.leet += u32::from(class & LEET != 0 && last & behind & LETTER != 0);
            if class & LETTER != 0 {
                if last & LETTER == 0 && next & LETTER == 0 {
                    counts.singles += 1;
                    self.singles |= counts.singles >= letters::SINGLES_LEAST;
                } else if last & LETTER == 0 {
                    counts.singles = 0;
                }
                piece += 1;
                continue;
            }
            let short = (1..=letters::SHORT).contains(&piece);
            piece = 0;
            if class & JOINT != 0 && short && next & LETTER != 0 {
                let far = begin + at - counts.first_joint > letters::CLOSE;
                if far || counts.joints == 0 {
                    (counts.joints, counts.first_joint) = (0, begin + at);
                }
                counts.joints += 1;
                self.joints |= counts.joints >= letters::JOINTS_LEAST;
            }
        }
        self.joints |= word.windows(3).any(|three| matches!(three, br#""+""# | b"'+'"));
        // Hex digits, and `0x`, `\x`, colons and commas between them.
        counts.hexes = if hexes * 2 >= word.len() { counts.hexes + hexes } else { 0 };
        self.hex_run |= counts.hexes >= 2 * runs::HEX_LEAST;
    }
}

fn class_of(byte: u8) -> u8 {
    CLASS[usize::from(byte)]
}

#[cfg(test)]
mod tests;
