//! How fast places become free, and how fast requests may be admitted while the machine is behind. Pure.

/// How long it takes from one place to the next while somebody waits: what a wait will be, before it is begun.
#[derive(Debug, Default)]
pub struct Turnover {
    /// Mean time between two places, in microseconds; `None`: not known.
    gap_us: Option<f64>,
    /// Since when somebody waits, or the last place was given.
    since_us: Option<u64>,
    /// When `gap_us` was learned.
    learned_us: u64,
}

impl Turnover {
    /// What was learned is forgotten after this: load that is so old says nothing of today's.
    const KEPT_US: u64 = 10_000_000;
    /// One sample's weight in the mean.
    const WEIGHT: f64 = 1.0 / 16.0;

    /// Somebody waits where nobody did.
    pub fn begin(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.learned_us) > Self::KEPT_US {
            self.gap_us = None;
        }
        self.since_us = Some(now_us);
    }

    /// A place was given to somebody who waited.
    pub fn given(&mut self, now_us: u64) {
        if let Some(since) = self.since_us.replace(now_us) {
            #[expect(clippy::cast_precision_loss, reason = "microseconds of a wait")]
            let sample = now_us.saturating_sub(since) as f64;
            self.gap_us = Some(self.gap_us.map_or(sample, |mean| mean + (sample - mean) * Self::WEIGHT));
            self.learned_us = now_us;
        }
    }

    /// Nobody waits any more: what passes from here on is no wait.
    pub fn end(&mut self) {
        self.since_us = None;
    }

    /// How long it takes until `places` became free, in microseconds; `None`: not known. Should none have become free
    /// for longer than usual, that is the measure.
    pub fn wait_us(&self, places: usize, now_us: u64) -> Option<u64> {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a wait")]
        let idle = self.since_us.map_or(0.0, |since| now_us.saturating_sub(since) as f64);
        #[expect(clippy::cast_precision_loss, reason = "a queue's length")]
        let wait = self.gap_us?.max(idle) * places as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
        Some(wait as u64)
    }
}

/// Admits fewer requests while tasks wait too long for a thread, whatever the number of open requests is: cheap requests
/// use up the processor long before they use up places.
///
/// It is asked with samples of that wait (the *lag*). As CoDel does, it goes by the least lag of an interval: a burst
/// passes, a queue that stands does not. While it stands, the rate of admission is cut below what was admitted in that
/// interval; afterwards it grows, until it binds nobody any more. Where refusals alone keep the machine busy (clients that
/// come again at once), to admit still fewer would help nobody: then it grows, too.
#[derive(Debug)]
pub struct Pace {
    target_us: u64,
    began_us: u64,
    admitted: u32,
    least_us: u64,
    samples: u32,
    /// Requests a second; `None`: as many as come.
    rate: Option<f64>,
    /// Intervals in which it bound nobody.
    free: u32,
}

impl Pace {
    /// An interval, in microseconds.
    pub const INTERVAL_US: u64 = 100_000;
    /// One of so many requests is to take a sample.
    pub const EACH: u64 = 8;
    /// With so many refusals for each admission they are what keeps the machine busy.
    const FUTILE: f64 = 8.0;
    /// With fewer samples an interval says nothing.
    const FEWEST: u32 = 4;
    /// It never admits fewer than this in a second: somebody must get through to show that the lag is over.
    const LEAST: f64 = 10.0;
    /// After so many intervals in which it bound nobody it is let go.
    const FREE: u32 = 20;

    /// Nothing is cut yet; 0 for `target_us`: never.
    pub fn new(target_us: u64) -> Self {
        Self { target_us, began_us: 0, admitted: 0, least_us: u64::MAX, samples: 0, rate: None, free: 0 }
    }

    /// Requests a second that may be admitted; `None`: as many as come.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Takes note of a lag. `admitted` counts all admissions, and may wrap. At the end of an interval, when the rate may
    /// have changed, its least lag.
    pub fn lag(&mut self, lag_us: u64, admitted: u32, now_us: u64) -> Option<u64> {
        self.least_us = self.least_us.min(lag_us);
        self.samples += 1;
        let elapsed = now_us.saturating_sub(self.began_us);
        if elapsed < Self::INTERVAL_US {
            return None;
        }
        let seconds = std::time::Duration::from_micros(elapsed).as_secs_f64();
        let rate = f64::from(admitted.wrapping_sub(self.admitted)) / seconds;
        self.turn(rate, elapsed);
        let least = self.least_us;
        (self.began_us, self.admitted, self.least_us, self.samples) = (now_us, admitted, u64::MAX, 0);
        Some(least)
    }

