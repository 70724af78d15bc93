//! The rows of a session, one a response, and its record.
//!
//! A row is always open while a session is, and one for each response that runs or is asked for: journaled with what is held for the dearest response, before anything is sent and
//! again behind each response. So nothing is used that has no row, whatever becomes of the process.

use super::session::{Live, possible};
use super::stop::Stop;
use crate::{
    config::Unit,
    ledger::{
        OpenAttempt, OpenPrice, Settlement,
        budget::{Exhausted, Hold, Why, Worst},
    },
    limits::Permit,
    model::{NanoUsd, ServiceTier, Usage, UsageOrigin},
    providers::session::SessionReader,
    proxy::{
        candidate::Candidate,
        finish,
        purse::Unpaid,
        reject::{Reject, UpstreamFault},
        rows::{RowOf, open_row},
        target::Target,
        trouble::Trouble,
    },
    routing::Entry,
    telemetry::{AccessAttempt, AttemptDetail, Outcome},
};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Responses that may run or be asked for at a time.
const SIDE_BY_SIDE: usize = 64;
/// Rows are numbered by 16 bits; behind this one a session is ended, so that what still comes of it has rows.
const MOST_ROWS: u16 = u16::MAX - 1_000;

/// The attempt under way: a handshake, then the session.
pub struct Under {
    /// Where it goes.
    pub target: Arc<Target>,
    /// Its place there, until it is known whether it was let in.
    pub entry: Option<Entry>,
    /// The rows of the responses that are under way, or of the next one, and when each was opened.
    pub rows: VecDeque<(OpenAttempt, Instant)>,
    /// The model, as the provider named it first: it may have another name for it.
    named: Option<String>,
    /// What it holds of its provider's limits.
    pub permit: Permit,
    /// What reads its messages.
    pub reader: Box<dyn SessionReader>,
    begun: Instant,
    /// When the connection stood.
    pub connected_at: Instant,
}

/// Sums over a session.
#[derive(Default)]
pub struct Sums {
    /// Time that the gateway itself took until the first attempt.
    pub overhead: Duration,
    /// Bytes that went up.
    pub bytes_in: u64,
    /// Bytes that went down.
    pub bytes_out: u64,
    rows: u16,
    pub(super) attempts: Vec<AccessAttempt>,
    usage: Usage,
    origin: Option<UsageOrigin>,
    cost: NanoUsd,
    unpriced: bool,
}

impl Sums {
    /// Nothing happened yet.
    pub fn new(overhead: Duration) -> Self {
        Self { overhead, ..Self::default() }
    }

    /// The attempts in words, for the client.
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

    /// Attempts that were made, the one under way included.
    pub fn attempts(&self) -> u16 {
        u16::try_from(self.attempts.len()).unwrap_or(u16::MAX).saturating_add(1)
    }

    fn add(&mut self, usage: &Usage, origin: UsageOrigin, cost: Option<NanoUsd>) {
        self.usage = self.usage.plus(usage);
        // The least certain origin stands for the sum.
        self.origin = Some(match (self.origin, origin) {
            (None | Some(UsageOrigin::None), origin) => origin,
            (Some(UsageOrigin::Estimated), _) | (_, UsageOrigin::Estimated) => UsageOrigin::Estimated,
            (Some(known), _) => known,
        });
        match cost {
            Some(cost) => self.cost = self.cost.saturating_add(cost),
            None => self.unpriced = true,
        }
    }
}

impl Live {
    /// Begins an attempt: journals its first row. Nothing was sent yet.
    ///
    /// # Errors
    ///
    /// [`Reject::LedgerUnavailable`].
    pub(super) fn begin(&mut self, candidate: Candidate) -> Result<(), Reject> {
        let Candidate { target, entry, mut permit, paid, .. } = candidate;
        let row = self.open_row(&RowOf { price: open_price(&target).as_ref(), ..RowOf::target(&target) }, paid.hold)?;
        let Some(reader) = target.provider.session_reader() else {
            return Err(Reject::Upstream {
                kind: UpstreamFault::Failed,
                message: format!("{target:?} has no sessions"),
                retry_after: None,
            });
        };
        self.opened.permit.keep();
        // Of a model that answers instead; tokens are taken as they are reported.
        drop(self.opened.permit.take_model_tokens());
        permit.keep();
        drop(permit.take_tokens());
        let now = Instant::now();
        let under = Under {
            target,
            entry: Some(entry),
            rows: VecDeque::from([(row, now)]),
            named: None,
            permit,
            reader,
            begun: now,
            connected_at: now,
        };
        self.under = Some(under);
        Ok(())
    }

