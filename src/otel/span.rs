//! Spans of one request: what came in (`SERVER`), and an attempt each (`CLIENT`), written from its access record.
//!
//! Field numbers: `opentelemetry/proto/trace/v1/trace.proto`. HTTP names:
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>. No content and no secret stands in a record, so none can
//! stand in a span.

use super::names::{Names, Places, method, operation, route};
use super::proto::Proto;
use crate::{
    model::{Api, Trace, Usage},
    telemetry::{AccessAttempt, AccessRecord, Outcome},
};

/// Fields of `Span`.
const TRACE_ID: u32 = 1;
const SPAN_ID: u32 = 2;
const TRACE_STATE: u32 = 3;
const PARENT: u32 = 4;
const NAME: u32 = 5;
const KIND: u32 = 6;
const START: u32 = 7;
const END: u32 = 8;
const ATTRIBUTE: u32 = 9;
const EVENT: u32 = 11;
const STATUS: u32 = 15;
const FLAGS: u32 = 16;

const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// Bits of `flags` that say that it is known whether the parent is remote, and that it is.
const HAS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;

/// The field of `ScopeSpans` that spans stand in.
const SPAN: u32 = 2;

/// What a client or a provider may have chosen is cut, as in access records.
const MOST_TEXT: usize = 256;

/// Whether a record is of a request that spans are made of: not of a probe of health.
pub(super) fn is_wanted(record: &AccessRecord) -> bool {
    record.api.is_some() || record.key.is_some() || record.code.is_some()
}

/// Writes the spans of `record`; returns how many.
pub(super) fn write(out: &mut Proto, record: &AccessRecord, trace: &Trace, names: &Names, places: &Places) -> usize {
    out.message(SPAN, |span| server(span, record, trace, names, places));
    for (number, attempt) in (1u16..).zip(&record.attempts) {
        out.message(SPAN, |span| client(span, record, trace, (number, attempt), (names, places)));
    }
    1 + record.attempts.len()
}

/// What all spans begin with. `number`: 0 is the request.
fn begin(span: &mut Proto, trace: &Trace, number: u16, kind: u64, (start_us, end_us): (u64, u64)) {
    span.bytes(TRACE_ID, &trace.id.to_be_bytes());
    span.bytes(SPAN_ID, &trace.span(number).to_be_bytes());
    if let Some(state) = &trace.state {
        span.text(TRACE_STATE, &[state]);
    }
    let parent = if number == 0 { trace.parent } else { Some(trace.span(0)) };
    if let Some(parent) = parent {
        span.bytes(PARENT, &parent.to_be_bytes());
    }
    span.uint(KIND, kind);
    span.fixed64(START, start_us.saturating_mul(1_000));
    span.fixed64(END, end_us.saturating_mul(1_000));
    let remote = if number == 0 && trace.parent.is_some() { IS_REMOTE } else { 0 };
    span.fixed32(FLAGS, u32::from(trace.flags()) | HAS_REMOTE | remote);
}

