//! Periods by the calendar of a zone, and what one account has spent in one of them.

use super::alert::Told;
use super::balance::{Known, Place, knows};
use crate::config::Calendar;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// From when to when, in microseconds since the Unix epoch: `start_us` is in it, `end_us` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Period {
    pub start_us: u64,
    pub end_us: u64,
}

impl Period {
    /// Everything.
    pub(crate) const LIFETIME: Self = Self { start_us: 0, end_us: u64::MAX };
    /// Holds no moment.
    pub(crate) const NEVER: Self = Self { start_us: 1, end_us: 0 };

    /// The period of `per` in `zone` that `now_us` lies in.
    ///
    /// A day begins at its first moment, also where a change of the clock skips midnight; it has 23 or 25 hours
    /// then. Times that the calendar does not know (past year 9999) lie in a period without end.
    pub(crate) fn of(per: Calendar, zone: &TimeZone, now_us: u64) -> Self {
        Self::known(per, zone, now_us).filter(|period| period.contains(now_us)).unwrap_or(Self::LIFETIME)
    }

    fn known(per: Calendar, zone: &TimeZone, now_us: u64) -> Option<Self> {
        let now = Timestamp::from_microsecond(i64::try_from(now_us).ok()?).ok()?;
        let today = zone.to_datetime(now).date();
        let (first, next) = match per {
            Calendar::Lifetime => return Some(Self::LIFETIME),
            Calendar::Day => (today, today.tomorrow().ok()?),
            Calendar::Week => {
                let days = i64::from(today.weekday().to_monday_zero_offset());
                let monday = today.checked_sub(days.days()).ok()?;
                (monday, monday.checked_add(7.days()).ok()?)
            }
            Calendar::Month => {
                let first = today.first_of_month();
                (first, first.checked_add(1.month()).ok()?)
            }
            Calendar::Quarter => {
                let first = Date::new(today.year(), (today.month() - 1) / 3 * 3 + 1, 1).ok()?;
                (first, first.checked_add(3.months()).ok()?)
            }
        };
        Some(Self { start_us: midnight(zone, first)?, end_us: midnight(zone, next)? })
    }

    /// Whether `now_us` lies in it.
    pub(crate) const fn contains(&self, now_us: u64) -> bool {
        self.start_us <= now_us && now_us < self.end_us
    }

    /// When it ends; `None`: never.
    pub(crate) fn resets_us(&self) -> Option<u64> {
        (self.end_us != u64::MAX).then_some(self.end_us)
    }
}

/// The first moment of a day; 0 for days before 1970.
fn midnight(zone: &TimeZone, day: Date) -> Option<u64> {
    let first = zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible().ok()?;
    Some(u64::try_from(first.as_microsecond()).unwrap_or(0))
}

/// What an account has spent and holds in one period.
///
/// `committed` is what is settled plus what is reserved; of it, `reserved` is what is reserved. At every instant
/// `0 <= reserved <= committed`, and as long as all that adds to it goes through [`Self::reserve`] with a limit and
/// settles no more than it held, `committed <= limit`.
#[derive(Debug)]
pub(crate) struct PeriodState {
    pub period: Period,
    committed: AtomicI64,
    reserved: AtomicI64,
    pub told: Told,
    /// What other processes had folded when it was loaded.
    knows: Known,
    /// The same account as it was counted by another calendar before: what is still held there counts here too.
    before: Vec<Arc<PeriodState>>,
}

impl PeriodState {
    /// A period in which `settled` was spent before.
    pub(crate) fn new(period: Period, settled: i64, told: Told, knows: Known) -> Self {
        let (committed, reserved) = (AtomicI64::new(settled.max(0)), AtomicI64::new(0));
        Self { period, committed, reserved, told, knows, before: Vec::new() }
    }

    /// Counts what is held in others, in the same unit, as if it were held here.
    pub(crate) fn after(mut self, before: Vec<Arc<Self>>) -> Self {
        self.before = before;
        self
    }

    /// What is held elsewhere; nearly always nothing.
    fn held_before(&self) -> i64 {
        let held = self.before.iter().map(|state| state.reserved.load(Ordering::Acquire));
        held.fold(0, i64::saturating_add)
    }

    /// Whether what another process settled at `place` was in the balance when it was loaded.
    pub(crate) fn knows(&self, place: Place) -> bool {
        knows(&self.knows, place)
    }

    /// Takes `amount` if it fits below `limit`; returns what is committed then, or what is committed now.
    pub(crate) fn reserve(&self, amount: i64, limit: i64) -> Result<i64, i64> {
        let limit = limit.saturating_sub(self.held_before());
        let fits = |committed: i64| committed.checked_add(amount).filter(|sum| *sum <= limit);
        let before = self.committed.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)?;
        self.reserved.fetch_add(amount, Ordering::AcqRel);
        Ok(before + amount)
    }

    /// Takes `amount` whatever the limit is; returns what was taken (less only where 64 bits end) and what is
    /// committed then.
    pub(crate) fn take(&self, amount: i64) -> (i64, i64) {
        let add = |committed: i64| Some(committed.saturating_add(amount));
        let before = self.committed.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).unwrap_or_else(|now| now);
        let taken = before.saturating_add(amount) - before;
        self.reserved.fetch_add(taken, Ordering::AcqRel);
        (taken, before + taken)
    }

    /// Turns `held`, which was reserved before, into `actual`, which is not negative; returns what is committed then.
    pub(crate) fn settle(&self, held: i64, actual: i64) -> i64 {
        // First the part, then the whole: `reserved` is never more than `committed`.
        self.reserved.fetch_sub(held, Ordering::AcqRel);
        let change = |committed: i64| Some((committed - held).saturating_add(actual));
        let before = self.committed.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).unwrap_or_else(|now| now);
        (before - held).saturating_add(actual)
    }

    /// Adds what was settled elsewhere, or takes back what a corrected price made too much.
    pub(crate) fn adjust(&self, change: i64) {
        let add = |committed: i64| {
            let reserved = self.reserved.load(Ordering::Acquire);
            Some(committed.saturating_add(change).max(reserved))
        };
        let _always = self.committed.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }

    /// Stands as it does where it is kept: in another process, during an upgrade.
    pub(crate) fn mirror(&self, committed: i64) {
        self.committed.store(committed.max(self.reserved.load(Ordering::Acquire)), Ordering::Release);
    }

    /// Reserved here.
    pub(crate) fn reserved(&self) -> i64 {
        self.reserved.load(Ordering::Acquire)
    }

    /// Settled plus reserved.
    pub(crate) fn committed(&self) -> i64 {
        self.committed.load(Ordering::Acquire).saturating_add(self.held_before())
    }

    /// Settled, and reserved, as far as both can be read at one moment.
    pub(crate) fn parts(&self) -> (i64, i64) {
        let reserved = self.reserved.load(Ordering::Acquire);
        let settled = (self.committed.load(Ordering::Acquire) - reserved).max(0);
        (settled, reserved.saturating_add(self.held_before()))
    }
}
