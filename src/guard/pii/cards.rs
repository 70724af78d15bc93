//! Payment cards: numbers by issuer, length and Luhn's sum; code and expiry by the word in front of them.

use super::ballot::{Ballot, Strength};
use super::checks::{all_same, luhn, value};
use super::digits::Number;
use super::entity::Entity::{CardCvv, CardExpiry, CreditCard};

/// Prefixes from and to, and lengths from and to: <https://en.wikipedia.org/wiki/Payment_card_number>.
const ISSUERS: &[(u64, u64, usize, usize)] = &[
    (4, 4, 16, 16),             // Visa
    (4, 4, 19, 19),             // Visa
    (4, 4, 13, 13),             // Visa, retired
    (51, 55, 16, 16),           // Mastercard
    (2221, 2720, 16, 16),       // Mastercard
    (34, 34, 15, 15),           // American Express
    (37, 37, 15, 15),           // American Express
    (6011, 6011, 16, 19),       // Discover
    (644, 649, 16, 19),         // Discover
    (65, 65, 16, 19),           // Discover, RuPay, Troy, Elo
    (60, 60, 16, 16),           // RuPay, Hipercard
    (81, 82, 16, 16),           // RuPay
    (3528, 3589, 16, 19),       // JCB
    (35, 35, 16, 16),           // none, but test numbers
    (300, 305, 14, 19),         // Diners Club
    (3095, 3095, 14, 19),       // Diners Club
    (36, 36, 14, 19),           // Diners Club
    (38, 39, 14, 19),           // Diners Club
    (62, 62, 16, 19),           // UnionPay
    (2200, 2204, 16, 19),       // Mir
    (2131, 2131, 15, 15),       // JCB, retired
    (1800, 1800, 15, 15),       // JCB, retired
    (50, 50, 12, 19),           // Maestro
    (56, 58, 12, 19),           // Maestro
    (67, 67, 12, 19),           // Maestro
    (639, 639, 12, 15),         // Maestro
    (5020, 5020, 12, 19),       // Maestro
    (5038, 5038, 12, 19),       // Maestro
    (5893, 5893, 12, 19),       // Maestro
    (6304, 6304, 12, 19),       // Maestro
    (6759, 6763, 12, 19),       // Maestro
    (5019, 5019, 16, 16),       // Dankort
    (4571, 4571, 16, 16),       // Dankort
    (1, 1, 15, 15),             // UATP
    (9792, 9792, 16, 16),       // Troy
    (636, 639, 16, 19),         // InstaPayment, InterPayment, Elo
    (506_099, 506_198, 16, 19), // Verve
];

/// A card's number, its code, its expiry.
pub(super) fn vote(ballot: &mut Ballot<'_>, number: Number<'_>) {
    match number.digits.len() {
        12..=19 => card(ballot, number),
        3 | 4 if number.is_plain() => ballot.offer(CardCvv, number.end, Strength::Word),
        _ => {}
    }
    expiry(ballot, number);
}

fn card(ballot: &mut Ballot<'_>, number: Number<'_>) {
    let digits = number.digits;
    if !ballot.wants(CreditCard) || !is_grouped(&number) || !luhn(digits) || all_same(digits) {
        return;
    }
    let british = digits.starts_with(&[0, 6, 0, 4]);
    let issued = british
        || ISSUERS.iter().any(|&(from, to, shortest, longest)| {
            let prefix = value(&digits[..digits_of(from)]);
            (from..=to).contains(&prefix) && (shortest..=longest).contains(&digits.len())
        });
    if !issued {
        return;
    }
    let unissued = digits[0] == 3 && digits[1] == 5 && !(3_528..=3_589).contains(&value(&digits[..4]));
    // Short Maestro numbers, retired Visas and airlines' cards look like any other number.
    let rare = digits.len() < 14
        || digits[0] < 2
        || unissued
        || value(&digits[..4]) == 2131
        || digits.len() > 16 && number.is_plain();
    ballot.offer(CreditCard, number.end, if rare { Strength::Checked } else { Strength::Sure });
}

const fn digits_of(number: u64) -> usize {
    number.ilog10() as usize + 1
}

/// In one group, as printed on cards, or in equal groups.
fn is_grouped(number: &Number<'_>) -> bool {
    if number.is_plain() {
        return true;
    }
    let Some(b' ' | b'-' | b'.') = number.separator else { return false };
    if matches!(number.shape, 0x465 | 0x464 | 0x4444 | 0x4443 | 0x44443 | 0x44441 | 0x66 | 0x88 | 0x448 | 0x844 | 0x484)
    {
        return true;
    }
    let last = number.shape & 15;
    let mut rest = number.shape >> 4;
    let size = rest & 15;
    while rest > 0 {
        if rest & 15 != size {
            return false;
        }
        rest >>= 4;
    }
    last <= size && (2..=6).contains(&size)
}

/// `12/27`, `12/2027`, `12-27`.
fn expiry(ballot: &mut Ballot<'_>, number: Number<'_>) {
    if !ballot.wants(CardExpiry) || !matches!(number.shape, 0x22 | 0x24 | 0x42) {
        return;
    }
    let (month, year) = match (number.shape, number.separator) {
        (0x22 | 0x24, Some(b'/' | b'-' | b'.' | b' ')) => (value(&number.digits[..2]), value(&number.digits[2..])),
        (0x42, Some(b'-' | b'/')) => (value(&number.digits[4..]), value(&number.digits[..4])),
        _ => return,
    };
    let near = (20..60).contains(&year) || (2_015..2_060).contains(&year);
    if (1..=12).contains(&month) && near {
        ballot.offer(CardExpiry, number.end, Strength::Word);
    }
}
