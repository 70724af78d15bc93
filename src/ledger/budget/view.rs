//! Budgets as reports show them.

use super::rule::BudgetRule;
use crate::config::{Mode, Scope, Unit};
use crate::model;
use std::sync::Arc;

/// One balance in the running period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetView {
    /// Id of the budget.
    pub id: Arc<str>,
    /// Where it stands.
    pub scope: Scope,
    /// The value of its `each`; empty without.
    pub entity: Arc<str>,
    /// What it is counted in.
    pub unit: Unit,
    /// The limit, in that unit.
    pub limit: i64,
    /// What is settled; more than the limit: debt.
    pub settled: i64,
    /// What requests under way hold.
    pub reserved: i64,
    /// Beginning of the period, in microseconds since the Unix epoch; 0 for life.
    pub period_start_us: u64,
    /// End of the period; `None`: never.
    pub period_end_us: Option<u64>,
    /// Whether it refuses.
    pub mode: Mode,
}

impl From<BudgetView> for model::BudgetView {
    fn from(view: BudgetView) -> Self {
        Self {
            id: view.id.to_string(),
            scope: view.scope.to_string(),
            entity: view.entity.to_string(),
            unit: view.unit.name().to_owned(),
            limit: view.limit,
            settled: view.settled,
            reserved: view.reserved,
            period_start_us: view.period_start_us,
            period_end_us: view.period_end_us,
            mode: view.mode.name().to_owned(),
        }
    }
}

/// The balances that a request is charged to; one that cannot be read is left out.
pub fn view_of(charges: &[(Arc<BudgetRule>, Arc<str>)], now_us: u64) -> Vec<BudgetView> {
    let mut views = Vec::new();
    charges.iter().for_each(|(rule, entity)| one(rule, entity, now_us, &mut views));
    views
}

/// All balances of a rule that are in memory, by entity.
pub(super) fn of(rule: &BudgetRule, now_us: u64, views: &mut Vec<BudgetView>) {
    let mut add = |entity: &Arc<str>| one(rule, entity, now_us, views);
    if rule.config().each.is_none() {
        return add(&Arc::from(""));
    }
    let mut entities = Vec::new();
    rule.book.entities(|entity| entities.push(Arc::clone(entity)));
    entities.sort_unstable();
    entities.iter().for_each(add);
}

fn one(rule: &BudgetRule, entity: &Arc<str>, now_us: u64, views: &mut Vec<BudgetView>) {
    let Ok(state) = rule.state(entity, now_us) else { return };
    let (settled, reserved) = state.parts();
    let budget = rule.config();
    views.push(BudgetView {
        id: Arc::clone(&budget.id),
        scope: budget.scope.clone(),
        entity: Arc::clone(entity),
        unit: budget.unit,
        limit: rule.limit(entity),
        settled,
        reserved,
        period_start_us: state.period.start_us,
        period_end_us: state.period.resets_us(),
        mode: budget.mode,
    });
}