    fn open_row(&mut self, of: &RowOf<'_>, hold: Option<Hold>) -> Result<OpenAttempt, Reject> {
        let number = self.sums.rows.checked_add(1).ok_or(Reject::LedgerUnavailable)?;
        let row = open_row(&self.services, &self.opened, of, number, hold)?;
        self.sums.rows = number;
        if number >= MOST_ROWS {
            self.end(Stop::TooMany("responses and transcriptions"));
        }
        Ok(row)
    }

    /// A response is done: its row is settled, and the next one opened.
    pub(super) fn response_done(&mut self, usage: Option<Usage>, estimate: Usage, inconsistent: bool) {
        let Some(under) = &self.under else { return };
        if inconsistent {
            under.target.metrics.inconsistent();
        }
        let (usage, origin) = match usage {
            Some(usage) => (usage, UsageOrigin::Reported),
            None if estimate.is_zero() => (estimate, UsageOrigin::None),
            None => (possible(&under.target, estimate), UsageOrigin::Estimated),
        };
        self.with_row(&usage);
        self.settle(usage, origin, None);
        self.take_tokens(&usage);
        self.hold_for_all();
    }

    /// Sees to it that a row is open for what was used: of responses that nobody asked for some have none when the session is
    /// ended.
    fn with_row(&mut self, usage: &Usage) {
        let Some(target) = self.target().map(Arc::clone) else { return };
        if self.under.as_ref().is_some_and(|under| !under.rows.is_empty()) {
            return;
        }
        let hold = Hold::owe(&self.opened.charges_at(&target), self.now_us());
        let opened =
            self.open_row(&RowOf { price: open_price(&target).as_ref(), ..RowOf::target(&target) }, Some(hold));
        match (opened, &mut self.under) {
            (Ok(row), Some(under)) => under.rows.push_back((row, Instant::now())),
            (Err(reject), _) => self.unbooked(&target, &target.model, usage, reject),
            (Ok(_), None) => {}
        }
    }

    /// What was used has no row. It is told with its figures, so that it can be booked by hand, and the session is ended.
    fn unbooked(&mut self, target: &Target, model: &str, usage: &Usage, reject: Reject) {
        tracing::error!(
            request = %self.opened.arrival.label, team = &*self.opened.caller.team, provider = &*target.provider_name, model,
            ?usage, "the ledger takes no row for what a session has used; it is in no budget"
        );
        self.services.metrics.unbooked.inc();
        self.end(Stop::Refused(Box::new(reject)));
    }

    /// Holds for every response that runs or is asked for, and for the next one; the session is ended when it cannot.
    pub(super) fn hold_for_all(&mut self) {
        while let (None, Some(under)) = (&self.stop, &self.under) {
            let running = under.reader.running();
            if under.rows.len() >= running.max(1) {
                return;
            }
            if running > SIDE_BY_SIDE {
                self.end(Stop::TooMany("responses side by side"));
            } else if let Err(reject) = self.open_next() {
                self.end(Stop::Refused(Box::new(reject)));
            }
        }
    }

    /// Opens one row more, with what is held for its response.
    fn open_next(&mut self) -> Result<(), Reject> {
        let Some(under) = &self.under else { return Ok(()) };
        let (target, next) = (Arc::clone(&under.target), under.reader.next_input());
        let paid = self.opened.pay(&target, self.now_us(), false);
        let paid = paid.map_err(|unpaid| self.opened.unpaid(unpaid, &self.services))?;
        let input = Some(next.min(target.max_input_tokens.unwrap_or(u64::MAX)));
        let row =
            self.open_row(&RowOf { price: open_price(&target).as_ref(), input, ..RowOf::target(&target) }, paid.hold)?;
        if let Some(under) = &mut self.under {
            under.rows.push_back((row, Instant::now()));
        }
        Ok(())
    }

