//! How a target stands: whether requests go there, how fast it answers, and how many are there now.
//!
//! One standing for each account and model, found by name, so that it outlives a reload and is shared by all routes that
//! lead there. It is read and written by atomics: no lock on the way of a request.

use super::pace::Paces;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Failures in a row that shut a target.
const FAILURES: u32 = 5;
/// How long a target is shut at first, and at most; doubled each time that the one request that was let through fails.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// How an attempt ended, as its target's standing sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It answered, with this to tell of its pace.
    Well(Pace),
    /// It is no fault of the target, and no sign of its health.
    Neither,
    /// It failed.
    Failed,
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
    /// Shut until then; 0: open.
    shut_until_us: AtomicU64,
    /// One request is let through a target whose pause is over.
    probing: AtomicBool,
    failures: AtomicU32,
    /// Times in a row that it was shut.
    shut_times: AtomicU32,
    open: AtomicU32,
    paces: Paces,
}

impl Standing {
    fn new(provider: &str, model: &str) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            shut_until_us: AtomicU64::new(0),
            probing: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            shut_times: AtomicU32::new(0),
            open: AtomicU32::new(0),
            paces: Paces::default(),
        }
    }

    /// Lets a request in, unless the target is shut. Once its pause is over, one at a time is let in until one ends well.
    pub fn enter(self: &Arc<Self>, now_us: u64) -> Option<Entry> {
        match self.shut_until_us.load(Relaxed) {
            0 => Some(self.entry(false)),
            until if now_us < until => None,
            _ => (!self.probing.swap(true, Relaxed)).then(|| self.entry(true)),
        }
    }

    /// Lets a request in although the target may be shut: nothing better is left.
    pub fn enter_shut(self: &Arc<Self>, now_us: u64) -> Entry {
        self.enter(now_us).unwrap_or_else(|| self.entry(false))
    }

    fn entry(self: &Arc<Self>, probe: bool) -> Entry {
        self.open.fetch_add(1, Relaxed);
        Entry { standing: Arc::clone(self), probe }
    }

    /// When it takes requests again, in microseconds since the Unix epoch; 0: it does.
    pub fn opens_at_us(&self) -> u64 {
        self.shut_until_us.load(Relaxed)
    }

    /// Requests that are there now.
    pub fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// How fast it answered lately.
    pub const fn paces(&self) -> &Paces {
        &self.paces
    }

    fn note(&self, ended: Ended, probe: bool, now_us: u64) {
        match ended {
            Ended::Neither => {}
            Ended::Well(pace) => {
                self.paces.note(pace, now_us);
                self.failures.store(0, Relaxed);
                if probe {
                    self.shut_times.store(0, Relaxed);
                    self.shut_until_us.store(0, Relaxed);
                }
            }
            Ended::Failed => {
                let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
                if probe || failures >= FAILURES {
                    self.failures.store(0, Relaxed);
                    let times = self.shut_times.fetch_add(1, Relaxed).min(16);
                    self.shut(PAUSE.0.saturating_mul(1 << times).min(PAUSE.1), now_us);
                }
            }
            Ended::Limited(wait) => self.shut(wait.unwrap_or(PAUSE.0), now_us),
        }
    }

    fn shut(&self, pause: Duration, now_us: u64) {
        let until = now_us.saturating_add(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX));
        self.shut_until_us.fetch_max(until, Relaxed);
    }
}

/// A request that is at a target. Dropped without a word it says nothing of the target's health.
#[derive(Debug)]
pub struct Entry {
    standing: Arc<Standing>,
    probe: bool,
}

impl Entry {
    /// The request ended so.
    pub fn end(self, ended: Ended, now_us: u64) {
        self.standing.note(ended, self.probe, now_us);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.standing.open.fetch_sub(1, Relaxed);
        if self.probe {
            self.standing.probing.store(false, Relaxed);
        }
    }
}

/// All standings, by account and model.
#[derive(Debug, Default)]
pub struct Standings(Mutex<HashMap<(Arc<str>, Arc<str>), Arc<Standing>>>);

impl Standings {
    /// The standing of `model` at `provider`. Asked when a snapshot is built, not by requests.
    pub fn of(&self, provider: &str, model: &str) -> Arc<Standing> {
        let mut known = self.0.lock();
        let name = (Arc::from(provider), Arc::from(model));
        Arc::clone(known.entry(name).or_insert_with(|| Arc::new(Standing::new(provider, model))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_target_is_shut_by_failures_in_a_row_and_opened_by_one_request_that_ends_well() {
        let standing = Standings::default().of("p", "m");
        for _ in 0..FAILURES {
            standing.enter(SECOND).expect("open").end(Ended::Failed, SECOND);
        }
        assert!(standing.enter(SECOND).is_none());
        let probe = standing.enter(6 * SECOND).expect("the pause is over");
        assert!(standing.enter(6 * SECOND).is_none(), "one at a time");
        probe.end(Ended::Well(Pace::default()), 6 * SECOND);
        assert!(standing.enter(6 * SECOND).is_some());
        assert_eq!(standing.open(), 0);
    }

    #[test]
    fn a_probe_that_is_dropped_lets_the_next_one_in() {
        let standing = Standings::default().of("p", "m");
        standing.enter(1).expect("open").end(Ended::Limited(Some(Duration::from_secs(1))), 1);
        drop(standing.enter(2 * SECOND).expect("the pause is over"));
        assert!(standing.enter(2 * SECOND).is_some());
    }
}
