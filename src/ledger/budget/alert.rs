//! Telling once a period that a share of a budget is gone.

use crate::config::Unit;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// So many alerts wait for somebody to take them; the oldest goes first.
const MAX_WAITING: usize = 1_024;

/// A share of a budget is used or reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Id of the budget.
    pub budget: Arc<str>,
    /// The value of its `each`; empty without.
    pub entity: Arc<str>,
    /// The share, in percent, as configured.
    pub percent: u16,
    /// Used and reserved: nano-dollars or tokens.
    pub used: i64,
    /// The limit.
    pub limit: i64,
    /// Beginning of the period, in microseconds since the Unix epoch; 0 for life.
    pub period_us: u64,
    /// What it is counted in.
    pub unit: Unit,
}

impl Alert {
    /// Whether `used` and `limit` are nano-dollars.
    pub const fn in_dollars(&self) -> bool {
        matches!(self.unit, Unit::Usd)
    }
}

/// Where alerts go: to the one who listens, or until there is one, into a short queue.
#[derive(Default)]
pub(crate) struct Alerts {
    listener: OnceLock<Box<dyn Fn(Alert) + Send + Sync>>,
    waiting: Mutex<VecDeque<Alert>>,
}

impl Alerts {
    /// Sets who listens, once, and hands over what waits.
    pub(crate) fn listen(&self, listener: Box<dyn Fn(Alert) + Send + Sync>) -> bool {
        let first = self.listener.set(listener).is_ok();
        let waiting = std::mem::take(&mut *self.waiting.lock());
        if let Some(listener) = self.listener.get() {
            waiting.into_iter().for_each(listener);
        }
        first
    }

    pub(crate) fn push(&self, alert: Alert) {
        if let Some(listener) = self.listener.get() {
            return listener(alert);
        }
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MAX_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(alert);
    }

    /// What waits, oldest first.
    pub(crate) fn take(&self) -> Vec<Alert> {
        self.waiting.lock().drain(..).collect()
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Alerts").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// The highest share that was told in a period, and of which limit: another limit is told of anew.
#[derive(Debug, Default)]
pub(crate) struct Told(AtomicU64);

impl Told {
    /// What `committed` passed before does not need telling again.
    pub(crate) fn before(percents: &[u16], limit: i64, committed: i64) -> Self {
        let told = Self::default();
        while told.next(percents, limit, committed).is_some() {}
        told
    }

    /// The next of `percents` (ascending) that `committed` has passed and that was not told yet; it counts as told
    /// from now on.
    pub(crate) fn next(&self, percents: &[u16], limit: i64, committed: i64) -> Option<u16> {
        let of_limit = (limit as u64) << 16;
        loop {
            let told = self.0.load(Ordering::Relaxed);
            let highest = if told & !0xffff == of_limit { (told & 0xffff) as u16 } else { 0 };
            let next = percents.iter().copied().find(|percent| *percent > highest)?;
            if i128::from(committed) * 100 < i128::from(limit) * i128::from(next) {
                return None;
            }
            let now = of_limit | u64::from(next);
            if self.0.compare_exchange(told, now, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Some(next);
            }
        }
    }
}
