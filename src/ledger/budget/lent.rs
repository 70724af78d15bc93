//! What other processes hold of the balances that are kept here, and what this one holds itself.

use super::period::PeriodState;
use super::rule::BudgetRule;
use super::{Authority, Budgets, Keeper, Key};
use crate::{
    config::Unit,
    ledger::link::{Held, HeldBy, Stand},
};
use parking_lot::RwLockWriteGuard;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Held here for another process.
#[derive(Debug)]
struct Loan {
    state: Arc<PeriodState>,
    tokens: bool,
    amount: i64,
}

impl Loan {
    /// Holds more or less than before.
    fn becomes(&mut self, amount: i64) {
        if amount > self.amount {
            self.state.take(amount - self.amount);
        } else {
            self.state.settle(self.amount - amount, 0);
        }
        self.amount = amount;
    }
}

/// By the epoch of who holds it.
#[derive(Debug, Default)]
pub(super) struct Loans {
    of: HashMap<u64, HashMap<Key, Loan>>,
    /// The connection over which it speaks: what came over one before is not done any more.
    lines: HashMap<u64, u64>,
    last_line: u64,
}

/// Who speaks: the epoch of a process, and its connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker {
    pub epoch: u64,
    line: u64,
}

impl Loans {
    fn hears(&self, speaker: Speaker) -> bool {
        self.lines.get(&speaker.epoch) == Some(&speaker.line)
    }
}

/// What came of a wish.
#[derive(Debug)]
pub(crate) enum Given {
    /// All is held; how the balances stand.
    All(Vec<Stand>),
    /// The balance of this place does not pay: nothing is held.
    Nothing(usize, Vec<Stand>),
    /// The balances are not kept here.
    NotHere,
}

