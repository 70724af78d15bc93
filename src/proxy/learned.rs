//! How many bytes a model needs for a token, learned from what its provider reports: for `estimates: learned`.
//!
//! Lock-free and small: one number and a count for a target, lost at a reload, when strictness begins anew.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The least bytes per token that a target was seen to take.
///
/// Until [`Learned::ENOUGH`] requests were seen every byte counts as a token. Then a token counts as the least seen
/// bytes per token, less `MARGIN`. The least decays upwards by 1/`DECAY` of the distance with each request that
/// shows more, so that one odd text does not rule for ever. A text that is denser than all before it (hexadecimal digits
/// after a day of prose) may still take more tokens than were held; the difference is charged as debt.
#[derive(Debug, Default)]
pub struct Learned {
    /// 1/1000 bytes per token; 0: nothing was seen.
    least: AtomicU64,
    seen: AtomicU32,
}

/// Of the least bytes per token, in percent.
const MARGIN: u64 = 20;
/// How slowly an odd text is forgotten.
const DECAY: u64 = 256;
/// Shorter texts say little: most of their tokens are the frame around them.
const LEAST_TOKENS: u64 = 16;
const MILLI: u64 = 1_000;

impl Learned {
    /// Requests after which it is trusted.
    pub const ENOUGH: u32 = 20;

    /// A request of `bytes` (see `Ask::demand.readable_bytes`) took `tokens` of input, as its provider reported. Only for
    /// requests whose input is text alone (`Demand::is_text`).
    pub fn observe(&self, bytes: u64, tokens: u64) {
        if tokens < LEAST_TOKENS || bytes == 0 {
            return;
        }
        let rate = (u128::from(bytes) * u128::from(MILLI) / u128::from(tokens)).max(1);
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        // Relaxed: the two numbers guard nothing else, and a lost race costs one observation.
        let step = |least: u64| {
            Some(match least {
                0 => rate,
                least if rate <= least => rate,
                least => least + (rate - least) / DECAY,
            })
        };
        let _ = self.least.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        let _ = self.seen.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| seen.checked_add(1));
    }

    /// Tokens that `bytes` come to at most: never more than the bytes, never fewer than a `FLOOR`th of them.
    pub fn bound(&self, bytes: u64) -> u64 {
        let least = self.least.load(Ordering::Relaxed);
        if self.seen.load(Ordering::Relaxed) < Self::ENOUGH || least == 0 {
            return bytes;
        }
        let held = u128::from(least) * u128::from(100 - MARGIN) / 100;
        let held = held.clamp(u128::from(MILLI), u128::from(FLOOR * MILLI));
        let tokens = (u128::from(bytes) * u128::from(MILLI)).div_ceil(held);
        u64::try_from(tokens).unwrap_or(u64::MAX)
    }
}

/// No text is taken for sparser than this, whatever a provider reports: English prose has 4 to 5 bytes a token.
const FLOOR: u64 = 6;

#[cfg(test)]
mod tests {
    use super::{FLOOR, Learned};
    use proptest::prelude::*;

    fn after(rates: &[(u64, u64)]) -> Learned {
        let learned = Learned::default();
        rates.iter().for_each(|(bytes, tokens)| learned.observe(*bytes, *tokens));
        learned
    }

    #[test]
    fn strict_until_enough_was_seen_and_then_the_least_with_a_margin() {
        let mut seen = vec![(4_000, 1_000); 19];
        assert_eq!(after(&seen).bound(8_000), 8_000, "not enough yet");
        seen.push((4_000, 1_000));
        assert_eq!(after(&seen).bound(8_000), 2_500, "4 bytes a token, less a fifth");
        seen.push((2_000, 1_000));
        assert_eq!(after(&seen).bound(8_000), 5_000, "one denser text rules at once");
        seen.extend([(4_000, 1_000); 2_000]);
        let bound = after(&seen).bound(8_000);
        assert!((2_500..2_700).contains(&bound), "and is forgotten slowly: {bound}");
    }

    #[test]
    fn absurd_reports_stay_within_the_floor_and_one_token_a_byte() {
        assert_eq!(after(&[(u64::MAX, 16); 30]).bound(6_000), 6_000 / FLOOR);
        assert_eq!(after(&[(1, u64::MAX); 30]).bound(6_000), 6_000);
        assert_eq!(after(&[(0, 50); 30]).bound(6_000), 6_000, "says nothing");
        assert_eq!(after(&[(100, 3); 30]).bound(6_000), 6_000, "says too little");
        assert_eq!(after(&[(4_000, 1_000); 30]).bound(u64::MAX), u64::MAX / 16 * 5 + 5);
    }

    proptest! {
        /// A text that is as dense as the densest seen so far is never under-held, right after it was seen.
        #[test]
        fn what_was_just_seen_is_held(
            rates in proptest::collection::vec((1u64..1_000_000, 16u64..1_000_000), 20..60), more in 1u64..100,
        ) {
            let learned = after(&rates);
            let (bytes, tokens) = rates[rates.len() - 1];
            prop_assume!(tokens <= bytes && bytes / tokens < FLOOR);
            prop_assert!(learned.bound(bytes * more) >= tokens * more);
        }

        #[test]
        fn more_bytes_never_hold_less(
            rates in proptest::collection::vec((0u64..=u64::MAX, 0u64..=u64::MAX), 0..60),
            bytes in 0u64..u64::MAX,
        ) {
            let learned = after(&rates);
            prop_assert!(learned.bound(bytes) <= learned.bound(bytes + 1));
            prop_assert!(learned.bound(bytes) <= bytes);
        }
    }
}
