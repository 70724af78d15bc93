//! Metrics of how targets stand. Labels are names of the file and closed sets.

use super::{Reason, State};
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use std::sync::OnceLock;

/// How targets stand, as metrics.
#[derive(Debug, Clone)]
pub struct HealthMetrics {
    state: GaugeVec,
    in_flight: IntGaugeVec,
    ejections: IntCounterVec,
    probes: IntCounterVec,
}

impl HealthMetrics {
    /// Registers them.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let state = Opts::new(
            "weighbridge_routing_target_state",
            "How a target stands: 1 open, 0.5 half open (one request at a time), 0 shut",
        );
        let in_flight = Opts::new("weighbridge_routing_target_in_flight", "Attempts that are at a target now");
        let ejections = Opts::new("weighbridge_routing_ejections_total", "Times that an open target was shut, and why");
        let probes = Opts::new(
            "weighbridge_routing_probes_total",
            "Active probes of a provider: `well` or `failed`; `unpaid`: not made by `generate`, but as without it",
        );
        let of = ["provider", "target"];
        let metrics = Self {
            state: GaugeVec::new(state, &of)?,
            in_flight: IntGaugeVec::new(in_flight, &of)?,
            ejections: IntCounterVec::new(ejections, &["provider", "target", "reason"])?,
            probes: IntCounterVec::new(probes, &["provider", "result"])?,
        };
        registry.register(Box::new(metrics.state.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.ejections.clone()))?;
        registry.register(Box::new(metrics.probes.clone()))?;
        Ok(metrics)
    }

    /// A probe of `provider` ended.
    pub fn probed(&self, provider: &str, well: bool) {
        self.probes.with_label_values(&[provider, if well { "well" } else { "failed" }]).inc();
    }

    /// A probe of `provider` that should have generated did not, for want of money or room; another one was made instead.
    pub fn unpaid(&self, provider: &str) {
        self.probes.with_label_values(&[provider, "unpaid"]).inc();
    }

    pub(in crate::routing) fn show(&self, [provider, model]: [&str; 2], state: State, in_flight: u32) {
        let value = match state {
            State::Open => 1.0,
            State::HalfOpen => 0.5,
            State::Shut => 0.0,
        };
        self.state.with_label_values(&[provider, model]).set(value);
        self.in_flight.with_label_values(&[provider, model]).set(i64::from(in_flight));
    }

    pub(in crate::routing) fn hide(&self, of: [&str; 2]) {
        // An error means that they were never shown.
        self.state.remove_label_values(&of).ok();
        self.in_flight.remove_label_values(&of).ok();
    }

    fn ejected(&self, [provider, model]: [&str; 2], reason: Reason) {
        self.ejections.with_label_values(&[provider, model, reason.name()]).inc();
    }
}

/// Where ejections are counted, once metrics are there.
#[derive(Debug, Default)]
pub(super) struct Counted(OnceLock<HealthMetrics>);

impl Counted {
    pub(super) fn by(&self, metrics: &HealthMetrics) {
        self.0.get_or_init(|| metrics.clone());
    }

    pub(super) fn ejected(&self, of: [&str; 2], reason: Reason) {
        if let Some(metrics) = self.0.get() {
            metrics.ejected(of, reason);
        }
    }
}
