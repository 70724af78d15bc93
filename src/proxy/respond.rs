//! The headers of answers, and the only place that makes error bodies.

use super::accept::waits_for_continue;
use super::attempt::Attempt;
use super::cached::Hit;
use super::edge::framing::Framing;
use super::exchange::{Arrival, Exchange};
use super::pace::in_time;
use super::reject::{Reject, Retry};
use crate::dialect::error::{self, Told};
use crate::limits::{Share, Shares, reset_text};
use crate::model::{Api, Dialect, NanoUsd};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use std::time::Duration;
use tokio::time::Instant;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const MODEL: HeaderName = HeaderName::from_static("x-weighbridge-model");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-weighbridge-attempts");
const COST: HeaderName = HeaderName::from_static("x-weighbridge-cost-usd");
const OVERHEAD: HeaderName = HeaderName::from_static("x-weighbridge-overhead-us");
const OUTPUT_CAP: HeaderName = HeaderName::from_static("x-weighbridge-output-cap");
const BUDGET_LEFT: HeaderName = HeaderName::from_static("x-weighbridge-budget-remaining-usd");
const DROPPED: HeaderName = HeaderName::from_static("x-weighbridge-dropped");
const GUARDRAILS: HeaderName = HeaderName::from_static("x-weighbridge-guardrails");
const TOKENS: HeaderName = HeaderName::from_static("x-weighbridge-tokens");
const CACHE: HeaderName = HeaderName::from_static("x-weighbridge-cache");
const SIMILARITY: HeaderName = HeaderName::from_static("x-weighbridge-similarity");
const WARNING: HeaderName = HeaderName::from_static("x-weighbridge-warning");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// As OpenAI names them: limit, remaining, reset.
const LEFT_OF_REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const LEFT_OF_TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];
/// Asks a proxy in front not to hold back events (nginx, `proxy_buffering`).
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SSE: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// Longest wait for a client to take a piece of an answer: one that takes nothing for so long is gone.
pub const CLIENT_WRITE: Duration = Duration::from_secs(60);

/// How long a small unread body is waited for, so that the connection can be kept or the client reads the refusal.
const DRAIN: Duration = Duration::from_millis(300);

/// Pingora's header with these fields. Made by its own `insert_header` each name would be read and allocated anew
/// (pingora-http 0.9.1, `insert_header_value`), which is half of what a short answer's header costs.
fn header_of(status: u16, fields: HeaderMap) -> Result<ResponseHeader> {
    let status = StatusCode::from_u16(status).map_err(|_| Error::new(ErrorType::InvalidHTTPHeader))?;
    let (mut parts, ()) = http::Response::new(()).into_parts();
    (parts.status, parts.headers) = (status, fields);
    Ok(ResponseHeader::from(parts))
}

