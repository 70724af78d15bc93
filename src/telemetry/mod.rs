//! What can be seen from outside: one metrics struct a stage, access records, and the set-up of tracing.
//!
//! Nothing here decides anything. Label values come from closed sets (names of the configuration, enums), never from a
//! client; handles are resolved when a configuration is loaded, so that a request only adds to atomics.

mod access_log;
mod access_record;
mod process;
mod overload;
mod providers;
mod proxy;
mod series;
mod trace;

pub use access_log::{AccessLog, AccessLogMetrics, Place, Tap};
pub use access_record::{AccessAttempt, AccessRecord, AttemptDetail};
pub use overload::OverloadMetrics;
pub use process::ProcessCollector;
pub use providers::{CredentialMetrics, Outcome, ProviderMetrics};
pub use proxy::{InFlight, ProxyMetrics};
pub use series::{RequestSeries, SeriesTable, TargetSeries, TeamSeries};
pub use trace::{TracingError, init_tracing};

use prometheus::Registry;

/// The metrics of every stage, and the registry that they are read from. One for the life of the process; a reload
/// resolves a new [`SeriesTable`] from it, so that counters go on.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What `/metrics` prints.
    pub registry: Registry,
    /// Requests as clients see them.
    pub proxy: ProxyMetrics,
    /// Attempts upstream.
    pub providers: ProviderMetrics,
    /// The access log's own losses.
    pub access_log: AccessLogMetrics,
}

impl Metrics {
    /// Registers everything in a registry of its own.
    ///
    /// # Errors
    ///
    /// Only when two metrics have one name, which is a mistake in this module.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::new()?))?;
        Ok(Self {
            proxy: ProxyMetrics::register(&registry)?,
            providers: ProviderMetrics::register(&registry)?,
            access_log: AccessLogMetrics::register(&registry)?,
            registry,
        })
    }
}

/// Upper bounds in seconds for what a provider does: from 10 ms to 10 minutes.
const PROVIDER_SECONDS: [f64; 16] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0];

/// Upper bounds in seconds for the gateway's own work: from 10 µs.
const OVERHEAD_SECONDS: [f64; 14] =
    [0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2, 1.0];

/// Registers a metric and gives it back.
pub(crate) fn registered<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: Result<M, prometheus::Error>,
) -> Result<M, prometheus::Error> {
    let metric = metric?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests;
