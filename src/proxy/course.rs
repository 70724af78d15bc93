//! The course of a request over its attempts: what follows from each failure, one budget of attempts, pauses, and the models
//! that answer instead. One engine for calls and sessions.

use super::candidate::{Candidate, PassedOver, Reach};
use super::exchange::Opened;
use super::gateway::Services;
use super::guarded;
use super::reject::{Reject, UpstreamFault};
use super::target::Target;
use super::trouble::Trouble;
use crate::config::{Action, Attempts, Failure, Turn};
use crate::routing::{Route, Standing, Stands};
use bytes::Bytes;
use http::header::HeaderValue;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The word for a failure that the request goes on from with another model.
const FALLBACK: &str = "fallback";

/// What happened so far, and what is to follow.
pub struct Course {
    last: Option<Trouble>,
    all_limited: bool,
    /// The shortest wait that a provider asked for.
    retry_after: Option<Duration>,
    /// Targets that were not tried.
    over: PassedOver,
    /// Targets that may be tried again.
    rests: SmallVec<[Rest; 2]>,
    /// The request is to go on with another model.
    turn: Option<Turn>,
    /// Models that it was with, the one that was asked for first.
    visited: SmallVec<[Arc<Route<Target>>; 2]>,
    /// Models that did not take the request, and why.
    refused: Vec<(Arc<str>, Reject)>,
    /// Targets that are not to be tried again, under no other model either.
    out: SmallVec<[Arc<Standing>; 2]>,
    /// An attempt was made with the model under way.
    tried: bool,
    /// A provider's answer about the request itself, which is told if nothing better comes.
    kept: Option<Kept>,
    /// The pause before the attempt under way.
    pause: Duration,
    /// Another model's targets have no longer than this.
    until: Option<Instant>,
}

/// A target that may be tried again.
struct Rest {
    target: Arc<Target>,
    times: u32,
    until: Instant,
}

/// A provider's answer that was withheld for the sake of a better one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its status.
    pub status: u16,
    /// What its body is; `None`: JSON.
    pub content_type: Option<HeaderValue>,
    /// Its body, for the client.
    pub body: Bytes,
    /// Its message, if it could be read: for a client that has the header of a stream by then.
    pub message: Option<String>,
    /// What it is about.
    pub about: Failure,
}

/// Answers about the request itself that are withheld, because another target or model may do better.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Withholds {
    context_window: bool,
    content_policy: bool,
    /// By status: 400, 413, 422.
    refused: [bool; 3],
}

impl Withholds {
    /// Whether an answer `about` this, with `status`, is withheld.
    pub fn holds(self, about: Failure, status: u16) -> bool {
        match about {
            Failure::ContextWindow => self.context_window,
            Failure::ContentPolicy => self.content_policy,
            _ => REFUSALS.iter().zip(self.refused).any(|(one, holds)| holds && *one == status),
        }
    }
}

/// Statuses with which a provider refuses the request itself.
const REFUSALS: [u16; 3] = [400, 413, 422];

/// What comes next.
pub enum Move {
    /// An attempt.
    Go(Box<Candidate>),
    /// A pause to this moment.
    Rest(Instant),
    /// Nothing: the client is told.
    Over,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Why the attempt failed; `None`: for no reason that another attempt could mend.
    pub failure: Option<Failure>,
    /// What is done: `fail`, `next`, `retry`, `fallback`.
    pub action: &'static str,
}

impl Step {
    /// Whether another attempt follows.
    pub fn goes_on(self) -> bool {
        self.action != Action::Fail.name()
    }
}

impl Course {
    /// Nothing was tried yet.
    pub fn new(opened: &Opened) -> Self {
        let route = opened.plan.route();
        let asked = opened.snapshot.table.find(&opened.model).filter(|asked| asked.name != route.name);
        Self {
            last: None,
            all_limited: true,
            retry_after: None,
            over: PassedOver::default(),
            rests: SmallVec::new(),
            turn: None,
            visited: asked.into_iter().chain([route]).cloned().collect(),
            refused: Vec::new(),
            out: SmallVec::new(),
            tried: false,
            kept: None,
            pause: Duration::ZERO,
            until: None,
        }
    }

    /// The trouble of the last attempt.
    pub fn last(&self) -> Option<&Trouble> {
        self.last.as_ref()
    }

    /// A provider's answer about the request itself, which is told if nothing better came.
    pub fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    /// The end of the request as a whole, where it went on with another model than its `total` is from.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// A pause was made before the next attempt.
    pub fn rested(&mut self, pause: Duration) {
        self.pause += pause;
    }

    /// The pause before the attempt that was settled just now.
    pub fn take_pause(&mut self) -> Duration {
        std::mem::take(&mut self.pause)
    }

