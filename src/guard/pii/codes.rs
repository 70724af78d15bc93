//! Identity numbers of letters and digits, by country, and vehicles'.

use super::ballot::{Ballot, Strength};
use super::checks::{is_day, value, weigh};
use super::digits::opens;
use super::entity::Entity::*;
use super::look::Look;
use super::numbers::is_nir;

/// A run of letters and digits at the start, and what it holds.
#[derive(Clone, Copy)]
struct Code<'a> {
    text: &'a [u8],
    end: usize,
    digits: usize,
    /// No small letters.
    upper: bool,
}

/// Which of them the run at the start may be.
pub(super) fn vote(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    if !opens(look) {
        return;
    }
    let start = look.start();
    let end = look.run(start, |byte| byte.is_ascii_alphanumeric());
    let text = look.seen(start..end);
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let code = Code { text, end, digits, upper: !text.iter().any(u8::is_ascii_lowercase) };
    if digits == 0 && !matches!(text.len(), 1..=3) {
        return;
    }
    if closes(look, end) && digits > 0 && digits < text.len() {
        whole(ballot, code);
    }
    parted(ballot, code);
}

/// Whether a code may end at `end`.
pub(super) fn closes(look: &Look<'_>, end: usize) -> bool {
    match look.at(end) {
        b'_' | b'@' => false,
        b'-' | b'.' => !look.at(end + 1).is_ascii_alphanumeric(),
        byte => !byte.is_ascii_alphanumeric(),
    }
}

fn whole(ballot: &mut Ballot<'_>, code: Code<'_>) {
    let end = code.end;
    match code.text.len() {
        9 => {
            if code.upper && is_nif(code.text) {
                ballot.offer(EsNif, end, Strength::Sure);
            }
            if code.upper && is_nie(code.text) {
                ballot.offer(EsNie, end, Strength::Sure);
            }
            if code.upper && is_nric(code.text) {
                ballot.offer(SgNric, end, Strength::Sure);
            }
            if code.text[0].is_ascii_alphabetic() && code.digits == 8 {
                ballot.offer(UsPassport, end, Strength::Word);
            }
            if code.digits >= 7 && code.text[..2].iter().all(u8::is_ascii_uppercase) {
                ballot.offer(UkPassport, end, Strength::Word);
            }
        }
        10 => {
            if code.upper && is_pan(code.text) {
                ballot.offer(InPan, end, Strength::Sure);
            }
            if code.upper && is_id_card(code.text) {
                ballot.offer(DeIdCard, end, Strength::Checked);
            }
        }
        11 if code.upper && is_mbi(code.text) => ballot.offer(UsMbi, end, Strength::Sure),
        15 => corsican(ballot, code),
        16 if is_fiscal(code.text) => ballot.offer(ItCodiceFiscale, end, Strength::Sure),
        17 => vin(ballot, code),
        _ => {}
    }
    if (5..=18).contains(&code.text.len()) && code.digits >= 4 {
        ballot.offer(UsDriverLicense, end, Strength::Word);
    }
    if (4..=8).contains(&code.text.len()) && code.upper {
        ballot.offer(VehiclePlate, end, Strength::Word);
    }
}

