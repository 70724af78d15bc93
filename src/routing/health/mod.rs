//! Whether a target takes requests: what shuts it, for how long, and what opens it again.
//!
//! Open, it counts failures. Shut, it takes no request until its pause is over; then it is half open: one request at a
//! time, and the first that ends well opens it. Requests that began before it was last shut or opened say nothing of it any
//! more: what stalled with the others must not shut it anew, what was sent before it broke must not open it. All that a
//! request reads and writes are atomics; the lock is taken when a target changes.

mod metrics;
mod window;

pub use metrics::HealthMetrics;

use crate::config::Passive;
use metrics::Counted;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use window::Window;

/// What a provider asks to wait counts up to this; then one request asks again.
const MOST_WAIT: Duration = Duration::from_secs(60);
/// A target that is over its limit and does not say for how long is left alone for this, doubled each time.
const LIMITED_PAUSE: Duration = Duration::from_secs(1);
/// Probes in a row that must fail.
pub const PROBE_FAILURES: u32 = 2;

/// Why a target is shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It said 429.
    RateLimited,
    /// A good part of its requests failed.
    Ratio,
    /// It failed several times in a row.
    Failures,
    /// It fell silent several times in a row.
    Stalled,
    /// It does not answer active probes.
    Probe,
    /// It refused the gateway's credentials several times in a row.
    Credentials,
    /// It did not know its model several times in a row.
    NoSuchModel,
    /// Somebody took it out.
    ByHand,
}

impl Reason {
    /// A name from a closed set.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Ratio => "ratio",
            Self::Failures => "failures",
            Self::Stalled => "stalled",
            Self::Probe => "probe",
            Self::Credentials => "credentials",
            Self::NoSuchModel => "no_such_model",
            Self::ByHand => "by_hand",
        }
    }

    /// How little may be hoped of a target that is shut for this: the least is tried first when all are shut.
    const fn severity(self) -> u8 {
        match self {
            Self::RateLimited => 0,
            Self::Ratio | Self::Failures | Self::Stalled | Self::Probe => 1,
            Self::Credentials | Self::NoSuchModel | Self::ByHand => 2,
        }
    }
}

/// Whether requests go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They do.
    Open,
    /// One at a time.
    HalfOpen,
    /// None, unless nothing better is left.
    Shut,
}

impl State {
    /// A name from a closed set.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Shut => "shut",
        }
    }
}

/// What an active probe proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Somebody listens there.
    Reachable,
    /// It takes our credentials, too.
    Credentials,
}

/// What a request knows of the target's health from when it went there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    /// In which generation of the target it went there.
    pub(super) generation: u32,
    /// The lease of the one request that is let through a half-open target; 0: none.
    pub(super) lease: u64,
}

/// How a target stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether requests go there.
    pub state: State,
    /// Why not; `None` where they do.
    pub reason: Option<Reason>,
    /// When it was shut or opened last, in microseconds since the Unix epoch; 0: it never was.
    pub since_us: u64,
    /// When the next request is let through; 0: it is open; [`u64::MAX`]: when somebody puts it back.
    pub until_us: u64,
    /// What was said when it was taken out by hand.
    pub note: Option<std::sync::Arc<str>>,
    /// Failures in a row.
    pub failures: u32,
    /// Answers and failures in the window.
    pub window: (u64, u64),
}

#[derive(Debug, Default)]
struct Told {
    reason: Option<Reason>,
    since_us: u64,
    /// Times that it was shut without having been well for a while in between.
    times: u32,
    probes_failed: u32,
}

/// The state of one target.
#[derive(Debug)]
pub(super) struct Gate {
    /// Counts how often it was shut and opened.
    generation: AtomicU32,
    /// Shut until then; 0: open.
    until_us: AtomicU64,
    /// A request is out that was let through the half-open target; until then no second one is.
    lease_us: AtomicU64,
    failures: AtomicU32,
    window: Window,
    passive: Mutex<Passive>,
    /// Parts of `passive` that are read for each answer.
    window_us: AtomicU64,
    told: Mutex<Told>,
    counted: Counted,
}