fn server(span: &mut Proto, record: &AccessRecord, trace: &Trace, names: &Names, places: &Places) {
    let end_us = record.time_us.saturating_add(record.latency_us);
    begin(span, trace, 0, SERVER, (record.time_us, end_us));
    match record.api {
        Some(api) => {
            let [path, call] = route(api, record.stream);
            let verb = method(api);
            span.text(NAME, &[verb.unwrap_or(""), if verb.is_some() { " " } else { "" }, path, call]);
            if let Some(verb) = verb {
                span.attribute(ATTRIBUTE, "http.request.method", verb);
            }
            span.attribute_of(ATTRIBUTE, "http.route", &[path, call]);
            span.attribute(ATTRIBUTE, "gen_ai.operation.name", operation(api));
        }
        None => span.text(NAME, &["HTTP"]),
    }
    span.attribute_int(ATTRIBUTE, "http.response.status_code", u64::from(record.status));
    let texts = [
        ("gen_ai.request.model", record.model.as_deref()),
        ("gen_ai.response.model", record.target_model.as_deref().filter(|model| !model.is_empty())),
        ("weighbridge.request_id", record.request_id.as_deref()),
        ("weighbridge.key", record.key.as_deref()),
        ("weighbridge.team", record.team.as_deref()),
        ("weighbridge.user", record.user.as_deref()),
        ("weighbridge.provider", record.provider.as_deref()),
        ("weighbridge.code", record.code),
        ("weighbridge.routed", record.routed),
        ("weighbridge.guardrails", record.guardrails.as_deref()),
        ("weighbridge.content", record.content),
    ];
    for (key, text) in texts.into_iter().filter_map(|(key, text)| Some((key, text?))) {
        span.attribute(ATTRIBUTE, key, bounded(text));
    }
    id(span, "weighbridge.id", record.id.0);
    if let Some(of) = record.mirror_of {
        id(span, "weighbridge.mirror_of", of.0);
    }
    if let Some(place) = record.provider.as_ref().and_then(|provider| places.get(provider)) {
        span.attribute(ATTRIBUTE, names.provider, place.system);
    }
    if record.api.is_some_and(Api::billed) {
        usage(span, &record.usage, names);
        span.attribute(ATTRIBUTE, "weighbridge.usage.origin", record.usage_origin.name());
    }
    if record.stream && names.modern {
        span.attribute_true(ATTRIBUTE, "gen_ai.request.stream");
    }
    let numbers = [
        ("weighbridge.cost.nano_usd", record.cost.map(|cost| u64::try_from(cost.0).unwrap_or(0))),
        ("weighbridge.first_token_us", record.first_token_us),
        ("weighbridge.overhead_us", record.overhead_us),
        ("weighbridge.queued_us", Some(record.queued_us).filter(|us| *us > 0)),
        ("weighbridge.attempts", Some(record.attempts.len() as u64)),
    ];
    for (key, number) in numbers.into_iter().filter_map(|(key, number)| Some((key, number?))) {
        span.attribute_int(ATTRIBUTE, key, number);
    }
    if let Some(said) = &record.guardrails {
        said.split(", ").for_each(|said| verdict(span, said, (record.time_us, end_us)));
    }
    // A client's mistakes are no errors of a server; a stream that is cut is one, whatever its status was.
    if let Some(error) = error_of(record) {
        span.attribute(ATTRIBUTE, "error.type", error);
        span.message(STATUS, |status| status.uint(3, ERROR));
    }
}

/// Why the request failed, if it did by anybody's fault but the client's.
pub(super) fn error_of(record: &AccessRecord) -> Option<&'static str> {
    let failed = record.status >= 500 || (record.status < 400 && record.code.is_some_and(|code| code != CLIENT_GONE));
    failed.then(|| record.code.unwrap_or("error"))
}

/// No failure.
const CLIENT_GONE: &str = "client_gone";

fn client(
    span: &mut Proto,
    record: &AccessRecord,
    trace: &Trace,
    (number, attempt): (u16, &AccessAttempt),
    (names, places): (&Names, &Places),
) {
    let start_us = record.time_us.saturating_add(attempt.detail.start_us);
    begin(span, trace, number, CLIENT, (start_us, start_us.saturating_add(attempt.time_us)));
    let operation = record.api.map_or("unknown", operation);
    let model = bounded(&attempt.target_model);
    span.text(NAME, &[operation, if model.is_empty() { "" } else { " " }, model]);
    span.attribute(ATTRIBUTE, "gen_ai.operation.name", operation);
    if !model.is_empty() {
        span.attribute(ATTRIBUTE, "gen_ai.request.model", model);
    }
    let place = places.get(&attempt.provider);
    span.attribute(ATTRIBUTE, names.provider, place.map_or(&*attempt.provider, |place| place.system));
    if let Some(place) = place {
        span.attribute(ATTRIBUTE, "server.address", &place.host);
        span.attribute_int(ATTRIBUTE, "server.port", u64::from(place.port));
    }
    if let Some(status) = attempt.status {
        span.attribute_int(ATTRIBUTE, "http.response.status_code", u64::from(status));
    }
    usage(span, &attempt.detail.usage, names);
    if names.modern {
        if record.stream {
            span.attribute_true(ATTRIBUTE, "gen_ai.request.stream");
        }
        if let Some(us) = attempt.detail.first_token_us {
            span.attribute_double(ATTRIBUTE, "gen_ai.response.time_to_first_chunk", seconds(us));
        }
    }
    span.attribute(ATTRIBUTE, "weighbridge.provider", &attempt.provider);
    span.attribute_int(ATTRIBUTE, "weighbridge.attempt.number", u64::from(number));
    span.attribute(ATTRIBUTE, "weighbridge.attempt.outcome", attempt.outcome.name());
    if let Some(action) = attempt.action {
        span.attribute(ATTRIBUTE, "weighbridge.attempt.action", action);
    }
    if attempt.pause_us > 0 {
        span.attribute_int(ATTRIBUTE, "weighbridge.attempt.pause_us", attempt.pause_us);
    }
    if let Some(cost) = attempt.detail.cost {
        span.attribute_int(ATTRIBUTE, "weighbridge.cost.nano_usd", u64::try_from(cost.0).unwrap_or(0));
    }
    let reason = attempt.reason.as_deref().map_or("", bounded);
    if !reason.is_empty() {
        span.attribute(ATTRIBUTE, "weighbridge.attempt.reason", reason);
    }
    if let Some(error) = error_type(attempt) {
        span.attribute(ATTRIBUTE, "error.type", error);
        span.message(STATUS, |status| {
            status.text(2, &[reason]);
            status.uint(3, ERROR);
        });
    }
}