/// What may hold separators.
fn parted(ballot: &mut Ballot<'_>, code: Code<'_>) {
    let look = ballot.look;
    let start = look.start();
    nino(ballot, code);
    if code.text.len() >= 6 && code.text[..6].iter().all(u8::is_ascii_digit) {
        hetu(ballot);
    }
    let next = look.at(code.end);
    if next == b'-' && code.text.len() == 8 && code.digits == 8 && closes(look, code.end + 2) {
        // `12345678-Z`
        let mut whole = [0; 9];
        whole[..8].copy_from_slice(code.text);
        whole[8] = look.at(code.end + 1);
        if is_nif(&whole) {
            ballot.offer(EsNif, code.end + 2, Strength::Sure);
        }
    }
    if next == b'-'
        && matches!(code.text, [b'X' | b'Y' | b'Z', ..])
        && matches!(code.text.len(), 1 | 8)
        && let Some((whole, end)) = undashed::<9>(look)
        && is_nie(&whole)
        && closes(look, end)
    {
        ballot.offer(EsNie, end, Strength::Sure);
    }
    if next == b'-'
        && code.text.len() == 4
        && code.upper
        && let Some((whole, end)) = undashed::<11>(look)
        && is_mbi(&whole)
        && end == start + 13
        && look.at(start + 8) == b'-'
        && closes(look, end)
    {
        ballot.offer(UsMbi, end, Strength::Sure);
    }
    if ballot.wants(UkPostcode) {
        postcode(ballot, code);
    }
    if ballot.wants(VehiclePlate) && code.text.len() <= 4 && code.upper {
        plate(ballot);
    }
}

/// `N` letters and digits from the start, dashes left out, and where they end.
fn undashed<const N: usize>(look: &Look<'_>) -> Option<([u8; N], usize)> {
    let (mut whole, mut at) = ([0; N], look.start());
    for (place, byte) in whole.iter_mut().enumerate() {
        if place > 0 && look.at(at) == b'-' {
            at += 1;
        }
        if !look.at(at).is_ascii_alphanumeric() {
            return None;
        }
        *byte = look.at(at);
        at += 1;
    }
    Some((whole, at))
}

fn digit_values<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut values = [0; N];
    if bytes.len() != N {
        return None;
    }
    for (value, byte) in values.iter_mut().zip(bytes) {
        *value = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
    }
    Some(values)
}

/// <https://en.wikipedia.org/wiki/National_identification_number#Spain>
const NIF: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

fn is_nif(code: &[u8]) -> bool {
    digit_values::<8>(&code[..8]).is_some_and(|digits| NIF[(value(&digits) % 23) as usize] == code[8])
}

fn is_nie(code: &[u8]) -> bool {
    let Some(first) = b"XYZ".iter().position(|&letter| letter == code[0]) else { return false };
    let Some(digits) = digit_values::<7>(&code[1..8]) else { return false };
    NIF[((first as u64 * 10_000_000 + value(&digits)) % 23) as usize] == code[8]
}

/// <https://en.wikipedia.org/wiki/National_Registration_Identity_Card#Structure_of_the_NRIC_number/FIN>
fn is_nric(code: &[u8]) -> bool {
    let Some(digits) = digit_values::<7>(&code[1..8]) else { return false };
    let sum = weigh(&digits, &[2, 7, 6, 5, 4, 3, 2]);
    let (more, letters) = match code[0] {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return false,
    };
    letters[((sum + more) % 11) as usize] == code[8]
}

/// Five letters, the fourth the kind of holder, four digits, a letter:
/// <https://en.wikipedia.org/wiki/Permanent_account_number>.
fn is_pan(code: &[u8]) -> bool {
    let letters = code[..5].iter().chain(&code[9..]).all(u8::is_ascii_uppercase);
    letters && code[5..9].iter().all(u8::is_ascii_digit) && b"ABCFGHJLPT".contains(&code[3])
}

/// Nine of the characters that cards use and a check digit: <https://de.wikipedia.org/wiki/Ausweisnummer>.
fn is_id_card(code: &[u8]) -> bool {
    let known = |byte: &u8| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte);
    if !code[..9].iter().all(known) || !b"CFGHJKLMNPRTVWXYZ".contains(&code[0]) || !code[9].is_ascii_digit() {
        return false;
    }
    let one = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 };
    let sum: u32 =
        code[..9].iter().zip([7, 3, 1].iter().cycle()).map(|(&byte, weight)| u32::from(one(byte)) * weight).sum();
    sum % 10 == u32::from(code[9] - b'0')
}

