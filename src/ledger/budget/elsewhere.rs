//! Balances that another process keeps: during an upgrade the old one asks the new one for what it still admits.

use super::hold::{Exhausted, Hold, Why, Worst, why};
use super::period::PeriodState;
use super::rule::BudgetRule;
use super::{Shared, entity_key};
use crate::{
    config::Unit,
    ledger::link::{Held, Stand},
};
use parking_lot::RwLockReadGuard;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What came of asking for a hold. Each time how the balances stand there; `None`: one is not kept there.
#[derive(Debug)]
pub(crate) enum Lent {
    /// All of it is held.
    Granted(Vec<Stand>),
    /// The balance of this place in the list does not pay.
    Refused(usize, Vec<Stand>),
    /// Nobody can be asked.
    Unreachable,
}

/// The process that keeps the balances.
pub(crate) trait Authority: Send + Sync + fmt::Debug {
    /// Holds all of `lines` or nothing; `then` is called before a snapshot of what this process holds can be taken.
    fn reserve(&self, now_us: u64, lines: Vec<Held>, then: &mut dyn FnMut(Lent));

    /// How balances stand; `None`: nobody can be asked.
    fn look(&self, now_us: u64, lines: Vec<Held>) -> Option<Vec<Stand>>;
}

/// Who keeps the balances; `None`: this process.
pub(crate) type Keeper = Option<Arc<dyn Authority>>;

impl Shared {
    /// Who is asked. While this is held, it does not change.
    pub(super) fn keeper(&self) -> RwLockReadGuard<'_, Keeper> {
        self.keeper.read()
    }

    /// Whether another process keeps the balances.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }
}

/// One line of a hold before it is taken.
struct Wanted<'a> {
    rule: &'a Arc<BudgetRule>,
    entity: &'a Arc<str>,
    book: Arc<super::account::Book>,
    state: Arc<PeriodState>,
    amount: i64,
}

/// [`Hold::reserve`] where another process keeps the balances.
pub(super) fn reserve(
    there: &dyn Authority,
    charges: &[(Arc<BudgetRule>, Arc<str>)],
    worst: Worst,
    now_us: u64,
) -> Result<Hold, Exhausted> {
    let mut hold = Hold::nothing(charges.len(), worst, now_us);
    let mut wanted = Vec::with_capacity(charges.len());
    for (rule, entity) in charges {
        match rule.state_in(entity, now_us) {
            Ok((book, state)) => {
                let known = worst.of(rule.config().unit);
                if known.is_none() && rule.enforces() {
                    return Err(rule.refusal(entity, now_us, Why::Unpriced));
                }
                let (book, amount) = (Arc::clone(book), known.unwrap_or(0).max(0));
                wanted.push(Wanted { rule, entity, book, state, amount });
            }
            Err(without) if rule.enforces() => return Err(rule.refusal(entity, now_us, why(&without, rule))),
            Err(without) => {
                why(&without, rule);
                hold.passed_over.push((Arc::clone(rule), Arc::clone(entity)));
            }
        }
    }
    let lines = wanted.iter().map(|one| line(one.rule, one.entity, &one.state, one.amount)).collect();
    let mut result = Ok(());
    there.reserve(now_us, lines, &mut |answer| result = take(&mut hold, &wanted, answer, now_us));
    // On a refusal the hold is dropped, and with it what was taken here.
    result.map(|()| hold)
}

/// Books here what is held there, so that the next snapshot tells it.
fn take(hold: &mut Hold, wanted: &[Wanted<'_>], answer: Lent, now_us: u64) -> Result<(), Exhausted> {
    let (stands, refused) = match answer {
        Lent::Granted(stands) => (stands, None),
        Lent::Refused(place, stands) => (stands, wanted.get(place)),
        Lent::Unreachable => {
            if let Some(one) = wanted.iter().find(|one| one.rule.enforces()) {
                return Err(one.rule.refusal(one.entity, now_us, Why::Unreadable));
            }
            (Vec::new(), None)
        }
    };
    if let Some(one) = refused {
        mirror(wanted.iter().map(|one| &one.state), &stands);
        return Err(one.rule.refusal(one.entity, now_us, Why::Spent));
    }
    for (place, one) in wanted.iter().enumerate() {
        let limit = one.rule.limit(one.entity);
        let (held, committed) = match stands.get(place) {
            // A budget of this process's configuration only: it alone spends of it.
            Some(None) if one.rule.enforces() => {
                let fits = one.state.reserve(one.amount, limit);
                (one.amount, fits.map_err(|_| one.rule.refusal(one.entity, now_us, Why::Spent))?)
            }
            _ => one.state.take(one.amount),
        };
        let committed = stands.get(place).copied().flatten().unwrap_or(committed);
        if !one.rule.enforces() && committed > limit {
            hold.passed_over.push((Arc::clone(one.rule), Arc::clone(one.entity)));
        }
        hold.push(one.rule, one.entity, Arc::clone(&one.book), Arc::clone(&one.state), held, committed);
    }
    mirror(wanted.iter().map(|one| &one.state), &stands);
    Ok(())
}

/// Lets the balances of this process stand as they do where they are kept.
pub(super) fn refresh(there: &dyn Authority, charges: &[(Arc<BudgetRule>, Arc<str>)], now_us: u64) {
    let known: Vec<_> = charges
        .iter()
        .filter_map(|(rule, entity)| Some((rule, entity, rule.state_in(entity, now_us).ok()?.1)))
        .collect();
    let lines = known.iter().map(|(rule, entity, state)| line(rule, entity, state, 0)).collect();
    if let Some(stands) = there.look(now_us, lines) {
        mirror(known.iter().map(|(_, _, state)| state), &stands);
    }
}

fn mirror<'a>(states: impl Iterator<Item = &'a Arc<PeriodState>>, stands: &[Stand]) {
    for (state, stand) in states.zip(stands) {
        if let Some(committed) = stand {
            state.mirror(*committed);
        }
    }
}

fn line(rule: &BudgetRule, entity: &Arc<str>, state: &PeriodState, amount: i64) -> Held {
    Held {
        budget: Arc::clone(&rule.config().id),
        entity: entity_key(entity).into_owned(),
        period_us: state.period.start_us,
        tokens: rule.config().unit == Unit::Tokens,
        amount,
    }
}