/// Why an attempt failed, if it did; a client that leaves is no failure of its.
pub(super) fn error_type(attempt: &AccessAttempt) -> Option<&'static str> {
    let failed = !matches!(attempt.outcome, Outcome::Answered | Outcome::ClientLeft);
    failed.then(|| attempt.detail.error.unwrap_or_else(|| attempt.outcome.name()))
}

/// Tokens, classes inclusive: `input_tokens` holds the cached ones, `output_tokens` the reasoning.
fn usage(span: &mut Proto, usage: &Usage, names: &Names) {
    if usage.is_zero() {
        return;
    }
    span.attribute_int(ATTRIBUTE, "gen_ai.usage.input_tokens", usage.input_total());
    span.attribute_int(ATTRIBUTE, "gen_ai.usage.output_tokens", usage.output_total());
    if names.modern {
        let written = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
        let more = [
            ("gen_ai.usage.cache_read.input_tokens", usage.cache_read),
            ("gen_ai.usage.cache_creation.input_tokens", written),
            ("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
        ];
        for (key, tokens) in more.into_iter().filter(|(_, tokens)| *tokens > 0) {
            span.attribute_int(ATTRIBUTE, key, tokens);
        }
    }
}

/// `guard;hook;action;entity=count`, as the record has it: an event each.
fn verdict(span: &mut Proto, said: &str, (start_us, end_us): (u64, u64)) {
    let mut parts = said.splitn(4, ';');
    let (Some(guard), Some(hook), Some(action), Some(found)) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let (action, audited) = action.strip_prefix("audit:").map_or((action, false), |action| (action, true));
    let (entity, count) = found.rsplit_once('=').unwrap_or((found, "1"));
    let at_us = if hook == "input" || hook == "tool_result" { start_us } else { end_us };
    span.message(EVENT, |event| {
        event.fixed64(1, at_us.saturating_mul(1_000));
        event.text(2, &["weighbridge.guardrail"]);
        event.attribute(3, "weighbridge.guardrail.name", bounded(guard));
        event.attribute(3, "weighbridge.guardrail.hook", hook);
        event.attribute(3, "weighbridge.guardrail.action", action);
        event.attribute(3, "weighbridge.guardrail.entity", bounded(entity));
        event.attribute_int(3, "weighbridge.guardrail.count", count.parse().unwrap_or(1));
        if audited {
            event.attribute_true(3, "weighbridge.guardrail.audited");
        }
    });
}

/// An id as it stands in records: 32 hexadecimal digits.
fn id(span: &mut Proto, key: &str, id: u128) {
    let mut digits = [0; 32];
    hex::encode_to_slice(id.to_be_bytes(), &mut digits).expect("two digits a byte");
    span.attribute(ATTRIBUTE, key, std::str::from_utf8(&digits).expect("digits"));
}

fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_TEXT)]
}

pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

#[cfg(test)]
#[path = "span_tests.rs"]
mod tests;