/// The header of the answer under way, with `first` bytes to follow (all of them unless it flows).
pub fn answer_header(exchange: &Exchange, first: usize) -> Result<ResponseHeader> {
    let arrival = &exchange.opened.arrival;
    let Some(attempt) = exchange.attempt() else {
        return ResponseHeader::build_no_case(StatusCode::BAD_GATEWAY, Some(0));
    };
    let answer = &attempt.answer;
    let mut header = HeaderMap::with_capacity(12);
    let kind = answer.content_type().cloned().unwrap_or(JSON);
    header.insert(header::CONTENT_TYPE, kind);
    if answer.is_flowing() {
        // For HTTP/1.0 the body ends with the connection (trap 16); HTTP/2 frames by itself.
        if arrival.version == Version::HTTP_11 {
            header.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if answer.is_stream() {
            header.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            header.insert(NO_BUFFERING, HeaderValue::from_static("no"));
        }
    } else {
        header.insert(header::CONTENT_LENGTH, HeaderValue::from(first));
        if let Some(cost) = exchange.record.cost() {
            header.insert(COST, usd(cost));
        }
        let overhead = u64::try_from(exchange.record.overhead.as_micros()).unwrap_or(u64::MAX);
        header.insert(OVERHEAD, HeaderValue::from(overhead));
    }
    identify(&mut header, arrival, exchange.opened.ask.api.dialect());
    header.insert(MODEL, attempt.target.label.clone());
    header.insert(ATTEMPTS, HeaderValue::from(exchange.attempts()));
    show(&mut header, &exchange.shares());
    for rule in exchange.opened.permit.warnings().chain(attempt.permit.warnings()) {
        warn(&mut header, &format!("past the limit {rule}"));
    }
    for budget in &attempt.spending.warnings {
        warn(&mut header, &format!("past the budget {budget}"));
    }
    if let Some(dropped) = dropped_of(attempt) {
        header.insert(DROPPED, dropped);
    }
    if let Some(word) = exchange.record.cached.word() {
        header.insert(CACHE, HeaderValue::from_static(word));
    }
    if let Some(guarding) = exchange.opened.guarding.as_ref().filter(|guarding| !guarding.verdicts().is_empty())
        && let Ok(said) = HeaderValue::try_from(guarding.verdicts().line())
    {
        header.insert(GUARDRAILS, said);
    }
    if let (true, Some(cap)) = (attempt.spending.lowered, attempt.spending.cap) {
        header.insert(OUTPUT_CAP, HeaderValue::from(cap));
    }
    if let Some(left) = exchange.budget_left() {
        header.insert(BUDGET_LEFT, usd(left));
    }
    header_of(answer.status(), header)
}

/// The header of a stream of which nothing is known yet but that it was asked for. It is short: see [`super::vigil`].
pub fn early_header(exchange: &Exchange) -> Result<ResponseHeader> {
    let arrival = &exchange.opened.arrival;
    let mut header = HeaderMap::with_capacity(8);
    header.insert(header::CONTENT_TYPE, SSE);
    if arrival.version == Version::HTTP_11 {
        header.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    header.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    header.insert(NO_BUFFERING, HeaderValue::from_static("no"));
    identify(&mut header, arrival, exchange.opened.ask.api.dialect());
    if let Some(word) = exchange.record.cached.word() {
        header.insert(CACHE, HeaderValue::from_static(word));
    }
    show(&mut header, &exchange.shares());
    header_of(200, header)
}

/// The header of a kept answer that is given again, with a body of so many bytes.
///
/// # Errors
///
/// When it cannot be written.
pub fn kept_header(
    hit: &Hit,
    arrival: &Arrival,
    api: Option<Api>,
    (length, shares): (usize, &Shares),
) -> Result<ResponseHeader> {
    let mut header = HeaderMap::with_capacity(12);
    header.insert(header::CONTENT_TYPE, hit.answer.kind.clone());
    if hit.answer.stream {
        if arrival.version == Version::HTTP_11 {
            header.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        header.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        header.insert(NO_BUFFERING, HeaderValue::from_static("no"));
    } else {
        header.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        header.insert(COST, usd(NanoUsd::ZERO));
        let overhead = u64::try_from(arrival.at.elapsed().as_micros()).unwrap_or(u64::MAX);
        header.insert(OVERHEAD, HeaderValue::from(overhead));
    }
    identify(&mut header, arrival, api.map_or(Dialect::OpenAi, Api::dialect));
    header.insert(MODEL, hit.answer.target.clone());
    header.insert(ATTEMPTS, HeaderValue::from(0));
    header.insert(CACHE, HeaderValue::from_static(hit.word()));
    if let Some(similarity) = hit.similarity.and_then(|alike| HeaderValue::try_from(format!("{alike:.4}")).ok()) {
        header.insert(SIMILARITY, similarity);
    }
    header.insert(header::AGE, HeaderValue::from(hit.age.as_secs()));
    show(&mut header, shares);
    for rule in hit.warnings() {
        warn(&mut header, &format!("past the limit {rule}"));
    }
    if let Some(dropped) = &hit.answer.dropped {
        header.insert(DROPPED, dropped.clone());
    }
    if let Some(said) = hit.guardrails.as_ref().and_then(|said| HeaderValue::try_from(said).ok()) {
        header.insert(GUARDRAILS, said);
    }
    header_of(200, header)
}

/// Writes a kept answer, piece by piece: the time that a client has is that of a piece. Returns the bytes of its body.
///
/// # Errors
///
/// When the client is gone.
pub async fn kept(session: &mut Session, header: ResponseHeader, mut body: Bytes) -> Result<u64> {
    const PIECE: usize = 256 * 1024;
    let length = body.len() as u64;
    bounded(session.write_response_header(Box::new(header), false)).await?;
    while !body.is_empty() {
        let piece = body.split_to(body.len().min(PIECE));
        bounded(session.write_response_body(Some(piece), body.is_empty())).await?;
    }
    Ok(length)
}

/// What of the request the target could not be told, as the client is told it.
pub fn dropped_of(attempt: &Attempt) -> Option<HeaderValue> {
    (!attempt.dropped.is_empty()).then(|| dropped(&attempt.dropped))
}

/// The header of a session: a websocket's `handshake`, and what is told with every answer.
pub fn upgraded(
    handshake: &HeaderMap,
    arrival: &Arrival,
    (model, attempts): (&HeaderValue, u16),
    shares: &Shares,
    warnings: &[String],
) -> Result<ResponseHeader> {
    let mut header = HeaderMap::with_capacity(12);
    for (name, value) in handshake {
        header.insert(name, value.clone());
    }
    identify(&mut header, arrival, Dialect::OpenAi);
    header.insert(MODEL, model.clone());
    header.insert(ATTEMPTS, HeaderValue::from(attempts));
    show(&mut header, shares);
    for warning in warnings {
        warn(&mut header, warning);
    }
    header_of(101, header)
}

/// The header of a file: what it is, how long it is, and its name are its provider's to say.
///
/// # Errors
///
/// When it cannot be written.
pub fn download(arrival: &Arrival, theirs: &HeaderMap, shares: &Shares) -> Result<ResponseHeader> {
    let mut header = HeaderMap::with_capacity(8);
    let kind = theirs.get(header::CONTENT_TYPE).cloned();
    header.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    for name in [header::CONTENT_DISPOSITION, header::CONTENT_LENGTH] {
        if let Some(value) = theirs.get(&name) {
            header.insert(name, value.clone());
        }
    }
    if !theirs.contains_key(header::CONTENT_LENGTH) && arrival.version == Version::HTTP_11 {
        header.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    identify(&mut header, arrival, Dialect::OpenAi);
    show(&mut header, shares);
    header_of(200, header)
}

/// The last frames of a session, and the end of its connection.
pub async fn end_upgraded(session: &mut Session, frames: Bytes) {
    if let Err(error) = bounded(session.as_downstream_mut().write_response_body(frames, true)).await {
        tracing::debug!(%error, "the client left before the last frames of its session");
    }
}

/// The paths, as far as a header takes them: a client's own keys may stand in them.
fn dropped(paths: &[String]) -> HeaderValue {
    const MOST: usize = 1024;
    let mut text = String::new();
    for path in paths {
        if text.len() + path.len() > MOST {
            text.push_str(", ...");
            break;
        }
        text.push_str(if text.is_empty() { "" } else { ", " });
        text.extend(path.chars().map(|one| if one.is_ascii_graphic() && one != ',' { one } else { '?' }));
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

fn warn(header: &mut HeaderMap, text: &str) {
    if let Ok(value) = HeaderValue::try_from(text) {
        header.append(WARNING, value);
    }
}

/// The rules with the least share left.
fn show(header: &mut HeaderMap, shares: &Shares) {
    for (names, share) in [(LEFT_OF_REQUESTS, shares.requests), (LEFT_OF_TOKENS, shares.tokens)] {
        let Some(Share { limit, remaining, reset: after }) = share else { continue };
        let [most, left, reset] = names;
        header.insert(most, HeaderValue::from(limit));
        header.insert(left, HeaderValue::from(remaining));
        if let Ok(text) = HeaderValue::try_from(reset_text(after)) {
            header.insert(reset, text);
        }
    }
}

fn usd(cost: NanoUsd) -> HeaderValue {
    HeaderValue::try_from(cost.to_string()).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

fn identify(header: &mut HeaderMap, arrival: &Arrival, dialect: Dialect) {
    let label = HeaderValue::from_str(&arrival.label).unwrap_or_else(|_| HeaderValue::from_static("-"));
    if dialect == Dialect::Anthropic {
        // The header that Anthropic's SDKs read.
        header.insert(REQUEST_ID, label.clone());
    }
    header.insert(X_REQUEST_ID, label);
}

/// Writes `body`, JSON or what is said, as the whole answer; returns its bytes. `tokens`: where its figure of tokens is from.
///
/// # Errors
///
/// When the client is gone.
pub async fn whole(
    session: &mut Session,
    arrival: &Arrival,
    dialect: Dialect,
    (status, kind, body): (u16, Option<HeaderValue>, Bytes),
    tokens: Option<&'static str>,
    shares: &Shares,
) -> Result<u64> {
    let mut header = HeaderMap::with_capacity(7);
    if let Some(origin) = tokens {
        header.insert(TOKENS, HeaderValue::from_static(origin));
    }
    header.insert(header::CONTENT_TYPE, kind.unwrap_or(JSON));
    header.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    identify(&mut header, arrival, dialect);
    show(&mut header, shares);
    write(session, header_of(status, header)?, body).await
}

/// Tells the client why it gets no answer; returns the body's bytes.
///
/// # Errors
///
/// When the client is gone.
pub async fn reject(
    session: &mut Session,
    arrival: &Arrival,
    dialect: Dialect,
    reject: &Reject,
    shares: &Shares,
) -> Result<u64> {
    let message = reject.to_string();
    let told = Told {
        status: reject.status(),
        code: reject.code(),
        message: &message,
        param: reject.param(),
        request_id: &arrival.label,
    };
    let body = error::render(dialect, &told);
    let mut header = HeaderMap::with_capacity(8);
    header.insert(header::CONTENT_TYPE, JSON);
    header.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    identify(&mut header, arrival, dialect);
    show(&mut header, shares);
    match reject.retry() {
        Retry::Never => drop(header.insert(SHOULD_RETRY, HeaderValue::from_static("false"))),
        Retry::Maybe => {}
        // Rounded up: who waits that long is not refused again for the same reason.
        Retry::After(wait) => {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            header.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            let millis = u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
            header.insert(RETRY_AFTER_MS, HeaderValue::from(millis));
        }
    }
    let allow = match reject {
        Reject::Method { allow, .. } => Some(*allow),
        Reject::Framing(Framing::Method) => Some("GET, HEAD, POST, DELETE"),
        _ => None,
    };
    if let Some(allow) = allow {
        header.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    if matches!(reject, Reject::Upgrade(_)) && arrival.version == Version::HTTP_11 {
        header.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    // A client that waits for the 100 need not send its body now: what it sends next could be taken for it.
    let head = session.req_header();
    let waits = waits_for_continue(head.version, &head.headers) && session.response_written().is_none();
    if reject.closes() || waits {
        session.set_keepalive(None);
    } else {
        // A small body that is still on its way is read and dropped, so that the connection can be kept and the
        // client, which may only read once it has written, sees this answer instead of a reset.
        session.as_downstream_mut().set_close_on_response_before_downstream_finish(false);
        session.as_downstream_mut().set_total_drain_timeout(Some(DRAIN));
    }
    write(session, header_of(reject.status(), header)?, body).await
}

/// Tells the client why it gets no answer, where it has the header of a stream already.
pub async fn reject_in_stream(session: &mut Session, arrival: &Arrival, api: Api, reject: &Reject) {
    let message = reject.to_string();
    let told = Told {
        status: reject.status(),
        code: reject.code(),
        message: &message,
        param: reject.param(),
        request_id: &arrival.label,
    };
    // An empty line ends what may stand there half.
    let event = [b"\n\n", &*error::stream_error(api, &told, 0)].concat();
    end_stream(session, event.into()).await;
}

/// Returns the bytes of the body that were written.
async fn write(session: &mut Session, header: ResponseHeader, body: Bytes) -> Result<u64> {
    bounded(write_all(session, header, body)).await
}

/// Pingora bounds neither the writing of a header nor of a body's end: a client that reads nothing is given up.
pub async fn bounded<T>(writing: impl Future<Output = Result<T>>) -> Result<T> {
    let given_up = |_| Error::explain(ErrorType::WriteTimedout, "the client reads nothing").into_down();
    in_time(writing, || Instant::now() + 2 * CLIENT_WRITE).await.map_err(given_up)?
}

async fn write_all(session: &mut Session, header: ResponseHeader, body: Bytes) -> Result<u64> {
    if session.req_header().method == Method::HEAD {
        session.write_response_header(Box::new(header), true).await?;
        return Ok(0);
    }
    let length = body.len() as u64;
    session.write_response_header(Box::new(header), false).await?;
    session.write_response_body(Some(body), true).await?;
    Ok(length)
}

/// Ends the body of an answer that is whole.
pub async fn end(session: &mut Session) {
    if let Err(error) = bounded(session.as_downstream_mut().finish_body()).await {
        tracing::debug!(%error, "the client left before the end of its answer");
    }
}

/// Ends a stream whose header is out: the dialect's error event, and no end marker behind it (trap 6).
pub async fn end_stream(session: &mut Session, event: Bytes) {
    if let Err(error) = bounded(session.write_response_body(Some(event), true)).await {
        tracing::debug!(%error, "the client left before its error event");
    }
}
