//! Settling attempts and recording requests: each exactly once, whatever way the request took.

use super::attempt::Attempt;
use super::bound;
use super::cached::Cached;
use super::evidence::Evidence;
use super::exchange::{Arrival, Exchange, Opened};
use super::gateway::{Services, Snapshot};
use super::governed::{self, Governing};
use super::guarded;
use super::keeping::{self, Capture};
use super::metadata::Metadata;
use super::reject::OVERLOADED;
use super::tally::Tally;
use super::target::Target;
use super::trouble::Trouble;
use super::used::{Used, used};
use crate::auth::Caller;
use crate::config::Failure;
use crate::ledger::{OpenAttempt, Refused, Settlement};
use crate::limits::Tokens;
use crate::model::{Api, NanoUsd, ServiceTier, Usage, UsageOrigin};
use crate::telemetry::{AccessAttempt, AccessRecord, AttemptDetail, Outcome, TeamSeries};
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What is known of a request as it goes on: for its headers and its access record.
pub struct Record {
    /// Time that the gateway itself took.
    pub overhead: Duration,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Its texts, where they are kept.
    pub content: Option<Box<Capture>>,
    /// What it has to do with the cache.
    pub cached: Cached,
    attempts: Vec<AccessAttempt>,
    first_output: Option<Instant>,
    tally: Arc<Mutex<Tally>>,
    /// What the ledger has of what guardrails said.
    pub evidence: Evidence,
}

impl Record {
    /// Nothing happened yet; `reserved` is corrected when everything has.
    pub fn new(overhead: Duration, reserved: Tokens) -> Self {
        let tally = Arc::new(Mutex::new(Tally::new(reserved)));
        let evidence = Evidence::default();
        let (content, cached, attempts) = (None, Cached::default(), Vec::new());
        Self { overhead, bytes_out: 0, content, cached, attempts, first_output: None, tally, evidence }
    }

    /// The client is sent this of an answer.
    pub fn wrote(&mut self, bytes: &[u8]) {
        self.bytes_out += bytes.len() as u64;
        if let Some(content) = &mut self.content {
            content.wrote(bytes);
        }
    }

    /// Attempts that were settled.
    pub fn attempts(&self) -> u16 {
        u16::try_from(self.attempts.len()).unwrap_or(u16::MAX)
    }

    /// The pause before the attempt that was settled last.
    pub fn paused(&mut self, pause: Duration) {
        if let Some(last) = self.attempts.last_mut() {
            last.pause_us = micros(pause);
        }
    }

    /// What followed from the attempt that was settled last.
    pub fn took(&mut self, action: &'static str) {
        if let Some(last) = self.attempts.last_mut() {
            last.action = Some(action);
        }
    }

    /// Cost of all attempts, if it is known.
    pub fn cost(&self) -> Option<NanoUsd> {
        self.tally.lock().cost()
    }

    /// From now on attempts are made with `model`, under whose own limits `reserved` tokens are: they are corrected by what
    /// those attempts use.
    pub fn with_model(&mut self, model: &Arc<str>, reserved: Tokens) {
        self.tally.lock().with_model(model, reserved);
    }

    /// The attempts in words, for the client: `openai/gpt-4o-mini: status 503; …`.
    pub fn told(&self) -> String {
        let mut text = String::new();
        for attempt in &self.attempts {
            let glue = if text.is_empty() { "" } else { "; " };
            let reason = attempt.reason.as_deref().unwrap_or("no answer");
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{glue}{}/{}: {reason}", attempt.provider, attempt.target_model);
        }
        if text.is_empty() { "none was tried".to_owned() } else { text }
    }
}

/// One attempt's settlement, ready to be booked.
pub struct Booking {
    row: OpenAttempt,
    target: Arc<Target>,
    team: Arc<TeamSeries>,
    status: u16,
    outcome: Outcome,
    reason: Option<String>,
    /// What was reported contradicts itself.
    inconsistent: bool,
    /// When it began, after the request did.
    started: Duration,
    latency: Duration,
    first_token: Option<Duration>,
    first_output: Option<Instant>,
    overhead: Duration,
    error: Option<&'static str>,
    used: Used,
    /// Of the list price, in percent: a place that is asked for is dearer.
    percent: u32,
    /// Reserved of the provider's limits on tokens.
    reserved: Tokens,
    /// The model that it was made with, by its number in the tally.
    model: usize,
    /// Its place among the request's attempts.
    number: usize,
}

/// An attempt that is being counted. Dropping it tells the tally, also when its job panics or is never run.
struct Counting {
    tally: Arc<Mutex<Tally>>,
    log: Arc<crate::telemetry::AccessLog>,
}

impl Drop for Counting {
    fn drop(&mut self) {
        Tally::counted(&self.tally, &self.log);
    }
}

