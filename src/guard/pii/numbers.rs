//! Identity numbers of digits alone, by country.

use super::ballot::{Ballot, Strength};
use super::checks::{all_same, is_day, is_yymmdd, luhn, luhn_sum, mod_11_10, value, verhoeff, weigh};
use super::digits::Number;
use super::entity::Entity::*;

/// Which of them `number` may be.
pub(super) fn vote(ballot: &mut Ballot<'_>, number: Number<'_>) {
    match number.digits.len() {
        9 => nine(ballot, number),
        10 => ten(ballot, number),
        11 => eleven(ballot, number),
        12 => twelve(ballot, number),
        13 => thirteen(ballot, number),
        14 => fourteen(ballot, number),
        15 => nir(ballot, number),
        _ => {}
    }
    if number.is_plain() && (6..=17).contains(&number.digits.len()) {
        ballot.offer(UsBankAccount, number.end, Strength::Word);
    }
    let accounted = (5..=18).contains(&number.digits.len()) && number.separator.is_some();
    // `12-34-56 12345678`: a sort code and an account.
    if accounted || number.shape == 0x2228 {
        ballot.offer(BankAccount, number.end, Strength::Word);
    }
}

const ANY: &[u8] = &[0, b' ', b'-', b'.'];

fn nine(ballot: &mut Ballot<'_>, number: Number<'_>) {
    let (digits, end) = (number.digits, number.end);
    if number.is_plain() || number.is_of(0x324, b" -") {
        security(ballot, number);
    }
    if number.is_plain() {
        ballot.offer(UsPassport, end, Strength::Word);
        ballot.offer(UkPassport, end, Strength::Word);
        if is_routing(digits) {
            ballot.offer(UsRouting, end, Strength::Checked);
        }
        if is_bsn(digits) {
            ballot.offer(NlBsn, end, Strength::Checked);
        }
    }
    if number.is_of(0x432, b"-. ") && is_bsn(digits) {
        ballot.offer(NlBsn, end, Strength::Checked);
    }
    if number.is_plain() || number.is_of(0x333, ANY) {
        if luhn(digits) && digits[0] != 8 {
            let dashed = number.separator == Some(b'-') && !number.is_plain();
            ballot.offer(CaSin, end, if dashed { Strength::Shape } else { Strength::Checked });
        }
        // <https://en.wikipedia.org/wiki/Tax_file_number>
        if weigh(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !all_same(digits) {
            ballot.offer(AuTfn, end, Strength::Checked);
        }
    }
}

/// Areas, groups and serials that were given out: <https://www.ssa.gov/employer/randomization.html>; ITINs:
/// <https://www.irs.gov/individuals/individual-taxpayer-identification-number>.
fn security(ballot: &mut Ballot<'_>, number: Number<'_>) {
    let digits = number.digits;
    let (area, group, serial) = (value(&digits[..3]), value(&digits[3..5]), value(&digits[5..]));
    let strength = if number.separator == Some(b'-') { Strength::Shape } else { Strength::Word };
    if !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 {
        ballot.offer(UsSsn, number.end, strength);
    }
    if area >= 900 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99) {
        ballot.offer(UsItin, number.end, strength);
    }
}