    /// Which answers about the request itself are withheld from `target`, where an attempt begins.
    pub fn withholds(&self, opened: &Opened, target: &Target, now_us: u64) -> Withholds {
        if opened.plan.attempts_left() == 0 {
            return Withholds::default();
        }
        let attempts = &target.attempts;
        let fresh = self.has_next(opened, now_us);
        let next = |failure, status| fresh && attempts.action(failure, status) == Action::Next;
        let turns = |turn, failure| next(failure, 0) || self.fallback(opened, turn).is_some();
        Withholds {
            context_window: turns(Turn::ContextWindow, Failure::ContextWindow),
            content_policy: turns(Turn::ContentPolicy, Failure::ContentPolicy),
            refused: REFUSALS.map(|status| next(Failure::Refused, status)),
        }
    }

    /// The attempt at `target` failed. `may_go_on`: the client has seen nothing of it.
    pub fn failed(
        &mut self,
        opened: &mut Opened,
        target: Option<&Arc<Target>>,
        (trouble, kept): (Trouble, Option<Kept>),
        may_go_on: bool,
        now_us: u64,
    ) -> Step {
        self.tried = true;
        self.all_limited &= trouble.fault() == UpstreamFault::RateLimited;
        if let Some(wait) = trouble.retry_after() {
            self.retry_after = Some(self.retry_after.map_or(wait, |least| least.min(wait)));
        }
        self.kept = self.kept.take().or(kept);
        let failure = trouble.failure();
        let action = match (failure, target) {
            (Some(failure), Some(target)) if may_go_on => self.step(opened, target, (failure, &trouble), now_us),
            _ => Action::Fail.name(),
        };
        self.last = Some(trouble);
        Step { failure, action }
    }