impl Default for Gate {
    fn default() -> Self {
        let passive = Passive::default();
        Self {
            generation: AtomicU32::new(0),
            until_us: AtomicU64::new(0),
            lease_us: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            window: Window::default(),
            window_us: AtomicU64::new(micros(passive.window)),
            passive: Mutex::new(passive),
            told: Mutex::default(),
            counted: Counted::default(),
        }
    }
}

/// How a request failed, as health sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    Failures,
    Stalled,
    Credentials,
    NoSuchModel,
}

impl Failed {
    const fn reason(self) -> Reason {
        match self {
            Self::Failures => Reason::Failures,
            Self::Stalled => Reason::Stalled,
            Self::Credentials => Reason::Credentials,
            Self::NoSuchModel => Reason::NoSuchModel,
        }
    }
}

impl Gate {
    /// From now on it goes by these; what was counted stays.
    pub(super) fn govern(&self, passive: Passive) {
        self.window_us.store(micros(passive.window), SeqCst);
        *self.passive.lock() = passive;
    }

    pub(super) fn counted_by(&self, metrics: &HealthMetrics) {
        self.counted.by(metrics);
    }

    /// It was taken out by hand.
    pub(super) fn taken_out(&self, of: [&str; 2]) {
        self.counted.ejected(of, Reason::ByHand);
    }

    pub(super) fn until_us(&self) -> u64 {
        self.until_us.load(SeqCst)
    }

    /// Lets a request in, unless the target is shut.
    pub(super) fn enter(&self, now_us: u64) -> Option<Ticket> {
        // Read first: a target that is shut in between makes the request older than that.
        let generation = self.generation.load(SeqCst);
        let until = self.until_us.load(SeqCst);
        if until == 0 {
            return Some(Ticket { generation, lease: 0 });
        }
        let out = self.lease_us.load(SeqCst);
        if now_us < until || now_us < out {
            return None;
        }
        // One that hangs gives its place up after the longest pause, so that a target that is back is not waited for.
        let lease = now_us.saturating_add(micros(self.passive.lock().most_pause));
        self.lease_us.compare_exchange(out, lease, SeqCst, SeqCst).ok()?;
        if self.until_us.load(SeqCst) != until {
            self.leave(Ticket { generation, lease });
            return None;
        }
        Some(Ticket { generation, lease })
    }

    /// Whether [`Self::enter`] would let a request in.
    pub(super) fn takes(&self, now_us: u64) -> bool {
        let until = self.until_us.load(SeqCst);
        until == 0 || now_us >= until && now_us >= self.lease_us.load(SeqCst)
    }

    /// Lets a request in although the target is shut.
    pub(super) fn enter_shut(&self) -> Ticket {
        Ticket { generation: self.generation.load(SeqCst), lease: 0 }
    }

    /// The request is gone: its place, if it had the only one, is free.
    pub(super) fn leave(&self, ticket: Ticket) {
        if ticket.lease != 0 {
            // Whoever took over a lease that had run out keeps it.
            let _ = self.lease_us.compare_exchange(ticket.lease, 0, SeqCst, SeqCst);
        }
    }

    fn is_old(&self, ticket: Ticket) -> bool {
        ticket.generation != self.generation.load(SeqCst)
    }

    fn window(&self) -> Duration {
        Duration::from_micros(self.window_us.load(SeqCst))
    }

