//! Time for windows: begins at the wall clock and then only goes forward, whatever becomes of that clock.

use std::time::Duration;
use tokio::time::Instant;

/// Microseconds since the Unix epoch as the machine's clock had it at the start, counted on by a monotonic clock: a step
/// of the wall clock by a day in either direction neither empties nor freezes a window.
#[derive(Debug, Clone, Copy)]
pub struct Steady {
    base: Instant,
    base_us: u64,
}

impl Steady {
    /// From now on, which is `wall_us` by the wall clock.
    pub fn new(wall_us: u64) -> Self {
        Self { base: Instant::now(), base_us: wall_us }
    }

    /// Now.
    pub fn now_us(&self) -> u64 {
        self.at(Instant::now())
    }

    /// The time of `instant`.
    pub fn at(&self, instant: Instant) -> u64 {
        let since: Duration = instant.saturating_duration_since(self.base);
        self.base_us.saturating_add(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}
