//! Checksums and calendars. Digits are values, not characters.

/// Luhn's sum, as of ISO/IEC 7812-1 (<https://en.wikipedia.org/wiki/Luhn_algorithm>).
pub(super) fn luhn_sum(digits: &[u8]) -> u32 {
    let doubled = |digit: u8| u32::from(if digit > 4 { digit * 2 - 9 } else { digit * 2 });
    let one = |(place, &digit): (usize, &u8)| if place % 2 == 1 { doubled(digit) } else { u32::from(digit) };
    digits.iter().rev().enumerate().map(one).sum()
}

/// Whether Luhn's sum is right.
pub(super) fn luhn(digits: &[u8]) -> bool {
    luhn_sum(digits).is_multiple_of(10)
}

/// The sum of digits, each times its weight.
pub(super) fn weigh(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(&digit, weight)| u32::from(digit) * weight).sum()
}

/// Verhoeff's sum in the dihedral group D5 (<https://en.wikipedia.org/wiki/Verhoeff_algorithm>).
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    let times = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permute = |digit: u8, turns: usize| (0..turns % 8).fold(digit, |digit, _| PERMUTED[usize::from(digit)]);
    digits.iter().rev().enumerate().fold(0, |sum, (place, &digit)| times(sum, permute(digit, place))) == 0
}

/// ISO/IEC 7064 MOD 11,10, check digit last (<https://en.wikipedia.org/wiki/ISO/IEC_7064>).
pub(super) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((&check, rest)) = digits.split_last() else { return false };
    let product = rest.iter().fold(10, |product, &digit| {
        let sum = (u32::from(digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (product + u32::from(check)) % 10 == 1
}

/// The number that digits are.
pub(super) fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, &digit| value * 10 + u64::from(digit))
}

/// The remainder by 97 of digits and letters (`A` is 10), as IBANs are checked.
pub(super) fn mod_97(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.to_ascii_uppercase().saturating_sub(b'A')) + 10) % 97,
    })
}

/// Whether there is such a day; a year of 0 leaves the leap day in.
pub(super) fn is_day(year: u64, month: u64, day: u64) -> bool {
    let leap = year == 0 || (year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(leap),
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Whether six digits are year, month and day.
pub(super) fn is_yymmdd(digits: &[u8]) -> bool {
    digits.len() >= 6 && is_day(0, value(&digits[2..4]), value(&digits[4..6]))
}

/// Whether all are the same.
pub(super) fn all_same(digits: &[u8]) -> bool {
    digits.windows(2).all(|pair| pair[0] == pair[1])
}