    /// It answered. Returns what the request knows from now on, and whether this opened the target.
    pub(super) fn well(&self, ticket: Ticket, now_us: u64) -> (Ticket, Option<Reason>) {
        if self.is_old(ticket) {
            return (ticket, None);
        }
        if self.until_us.load(SeqCst) != 0 {
            let mut told = self.told.lock();
            let asked = told.reason == Some(Reason::RateLimited) && now_us < self.until_us.load(SeqCst);
            // What the provider asked for is kept, whatever a request that went there nevertheless got.
            if self.is_old(ticket) || asked || self.until_us.load(SeqCst) == 0 {
                return (ticket, None);
            }
            let reason = self.open(&mut told, now_us);
            return (Ticket { generation: self.generation.load(SeqCst), ..ticket }, reason);
        }
        if self.failures.load(SeqCst) != 0 {
            self.failures.store(0, SeqCst);
        }
        self.window.add(false, self.window(), now_us);
        (ticket, None)
    }

    /// It failed. Returns why it is shut, if this shut it; `of` names it for the metrics.
    pub(super) fn failed(&self, ticket: Ticket, failed: Failed, of: [&str; 2], now_us: u64) -> Option<Reason> {
        if self.is_old(ticket) {
            return None;
        }
        if self.until_us.load(SeqCst) != 0 {
            let mut told = self.told.lock();
            let is_probe = ticket.lease != 0 && ticket.lease == self.lease_us.load(SeqCst);
            if is_probe && !self.is_old(ticket) {
                self.shut(&mut told, failed.reason(), None, now_us);
            }
            return None;
        }
        self.window.add(true, self.window(), now_us);
        let failures = self.failures.fetch_add(1, SeqCst).saturating_add(1);
        let passive = *self.passive.lock();
        let (well, bad) = self.window.sums(passive.window, now_us);
        let all = well.saturating_add(bad);
        let most = bad.saturating_mul(100) >= all.saturating_mul(u64::from(passive.ratio));
        let reason = match () {
            () if failures >= passive.failures => failed.reason(),
            () if all >= u64::from(passive.least) && most => Reason::Ratio,
            () => return None,
        };
        let mut told = self.told.lock();
        if self.is_old(ticket) {
            return None;
        }
        self.shut(&mut told, reason, None, now_us);
        self.counted.ejected(of, reason);
        Some(reason)
    }

    /// It asks to be left alone. Returns whether this shut it. It is asked now, whenever the request began.
    pub(super) fn limited(&self, ticket: Ticket, wait: Option<Duration>, of: [&str; 2], now_us: u64) -> Option<Reason> {
        let mut told = self.told.lock();
        let was_open = self.until_us.load(SeqCst) == 0;
        let is_probe = ticket.lease != 0 && ticket.lease == self.lease_us.load(SeqCst);
        match wait {
            // What is shut for worse stays so, at least until then.
            Some(wait) if !was_open && !is_probe => {
                let until = now_us.saturating_add(micros(wait.min(MOST_WAIT)));
                self.until_us.fetch_max(until, SeqCst);
            }
            _ if was_open || is_probe => self.shut(&mut told, Reason::RateLimited, wait, now_us),
            // The others of a burst that was refused say nothing new.
            _ => {}
        }
        if !was_open {
            return None;
        }
        self.counted.ejected(of, Reason::RateLimited);
        Some(Reason::RateLimited)
    }

    /// An active probe ended; the next one comes after `next`. Returns the reason that came or went, and whether it is shut.
    pub(super) fn probed(
        &self,
        proof: Result<Proof, ()>,
        next: Duration,
        of: [&str; 2],
        now_us: u64,
    ) -> Option<(Reason, bool)> {
        let mut told = self.told.lock();
        let is_open = self.until_us.load(SeqCst) == 0;
        let Ok(proof) = proof else {
            told.probes_failed = told.probes_failed.saturating_add(1);
            if told.probes_failed < PROBE_FAILURES {
                return None;
            }
            // Until the next probe has told: no request is risked on it.
            let wait = next.saturating_add(MARGIN);
            if is_open {
                self.shut(&mut told, Reason::Probe, Some(wait), now_us);
                self.counted.ejected(of, Reason::Probe);
                return Some((Reason::Probe, true));
            }
            if told.reason == Some(Reason::Probe) {
                self.until_us.fetch_max(now_us.saturating_add(micros(wait)), SeqCst);
            }
            return None;
        };
        told.probes_failed = 0;
        match told.reason {
            Some(Reason::Probe) => self.open(&mut told, now_us).map(|reason| (reason, false)),
            // That it listens does not prove that it answers: the next request may try.
            Some(Reason::Failures | Reason::Stalled | Reason::Ratio) => {
                self.ease(now_us);
                None
            }
            Some(Reason::Credentials) if proof == Proof::Credentials => {
                self.ease(now_us);
                None
            }
            Some(Reason::RateLimited | Reason::Credentials | Reason::NoSuchModel | Reason::ByHand) | None => None,
        }
    }

