//! What the cache tells Prometheus.

use crate::telemetry::registered;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Handles of the cache's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct CacheMetrics {
    pub(super) hits: IntCounter,
    pub(super) alike: IntCounter,
    pub(super) misses: IntCounter,
    pub(super) bypassed: IntCounter,
    pub(super) kept: IntCounter,
    pub(super) saved: IntCounter,
    not_kept: IntCounterVec,
    embedded: IntCounterVec,
    pub(super) gone: IntCounterVec,
    pub(super) entries: IntGauge,
    pub(super) bytes: IntGauge,
}

/// Why an answer is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// It is no whole answer, or one that was refused.
    NotWhole,
    /// It is longer than what is kept.
    TooLong,
    /// A budget shortened it, another model made it, or something filtered it.
    NotTypical,
    /// Answers were dropped while it was made, or there was no memory for it.
    NoRoom,
}

impl NotKept {
    const fn name(self) -> &'static str {
        match self {
            Self::NotWhole => "not_whole",
            Self::TooLong => "too_long",
            Self::NotTypical => "not_typical",
            Self::NoRoom => "no_room",
        }
    }
}

/// What came of asking for the vector of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedded {
    /// There is one.
    Answered,
    /// It did not come in time.
    Late,
    /// The model gave no answer.
    Failed,
    /// What it answered is no vector.
    Garbage,
    /// It was not asked: a budget, a limit, a guardrail or the gateway's room did not allow it.
    Refused,
}

impl Embedded {
    const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::Garbage => "garbage",
            Self::Refused => "refused",
        }
    }
}

impl CacheMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, label: &str| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), &[label]))
        };
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help));
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help));
        let lookups = counters(
            "weighbridge_cache_requests_total",
            "Requests of models and teams whose answers are kept: given again (hit), given to one that means the same \
             (semantic), not there (miss), not asked for (bypass)",
            "result",
        )?;
        Ok(Self {
            hits: lookups.with_label_values(&["hit"]),
            alike: lookups.with_label_values(&["semantic"]),
            misses: lookups.with_label_values(&["miss"]),
            bypassed: lookups.with_label_values(&["bypass"]),
            kept: counter("weighbridge_cache_kept_total", "Answers that were kept")?,
            saved: counter("weighbridge_cache_saved_nano_usd_total", "What answers had cost that were given again")?,
            not_kept: counters("weighbridge_cache_not_kept_total", "Answers that were not kept, and why", "reason")?,
            embedded: counters(
                "weighbridge_cache_embeddings_total",
                "Vectors that were asked for to compare requests by meaning, and what came of it",
                "result",
            )?,
            gone: counters("weighbridge_cache_dropped_total", "Kept answers that are not any more, and why", "reason")?,
            entries: gauge("weighbridge_cache_entries", "Answers that are kept")?,
            bytes: gauge("weighbridge_cache_bytes", "Memory of answers that are kept")?,
        })
    }

    /// A vector was asked for.
    pub fn embedded(&self, what: Embedded) {
        self.embedded.with_label_values(&[what.name()]).inc();
    }

    /// An answer is not kept.
    pub fn not_kept(&self, why: NotKept) {
        self.not_kept.with_label_values(&[why.name()]).inc();
    }
}
