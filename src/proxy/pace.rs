//! How fast a request's body must come.

use super::reject::Reject;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

/// `work`, unless it takes until the deadline. Where it is done at once, as nearly all reads and writes are, no timer is made, nothing is
/// moved, and the deadline is not asked for.
///
/// # Errors
///
/// It took until then.
pub async fn in_time<T>(work: impl Future<Output = T>, deadline: impl FnOnce() -> Instant) -> Result<T, Elapsed> {
    let mut work = pin!(work);
    if let Poll::Ready(done) = futures::poll!(&mut work) {
        return Ok(done);
    }
    timeout_at(deadline(), work).await
}

/// Bounds on one body.
#[derive(Debug, Clone, Copy)]
pub struct BodyBounds {
    /// Most bytes; past it 413.
    pub most: usize,
    /// Longest wait for the whole of it; past it 408.
    pub within: Duration,
    /// Bytes that buy one second more; 0: none do.
    pub rate: u64,
}

impl BodyBounds {
    /// When the body that began at `begun`, of which `received` bytes have come, must be whole, or have brought more:
    /// `within` later, and as much later as `received` takes at the least rate. So it is never waited for longer than its
    /// largest size takes, and who sends a byte now and then gains nothing by it.
    pub fn deadline(&self, begun: Instant, received: usize) -> Instant {
        // What the clock cannot say is as good as never.
        begun.checked_add(self.within + self.bought(received)).unwrap_or(begun + self.within)
    }

    /// Of a body that is passed on as it comes: how long its client is waited for now, when it was waited for so long
    /// before. What the other side takes its time for is not counted. Such bodies have no bound on the whole: without a
    /// rate it is for ever.
    pub fn patience(&self, waited: Duration, received: usize) -> Duration {
        if self.rate == 0 { Duration::MAX } else { (self.within + self.bought(received)).saturating_sub(waited) }
    }

    fn bought(&self, received: usize) -> Duration {
        let received = u64::try_from(received).unwrap_or(u64::MAX);
        Duration::from_millis(received.saturating_mul(1000).checked_div(self.rate).unwrap_or(0))
    }

    /// What a client is told whose body came too slowly.
    pub const fn late(&self) -> Reject {
        Reject::BodyTimeout { limit: self.within }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_buy_time_at_the_least_rate() {
        let begun = Instant::now();
        let later = |rate: u64, received: usize| {
            let bounds = BodyBounds { most: usize::MAX, within: Duration::from_secs(30), rate };
            (bounds.deadline(begun, received) - begun).as_millis()
        };
        let cases = [
            ("nothing came", 16_384, 0, 30_000),
            ("one byte", 16_384, 1, 30_000),
            ("a second's worth", 16_384, 16_384, 31_000),
            ("the largest body", 16_384, 32 << 20, 30_000 + 2_048_000),
            ("off", 0, 32 << 20, 30_000),
            ("a byte a second", 1, 60, 90_000),
        ];
        for (name, rate, received, want) in cases {
            assert_eq!(later(rate, received), want, "{name}");
        }
        assert!(later(1, usize::MAX) >= 30_000, "no overflow");
    }

    #[test]
    fn a_body_that_is_passed_on_is_waited_for_as_long_as_it_keeps_its_pace() {
        let seconds = Duration::from_secs;
        let bounds = |rate| BodyBounds { most: 1, within: seconds(30), rate };
        assert_eq!(bounds(1000).patience(seconds(0), 0), seconds(30));
        assert_eq!(bounds(1000).patience(seconds(29), 10_000), seconds(11));
        assert_eq!(bounds(1000).patience(seconds(50), 10_000), seconds(0));
        assert_eq!(bounds(0).patience(seconds(1000), 0), Duration::MAX);
    }
}
