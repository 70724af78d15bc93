//! Calls of a collector: what it is sent, and what follows from what it says.
//!
//! The rules are those of <https://opentelemetry.io/docs/specs/otlp/>: what may be tried again is named there, a server
//! says how long to wait (`Retry-After`, `RetryInfo`), and a partial success is not tried again.

use super::Settings;
use super::metrics::Counts;
use super::proto::{Proto, Value, fields, inner, number};
use super::queue::{Batch, Queue};
use crate::{
    config::{OtlpCompression, OtlpProtocol},
    outbound::{Client, Grpc, Kept, Message, OutboundError, Replied},
};
use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, Request, Response, Uri};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// What a batch is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The label's value, and the last part of the path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    const fn method(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }
}

/// What came of one call.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It is there, but for so many items that the collector refused.
    Sent(u64),
    /// It will never be taken.
    Refused(String),
    /// It may be taken later: after so long, if the collector says so.
    Later(String, Option<Duration>),
}

/// Why items were lost: a label.
pub(super) const QUEUE_FULL: &str = "queue_full";
pub(super) const REJECTED: &str = "rejected";
pub(super) const GAVE_UP: &str = "gave_up";
pub(super) const SHUTDOWN: &str = "shutdown";

/// First pause before a batch is tried again; each next one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest one of our own, and the longest that a collector may ask for.
const MOST_PAUSE: Duration = Duration::from_secs(30);
/// A batch is given up when it was tried for so long.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes that are read of an answer.
const MOST_ANSWER: usize = 64 * 1024;

/// Brings batches of one signal to the collector.
pub(super) struct Courier {
    signal: Signal,
    way: Way,
    settings: Arc<Settings>,
    headers: Arc<ArcSwap<HeaderMap>>,
    counts: Counts,
    closing: watch::Receiver<bool>,
    failing: bool,
}

enum Way {
    Http { client: Client, kept: Kept, uri: Uri },
    Grpc(Box<Grpc>),
}

impl Courier {
    /// # Errors
    ///
    /// The endpoint is none: a mistake that the configuration let through.
    pub fn new(
        signal: Signal,
        settings: Arc<Settings>,
        headers: Arc<ArcSwap<HeaderMap>>,
        counts: Counts,
        closing: watch::Receiver<bool>,
    ) -> Result<Self, OutboundError> {
        let endpoint = &settings.endpoint;
        let roots = settings.roots.clone();
        let way = match settings.protocol {
            OtlpProtocol::Grpc => Way::Grpc(Box::new(Grpc::new(endpoint, roots)?)),
            OtlpProtocol::Http => {
                let base = endpoint.to_string();
                let uri = format!("{}/v1/{}", base.trim_end_matches('/'), signal.name()).parse();
                let uri = uri.map_err(|_| OutboundError::Url(endpoint.to_string()))?;
                let client = roots.map_or_else(Client::default, Client::trusting);
                Way::Http { client, kept: Kept::new(1), uri }
            }
        };
        Ok(Self { signal, way, settings, headers, counts, closing, failing: false })
    }

    /// Sends what comes into `queue`, until it is to close; then what is left of it.
    pub async fn carry(mut self, queue: &Queue) {
        let mut open = true;
        while open {
            let mut closing = self.closing.clone();
            tokio::select! {
                () = queue.full.notified() => {}
                () = sleep(self.settings.delay) => {}
                _ = closing.wait_for(|closing| *closing) => open = false,
            }
            while let Some(batch) = queue.take() {
                let delivered = self.deliver(batch, PATIENCE).await;
                self.counts.queued(self.signal).set(i64::try_from(queue.len()).unwrap_or(i64::MAX));
                if !delivered && *self.closing.borrow() {
                    // A collector that does not answer now would be asked for each of the others in vain.
                    open = false;
                    break;
                }
            }
        }
        while let Some(batch) = queue.take() {
            self.counts.dropped(self.signal, SHUTDOWN, batch.items);
        }
    }

    /// Whether the collector has it, or refused it for good; tried for `patience`.
    pub async fn deliver(&mut self, batch: Batch, patience: Duration) -> bool {
        let (body, encoding) = self.settings.packed(self.settings.request(&batch.bytes));
        let (begun, mut pause) = (Instant::now(), PAUSE);
        loop {
            let outcome = self.call(body.clone(), encoding).await;
            self.counts.called(self.signal, outcome_name(&outcome));
            match outcome {
                Outcome::Sent(rejected) => {
                    let rejected = usize::try_from(rejected).unwrap_or(usize::MAX).min(batch.items);
                    self.counts.sent(self.signal, batch.items - rejected);
                    if rejected > 0 {
                        self.counts.dropped(self.signal, REJECTED, rejected);
                    }
                    if std::mem::take(&mut self.failing) {
                        tracing::info!(signal = self.signal.name(), "the collector takes telemetry again");
                    }
                    return true;
                }
                Outcome::Refused(why) => {
                    self.counts.dropped(self.signal, REJECTED, batch.items);
                    self.tell(&why);
                    return true;
                }
                Outcome::Later(why, wait) => {
                    self.tell(&why);
                    let wait = wait.unwrap_or_else(|| jittered(pause)).min(MOST_PAUSE);
                    if *self.closing.borrow() || begun.elapsed() + wait > patience {
                        let reason = if *self.closing.borrow() { SHUTDOWN } else { GAVE_UP };
                        self.counts.dropped(self.signal, reason, batch.items);
                        return false;
                    }
                    let mut closing = self.closing.clone();
                    tokio::select! {
                        () = sleep(wait) => {}
                        // Once more, and no more.
                        _ = closing.wait_for(|closing| *closing) => {}
                    }
                    pause = (pause * 2).min(MOST_PAUSE);
                }
            }
        }
    }

