//! A sliding window that many threads take from without a lock.
//!
//! Time is cut into slots of `per / 60`. A window is a ring of 64 words, one a slot: the slot's number and what was
//! taken in it; beside it stand `total`, the sum of all words and of what is on its way into one, and `head`, the newest
//! slot that anybody has seen. Slots `head - 60 ..= head` are live, 61 of them: what was taken in the first moment of a
//! slot is remembered for `per` and one slot more (so at most 1/60 too long), what was taken in its last moment for `per`.
//!
//! # Why no interval of length `per` has more than the limit
//!
//! Say that a take *happens* at the time that its caller read, or at the beginning of the slot that it was put into,
//! whichever is later: a moment between its call and its return.
//!
//! 1. `total` is raised, by a checked `fetch_update`, before the words are; and a word is lowered before `total` is. So
//!    `total` is never less than what the words hold, and no two takes use the same room.
//! 2. A word is only emptied by somebody who saw a slot at least 61 newer. Whoever gets room by that finds `head` raised
//!    (the subtraction from `total` releases, the take acquires), and so is put into that newer slot or a later one: it
//!    happens more than `per` after whatever it took the room of.
//! 3. A word is replaced or emptied by compare-and-swap on its whole content (number and count), so what it held leaves
//!    `total` exactly once.
//!
//! A take that is slow is put into the newest slot, not into its own: it is remembered longer, never shorter. A time
//! before `head` counts as `head`: a clock that goes back admits nothing more. The gateway's clock for windows is
//! monotonic ([`super::Steady`]), so no step of the wall clock freezes a window. Slot numbers are kept modulo 2^30, 207
//! days of the shortest window: one that nobody used for half of that might find an old word in a live place, and is then
//! too strict for the length of one window.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SLOTS: u64 = 60;
const RING: usize = 64;
const COUNT_BITS: u32 = 40;
const COUNT_MOST: u64 = (1 << COUNT_BITS) - 1;
/// Bits of a slot's number that are kept: 24 in the word, 6 by its place in the ring.
const NUMBER_BITS: u32 = 30;

/// What was taken in the last `per`.
#[derive(Debug)]
pub struct Window {
    slot_us: u64,
    head: AtomicU64,
    total: AtomicU64,
    ring: [AtomicU64; RING],
}

/// What one take took, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    slot: u64,
    amount: u64,
}

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// After so many microseconds enough will have expired.
    For(u64),
    /// More was asked for than the limit ever admits.
    ForEver,
}

impl Window {
    /// Of length `per`, empty.
    pub fn new(per: Duration) -> Self {
        let per_us = u64::try_from(per.as_micros()).unwrap_or(u64::MAX);
        Self {
            slot_us: per_us.div_ceil(SLOTS).max(1),
            head: AtomicU64::new(0),
            total: AtomicU64::new(0),
            ring: [const { AtomicU64::new(0) }; RING],
        }
    }

    /// Takes `amount` if no more than `most` are then taken.
    ///
    /// # Errors
    ///
    /// [`Full`]; nothing was taken.
    pub fn take(&self, amount: u64, most: u64, now_us: u64) -> Result<Ticket, Full> {
        self.observe(now_us);
        if !self.raise(amount, most) {
            // Whoever raised the head may not have swept yet.
            self.sweep(self.head.load(Ordering::Acquire));
            if !self.raise(amount, most) {
                return Err(self.full(amount, most, now_us));
            }
        }
        Ok(Ticket { slot: self.put(amount), amount })
    }

