//! Time, as a value that tests can set.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch.
pub type Micros = u64;

/// Tells the wall-clock time. Durations are measured with `tokio::time::Instant`, never with this.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since the Unix epoch; 0 when the machine's clock stands before it.
    fn now_us(&self) -> Micros;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> Micros {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}