    /// Once, when it begins.
    fn tell(&mut self, why: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(signal = self.signal.name(), why, "the collector does not take telemetry");
        }
    }

    async fn call(&mut self, body: Bytes, encoding: Option<&'static str>) -> Outcome {
        let headers = self.headers.load_full();
        let within = self.settings.timeout;
        match &mut self.way {
            Way::Http { client, kept, uri } => {
                let mut request = Request::post(uri.clone()).body(body).expect("a URL makes a request");
                request.headers_mut().extend(HeaderMap::clone(&headers));
                let kind = http::HeaderValue::from_static("application/x-protobuf");
                request.headers_mut().insert(http::header::CONTENT_TYPE, kind);
                if let Some(encoding) = encoding {
                    let encoding = http::HeaderValue::from_static(encoding);
                    request.headers_mut().insert(http::header::CONTENT_ENCODING, encoding);
                }
                match client.send_kept(kept, request, within, MOST_ANSWER).await {
                    Ok(answer) => of_http(&answer),
                    Err(error) => Outcome::Later(error.to_string(), None),
                }
            }
            Way::Grpc(grpc) => {
                let message = Message { bytes: &body, encoding };
                match grpc.call(self.signal.method(), &headers, message, within).await {
                    Ok(replied) => of_grpc(&replied),
                    Err(error) => Outcome::Later(error.to_string(), None),
                }
            }
        }
    }
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Sent(_) => "sent",
        Outcome::Refused(_) => "refused",
        Outcome::Later(..) => "failed",
    }
}

/// Between half of it and all of it, so that many gateways do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let mut chance = [0; 1];
    // Without chance it is the whole pause.
    let part = getrandom::fill(&mut chance).map_or(255, |()| u32::from(chance[0]));
    pause / 2 + pause * part / 510
}

fn of_http(answer: &Response<Bytes>) -> Outcome {
    match answer.status().as_u16() {
        200..=299 => Outcome::Sent(rejected(answer.body())),
        status @ (429 | 502 | 503 | 504) => {
            let told = answer.headers().get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            Outcome::Later(format!("status {status}"), told.and_then(retry_after))
        }
        status => Outcome::Refused(format!("status {status}")),
    }
}

/// Seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

/// `partial_success` of an answer: items that were refused, for good.
fn rejected(message: &[u8]) -> u64 {
    inner(message, 1).map_or(0, |partial| number(partial, 1))
}

fn of_grpc(replied: &Replied) -> Outcome {
    let Replied { http, status, .. } = replied;
    match (http, status) {
        (200, 0) => Outcome::Sent(rejected(&replied.message)),
        (200, 8) => match retry_info(replied) {
            // Out of something that does not come back by itself.
            None => Outcome::Refused("gRPC status 8, RESOURCE_EXHAUSTED".to_owned()),
            wait => Outcome::Later("gRPC status 8, RESOURCE_EXHAUSTED".to_owned(), wait),
        },
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS.
        (200, 1 | 4 | 10 | 11 | 14 | 15) => Outcome::Later(format!("gRPC status {status}"), retry_info(replied)),
        (200, _) => Outcome::Refused(format!("gRPC status {status}")),
        (429 | 502 | 503 | 504, _) => Outcome::Later(format!("status {http}"), None),
        _ => Outcome::Refused(format!("status {http}; is it a receiver of gRPC?")),
    }
}

/// `google.rpc.RetryInfo` in `google.rpc.Status`.
fn retry_info(replied: &Replied) -> Option<Duration> {
    let told = replied.details.as_deref()?;
    let status = STANDARD_NO_PAD.decode(told).or_else(|_| STANDARD.decode(told)).ok()?;
    fields(&status).find_map(|(field, value)| {
        let (3, Value::Bytes(any)) = (field, value) else { return None };
        let kind = inner(any, 1)?;
        let delay = kind.ends_with(b"/google.rpc.RetryInfo").then(|| inner(inner(any, 2)?, 1))??;
        let nanos = u32::try_from(number(delay, 2)).ok()?;
        Some(Duration::from_secs(number(delay, 1).min(86_400)) + Duration::from_nanos(u64::from(nanos)))
    })
}

impl Settings {
    /// The call's message: `items` are of one scope of one resource. All three signals have the same field numbers here.
    fn request(&self, items: &[u8]) -> Bytes {
        let mut out = Proto(Vec::with_capacity(items.len() + self.resource.len() + 256));
        out.message(1, |of_resource| {
            of_resource.bytes(1, &self.resource);
            of_resource.message(2, |of_scope| {
                of_scope.message(1, |scope| {
                    scope.text(1, &["weighbridge"]);
                    scope.text(2, &[env!("CARGO_PKG_VERSION")]);
                });
                of_scope.0.extend_from_slice(items);
                of_scope.text(3, &[self.names.schema]);
            });
        });
        Bytes::from(out.0)
    }

    /// `message` as it goes out, and what it is packed by.
    fn packed(&self, message: Bytes) -> (Bytes, Option<&'static str>) {
        match self.compression {
            OtlpCompression::None => (message, None),
            OtlpCompression::Gzip => {
                let mut packed = GzEncoder::new(Vec::with_capacity(message.len() / 4), Compression::fast());
                match packed.write_all(&message).and_then(|()| packed.finish()) {
                    Ok(packed) => (Bytes::from(packed), Some("gzip")),
                    Err(_) => (message, None), // memory takes all: it does not come to this
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
