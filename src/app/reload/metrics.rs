//! What a scraper sees of reloads.

use super::Cause;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// Reloads, and which reading of the file holds.
#[derive(Debug, Clone)]
pub(super) struct ReloadMetrics {
    reloads: IntCounterVec,
    generation: IntGauge,
    last_success: IntGauge,
    last_time: IntGauge,
    needs_restart: IntGauge,
}

impl ReloadMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = Opts::new("weighbridge_config_reloads_total", "Reloads: who asked, `reloaded` or `refused`");
        let reloads = IntCounterVec::new(opts, &["cause", "outcome"])?;
        registry.register(Box::new(reloads.clone()))?;
        for cause in Cause::ALL {
            for outcome in ["reloaded", "refused"] {
                reloads.with_label_values(&[cause.name(), outcome]).inc_by(0);
            }
        }
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let metrics = Self {
            reloads,
            generation: gauge(
                "weighbridge_config_generation",
                "Which reading of the configuration file holds; 0 is that of the start",
            )?,
            last_success: gauge("weighbridge_config_last_reload_successful", "1 unless the last reload was refused")?,
            last_time: gauge(
                "weighbridge_config_last_reload_timestamp_seconds",
                "When the configuration that holds was read, in Unix seconds",
            )?,
            needs_restart: gauge(
                "weighbridge_config_needs_restart",
                "Values of the file that take effect with a restart",
            )?,
        };
        metrics.last_success.set(1);
        Ok(metrics)
    }

    /// The configuration of generation `generation` holds since `now_us`; so many of its values wait for a restart.
    pub(super) fn holds(&self, generation: u64, now_us: u64, needs_restart: usize) {
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.last_time.set(i64::try_from(now_us / 1_000_000).unwrap_or(i64::MAX));
        self.needs_restart.set(i64::try_from(needs_restart).unwrap_or(i64::MAX));
    }

    /// A reload ended.
    pub(super) fn ended(&self, cause: Cause, well: bool) {
        self.reloads.with_label_values(&[cause.name(), if well { "reloaded" } else { "refused" }]).inc();
        self.last_success.set(i64::from(well));
    }
}
