//! Rates: what a million tokens cost, read from decimal text without a float in between.

use std::fmt;

/// Nano-dollars for 1,000,000 tokens of one class. `0.15` USD per million is 150,000,000.
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
        let bad = |why| BadAmount { text: text.to_owned(), why };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(bad("is not a decimal number such as `0.15`"));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > DECIMALS {
            return Err(bad("has more than nine decimals"));
        }
        let nanos = digits(whole).and_then(|whole| {
            let scale = 10u64.checked_pow(u32::try_from(DECIMALS - fraction.len()).ok()?)?;
            whole.checked_mul(NANOS_PER_USD)?.checked_add(digits(fraction)?.checked_mul(scale)?)
        });
        match nanos {
            Some(nanos) if nanos <= LARGEST => Ok(Self(nanos)),
            _ => Err(bad("is above 1000000")),
        }
    }

    /// The rate of so many nano-dollars per million tokens.
    pub const fn from_nanos(nanos_per_million: u64) -> Self {
        Self(nanos_per_million)
    }

    /// Nano-dollars per 1,000,000 tokens.
    pub const fn nanos_per_million(self) -> u64 {
        self.0
    }

    /// Twice as much.
    pub(super) const fn doubled(self) -> Self {
        Self(self.0.saturating_mul(2))
    }
}

/// USD per million with at least two decimals and no more than needed: `0.60`, `0.075`.
impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:09}", self.0 % NANOS_PER_USD);
        let kept = fraction.trim_end_matches('0').len().max(2);
        write!(out, "{}.{fraction:.kept$}", self.0 / NANOS_PER_USD)
    }
}

/// Text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {why}")]
pub struct BadAmount {
    text: String,
    why: &'static str,
}

const DECIMALS: usize = 9;
const NANOS_PER_USD: u64 = 1_000_000_000;
/// 1,000,000 USD per million tokens.
const LARGEST: u64 = 1_000_000 * NANOS_PER_USD;

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
