//! Phone numbers: international ones by country code and length, national ones by how they are written, others by the
//! word in front of them.
//!
//! Lengths: <https://en.wikipedia.org/wiki/List_of_country_calling_codes> and the national numbering plans that it
//! links (North America: <https://en.wikipedia.org/wiki/North_American_Numbering_Plan>).

use super::ballot::{Ballot, Strength};
use super::digits::{Digits, Number};
use super::entity::Entity::Phone;
use super::look::Look;

/// Country codes of one or two digits, and the least and most digits behind them. All others: three digits, 6 to 12.
const CODES: &[(u32, usize, usize)] = &[
    (1, 10, 10),
    (7, 10, 10),
    (20, 8, 10),
    (27, 9, 9),
    (30, 10, 10),
    (31, 9, 9),
    (32, 8, 9),
    (33, 9, 9),
    (34, 9, 9),
    (36, 8, 9),
    (39, 6, 11),
    (40, 9, 9),
    (41, 9, 9),
    (43, 5, 13),
    (44, 9, 10),
    (45, 8, 8),
    (46, 7, 10),
    (47, 8, 8),
    (48, 9, 9),
    (49, 5, 12),
    (51, 8, 9),
    (52, 10, 11),
    (53, 8, 8),
    (54, 10, 11),
    (55, 10, 11),
    (56, 9, 9),
    (57, 8, 10),
    (58, 10, 10),
    (60, 8, 10),
    (61, 9, 9),
    (62, 8, 12),
    (63, 8, 10),
    (64, 8, 10),
    (65, 8, 8),
    (66, 8, 9),
    (81, 9, 10),
    (82, 8, 11),
    (84, 9, 10),
    (86, 10, 11),
    (90, 10, 10),
    (91, 10, 10),
    (92, 9, 10),
    (93, 9, 9),
    (94, 9, 9),
    (95, 7, 10),
    (98, 10, 10),
];

/// A number that begins with a plus, a bracket or a digit at the start. `digits` are those there, if a number may begin with them.
pub(super) fn vote(ballot: &mut Ballot<'_>, digits: Option<&Digits>) {
    if !ballot.wants(Phone) {
        return;
    }
    let look = ballot.look;
    match look.at(look.start()) {
        b'+' if !look.back(1).is_ascii_alphanumeric() && look.back(1) != b'+' => {
            if let Some(end) = international(look, look.start() + 1) {
                ballot.offer(Phone, extended(look, end), Strength::Sure);
            }
        }
        b'(' if !look.back(1).is_ascii_alphanumeric() => bracketed(ballot),
        b'0'..=b'9' => {
            let Some(digits) = digits else { return };
            let start = look.start();
            let inside = look.back(1) == b' ' && look.back(2).is_ascii_digit();
            if !inside
                && look.at(start) == b'0'
                && look.at(start + 1) == b'0'
                && matches!(look.at(start + 2), b'1'..=b'9')
                && let Some(end) = international(look, start + 2)
            {
                ballot.offer(Phone, extended(look, end), Strength::Shape);
            }
            national(ballot, digits);
        }
        _ => {}
    }
}

/// The end of country code and number at `from`.
fn international(look: &Look<'_>, from: usize) -> Option<usize> {
    let (mut at, mut digits, mut code) = (from, 0_usize, 0_u32);
    let mut bounds: Option<(usize, usize, usize)> = None;
    let mut end = None;
    if look.at(from) == b'(' {
        at += 1;
    }
    loop {
        let byte = look.at(at);
        if byte.is_ascii_digit() {
            if digits < 3 && bounds.is_none() {
                code = code * 10 + u32::from(byte - b'0');
                let known = CODES.iter().find(|row| row.0 == code);
                bounds = known.map(|row| (digits + 1, row.1, row.2));
                if bounds.is_none() && digits == 2 {
                    bounds = Some((3, 6, 12));
                }
            }
            digits += 1;
            at += 1;
            if !look.at(at).is_ascii_digit() {
                let (prefix, least, most) = bounds.unwrap_or((4, 0, 0));
                let national = digits.saturating_sub(prefix);
                if national > most {
                    return end;
                }
                let closes = !look.at(at).is_ascii_alphabetic() || matches!(look.at(at) | 0x20, b'x' | b'e');
                if prefix < 4 && national >= least && closes {
                    end = Some(at);
                }
            }
            if digits > 15 {
                return end;
            }
            continue;
        }
        match joint(look, at) {
            Some(next) if digits > 0 => at = next,
            _ => return end,
        }
    }
}

/// Behind what parts the digits of a phone number at `at`: ` `, `-`, `) `, ` (0) ` …
fn joint(look: &Look<'_>, at: usize) -> Option<usize> {
    let trunk = |at: usize| look.at(at) == b'(' && look.at(at + 1) == b'0' && look.at(at + 2) == b')';
    let mut next = at;
    for _ in 0..4 {
        match look.at(next) {
            _ if trunk(next) => next += 3,
            b' ' | b'-' | b'.' | b'/' | b'(' | b')' => next += 1,
            _ => break,
        }
    }
    (next > at && next - at <= 5 && look.at(next).is_ascii_digit()).then_some(next)
}

