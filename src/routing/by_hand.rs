//! Targets that somebody has taken out: no request goes there, whatever is left, and no probe opens them.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a target was taken out, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// In the words of whoever did it.
    pub reason: Arc<str>,
    /// Since when, in microseconds since the Unix epoch.
    pub since_us: u64,
    /// Until when; `None`: until it is put back.
    pub until_us: Option<u64>,
}

impl ByHand {
    /// Whether it holds still.
    pub fn holds(&self, now_us: u64) -> bool {
        self.until_us.is_none_or(|until_us| now_us < until_us)
    }
}

/// Whether one target is taken out. Requests read one atomic.
#[derive(Debug, Default)]
pub(super) struct Hand {
    /// Out until then: 0 never, [`u64::MAX`] until it is put back.
    until_us: AtomicU64,
    told: Mutex<Option<ByHand>>,
}

impl Hand {
    pub(super) fn set(&self, by_hand: Option<ByHand>) {
        let mut told = self.told.lock();
        let until_us = by_hand.as_ref().map_or(0, |by_hand| by_hand.until_us.unwrap_or(u64::MAX));
        *told = by_hand;
        self.until_us.store(until_us, Relaxed);
    }

    pub(super) fn shuts(&self, now_us: u64) -> bool {
        now_us < self.until_us.load(Relaxed)
    }

    pub(super) fn until_us(&self) -> u64 {
        self.until_us.load(Relaxed)
    }

    /// What is said of it, while it holds.
    pub(super) fn told(&self, now_us: u64) -> Option<ByHand> {
        if self.shuts(now_us) { self.told.lock().clone() } else { None }
    }
}
