//! Budgets: what may be spent in a period, held before it is sent and settled after.
//!
//! A budget has an account for each entity that it counts apart, and an account a state for each period: two
//! atomics. A hold takes from all accounts or from none, without a lock. Balances outlive the process in the store
//! (see `balance`); what was held dies with it.

mod account;
mod alert;
mod balance;
mod charge;
mod elsewhere;
mod hold;
mod lent;
mod period;
mod rule;
mod view;
#[cfg(test)]
mod tests;

pub use alert::Alert;
pub use charge::Charged;
pub use hold::{Exhausted, Hold, Left, Why, Worst, left};
pub use rule::BudgetRule;
pub use view::{BudgetView, view_of};

pub(crate) use balance::{Balances, Key, Place};
pub(crate) use charge::Amount;
pub(crate) use elsewhere::{Authority, Keeper, Lent};
pub(crate) use lent::{Given, Speaker};

use crate::config::Budget;
use crate::ledger::LedgerMetrics;
use crate::ledger::journal::frame::bounded;
use account::{Book, MAX_ENTITIES};
use alert::Alerts;
use lent::Loans;
use parking_lot::{Mutex, RwLock};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};

/// What all rules share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub metrics: LedgerMetrics,
    pub alerts: Alerts,
    keeper: RwLock<Keeper>,
    /// Whether another process keeps the balances: for looking at without the lock.
    away: AtomicBool,
}

/// All budgets of a gateway.
#[derive(Debug)]
pub struct Budgets {
    shared: Arc<Shared>,
    balances: Arc<Balances>,
    known: Mutex<BTreeMap<Arc<str>, Known>>,
    max_entities: usize,
    prepare: OnceLock<Prepare>,
    /// What is held here for other processes (during an upgrade).
    lent: Mutex<Loans>,
}

/// What stays of a budget when the configuration changes.
#[derive(Debug)]
struct Known {
    book: Arc<Book>,
    rule: Weak<BudgetRule>,
}

impl Budgets {
    /// Budgets over the balances of a state directory.
    pub(crate) fn new(balances: Arc<Balances>, metrics: LedgerMetrics) -> Self {
        Self::with_most(balances, metrics, MAX_ENTITIES)
    }

    fn with_most(balances: Arc<Balances>, metrics: LedgerMetrics, max_entities: usize) -> Self {
        let shared = Arc::new(Shared {
            metrics,
            alerts: Alerts::default(),
            keeper: RwLock::new(None),
            away: AtomicBool::new(false),
        });
        let (known, prepare, lent) = (Mutex::default(), OnceLock::new(), Mutex::default());
        Self { shared, balances, known, max_entities, prepare, lent }
    }

    /// Budgets that nothing was spent of and that forget all with the process: for tests and benches.
    pub fn in_memory(metrics: LedgerMetrics) -> Self {
        Self::new(Arc::new(Balances::new(None)), metrics)
    }

    /// The rule of a budget. The same id has the same balances, also after a reload with another amount; with another
    /// unit, calendar or zone it counts anew, from what the store has of such a period, and what requests under way
    /// hold and come to counts there too.
    pub fn rule(&self, budget: &Budget) -> Arc<BudgetRule> {
        let is_new = self.known.lock().get(&budget.id).is_none_or(|known| !known.book.is_for(budget));
        if let Some(Prepare(prepare)) = self.prepare.get().filter(|_| is_new) {
            prepare(budget);
        }
        let mut known = self.known.lock();
        let before = known.get(&budget.id);
        let same = before.and_then(|known| known.rule.upgrade()).filter(|rule| rule.config() == budget);
        if let Some(rule) = same {
            return rule;
        }
        let book = match before {
            Some(known) if known.book.is_for(budget) => Arc::clone(&known.book),
            Some(known) => Book::instead_of(&known.book, budget),
            None => Arc::new(Book::new(budget, Arc::clone(&self.balances), self.max_entities)),
        };
        let rule = Arc::new(BudgetRule::new(budget.clone(), Arc::clone(&book), Arc::clone(&self.shared)));
        known.insert(Arc::clone(&budget.id), Known { book, rule: Arc::downgrade(&rule) });
        rule
    }

