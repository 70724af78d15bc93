//! Money: integer nano-dollars, never floats.

use std::fmt;
use std::iter::Sum;

/// An amount in nano-dollars: 1 USD is 1,000,000,000.
///
/// Signed, so that a debt can be told; a cost is never negative. 64 bits hold ±9.2 billion USD.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Adds, or tells that 64 bits do not hold the sum.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Adds, and stays at the largest amount rather than wrap. For reports; balances use [`Self::checked_add`].
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// Dollars with all nine decimals: `0.000012500`.
impl fmt::Display for NanoUsd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        write!(out, "{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::NanoUsd;

    #[test]
    fn dollars_are_written_with_all_nine_decimals() {
        let cases = [
            ("nothing", 0, "0.000000000"),
            ("a nano-dollar", 1, "0.000000001"),
            ("a debt", -1_500_000_000, "-1.500000000"),
            ("the least", i64::MIN, "-9223372036.854775808"),
        ];
        for (name, nanos, want) in cases {
            assert_eq!(NanoUsd(nanos).to_string(), want, "{name}");
        }
    }
}