impl Booking {
    /// Takes the attempt's row and reads what it came to; `None` when it was settled before.
    pub fn of(attempt: &mut Attempt, opened: &Opened, trouble: Option<Trouble>, overhead: Duration) -> Option<Self> {
        let mut row = attempt.row.take()?;
        if attempt.was_sent() {
            // Should its counting never be run, dropping the row charges what is known.
            row.mark_sent();
        }
        let status =
            if attempt.answer.begun() { attempt.answer.status() } else { trouble.as_ref().map_or(0, Trouble::status) };
        let used = used(attempt, opened, trouble.as_ref());
        learn(&attempt.target, opened, &used);
        let inconsistent = attempt.answer.reading().inconsistent;
        // Its places among the provider's open ones are free from here on.
        let reserved = std::mem::take(&mut attempt.permit).take_tokens();
        Some(Self {
            row,
            target: Arc::clone(&attempt.target),
            team: Arc::clone(&opened.team),
            status,
            outcome: outcome(trouble.as_ref(), status),
            reason: reason(trouble.as_ref(), (status, attempt.answer.about()), inconsistent),
            inconsistent,
            started: attempt.begun.duration_since(opened.arrival.at),
            latency: attempt.begun.elapsed(),
            first_token: attempt.first_output.filter(|_| opened.ask.stream).map(|at| at.duration_since(attempt.begun)),
            first_output: attempt.first_output,
            overhead,
            error: trouble.as_ref().map(Trouble::name).or(if status >= 400 { Some("refused") } else { None }),
            used,
            percent: bound::percent(&opened.ask.demand),
            reserved,
            model: 0,
            number: 0,
        })
    }

    /// Books it: at once, or after counting.
    pub fn book(mut self, services: &Services, record: &mut Record) {
        record.attempts.push(AccessAttempt {
            provider: Arc::clone(&self.target.provider_name),
            target_model: Arc::clone(&self.target.model),
            status: (self.status != 0).then_some(self.status),
            outcome: self.outcome,
            time_us: micros(self.latency),
            reason: self.reason.take(),
            action: None,
            pause_us: 0,
            detail: AttemptDetail {
                start_us: micros(self.started),
                first_token_us: self.first_token.map(micros),
                error: self.error,
                ..AttemptDetail::default()
            },
        });
        self.number = record.attempts.len() - 1;
        record.first_output = record.first_output.or(self.first_output);
        self.target.metrics.ended(self.outcome, self.latency);
        if let Some(after) = self.first_token {
            self.target.metrics.first_token(after);
        }
        if self.inconsistent {
            self.target.metrics.inconsistent();
        }
        let tally = Arc::clone(&record.tally);
        self.model = tally.lock().model();
        match std::mem::replace(&mut self.used, Used::nothing()) {
            Used::Known { usage, origin, tier } => self.settle(usage, origin, tier, &tally),
            Used::Count(count) if count.encoding.is_some() => {
                tally.lock().counts();
                let counting = Counting { tally, log: Arc::clone(&services.access_log) };
                let refused = Arc::new(AtomicBool::new(false));
                let (booking, by_length, bytes) = (self, Arc::clone(&refused), count.bytes());
                let job = Box::new(move || {
                    let (usage, origin) =
                        if by_length.load(Ordering::Relaxed) { count.estimated() } else { count.counted() };
                    booking.settle(usage, origin, count.tier, &counting.tally);
                });
                if let Err(job) = services.counter.submit(job, bytes) {
                    // The queue is full, and counting here would hold up a worker.
                    refused.store(true, Ordering::Relaxed);
                    job();
                }
            }
            Used::Count(count) => {
                let (usage, origin) = count.estimated();
                self.settle(usage, origin, count.tier, &tally);
            }
        }
    }

    fn settle(self, usage: Usage, origin: UsageOrigin, tier: ServiceTier, tally: &Mutex<Tally>) {
        let cost = cost_of(&self.target, &usage, tier, self.percent);
        self.target.metrics.settled(&usage, origin, cost);
        self.team.settled(&usage, cost);
        governed::settle(self.reserved, &usage);
        {
            let mut tally = tally.lock();
            tally.add(self.model, &usage, origin, cost);
            tally.of_attempt(self.number, &usage, cost);
        }
        self.row.settle(Settlement {
            status: self.status,
            usage,
            origin,
            cost,
            saved: NanoUsd::ZERO,
            price_version: self.target.price.as_ref().map(|price| Arc::clone(price.version())),
            tier,
            latency_us: micros(self.latency),
            first_token_us: self.first_token.map(micros),
            overhead_us: Some(micros(self.overhead)),
            error: self.error.map(str::to_owned),
        });
    }
}