/// <https://www.cms.gov/medicare/new-medicare-card/understanding-the-mbi.pdf>
fn is_mbi(code: &[u8]) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() && !b"SLOIBZ".contains(&byte);
    let digit = |byte: u8| byte.is_ascii_digit();
    b"CAENAENAANN".iter().zip(code).all(|(kind, &byte)| match kind {
        b'C' => matches!(byte, b'1'..=b'9'),
        b'A' => letter(byte),
        b'E' => letter(byte) || digit(byte),
        _ => digit(byte),
    }) && digit(code[3])
        && digit(code[6])
}

/// <https://it.wikipedia.org/wiki/Codice_fiscale>: letters may stand for digits where two people would share one.
fn is_fiscal(code: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let upper = |index: usize| code[index].to_ascii_uppercase();
    let digit = |index: usize| upper(index).is_ascii_digit() || b"LMNPQRSTUV".contains(&upper(index));
    let letters = (0..6).chain([8, 11, 15]).all(|index| code[index].is_ascii_alphabetic());
    if !letters || ![6, 7, 9, 10, 12, 13, 14].into_iter().all(digit) || !b"ABCDEHLMPRST".contains(&upper(8)) {
        return false;
    }
    let rank =
        |index: usize| u32::from(if upper(index).is_ascii_digit() { upper(index) - b'0' } else { upper(index) - b'A' });
    let sum: u32 = (0..15).map(|index| if index % 2 == 0 { ODD[rank(index) as usize] } else { rank(index) }).sum();
    u32::from(upper(15) - b'A') == sum % 26
}

/// With Corsica's departments, `2A` and `2B`.
fn corsican(ballot: &mut Ballot<'_>, code: Code<'_>) {
    let department = match code.text[5..7] {
        [b'2', b'A' | b'a'] => 19,
        [b'2', b'B' | b'b'] => 18,
        _ => return,
    };
    let mut digits = [0; 15];
    digits.copy_from_slice(code.text);
    digits[5..7].copy_from_slice(if department == 19 { b"19" } else { b"18" });
    if digit_values::<15>(&digits).is_some_and(|digits| is_nir(&digits)) {
        ballot.offer(FrNir, code.end, Strength::Sure);
    }
}

/// The check digit is required in North America only: <https://en.wikipedia.org/wiki/Vehicle_identification_number>.
fn vin(ballot: &mut Ballot<'_>, code: Code<'_>) {
    let known = code.text.iter().all(|byte| !b"IOQ".contains(&byte.to_ascii_uppercase()));
    if !code.upper || !known || code.digits < 4 || !code.text[14..].iter().all(u8::is_ascii_digit) {
        return;
    }
    let one = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'H' => byte - b'A' + 1,
        b'J'..=b'R' => byte - b'J' + 1,
        _ => byte - b'S' + 2,
    };
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: u32 = code.text.iter().zip(weights).map(|(&byte, weight)| u32::from(one(byte)) * weight).sum();
    let right = code.text[8] == b"0123456789X"[(sum % 11) as usize];
    ballot.offer(Vin, code.end, if right { Strength::Sure } else { Strength::Word });
}

