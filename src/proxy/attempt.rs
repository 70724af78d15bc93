//! One attempt: its row, the body that goes up, the answer that comes down, and its deadlines.

use super::bounds::Share;
use super::purse::Paid;
use super::stream::Answer;
use super::target::Target;
use super::trouble::Trouble;
use crate::config::{Mode, Timeouts};
use crate::ledger::budget::Hold;
use crate::ledger::{LedgerError, OpenAttempt};
use crate::limits::Permit;
use crate::routing::{Entry, Pace};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A piece of the body towards HTTP/2: between two of them the client and the deadlines are polled.
const SLICE: usize = 64 * 1024;

/// Fewer tokens than this say nothing of the time between two of them.
const FEWEST_TOKENS: u32 = 8;

/// Of a whole answer: the wait for its first token is taken for as long as the making of so many.
const WAIT_TOKENS: u32 = 32;

/// A pace of which more than this part (one in so many) is the client's is not taken.
const MOST_BLOCKED: u32 = 10;

/// What comes so near to a limit that a request as a whole has used it up.
const ABOUT: f64 = 0.9;

/// How long a provider may keep its connection open behind the end of an answer.
const LINGER: Duration = Duration::from_secs(2);

/// One attempt at one target.
pub struct Attempt {
    /// Where it goes.
    pub target: Arc<Target>,
    /// Its place at the target; taken when it is settled.
    pub entry: Option<Entry>,
    /// Its row; taken when it is settled.
    pub row: Option<OpenAttempt>,
    /// What it holds of its provider's limits.
    pub permit: Permit,
    /// What it may spend.
    pub spending: Spending,
    /// Paths of what its API cannot say.
    pub dropped: Vec<String>,
    /// The translated body's part of the gateway's memory.
    body_share: Option<Share>,
    /// What comes back.
    pub answer: Answer,
    /// When it began.
    pub begun: Instant,
    /// When the first output came.
    pub first_output: Option<Instant>,
    /// The end of the answer was seen.
    pub end_seen: bool,
    /// The dialect's end marker was seen.
    ended: bool,
    /// It goes out on a connection that nobody used before, because a pooled one was dead.
    pub fresh: bool,
    /// Addresses of the target that were found closed.
    pub detours: u8,
    /// Interim answers (1xx) so far.
    pub interim: u16,
    body: Bytes,
    handed: usize,
    /// The body is handed out in slices (HTTP/2 upstream).
    sliced: bool,
    sent: Arc<Sent>,
    last_sign: Instant,
    /// How long the client was waited for while the answer went on.
    blocked: Duration,
    /// How long services of guardrails were.
    asked: Duration,
    total_at: Instant,
}

/// What an attempt may spend, as far as the client is told.
#[derive(Debug, Default, Clone)]
pub struct Spending {
    /// The output cap that goes up instead of the client's.
    pub cap: Option<u64>,
    /// It is lower than what would have been allowed.
    pub lowered: bool,
    /// What a stream may not pass: the cap, and for how many answers.
    pub most: Option<(u64, u32)>,
    /// Budgets that only warn, and could not have paid.
    pub warnings: Vec<Arc<str>>,
}

impl Spending {
    /// Of what is held.
    pub fn of(paid: &Paid) -> Self {
        let over = paid.hold.iter().flat_map(Hold::passed_over);
        let warns = over.filter(|(rule, _)| rule.config().mode == Mode::Warn);
        let warnings = warns.map(|(rule, _)| Arc::clone(&rule.config().id)).collect();
        Self { cap: paid.cap, lowered: paid.lowered, most: paid.most, warnings }
    }
}

/// When the last byte of the body left, told by the drop of the bytes themselves: Pingora has no hook for it.
#[derive(Debug)]
struct Sent {
    base: Instant,
    /// Microseconds after `base`, plus one; 0: not yet. [`NEVER`]: given up before.
    after_us: AtomicU64,
}

/// The upload was given up: that its bytes are dropped does not mean that they left.
const NEVER: u64 = u64::MAX;

/// The bytes of a body; its owner is dropped once they were written to the socket.
struct Watched {
    body: Bytes,
    sent: Arc<Sent>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.sent.mark();
    }
}

impl Sent {
    fn mark(&self) {
        let after = u64::try_from(self.base.elapsed().as_micros()).unwrap_or(NEVER).min(NEVER - 2);
        self.set(after + 1);
    }

    /// Whatever happens to the bytes from now on, they did not leave.
    fn give_up(&self) {
        self.set(NEVER);
    }

    /// The first word counts.
    fn set(&self, word: u64) {
        // Failing is the same news.
        let _ = self.after_us.compare_exchange(0, word, Ordering::AcqRel, Ordering::Acquire);
    }

