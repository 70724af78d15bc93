//! Accounts: one balance for each budget and entity, period by period.

use super::alert::Told;
use super::balance::{Balances, Known, Place};
use super::charge::{Amount, Charged};
use super::period::{Period, PeriodState};
use crate::config::{Budget, Calendar, Unit};
use crate::ledger::LedgerError;
use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};

/// Periods that an account remembers, so that a clock that was set back finds them.
const KEPT_PERIODS: usize = 4;
/// Entities that one budget keeps in memory. Past it, one of whom nothing is held makes room; if there is none, a
/// request of a new one is refused.
pub(crate) const MAX_ENTITIES: usize = 100_000;
/// So many accounts are looked at to make room for one: a request waits for it.
const MAX_LOOKED_AT: usize = 1_000;
/// An account that is not in the store goes only when its last period ended so long ago.
const GRACE_US: u64 = 3_600_000_000;

/// Why there is no account.
#[derive(Debug)]
pub(crate) enum NoAccount {
    /// Too many entities.
    Full,
    /// Its balance cannot be read.
    Unreadable(LedgerError),
}

/// One balance.
pub(crate) struct Account {
    pub entity: Arc<str>,
    /// The period of the last request: all that the hot path looks at.
    current: ArcSwap<PeriodState>,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    periods: Vec<Arc<PeriodState>>,
    /// It was taken off the book: whoever still holds it must look its entity up again.
    closed: bool,
}

impl Account {
    fn new(entity: Arc<str>) -> Self {
        Self { entity, current: ArcSwap::new(nothing()), recent: Mutex::default() }
    }

    /// The period that `now_us` lies in; `None`: the account was taken off its book.
    fn period(&self, book: &Book, rule: &Budget, now_us: u64) -> Result<Option<Arc<PeriodState>>, NoAccount> {
        let current = self.current.load();
        if current.period.contains(now_us) {
            return Ok(Some(Arc::clone(&current)));
        }
        drop(current);
        self.turn(book, rule, now_us)
    }

    /// Another period than that of the last request: found again, or loaded.
    fn turn(&self, book: &Book, rule: &Budget, now_us: u64) -> Result<Option<Arc<PeriodState>>, NoAccount> {
        let mut recent = self.recent.lock();
        if recent.closed {
            return Ok(None);
        }
        if let Some(known) = recent.periods.iter().find(|state| state.period.contains(now_us)) {
            self.current.store(Arc::clone(known));
            return Ok(Some(Arc::clone(known)));
        }
        let period = Period::of(book.per, &book.zone, now_us);
        let before = book.previous.upgrade().map(|old| old.states(&self.entity)).unwrap_or_default();
        let load = |settled: i64, knows: Known| {
            let told = Told::before(&rule.alerts, limit_of(rule, &self.entity), settled);
            let state = Arc::new(PeriodState::new(period, settled, told, knows).after(before));
            recent.periods.push(Arc::clone(&state));
            self.current.store(Arc::clone(&state));
            state
        };
        let loaded = book.balances.load(&book.id, &self.entity, period.start_us, book.unit, load);
        let state = loaded.map_err(NoAccount::Unreadable)?;
        if book.balances.are_stored() {
            recent.forget_old(&state);
        }
        Ok(Some(state))
    }

    /// The period that `now_us` lies in, if it is in memory.
    fn peek(&self, now_us: u64) -> Option<Arc<PeriodState>> {
        let recent = self.recent.lock();
        recent.periods.iter().find(|state| state.period.contains(now_us)).cloned()
    }

    /// Does `add` and adds `change` to the period that begins at `start_us`, if it is in memory; `false`, and nothing
    /// is done: the account was taken off its book.
    fn add_foreign(&self, start_us: u64, change: i64, place: Option<Place>, add: &mut dyn FnMut()) -> bool {
        let recent = self.recent.lock();
        if recent.closed {
            return false;
        }
        add();
        let known = recent.periods.iter().find(|state| state.period.start_us == start_us);
        if let Some(state) = known.filter(|state| !place.is_some_and(|place| state.knows(place))) {
            state.adjust(change);
        }
        true
    }

    /// Closes the account if nobody holds anything of it, and what it knows `is_kept` elsewhere.
    fn close_if_idle(&self, is_kept: impl Fn(&PeriodState) -> bool) -> bool {
        // Whoever has the lock is about to do something with it.
        let Some(mut recent) = self.recent.try_lock() else { return false };
        if !recent.periods.iter().all(|state| is_kept(state)) {
            return false;
        }
        // From here on nobody gets a period without the lock. Whoever got one before, also without a count of his own
        // yet, is counted when `swap` returns: it pays what readers owe.
        let current = self.current.swap(nothing());
        let idle = |state: &Arc<PeriodState>| {
            // One count is the list's, one the period's just taken.
            Arc::strong_count(state) == if Arc::ptr_eq(state, &current) { 2 } else { 1 }
        };
        recent.closed = recent.periods.iter().all(idle);
        // What the others did before they let go of it is seen by whoever loads it again.
        fence(Ordering::Acquire);
        if !recent.closed {
            self.current.store(current);
        }
        recent.closed
    }
}

