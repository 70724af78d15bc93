//! Postal addresses: a number and a street. Best effort: districts, villages without streets and most of the world's
//! ways to write an address are missed.

use super::ballot::{Ballot, Strength};
use super::entity::Entity::Address;
use super::look::Look;

/// Behind the name of the street.
const SUFFIXES: &[&str] = &[
    "street",
    "st",
    "avenue",
    "ave",
    "road",
    "rd",
    "boulevard",
    "blvd",
    "lane",
    "ln",
    "drive",
    "dr",
    "court",
    "ct",
    "way",
    "square",
    "sq",
    "place",
    "pl",
    "terrace",
    "ter",
    "parkway",
    "pkwy",
    "circle",
    "cir",
    "highway",
    "hwy",
    "close",
    "crescent",
    "gardens",
    "grove",
    "row",
    "walk",
    "mews",
    "trail",
    "loop",
    "alley",
    "plaza",
    "ridge",
    "hill",
    "park",
    "green",
    "view",
];

/// In front of it.
const PREFIXES: &[&str] = &[
    "rue ",
    "avenue ",
    "boulevard ",
    "place ",
    "chemin ",
    "impasse ",
    "allee ",
    "quai ",
    "route ",
    "calle ",
    "avenida ",
    "av. ",
    "plaza ",
    "paseo ",
    "via ",
    "viale ",
    "piazza ",
    "corso ",
    "rua ",
    "travessa ",
    "praca ",
];

/// Ends of German and Dutch names of streets.
const ENDINGS: &[&str] =
    &["straße", "strasse", "str.", "weg", "platz", "allee", "gasse", "damm", "ufer", "straat", "laan", "plein"];

/// An address at the start.
pub(super) fn vote(ballot: &mut Ballot<'_>) {
    if !ballot.wants(Address) {
        return;
    }
    let look = ballot.look;
    let first = look.at(look.start());
    let street = match first {
        b'0'..=b'9' if !matches!(look.back(1), b'.' | b',' | b'-' | b'$' | b'/') => numbered(look),
        b'A'..=b'Z' | b'a'..=b'z' => named(look),
        _ => None,
    };
    if let Some(end) = street {
        ballot.offer(Address, town(look, end), Strength::Shape);
    }
}

/// `221B Baker Street`, `12 bis rue de la Paix`.
fn numbered(look: &Look<'_>) -> Option<usize> {
    let mut at = look.run(look.start(), |byte| byte.is_ascii_digit());
    if at - look.start() > 5 {
        return None;
    }
    at += usize::from(look.at(at).is_ascii_alphabetic() && !look.at(at + 1).is_ascii_alphanumeric());
    at = look.run(at, |byte| byte == b',');
    if look.at(at) != b' ' {
        return None;
    }
    at += 1;
    if look.word_at(at, "bis ") || look.word_at(at, "ter ") {
        at += 4;
    }
    if PREFIXES.iter().any(|prefix| look.word_at(at, prefix)) {
        return Some(words(look, at, 6));
    }
    for place in 0..5 {
        let end = word(look, at);
        if end == at || !(look.at(at).is_ascii_uppercase() || look.at(at).is_ascii_digit()) {
            return None;
        }
        let suffix = place > 0 && SUFFIXES.iter().any(|suffix| suffix.len() == end - at && look.word_at(at, suffix));
        if suffix {
            return Some(end + usize::from(look.at(end) == b'.' && look.at(end + 1) == b','));
        }
        at = end + usize::from(look.at(end) == b'.');
        if look.at(at) != b' ' {
            return None;
        }
        at += 1;
    }
    None
}

/// `Hauptstraße 5a`, `Via Roma, 12`, `Calle Mayor 3`, `P.O. Box 12`.
fn named(look: &Look<'_>) -> Option<usize> {
    let start = look.start();
    let boxed = ["po box ", "p.o. box "].iter().find(|word| look.word_at(start, word));
    let end = if let Some(word) = boxed {
        start + word.len() - 1
    } else if look.at(start).is_ascii_uppercase() && PREFIXES.iter().any(|prefix| look.word_at(start, prefix)) {
        words(look, start, 6)
    } else {
        let end = look.run(start, |byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'.' | 0x80..=0xdf));
        let street = look.seen(start..end);
        let named = ENDINGS.iter().any(|ending| street.len() > ending.len() + 2 && street.ends_with(ending.as_bytes()));
        if !named || !look.at(start).is_ascii_uppercase() {
            return None;
        }
        end
    };
    let at = look.run(end, |byte| byte == b',' || byte == b' ');
    let number = look.run(at, |byte| byte.is_ascii_digit());
    let letter = look.at(number).is_ascii_lowercase() && !look.at(number + 1).is_ascii_alphanumeric();
    ((1..=5).contains(&(number - at)) && at - end <= 2 && at > end).then_some(number + usize::from(letter))
}

/// The end of up to `most` words of a street's name: capitalised ones, and small ones between them.
fn words(look: &Look<'_>, from: usize, most: usize) -> usize {
    let (mut at, mut end) = (from, from);
    for place in 0..most {
        let stop = word(look, at);
        if stop == at {
            break;
        }
        let large = place == 0 || look.at(at).is_ascii_uppercase() || look.at(at) == 0xc3;
        if large {
            end = stop;
        } else if stop - at > 4 {
            break;
        }
        if look.at(stop) != b' ' {
            break;
        }
        at = stop + 1;
    }
    end
}

/// With flat, town, state and code, as far as they follow.
fn town(look: &Look<'_>, from: usize) -> usize {
    let mut end = from;
    for _ in 0..3 {
        let at = look.run(end, |byte| matches!(byte, b',' | b' ' | b'\n'));
        if at == end || at - end > 2 {
            return end;
        }
        let comma = look.at(end) != b' ';
        let flat = ["apt", "suite", "unit", "flat", "ste", "#"].iter().any(|word| look.word_at(at, word));
        let code = look.run(at, |byte| byte.is_ascii_digit()) - at;
        let next = if flat {
            let gap = look.run(at, |byte| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'#' | b' '));
            look.run(gap, |byte| byte.is_ascii_alphanumeric())
        } else if (4..=5).contains(&code) && comma {
            let gap = at + code;
            if look.at(gap) == b' ' && look.at(gap + 1).is_ascii_uppercase() { words(look, gap + 1, 2) } else { gap }
        } else if comma && look.at(at).is_ascii_uppercase() {
            state(look, words(look, at, 3))
        } else {
            return end;
        };
        if next - look.start() > 160 {
            return end;
        }
        end = next;
    }
    end
}

/// `, CA 94105-1234`, ` SW1A 1AA`.
fn state(look: &Look<'_>, end: usize) -> usize {
    let at = look.run(end, |byte| matches!(byte, b',' | b' '));
    if at - end > 2 || at == end {
        return end;
    }
    let letters = look.run(at, |byte| byte.is_ascii_uppercase());
    let from = if letters - at == 2 && look.at(letters) == b' ' { letters + 1 } else { at };
    let digits = look.run(from, |byte| byte.is_ascii_digit() || byte == b'-');
    if digits - from >= 5 { digits } else { end }
}

fn word(look: &Look<'_>, from: usize) -> usize {
    look.run(from, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'\'' | b'-' | 0x80..=0xdf))
}
