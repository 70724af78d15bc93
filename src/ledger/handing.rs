//! Handing the balances from one process to the next, both on one state directory, in the middle of requests.
//!
//! In the moment of handing over nothing is held by anybody new: what the old process holds is told as a whole, the lock goes
//! from one to the other, and only then either goes on. If that comes to nothing, the old one goes on as before.

use crate::{
    ledger::book::Ledger,
    ledger::link::{Follower, HeldBy},
    ledger::{LedgerError, lock},
};
use parking_lot::Mutex;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a ledger knows of other processes beside it.
#[derive(Default)]
pub(super) struct Beside {
    /// This process's epoch.
    pub epoch: u64,
    /// What attempts of others held when this one was opened, as their journals say.
    pub before: Mutex<Vec<HeldBy>>,
    /// Connections of those that handed over.
    pub followers: Mutex<Vec<(u64, UnixStream)>>,
    /// Asks the process that took over.
    pub follower: Mutex<Option<Arc<Follower>>>,
}

/// How handing over ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// The other process admits now.
    Over,
    /// It does not, and this one goes on.
    Not,
}

/// So long the lock is tried to be had back from a process that did not take over.
const BACK_WITHIN: Duration = Duration::from_secs(5);

impl Ledger {
    /// This process's epoch: its name towards who takes over.
    pub fn epoch(&self) -> u64 {
        self.beside.epoch
    }

    /// Connections of processes that handed over, and have something to finish.
    pub(crate) fn followers(&self) -> &Mutex<Vec<(u64, UnixStream)>> {
        &self.beside.followers
    }

    /// Whether this process admits, as far as it knows.
    pub fn keeps_balances(&self) -> bool {
        self.budgets.are_here()
    }

    /// How many processes that handed over are at work still.
    pub fn followed_by(&self) -> usize {
        self.beside.followers.lock().len()
    }

    /// Counts what other processes have settled up to now.
    pub(crate) fn count_others(&self) -> Result<(), LedgerError> {
        self.clerk.count_others()
    }

    /// Takes over from who admitted: `held` is what it told of itself and of those before it; `None`: nobody told, and what
    /// the journals of processes that live have open is what is held. Budgets must be known by now.
    ///
    /// # Errors
    ///
    /// `Locked` when another process admits; when journals cannot be read.
    pub fn take_over(&self, held: Option<Vec<HeldBy>>) -> Result<(), LedgerError> {
        if self.authority.lock().is_none() {
            *self.authority.lock() = Some(lock::authority(&self.dir)?);
            self.clerk.tend(true);
        }
        // First what they settled, then what they hold.
        self.count_others()?;
        let before = std::mem::take(&mut *self.beside.before.lock());
        for (epoch, held) in held.unwrap_or(before) {
            self.budgets.lent_is(epoch, &held);
        }
        // Some may have died since.
        self.count_others()
    }

    /// Hands over: `offer` is given all that is held, and tells whether the other process has taken over; meanwhile no hold is
    /// taken. `dial` finds whoever admits from then on. Blocks.
    pub fn hand_over(
        &self,
        offer: impl FnOnce(Vec<HeldBy>) -> bool,
        dial: impl Fn() -> io::Result<UnixStream> + Send + Sync + 'static,
    ) -> Handed {
        let keeper = self.budgets.stop_reserving();
        if keeper.is_some() {
            return Handed::Not;
        }
        let (own, mut held) = self.budgets.held();
        held.push((self.beside.epoch, own));
        if let Err(error) = self.clerk.write_queued() {
            tracing::error!(%error, "nothing can be handed over while the journal cannot be written");
            return Handed::Not;
        }
        self.release_authority();
        if !offer(held) && self.take_back() {
            return Handed::Not;
        }
        self.clerk.tend(false);
        let follower = Arc::new(Follower::new(Box::new(dial), &self.budgets, &self.clerk));
        self.budgets.kept_by(keeper, Arc::clone(&follower) as _);
        // Behind that: nothing is lent here any more.
        self.budgets.lent_elsewhere();
        // They look for who admits now.
        for (_, stream) in self.beside.followers.lock().drain(..) {
            drop(stream.shutdown(std::net::Shutdown::Both));
        }
        *self.beside.follower.lock() = Some(Arc::clone(&follower));
        let telling = std::thread::Builder::new().name("ledger-follower".to_owned());
        match telling.spawn(move || follower.keep_telling()) {
            Ok(thread) => self.threads.lock().push(thread),
            Err(error) => tracing::error!(%error, "what is held is told to the new process at its end only"),
        }
        Handed::Over
    }

    /// The lock again, from a process that did not take over.
    fn take_back(&self) -> bool {
        let begun = Instant::now();
        loop {
            match lock::authority(&self.dir) {
                Ok(lock) => {
                    *self.authority.lock() = Some(lock);
                    return true;
                }
                Err(error) if begun.elapsed() >= BACK_WITHIN => {
                    tracing::error!(%error, "a process that did not say that it admits requests keeps the lock");
                    return false;
                }
                Err(_) => std::thread::park_timeout(Duration::from_millis(10)),
            }
        }
    }

    /// The last word to who took over.
    pub(super) fn stop_following(&self) {
        if let Some(follower) = self.beside.follower.lock().take() {
            follower.end();
        }
    }
}
