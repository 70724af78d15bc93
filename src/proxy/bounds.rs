//! What the gateway may hold at once: bytes of bodies and answers.
//!
//! An eighth of the bound is kept for small shares: whoever uploads what is large takes nothing from those who ask short
//! questions. A large share that is alone may have all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A share up to this is small.
pub const SMALL: usize = 256 * 1024;

/// Of the bound this part is kept for small shares.
const KEPT: usize = 8;

/// A bounded number of something, shared by all requests.
#[derive(Debug, Clone)]
pub struct Buffers {
    used: Arc<AtomicUsize>,
    limit: usize,
}

impl Buffers {
    /// Nothing is taken yet.
    pub fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// Takes `amount`, or nothing when the limit does not leave that much.
    pub fn take(&self, amount: usize) -> Option<Share> {
        let mut share = Share { of: self.clone(), amount: 0 };
        share.grow_to(amount).then_some(share)
    }

    /// How much is taken now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of a bound; dropping it gives it back.
#[derive(Debug)]
pub struct Share {
    of: Buffers,
    amount: usize,
}

impl Share {
    /// Grows the share to `amount` in all; false, and unchanged, when the limit, or what large shares may have of it, does
    /// not leave that much.
    pub fn grow_to(&mut self, amount: usize) -> bool {
        let Some(more) = amount.checked_sub(self.amount).filter(|&more| more > 0) else { return true };
        let for_large = self.of.limit - self.of.limit / KEPT;
        let fits = |used: usize| {
            let limit = if amount <= SMALL || used == self.amount { self.of.limit } else { for_large };
            used.checked_add(more).filter(|&sum| sum <= limit)
        };
        // Relaxed: the count guards no other memory.
        if self.of.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            return false;
        }
        self.amount = amount;
        true
    }

    /// Gives back all but `amount`.
    pub fn shrink_to(&mut self, amount: usize) {
        if let Some(less) = self.amount.checked_sub(amount).filter(|&less| less > 0) {
            self.of.used.fetch_sub(less, Ordering::Relaxed);
            self.amount = amount;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