    /// What the session is set to: it is ended when that cannot be paid for.
    pub(super) fn told(&mut self, model: Option<String>, transcriber: Option<String>) {
        let now_us = self.now_us();
        let Some(under) = &mut self.under else { return };
        let target = Arc::clone(&under.target);
        if let Some(model) = model {
            let named = under.named.get_or_insert_with(|| model.clone());
            if *named != model && *target.model != *model {
                self.end(Stop::OtherModel(model));
            }
        }
        let Some(transcriber) = transcriber else { return };
        let price = target.beside.as_ref().and_then(|beside| beside.price(&transcriber));
        let charges = self.opened.charges_at(&target);
        let in_dollars = charges.iter().find(|(rule, _)| rule.enforces() && rule.config().unit == Unit::Usd);
        if let (Some((rule, entity)), false) = (in_dollars, price.is_some_and(|price| price.is_priced())) {
            let unpriced = Some("the model that the session names for transcription");
            let past = Exhausted { why: Why::Unpriced, unpriced, ..rule.exhausted(entity, now_us) };
            let reject = self.opened.unpaid(Unpaid::Exhausted(Box::new(past)), &self.services);
            self.end(Stop::Refused(Box::new(reject)));
        }
    }

    /// What another model put into writing has a row of its own, at that model's price. Nothing was held for it: it is debt,
    /// past any limit too.
    pub(super) fn transcribed(&mut self, model: Option<String>, usage: Option<Usage>, estimate: Usage) {
        let Some(target) = self.target().map(Arc::clone) else { return };
        let model = model.unwrap_or_else(|| "unknown".to_owned());
        let price = target.beside.as_ref().and_then(|beside| beside.price(&model));
        let by_time = price.as_ref().is_some_and(|price| price.bills("audio_ms"));
        let estimate = match by_time {
            true => Usage { audio_ms: estimate.audio_ms, ..Usage::ZERO },
            false => Usage { audio_ms: 0, ..estimate },
        };
        let (usage, origin) = match usage {
            Some(usage) if !usage.is_zero() => (usage, UsageOrigin::Reported),
            None if !estimate.is_zero() => (estimate, UsageOrigin::Estimated),
            _ => (Usage::ZERO, UsageOrigin::None),
        };
        let hold = Hold::owe(&self.opened.charges_at(&target), self.now_us());
        let of = RowOf { provider: &target.provider_name, model: &model.as_str().into(), price: None, input: None };
        match self.open_row(&of, Some(hold)) {
            Ok(row) => {
                let cost = match &price {
                    _ if usage.is_zero() => Some(NanoUsd::ZERO),
                    Some(price) => price.cost(&usage, ServiceTier::Standard).ok(),
                    None => None,
                };
                let version = price.map(|price| Arc::clone(price.version()));
                self.count(&target, &usage, origin, cost);
                row.settle(Settlement {
                    price_version: version,
                    ..settlement(usage, origin, cost, Duration::ZERO, None)
                });
                self.take_tokens(&usage);
            }
            Err(reject) => self.unbooked(&target, &model, &usage, reject),
        }
        // Only asked: a budget that is past its limit pays for no more.
        let nothing = Worst { nano: Some(0), tokens: 0 };
        let past = Hold::reserve(&self.opened.charges_at(&target), nothing, self.now_us()).map(drop).err();
        if let Some(past) = past {
            let reject = self.opened.unpaid(Unpaid::Exhausted(Box::new(past)), &self.services);
            self.end(Stop::Refused(Box::new(reject)));
        }
    }

    /// Tokens count for limits when they are reported; a session past one is ended.
    fn take_tokens(&mut self, usage: &Usage) {
        let tokens = usage.input_total().saturating_add(usage.output_total());
        let Some(target) = self.target().map(Arc::clone) else { return };
        let past = self.opened.governing.spend(&self.services.limits, &target.limits, &self.opened.subject(), tokens);
        if let Some(refusal) = past {
            self.end(Stop::Refused(Box::new(Reject::LimitReached(refusal))));
        }
    }

