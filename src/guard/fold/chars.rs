//! Characters folded to what they look like, each for itself.
//!
//! What is done, in this order: characters that nobody sees are none; tag characters are the ASCII that they stand for;
//! digits of all scripts are `0` to `9`; what looks like ASCII is ASCII ([`looks`](super::looks)); the rest goes by
//! Unicode's compatibility composition (NFKC, UAX #15) of the single character, and letters of Latin, Greek, Cyrillic
//! and Armenian lose their accents, whether those are characters of their own or not. Case is kept.
//!
//! So a word in Cyrillic or Greek becomes a mixture (`пароль` is `пapoлb`): no use to read, but the same each time.
//! Whatever is compared with folded text is folded, too: a user's list of words works in each script, and finds a word
//! whether it is written with letters of one script or of several. Two words of different scripts that look alike
//! (`сор`, `cop`) are one. Kana, ideographs, Hangul, and the scripts of the Near East and of India keep their letters
//! and marks.
//!
//! Not done: what only a reader puts together (`|\/|`, `vv`), letters turned over, pictures of letters in emoji.

use super::looks::{CAPITALS, DIGITS, LOOKS, NUMBERS};
use std::collections::HashMap;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{decompose_canonical, decompose_compatible};

/// Makes the table, which takes some 5 ms: better when the gateway starts than within the first request that needs it.
pub fn prepare() {
    LazyLock::force(&TABLE);
}

/// Whether nobody sees it: zero width, direction marks, variation selectors, soft hyphens, fillers; and accents behind
/// their letter, which are taken off.
#[inline]
pub fn is_unseen(character: char) -> bool {
    code_of(character) == UNSEEN
}

/// How many bytes `text` begins with that are folded to themselves, up to the first byte that `stops`.
#[inline]
pub fn same_length(text: &str, stops: impl Fn(u8) -> bool) -> usize {
    let ends = |one: char| u8::try_from(one).ok().filter(u8::is_ascii).map_or_else(|| code_of(one) != SAME, &stops);
    text.find(ends).unwrap_or(text.len())
}

/// Appends what `character` folds to. ASCII stays as it is.
#[inline]
pub fn fold_char(character: char, out: &mut String) {
    match code_of(character) {
        SAME => out.push(character),
        UNSEEN => {}
        ELSEWHERE => rare(character, out),
        code @ 0x01..=0x7f => out.push(char::from(code as u8)),
        code => out.push_str(TABLE.text(code)),
    }
}

/// It is folded to itself.
const SAME: u16 = 0;
/// It is folded to nothing.
const UNSEEN: u16 = 0x80;
/// It stands behind the table's end.
const ELSEWHERE: u16 = 0x81;
/// From here on: places in the table's texts. Below [`UNSEEN`]: ASCII.
const TEXTS: u16 = 0x100;

/// Characters in a block of the table.
const BLOCK: usize = 128;
const BLOCKS: usize = 1024;
/// The table ends here.
const END: u32 = 0x2_0000;

#[inline]
fn code_of(character: char) -> u16 {
    let code = u32::from(character);
    match code {
        // Ideographs and Hangul need no look at the table.
        0..0x80 | 0x3400..0xa000 | 0xac00..0xd800 => SAME,
        0..END => TABLE.code(code),
        0xe_0020..=0xe_007e => (code - 0xe_0000) as u16,
        0xe_0000..=0xe_0fff => UNSEEN,
        // Ideographs for compatibility.
        0x2_f800..=0x2_fa1f => ELSEWHERE,
        _ => SAME,
    }
}

#[cold]
fn rare(character: char, out: &mut String) {
    decompose_compatible(character, |one| out.push(one));
}

/// What characters fold to, in two stages; made when the first is asked for ([`prepare`]).
struct Table {
    /// By a character's upper bits: the block's number.
    blocks: [u8; BLOCKS],
    codes: Vec<[u16; BLOCK]>,
    /// What several characters fold to, and what is not ASCII: places in `text`.
    places: Vec<(u16, u8)>,
    text: String,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

impl Table {
    #[inline]
    fn code(&self, code: u32) -> u16 {
        let block = self.blocks[code as usize / BLOCK % BLOCKS];
        self.codes[usize::from(block)][code as usize % BLOCK]
    }

    fn text(&self, code: u16) -> &str {
        let (from, length) = self.places[usize::from(code - TEXTS)];
        &self.text[usize::from(from)..usize::from(from) + usize::from(length)]
    }

