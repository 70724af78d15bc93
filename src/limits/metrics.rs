//! Metrics of the stage. Labels are kinds, never names that clients send; ids of rules only where their number is bounded.

use crate::config::{Limit, LimitWhat, Mode};
use prometheus::{GaugeVec, IntCounter, IntCounterVec, Opts, Registry};

/// Rules whose used share is shown; further ones are not.
const MOST_SHOWN: usize = 200;

/// What limits decided.
#[derive(Debug, Clone)]
pub struct LimitMetrics {
    decisions: IntCounterVec,
    used: GaugeVec,
}

/// Handles of one rule.
#[derive(Debug)]
pub(super) struct RuleSeries {
    /// It let a request pass.
    pub passed: IntCounter,
    /// A request was past it: refused, if the rule is enforced.
    pub past: IntCounter,
}

impl LimitMetrics {
    /// Registers the stage's metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let decisions = IntCounterVec::new(
            Opts::new(
                "weighbridge_limits_decisions_total",
                "Requests by what each rule said: `passed`, or `past` (refused if the rule's mode is enforce)",
            ),
            &["scope", "what", "mode", "outcome"],
        )?;
        let used = GaugeVec::new(
            Opts::new(
                "weighbridge_limits_used_ratio",
                "Used share of each rule without `each`, by its id; of at most 200 rules",
            ),
            &["limit"],
        )?;
        registry.register(Box::new(decisions.clone()))?;
        registry.register(Box::new(used.clone()))?;
        Ok(Self { decisions, used })
    }

    pub(super) fn series(&self, limit: &Limit) -> RuleSeries {
        let what = match limit.what {
            LimitWhat::Requests { .. } => "requests",
            LimitWhat::Tokens { .. } => "tokens",
            LimitWhat::Concurrent { .. } => "concurrent",
        };
        let mode = match limit.mode {
            Mode::Enforce => "enforce",
            Mode::Warn => "warn",
            Mode::Audit => "audit",
        };
        let of = |outcome| self.decisions.with_label_values(&[limit.scope.kind(), what, mode, outcome]);
        RuleSeries { passed: of("passed"), past: of("past") }
    }

    /// Shows these used shares and no others.
    pub(super) fn show<'a>(&self, shares: impl Iterator<Item = (&'a str, f64)>) {
        self.used.reset();
        for (id, share) in shares.take(MOST_SHOWN) {
            self.used.with_label_values(&[id]).set(share);
        }
    }
}