    /// Settles the row that is open, at the session's price.
    fn settle(&mut self, usage: Usage, origin: UsageOrigin, error: Option<&'static str>) {
        let Some(under) = &mut self.under else { return };
        let target = Arc::clone(&under.target);
        let Some((row, opened_at)) = under.rows.pop_front() else { return };
        let took = opened_at.elapsed();
        let cost = finish::cost_of(&target, &usage, ServiceTier::Standard, 100);
        self.count(&target, &usage, origin, cost);
        let price_version = target.price.as_ref().map(|price| Arc::clone(price.version()));
        row.settle(Settlement { price_version, ..settlement(usage, origin, cost, took, error) });
    }

    fn count(&mut self, target: &Target, usage: &Usage, origin: UsageOrigin, cost: Option<NanoUsd>) {
        target.metrics.settled(usage, origin, cost);
        self.opened.team.settled(usage, cost);
        self.sums.add(usage, origin, cost);
    }

    /// What recovery would charge of the responses that are under way.
    pub(super) fn progress(&mut self) {
        let Some(under) = &mut self.under else { return };
        for ((row, _), usage) in under.rows.iter_mut().zip(under.reader.under_way()) {
            row.progress(usage.output_total());
        }
    }

    /// An attempt that got no session: it used nothing.
    pub(super) fn settle_failed(&mut self, trouble: &Trouble) {
        let Some(mut under) = self.under.take() else { return };
        if let Some(entry) = under.entry.take() {
            entry.end(trouble.ended(), self.now_us());
        }
        self.tried(&under, trouble.status(), finish::outcome(Some(trouble), 0), Some(trouble.to_string()));
        while let Some((row, _)) = under.rows.pop_front() {
            let nothing = settlement(Usage::ZERO, UsageOrigin::None, Some(NanoUsd::ZERO), under.begun.elapsed(), None);
            self.sums.add(&Usage::ZERO, UsageOrigin::None, Some(NanoUsd::ZERO));
            row.settle(Settlement { status: trouble.status(), error: Some(trouble.name().to_owned()), ..nothing });
        }
    }

    /// Notes how an attempt ended.
    fn tried(&mut self, under: &Under, status: u16, outcome: Outcome, reason: Option<String>) {
        let took = under.begun.elapsed();
        let start_us = finish::micros(under.begun.duration_since(self.opened.arrival.at));
        let error = (outcome != Outcome::Answered).then(|| outcome.name());
        under.target.metrics.ended(outcome, took);
        self.sums.attempts.push(AccessAttempt {
            provider: Arc::clone(&under.target.provider_name),
            target_model: Arc::clone(&under.target.model),
            status: (status != 0).then_some(status),
            outcome,
            time_us: finish::micros(took),
            reason,
            action: None,
            pause_us: 0,
            detail: AttemptDetail { start_us, error, ..AttemptDetail::default() },
        });
    }

    /// Settles the rows of the responses that are cut, by what was seen of each, and of those that never came, with nothing.
    fn settle_end(&mut self, error: Option<&'static str>) {
        let Some(under) = &self.under else { return };
        let target = Arc::clone(&under.target);
        for usage in under.reader.under_way() {
            let usage = possible(&target, usage);
            if !usage.is_zero() {
                self.with_row(&usage);
                self.settle(usage, UsageOrigin::Estimated, error.or(Some("cut_off")));
            }
        }
        while self.under.as_ref().is_some_and(|under| !under.rows.is_empty()) {
            self.settle(Usage::ZERO, UsageOrigin::None, error);
        }
    }

    /// The client was told an error instead of getting a session.
    pub fn refused(&mut self, code: &'static str, bytes: u64) {
        self.sums.bytes_out += bytes;
        self.services.metrics.reject(code);
    }

