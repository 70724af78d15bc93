//! Answers and failures of the last so many seconds, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Parts of the window; what is counted reaches back between all of them and one fewer.
const SLOTS: u64 = 8;
/// Bits of each of the two counts of a slot. The rest are the number of its part of time.
const BITS: u32 = 20;
const MOST: u64 = (1 << BITS) - 1;
const PARTS: u64 = (1 << (64 - 2 * BITS)) - 1;

/// A ring of slots. Each is one word: which part of time it counts, answers, failures.
#[derive(Debug, Default)]
pub struct Window([AtomicU64; SLOTS as usize]);

impl Window {
    /// Counts one at `now_us`. Past a million in one slot both of its counts are halved: the ratio stays.
    pub fn add(&self, failed: bool, window: Duration, now_us: u64) {
        let part = part(window, now_us);
        let Some(slot) = self.0.get(usize::try_from(part % SLOTS).unwrap_or(0)) else { return };
        let add = |word: u64| {
            let (mut well, mut bad) = if word >> (2 * BITS) == part & PARTS { counts(word) } else { (0, 0) };
            if well == MOST || bad == MOST {
                (well, bad) = (well / 2, bad / 2);
            }
            let (well, bad) = if failed { (well, bad + 1) } else { (well + 1, bad) };
            Some((part & PARTS) << (2 * BITS) | well << BITS | bad)
        };
        // It always has a new word.
        let _ = slot.fetch_update(Relaxed, Relaxed, add);
    }

    /// Answers and failures of the window that ends at `now_us`.
    pub fn sums(&self, window: Duration, now_us: u64) -> (u64, u64) {
        let now = part(window, now_us);
        let recent = |word: &u64| {
            let age = (now & PARTS).wrapping_sub(word >> (2 * BITS)) & PARTS;
            age < SLOTS
        };
        let words = self.0.iter().map(|slot| slot.load(Relaxed)).filter(recent).map(counts);
        words.fold((0, 0), |(well, bad), (one, other)| (well + one, bad + other))
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.iter().for_each(|slot| slot.store(0, Relaxed));
    }
}

fn part(window: Duration, now_us: u64) -> u64 {
    let width = u64::try_from(window.as_micros()).unwrap_or(u64::MAX) / SLOTS;
    now_us / width.max(1)
}

const fn counts(word: u64) -> (u64, u64) {
    (word >> BITS & MOST, word & MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(8);
    const SECOND: u64 = 1_000_000;
    const START: u64 = 1_700_000_000 * SECOND;

    #[test]
    fn what_is_older_than_the_window_is_not_counted() {
        let counted = Window::default();
        for second in 0..20 {
            counted.add(second % 2 == 0, WINDOW, START + second * SECOND);
            let (well, bad) = counted.sums(WINDOW, START + second * SECOND);
            assert_eq!(well + bad, (second + 1).min(8), "{second}");
        }
        assert_eq!(counted.sums(WINDOW, START + 100 * SECOND), (0, 0));
        counted.clear();
        assert_eq!(counted.sums(WINDOW, START + 19 * SECOND), (0, 0));
    }

    #[test]
    fn a_slot_that_is_full_keeps_its_ratio() {
        let counted = Window::default();
        counted.0[usize::try_from(part(WINDOW, START) % SLOTS).expect("small")]
            .store(((part(WINDOW, START) & PARTS) << (2 * BITS)) | (MOST << BITS) | (MOST / 2), Relaxed);
        counted.add(true, WINDOW, START);
        let (well, bad) = counted.sums(WINDOW, START);
        assert!(well < MOST && (bad * 2).abs_diff(well) < 4, "{well} {bad}");
    }
}
