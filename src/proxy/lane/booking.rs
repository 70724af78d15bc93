//! The rows of a session, one a response, and its record.
//!
//! A row is always open while a session is: journaled with what is held for the dearest response, before anything is sent and
//! again behind each response. So nothing is used that has no row, whatever becomes of the process.

use super::session::Live;
use super::stop::Stop;
use crate::{
    ledger::budget::{Exhausted, Hold, Worst},
    ledger::{OpenAttempt, Settlement},
    limits::Permit,
    model::{NanoUsd, ServiceTier, Usage, UsageOrigin},
    providers::session::SessionReader,
    proxy::{
        candidate::Candidate,
        finish,
        gateway::Snapshot,
        purse::Unpaid,
        reject::{Reject, UpstreamFault},
        rows::{RowOf, open_row},
        target::Target,
        trouble::Trouble,
    },
    telemetry::{AccessAttempt, Outcome},
};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The attempt under way: a handshake, then the session.
pub struct Under {
    /// Where it goes.
    pub target: Arc<Target>,
    /// The row of the response that is under way, or of the next one.
    pub row: Option<OpenAttempt>,
    /// When that row was opened.
    row_at: Instant,
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
    attempts: Vec<AccessAttempt>,
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
        let Candidate { target, mut permit, paid, .. } = candidate;
        let row = self.open_row(&RowOf::target(&target), paid.hold)?;
        let Some(reader) = target.provider.session_reader() else {
            return Err(Reject::Upstream {
                kind: UpstreamFault::Failed,
                message: format!("{target:?} has no sessions"),
                retry_after: None,
            });
        };
        self.opened.permit.keep();
        permit.keep();
        drop(permit.take_tokens());
        let now = Instant::now();
        let under = Under { target, row: Some(row), row_at: now, permit, reader, begun: now, connected_at: now };
        self.under = Some(under);
        Ok(())
    }

    fn open_row(&mut self, of: &RowOf<'_>, hold: Option<Hold>) -> Result<OpenAttempt, Reject> {
        let number = self.sums.rows.checked_add(1).ok_or(Reject::LedgerUnavailable)?;
        let row = open_row(&self.services, &self.opened, of, number, hold)?;
        self.sums.rows = number;
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
            None => (estimate, UsageOrigin::Estimated),
        };
        self.with_row();
        self.settle(usage, origin, None);
        self.take_tokens(&usage);
        if self.stop.is_none()
            && let Err(reject) = self.open_next()
        {
            self.end(Stop::Refused(Box::new(reject)));
        }
    }

    /// Sees to it that a row is open: of responses that run side by side the last ones have none when the session is ended.
    fn with_row(&mut self) {
        let Some(target) = self.target().map(Arc::clone) else { return };
        if self.under.as_ref().is_some_and(|under| under.row.is_some()) {
            return;
        }
        let hold = self.unheld(&target).ok();
        if let (Ok(row), Some(under)) = (self.open_row(&RowOf::target(&target), hold), &mut self.under) {
            under.row = Some(row);
        }
    }

    /// Charges the budgets without having held anything: debt.
    fn unheld(&self, target: &Target) -> Result<Hold, Exhausted> {
        Hold::reserve(&self.opened.charges_at(target), Worst { nano: Some(0), tokens: 0 }, self.now_us())
    }

    /// Opens the row of the next response, with what is held for it.
    fn open_next(&mut self) -> Result<(), Reject> {
        let Some(target) = self.target().map(Arc::clone) else { return Ok(()) };
        let paid = self.opened.pay(&target, self.now_us(), false);
        let paid = paid.map_err(|unpaid| self.opened.unpaid(unpaid, &self.services))?;
        let row = self.open_row(&RowOf::target(&target), paid.hold)?;
        if let Some(under) = &mut self.under {
            (under.row, under.row_at) = (Some(row), Instant::now());
        }
        Ok(())
    }

    /// What another model put into writing has a row of its own, at that model's price. Nothing was held for it: it is debt.
    pub(super) fn transcribed(&mut self, model: Option<String>, usage: Option<Usage>) {
        let Some(target) = self.target().map(Arc::clone) else { return };
        let (model, usage) = (model.unwrap_or_else(|| "unknown".to_owned()), usage.unwrap_or_default());
        let origin = if usage.is_zero() { UsageOrigin::None } else { UsageOrigin::Reported };
        let price = target.beside.as_ref().and_then(|beside| beside.price(&model));
        let (hold, past) = match self.unheld(&target) {
            Ok(hold) => (Some(hold), None),
            Err(past) => (None, Some(self.opened.unpaid(Unpaid::Exhausted(Box::new(past)), &self.services))),
        };
        let of = RowOf { provider: &target.provider_name, model: &model.as_str().into(), price: None };
        match self.open_row(&of, hold) {
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
            Err(reject) => self.end(Stop::Refused(Box::new(reject))),
        }
        if let Some(reject) = past {
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
        let (target, took) = (Arc::clone(&under.target), under.row_at.elapsed());
        let Some(row) = under.row.take() else { return };
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

    /// What recovery would charge of the response that is under way.
    pub(super) fn progress(&mut self) {
        let Some(under) = &mut self.under else { return };
        if let (Some(row), Some(usage)) = (&mut under.row, under.reader.under_way()) {
            row.progress(usage.output_total());
        }
    }

    /// An attempt that got no session: it used nothing.
    pub(super) fn settle_failed(&mut self, trouble: &Trouble) {
        let Some(mut under) = self.under.take() else { return };
        self.tried(&under, trouble.status(), finish::outcome(Some(trouble), 0), Some(trouble.to_string()));
        if let Some(row) = under.row.take() {
            let nothing = settlement(Usage::ZERO, UsageOrigin::None, Some(NanoUsd::ZERO), under.begun.elapsed(), None);
            self.sums.add(&Usage::ZERO, UsageOrigin::None, Some(NanoUsd::ZERO));
            row.settle(Settlement { status: trouble.status(), error: Some(trouble.name().to_owned()), ..nothing });
        }
    }

    /// Notes how an attempt ended.
    fn tried(&mut self, under: &Under, status: u16, outcome: Outcome, reason: Option<String>) {
        let took = under.begun.elapsed();
        under.target.metrics.ended(outcome, took);
        self.sums.attempts.push(AccessAttempt {
            provider: Arc::clone(&under.target.provider_name),
            target_model: Arc::clone(&under.target.model),
            status: (status != 0).then_some(status),
            outcome,
            time_us: finish::micros(took),
            reason,
        });
    }

    /// Settles the row of a response that is cut, by what was seen of it, or of one that never came, with nothing.
    fn settle_end(&mut self, error: Option<&'static str>) {
        match self.under.as_ref().and_then(|under| under.reader.under_way()) {
            Some(usage) if !usage.is_zero() => {
                self.with_row();
                self.settle(usage, UsageOrigin::Estimated, error.or(Some("cut_off")));
            }
            _ => self.settle(Usage::ZERO, UsageOrigin::None, error),
        }
    }

    /// The client was told an error instead of getting a session.
    pub fn told(&mut self, code: &'static str, bytes: u64) {
        self.sums.bytes_out += bytes;
        self.services.metrics.reject(code);
    }

    /// Settles what is open and records the session. `status` and `code`: of the refusal that the client got, if it got one.
    pub fn conclude(&mut self, snapshot: &Snapshot, status: u16, code: Option<&'static str>) {
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
        self.record(snapshot, status, code);
    }

    fn record(&mut self, snapshot: &Snapshot, status: u16, code: Option<&'static str>) {
        let (opened, sums) = (&self.opened, &mut self.sums);
        let latency = opened.arrival.at.elapsed();
        snapshot.series.request(Some(opened.ask.api), Some(&opened.model)).finished(status, latency, None);
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
        (line.bytes_in, line.bytes_out) = (sums.bytes_in, sums.bytes_out);
        line.usage = sums.usage;
        line.usage_origin = sums.origin.unwrap_or(UsageOrigin::None);
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
        price_version: None,
        tier: ServiceTier::Standard,
        latency_us: finish::micros(took),
        first_token_us: None,
        overhead_us: None,
        error: error.map(str::to_owned),
    }
}