    /// Settles what is open and records the session. `status` and `code`: of the refusal that the client got, if it got one.
    pub fn conclude(&mut self, status: u16, code: Option<&'static str>) {
        let left = self.client_gone() && !self.is_closing();
        let stopped = self.stop.as_ref().map(Stop::code);
        if self.is_upgraded() {
            self.settle_end(stopped.or(left.then_some("client_gone")));
            if let Some(under) = self.under.take() {
                let outcome = match &self.stop {
                    Some(stop) if stop.is_upstream() => Outcome::Broken,
                    Some(_) => Outcome::Aborted,
                    None if left => Outcome::ClientLeft,
                    None => Outcome::Answered,
                };
                self.tried(&under, 101, outcome, stopped.map(str::to_owned));
            }
        } else if self.under.is_some() {
            self.settle_failed(&Trouble::ClientGone);
        }
        let status = match status {
            0 if self.is_upgraded() => 101,
            0 => 499,
            status => status,
        };
        let code = code.or(stopped).or(left.then_some("client_gone"));
        self.record(status, code);
    }

    fn record(&mut self, status: u16, code: Option<&'static str>) {
        let (opened, sums) = (&self.opened, &mut self.sums);
        let latency = opened.arrival.at.elapsed();
        opened.snapshot.series.request(Some(opened.ask.api), Some(&opened.model)).finished(status, latency, None);
        opened.team.finished(status);
        let metrics = &self.services.metrics;
        metrics.overhead_seconds.observe(sums.overhead.as_secs_f64());
        metrics.request_bytes.inc_by(sums.bytes_in);
        metrics.response_bytes.inc_by(sums.bytes_out);
        if code == Some("client_gone") {
            metrics.client_disconnects.inc();
        }
        let mut line = finish::begin_line(&opened.arrival, status, code, latency);
        line.key = Some(Arc::clone(&opened.caller.key));
        line.team = Some(Arc::clone(&opened.caller.team));
        line.user = opened.user.as_deref().map(str::to_owned);
        line.api = Some(opened.ask.api);
        line.model = Some(Arc::clone(&opened.model));
        if let (101, Some(last)) = (status, sums.attempts.last()) {
            line.provider = Some(Arc::clone(&last.provider));
            line.target_model = Some(Arc::clone(&last.target_model));
        }
        line.stream = true;
        line.overhead_us = Some(finish::micros(sums.overhead));
        line.attempts = std::mem::take(&mut sums.attempts);
        line.routed = Some(opened.plan.routed().name());
        line.shut_by_hand = opened.taken_out(self.services.clock.now_us());
        (line.bytes_in, line.bytes_out) = (sums.bytes_in, sums.bytes_out);
        (line.usage, line.usage_origin) = (sums.usage, sums.origin.unwrap_or(UsageOrigin::None));
        line.cost = (!sums.unpriced).then_some(sums.cost);
        line.close_code = self.close.or_else(|| self.stop.as_ref().map(Stop::close_code));
        self.services.access_log.write(line);
    }
}

/// A session that ends without its hooks (a panic, the end of the process) is settled here.
impl Drop for Live {
    fn drop(&mut self) {
        if self.is_upgraded() {
            self.settle_end(Some("gateway_stopped"));
        } else {
            self.settle_failed(&Trouble::Stopped);
        }
    }
}

fn settlement(
    usage: Usage,
    origin: UsageOrigin,
    cost: Option<NanoUsd>,
    took: Duration,
    error: Option<&'static str>,
) -> Settlement {
    Settlement {
        status: 101,
        usage,
        origin,
        cost,
        saved: NanoUsd::ZERO,
        price_version: None,
        tier: ServiceTier::Standard,
        latency_us: finish::micros(took),
        first_token_us: None,
        overhead_us: None,
        error: error.map(str::to_owned),
    }
}

/// What a row that is found open after a crash is charged by: what was said may have been sound.
fn open_price(target: &Target) -> Option<OpenPrice> {
    let sound = target.price.as_ref().and_then(|price| price.rate("audio_output", ServiceTier::Standard, 0));
    let of_sound = sound.map_or(0, |rate| rate.nanos_per_million());
    let price = target.open_price.clone()?;
    Some(OpenPrice { output_nano_per_million: price.output_nano_per_million.max(of_sound), ..price })
}
