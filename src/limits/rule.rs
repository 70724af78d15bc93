//! Rules with their counters, and the registry that keeps counters by a rule's id.

use super::admit::Subject;
use super::entities::{Counter, Entities, Gate, MOST_ENTITIES, Meter, Pin};
use super::metrics::{LimitMetrics, RuleSeries};
use super::share::Share;
use super::steady::Steady;
use super::window::{Full, Ticket, Window};
use crate::config::{Each, Limit, LimitWhat, Mode, Rules};
use parking_lot::Mutex;
use pingora_limits::inflight::{Guard, Inflight};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The rules of one scope.
pub type RuleSet = Arc<[Arc<Rule>]>;

/// The counters of all rules, for the life of the process.
pub struct Limits {
    counts: Mutex<BTreeMap<Arc<str>, Kept>>,
    metrics: LimitMetrics,
    clock: Steady,
}

/// A rule's counters, and the rule as it was last resolved.
struct Kept {
    counts: Arc<Counts>,
    rule: Weak<Rule>,
}

/// One limit with its counters.
#[derive(Debug)]
pub struct Rule {
    /// As configured.
    pub limit: Limit,
    counts: Arc<Counts>,
    series: RuleSeries,
    next_log_us: AtomicU64,
}

/// What was used in the past, of one rule's dimensions, for a window that is rebuilt.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// Who.
    pub subject: Subject<'a>,
    /// When, in microseconds since the Unix epoch.
    pub at_us: u64,
    /// Requests.
    pub requests: u64,
    /// Attempts.
    pub attempts: u64,
    /// Tokens.
    pub tokens: u64,
}

#[derive(Debug)]
enum Counts {
    One(Arc<Counter>),
    Each(Entities),
    /// Open requests of names that nobody vouches for: a sketch of fixed size, which may count too many together.
    Unknown(UnknownOpen),
}

struct UnknownOpen(Inflight);

impl std::fmt::Debug for UnknownOpen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("UnknownOpen")
    }
}

/// Where a request is counted under one rule.
pub(super) enum At {
    Meter(Pin),
    /// It is counted by this already, and so many are.
    Open(Guard, isize),
}

/// What a request holds under one rule.
pub(super) enum Held {
    /// In a window.
    Window(Pin, Ticket),
    /// A place among the open ones.
    Slot(Slot),
}

/// A place among the open requests; dropping it frees it.
#[expect(dead_code, reason = "held for what their drop does")]
pub(super) enum Slot {
    Gate(Entered),
    Open(Guard),
}

/// Leaves its gate when it is dropped.
pub(super) struct Entered(Pin);

impl Drop for Entered {
    fn drop(&mut self) {
        if let Meter::Gate(gate) = &*self.0 {
            gate.leave();
        }
    }
}

/// A rule's use, to be compared with others'.
pub(super) struct Used {
    pin: Option<Pin>,
    most: u64,
    used: u64,
}

impl Limits {
    /// No rule was resolved yet. `clock` is what windows go by.
    pub fn new(metrics: LimitMetrics, clock: Steady) -> Self {
        Self { counts: Mutex::default(), metrics, clock }
    }

    /// The clock of all windows.
    pub fn clock(&self) -> &Steady {
        &self.clock
    }

    /// The limits of `rules` with their counters: those that a rule of the same id had before. Not for the hot path.
    pub fn resolve(&self, rules: &Rules) -> RuleSet {
        let mut kept = self.counts.lock();
        let resolved = rules.limits.iter().map(|limit| {
            let counts = kept.get(&limit.id).map(|kept| Arc::clone(&kept.counts));
            let counts = counts.unwrap_or_else(|| Arc::new(Counts::of(limit)));
            let rule = Arc::new(Rule {
                limit: limit.clone(),
                counts: Arc::clone(&counts),
                series: self.metrics.series(limit),
                next_log_us: AtomicU64::new(0),
            });
            kept.insert(Arc::clone(&limit.id), Kept { counts, rule: Arc::downgrade(&rule) });
            rule
        });
        resolved.collect()
    }

    /// The ids of all rules that were ever resolved: they are counted.
    pub fn counted(&self) -> BTreeSet<Arc<str>> {
        self.counts.lock().keys().cloned().collect()
    }