impl Budgets {
    /// Nothing is held by requests of this process as long as this is held, and who keeps the balances may be changed.
    pub(crate) fn stop_reserving(&self) -> RwLockWriteGuard<'_, Keeper> {
        self.shared.keeper.write()
    }

    /// From now on `there` keeps the balances.
    pub(crate) fn kept_by(&self, mut keeper: RwLockWriteGuard<'_, Keeper>, there: Arc<dyn Authority>) {
        self.shared.away.store(true, Ordering::Relaxed);
        *keeper = Some(there);
    }

    /// Whether no other process keeps the balances.
    pub(crate) fn are_here(&self) -> bool {
        !self.shared.is_away()
    }

    /// A new connection of the process of `epoch`, in place of any before.
    pub(crate) fn listen_to(&self, epoch: u64) -> Speaker {
        let mut loans = self.lent.lock();
        loans.last_line += 1;
        let line = loans.last_line;
        loans.lines.insert(epoch, line);
        Speaker { epoch, line }
    }

    /// The connection ended.
    pub(crate) fn hung_up(&self, speaker: Speaker) {
        let mut loans = self.lent.lock();
        if loans.hears(speaker) {
            loans.lines.remove(&speaker.epoch);
        }
    }

    /// Holds all of `lines` for another process, of the periods of `now_us`; or nothing.
    pub(crate) fn lend(&self, speaker: Speaker, now_us: u64, lines: &[Held]) -> Given {
        let keeper = self.shared.keeper();
        if keeper.is_some() {
            return Given::NotHere;
        }
        let rules = self.by_id();
        let states: Vec<_> = lines.iter().map(|line| state_of(&rules, line, now_us)).collect();
        let stand = |states: &[Option<(&Arc<BudgetRule>, Arc<PeriodState>)>]| -> Vec<Stand> {
            states.iter().map(|found| Some(found.as_ref()?.1.committed())).collect()
        };
        let mut loans = self.lent.lock();
        if !loans.hears(speaker) {
            return Given::NotHere;
        }
        for (place, (line, found)) in lines.iter().zip(&states).enumerate() {
            let Some((rule, state)) = found else { continue };
            let amount = line.amount.max(0);
            let fits = !rule.enforces() || state.reserve(amount, rule.limit(&line.entity)).is_ok();
            if !fits {
                for (line, (_, state)) in
                    lines.iter().zip(&states).take(place).filter_map(|(line, found)| Some((line, found.as_ref()?)))
                {
                    state.settle(line.amount.max(0), 0);
                }
                return Given::Nothing(place, stand(&states));
            }
            if !rule.enforces() {
                state.take(amount);
            }
        }
        let of = loans.of.entry(speaker.epoch).or_default();
        for (line, (_, state)) in lines.iter().zip(&states).filter_map(|(line, found)| Some((line, found.as_ref()?))) {
            let new = || Loan { state: Arc::clone(state), tokens: line.tokens, amount: 0 };
            of.entry(key(line)).or_insert_with(new).amount += line.amount.max(0);
        }
        Given::All(stand(&states))
    }

    /// How balances stand; `None`: they are not kept here.
    pub(crate) fn stands(&self, now_us: u64, lines: &[Held]) -> Option<Vec<Stand>> {
        if self.shared.keeper().is_some() {
            return None;
        }
        let rules = self.by_id();
        Some(lines.iter().map(|line| Some(state_of(&rules, line, now_us)?.1.committed())).collect())
    }

    /// From now on another process holds `holds`, and nothing else. What it settled must be counted before. `false`: it
    /// speaks over another connection by now.
    pub(crate) fn lent_to(&self, speaker: Speaker, holds: &[Held]) -> bool {
        self.set_lent(speaker.epoch, holds, |loans| !self.shared.is_away() && loans.hears(speaker))
    }

    /// The same, of a process that has no connection yet, or is dead.
    pub(crate) fn lent_is(&self, epoch: u64, holds: &[Held]) {
        self.set_lent(epoch, holds, |_| true);
    }

    fn set_lent(&self, epoch: u64, holds: &[Held], holds_still: impl Fn(&Loans) -> bool) -> bool {
        let rules = self.by_id();
        let mut wanted: BTreeMap<Key, (&Held, i64)> = BTreeMap::new();
        for held in holds {
            wanted.entry(key(held)).or_insert((held, 0)).1 += held.amount.max(0);
        }
        let mut loans = self.lent.lock();
        if !holds_still(&loans) {
            return false;
        }
        let of = loans.of.entry(epoch).or_default();
        of.retain(|key, loan| {
            loan.becomes(wanted.remove(key).map_or(0, |(_, amount)| amount));
            loan.amount > 0
        });
        for (key, (held, amount)) in wanted.into_iter().filter(|(_, (_, amount))| *amount > 0) {
            // Of its own period, which may be over.
            let Some((_, state)) = state_of(&rules, held, held.period_us) else { continue };
            let mut loan = Loan { state, tokens: held.tokens, amount: 0 };
            loan.becomes(amount);
            of.insert(key, loan);
        }
        if of.is_empty() {
            loans.of.remove(&epoch);
        }
        true
    }

    /// Nothing is kept for other processes any more: who keeps the balances now knows of them.
    pub(crate) fn lent_elsewhere(&self) {
        let mut loans = self.lent.lock();
        loans.of.values_mut().flat_map(HashMap::values_mut).for_each(|loan| loan.becomes(0));
        loans.of.clear();
        loans.lines.clear();
    }

    /// What requests of this process hold, and what is held for others, by their epochs.
    pub(crate) fn held(&self) -> (Vec<Held>, Vec<HeldBy>) {
        let loans = self.lent.lock();
        let mut own = self.reserved();
        let mut others = Vec::new();
        for (epoch, loans) in &loans.of {
            let mut of = Vec::new();
            for ((budget, entity, period_us), loan) in loans {
                if let Some(amount) = own.get_mut(&(Arc::clone(budget), Arc::clone(entity), *period_us, loan.tokens)) {
                    *amount -= loan.amount;
                }
                let (budget, entity) = (Arc::clone(budget), Arc::clone(entity));
                of.push(Held { budget, entity, period_us: *period_us, tokens: loan.tokens, amount: loan.amount });
            }
            others.push((*epoch, of));
        }
        let own = own.into_iter().filter(|(_, amount)| *amount > 0);
        let own =
            own.map(|((budget, entity, period_us, tokens), amount)| Held { budget, entity, period_us, tokens, amount });
        (own.collect(), others)
    }

    /// All that is reserved, for whomever.
    fn reserved(&self) -> BTreeMap<(Arc<str>, Arc<str>, u64, bool), i64> {
        let mut found = BTreeMap::new();
        for (id, known) in self.known.lock().iter() {
            let tokens = known.book.unit == Unit::Tokens;
            known.book.each_reserved(&mut |entity, period_us, amount| {
                *found.entry((Arc::clone(id), Arc::clone(entity), period_us, tokens)).or_default() += amount;
            });
        }
        found
    }

    fn by_id(&self) -> BTreeMap<Arc<str>, Arc<BudgetRule>> {
        self.used().into_iter().map(|rule| (Arc::clone(&rule.config().id), rule)).collect()
    }
}

fn key(held: &Held) -> Key {
    (Arc::clone(&held.budget), Arc::clone(&held.entity), held.period_us)
}

/// The balance that a line is about, if it is counted here in the same unit and by the same calendar.
fn state_of<'a>(
    rules: &'a BTreeMap<Arc<str>, Arc<BudgetRule>>,
    line: &Held,
    now_us: u64,
) -> Option<(&'a Arc<BudgetRule>, Arc<PeriodState>)> {
    let rule = rules.get(&line.budget).filter(|rule| (rule.config().unit == Unit::Tokens) == line.tokens)?;
    let state = rule.state(&line.entity, now_us).ok()?;
    (state.period.start_us == line.period_us).then_some((rule, state))
}