/// `AB123456C`, `AB 12 34 56 C`, `AB-12-34-56-C`; prefixes that are not given out:
/// <https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110>.
fn nino(ballot: &mut Ballot<'_>, code: Code<'_>) {
    let look = ballot.look;
    let start = look.start();
    let (first, second) = (look.at(start).to_ascii_uppercase(), look.at(start + 1).to_ascii_uppercase());
    if !ballot.wants(UkNino)
        || !first.is_ascii_uppercase()
        || !second.is_ascii_uppercase()
        || !matches!(code.text.len(), 2 | 4 | 8 | 9)
    {
        return;
    }
    let given = !b"DFIQUV".contains(&first) && !b"DFIOQUV".contains(&second) && !NOT_GIVEN.contains(&&[first, second]);
    // Small letters are taken only without gaps.
    let cased = look.seen(start..start + 2).iter().all(u8::is_ascii_uppercase);
    if !given || (!cased && !look.at(start + 2).is_ascii_digit()) {
        return;
    }
    let mut at = start + 2;
    let separator = look.at(at);
    let (mut digits, mut parts) = (0, 0);
    loop {
        if matches!(look.at(at), b' ' | b'-') && look.at(at) == separator {
            (at, parts) = (at + 1, parts + 1);
        }
        if !look.at(at).is_ascii_digit() {
            break;
        }
        (at, digits) = (at + 1, digits + 1);
    }
    let suffix = look.at(at);
    if digits == 6
        && parts <= 4
        && (cased || parts == 0)
        && matches!(suffix.to_ascii_uppercase(), b'A'..=b'D')
        && closes(look, at + 1)
    {
        ballot.offer(UkNino, at + 1, Strength::Sure);
    }
}

const NOT_GIVEN: &[&[u8; 2]] = &[b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"];

/// Day, sign of the century, number, check character:
/// <https://dvv.fi/en/personal-identity-code>.
fn hetu(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    let start = look.start();
    if !ballot.wants(FiHetu) {
        return;
    }
    let century = look.at(start + 6);
    if !matches!(century, b'+' | b'-' | b'A'..=b'F' | b'U'..=b'Y') || !closes(look, start + 11) {
        return;
    }
    let text = look.seen(start..start + 11);
    let (Some(day), Some(number)) =
        (text.get(..6).and_then(digit_values::<6>), text.get(7..10).and_then(digit_values::<3>))
    else {
        return;
    };
    let check = b"0123456789ABCDEFHJKLMNPRSTUVWXY"[((value(&day) * 1_000 + value(&number)) % 31) as usize];
    if is_day(0, value(&day[2..4]), value(&day[..2])) && text.get(10) == Some(&check) {
        ballot.offer(FiHetu, start + 11, Strength::Sure);
    }
}

/// <https://en.wikipedia.org/wiki/Postcodes_in_the_United_Kingdom>
fn postcode(ballot: &mut Ballot<'_>, code: Code<'_>) {
    let look = ballot.look;
    if !code.upper || !code.text[0].is_ascii_uppercase() {
        return;
    }
    let inward = |at: usize| {
        let letter = |at: usize| look.at(at).is_ascii_uppercase() && !b"CIKMOV".contains(&look.at(at));
        look.at(at).is_ascii_digit() && letter(at + 1) && letter(at + 2) && closes(look, at + 3)
    };
    let outward = |text: &[u8]| {
        let letters = text.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        let rest = &text[letters.min(text.len())..];
        (1..=2).contains(&letters) && matches!(rest, [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9' | b'A'..=b'Y'])
    };
    if (2..=4).contains(&code.text.len()) && look.at(code.end) == b' ' && outward(code.text) && inward(code.end + 1) {
        ballot.offer(UkPostcode, code.end + 4, Strength::Shape);
    } else if (5..=7).contains(&code.text.len()) && outward(&code.text[..code.text.len() - 3]) && inward(code.end - 3) {
        ballot.offer(UkPostcode, code.end, Strength::Shape);
    }
}

/// Up to three groups of capitals and digits, ten characters in all.
fn plate(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    let start = look.start();
    let (mut at, mut end, mut digits) = (start, None, 0);
    for _ in 0..3 {
        let begin = at;
        at = look.run(at, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        digits += look.seen(begin..at).iter().filter(|byte| byte.is_ascii_digit()).count();
        if at == begin || at - start > 11 || look.at(at).is_ascii_alphanumeric() {
            break;
        }
        if digits > 0 && at - start > 3 && closes(look, at) {
            end = Some(at);
        }
        if !matches!(look.at(at), b' ' | b'-') {
            break;
        }
        at += 1;
    }
    if let Some(end) = end {
        ballot.offer(VehiclePlate, end, Strength::Word);
    }
}
