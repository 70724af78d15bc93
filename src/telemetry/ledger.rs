//! Metrics of the ledger: the journal and the store behind it.

use super::registered;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// The journal and the store behind it. Few enough to be plain handles.
#[derive(Debug, Clone)]
pub struct LedgerMetrics {
    /// Frames in the journal that are not folded into the store yet.
    pub lag_frames: IntGauge,
    /// Age in microseconds of the oldest frame that is not folded yet; 0 when there is none.
    pub lag_us: IntGauge,
    /// Attempts journaled and not settled yet.
    pub open_attempts: IntGauge,
    /// Journal segments on disk.
    pub segments: IntGauge,
    /// Bytes of journal and store on disk.
    pub disk_bytes: IntGauge,
    /// Time of one append, the `write(2)` included.
    pub append_seconds: Histogram,
    /// Time of one grouped `fdatasync`.
    pub sync_seconds: Histogram,
    /// Frames written.
    pub frames: IntCounter,
    /// Frames or folds that failed: a full disk, an I/O error.
    pub errors: IntCounter,
    /// Attempts found open at start, settled as estimated.
    pub recovered_attempts: IntCounter,
}

impl LedgerMetrics {
    /// Registers the stage's metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help));
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help));
        let histogram = |name: &str, help: &str| {
            let opts = HistogramOpts::new(name, help).buckets(DISK_SECONDS.to_vec());
            registered(registry, Histogram::with_opts(opts))
        };
        Ok(Self {
            lag_frames: gauge("weighbridge_ledger_lag_frames", "Journal frames not folded into the store yet")?,
            lag_us: gauge("weighbridge_ledger_lag_microseconds", "Age of the oldest journal frame not folded yet")?,
            open_attempts: gauge("weighbridge_ledger_open_attempts", "Attempts journaled and not settled yet")?,
            segments: gauge("weighbridge_ledger_segments", "Journal segments on disk")?,
            disk_bytes: gauge("weighbridge_ledger_disk_bytes", "Bytes of journal and store on disk")?,
            append_seconds: histogram("weighbridge_ledger_append_seconds", "One append to the journal")?,
            sync_seconds: histogram("weighbridge_ledger_sync_seconds", "One grouped fdatasync of the journal")?,
            frames: counter("weighbridge_ledger_frames_total", "Journal frames written")?,
            errors: counter("weighbridge_ledger_errors_total", "Writes or folds that failed")?,
            recovered_attempts: counter(
                "weighbridge_ledger_recovered_attempts_total",
                "Attempts found open at start and settled as estimated",
            )?,
        })
    }
}

/// Upper bounds in seconds for a write or a flush of a disk: from 2 µs (the page cache) to 1 s (a sick disk).
const DISK_SECONDS: [f64; 14] =
    [0.000002, 0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];
