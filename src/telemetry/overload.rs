//! Metrics of admission under overload.

use super::registered;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry};
use std::time::Duration;

/// Who waits for a place, how long, and who gets none. Labels: the classes of the configuration, and reasons of the code.
#[derive(Debug, Clone)]
pub struct OverloadMetrics {
    waiting: IntGaugeVec,
    waited: Histogram,
    refused: IntCounterVec,
    lag: Gauge,
    rate: Gauge,
}

/// Upper bounds in seconds for a wait that is at most a few times half a second.
const WAITS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 2.5];

impl OverloadMetrics {
    /// Registers the stage's metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let waited = HistogramOpts::new(
            "weighbridge_proxy_queue_seconds",
            "How long requests waited for a place, of those that waited; no part of the overhead",
        );
        Ok(Self {
            waiting: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new("weighbridge_proxy_queued_requests", "Requests that wait for a place, by priority"),
                    &["priority"],
                ),
            )?,
            waited: registered(registry, Histogram::with_opts(waited.buckets(WAITS.to_vec())))?,
            refused: registered(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "weighbridge_proxy_overload_refusals_total",
                        "Requests without a place: `full` at once, `waited` too long, `displaced` by others, `left` \
                         while waiting",
                    ),
                    &["reason", "priority"],
                ),
            )?,
            lag: registered(
                registry,
                Gauge::new("weighbridge_proxy_lag_seconds", "Least wait of a task for a thread in the last interval"),
            )?,
            rate: registered(
                registry,
                Gauge::new(
                    "weighbridge_proxy_admitted_per_second_limit",
                    "Requests a second that are admitted because of the lag; 0: as many as come",
                ),
            )?,
        })
    }

    /// So many wait, by priority's name.
    pub fn waiting(&self, priority: &'static str, count: usize) {
        self.waiting.with_label_values(&[priority]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A request waited so long, whatever came of it.
    pub fn waited(&self, wait: Duration) {
        self.waited.observe(wait.as_secs_f64());
    }

    /// A request got no place.
    pub fn refused(&self, reason: &'static str, priority: &'static str) {
        self.refused.with_label_values(&[reason, priority]).inc();
    }

    /// The lag of an interval, and the rate that came of it; `None`: no limit.
    pub fn paced(&self, lag: Duration, rate: Option<f64>) {
        self.lag.set(lag.as_secs_f64());
        self.rate.set(rate.unwrap_or(0.0));
    }
}
