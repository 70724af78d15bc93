//! What budgets promise, in memory. What outlives the process is tested with the ledger.
#![allow(clippy::unwrap_used)]

mod alerts;
mod calendar;
mod holding;
mod model;
mod races;
mod room;

use super::{BudgetRule, Budgets, Worst};
use crate::config::{Budget, Calendar, Each, Mode, OnExhausted, Scope, Unit};
use crate::ledger::LedgerMetrics;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2026-11-01T00:00:00Z.
pub(crate) const NOW_US: u64 = 1_793_491_200_000_000;

pub(crate) fn budgets() -> Budgets {
    Budgets::in_memory(LedgerMetrics::register(&prometheus::Registry::new()).unwrap())
}

/// A monthly budget of the gateway, UTC, enforced.
pub(crate) fn budget(id: &str, unit: Unit, limit: i64) -> Budget {
    Budget {
        id: Arc::from(id),
        scope: Scope::Gateway,
        unit,
        limit,
        per: Calendar::Month,
        zone: TimeZone::UTC,
        each: None,
        overrides: BTreeMap::new(),
        metadata: BTreeMap::new(),
        alerts: Vec::new(),
        mode: Mode::Enforce,
        min_output_tokens: 256,
        on_exhausted: OnExhausted::Refuse,
    }
}

pub(crate) fn each_user(id: &str, limit: i64) -> Budget {
    Budget { each: Some(Each::User), ..budget(id, Unit::Usd, limit) }
}

pub(crate) fn nano(amount: i64) -> Worst {
    Worst { nano: Some(amount), tokens: 0 }
}

pub(crate) type Charges = Vec<(Arc<BudgetRule>, Arc<str>)>;

pub(crate) fn charges(rules: &[(&Arc<BudgetRule>, &str)]) -> Charges {
    rules.iter().map(|(rule, entity)| (Arc::clone(rule), Arc::from(*entity))).collect()
}

pub(crate) fn at(text: &str) -> u64 {
    let time: Timestamp = text.parse().unwrap();
    u64::try_from(time.as_microsecond()).unwrap()
}

/// Settled and reserved of an entity.
pub(crate) fn parts(rule: &Arc<BudgetRule>, entity: &str, now_us: u64) -> (i64, i64) {
    rule.state(&Arc::from(entity), now_us).unwrap().parts()
}