/// What the access record tells of an attempt beside its outcome.
fn reason(trouble: Option<&Trouble>, (status, about): (u16, Option<Failure>), inconsistent: bool) -> Option<String> {
    let refused = || match about {
        Some(about @ (Failure::ContextWindow | Failure::ContentPolicy)) => format!("status {status}: {}", about.name()),
        _ => format!("status {status}"),
    };
    let failure = trouble.map(ToString::to_string).or_else(|| (status >= 400).then(refused));
    match (failure, inconsistent) {
        (Some(failure), true) => Some(format!("{failure}; {CONTRADICTS}")),
        (None, true) => Some(CONTRADICTS.to_owned()),
        (failure, false) => failure,
    }
}

/// Of figures that were cut to fit, or not taken at all.
const CONTRADICTS: &str = "usage contradicts itself";

/// What an answer teaches of how many bytes its target takes for a token.
fn learn(target: &Target, opened: &Opened, used: &Used) {
    if let Used::Known { usage, origin: UsageOrigin::Reported, .. } = used
        && opened.ask.demand.is_text()
    {
        target.learned.observe(opened.ask.demand.readable_bytes, usage.input_total());
    }
}

/// Exact cost; `None` when the price, or that of a class that was used, is unknown.
pub fn cost_of(target: &Target, usage: &Usage, tier: ServiceTier, percent: u32) -> Option<NanoUsd> {
    if usage.is_zero() {
        return Some(NanoUsd::ZERO);
    }
    let price = target.price.as_ref()?;
    match price.cost(usage, tier) {
        Ok(cost) if percent == 100 => Some(cost),
        Ok(cost) => i64::try_from((i128::from(cost.0) * i128::from(percent) + 99) / 100).ok().map(NanoUsd),
        Err(error) => {
            tracing::warn!(target = ?target, %error, "an attempt could not be priced");
            None
        }
    }
}

/// Records a request that was admitted. `code`: the gateway's own, if it told the client an error.
pub fn conclude(exchange: &mut Exchange, code: Option<&'static str>, status: u16) {
    let opened = &exchange.opened;
    let services = &Arc::clone(exchange.services());
    let latency = opened.arrival.at.elapsed();
    let record = &exchange.record;
    let first_token =
        if opened.ask.stream { record.first_output.map(|at| at.duration_since(opened.arrival.at)) } else { None };
    let model = &opened.model;
    opened.snapshot.series.request(Some(opened.ask.api), Some(model)).finished(status, latency, first_token);
    opened.team.finished(status);
    services.metrics.overhead_seconds.observe(record.overhead.as_secs_f64());
    services.metrics.request_bytes.inc_by(opened.bytes_in as u64);
    services.metrics.response_bytes.inc_by(record.bytes_out);
    if exchange.client_gone() {
        services.metrics.client_disconnects.inc();
    }
    let mut line = begin_line(&opened.arrival, status, code, latency);
    line.key = Some(Arc::clone(&opened.caller.key));
    line.team = Some(Arc::clone(&opened.caller.team));
    line.user = opened.user.as_deref().map(str::to_owned);
    line.api = Some(opened.ask.api);
    line.model = Some(Arc::clone(model));
    if exchange.committed()
        && let Some(last) = record.attempts.last()
    {
        line.provider = Some(Arc::clone(&last.provider));
        line.target_model = Some(Arc::clone(&last.target_model));
    }
    line.stream = opened.ask.stream;
    line.first_token_us = first_token.map(micros);
    line.overhead_us = Some(micros(record.overhead));
    line.mirror_of = opened.mirror_of;
    line.queued_us = micros(opened.place.waited);
    line.attempts = exchange.record.attempts.clone();
    line.routed = Some(opened.plan.routed().name());
    line.too_small = opened.too_small();
    line.shut_by_hand = opened.taken_out(services.clock.now_us());
    line.bytes_in = opened.bytes_in as u64;
    line.bytes_out = record.bytes_out;
    record.cached.note(&mut line);
    if let Some(said) = opened.guarding.as_ref().map(|guarding| guarding.verdicts()).filter(|said| !said.is_empty()) {
        guarded::count(&services.metrics, said);
        line.guardrails = Some(said.line());
    }
    keeping::conclude(services, exchange.record.content.take(), &mut line);
    exchange.record.tally.lock().over(line, &services.access_log);
}

/// What is known of a request that was refused before it was admitted, or answered here.
#[derive(Default)]
pub struct Local {
    /// Who asked, if that was known.
    pub caller: Option<Arc<Caller>>,
    /// Which call.
    pub api: Option<Api>,
    /// The model, as the configuration has it.
    pub model: Option<Arc<str>>,
    /// The rules that it is under.
    pub governing: Option<Governing>,
    /// The end user, if one is told.
    pub user: Option<Arc<str>>,
    /// The request's metadata.
    pub metadata: Metadata,
    /// The gateway's own code.
    pub code: Option<&'static str>,
    /// Calls of a provider that keeps files.
    pub attempts: Vec<AccessAttempt>,
    /// What guardrails said.
    pub guardrails: Option<String>,
    /// The request's text, where it is kept.
    pub content: Option<Box<Capture>>,
    /// What it has to do with the cache.
    pub cached: Cached,
    /// How long it waited for a place.
    pub queued: Duration,
    /// Bytes of the request's body, where it was a file.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
}

