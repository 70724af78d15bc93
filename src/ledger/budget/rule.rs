//! One budget as configured now, over balances that outlive the configuration.

use super::account::{Book, NoAccount, limit_of};
use super::alert::Alert;
use super::hold::{Exhausted, Why};
use super::period::{Period, PeriodState};
use super::{Shared, entity_key};
use crate::config::{Budget, Mode, OnExhausted};
use std::sync::Arc;

/// A budget that requests are charged to. Rules of the same id share their balances.
#[derive(Debug)]
pub struct BudgetRule {
    budget: Budget,
    pub(super) book: Arc<Book>,
    shared: Arc<Shared>,
}

impl BudgetRule {
    pub(super) fn new(budget: Budget, book: Arc<Book>, shared: Arc<Shared>) -> Self {
        Self { budget, book, shared }
    }

    /// The rule as configured.
    pub fn config(&self) -> &Budget {
        &self.budget
    }

    /// Whether what it cannot pay is refused.
    pub fn enforces(&self) -> bool {
        self.budget.mode == Mode::Enforce
    }

    /// The limit of an entity: its override, or the rule's.
    pub fn limit(&self, entity: &str) -> i64 {
        limit_of(&self.budget, entity)
    }

    /// The model of the file that answers instead, if so much of the budget is used and reserved that it is asked for.
    /// At `at: 100` it never is before a request cannot be paid: see [`Exhausted::on_exhausted`].
    pub fn fallback(&self, entity: &Arc<str>, now_us: u64) -> Option<Arc<str>> {
        let OnExhausted::Fallback { model, at } = &self.budget.on_exhausted else { return None };
        if *at >= 100 {
            return None;
        }
        let committed = self.look(entity, now_us).ok()?.committed();
        let near = i128::from(committed) * 100 >= i128::from(self.limit(entity)) * i128::from(*at);
        near.then(|| Arc::clone(model))
    }

    /// How this rule stands, as the refusal of a request that it cannot pay.
    pub fn exhausted(&self, entity: &Arc<str>, now_us: u64) -> Exhausted {
        self.refusal(entity, now_us, Why::Spent)
    }

    /// The balance of an entity, to hold of it.
    pub(super) fn state(&self, entity: &Arc<str>, now_us: u64) -> Result<Arc<PeriodState>, NoAccount> {
        self.state_in(entity, now_us).map(|(_, state)| state)
    }

    /// The same, with the book that it is of: the last one.
    pub(super) fn state_in(&self, entity: &Arc<str>, now_us: u64) -> Result<(&Arc<Book>, Arc<PeriodState>), NoAccount> {
        loop {
            let book = self.book();
            let state = book.state(&self.budget, &entity_key(entity), now_us)?;
            // Looked at again: from now on the next book counts what is held of it.
            if Arc::ptr_eq(book, self.book()) {
                return Ok((book, state));
            }
        }
    }

    /// The book that counts now in this rule's unit.
    fn book(&self) -> &Arc<Book> {
        self.book.last().filter(|last| last.unit == self.book.unit).unwrap_or(&self.book)
    }

    /// The balance of an entity, to look at: no account is made or kept for it.
    pub(super) fn look(&self, entity: &Arc<str>, now_us: u64) -> Result<Arc<PeriodState>, NoAccount> {
        self.book().look(&entity_key(entity), now_us)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Tells the shares of the limit that `committed` has passed.
    pub(super) fn tell(&self, state: &PeriodState, entity: &Arc<str>, committed: i64) {
        // Who keeps the balance tells.
        if self.budget.alerts.is_empty() || self.shared.is_away() {
            return;
        }
        let limit = self.limit(entity);
        while let Some(percent) = state.told.next(&self.budget.alerts, limit, committed) {
            self.shared.metrics.alerts.inc();
            let (budget, used) = (Arc::clone(&self.budget.id), committed);
            tracing::warn!(budget = &*budget, entity = &**entity, percent, used, limit, "budget alert");
            let (entity, period_us) = (Arc::clone(entity), state.period.start_us);
            let unit = self.budget.unit;
            self.shared.alerts.push(Alert { budget, entity, percent, used, limit, period_us, unit });
        }
    }

    pub(super) fn refusal(&self, entity: &Arc<str>, now_us: u64, why: Why) -> Exhausted {
        let (budget, limit) = (&self.budget, self.limit(entity));
        let (used, reserved) = match why {
            Why::Unreadable | Why::TooManyEntities => (0, 0),
            Why::Spent | Why::Unpriced => self.look(entity, now_us).map_or((0, 0), |state| state.parts()),
        };
        Exhausted {
            budget: Arc::clone(&budget.id),
            entity: Arc::clone(entity),
            unit: budget.unit,
            limit,
            used,
            reserved,
            resets_us: Period::of(budget.per, &budget.zone, now_us).resets_us(),
            on_exhausted: budget.on_exhausted.clone(),
            why,
            unpriced: None,
        }
    }
}