    fn at(&self) -> Option<Instant> {
        match self.after_us.load(Ordering::Acquire) {
            0 | NEVER => None,
            after => Some(self.base + Duration::from_micros(after - 1)),
        }
    }
}

impl Attempt {
    /// Begins; `arrived` is when the request came, for the `total` time-out.
    pub fn new(target: Arc<Target>, row: OpenAttempt, body: Bytes, answer: Answer, arrived: Instant) -> Self {
        let begun = Instant::now();
        let total_at = arrived + target.timeouts.total;
        Self {
            target,
            entry: None,
            row: Some(row),
            permit: Permit::default(),
            spending: Spending::default(),
            dropped: Vec::new(),
            body_share: None,
            answer,
            begun,
            first_output: None,
            end_seen: false,
            ended: false,
            fresh: false,
            detours: 0,
            interim: 0,
            body,
            handed: 0,
            sliced: false,
            sent: Arc::new(Sent { base: begun, after_us: AtomicU64::new(0) }),
            last_sign: begun,
            blocked: Duration::ZERO,
            asked: Duration::ZERO,
            total_at,
        }
    }

    /// What stands at `cut` is not told to the provider either. A second head of the same attempt adds nothing.
    pub fn leave_out(&mut self, cut: Vec<String>) {
        let new: Vec<_> = cut.into_iter().filter(|one| !self.dropped.contains(one)).collect();
        self.dropped.extend(new);
    }

    /// It was translated without what stands at `dropped`, into a body that holds `share` of the gateway's memory.
    pub fn without(mut self, dropped: Vec<String>, share: Option<Share>) -> Self {
        self.dropped = dropped;
        self.body_share = share;
        self
    }

    /// It has its place at the target, is under its provider's limits, and may spend so much.
    pub fn with(mut self, entry: Entry, permit: Permit, spending: Spending) -> Self {
        self.entry = Some(entry);
        self.permit = permit;
        self.spending = spending;
        self
    }

    /// The request as a whole has no longer than this.
    pub fn until(mut self, end: Option<Instant>) -> Self {
        self.total_at = end.map_or(self.total_at, |end| end.min(self.total_at));
        self
    }

    /// The connection stands: the body may go out. `sliced`: piece by piece.
    pub fn connected(&mut self, sliced: bool) {
        self.sliced = sliced;
        self.handed = 0;
        self.last_sign = Instant::now();
        self.sent = Arc::new(Sent { base: self.last_sign, after_us: AtomicU64::new(0) });
    }

    /// Resolves when the row is durable; `None` when it is so already.
    pub fn durable(&self) -> Option<impl Future<Output = Result<(), LedgerError>> + Send + 'static> {
        self.row.as_ref()?.durability()
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Length of the body.
    pub fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Whether all of the body was handed to Pingora.
    pub fn body_done(&self) -> bool {
        !self.sliced || self.handed >= self.body.len()
    }

    /// The whole body, for HTTP/1.1.
    pub fn whole_body(&mut self) -> Option<Bytes> {
        if self.sliced || self.body.is_empty() {
            return None;
        }
        self.handed = self.body.len();
        Some(self.watched(self.body.clone()))
    }

    /// The next slice, for HTTP/2.
    pub fn next_slice(&mut self) -> Option<Bytes> {
        if !self.sliced || self.handed >= self.body.len() {
            return None;
        }
        let end = self.handed.saturating_add(SLICE).min(self.body.len());
        let slice = self.body.slice(self.handed..end);
        self.handed = end;
        Some(if end == self.body.len() { self.watched(slice) } else { slice })
    }

    fn watched(&self, body: Bytes) -> Bytes {
        Bytes::from_owner(Watched { body, sent: Arc::clone(&self.sent) })
    }

    /// Gives the body's memory back.
    pub fn drop_body(&mut self) {
        self.body = Bytes::new();
        self.body_share = None;
    }

    /// Whether the last byte of the request left.
    pub fn was_sent(&self) -> bool {
        self.sent.at().is_some() || self.answer.begun()
    }

    /// A sign of life of the provider.
    pub fn alive(&mut self, now: Instant, first_output: bool) {
        // What comes behind the end marker does not keep the request open.
        if !std::mem::replace(&mut self.ended, self.answer.ended()) {
            self.last_sign = now;
        }
        if first_output && self.first_output.is_none() {
            self.first_output = Some(now);
        }
        if let (Some(row), Some(output)) = (&mut self.row, self.answer.output()) {
            row.progress(output.bytes().div_ceil(4));
        }
    }