/// Records a request that did not reach a provider.
pub fn conclude_local(services: &Services, snapshot: &Snapshot, arrival: &Arrival, status: u16, local: Local) {
    let latency = arrival.at.elapsed();
    snapshot.series.request(local.api, local.model.as_deref()).finished(status, latency, None);
    if let Some(caller) = &local.caller {
        snapshot.series.team(Some(&caller.team)).finished(status);
    }
    if let Some(code) = local.code {
        services.metrics.reject(code);
    }
    keep_refusal(services, arrival, status, &local);
    let mut line = begin_line(arrival, status, local.code, latency);
    line.key = local.caller.as_ref().map(|caller| Arc::clone(&caller.key));
    line.team = local.caller.as_ref().map(|caller| Arc::clone(&caller.team));
    line.user = local.user.as_deref().map(str::to_owned);
    line.api = local.api;
    line.model = local.model;
    line.cost = Some(NanoUsd::ZERO);
    line.guardrails = local.guardrails;
    line.queued_us = micros(local.queued);
    line.provider = local.attempts.last().map(|attempt| Arc::clone(&attempt.provider));
    line.attempts = local.attempts;
    (line.bytes_in, line.bytes_out) = (local.bytes_in, local.bytes_out);
    local.cached.note(&mut line);
    services.metrics.request_bytes.inc_by(local.bytes_in);
    services.metrics.response_bytes.inc_by(local.bytes_out);
    keeping::conclude(services, local.content, &mut line);
    services.access_log.write(line);
}

/// A refused call of somebody who is known stays in the ledger, without a cost: for reports. Not where the gateway is
/// overloaded: to write it down would take from those who are served.
fn keep_refusal(services: &Services, arrival: &Arrival, status: u16, local: &Local) {
    let (Some(caller), Some(code)) = (&local.caller, local.code) else { return };
    if code == OVERLOADED {
        return;
    }
    services.ledger.refused(&Refused {
        id: arrival.id,
        time_us: arrival.at_us,
        key: Arc::clone(&caller.key),
        team: Arc::clone(&caller.team),
        user: local.user.clone(),
        model: local.model.clone().unwrap_or_default(),
        api: local.api.map_or("other", Api::name),
        code: code.into(),
        status,
    });
}

/// What the record of every request begins with.
pub fn begin_line(arrival: &Arrival, status: u16, code: Option<&'static str>, latency: Duration) -> Box<AccessRecord> {
    let mut line = Box::new(AccessRecord::new(arrival.at_us, arrival.id));
    line.request_id = arrival.labelled.then(|| arrival.label.to_string());
    line.status = status;
    line.code = code;
    line.latency_us = micros(latency);
    line.client = arrival.address;
    line.trace.clone_from(&arrival.trace);
    line
}

/// The word for how an attempt ended.
pub fn outcome(trouble: Option<&Trouble>, status: u16) -> Outcome {
    match trouble {
        None if status >= 400 => Outcome::Refused,
        None => Outcome::Answered,
        Some(Trouble::Status { status: 429, .. }) => Outcome::RateLimited,
        Some(Trouble::Status { status: 401 | 403, .. } | Trouble::NoCredentials(_)) => Outcome::Credentials,
        Some(Trouble::Status { status: 404, .. }) => Outcome::NoSuchModel,
        Some(Trouble::Status { .. }) => Outcome::ProviderError,
        Some(Trouble::Refused { .. }) => Outcome::Refused,
        Some(Trouble::Unresolved | Trouble::Connect(_) | Trouble::Tls) => Outcome::ConnectFailed,
        Some(
            Trouble::ConnectTimeout
            | Trouble::SendTimeout
            | Trouble::FirstToken
            | Trouble::Idle
            | Trouble::Response
            | Trouble::Total,
        ) => Outcome::TimedOut,
        Some(Trouble::InBand { .. }) => Outcome::InBandError,
        Some(
            Trouble::SendBroken(_)
            | Trouble::Broken(_)
            | Trouble::Cut
            | Trouble::PastCap
            | Trouble::Empty
            | Trouble::Garbage(_),
        ) => Outcome::Broken,
        Some(Trouble::ClientGone) => Outcome::ClientLeft,
        Some(
            Trouble::BuffersFull | Trouble::Blocked(_) | Trouble::Revoked | Trouble::Stopped | Trouble::Internal(_),
        ) => Outcome::Aborted,
    }
}

/// As rows and records have it.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "finish_tests.rs"]
mod tests;