    fn step(
        &mut self,
        opened: &mut Opened,
        target: &Arc<Target>,
        (failure, trouble): (Failure, &Trouble),
        now_us: u64,
    ) -> &'static str {
        let (fail, next) = (Action::Fail.name(), Action::Next.name());
        if opened.plan.attempts_left() == 0 {
            return fail;
        }
        let action = action(&target.attempts, failure, trouble);
        if action != Action::Retry {
            self.out.push(Arc::clone(target.standing()));
        }
        if let Some(turn) = Turn::of(failure) {
            if action == Action::Next && self.has_next(opened, now_us) {
                return next;
            }
            self.turn = self.fallback(opened, turn).map(|_| turn);
            return if self.turn.is_some() { FALLBACK } else { fail };
        }
        if action == Action::Fail {
            return fail;
        }
        if action == Action::Retry {
            self.put_back(opened, target, trouble);
        }
        let serves = |target: &Target| target.serves(opened.ask.api) && !target.standing.is_out(now_us);
        let (spare, more) = (self.fallback(opened, Turn::Failed).is_some(), self.may_try_more(opened));
        match () {
            () if more && opened.plan.has_fresh(|target| serves(target) && target.standing.takes(now_us)) => next,
            () if more && self.ripens(opened, Some(now_us)).is_some() => Action::Retry.name(),
            () if self.has_open_spare(opened, now_us) => FALLBACK,
            () if more && opened.plan.has_fresh(serves) => next,
            () if more && self.ripens(opened, None).is_some() => Action::Retry.name(),
            () if spare => FALLBACK,
            () => fail,
        }
    }

    /// Whether a target that was not tried yet comes next, should the one under way fail.
    fn has_next(&self, opened: &Opened, now_us: u64) -> bool {
        let serves = |target: &Target| target.serves(opened.ask.api) && !target.standing.is_out(now_us);
        let open = |target: &Target| serves(target) && target.standing.takes(now_us);
        let more = opened.plan.attempts_left() > usize::from(self.fallback(opened, Turn::Failed).is_some());
        more && (opened.plan.has_fresh(open) || opened.plan.has_fresh(serves) && !self.has_open_spare(opened, now_us))
    }

    /// Whether the model under way may make another attempt: while another model may answer instead, the last attempt is
    /// kept for it.
    fn may_try_more(&self, opened: &Opened) -> bool {
        let kept = self.tried && self.fallback(opened, Turn::Failed).is_some();
        opened.plan.attempts_left() > usize::from(kept)
    }

    /// Whether another model may answer instead of targets that are shut: one of its own takes requests.
    pub fn has_open_spare(&self, opened: &Opened, now_us: u64) -> bool {
        let mut spare = self.fallbacks(opened, Turn::Failed).flat_map(|route| &route.targets);
        spare.any(|target| self.may_answer(opened, target) && target.standing.takes(now_us))
    }

    /// The target may be tried again, unless it would be too late.
    fn put_back(&mut self, opened: &mut Opened, target: &Arc<Target>, trouble: &Trouble) {
        let known = self.rests.iter().position(|rest| Arc::ptr_eq(&rest.target, target));
        let times = known.and_then(|at| self.rests.get(at)).map_or(0, |rest| rest.times);
        // Without chance the longest pause is made.
        let chance = getrandom::u32().unwrap_or(u32::MAX);
        let Some(pause) = pause(&target.attempts, times, trouble.retry_after(), chance) else { return };
        let until = Instant::now() + pause;
        let end = opened.arrival.at + target.timeouts.total;
        if until >= self.until.map_or(end, |until| until.min(end)) {
            return;
        }
        opened.plan.put_back();
        if let Some(at) = known {
            self.rests.remove(at);
        }
        self.rests.push(Rest { target: Arc::clone(target), times: times.saturating_add(1), until });
    }

    /// Takes the next target that serves the call, whose provider's rules let an attempt pass, and that can be paid: one that
    /// takes requests, else one that was put back and will, else one of another model, and only then one that is shut.
    pub fn next(&mut self, opened: &mut Opened, services: &Services) -> Move {
        if let Some(first) = opened.first.take() {
            return Move::Go(Box::new(first));
        }
        let api = opened.ask.api;
        loop {
            match self.turn.take() {
                // What the targets that are left would not mend either.
                Some(turn) if !self.turn(opened, services, turn) && turn != Turn::Failed => return Move::Over,
                _ => {}
            }
            let (more, now) = (self.may_try_more(opened), Instant::now());
            if more && let Some(candidate) = self.candidate(opened, services, Reach::Open, now) {
                return Move::Go(Box::new(candidate));
            }
            if opened.plan.attempts_left() == 0 {
                return Move::Over;
            }
            let now_us = services.clock.now_us();
            if let Some(until) = self.ripens(opened, Some(now_us)).filter(|until| more && *until > now) {
                return Move::Rest(until);
            }
            let tried = self.last.is_some() || self.over.limited.is_some();
            let shut = opened.plan.has_fresh(|target| target.serves(api));
            if (tried || shut) && self.has_open_spare(opened, now_us) {
                self.turn = Some(Turn::Failed);
                continue;
            }
            if more && let Some(candidate) = self.candidate(opened, services, Reach::Shut, now) {
                return Move::Go(Box::new(candidate));
            }
            if let Some(until) = self.ripens(opened, None).filter(|_| more) {
                return Move::Rest(until);
            }
            if !tried || self.fallback(opened, Turn::Failed).is_none() {
                return Move::Over;
            }
            self.turn = Some(Turn::Failed);
        }
    }

    /// When the first target that was put back may be tried again; with `now_us`: of those that take requests by then.
    fn ripens(&self, opened: &Opened, now_us: Option<u64>) -> Option<Instant> {
        let rest = |target: &Arc<Target>| self.rests.iter().find(|rest| Arc::ptr_eq(&rest.target, target));
        let takes = |rest: &&Rest| {
            let wait = rest.until.saturating_duration_since(Instant::now()).as_micros();
            let opens_us = u128::from(rest.target.standing.opens_at_us());
            now_us.is_none_or(|now_us| opens_us <= u128::from(now_us) + wait)
        };
        opened.plan.again().filter_map(rest).filter(takes).map(|rest| rest.until).min()
    }

    /// Takes the next candidate whose pause, if it has one, is over at `now`.
    fn candidate(&mut self, opened: &mut Opened, services: &Services, reach: Reach, now: Instant) -> Option<Candidate> {
        let rests = &self.rests;
        let rest = |target: &Target| rests.iter().find(|rest| std::ptr::eq(&*rest.target, target));
        let ripe = |target: &Target| rest(target).is_none_or(|rest| rest.until <= now);
        opened.next_candidate(services, false, reach, &mut self.over, ripe)
    }

    /// The next model for `turn`.
    fn fallback(&self, opened: &Opened, turn: Turn) -> Option<Arc<Route<Target>>> {
        self.fallbacks(opened, turn).next().cloned()
    }

    /// The models for `turn` that are left: those that the model under way names, then those of the ones before it. Each is
    /// visited once.
    fn fallbacks<'a>(&'a self, opened: &'a Opened, turn: Turn) -> impl Iterator<Item = &'a Arc<Route<Target>>> {
        let named = self.visited.iter().rev().filter_map(|route| route.targets.first());
        let names = named.flat_map(move |target| target.attempts.fallbacks.of(turn));
        names.filter_map(move |name| {
            let known = self.visited.iter().any(|route| route.name == *name)
                || self.refused.iter().any(|(refused, _)| refused == name);
            let new = !known && opened.caller.may_call(name);
            let route = opened.snapshot.table.find(name).filter(|_| new)?;
            route.targets.iter().any(|target| self.may_answer(opened, target)).then_some(route)
        })
    }

    /// Whether `target` serves the call, and has neither failed it already nor been taken out for good.
    fn may_answer(&self, opened: &Opened, target: &Target) -> bool {
        let serves = target.serves(opened.ask.api) && target.standing.opens_at_us() < u64::MAX;
        serves && !self.out.iter().any(|out| Arc::ptr_eq(out, target.standing()))
    }

    /// Goes on with the next model for `turn` that takes the request; false: there is none, and nothing has changed.
    fn turn(&mut self, opened: &mut Opened, services: &Services, turn: Turn) -> bool {
        let total = opened.plan.route().targets.iter().map(|target| target.timeouts.total).max();
        let snapshot = Arc::clone(&opened.snapshot);
        while let Some(route) = self.fallback(opened, turn) {
            if let Err(reject) = opened.switch(services, &snapshot, &route, &self.out) {
                self.refused.push((Arc::clone(&route.name), reject));
                continue;
            }
            if let Some(end) = total.and_then(|total| opened.arrival.at.checked_add(total)) {
                self.until = Some(self.until.map_or(end, |until| until.min(end)));
            }
            self.visited.push(route);
            self.rests.clear();
            self.tried = false;
            return true;
        }
        false
    }

    /// What the client is told when every target failed (PRODUCT.md §3): `told` are the attempts in words.
    pub fn verdict(&self, opened: &Opened, services: &Services, told: &str) -> Reject {
        match &self.last {
            Some(Trouble::BuffersFull) => return Reject::BuffersFull,
            Some(Trouble::Blocked(refused)) => return guarded::refuse((**refused).clone()),
            _ => {}
        }
        let out = opened.plan.untried().filter_map(|target| target.standing.by_hand(services.clock.now_us()));
        let out = out.min_by_key(|out| out.until_us.unwrap_or(u64::MAX));
        let kind = match &self.last {
            Some(_) if self.all_limited => UpstreamFault::RateLimited,
            Some(last) => match last.fault() {
                UpstreamFault::RateLimited => UpstreamFault::Failed,
                other => other,
            },
            None if out.is_some() => UpstreamFault::ShutByHand,
            None => UpstreamFault::Failed,
        };
        let retry_after = if kind == UpstreamFault::RateLimited { self.retry_after } else { None };
        let model = &opened.plan.route().name;
        let mut message = match &out {
            None => format!("no target of model `{model}` answered: {told}"),
            Some(out) if kind == UpstreamFault::ShutByHand => {
                format!("no target of model `{model}` takes requests: the operator has shut them ({})", out.reason)
            }
            Some(_) => format!("no target of model `{model}` answered: {told}; others are shut by hand"),
        };
        if let Some(reject) = &self.over.untranslatable {
            if self.last.is_none() && self.over.unpaid.is_none() && self.over.limited.is_none() {
                return reject.clone();
            }
            message.push_str(&format!("; others were passed over: {reject}"));
        }
        if let Some(unpaid) = &self.over.unpaid {
            let reject = opened.unpaid(unpaid.clone(), services);
            if self.last.is_none() {
                return reject;
            }
            message.push_str(&format!("; others were passed over: {reject}"));
        }
        if let Some(refusal) = &self.over.limited {
            if self.all_limited {
                return Reject::LimitReached(refusal.clone().within(self.retry_after));
            }
            message.push_str(&format!("; others were passed over: {refusal}"));
        }
        for (model, reject) in &self.refused {
            message.push_str(&format!("; model `{model}` did not take the request: {reject}"));
        }
        Reject::Upstream { kind, message, retry_after }
    }
}

