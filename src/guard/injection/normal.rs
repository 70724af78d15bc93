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

/// Replaces `out` by the normal form of `text`, which begins and ends with a space.
pub fn normalise(text: &str, out: &mut String) {
    out.clear();
    out.reserve(text.len() + 2);
    out.push(' ');
    let mut rest = text;
    let mut last = b' ';
    while !rest.is_empty() {
        let plain = rest.bytes().take_while(u8::is_ascii).count();
        for &byte in &rest.as_bytes()[..plain] {
            let byte = ASCII[usize::from(byte)];
            if byte != b' ' || last != b' ' {
                out.push(char::from(byte));
            }
            last = byte;
        }
        rest = &rest[plain..];
        let odd = rest.bytes().take_while(|byte| !byte.is_ascii()).count();
        for character in rest[..odd].chars() {
            fold(character, out);
        }
        if odd > 0 {
            last = out.as_bytes().last().copied().unwrap_or(b' ');
        }
        rest = &rest[odd..];
    }
    if last != b' ' {
        out.push(' ');
    }
}

fn fold(character: char, out: &mut String) {
    // Hangul's syllables stay whole.
    if ('\u{ac00}'..='\u{d7a3}').contains(&character) {
        return out.push(character);
    }
    decompose_compatible(character, |part| {
        if is_combining_mark(part) {
            return;
        }
        for lower in part.to_lowercase() {
            let folded = look_alike(lower);
            let space = folded.is_whitespace() || folded.is_control();
            if !space {
                out.push(folded);
            } else if !out.ends_with(' ') {
                out.push(' ');
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