    fn turn(&mut self, admitted: f64, elapsed: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let came =
            f64::from(self.samples) * Self::EACH as f64 / std::time::Duration::from_micros(elapsed).as_secs_f64();
        let stands = self.target_us > 0
            && came < admitted * (1.0 + Self::FUTILE)
            && self.samples >= Self::FEWEST
            && self.least_us > self.target_us
            && elapsed < 10 * Self::INTERVAL_US;
        if stands {
            #[expect(clippy::cast_precision_loss, reason = "microseconds")]
            let cut = (self.target_us as f64 / self.least_us as f64).clamp(0.7, 0.95);
            let rate = self.rate.map_or(admitted, |rate| rate.min(admitted));
            self.rate = Some((rate * cut).max(Self::LEAST));
            self.free = 0;
        } else if let Some(rate) = &mut self.rate {
            // Also by one, so that a small rate grows at all.
            self.free = if admitted < *rate * 0.7 { self.free + 1 } else { 0 };
            *rate = *rate * 1.05 + 1.0;
            if self.free >= Self::FREE {
                self.rate = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_by_how_fast_places_became_free() {
        let mut turnover = Turnover::default();
        turnover.begin(0);
        assert_eq!(turnover.wait_us(5, 0), None, "nothing is known yet");
        for place in 1..=100 {
            turnover.given(place * 10_000);
        }
        assert_eq!(turnover.wait_us(5, 1_000_000), Some(50_000));
        assert_eq!(turnover.wait_us(2, 1_100_000), Some(200_000), "none has become free for 100 ms");
        turnover.end();
        assert_eq!(turnover.wait_us(1, 5_000_000), Some(10_000));
        turnover.begin(20_000_000);
        assert_eq!(turnover.wait_us(1, 20_000_000), None, "that was long ago");
    }

    /// Feeds intervals of 1,000 admissions with this lag.
    fn feed(pace: &mut Pace, intervals: std::ops::Range<u64>, lag_us: u64, each: u32, admitted: &mut u32) {
        for interval in intervals {
            for sample in 1..=10 {
                *admitted += each / 10;
                pace.lag(lag_us, *admitted, interval * Pace::INTERVAL_US + sample * Pace::INTERVAL_US / 10);
            }
        }
    }

    #[test]
    fn a_lag_that_stands_cuts_the_rate_and_its_end_lets_it_grow_until_it_is_gone() {
        let (mut pace, mut admitted) = (Pace::new(10_000), 0);
        feed(&mut pace, 0..5, 9_000, 1_000, &mut admitted);
        assert_eq!(pace.rate(), None, "below the target");
        feed(&mut pace, 5..8, 40_000, 1_000, &mut admitted);
        let cut = pace.rate().expect("it is cut");
        assert!(cut < 5_000.0, "by the lag: {cut}");
        feed(&mut pace, 8..12, 5_000, 300, &mut admitted);
        let grown = pace.rate().expect("still");
        assert!(grown > cut * 1.15, "{grown} {cut}");
        feed(&mut pace, 12..40, 5_000, 100, &mut admitted);
        assert_eq!(pace.rate(), None, "it bound nobody for two seconds");
    }

    #[test]
    fn who_comes_again_at_once_does_not_bring_admission_to_a_stop() {
        let (mut pace, mut admitted, mut least) = (Pace::new(10_000), 0.0, f64::MAX);
        // Whatever is admitted, 8,000 a second come, and the lag does not go away.
        for sample in 0..100_000u64 {
            admitted += pace.rate().unwrap_or(8_000.0).min(8_000.0) / 1_000.0;
            pace.lag(50_000, admitted as u32, sample * 1_000);
            least = least.min(pace.rate().unwrap_or(f64::MAX));
        }
        assert!(least > 500.0, "an eighth of what comes, about: {least}");
    }

    #[test]
    fn one_late_sample_of_many_is_a_burst_and_zero_is_off() {
        let (mut pace, mut off) = (Pace::new(10_000), Pace::new(0));
        for interval in 0..10 {
            for (at, lag) in [(1, 90_000), (2, 80_000), (3, 70_000), (50, 1_000), (100, 60_000)] {
                pace.lag(lag, 1, interval * Pace::INTERVAL_US + at * 1_000);
                off.lag(90_000, 1, interval * Pace::INTERVAL_US + at * 1_000);
            }
        }
        assert_eq!((pace.rate(), off.rate()), (None, None));
    }
}