    /// The balances of all rules that somebody uses, by id: those without `each`, and of the others the entities
    /// whose running period is in memory.
    pub fn view(&self, now_us: u64) -> Vec<BudgetView> {
        let all = |rule: &Arc<BudgetRule>| {
            view::single(rule, now_us).map_or_else(|| view::each(rule, now_us), |single| vec![single])
        };
        self.used().iter().flat_map(all).collect()
    }

    /// Of [`Self::view`] the rules without `each`.
    pub(crate) fn view_single(&self, now_us: u64) -> Vec<BudgetView> {
        self.used().iter().filter_map(|rule| view::single(rule, now_us)).collect()
    }

    fn used(&self) -> Vec<Arc<BudgetRule>> {
        self.known.lock().values().filter_map(|known| known.rule.upgrade()).collect()
    }

    /// Who is told of alerts, as they happen, on the thread of the request: it must not wait. Those that came before
    /// are told at once. `false`: there is one already.
    pub fn on_alert(&self, listener: Box<dyn Fn(Alert) + Send + Sync>) -> bool {
        self.shared.alerts.listen(listener)
    }

    /// Alerts that nobody listened to, oldest first: the last 1,024.
    pub fn take_alerts(&self) -> Vec<Alert> {
        self.shared.alerts.take()
    }

    /// The balances behind the accounts.
    pub(crate) fn balances(&self) -> &Arc<Balances> {
        &self.balances
    }

    /// Called for every budget before its first account is loaded, and again when its unit, calendar or zone changed.
    pub(crate) fn before_first(&self, prepare: Box<dyn Fn(&Budget) + Send + Sync>) {
        drop(self.prepare.set(Prepare(prepare)));
    }

    /// Adds what the store was found to know beyond its balances, to accounts that were loaded without it.
    pub(crate) fn found(&self, spent: BTreeMap<Key, Amount>) {
        let known = self.known.lock();
        for ((budget, entity, period_us), amount) in spent {
            if let Some(known) = known.get(&budget) {
                let charge = Charged { budget, entity, period_us, unit: known.book.unit, held: 0 };
                known.book.add_foreign(&charge, amount, None, &mut || {});
            }
        }
    }

    /// Adds to balances what no hold settles: a correction, or with `place` what another process settled there.
    pub(crate) fn add(&self, charges: &[Charged], place: Option<Place>, amount: impl Fn(&Charged) -> Amount) {
        // Held to the end: no account is loaded for the first time meanwhile with half of it.
        let known = self.known.lock();
        for charge in charges {
            let amount = amount(charge);
            let mut add = || match place {
                Some(place) => self.balances.add_foreign(place, charge, amount),
                None => self.balances.add(std::slice::from_ref(charge), |_| amount),
            };
            match known.get(&charge.budget) {
                Some(known) => known.book.add_foreign(charge, amount, place, &mut add),
                None => add(),
            }
        }
    }
}

/// What is done before a budget's first account is loaded.
struct Prepare(Box<dyn Fn(&Budget) + Send + Sync>);

impl std::fmt::Debug for Prepare {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Prepare")
    }
}

/// Where the period of a budget begins at a moment.
pub(crate) fn period_of(budget: &Budget, now_us: u64) -> u64 {
    period::Period::of(budget.per, &budget.zone, now_us).start_us
}

/// The name of an account as the journal writes it.
fn entity_key(entity: &Arc<str>) -> Cow<'_, Arc<str>> {
    let cut = bounded(entity);
    if cut.len() == entity.len() { Cow::Borrowed(entity) } else { Cow::Owned(Arc::from(cut)) }
}
