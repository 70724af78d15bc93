//! What the ledger tells Prometheus.

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// Handles of the ledger's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct LedgerMetrics {
    /// Attempts settled in the journal.
    pub(crate) rows: IntCounter,
    /// Attempts that are settled in the journal and not yet in the store.
    pub(crate) lag_rows: IntGauge,
    /// Age of the oldest of them.
    pub(crate) lag_seconds: Gauge,
    /// Attempts begun and not settled.
    pub(crate) open_attempts: IntGauge,
    /// Attempts that a crash left open and that were settled as estimated.
    pub(crate) recovered: IntCounter,
    /// Damage found in the journal.
    pub(crate) damaged: IntCounter,
    /// Writes to journal or store that failed.
    pub(crate) write_errors: IntCounter,
    /// Duration of the grouped flush to disk.
    pub(crate) fsync_seconds: Histogram,
}

impl LedgerMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let fsync = HistogramOpts::new("weighbridge_ledger_fsync_seconds", "Duration of the grouped journal flush")
            .buckets(prometheus::exponential_buckets(0.000_1, 2.0, 14)?);
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let metrics = Self {
            rows: counter("weighbridge_ledger_rows_total", "Attempts settled in the journal")?,
            lag_rows: gauge("weighbridge_ledger_lag_rows", "Attempts settled in the journal, not yet in the store")?,
            lag_seconds: Gauge::new("weighbridge_ledger_lag_seconds", "How long rows have waited for the store")?,
            open_attempts: gauge("weighbridge_ledger_open_attempts", "Attempts begun and not settled")?,
            recovered: counter("weighbridge_ledger_recovered_total", "Attempts left open by a crash and settled")?,
            damaged: counter("weighbridge_ledger_damaged_total", "Damaged places found in the journal")?,
            write_errors: counter("weighbridge_ledger_write_errors_total", "Failed writes to journal or store")?,
            fsync_seconds: Histogram::with_opts(fsync)?,
        };
        registry.register(Box::new(metrics.lag_seconds.clone()))?;
        registry.register(Box::new(metrics.fsync_seconds.clone()))?;
        Ok(metrics)
    }
}