    /// Ends the pause of a target that is shut.
    fn ease(&self, now_us: u64) {
        self.until_us.fetch_min(now_us.max(1), SeqCst);
    }

    fn shut(&self, told: &mut Told, reason: Reason, wait: Option<Duration>, now_us: u64) {
        let passive = *self.passive.lock();
        if self.until_us.load(SeqCst) == 0 {
            let well_for = now_us.saturating_sub(told.since_us);
            if well_for >= micros(passive.most_pause) {
                told.times = 0;
            }
            told.since_us = now_us;
        }
        let grown = |least: Duration, times: u32| least.saturating_mul(1 << times.min(16)).min(passive.most_pause);
        let pause = match (reason, wait) {
            (Reason::RateLimited, Some(wait)) => wait.min(MOST_WAIT),
            (_, Some(wait)) => wait,
            (Reason::RateLimited, None) => jittered(grown(LIMITED_PAUSE, told.times), now_us),
            // Somebody has to mend these.
            (Reason::Credentials | Reason::NoSuchModel | Reason::ByHand, None) => jittered(passive.most_pause, now_us),
            (Reason::Failures | Reason::Stalled | Reason::Ratio | Reason::Probe, None) => {
                jittered(grown(passive.pause, told.times), now_us)
            }
        };
        told.reason = Some(reason);
        told.times = told.times.saturating_add(1);
        // Closed before it counts as changed: nobody enters as new what is still open.
        self.until_us.store(now_us.saturating_add(micros(pause)).max(1), SeqCst);
        self.changed();
    }

    fn open(&self, told: &mut Told, now_us: u64) -> Option<Reason> {
        told.since_us = now_us;
        let reason = told.reason.take();
        self.changed();
        self.until_us.store(0, SeqCst);
        reason
    }

    fn changed(&self) {
        self.failures.store(0, SeqCst);
        self.window.clear();
        self.lease_us.store(0, SeqCst);
        self.generation.fetch_add(1, SeqCst);
    }

    /// How little may be hoped of it, and when it opens.
    pub(super) fn hopeless(&self) -> (u8, u64) {
        let until = self.until_us.load(SeqCst);
        let severity = if until == 0 { 0 } else { self.told.lock().reason.map_or(0, Reason::severity) };
        (severity, until)
    }

    pub(super) fn health(&self, now_us: u64) -> Health {
        let told = self.told.lock();
        let until_us = self.until_us.load(SeqCst);
        let state = match until_us {
            0 => State::Open,
            until if now_us < until => State::Shut,
            _ => State::HalfOpen,
        };
        let failures = self.failures.load(SeqCst);
        let window = self.window.sums(self.window(), now_us);
        Health { state, reason: told.reason, since_us: told.since_us, until_us, note: None, failures, window }
    }
}

/// A target that a probe shut stays shut for so long past the time of the next one.
const MARGIN: Duration = Duration::from_secs(5);

/// Between three quarters and all of `pause`, so that gateways that were shut out together do not come back together.
fn jittered(pause: Duration, now_us: u64) -> Duration {
    // Low bits of a clock, mixed (the finalizer of SplitMix64): nothing that must not be guessed.
    let mut mixed = now_us.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let part = u32::try_from((mixed ^ mixed >> 31) % 256).unwrap_or(0);
    pause - pause / 1024 * part
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
