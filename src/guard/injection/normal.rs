//! The normal form of a text, which patterns and features are made of: lower case, accents and look-alikes folded, spaces
//! squeezed.
//!
//! The fold of all guards ([`crate::guard::Folder`]) keeps case and may leave alone what this takes further; what it folds
//! already stays as it is here. The weights were trained on exactly this form: a change here needs a new training.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// What ASCII becomes: lower case, a space for everything that is none; `ODD` is anything else.
const ODD: u8 = 0xff;

static ASCII: [u8; 256] = ascii();

const fn ascii() -> [u8; 256] {
    let mut table = [ODD; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        table[byte] = if b <= b' ' || b == 127 { b' ' } else { b.to_ascii_lowercase() };
        byte += 1;
    }
    table
}

/// The normal form of `text`, which begins and ends with a space; `room` is used for it.
pub fn normalise<'a>(text: &str, room: &'a mut Vec<u8>) -> &'a str {
    room.clear();
    room.push(b' ');
    let mut rest = text;
    while !rest.is_empty() {
        let plain = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        push_ascii(&rest.as_bytes()[..plain], room);
        rest = &rest[plain..];
        let odd = rest.bytes().position(|byte| byte.is_ascii()).unwrap_or(rest.len());
        rest[..odd].chars().for_each(|character| push_odd(character, room));
        rest = &rest[odd..];
    }
    if !room.ends_with(b" ") {
        room.push(b' ');
    }
    std::str::from_utf8(room).expect("only whole characters were pushed")
}

/// Appends lower case with spaces squeezed; `out` is not empty.
fn push_ascii(text: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + text.len(), 0);
    let mut last = out[begin - 1];
    let mut end = begin;
    for &byte in text {
        let byte = ASCII[usize::from(byte)];
        out[end] = byte;
        // Not taken back but written over: no branch.
        end += usize::from(byte != b' ' || last != b' ');
        last = byte;
    }
    out.truncate(end);
}

fn push_odd(character: char, out: &mut Vec<u8>) {
    // Hangul's syllables stay whole.
    if ('\u{ac00}'..='\u{d7a3}').contains(&character) {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        return;
    }
    decompose_compatible(character, |part| {
        if is_combining_mark(part) {
            return;
        }
        for lower in part.to_lowercase() {
            let folded = look_alike(lower);
            if !(folded.is_whitespace() || folded.is_control()) {
                out.extend_from_slice(folded.encode_utf8(&mut [0; 4]).as_bytes());
            } else if !out.ends_with(b" ") {
                out.push(b' ');
            }
        }
    });
}

/// The ASCII letter that a lower-case letter of another alphabet looks like. The common ones of
/// <https://www.unicode.org/Public/security/latest/confusables.txt>.
const fn look_alike(character: char) -> char {
    match character {
        'а' | 'α' | 'ɑ' => 'a',
        'Ь' | 'ь' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ҽ' | 'ɛ' | 'ε' => 'e',
        'ɡ' | 'ց' => 'g',
        'һ' | 'հ' => 'h',
        'і' | 'ı' | 'ι' | 'ɩ' => 'i',
        'ј' => 'j',
        'κ' | 'к' => 'k',
        'ӏ' | 'ǀ' => 'l',
        'м' => 'm',
        'п' | 'ո' | 'η' => 'n',
        'о' | 'ο' | 'օ' | 'σ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' | 'ɾ' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ѡ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ү' => 'y',
        'ʐ' => 'z',
        '‘' | '’' | 'ʼ' | '′' => '\'',
        '“' | '”' | '„' | '«' | '»' => '"',
        '–' | '—' | '‐' | '−' => '-',
        '。' => '.',
        _ => character,
    }
}
