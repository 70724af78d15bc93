//! Shares that come out exactly: a sequence of places that is walked by a counter.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Longest sequence, unless there are more targets than that.
const LONGEST: u64 = 4_096;

/// The targets of a route by weight, evenly spread.
///
/// The sequence is made once, by smooth weighted round robin: each step adds to each target its weight, takes the one that
/// has most, and takes the sum of weights off it. It has as many places as the weights come to, divided by what they
/// have in common, and is walked by an atomic counter, so any window of that length holds each target exactly by its
/// weight. Weights that come to more than [`LONGEST`] are scaled down to it: then a share is off by at most 1/`LONGEST`
/// (and none is lost). The walk begins anew at a reload.
#[derive(Debug)]
pub struct Shares {
    sequence: Box<[u16]>,
    next: AtomicU64,
}

impl Shares {
    /// Of these weights, by place; a weight of 0 is never chosen.
    pub fn new(weights: &[u32]) -> Self {
        let weights = reduced(weights);
        let sum: i64 = weights.iter().sum();
        let mut current = vec![0_i64; weights.len()];
        let sequence = (0..sum).map(|_| {
            for (have, weight) in current.iter_mut().zip(&weights) {
                *have += weight;
            }
            let most = (0..current.len()).rev().filter(|&at| weights[at] > 0).max_by_key(|&at| current[at]);
            let at = most.expect("a sum above 0 has a weight above 0");
            current[at] -= sum;
            u16::try_from(at).unwrap_or(u16::MAX)
        });
        Self { sequence: sequence.collect(), next: AtomicU64::new(0) }
    }

    /// The next step: its number, and the place that it falls to. `None`: nobody has a weight.
    pub fn next(&self) -> (u64, Option<u16>) {
        let number = self.next.fetch_add(1, Relaxed);
        (number, self.place(number))
    }

    /// What the next step will be, without taking it.
    pub fn peek(&self) -> (u64, Option<u16>) {
        let number = self.next.load(Relaxed);
        (number, self.place(number))
    }

    fn place(&self, number: u64) -> Option<u16> {
        let length = self.sequence.len() as u64;
        let at = number.checked_rem(length)?;
        self.sequence.get(usize::try_from(at).ok()?).copied()
    }
}

/// Weights without what they have in common, and scaled down where they come to too much.
fn reduced(weights: &[u32]) -> Vec<i64> {
    let common = weights.iter().fold(0, |common, &weight| gcd(common, weight)).max(1);
    let weights: Vec<u64> = weights.iter().map(|&weight| u64::from(weight / common)).collect();
    let sum: u64 = weights.iter().sum();
    if sum <= LONGEST {
        return weights.into_iter().map(|weight| i64::try_from(weight).unwrap_or(i64::MAX)).collect();
    }
    let scaled = weights.into_iter().map(|weight| match weight {
        0 => 0,
        _ => (weight * LONGEST / sum).max(1),
    });
    scaled.map(|weight| i64::try_from(weight).unwrap_or(i64::MAX)).collect()
}

const fn gcd(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Picks a share of requests, spread as evenly as it goes: of any window of `whole` requests exactly `part`.
#[derive(Debug, Default)]
pub struct Picks(AtomicU64);

impl Picks {
    /// Whether the next request is one of the `part` of `whole`.
    pub fn next(&self, part: u64, whole: u64) -> bool {
        Self::is_picked(self.0.fetch_add(1, Relaxed), part, whole)
    }

    /// Whether the next request would be.
    pub fn peek(&self, part: u64, whole: u64) -> bool {
        Self::is_picked(self.0.load(Relaxed), part, whole)
    }

    fn is_picked(number: u64, part: u64, whole: u64) -> bool {
        let whole = whole.max(1);
        // The last of each whole period, so that the very first request is not the canary's.
        (number % whole + 1) * part % whole < part && part > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(shares: &Shares, steps: usize, places: usize) -> Vec<usize> {
        let mut counts = vec![0; places];
        for _ in 0..steps {
            counts[usize::from(shares.next().1.expect("weights"))] += 1;
        }
        counts
    }

    #[test]
    fn a_heavy_target_does_not_come_in_bursts() {
        let shares = Shares::new(&[5, 1, 1]);
        let walked: Vec<_> = (0..7).map(|_| shares.next().1.expect("weights")).collect();
        assert_eq!(walked, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn huge_weights_are_scaled_and_nobody_is_lost() {
        let shares = Shares::new(&[1_000_000, 1, 999_999, 0]);
        assert!(shares.sequence.len() as u64 <= LONGEST + 3);
        let counts = counts(&shares, shares.sequence.len(), 4);
        assert!(counts[0].abs_diff(counts[2]) <= 1 && counts[1] == 1 && counts[3] == 0, "{counts:?}");
    }

    #[test]
    fn nobody_is_chosen_where_nobody_has_a_weight() {
        assert_eq!(Shares::new(&[0, 0]).next().1, None);
        assert_eq!(Shares::new(&[]).next().1, None);
    }

    proptest! {
        #[test]
        fn every_window_of_the_sum_holds_each_target_by_its_weight(
            weights in proptest::collection::vec(0u32..40, 1..9), skipped in 0usize..500,
        ) {
            let sum: u32 = weights.iter().sum();
            prop_assume!(sum > 0);
            let shares = Shares::new(&weights);
            counts(&shares, skipped, weights.len());
            let counts = counts(&shares, sum as usize, weights.len());
            prop_assert_eq!(counts, weights.iter().map(|&weight| weight as usize).collect::<Vec<_>>());
        }

        #[test]
        fn every_window_of_the_whole_holds_the_part(part in 0u64..=100, skipped in 0u64..300) {
            let picks = Picks::default();
            for _ in 0..skipped {
                picks.next(part, 100);
            }
            prop_assert_eq!((0..100).filter(|_| picks.next(part, 100)).count() as u64, part);
        }
    }
}
