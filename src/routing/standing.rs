//! How a target stands: whether requests go there, how fast it answers, and how many are there now.
//!
//! One standing for each account and model, found by name, so that it outlives a reload and is shared by all routes that
//! lead there. Requests read and write atomics; a lock is taken when a target is shut or opened (`health`).

use super::by_hand::{ByHand, Hand};
use super::health::{Failed, Gate, Health, HealthMetrics, Proof, Reason, State, Ticket};
use super::pace::Paces;
use crate::config::Passive;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// How an attempt ended, as its target's standing sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It answered, with this to tell of its pace.
    Well(Pace),
    /// It is no fault of the target, and no sign of its health.
    Neither,
    /// It failed.
    Failed,
    /// It fell silent: nothing came in time.
    Stalled,
    /// It refused the gateway's credentials.
    Credentials,
    /// It does not know its model.
    NoSuchModel,
    /// It asks to be left alone for so long; `None`: it does not say for how long.
    Limited(Option<Duration>),
}

/// How fast an answer came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the last byte sent to the first output, or to the whole of an answer that is no stream.
    pub first: Option<Duration>,
    /// Between two tokens of output.
    pub token: Option<Duration>,
}

/// One target's standing.
#[derive(Debug)]
pub struct Standing {
    /// The provider's name in the file.
    pub provider: Arc<str>,
    /// The model's name there.
    pub model: Arc<str>,
    gate: Gate,
    hand: Hand,
    open: AtomicU32,
    paces: Paces,
}

impl Standing {
    fn new(provider: &str, model: &str) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            gate: Gate::default(),
            hand: Hand::default(),
            open: AtomicU32::new(0),
            paces: Paces::default(),
        }
    }

    /// From now on it goes by these rules; what was counted stays.
    pub fn govern(&self, passive: Passive) {
        self.gate.govern(passive);
    }

    /// Lets a request in, unless the target is shut. Once its pause is over, one at a time is let in until one ends well.
    pub fn enter(self: &Arc<Self>, now_us: u64) -> Option<Entry> {
        if self.hand.shuts(now_us) {
            return None;
        }
        self.gate.enter(now_us).map(|ticket| self.entry(ticket))
    }

    /// Lets a request in although the target may be shut: nothing better is left. Never asked of one that was taken out
    /// by hand.
    pub fn enter_shut(self: &Arc<Self>, now_us: u64) -> Entry {
        let ticket = self.gate.enter(now_us).unwrap_or_else(|| self.gate.enter_shut());
        self.entry(ticket)
    }

    fn entry(self: &Arc<Self>, ticket: Ticket) -> Entry {
        self.open.fetch_add(1, Relaxed);
        Entry { standing: Arc::clone(self), ticket, told_well: false }
    }

    /// When it takes requests again, in microseconds since the Unix epoch; 0: it does; [`u64::MAX`]: when somebody puts
    /// it back.
    pub fn opens_at_us(&self) -> u64 {
        self.gate.until_us().max(self.hand.until_us())
    }

    /// Why it was taken out, while that holds.
    pub fn by_hand(&self, now_us: u64) -> Option<ByHand> {
        self.hand.told(now_us)
    }

    /// Whether somebody took it out.
    pub fn is_out(&self, now_us: u64) -> bool {
        self.hand.shuts(now_us)
    }

    /// Whether it would let a request in.
    pub fn takes(&self, now_us: u64) -> bool {
        !self.hand.shuts(now_us) && self.gate.takes(now_us)
    }

    /// How little may be hoped of it while it is shut, least first: what it was shut for (limited before failed before
    /// misconfigured), when it opens, how many requests are there.
    pub fn hopeless(&self) -> (u8, u64, u32) {
        let (severity, until_us) = self.gate.hopeless();
        (severity, until_us, self.open())
    }

    /// Requests that are there now.
    pub fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// How fast it answered lately.
    pub const fn paces(&self) -> &Paces {
        &self.paces
    }

    /// How it stands at `now_us`.
    pub fn health(&self, now_us: u64) -> Health {
        let health = self.gate.health(now_us);
        match self.hand.told(now_us) {
            Some(ByHand { reason, since_us, until_us }) => Health {
                state: State::Shut,
                reason: Some(Reason::ByHand),
                since_us,
                until_us: until_us.unwrap_or(u64::MAX),
                note: Some(reason),
                ..health
            },
            None => health,
        }
    }

    /// An active probe ended, and proved this if it ended well; the next one comes after `next`.
    pub fn probed(&self, proof: Result<Proof, &str>, next: Duration, now_us: u64) {
        let why = proof.err().unwrap_or_default();
        match self.gate.probed(proof.map_err(|_| ()), next, self.name(), now_us) {
            Some((reason, true)) => self.tell_shut(reason, why, now_us),
            Some((reason, false)) => self.tell_open(reason),
            None => {}
        }
    }

    fn name(&self) -> [&str; 2] {
        [&self.provider, &self.model]
    }

    fn note(&self, ended: Ended, ticket: Ticket, now_us: u64) -> Ticket {
        let failed = match ended {
            Ended::Neither => return ticket,
            Ended::Well(_) => {
                let (ticket, opened) = self.gate.well(ticket, now_us);
                opened.into_iter().for_each(|reason| self.tell_open(reason));
                return ticket;
            }
            Ended::Limited(wait) => {
                let reason = self.gate.limited(ticket, wait, self.name(), now_us);
                reason.into_iter().for_each(|reason| self.tell_shut(reason, "", now_us));
                return ticket;
            }
            Ended::Failed => Failed::Failures,
            Ended::Stalled => Failed::Stalled,
            Ended::Credentials => Failed::Credentials,
            Ended::NoSuchModel => Failed::NoSuchModel,
        };
        let reason = self.gate.failed(ticket, failed, self.name(), now_us);
        reason.into_iter().for_each(|reason| self.tell_shut(reason, "", now_us));
        ticket
    }

    /// Once for each time that it is shut, never for a request that is failed over.
    fn tell_shut(&self, reason: Reason, why: &str, now_us: u64) {
        let pause_ms = self.opens_at_us().saturating_sub(now_us) / 1000;
        let [provider, model] = self.name();
        let reason_name = reason.name();
        match reason {
            Reason::Credentials => tracing::error!(
                provider,
                model,
                reason = reason_name,
                pause_ms,
                "a target is shut: it refuses the credentials of `providers.{provider}`; correct them and restart"
            ),
            Reason::NoSuchModel => tracing::error!(
                provider,
                model,
                reason = reason_name,
                pause_ms,
                "a target is shut: the provider does not know the model `{model}`; correct its name or the `base_url` of `providers.{provider}`, and restart"
            ),
            Reason::RateLimited
            | Reason::Ratio
            | Reason::Failures
            | Reason::Stalled
            | Reason::Probe
            | Reason::ByHand => {
                tracing::warn!(provider, model, reason = reason_name, pause_ms, why, "a target is shut");
            }
        }
    }

    fn tell_open(&self, reason: Reason) {
        let [provider, model] = self.name();
        tracing::info!(provider, model, was = reason.name(), "a target is open again");
    }
}

