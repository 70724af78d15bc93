//! A request on its way: who asked what, the attempts made for it, and what became of them.
//!
//! Shared by Pingora's hooks and the replay session of one request, which run in one task: the lock is never
//! contended and never held across an `.await`.

mod outside;
mod settling;

use super::attempt::{Attempt, Spending};
use super::course::{Course, Kept, Move};
use super::finish::Record;
use super::gateway::{Services, Snapshot};
use super::governed::Governing;
use super::guarded::{Ends, Guarding};
use super::purse::{self, Charge};
use super::reject::Reject;
use super::rows::{RowOf, open_row};
use super::stream::{Answer, Expect, Release};
use super::target::Target;
use super::translate::Meaning;
use super::trouble::Trouble;
use super::vigil::Vigil;
use super::{admission::Place, bounds::Share, candidate::Candidate, metadata::Metadata};
use crate::auth::Caller;
use crate::config::Budgeting;
use crate::dialect;
use crate::limits::{Permit, Shares};
use crate::model::{Ask, NanoUsd, RequestId, Trace};
use crate::routing::{Plan, Route};
use crate::telemetry::TeamSeries;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a stream looks whether its key or token still holds.
const REVOKED_LOOK: Duration = Duration::from_millis(500);

/// An exchange as its hooks and its session hold it.
pub type Shared = Arc<Mutex<Exchange>>;

/// The request as it arrived: what every answer, also a refusal, needs.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The gateway's own id.
    pub id: RequestId,
    /// What `x-request-id` says: the client's label, else the id.
    pub label: Arc<str>,
    /// Whether the label is the client's.
    pub labelled: bool,
    /// When the head was read.
    pub at: Instant,
    /// The same, by the wall clock.
    pub at_us: u64,
    /// The client's true address; its port is 0 where a proxy told of the address alone.
    pub address: Option<SocketAddr>,
    /// HTTP version of the client's connection.
    pub version: http::Version,
    /// Its trace; `None`: nothing is traced.
    pub trace: Option<Arc<Trace>>,
}

/// What is fixed before the first attempt.
pub struct Opened {
    /// The request.
    pub arrival: Arrival,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// Counters of the caller's team.
    pub team: Arc<TeamSeries>,
    /// What is asked.
    pub ask: Ask,
    /// The rules that it is under.
    pub governing: Governing,
    /// What it holds of them.
    pub permit: Permit,
    /// The end user, if one is told.
    pub user: Option<Arc<str>>,
    /// The session that the client names.
    pub session: Option<Arc<str>>,
    /// What the client says the request is for.
    pub metadata: Metadata,
    /// The model that the client asked for; a budget may have sent the request to another one.
    pub model: Arc<str>,
    /// The budgets that it matches, but for those of providers.
    pub charges: Vec<Charge>,
    /// How money is held.
    pub budgeting: Arc<Budgeting>,
    /// What the first attempt goes to, with what is held for it.
    pub first: Option<Candidate>,
    /// The query of the path, passed on to Anthropic (`beta=true`).
    pub query: Option<Arc<str>>,
    /// The client asked for the cost at the end of a stream (`x-weighbridge-include: cost`).
    pub include_cost: bool,
    /// The configuration that it was admitted under.
    pub snapshot: Arc<Snapshot>,
    /// The targets, in order.
    pub plan: Plan<Target>,
    /// What is asked, in the words that all APIs share: decoded when a target needs it.
    pub meaning: Option<Meaning>,
    /// The body's part of the gateway's memory.
    pub share: Share,
    /// The request's place among the open ones.
    pub place: Place,
    /// Bytes of the body.
    pub bytes_in: usize,
    /// The request that it is a copy of; `None`: it is a client's own.
    pub mirror_of: Option<RequestId>,
    /// Its guardrails.
    pub guarding: Option<Box<Guarding>>,
}

impl Opened {
    /// A request of `caller` for `route`: nothing is admitted, planned or held of it yet, and all that a client may say beside is unsaid.
    pub fn new(
        arrival: Arrival,
        snapshot: &Arc<Snapshot>,
        (caller, governing): (Arc<Caller>, Governing),
        route: &Arc<Route<Target>>,
        ask: Ask,
        (share, place): (Share, Place),
    ) -> Self {
        Self {
            arrival,
            team: Arc::clone(snapshot.series.team(Some(&caller.team))),
            caller,
            governing,
            permit: Permit::default(),
            user: None,
            session: None,
            metadata: Metadata::default(),
            model: Arc::clone(&route.name),
            charges: Vec::new(),
            budgeting: Arc::clone(&snapshot.budgeting),
            first: None,
            query: None,
            include_cost: false,
            snapshot: Arc::clone(snapshot),
            plan: Plan::new(Arc::clone(route)),
            bytes_in: ask.body.len(),
            ask,
            meaning: None,
            share,
            place,
            mirror_of: None,
            guarding: None,
        }
    }
}