/// The period of an account that has none.
fn nothing() -> Arc<PeriodState> {
    static NOTHING: OnceLock<Arc<PeriodState>> = OnceLock::new();
    Arc::clone(NOTHING.get_or_init(|| Arc::new(PeriodState::new(Period::NEVER, 0, Told::default(), Vec::new()))))
}

impl Recent {
    /// Forgets the oldest periods that nobody holds anything of: they are in the store.
    fn forget_old(&mut self, current: &Arc<PeriodState>) {
        while self.periods.len() > KEPT_PERIODS {
            let idle = |state: &Arc<PeriodState>| !Arc::ptr_eq(state, current) && Arc::strong_count(state) == 1;
            let Some(at) = self.periods.iter().position(idle) else { return };
            self.periods.remove(at);
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Account").field("entity", &self.entity).finish_non_exhaustive()
    }
}

/// All accounts of one budget id, as long as its unit, calendar and zone stay the same.
#[derive(Debug)]
pub(crate) struct Book {
    pub id: Arc<str>,
    pub unit: Unit,
    pub per: Calendar,
    pub zone: TimeZone,
    balances: Arc<Balances>,
    single: Account,
    each: papaya::HashMap<Arc<str>, Arc<Account>>,
    /// All of `each`, in the order in which they came or were last looked at. Locked whenever one comes or goes.
    roll: Mutex<VecDeque<Arc<Account>>>,
    max_entities: usize,
    /// The book that stands in place of this one, since the budget is counted otherwise.
    next: OnceLock<Arc<Book>>,
    /// The book that this one stands in place of, as long as something of it is held, if its unit is the same.
    previous: Weak<Book>,
}

impl Book {
    pub(crate) fn new(rule: &Budget, balances: Arc<Balances>, max_entities: usize) -> Self {
        Self {
            id: Arc::clone(&rule.id),
            unit: rule.unit,
            per: rule.per,
            zone: rule.zone.clone(),
            balances,
            single: Account::new(Arc::from("")),
            each: papaya::HashMap::new(),
            roll: Mutex::default(),
            max_entities,
            next: OnceLock::new(),
            previous: Weak::new(),
        }
    }

    /// A book in place of `old`, in which is counted what is held there, and what will be settled of it.
    pub(crate) fn instead_of(old: &Arc<Self>, rule: &Budget) -> Arc<Self> {
        let previous = if old.unit == rule.unit { Arc::downgrade(old) } else { Weak::new() };
        let new = Arc::new(Self { previous, ..Self::new(rule, Arc::clone(&old.balances), old.max_entities) });
        // Set once: a book that has a next one is not the last one any more.
        drop(old.next.set(Arc::clone(&new)));
        new
    }

    /// The book that stands in place of this one now, if there is one.
    pub(crate) fn last(&self) -> Option<&Arc<Self>> {
        let mut last = self.next.get()?;
        while let Some(next) = last.next.get() {
            last = next;
        }
        Some(last)
    }

    /// All periods of an entity in memory, also of books before.
    fn states(&self, entity: &Arc<str>) -> Vec<Arc<PeriodState>> {
        let mut states = self.previous.upgrade().map(|old| old.states(entity)).unwrap_or_default();
        if entity.is_empty() {
            states.extend(self.single.recent.lock().periods.iter().cloned());
            return states;
        }
        // Who makes an account after this sees that there is a next book.
        let account = {
            let _roll = self.roll.lock();
            self.each.pin().get(entity).cloned()
        };
        if let Some(account) = account {
            states.extend(account.recent.lock().periods.iter().cloned());
        }
        states
    }

    /// Adds what was settled of a hold of a book before, admitted at `admitted_us`.
    pub(crate) fn settle_late(&self, charge: &Charged, amount: Amount, admitted_us: u64) {
        let period_us = Period::of(self.per, &self.zone, admitted_us).start_us;
        let moved = Charged { period_us, unit: self.unit, ..charge.clone() };
        self.add_foreign(&moved, amount, None, &mut || {
            // Under the same key the row itself is charged there.
            if period_us != charge.period_us {
                self.balances.add_moved(&moved, amount);
            }
        });
    }

    /// Whether balances kept for `rule` are these.
    pub(crate) fn is_for(&self, rule: &Budget) -> bool {
        self.unit == rule.unit && self.per == rule.per && self.zone == rule.zone
    }