/// With the extension behind the number: `x123`, ` ext. 123`.
fn extended(look: &Look<'_>, end: usize) -> usize {
    let space = look.run(end, |byte| byte == b' ');
    if space > end + 1 {
        return end;
    }
    for word in ["extension", "ext.", "ext", "x"] {
        if look.word_at(space, word) {
            let mut from = space + word.len();
            if look.at(from) == b' ' {
                from += 1;
            }
            let to = look.run(from, |byte| byte.is_ascii_digit());
            if (1..=6).contains(&(to - from)) {
                return to;
            }
        }
    }
    end
}

/// `(415) 555-2671`, `(0115) 496 0132`, `(11) 91234-5678`, `(+49) 30 901820`.
fn bracketed(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    let open = look.start() + 1;
    if look.at(open) == b'+' {
        if let Some(end) = international(look, open + 1) {
            ballot.offer(Phone, extended(look, end), Strength::Sure);
        }
        return;
    }
    let close = look.run(open, |byte| byte.is_ascii_digit());
    let area = close - open;
    if !(2..=6).contains(&area) || look.at(close) != b')' {
        return;
    }
    let from = close + 1 + usize::from(matches!(look.at(close + 1), b' ' | b'-'));
    let zero = look.at(open) == b'0';
    let code = (look.at(open), look.at(open + 1));
    let rest = Digits::read(look, from);
    let extension = rest.open_end().filter(|number| extended(look, number.end) > number.end);
    for number in rest.numbers().chain(extension) {
        let digits = number.digits;
        let strength = match (area, number.shape) {
            (3, 0x34 | 0x7) if is_area(code.0) => Strength::Shape,
            (2, 0x44 | 0x54 | 0x8 | 0x9) if zero || code.0 != b'0' => Strength::Shape,
            _ if zero && (4..=9).contains(&digits.len()) && (9..=12).contains(&(area + digits.len())) => {
                Strength::Shape
            }
            _ if (7..=12).contains(&(area + digits.len())) => Strength::Word,
            _ => continue,
        };
        let end = extended(look, number.end);
        ballot.offer(Phone, end, strength);
    }
}

const fn is_area(byte: u8) -> bool {
    matches!(byte, b'2'..=b'9')
}

/// As written at home.
fn national(ballot: &mut Ballot<'_>, digits: &Digits) {
    let look = ballot.look;
    // `415-555-2671x12`: an extension closes nothing else.
    let extension = digits.open_end().filter(|number| extended(look, number.end) > number.end);
    for number in digits.numbers().chain(extension) {
        let strength = match written(&number) {
            // The middle of something longer.
            Some(Strength::Shape) if look.back(1) == b' ' && look.back(2).is_ascii_digit() => Strength::Word,
            Some(strength) => strength,
            None => continue,
        };
        ballot.offer(Phone, extended(look, number.end), strength);
    }
    leading_one(ballot);
}

/// How sure it is that `number` is a phone's.
fn written(number: &Number<'_>) -> Option<Strength> {
    let digits = number.digits;
    let count = digits.len();
    // Exchanges begin with 2 to 9, but made-up numbers do not; spaces part other numbers as well.
    let spaced = number.separator == Some(b' ');
    let american = |at: usize| matches!(digits[at], 2..=9) && (!spaced || matches!(digits[at + 3], 2..=9));
    let separated = number.shape >= 0x10;
    match number.shape {
        0x334 if american(0) => return Some(Strength::Shape),
        0x1334 if digits[0] == 1 && american(1) => return Some(Strength::Shape),
        // Brazil, India.
        0x254 if digits[0] > 0 && digits[2] == 9 && number.last == b'-' => return Some(Strength::Shape),
        0x55 if digits[0] > 5 && number.last == b' ' => return Some(Strength::Shape),
        // Not a social security number, a date, a sort code.
        0x324 | 0x422 | 0x224 | 0x222 | 0x3333 | 0x1111 => return None,
        // ZIP codes.
        0x54 if number.last == b'-' => return None,
        0x244 if digits[0] > 0 && number.last == b'-' && number.separator.is_none() => return Some(Strength::Shape),
        // As thousands are written.
        0x333 => return Some(Strength::Word),
        _ => {}
    }
    let first = number.shape.checked_ilog2().map_or(0, |bits| number.shape >> (bits / 4 * 4));
    let whole_groups =
        (0..16).map(|place| number.shape >> (4 * place)).take_while(|&rest| rest > 0).all(|rest| rest & 15 > 1);
    if digits[0] == 0 && digits.get(1).is_some_and(|&digit| digit > 0) && (9..=12).contains(&count) && whole_groups {
        let mobile = match count {
            10 => matches!(digits[1], 4 | 6 | 7),
            11 => digits[1] == 7 || digits[1] == 1 && matches!(digits[2], 5..=7),
            _ => false,
        };
        let grouped = separated && (2..=5).contains(&first);
        return Some(if grouped || (!separated && mobile) { Strength::Shape } else { Strength::Word });
    }
    (whole_groups && (7..=13).contains(&count)).then_some(Strength::Word)
}

/// `1 (415) 555-2671`, `0 (115) …`.
fn leading_one(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    let start = look.start();
    if look.at(start) != b'1' || !matches!(look.at(start + 1), b' ' | b'-' | b'(') {
        return;
    }
    let open = start + 1 + usize::from(look.at(start + 1) != b'(');
    if look.at(open) == b'('
        && is_area(look.at(open + 1))
        && let Some(end) = international(look, start)
    {
        ballot.offer(Phone, extended(look, end), Strength::Shape);
    }
}