    /// The rules that somebody goes by, by id.
    pub(super) fn live(&self) -> Vec<Arc<Rule>> {
        self.counts.lock().values().filter_map(|kept| kept.rule.upgrade()).collect()
    }

    /// Sets the gauges: what share of each rule without `each` is used now.
    pub fn refresh(&self) {
        let now_us = self.clock.now_us();
        let kept = self.counts.lock();
        let live = kept.iter().filter_map(|(id, kept)| Some((id, kept.rule.upgrade()?)));
        let shown = live.filter_map(|(id, rule)| Some((&**id, rule.used_of_all(now_us)?)));
        self.metrics.show(shown);
    }
}

impl Counts {
    fn of(limit: &Limit) -> Self {
        let (make, per): (fn(Duration) -> Meter, _) = match limit.what {
            LimitWhat::Requests { per, .. } | LimitWhat::Tokens { per, .. } => {
                (|per| Meter::Window(Box::new(Window::new(per))), per.duration())
            }
            LimitWhat::Concurrent { .. } => (|_| Meter::Gate(Gate::default()), Duration::ZERO),
        };
        let concurrent = matches!(limit.what, LimitWhat::Concurrent { .. });
        match &limit.each {
            None => Self::One(Counter::new(make(per))),
            Some(Each::User | Each::Metadata(_)) if concurrent => Self::Unknown(UnknownOpen(Inflight::new())),
            Some(_) => Self::Each(Entities::new(make, per, MOST_ENTITIES)),
        }
    }
}

impl Rule {
    /// The largest amount.
    pub fn most(&self) -> u64 {
        match self.limit.what {
            LimitWhat::Requests { most, .. } | LimitWhat::Tokens { most, .. } => most.get(),
            LimitWhat::Concurrent { most } => u64::from(most.get()),
        }
    }

    /// How much of it a request takes that reserves so many tokens.
    pub(super) fn amount(&self, tokens: u64) -> u64 {
        if matches!(self.limit.what, LimitWhat::Tokens { .. }) { tokens } else { 1 }
    }

    /// Where `subject` is counted.
    pub(super) fn at(&self, subject: &Subject<'_>, now_us: u64) -> At {
        match &*self.counts {
            Counts::One(counter) => At::Meter(Pin::hold(counter).expect("the one counter is never retired")),
            Counts::Each(entities) => At::Meter(entities.pin(subject.entity(self.limit.each.as_ref()), now_us)),
            Counts::Unknown(open) => {
                let (guard, count) = open.0.incr(subject.entity(self.limit.each.as_ref()), 1);
                At::Open(guard, count)
            }
        }
    }

    /// Whether `tokens` (or a request) would pass; takes nothing.
    pub(super) fn peek(&self, at: &At, tokens: u64, now_us: u64) -> Result<(), Option<Duration>> {
        let most = self.most();
        let passes = match at {
            At::Meter(pin) => match &**pin {
                Meter::Window(window) => return window.peek(self.amount(tokens), most, now_us).map_err(wait),
                Meter::Gate(gate) => u64::from(gate.open()) < most,
            },
            At::Open(_, count) => u64::try_from(*count).unwrap_or(0) <= most,
        };
        if passes { Ok(()) } else { Err(Some(TRY_AGAIN)) }
    }

    /// Takes.
    pub(super) fn take(&self, at: At, tokens: u64, now_us: u64) -> Result<Held, Option<Duration>> {
        let most = self.most();
        match at {
            At::Meter(pin) => match &*pin {
                Meter::Window(window) => {
                    let ticket = window.take(self.amount(tokens), most, now_us).map_err(wait)?;
                    Ok(Held::Window(pin, ticket))
                }
                Meter::Gate(gate) if gate.enter(u32::try_from(most).unwrap_or(u32::MAX)) => {
                    Ok(Held::Slot(Slot::Gate(Entered(pin))))
                }
                Meter::Gate(_) => Err(Some(TRY_AGAIN)),
            },
            At::Open(guard, count) if u64::try_from(count).unwrap_or(0) <= most => Ok(Held::Slot(Slot::Open(guard))),
            At::Open(..) => Err(Some(TRY_AGAIN)),
        }
    }

    /// A request passed or did not; told at most once a second in the log.
    pub(super) fn passed(&self) {
        self.series.passed.inc();
    }