/// One request from its admission to its record.
pub struct Exchange {
    /// What is fixed.
    pub opened: Opened,
    services: Arc<Services>,
    attempt: Option<Attempt>,
    /// What each attempt came to.
    pub record: Record,
    /// The trouble that a hook found, to be read by the hook that Pingora calls next.
    found: Option<Trouble>,
    /// What follows from what each attempt came to.
    course: Course,
    /// A part of an answer went out.
    answered: bool,
    /// What the client was told before that.
    vigil: Vigil,
}

impl Exchange {
    /// Begins. `overhead` is what the gateway itself spent so far.
    pub fn new(mut opened: Opened, services: Arc<Services>, overhead: Duration) -> Self {
        let course = Course::new(&opened);
        let mut record = Record::new(overhead, opened.permit.take_tokens()).knowing(&opened);
        record.with_model(&opened.plan.route().name, opened.permit.take_model_tokens());
        Self {
            opened,
            services,
            attempt: None,
            record,
            found: None,
            course,
            answered: false,
            vigil: Vigil::since(Instant::now()),
        }
    }

    /// The time, in microseconds since the Unix epoch.
    pub fn now_us(&self) -> u64 {
        self.services.clock.now_us()
    }

    /// The attempt under way.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref()
    }

    /// The attempt under way.
    pub fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        self.attempt.as_mut()
    }

    /// Whether the client has seen a part of an answer: then there is no other target any more.
    pub fn committed(&self) -> bool {
        self.answered
    }

    /// A part of the answer goes out now. True where its header goes out with it.
    pub fn commit(&mut self) -> bool {
        !std::mem::replace(&mut self.answered, true) && !self.vigil.is_open()
    }

    /// Signs of life of a stream that says nothing.
    pub fn vigil(&mut self) -> &mut Vigil {
        &mut self.vigil
    }

    /// Whether the client got the header of a stream before anything was known of the answer.
    pub fn is_open_early(&self) -> bool {
        self.vigil.is_open()
    }

    /// The sign of life that is due at `now`, as the client's dialect has it.
    pub fn sign(&self, now: Instant) -> Option<&'static [u8]> {
        self.sign_at().filter(|at| *at <= now).map(|_| dialect::sign_of_life(self.opened.ask.api.dialect()))
    }

    /// When the client is to get a sign of life; `None`: its model wants none, or there is no place for one.
    fn sign_at(&self) -> Option<Instant> {
        let attempt = self.attempt.as_ref()?;
        let every = attempt.target.keep_alive.filter(|_| self.opened.ask.api.generates())?;
        let waits = attempt.answer.expects_stream() && attempt.answer.failed().is_none() && !attempt.answer.ended();
        if waits { self.vigil.due(every) } else { None }
    }

    /// What comes next: an attempt, a pause, or nothing.
    pub fn next(&mut self) -> Move {
        let next = self.course.next(&mut self.opened, &self.services);
        // It may go on with another model.
        self.record.with_model(&self.opened.plan.route().name, self.opened.permit.take_model_tokens());
        next
    }

    /// A pause was made before the next attempt.
    pub fn rested(&mut self, pause: Duration) {
        self.course.rested(pause);
    }

    /// What is left of the client's rules.
    pub fn shares(&self) -> Shares {
        self.opened.shares(&self.services.limits)
    }

    /// Attempts made so far, the one under way included: a whole answer is settled before its header is written, a
    /// stream is not.
    pub fn attempts(&self) -> u16 {
        let open = self.attempt.as_ref().is_some_and(Attempt::is_open);
        self.record.attempts().saturating_add(u16::from(open))
    }

    /// Begins an attempt: journals it and makes its body. Nothing was sent yet.
    ///
    /// # Errors
    ///
    /// [`Reject::LedgerUnavailable`], [`Reject::BuffersFull`].
    pub fn begin(&mut self, candidate: Candidate) -> Result<(), Reject> {
        let Candidate { target, entry, mut permit, paid, translated } = candidate;
        let number = self.record.attempts().saturating_add(1);
        let terms = Spending::of(&paid);
        let row = open_row(&self.services, &self.opened, &RowOf::target(&target), number, paid.hold)?;
        let (body, dropped, encoder) = self.opened.write(&target, &terms, translated);
        let body_share = match &encoder {
            Some(_) => Some(self.services.buffers.take(body.len()).ok_or(Reject::BuffersFull)?),
            None => None,
        };
        let ask = &self.opened.ask;
        let looked = self.opened.guarding.as_mut().is_some_and(|guarding| guarding.begin(ask.stream));
        let hide_usage = ask.include_usage.is_some_and(|include| !include.asked());
        let expect = Expect {
            label: Arc::clone(&self.opened.arrival.label),
            api: ask.api,
            stream: ask.stream,
            hide_usage,
            most_withheld: self.services.bounds.max_withheld_bytes,
            most: terms.most,
            text: ask.demand.media.as_ref().is_some_and(|media| media.wants_text()),
            pictures: ask.demand.units.images,
            whole: looked,
        };
        let share = self.services.buffers.take(0).ok_or(Reject::BuffersFull)?;
        let answer = Answer::new(expect, Arc::clone(&target.provider), share).translated(encoder);
        let mut answer = answer.withholding(self.course.withholds(&self.opened, &target, self.now_us()));
        if self.vigil.is_open() {
            answer.tell_in_stream();
        }
        self.opened.permit.keep();
        permit.keep();
        let attempt = Attempt::new(target, row, body, answer, self.opened.arrival.at).with(entry, permit, terms);
        self.attempt = Some(attempt.without(dropped, body_share).until(self.course.until()));
        Ok(())
    }

    /// What is left of the tightest dollar budget of the caller's own.
    pub fn budget_left(&self) -> Option<NanoUsd> {
        purse::remaining(&self.opened.charges, self.services.clock.now_us()).map(NanoUsd)
    }

    /// The header of the answer.
    ///
    /// # Errors
    ///
    /// What makes the next target worth trying.
    pub fn head(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), Trouble> {
        let Some(attempt) = &mut self.attempt else { return Ok(()) };
        attempt.answer.head(status, headers)
    }

    /// A piece of the answer; returns what may go to the client.
    ///
    /// # Errors
    ///
    /// As [`Answer::push`].
    pub fn piece(&mut self, piece: Bytes) -> Result<Bytes, Trouble> {
        let begun = Instant::now();
        let Some(attempt) = &mut self.attempt else { return Ok(Bytes::new()) };
        let release = attempt.answer.push(piece)?;
        let release = attempt.answer.unless_declined(release)?;
        let release = self.guarded(release, false)?;
        Ok(self.after(release, begun))
    }

    /// The provider ended the body; a second call does nothing.
    ///
    /// # Errors
    ///
    /// As [`Answer::end`].
    pub fn end(&mut self) -> Result<Bytes, Trouble> {
        let begun = Instant::now();
        let Some(attempt) = &mut self.attempt else { return Ok(Bytes::new()) };
        if std::mem::replace(&mut attempt.end_seen, true) {
            return Ok(Bytes::new());
        }
        let release = attempt.answer.end()?;
        let release = attempt.answer.unless_declined(release)?;
        let release = self.guarded(release, true)?;
        Ok(self.after(release, begun))
    }

    /// The connection to the provider broke. Before anything was released the trouble is an error.
    ///
    /// # Errors
    ///
    /// The trouble itself.
    pub fn broken(&mut self, trouble: Trouble) -> Result<Bytes, Trouble> {
        let begun = Instant::now();
        let Some(attempt) = &mut self.attempt else { return Err(trouble) };
        if attempt.answer.ended() {
            return Ok(Bytes::new()); // whole already: what broke was only the connection behind it
        }
        if let Some(guarding) = &mut self.opened.guarding
            && guarding.broken()
            && !self.answered
            && !self.vigil.is_open()
        {
            return Err(trouble); // what came was kept for services: the client has nothing of it
        }
        let release = attempt.answer.fail(trouble, Release::default())?;
        let release = attempt.answer.unless_declined(release)?;
        Ok(self.after(release, begun))
    }

    /// Whether the client has anything of an answer.
    fn told(&self) -> bool {
        self.answered || self.vigil.is_open()
    }

    /// What of a release its guardrails let out; `last`: the provider ended the body.
    fn guarded(&mut self, release: Release, last: bool) -> Result<Release, Trouble> {
        let told = self.told();
        let Exchange { opened, attempt: Some(attempt), services, record, .. } = self else { return Ok(release) };
        let Opened { guarding: Some(guarding), arrival, model, .. } = &mut *opened else { return Ok(release) };
        let ends = Ends { id: arrival.id, model, now_s: services.clock.now_us() / 1_000_000 };
        let passed = guarding.pass(&mut attempt.answer, release, (last, told), &ends);
        record.found(opened, services, false);
        passed
    }

    /// The deadline that comes first, if an attempt is under way.
    pub fn wake_at(&self) -> Option<Instant> {
        let at = self.attempt.as_ref().map(Attempt::wake_at)?;
        let at = self.sign_at().map_or(at, |sign| at.min(sign));
        // Nobody is woken by a revocation: it is looked for.
        Some(if self.may_be_cut() { at.min(Instant::now() + REVOKED_LOOK) } else { at })
    }

    /// What has run out at `now`.
    pub fn expired(&self, now: Instant) -> Option<Trouble> {
        if self.may_be_cut() && self.opened.caller.term.ended(self.services.clock.now_us()) {
            return Some(Trouble::Revoked);
        }
        self.attempt.as_ref().and_then(|attempt| attempt.expired(now))
    }

    /// Whether a stream is under way that ends with the key or token it was admitted with.
    fn may_be_cut(&self) -> bool {
        let streams =
            |attempt: &Attempt| attempt.answer.released() && attempt.answer.is_stream() && !attempt.answer.ended();
        self.services.bounds.cut_revoked && self.attempt.as_ref().is_some_and(streams)
    }

    /// Keeps the trouble for the hook that Pingora calls next.
    pub fn found(&mut self, trouble: Trouble) {
        self.found = Some(trouble);
    }

    /// The trouble that was found.
    pub fn take_found(&mut self) -> Option<Trouble> {
        self.found.take()
    }

    /// The attempt under way failed. Returns whether another one follows.
    pub fn failed(&mut self, trouble: Trouble) -> bool {
        self.settle(Some(trouble.clone()));
        let target = self.attempt.as_ref().map(|attempt| Arc::clone(&attempt.target));
        let kept = self.attempt.as_mut().and_then(|attempt| attempt.answer.take_kept());
        self.attempt_over();
        let may_go_on = !self.committed();
        let now_us = self.now_us();
        let step = self.course.failed(&mut self.opened, target.as_ref(), (trouble, kept), may_go_on, now_us);
        if let Some(target) = target {
            self.record.took(step.action);
            if let Some(failure) = step.failure {
                target.metrics.failed(failure, step.action);
            }
        }
        step.goes_on()
    }

    /// Gives up what the attempt held, but keeps what the record and the header need.
    fn attempt_over(&mut self) {
        if !self.committed() {
            self.attempt = None;
        }
    }

    /// Whether the client left, as far as is known.
    pub fn client_gone(&self) -> bool {
        matches!(self.course.last(), Some(Trouble::ClientGone))
    }

    /// The trouble of the last attempt.
    pub fn last_trouble(&self) -> Option<&Trouble> {
        self.course.last()
    }

    /// A provider's answer about the request itself, which is told if nothing better came.
    pub fn kept(&self) -> Option<&Kept> {
        self.course.kept()
    }

    /// What the client is told when every target failed (PRODUCT.md §3).
    pub fn verdict(&self) -> Reject {
        self.course.verdict(&self.opened, &self.services, &self.record.told())
    }

    /// What the gateway shares.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }
}

impl Opened {
    /// Drops the body of a stream once its answer has begun, unless it may be needed to count its tokens.
    fn forget_body(&mut self, target: &Target) {
        const KEPT_FOR_COUNTING: usize = 256 * 1024;
        if target.encoding.is_none() || self.ask.body.len() > KEPT_FOR_COUNTING {
            self.ask.body.clear();
            self.meaning = None;
            self.share.shrink_to(0);
        }
    }
}

/// A request that ends without its hooks (a panic, the end of the process) is settled here.
impl Drop for Exchange {
    fn drop(&mut self) {
        if self.attempt.as_ref().is_some_and(Attempt::is_open) {
            self.settle(Some(Trouble::Stopped));
        }
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