/// A request that is at a target. Dropped without a word it says nothing of the target's health.
#[derive(Debug)]
pub struct Entry {
    standing: Arc<Standing>,
    ticket: Ticket,
    told_well: bool,
}

impl Entry {
    /// Output comes: it ends well as far as is known. So a target is open again at the first output of a long stream.
    pub fn answers(&mut self, now_us: u64) {
        if !std::mem::replace(&mut self.told_well, true) {
            self.ticket = self.standing.note(Ended::Well(Pace::default()), self.ticket, now_us);
        }
    }

    /// The request ended so.
    pub fn end(self, ended: Ended, now_us: u64) {
        if let Ended::Well(pace) = ended {
            self.standing.paces.note(pace, now_us);
        }
        // What was well from its first output on counts once.
        if !(self.told_well && matches!(ended, Ended::Well(_))) {
            self.standing.note(ended, self.ticket, now_us);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.standing.open.fetch_sub(1, Relaxed);
        self.standing.gate.leave(self.ticket);
    }
}

type Known = HashMap<Named, Arc<Standing>>;

/// A target: its provider and its model there.
pub type Named = (Arc<str>, Arc<str>);

/// All standings, by account and model.
#[derive(Debug, Default)]
pub struct Standings {
    known: Mutex<Known>,
    /// Those that were taken out, also where the file does not have them now.
    by_hand: Mutex<BTreeMap<Named, ByHand>>,
    metrics: Option<HealthMetrics>,
}

impl Standings {
    /// None yet; `metrics` show them.
    pub fn shown_by(metrics: HealthMetrics) -> Self {
        Self { known: Mutex::default(), by_hand: Mutex::default(), metrics: Some(metrics) }
    }

    /// The standing of `model` at `provider`. Asked when a snapshot is built, not by requests.
    pub fn of(&self, provider: &str, model: &str) -> Arc<Standing> {
        let mut known = self.known.lock();
        let name = (Arc::from(provider), Arc::from(model));
        let standing = known.entry(name).or_insert_with(|| {
            let standing = Standing::new(provider, model);
            self.metrics.iter().for_each(|metrics| standing.gate.counted_by(metrics));
            standing.hand.set(self.by_hand.lock().get(&(Arc::from(provider), Arc::from(model))).cloned());
            Arc::new(standing)
        });
        Arc::clone(standing)
    }

    /// Takes the target out, or puts it back. What is there goes on to its end.
    pub fn set_by_hand(&self, provider: &str, model: &str, by_hand: Option<ByHand>) {
        let known = self.known.lock(); // no target is made in between
        let name = (Arc::from(provider), Arc::from(model));
        let mut all = self.by_hand.lock();
        match &by_hand {
            Some(one) => drop(all.insert(name.clone(), one.clone())),
            None => drop(all.remove(&name)),
        }
        let Some(standing) = known.get(&name) else { return };
        if by_hand.is_some() {
            standing.gate.taken_out(standing.name());
        }
        standing.hand.set(by_hand);
    }

    /// Those that are taken out at `now_us`, by provider and model, also where the file does not have them.
    pub fn by_hand(&self, now_us: u64) -> Vec<(Named, ByHand)> {
        let all = self.by_hand.lock();
        all.iter().filter(|(_, one)| one.holds(now_us)).map(|(name, one)| (name.clone(), one.clone())).collect()
    }

    /// All of them, by provider and model.
    pub fn all(&self) -> Vec<Arc<Standing>> {
        let mut all: Vec<_> = self.known.lock().values().map(Arc::clone).collect();
        all.sort_by(|one, other| one.name().cmp(&other.name()));
        all
    }

    /// Forgets targets that no snapshot has any more, and their gauges.
    pub fn forget_unused(&self) {
        self.known.lock().retain(|_, standing| {
            let is_used = Arc::strong_count(standing) > 1;
            if let Some(metrics) = self.metrics.as_ref().filter(|_| !is_used) {
                metrics.hide(standing.name());
            }
            is_used
        });
    }

    /// Sets the gauges.
    pub fn refresh(&self, now_us: u64) {
        let Some(metrics) = &self.metrics else { return };
        for standing in self.all() {
            metrics.show(standing.name(), standing.health(now_us).state, standing.open());
        }
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