    /// As [`Self::passed`].
    pub(super) fn past(&self, asked: u64, now_us: u64) {
        self.series.past.inc();
        let due = |at: u64| (now_us >= at).then(|| now_us.saturating_add(1_000_000));
        let told = self.limit.mode != Mode::Enforce
            && self.next_log_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok();
        if told {
            tracing::warn!(limit = %self.limit.id, asked, "past a limit that is not enforced");
        }
    }

    /// What `subject` has used.
    pub(super) fn used(&self, subject: &Subject<'_>, now_us: u64) -> Used {
        let pin = match &*self.counts {
            Counts::One(counter) => Pin::hold(counter),
            Counts::Each(entities) => entities.find(subject.entity(self.limit.each.as_ref())),
            Counts::Unknown(_) => None,
        };
        let used = pin.as_ref().map_or(0, |pin| used_of(pin, now_us));
        Used { pin, most: self.most(), used }
    }

    /// What is used, by entity; empty for a rule that counts nobody apart, and nothing of entities that are only
    /// sketched.
    pub(super) fn used_by_each(&self, now_us: u64) -> Vec<(String, u64)> {
        match &*self.counts {
            Counts::One(counter) => {
                let used = Pin::hold(counter).map_or(0, |pin| used_of(&pin, now_us));
                vec![(String::new(), used)]
            }
            Counts::Each(entities) => {
                let mut used = Vec::new();
                entities.for_each(|name, pin| used.push((name.to_owned(), used_of(&pin, now_us))));
                used.sort_unstable();
                used
            }
            Counts::Unknown(_) => Vec::new(),
        }
    }

    /// Used share of a rule that counts nobody apart.
    fn used_of_all(&self, now_us: u64) -> Option<f64> {
        let Counts::One(counter) = &*self.counts else { return None };
        let pin = Pin::hold(counter)?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        Some(used_of(&pin, now_us) as f64 / self.most() as f64)
    }

    /// Remembers what was used before the start, if the window is so long that it is rebuilt.
    pub fn restore(&self, past: &Past<'_>, now_us: u64) {
        let amount = match (&self.limit.what, &self.limit.scope) {
            (LimitWhat::Requests { .. }, crate::config::Scope::Provider(_)) => past.attempts,
            (LimitWhat::Requests { .. }, _) => past.requests,
            (LimitWhat::Tokens { .. }, _) => past.tokens,
            (LimitWhat::Concurrent { .. }, _) => return,
        };
        let At::Meter(pin) = self.at(&past.subject, now_us) else { return };
        if let Meter::Window(window) = &*pin
            && amount > 0
        {
            window.restore(amount, past.at_us, now_us);
        }
    }

    /// The length of a window that is rebuilt at start: an hour or more, and not by metadata, which the ledger lacks.
    pub fn rebuilt(&self) -> Option<Duration> {
        let (LimitWhat::Requests { per, .. } | LimitWhat::Tokens { per, .. }) = self.limit.what else { return None };
        let known = !matches!(self.limit.each, Some(Each::Metadata(_)));
        Some(per.duration()).filter(|&per| known && per >= Duration::from_secs(3_600))
    }
}

impl Used {
    /// Whether a smaller share is left than of `other`.
    pub(super) fn has_less_left(&self, other: &Self) -> bool {
        let left = |used: &Self| u128::from(used.most.saturating_sub(used.used));
        left(self) * u128::from(other.most) < left(other) * u128::from(self.most)
    }

    pub(super) fn share(&self, now_us: u64) -> Share {
        let after = match self.pin.as_deref() {
            Some(Meter::Window(window)) => window.empty_after(now_us),
            Some(Meter::Gate(_)) | None => 0,
        };
        Share { limit: self.most, remaining: self.most.saturating_sub(self.used), reset: Duration::from_micros(after) }
    }
}

fn used_of(pin: &Pin, now_us: u64) -> u64 {
    match &**pin {
        Meter::Window(window) => window.used(now_us),
        Meter::Gate(gate) => u64::from(gate.open()),
    }
}

fn wait(full: Full) -> Option<Duration> {
    match full {
        Full::For(micros) => Some(Duration::from_micros(micros)),
        Full::ForEver => None,
    }
}

/// When another request ends is not known.
const TRY_AGAIN: Duration = Duration::from_secs(1);