/// What follows from `failure`: the provider's own word on trying again counts where the file has none.
fn action(attempts: &Attempts, failure: Failure, trouble: &Trouble) -> Action {
    let written = attempts.written(failure, trouble.status());
    let action = written.unwrap_or(failure.default_action());
    match (action, trouble.again()) {
        (Action::Retry, Some(false)) => Action::Next,
        (Action::Next, Some(true)) if written.is_none() && failure.never_retried().is_none() => Action::Retry,
        _ => action,
    }
}

/// The pause before a target is tried again that failed `times` times before; `None`: it is `asked` to be longer than the
/// longest. `chance` is drawn evenly from all numbers.
///
/// Without a word of the provider it is a random part of a time that doubles ("full jitter"), so that requests that failed
/// together do not come back together; else what was asked for, and up to a tenth more.
fn pause(attempts: &Attempts, times: u32, asked: Option<Duration>, chance: u32) -> Option<Duration> {
    let part = |of: Duration| of.mul_f64(f64::from(chance) / f64::from(u32::MAX));
    match asked {
        Some(asked) if asked > attempts.most_pause => None,
        Some(asked) => Some(asked + part((asked / 10).min(attempts.pause))),
        None => Some(part(attempts.pause.saturating_mul(1 << times.min(16)).min(attempts.most_pause))),
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
