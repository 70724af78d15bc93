//! Dates of birth: dates with a word in front of them.

use super::ballot::{Ballot, Strength};
use super::checks::{is_day, value};
use super::codes::closes;
use super::digits::{Digits, opens};
use super::entity::Entity::DateOfBirth;
use super::look::Look;

/// Names of months from their beginnings, in English, German, French, Spanish, Italian, Portuguese and Dutch.
const MONTHS: &[&str] = &[
    "jan", "feb", "fev", "fev", "mar", "mar", "apr", "avr", "abr", "may", "mai", "mag", "mei", "maj", "jun", "juin",
    "giu", "jul", "juil", "lug", "aug", "aout", "aout", "ago", "sep", "set", "oct", "okt", "oto", "ott", "out", "nov",
    "dec", "dez", "dec", "dic", "ene", "gen", "maggio", "mayo", "maio",
];

/// A date at the start.
pub(super) fn vote(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    if !ballot.wants(DateOfBirth) || !opens(look) || ballot.near(DateOfBirth) == 0 {
        return;
    }
    let start = look.start();
    let end =
        if look.at(start).is_ascii_digit() { by_number(look).or_else(|| day_first(look)) } else { month_first(look) };
    if let Some(end) = end {
        ballot.offer(DateOfBirth, end, Strength::Word);
    }
}

/// `31/12/1980`, `1980-12-31`, `31.12.80`, `12-31-1980`.
fn by_number(look: &Look<'_>) -> Option<usize> {
    let digits = Digits::read(look, look.start());
    digits.numbers().find_map(|number| {
        let digits = number.digits;
        if !number.is_plain() && !matches!(number.separator, Some(b'/' | b'-' | b'.' | b' ')) {
            return None;
        }
        let (year, one, two) = match number.shape {
            0x224 => (&digits[4..], &digits[..2], &digits[2..4]),
            0x222 => (&digits[4..], &digits[..2], &digits[2..4]),
            0x124 => (&digits[3..], &digits[..1], &digits[1..3]),
            0x214 => (&digits[3..], &digits[..2], &digits[2..3]),
            0x114 => (&digits[2..], &digits[..1], &digits[1..2]),
            0x422 | 0x8 => (&digits[..4], &digits[4..6], &digits[6..]),
            _ => return None,
        };
        let sane = year.len() == 2 || matches!(value(year), 1_880..2_100);
        let day = is_day(0, value(one), value(two)) || is_day(0, value(two), value(one));
        (sane && day).then_some(number.end)
    })
}

/// `31 December 1980`, `31st of December, 1980`, `31. Dezember 1980`, `31-Dec-80`, `31 de diciembre de 1980`.
fn day_first(look: &Look<'_>) -> Option<usize> {
    let at = look.run(look.start(), |byte| byte.is_ascii_digit());
    if at - look.start() > 2 {
        return None;
    }
    let at = ["st", "nd", "rd", "th", ".", "o", "er"]
        .iter()
        .find(|word| look.word_at(at, word))
        .map_or(at, |word| at + word.len());
    let at = gap(look, at)?;
    let at = ["of ", "de "].iter().find(|word| look.word_at(at, word)).map_or(at, |word| at + word.len());
    year(look, month(look, at)?)
}

/// `December 31, 1980`, `Dec 31st 1980`.
fn month_first(look: &Look<'_>) -> Option<usize> {
    let at = gap(look, month(look, look.start())?)?;
    let end = look.run(at, |byte| byte.is_ascii_digit());
    if !(1..=2).contains(&(end - at)) {
        return None;
    }
    let end = ["st", "nd", "rd", "th"].iter().find(|word| look.word_at(end, word)).map_or(end, |_| end + 2);
    year(look, end)
}

fn gap(look: &Look<'_>, at: usize) -> Option<usize> {
    let end = look.run(at, |byte| matches!(byte, b' ' | b'-' | b'/' | b',' | b'.'));
    (1..=2).contains(&(end - at)).then_some(end)
}

fn month(look: &Look<'_>, at: usize) -> Option<usize> {
    let known = MONTHS.iter().any(|month| look.word_at(at, month));
    let end = look.run(at, |byte| byte.is_ascii_alphabetic() || byte >= 0x80);
    (known && end - at <= 11).then_some(end)
}

fn year(look: &Look<'_>, at: usize) -> Option<usize> {
    let at = gap(look, at)?;
    let at = ["of ", "de ", "del "].iter().find(|word| look.word_at(at, word)).map_or(at, |word| at + word.len());
    let end = look.run(at, |byte| byte.is_ascii_digit());
    let sane = match end - at {
        4 => matches!(look.at(at), b'1' | b'2'),
        2 => true,
        _ => false,
    };
    (sane && closes(look, end)).then_some(end)
}
