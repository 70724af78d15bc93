//! How fast a target has answered lately: averages that weigh a figure by the time that it stood for.

use super::standing::Pace;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A figure that is so old counts 1/e of a new one.
const FADES_MS: f64 = 10_000.0;
/// Least weight of a new figure, so that a burst moves the average within some dozens of answers.
const LEAST_WEIGHT: f64 = 1.0 / 32.0;

/// The averages of one target, read and written without a lock. Two answers that end at the same instant may cost one
/// figure; none is ever torn, for an average and its time are one word.
#[derive(Debug, Default)]
pub struct Paces {
    first: Average,
    token: Average,
    /// When a request was last sent there only to learn its pace, in microseconds.
    tried_us: AtomicU64,
}

impl Paces {
    /// An answer came at this pace.
    pub fn note(&self, pace: Pace, now_us: u64) {
        if let Some(first) = pace.first {
            self.first.note(first, now_us);
        }
        if let Some(token) = pace.token {
            self.token.note(token, now_us);
        }
    }

    /// Microseconds that an answer of `tokens` of output is expected to take; `None`: nothing is known.
    pub fn expected_us(&self, tokens: u64) -> Option<f64> {
        let (first, token) = (self.first.value_us(), self.token.value_us());
        let rest = token.map(|token| token * tokens as f64);
        match (first, rest) {
            (None, None) => None,
            (first, rest) => Some(first.unwrap_or(0.0) + rest.unwrap_or(0.0)),
        }
    }

    /// How old the newest figure is; `None`: there is none.
    pub fn age(&self, now_us: u64) -> Option<Duration> {
        [&self.first, &self.token].into_iter().filter_map(|average| average.age(now_us)).min()
    }

    /// Whether this request may be sent there to learn: at most one in each `every`.
    pub fn try_now(&self, now_us: u64, every: Duration) -> bool {
        let every = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
        let last = self.tried_us.load(Relaxed);
        let due = last == 0 || now_us.saturating_sub(last) >= every;
        due && self.tried_us.compare_exchange(last, now_us.max(1), Relaxed, Relaxed).is_ok()
    }
}

/// An average in microseconds (`f32`, upper half) and when it was last moved, in milliseconds that wrap after 49 days
/// (lower half). 0: nothing was noted.
#[derive(Debug, Default)]
struct Average(AtomicU64);

impl Average {
    fn note(&self, figure: Duration, now_us: u64) {
        let figure = figure.as_secs_f64() * 1e6;
        let step = |word: u64| {
            let (value, age_ms) = (Self::value_of(word), Self::age_ms(word, now_us));
            let value = value.map_or(figure, |value| {
                let weight = (1.0 - (-f64::from(age_ms) / FADES_MS).exp()).max(LEAST_WEIGHT);
                value + (figure - value) * weight
            });
            Some(Self::word(value, now_us))
        };
        let _ = self.0.fetch_update(Relaxed, Relaxed, step);
    }

    /// At least a microsecond, so that no figure looks like none.
    fn word(value_us: f64, now_us: u64) -> u64 {
        let bits = (value_us.max(1.0) as f32).to_bits();
        u64::from(bits) << 32 | u64::from(Self::clock_ms(now_us))
    }

    const fn clock_ms(now_us: u64) -> u32 {
        (now_us / 1_000) as u32
    }

    fn value_of(word: u64) -> Option<f64> {
        let value = f32::from_bits((word >> 32) as u32);
        (word != 0).then(|| f64::from(value))
    }

    const fn age_ms(word: u64, now_us: u64) -> u32 {
        let age = Self::clock_ms(now_us).wrapping_sub(word as u32);
        // What was noted a little later by another thread is no 49 days old.
        if age > u32::MAX / 2 { 0 } else { age }
    }

    fn value_us(&self) -> Option<f64> {
        Self::value_of(self.0.load(Relaxed))
    }

    fn age(&self, now_us: u64) -> Option<Duration> {
        let word = self.0.load(Relaxed);
        (word != 0).then(|| Duration::from_millis(Self::age_ms(word, now_us).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn pace(first_ms: u64, token_ms: u64) -> Pace {
        Pace { first: Some(Duration::from_millis(first_ms)), token: Some(Duration::from_millis(token_ms)) }
    }

    #[test]
    fn the_first_figure_counts_whole_and_later_ones_by_the_time_between() {
        let paces = Paces::default();
        assert_eq!((paces.expected_us(100), paces.age(SECOND)), (None, None));
        paces.note(pace(100, 1), SECOND);
        assert_eq!(paces.expected_us(100), Some(200_000.0));
        assert_eq!(paces.age(3 * SECOND), Some(Duration::from_secs(2)));
        paces.note(pace(1_100, 1), 2 * SECOND);
        let soon = paces.expected_us(0).expect("known");
        assert!((190_000.0..200_000.0).contains(&soon), "a second is a tenth of what fades: {soon}");
        paces.note(pace(1_100, 1), 60 * SECOND);
        assert!(paces.expected_us(0).expect("known") > 1_090_000.0, "after a minute the old figure is forgotten");
    }

    #[test]
    fn a_burst_of_answers_moves_the_average_although_no_time_passes() {
        let paces = Paces::default();
        paces.note(pace(100, 1), SECOND);
        (0..100).for_each(|_| paces.note(pace(500, 1), SECOND));
        assert!(paces.expected_us(0).expect("known") > 470_000.0);
    }

    #[test]
    fn one_request_in_a_while_may_go_there_to_learn() {
        let (paces, every) = (Paces::default(), Duration::from_secs(1));
        assert!(paces.try_now(SECOND, every));
        assert!(!paces.try_now(SECOND + 1, every));
        assert!(paces.try_now(2 * SECOND, every));
    }

    #[test]
    fn clocks_that_run_back_make_no_figure_old() {
        let paces = Paces::default();
        paces.note(pace(100, 1), 10 * SECOND);
        assert_eq!(paces.age(9 * SECOND), Some(Duration::ZERO));
    }
}
