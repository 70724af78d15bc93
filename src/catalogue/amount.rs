//! Rates: what a million tokens or units cost, read from decimal text without a float in between.

use std::fmt;

/// Nano-dollars for 1,000,000 of one class: tokens, pictures, milliseconds, characters, searches. `0.15` USD per million
/// tokens is 150,000,000; so is `0.00015` USD per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// Reads USD per million tokens: digits, and after a point at most nine more that are not zeros.
    ///
    /// # Errors
    ///
    /// [`BadAmount`] for a sign, an exponent, a finer fraction than a nano-dollar, or more than 1,000,000 USD: a limit
    /// far above any price, so that an amount written in the wrong unit is noticed.
    pub fn parse(text: &str) -> Result<Self, BadAmount> {
        read(text, NANOS_PER_USD, LARGEST, "has more than nine decimals", "is above 1000000")
    }

    /// Reads USD for one of what is sold, of which `million` make a million of what is counted: 1,000,000, and 1,000 of
    /// seconds that are counted in milliseconds. After the point at most as many digits as a nano-dollar per million
    /// holds.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`]; the limit is 1,000 USD.
    pub(super) fn parse_each(text: &str, million: u64) -> Result<Self, BadAmount> {
        let scale = NANOS_PER_USD * million;
        let finer = if million == 1_000 { "has more than twelve decimals" } else { "has more than fifteen decimals" };
        read(text, scale, scale * LARGEST_EACH, finer, "is above 1000")
    }

    /// The rate of so many nano-dollars per million.
    pub const fn from_nanos(nanos_per_million: u64) -> Self {
        Self(nanos_per_million)
    }

    /// Nano-dollars per 1,000,000.
    pub const fn nanos_per_million(self) -> u64 {
        self.0
    }

    /// USD for one of what is sold, of which `million` make a million of what is counted; at least two decimals.
    pub(super) fn each(self, million: u64) -> String {
        decimal(self.0, NANOS_PER_USD * million)
    }

    /// Twice as much.
    pub(super) const fn doubled(self) -> Self {
        Self(self.0.saturating_mul(2))
    }
}

/// USD per million with at least two decimals and no more than needed: `0.60`, `0.075`.
impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&decimal(self.0, NANOS_PER_USD))
    }
}

/// `amount` / `scale`, a power of ten, with at least two decimals and no more than needed.
fn decimal(amount: u64, scale: u64) -> String {
    let digits = scale.ilog10() as usize;
    let fraction = format!("{:0digits$}", amount % scale);
    let kept = fraction.trim_end_matches('0').len().max(2);
    format!("{}.{fraction:.kept$}", amount / scale)
}

/// `text` times `scale`, a power of ten, if that is a whole number of at most `largest`.
fn read(text: &str, scale: u64, largest: u64, finer: &'static str, above: &'static str) -> Result<Rate, BadAmount> {
    let bad = |why| BadAmount { text: text.to_owned(), why };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !all_digits(whole) || !all_digits(fraction) {
        return Err(bad("is not a decimal number such as `0.15`"));
    }
    let fraction = fraction.trim_end_matches('0');
    let decimals = scale.ilog10() as usize;
    if fraction.len() > decimals {
        return Err(bad(finer));
    }
    let nanos = digits(whole).and_then(|whole| {
        let rest = 10u64.checked_pow(u32::try_from(decimals - fraction.len()).ok()?)?;
        whole.checked_mul(scale)?.checked_add(digits(fraction)?.checked_mul(rest)?)
    });
    match nanos {
        Some(nanos) if nanos <= largest => Ok(Rate(nanos)),
        _ => Err(bad(above)),
    }
}

/// Text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {why}")]
pub struct BadAmount {
    text: String,
    why: &'static str,
}

const NANOS_PER_USD: u64 = 1_000_000_000;
/// 1,000,000 USD per million tokens.
const LARGEST: u64 = 1_000_000 * NANOS_PER_USD;
/// USD for one of what is sold: far above any price too.
const LARGEST_EACH: u64 = 1_000;

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number that `text` writes, 0 for no digits; `None` past 64 bits.
fn digits(text: &str) -> Option<u64> {
    text.bytes().try_fold(0u64, |sum, byte| sum.checked_mul(10)?.checked_add(u64::from(byte.wrapping_sub(b'0'))))
}

#[cfg(test)]
mod tests {
    use super::Rate;
    use proptest::prelude::*;

    #[test]
    fn decimal_text_is_read_exactly() {
        let cases = [
            ("whole dollars", "15", Some(15_000_000_000)),
            ("cents", "0.15", Some(150_000_000)),
            ("a tenth and a third of floats", "0.3", Some(300_000_000)),
            ("the finest", "0.000000001", Some(1)),
            ("zeros behind the finest", "1.50000000000000", Some(1_500_000_000)),
            ("published as free", "0", Some(0)),
            ("the largest", "1000000", Some(1_000_000_000_000_000)),
            ("too fine", "0.0000000001", None),
            ("too large", "1000000.000000001", None),
            ("past 64 bits", "99999999999999999999999", None),
            ("empty", "", None),
            ("no whole part", ".5", None),
            ("no fraction", "5.", None),
            ("negative", "-1", None),
            ("signed", "+1", None),
            ("exponent", "1e-3", None),
            ("comma", "0,15", None),
            ("space", " 1", None),
            ("two points", "1.2.3", None),
            ("other digits", "٣", None),
        ];
        for (name, text, want) in cases {
            assert_eq!(Rate::parse(text).ok().map(Rate::nanos_per_million), want, "{name}");
        }
    }

    #[test]
    fn prices_of_units_are_read_exactly() {
        let cases = [
            ("a picture", "0.04", 1_000_000, Some(40_000_000_000_000)),
            ("a character", "0.000015", 1_000_000, Some(15_000_000_000)),
            ("the finest of a character", "0.000000000000001", 1_000_000, Some(1)),
            ("too fine for a character", "0.0000000000000001", 1_000_000, None),
            ("a second", "0.0001", 1_000, Some(100_000_000)),
            ("the finest of a second", "0.000000000001", 1_000, Some(1)),
            ("too fine for a second", "0.0000000000001", 1_000, None),
            ("the largest", "1000", 1_000_000, Some(1_000_000_000_000_000_000)),
            ("too large", "1000.1", 1_000_000, None),
            ("far too large", "99999999999", 1_000_000, None),
            ("free", "0", 1_000, Some(0)),
        ];
        for (name, text, million, want) in cases {
            assert_eq!(Rate::parse_each(text, million).ok().map(Rate::nanos_per_million), want, "{name}");
        }
        let second = Rate::parse_each("0.0002833334", 1_000).expect("good");
        assert_eq!(second.each(1_000), "0.0002833334", "is written as it was read");
    }

    #[test]
    fn a_bad_amount_says_what_is_wrong_with_it() {
        let why = Rate::parse("1e-3").expect_err("an exponent is refused").to_string();
        assert_eq!(why, "`1e-3` is not a decimal number such as `0.15`");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_rate(nanos in 0u64..=1_000_000_000_000_000) {
            let rate = Rate::from_nanos(nanos);
            prop_assert_eq!(Rate::parse(&rate.to_string()), Ok(rate));
        }
    }
}
