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
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Periods that an account remembers, so that a clock that was set back finds them.
const KEPT_PERIODS: usize = 4;
/// Entities that one budget keeps in memory. Past it, those whose periods are over make room; if there are none, a
/// request of a new one is refused.
pub(crate) const MAX_ENTITIES: usize = 100_000;
/// An account goes only when its last period ended so long ago.
const GRACE_US: u64 = 3_600_000_000;
/// Between two looks for such accounts.
const SWEEP_US: u64 = 10_000_000;

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
        let nothing = Arc::new(PeriodState::new(Period::NEVER, 0, Told::default(), Vec::new()));
        Self { entity, current: ArcSwap::new(nothing), recent: Mutex::default() }
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
        let load = |settled: i64, knows: Known| {
            let told = Told::before(&rule.alerts, limit_of(rule, &self.entity), settled);
            let state = Arc::new(PeriodState::new(period, settled, told, knows));
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

    /// Does `add` and adds `change` to the period that begins at `start_us`, if it is in memory.
    fn add_foreign(&self, start_us: u64, change: i64, place: Option<Place>, add: impl FnOnce()) {
        let recent = self.recent.lock();
        add();
        let known = recent.periods.iter().find(|state| state.period.start_us == start_us);
        if let Some(state) = known.filter(|state| !place.is_some_and(|place| state.knows(place))) {
            state.adjust(change);
        }
    }

    /// Closes the account if nothing was done with it for long.
    fn close_if_idle(&self, now_us: u64) -> bool {
        let mut recent = self.recent.lock();
        let over = |state: &PeriodState| state.period.end_us.saturating_add(GRACE_US) < now_us;
        let current = self.current.load_full();
        // One count is the list's; the current one has two more: the account's and the one just taken.
        let idle = |state: &Arc<PeriodState>| {
            over(state) && Arc::strong_count(state) <= if Arc::ptr_eq(state, &current) { 3 } else { 1 }
        };
        if recent.periods.iter().all(idle) {
            recent.closed = true;
            self.current.store(Arc::new(PeriodState::new(Period::NEVER, 0, Told::default(), Vec::new())));
        }
        recent.closed
    }
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
    entities: AtomicUsize,
    max_entities: usize,
    swept_us: AtomicU64,
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
            entities: AtomicUsize::new(0),
            max_entities,
            swept_us: AtomicU64::new(0),
        }
    }

    /// Whether balances kept for `rule` are these.
    pub(crate) fn is_for(&self, rule: &Budget) -> bool {
        self.unit == rule.unit && self.per == rule.per && self.zone == rule.zone
    }

    /// What `entity` has spent and holds in the period of `now_us`.
    pub(crate) fn state(&self, rule: &Budget, entity: &Arc<str>, now_us: u64) -> Result<Arc<PeriodState>, NoAccount> {
        loop {
            let state = if entity.is_empty() {
                self.single.period(self, rule, now_us)?
            } else {
                self.account(entity, now_us)?.period(self, rule, now_us)?
            };
            match state {
                Some(state) => return Ok(state),
                None => std::hint::spin_loop(),
            }
        }
    }

    /// The account of an entity: two requests that come first get the same one.
    fn account(&self, entity: &Arc<str>, now_us: u64) -> Result<Arc<Account>, NoAccount> {
        let each = self.each.pin();
        if let Some(known) = each.get(entity) {
            return Ok(Arc::clone(known));
        }
        if !self.make_room(now_us) {
            return Err(NoAccount::Full);
        }
        match each.try_insert(Arc::clone(entity), Arc::new(Account::new(Arc::clone(entity)))) {
            Ok(made) => Ok(Arc::clone(made)),
            Err(lost) => {
                self.entities.fetch_sub(1, Ordering::AcqRel);
                Ok(Arc::clone(lost.current))
            }
        }
    }

    /// Counts one entity more, if there is room.
    fn make_room(&self, now_us: u64) -> bool {
        let one = |count: usize| (count < self.max_entities).then_some(count + 1);
        let take = || self.entities.fetch_update(Ordering::AcqRel, Ordering::Acquire, one).is_ok();
        take() || (self.sweep(now_us) && take())
    }

    /// Takes accounts off the book whose periods are over; their balances are in the store.
    fn sweep(&self, now_us: u64) -> bool {
        let last = self.swept_us.load(Ordering::Acquire);
        let due = now_us.abs_diff(last) >= SWEEP_US;
        if !due || self.swept_us.compare_exchange(last, now_us, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        let each = self.each.pin();
        let mut swept = false;
        for (entity, account) in &each {
            if account.close_if_idle(now_us) && each.remove(entity).is_some() {
                self.entities.fetch_sub(1, Ordering::AcqRel);
                swept = true;
            }
        }
        swept
    }

    /// Adds what was settled elsewhere to the period in memory, if it is, together with `add`, which does so for
    /// accounts that are loaded later.
    pub(crate) fn add_foreign(&self, charge: &Charged, amount: Amount, place: Option<Place>, add: impl FnOnce()) {
        let change = match self.unit {
            Unit::Usd => amount.nano,
            Unit::Tokens => amount.tokens,
        };
        if charge.entity.is_empty() {
            return self.single.add_foreign(charge.period_us, change, place, add);
        }
        // Made if it is not there, so that nobody else makes and loads it meanwhile.
        match self.account(&charge.entity, 0) {
            Ok(account) => account.add_foreign(charge.period_us, change, place, add),
            Err(_) => add(),
        }
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