    /// Whether `amount` could be taken now; takes nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub fn peek(&self, amount: u64, most: u64, now_us: u64) -> Result<(), Full> {
        self.observe(now_us);
        let fits = || self.total.load(Ordering::Acquire).saturating_add(amount) <= most;
        if fits() {
            return Ok(());
        }
        self.sweep(self.head.load(Ordering::Acquire));
        if fits() { Ok(()) } else { Err(self.full(amount, most, now_us)) }
    }

    /// Gives back all of what a take took, where it is still remembered.
    pub fn give_back(&self, ticket: Ticket) {
        self.lower(ticket.slot, ticket.amount);
    }

    /// What a take stood for came to `actual`: less goes back to where it was taken; more is charged now, also past
    /// the limit (a debt that has to expire before anything is admitted again).
    pub fn correct(&self, ticket: Ticket, actual: u64, now_us: u64) {
        if let Some(less) = ticket.amount.checked_sub(actual) {
            self.lower(ticket.slot, less);
        } else {
            self.observe(now_us);
            self.charge(actual - ticket.amount);
        }
    }

    /// Remembers `amount` as taken at `at_us`, for a window that is rebuilt; what is too old is not.
    pub fn restore(&self, amount: u64, at_us: u64, now_us: u64) {
        self.observe(now_us);
        let head = self.head.load(Ordering::Acquire);
        let slot = (at_us / self.slot_us).min(head);
        if head - slot <= SLOTS {
            let amount = amount.min(COUNT_MOST);
            self.total.fetch_add(amount, Ordering::AcqRel);
            self.put_into(slot, amount);
        }
    }

    /// What is taken now.
    pub fn used(&self, now_us: u64) -> u64 {
        self.observe(now_us);
        self.total.load(Ordering::Acquire)
    }

    /// After how many microseconds the window is empty if nothing more is taken.
    pub fn empty_after(&self, now_us: u64) -> u64 {
        let head = self.head.load(Ordering::Acquire);
        let newest = (0..=SLOTS).filter_map(|age| head.checked_sub(age)).find(|&slot| self.count_of(slot) > 0);
        newest.map_or(0, |slot| self.expiry(slot).saturating_sub(now_us))
    }

    /// Unchecked: a debt.
    fn charge(&self, amount: u64) {
        let amount = amount.min(COUNT_MOST);
        self.total.fetch_add(amount, Ordering::AcqRel);
        self.put(amount);
    }

    fn raise(&self, amount: u64, most: u64) -> bool {
        let fits = |total: u64| total.checked_add(amount).filter(|&sum| sum <= most);
        self.total.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok()
    }

    /// Moves the head on to the slot of `now_us`; whoever does, sweeps.
    fn observe(&self, now_us: u64) {
        let slot = now_us / self.slot_us;
        if slot > self.head.load(Ordering::Acquire) && self.head.fetch_max(slot, Ordering::AcqRel) < slot {
            self.sweep(slot);
        }
    }

    /// Empties the words that are expired when `head` is the newest slot.
    fn sweep(&self, head: u64) {
        for (index, cell) in self.ring.iter().enumerate() {
            let mut word = cell.load(Ordering::Acquire);
            while count(word) > 0 && age(head, word, index) > SLOTS as i64 {
                match cell.compare_exchange_weak(word, word & !COUNT_MOST, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        self.total.fetch_sub(count(word), Ordering::AcqRel);
                        break;
                    }
                    Err(now) => word = now,
                }
            }
        }
    }

    /// Puts what `total` has already into the newest slot, and returns it.
    fn put(&self, amount: u64) -> u64 {
        self.put_into(self.head.load(Ordering::Acquire), amount)
    }

    fn put_into(&self, mut slot: u64, amount: u64) -> u64 {
        loop {
            let index = place(slot);
            let cell = &self.ring[index];
            let word = cell.load(Ordering::Acquire);
            let behind = age(slot, word, index);
            if behind < 0 && count(word) > 0 {
                // Somebody is a whole ring ahead: there is a newer head by now.
                let head = self.head.load(Ordering::Acquire);
                slot = if head > slot { head } else { slot.saturating_add(behind.unsigned_abs()) };
                continue;
            }
            let (held, old) = if behind == 0 { (count(word), 0) } else { (0, count(word)) };
            let put = amount.min(COUNT_MOST - held);
            let new = tagged(slot) | (held + put);
            if cell.compare_exchange(word, new, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                // Beside what expired: what a word cannot hold (a debt past 2^40) is not remembered.
                let gone = old + (amount - put);
                if gone > 0 {
                    self.total.fetch_sub(gone, Ordering::AcqRel);
                }
                return slot;
            }
        }
    }

    /// Takes up to `amount` out of `slot`'s word, if it is still there.
    fn lower(&self, slot: u64, amount: u64) {
        let index = place(slot);
        let cell = &self.ring[index];
        let mut word = cell.load(Ordering::Acquire);
        while age(slot, word, index) == 0 {
            let less = amount.min(count(word));
            if less == 0 {
                return;
            }
            match cell.compare_exchange_weak(word, word - less, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.total.fetch_sub(less, Ordering::AcqRel);
                    return;
                }
                Err(now) => word = now,
            }
        }
    }

    fn count_of(&self, slot: u64) -> u64 {
        let index = place(slot);
        let word = self.ring[index].load(Ordering::Acquire);
        if age(slot, word, index) == 0 { count(word) } else { 0 }
    }

    /// The first moment at which what was taken in `slot` is forgotten.
    fn expiry(&self, slot: u64) -> u64 {
        slot.saturating_add(SLOTS + 1).saturating_mul(self.slot_us)
    }

    /// How long it takes until `amount` more fits, by the slots from the oldest.
    fn full(&self, amount: u64, most: u64, now_us: u64) -> Full {
        if amount > most {
            return Full::ForEver;
        }
        let head = self.head.load(Ordering::Acquire);
        let mut lacking = self.total.load(Ordering::Acquire).saturating_add(amount).saturating_sub(most);
        if lacking == 0 {
            return Full::For(1); // given back meanwhile
        }
        for slot in (0..=SLOTS).rev().filter_map(|age| head.checked_sub(age)) {
            let expires = self.count_of(slot);
            if expires >= lacking {
                return Full::For(self.expiry(slot).saturating_sub(now_us).max(1));
            }
            lacking -= expires;
        }
        // What is lacking is on its way into the newest slot.
        Full::For(self.expiry(head).saturating_sub(now_us).max(1))
    }
}

impl Ticket {
    /// How much was taken.
    pub const fn amount(&self) -> u64 {
        self.amount
    }
}

const fn count(word: u64) -> u64 {
    word & COUNT_MOST
}

const fn place(slot: u64) -> usize {
    (slot % RING as u64) as usize
}

/// The number of `slot` as its word has it.
const fn tagged(slot: u64) -> u64 {
    (slot / RING as u64) << COUNT_BITS
}

/// How many slots the word at `index` is older than `slot`; negative when it is newer.
const fn age(slot: u64, word: u64, index: usize) -> i64 {
    const UNKEPT: u32 = u64::BITS - NUMBER_BITS;
    let number = (word >> COUNT_BITS) * RING as u64 + index as u64;
    (slot.wrapping_sub(number) << UNKEPT).cast_signed() >> UNKEPT
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