    fn new() -> Self {
        let looks = looks();
        let mut table = Self { blocks: [0; BLOCKS], codes: Vec::new(), places: Vec::new(), text: String::new() };
        let mut known = HashMap::new();
        for (index, begin) in (0..END).step_by(BLOCK).enumerate() {
            let mut block = [SAME; BLOCK];
            for (code, entry) in (begin..).zip(&mut block) {
                *entry = table.entry(code, &looks, &mut known);
            }
            let number = table.codes.iter().position(|known| *known == block).unwrap_or_else(|| {
                table.codes.push(block);
                table.codes.len() - 1
            });
            table.blocks[index] = u8::try_from(number).expect("fewer blocks differ than a byte has values");
        }
        table
    }

    fn entry(&mut self, code: u32, looks: &Looks, known: &mut HashMap<String, u16>) -> u16 {
        let Some(character) = char::from_u32(code).filter(|character| !character.is_ascii()) else { return SAME };
        // Most: told without making anything.
        if !nobody_sees(character) && !looks.contains_key(&character) && (stays(code) || is_plain(character)) {
            return SAME;
        }
        let text = folded(character, looks);
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (None, _) => return UNSEEN,
            (Some(one), None) if one == character => return SAME,
            (Some(one), None) if one.is_ascii() => return one as u16,
            _ => {}
        }
        if let Some(known) = known.get(&text) {
            return *known;
        }
        let place = u16::try_from(self.text.len()).expect("what folds to several characters is short");
        let length = u8::try_from(text.len()).expect("no character folds to so much");
        let code = TEXTS + u16::try_from(self.places.len()).expect("not so many characters fold to others");
        self.text.push_str(&text);
        self.places.push((place, length));
        known.insert(text, code);
        code
    }
}

type Looks = HashMap<char, String>;

/// All that is folded by a list, and not by a rule.
fn looks() -> Looks {
    let pairs = LOOKS.iter().flat_map(|(ascii, like)| like.chars().map(|one| (one, (*ascii).to_owned())));
    let row = |begin: u32, count: u32, name: fn(u32) -> String| {
        (0..count).filter_map(move |at| Some((char::from_u32(begin + at)?, name(at))))
    };
    let digit = |at: u32| at.to_string();
    let digits = DIGITS.iter().flat_map(move |begin| row(*begin, 10, digit));
    let capital = |at: u32| char::from(b'A' + at as u8).to_string();
    let capitals = CAPITALS.iter().flat_map(move |begin| row(*begin, 26, capital));
    let number = |at: u32| (at + 1).to_string();
    let numbers = NUMBERS.iter().flat_map(move |(begin, count)| row(*begin, *count, number));
    let others = [('\u{24ff}', "0".to_owned()), ('\u{1f10c}', "0".to_owned())];
    pairs.chain(digits).chain(capitals).chain(numbers).chain(others).collect()
}

/// Whether it has no decomposition.
fn is_plain(character: char) -> bool {
    let mut plain = true;
    decompose_compatible(character, |one| plain &= one == character);
    plain
}

/// What `character` folds to, so far that it folds no further.
fn folded(character: char, looks: &Looks) -> String {
    if nobody_sees(character) {
        return String::new();
    }
    if let Some(ascii) = looks.get(&character) {
        return ascii.clone();
    }
    if stays(u32::from(character)) {
        return character.into();
    }
    let composed: Vec<char> = std::iter::once(character).nfkc().collect();
    // A space with an accent is an accent, not a space.
    if composed.len() > 1 && composed[0] == ' ' {
        return character.into();
    }
    let mut text = String::new();
    for one in composed {
        let mut parts = Vec::new();
        decompose_canonical(one, |part| parts.push(part));
        let accented = parts.len() > 1 && matches!(u32::from(parts[0]), 0..0x590);
        match (accented, one == character) {
            // Its accents are characters that nobody sees; so are those that stand apart.
            (true, _) => parts.into_iter().for_each(|part| text.push_str(&folded(part, looks))),
            (false, true) => text.push(one),
            (false, false) => text.push_str(&folded(one, looks)),
        }
    }
    text
}

/// Source: `Default_Ignorable_Code_Point` of the Unicode character database, marks of interlinear annotations, the C1
/// controls; and the combining marks of no script of their own.
const fn nobody_sees(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}'
        | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{20d0}'..='\u{20ff}' | '\u{2de0}'..='\u{2dff}' | '\u{3164}' | '\u{a66f}'..='\u{a672}'
        | '\u{a674}'..='\u{a67d}' | '\u{a69e}'..='\u{a69f}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
}

/// Ideographs, Hangul (whose decomposition is of no use to lists of words), what is for private use, and large scripts
/// that have no compatibility characters.
const fn stays(code: u32) -> bool {
    matches!(code,
        0x3130..=0x318f | 0x3200..=0x321e | 0x3260..=0x327e | 0x3400..=0x9fff | 0xac00..=0xf8ff | 0xffa0..=0xffdc
        | 0x1_2000..=0x1_ccd5 | 0x1_ccfa..=0x1_cfff)
}

#[cfg(test)]
#[path = "chars_tests.rs"]
mod tests;
