//! Budgets as reports show them.

use super::period::PeriodState;
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

/// The balances that a request is charged to; one that cannot be read is left out. No account is made for it.
pub fn view_of(charges: &[(Arc<BudgetRule>, Arc<str>)], now_us: u64) -> Vec<BudgetView> {
    let looked = charges.iter().filter_map(|(rule, entity)| Some(one(rule, entity, &*rule.look(entity, now_us).ok()?)));
    looked.collect()
}

/// The balance of a rule without `each`, loaded if need be: it is shown before anybody asked for it.
pub(super) fn single(rule: &BudgetRule, now_us: u64) -> Option<BudgetView> {
    if rule.config().each.is_some() {
        return None;
    }
    let entity = Arc::from("");
    let state = rule.state(&entity, now_us).ok()?;
    Some(one(rule, &entity, &state))
}

/// The balances of a rule with `each` whose running period is in memory, by entity. Looking at them changes nothing:
/// no account is kept by it.
pub(super) fn each(rule: &BudgetRule, now_us: u64) -> Vec<BudgetView> {
    let mut entities = Vec::new();
    rule.book.entities(|entity| entities.push(Arc::clone(entity)));
    entities.sort_unstable();
    entities.iter().filter_map(|entity| Some(one(rule, entity, &*rule.book.peek(entity, now_us)?))).collect()
}

fn one(rule: &BudgetRule, entity: &Arc<str>, state: &PeriodState) -> BudgetView {
    let (settled, reserved) = state.parts();
    let budget = rule.config();
    BudgetView {
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
    }
}