    /// What `entity` has spent and holds in the period of `now_us`, to hold of it: its account is made if need be.
    pub(crate) fn state(&self, rule: &Budget, entity: &Arc<str>, now_us: u64) -> Result<Arc<PeriodState>, NoAccount> {
        loop {
            let state = if entity.is_empty() {
                self.single.period(self, rule, now_us)?
            } else {
                self.account(entity, now_us)?.period(self, rule, now_us)?
            };
            match state {
                Some(state) => return Ok(state),
                // It is being taken off: wait until that is done.
                None => drop(self.roll.lock()),
            }
        }
    }

    /// The same to look at, if it is in memory.
    pub(crate) fn peek(&self, entity: &Arc<str>, now_us: u64) -> Option<Arc<PeriodState>> {
        if entity.is_empty() { self.single.peek(now_us) } else { self.each.pin().get(entity)?.peek(now_us) }
    }

    /// The same to look at, wherever it is: nothing is kept of it, and nothing may be held of it.
    pub(crate) fn look(&self, entity: &Arc<str>, now_us: u64) -> Result<Arc<PeriodState>, NoAccount> {
        if let Some(known) = self.peek(entity, now_us) {
            return Ok(known);
        }
        let period = Period::of(self.per, &self.zone, now_us);
        let show = |settled, knows| Arc::new(PeriodState::new(period, settled, Told::default(), knows));
        let loaded = self.balances.load(&self.id, entity, period.start_us, self.unit, show);
        loaded.map_err(NoAccount::Unreadable)
    }

    /// The account of an entity: two requests that come first get the same one.
    fn account(&self, entity: &Arc<str>, now_us: u64) -> Result<Arc<Account>, NoAccount> {
        let each = self.each.pin();
        if let Some(known) = each.get(entity) {
            return Ok(Arc::clone(known));
        }
        let mut roll = self.roll.lock();
        if let Some(known) = each.get(entity) {
            return Ok(Arc::clone(known));
        }
        if roll.len() >= self.max_entities && !self.make_room(&mut roll, now_us) {
            return Err(NoAccount::Full);
        }
        let made = Arc::new(Account::new(Arc::clone(entity)));
        each.insert(Arc::clone(entity), Arc::clone(&made));
        roll.push_back(Arc::clone(&made));
        Ok(made)
    }

    /// Takes one account off the book of which nobody holds anything: what it knows is in the store or waits for it,
    /// and whoever needs it loads it again. (A share that was told because of what was held only is told again then.)
    fn make_room(&self, roll: &mut VecDeque<Arc<Account>>, now_us: u64) -> bool {
        let stored = self.balances.are_stored();
        let is_kept = |state: &PeriodState| stored || state.period.end_us.saturating_add(GRACE_US) < now_us;
        for _ in 0..roll.len().min(MAX_LOOKED_AT) {
            let Some(oldest) = roll.pop_front() else { break };
            if oldest.close_if_idle(is_kept) {
                self.each.pin().remove(&oldest.entity);
                return true;
            }
            roll.push_back(oldest);
        }
        false
    }

    /// Adds what was settled elsewhere to the period in memory, if it is, together with `add`, which does so for
    /// accounts that are loaded later.
    pub(crate) fn add_foreign(&self, charge: &Charged, amount: Amount, place: Option<Place>, add: &mut dyn FnMut()) {
        let change = match self.unit {
            Unit::Usd => amount.nano,
            Unit::Tokens => amount.tokens,
        };
        if charge.entity.is_empty() {
            let _never_closed = self.single.add_foreign(charge.period_us, change, place, add);
            return;
        }
        loop {
            let roll = self.roll.lock();
            let Some(known) = self.each.pin().get(&charge.entity).cloned() else {
                // Whoever makes and loads it does so after this.
                return add();
            };
            drop(roll);
            if known.add_foreign(charge.period_us, change, place, add) {
                return;
            }
        }
    }

    /// Calls `with` for each entity and period of which something is reserved, also of books before.
    pub(crate) fn each_reserved(&self, with: &mut dyn FnMut(&Arc<str>, u64, i64)) {
        if let Some(old) = self.previous.upgrade() {
            old.each_reserved(with);
        }
        let mut of = |account: &Account| {
            for state in &account.recent.lock().periods {
                let reserved = state.reserved();
                if reserved > 0 {
                    with(&account.entity, state.period.start_us, reserved);
                }
            }
        };
        of(&self.single);
        self.each.pin().values().for_each(|account| of(account));
    }

    /// Calls `with` for each entity in memory.
    pub(crate) fn entities(&self, mut with: impl FnMut(&Arc<str>)) {
        self.each.pin().keys().for_each(&mut with);
    }
}

/// The limit of an entity.
pub(crate) fn limit_of(rule: &Budget, entity: &str) -> i64 {
    if rule.overrides.is_empty() {
        return rule.limit;
    }
    rule.overrides.get(entity).copied().unwrap_or(rule.limit)
}
