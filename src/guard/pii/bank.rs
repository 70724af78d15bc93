//! IBANs and BICs.

use super::ballot::{Ballot, Strength};
use super::checks::mod_97;
use super::codes::closes;
use super::digits::opens;
use super::entity::Entity::{Iban, SwiftBic};
use super::look::Look;

/// Countries and the length of their IBANs: the registry of ISO 13616
/// (<https://www.swift.com/standards/data-standards/iban-international-bank-account-number>,
/// <https://en.wikipedia.org/wiki/International_Bank_Account_Number>), and those that use IBANs without being in it.
const LENGTHS: &str = "AD24 AE23 AL28 AO25 AT20 AZ28 BA20 BE16 BF28 BG22 BH22 BI27 BJ28 BR29 BY28 CF27 CG27 CH21 CI28 \
    CM27 CR22 CV25 CY28 CZ24 DE22 DJ27 DK18 DO28 DZ26 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GA27 GB22 GE22 GI23 GL18 GQ27 \
    GR27 GT28 GW25 HN28 HR21 HU28 IE22 IL23 IQ23 IR26 IS26 IT27 JO30 KM27 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 \
    MA28 MC27 MD24 ME22 MG27 MK19 ML28 MN20 MR27 MT31 MU30 MZ25 NE28 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 \
    RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SN28 SO23 ST25 SV28 TD27 TG28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

const LONGEST: usize = 34;

/// An IBAN or a BIC at the start.
pub(super) fn vote(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    let start = look.start();
    if !look.at(start + 1).is_ascii_alphabetic() {
        return;
    }
    if ballot.wants(Iban)
        && look.at(start + 2).is_ascii_digit()
        && look.at(start + 3).is_ascii_digit()
        && opens(look)
        && let Some(end) = iban(look)
    {
        ballot.offer(Iban, end, Strength::Sure);
    }
    if ballot.wants(SwiftBic) {
        let end = look.run(start, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let code = look.seen(start..end);
        if matches!(code.len(), 8 | 11)
            && code[..6].iter().all(u8::is_ascii_uppercase)
            && closes(look, end)
            && is_country(code)
        {
            ballot.offer(SwiftBic, end, Strength::Word);
        }
    }
}

/// `DE89370400440532013000`, or in groups of four with spaces or dashes.
fn iban(look: &Look<'_>) -> Option<usize> {
    let start = look.start();
    let country = [look.at(start).to_ascii_uppercase(), look.at(start + 1).to_ascii_uppercase()];
    let length = length_of(country)?;
    let mut code = [0_u8; LONGEST];
    let (mut at, mut count) = (start, 0);
    let separator = look.at(start + 4);
    while count < length {
        let byte = look.at(at);
        if byte.is_ascii_alphanumeric() {
            code[count] = byte;
            count += 1;
        } else if !(byte == separator && matches!(byte, b' ' | b'-') && count >= 4 && look.at(at - 1) != byte) {
            return None;
        }
        at += 1;
    }
    let code = &code[..length];
    (closes(look, at) && mod_97(code[4..].iter().chain(&code[..4]).copied()) == 1).then_some(at)
}

fn length_of(country: [u8; 2]) -> Option<usize> {
    let row = LENGTHS.as_bytes().chunks(5).find(|row| row[..2] == country)?;
    Some(usize::from(row[2] - b'0') * 10 + usize::from(row[3] - b'0'))
}

/// Whether letters five and six are a country (ISO 9362): one with IBANs, or one of the larger others.
fn is_country(code: &[u8]) -> bool {
    const OTHERS: &[u8] = b"US CA AU NZ JP CN HK SG IN ZA KR TW TH MY ID PH VN MX AR CL CO PE NG KE GH TZ UG LK BD";
    let country = [code[4], code[5]];
    length_of(country).is_some() || OTHERS.chunks(3).any(|other| other[..2] == country)
}