    /// The client was written to since `since`, and services of guardrails were `asked` for so long of it; nobody listened to the
    /// provider meanwhile: its silence counts from here, also that behind the end.
    pub fn written(&mut self, since: Instant, asked: Duration) {
        self.blocked += since.elapsed().saturating_sub(asked);
        self.asked += asked;
        let now = Instant::now();
        self.alive(now, false);
        if !asked.is_zero() {
            self.last_sign = now;
        }
    }

    /// How fast it answered. Of a stream the wait for the first output, and the time between two tokens of the rest, where
    /// there are enough of them to tell. A whole answer tells only how long it took: the wait counts as much as
    /// [`WAIT_TOKENS`] tokens of it. Where a slow reader was waited for it is not known how fast the provider was.
    pub fn pace(&self) -> Pace {
        let sent = self.sent.at().unwrap_or(self.begun);
        let own = |took: &Duration| self.blocked <= *took / MOST_BLOCKED;
        let seen = self.answer.output().map_or(0, |output| output.bytes() / 4);
        if self.answer.expects_stream() {
            let tokens = u32::try_from(seen).unwrap_or(u32::MAX);
            let rest = self.first_output.map(|first| self.last_sign.saturating_duration_since(first));
            let rest = rest.map(|rest| rest.saturating_sub(self.asked));
            let token = rest.filter(|_| tokens >= FEWEST_TOKENS).filter(own).map(|rest| rest / tokens);
            return Pace { first: self.first_output.map(|at| at.saturating_duration_since(sent)), token };
        }
        let whole = self.last_sign.saturating_duration_since(sent);
        if !own(&whole) {
            return Pace::default();
        }
        let tokens = self.answer.reading().usage.map_or(seen, |usage| usage.output_total());
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        match tokens {
            0 => Pace { first: Some(whole), token: None },
            tokens => {
                let token = whole / tokens.saturating_add(WAIT_TOKENS);
                Pace { first: Some(token * WAIT_TOKENS), token: Some(token) }
            }
        }
    }

    /// Whether it was not settled yet.
    pub fn is_open(&self) -> bool {
        self.row.is_some()
    }

    /// When to look at the deadlines again: not later than the first of them. What moves them later is seen then.
    ///
    /// Nobody is woken when the last byte leaves, and the wait for the answer, which begins with it, may be shorter than
    /// `send`: so it is looked not later than that wait from now.
    pub fn wake_at(&self) -> Instant {
        let (at, _) = self.phase();
        if self.was_sent() { at } else { at.min(Instant::now() + self.answer_wait()) }
    }

    /// How long the first output, or the whole of an answer that is no stream, may take.
    fn answer_wait(&self) -> Duration {
        let Timeouts { first_token, response, total, .. } = self.target.timeouts;
        if self.answer.expects_stream() { first_token } else { response.unwrap_or(total) }
    }

    /// What has run out at `now`. Then a body that has not left by now counts as not sent, though its bytes are dropped
    /// with the connection.
    pub fn expired(&self, now: Instant) -> Option<Trouble> {
        let (at, trouble) = self.phase();
        if now < at {
            return None;
        }
        self.cut_short();
        Some(trouble)
    }

    /// The upload is given up now: what did not leave so far is not sent, though its bytes are about to be dropped.
    pub fn cut_short(&self) {
        self.sent.give_up();
    }

    /// Whether it had about as much time as it may take at most: then it is its own fault that the request's is over.
    pub fn had_its_time(&self, now: Instant) -> bool {
        let (from, limit, _) = self.own_phase();
        let limit = limit.min(self.target.timeouts.total);
        now.saturating_duration_since(from) >= limit.mul_f64(ABOUT)
    }

    /// The deadline in force and what it means to miss it.
    fn phase(&self) -> (Instant, Trouble) {
        let (from, limit, trouble) = self.own_phase();
        let at = from + limit;
        if self.total_at <= at { (self.total_at, Trouble::Total) } else { (at, trouble) }
    }

    /// Since when the attempt is in its present phase, how long that may last, and what it means to last longer.
    fn own_phase(&self) -> (Instant, Duration, Trouble) {
        let Timeouts { send, first_token, idle, response, total, .. } = self.target.timeouts;
        match (self.sent.at(), self.answer.released()) {
            // Whole: only the end of the provider's body is waited for, so that its connection can be used again.
            _ if self.answer.ended() => (self.last_sign, LINGER.min(idle), Trouble::Idle),
            _ if self.answer.released() && self.answer.is_live() => (self.last_sign, idle, Trouble::Idle),
            // An answer that began early tells that the request arrived.
            (None, _) if !self.answer.begun() => (self.sent.base, send, Trouble::SendTimeout),
            (sent, _) => {
                let from = sent.unwrap_or(self.sent.base);
                if self.answer.expects_stream() {
                    (from, first_token, Trouble::FirstToken)
                } else {
                    (from, response.unwrap_or(total), Trouble::Response)
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