/// <https://en.wikipedia.org/wiki/ABA_routing_transit_number>
fn is_routing(digits: &[u8]) -> bool {
    let prefix = value(&digits[..2]);
    matches!(prefix, 0..=12 | 21..=32 | 61..=72 | 80)
        && weigh(digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
        && !all_same(digits)
}

/// The eleven test: <https://nl.wikipedia.org/wiki/Burgerservicenummer>.
fn is_bsn(digits: &[u8]) -> bool {
    let Some((&check, rest)) = digits.split_last() else { return false };
    weigh(rest, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 == u32::from(check) && !all_same(digits)
}

fn ten(ballot: &mut Ballot<'_>, number: Number<'_>) {
    let (digits, end) = (number.digits, number.end);
    if number.is_plain() {
        // Luhn over 80840 and the number: <https://en.wikipedia.org/wiki/National_Provider_Identifier>.
        if matches!(digits[0], 1 | 2) && (luhn_sum(digits) + 24).is_multiple_of(10) {
            ballot.offer(UsNpi, end, Strength::Checked);
        }
        if is_utr(digits) {
            ballot.offer(UkUtr, end, Strength::Checked);
        }
    }
    if number.is_of(0x55, b" ") && is_utr(digits) {
        ballot.offer(UkUtr, end, Strength::Checked);
    }
    if (number.is_plain() || number.is_of(0x334, b" -")) && is_nhs(digits) {
        ballot.offer(UkNhs, end, Strength::Checked);
    }
    if number.is_plain() || number.is_of(0x451, b" -") {
        // <https://en.wikipedia.org/wiki/Medicare_card_(Australia)>
        let right = weigh(&digits[..8], &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == u32::from(digits[8]);
        if matches!(digits[0], 2..=6) && right && digits[9] != 0 {
            ballot.offer(AuMedicare, end, if number.is_plain() { Strength::Checked } else { Strength::Sure });
        }
    }
    if number.is_plain() || number.is_of(0x64, b"-") {
        swedish(ballot, digits, number);
    }
}

/// <https://en.wikipedia.org/wiki/NHS_number>
fn is_nhs(digits: &[u8]) -> bool {
    let check = 11 - weigh(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    check % 11 == u32::from(digits[9]) && check != 10 && !all_same(digits)
}

/// The first digit checks the others: <https://www.gov.uk/find-utr-number>.
fn is_utr(digits: &[u8]) -> bool {
    let rest = weigh(&digits[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
    [2, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1][rest as usize] == digits[0]
}

/// Ten digits, Luhn, a day; 60 is added to it in coordination numbers:
/// <https://en.wikipedia.org/wiki/Personal_identity_number_(Sweden)>.
fn swedish(ballot: &mut Ballot<'_>, digits: &[u8], number: Number<'_>) {
    let (month, day) = (value(&digits[2..4]), value(&digits[4..6]));
    if luhn(digits) && is_day(0, month, if day > 60 { day - 60 } else { day }) {
        ballot.offer(SePersonnummer, number.end, if number.is_plain() { Strength::Checked } else { Strength::Sure });
    }
}

fn eleven(ballot: &mut Ballot<'_>, number: Number<'_>) {
    let (digits, end) = (number.digits, number.end);
    let plain = number.is_plain();
    if plain && is_pesel(digits) {
        ballot.offer(PlPesel, end, Strength::Checked);
    }
    if (plain || number.is_of(0x2333, b" ./-")) && is_tax_id(digits) {
        ballot.offer(DeTaxId, end, Strength::Checked);
    }
    let dotted = number.shape == 0x3332 && number.last == b'-';
    if (plain || dotted) && is_cpf(digits) {
        ballot.offer(BrCpf, end, if dotted { Strength::Sure } else { Strength::Checked });
    }
    if (plain || number.is_of(0x2333, b" -")) && is_abn(digits) {
        ballot.offer(AuAbn, end, if plain { Strength::Checked } else { Strength::Sure });
    }
    if plain && is_turkish(digits) {
        ballot.offer(TrId, end, Strength::Checked);
    }
    // With the number of the person on the card.
    if (plain || number.is_of(0x4511, b" -/")) && matches!(digits[0], 2..=6) {
        let right = weigh(&digits[..8], &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == u32::from(digits[8]);
        if right && digits[9] != 0 {
            ballot.offer(AuMedicare, end, Strength::Checked);
        }
    }
}

/// <https://en.wikipedia.org/wiki/PESEL>: the century is in the month.
fn is_pesel(digits: &[u8]) -> bool {
    let right = weigh(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10);
    right && is_day(0, value(&digits[2..4]) % 20, value(&digits[4..6]))
}

/// One digit of the first ten comes two or three times, all others at most once:
/// <https://de.wikipedia.org/wiki/Steuerliche_Identifikationsnummer>.
fn is_tax_id(digits: &[u8]) -> bool {
    let mut times = [0_u8; 10];
    for &digit in &digits[..10] {
        times[usize::from(digit)] += 1;
    }
    let repeated = times.iter().filter(|&&times| times > 1).count();
    digits[0] != 0 && repeated == 1 && times.iter().all(|&times| times <= 3) && mod_11_10(digits)
}

/// <https://en.wikipedia.org/wiki/CPF_number>
fn is_cpf(digits: &[u8]) -> bool {
    let check = |count: usize| {
        let weights = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2];
        let sum = weigh(&digits[..count], &weights[10 - count..]);
        sum * 10 % 11 % 10 == u32::from(digits[count])
    };
    check(9) && check(10) && !all_same(digits)
}

/// <https://abr.business.gov.au/Help/AbnFormat>
fn is_abn(digits: &[u8]) -> bool {
    let sum = weigh(digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    digits[0] != 0 && (sum - 10).is_multiple_of(89)
}

/// <https://en.wikipedia.org/wiki/Turkish_Identification_Number>
fn is_turkish(digits: &[u8]) -> bool {
    let odd: u32 = digits[..9].iter().step_by(2).map(|&digit| u32::from(digit)).sum();
    let even: u32 = digits[1..8].iter().step_by(2).map(|&digit| u32::from(digit)).sum();
    let tenth = (odd * 7 + 100 - even) % 10;
    let sum: u32 = digits[..10].iter().map(|&digit| u32::from(digit)).sum();
    digits[0] != 0 && tenth == u32::from(digits[9]) && sum % 10 == u32::from(digits[10])
}

fn twelve(ballot: &mut Ballot<'_>, number: Number<'_>) {
    let (digits, end) = (number.digits, number.end);
    let grouped = number.is_of(0x444, b" -");
    // <https://en.wikipedia.org/wiki/Aadhaar>
    if (number.is_plain() || grouped) && digits[0] > 1 && verhoeff(digits) {
        let years = digits.chunks(4).all(|group| matches!(value(group), 1_900..2_100));
        ballot.offer(InAadhaar, end, if grouped && !years { Strength::Sure } else { Strength::Checked });
    }
    if (number.is_plain() || number.is_of(0x84, b"-")) && matches!(value(&digits[..2]), 18..=20) {
        swedish(ballot, &digits[2..], number);
    }
}

fn thirteen(ballot: &mut Ballot<'_>, number: Number<'_>) {
    let (digits, end) = (number.digits, number.end);
    if number.is_of(0x67, b"-") || number.is_plain() {
        // <https://en.wikipedia.org/wiki/Resident_registration_number>; the check digit is gone since 2020.
        if is_yymmdd(digits) && matches!(digits[6], 1..=8) {
            ballot.offer(KrRrn, end, if number.is_plain() { Strength::Word } else { Strength::Sure });
        }
    }
    if number.is_plain() || number.is_of(0x6412, b" ") || number.is_of(0x6421, b" ") {
        // <https://en.wikipedia.org/wiki/South_African_identity_card>
        if is_yymmdd(digits) && digits[10] < 2 && luhn(digits) {
            ballot.offer(ZaId, end, Strength::Sure);
        }
    }
}

/// <https://en.wikipedia.org/wiki/CNPJ>; the letters that CNPJs may have since July 2026 are not known here.
fn fourteen(ballot: &mut Ballot<'_>, number: Number<'_>) {
    let (digits, end) = (number.digits, number.end);
    let written = number.shape == 0x23342 && number.last == b'-';
    let check = |count: usize| {
        let weights = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
        let rest = weigh(&digits[..count], &weights[13 - count..]) % 11;
        (if rest < 2 { 0 } else { 11 - rest }) == u32::from(digits[count])
    };
    if (number.is_plain() || written) && check(12) && check(13) && !all_same(digits) {
        ballot.offer(BrCnpj, end, if written { Strength::Sure } else { Strength::Checked });
    }
}

/// <https://fr.wikipedia.org/wiki/Num%C3%A9ro_de_s%C3%A9curit%C3%A9_sociale_en_France>; Corsica's have a letter, see
/// `codes`.
fn nir(ballot: &mut Ballot<'_>, number: Number<'_>) {
    let digits = number.digits;
    let spaced = number.is_of(0x122_2332, b" ") || number.is_of(0xd2, b" ") || number.is_of(0x122_2332, b" .-");
    if (number.is_plain() || spaced) && is_nir(digits) {
        ballot.offer(FrNir, number.end, Strength::Sure);
    }
}

/// Whether 13 digits and their key are one.
pub(super) fn is_nir(digits: &[u8]) -> bool {
    let month = value(&digits[3..5]);
    let known = matches!(digits[0], 1..=4 | 7 | 8) && matches!(month, 1..=12 | 20..=42 | 50..=99);
    known && 97 - value(&digits[..13]) % 97 == value(&digits[13..15])
}
