//! The access record: what is written of one request. No content, no secrets.

use super::Outcome;
use crate::model::{Api, Micros, NanoUsd, RequestId, Trace, Usage, UsageOrigin};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

/// One request, from its head to its settlement. Filled by moving values in; it is put into words on the log's thread.
#[derive(Debug, Clone)]
pub struct AccessRecord {
    /// When the head was read.
    pub time_us: Micros,
    /// The gateway's own id.
    pub id: RequestId,
    /// The client's label; `None`: it sent none, and `id` was returned in its place.
    pub request_id: Option<String>,
    /// Name of the key; `None`: nobody known.
    pub key: Option<Arc<str>>,
    /// Who pays.
    pub team: Option<Arc<str>>,
    /// The caller's end user, as told by the client.
    pub user: Option<String>,
    /// Which call; `None`: no route.
    pub api: Option<Api>,
    /// The model that the client named.
    pub model: Option<Arc<str>>,
    /// The provider that answered.
    pub provider: Option<Arc<str>>,
    /// The provider's model that answered.
    pub target_model: Option<Arc<str>>,
    /// The status that the client got; 499 when it left before one was sent.
    pub status: u16,
    /// The gateway's own code, where it refused or failed.
    pub code: Option<&'static str>,
    /// Whether the answer came as a stream.
    pub stream: bool,
    /// Tokens of all attempts together.
    pub usage: Usage,
    /// Where `usage` is from.
    pub usage_origin: UsageOrigin,
    /// Cost of all attempts together; `None`: some price is unknown.
    pub cost: Option<NanoUsd>,
    /// From the head read to the last byte of the answer, in microseconds.
    pub latency_us: u64,
    /// From the head read to the first output of a stream, in microseconds.
    pub first_token_us: Option<u64>,
    /// Of `latency_us`, what was neither waiting for the client nor for a provider.
    pub overhead_us: Option<u64>,
    /// Of `latency_us`, what it waited for a place among the open requests, in microseconds; no part of `overhead_us`.
    pub queued_us: u64,
    /// What put the first target first (`routing::Routed`); `None`: no target was looked for.
    pub routed: Option<&'static str>,
    /// Targets that were left out because the prompt is too long for them: provider and model.
    pub too_small: Vec<(Arc<str>, Arc<str>)>,
    /// Targets that were not tried because somebody took them out.
    pub shut_by_hand: Vec<(Arc<str>, Arc<str>)>,
    /// In the order in which they were made.
    pub attempts: Vec<AccessAttempt>,
    /// Who connected.
    pub client: Option<SocketAddr>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Of a session: the code of the close frame that was seen or sent; `None`: there was none, or it is no session.
    pub close_code: Option<u16>,
    /// Of a mirrored request: the `id` of the one that it is a copy of.
    pub mirror_of: Option<RequestId>,
    /// What guardrails said; `None`: nothing.
    pub guardrails: Option<String>,
    /// How the request's texts are kept; `None`: they are not.
    pub content: Option<&'static str>,
    /// `hit`, `semantic`, `miss` or `bypass`; `None`: its model and team have no cache.
    pub cache: Option<&'static str>,
    /// How much alike the request is to the one whose answer it was given, where it only means the same: a cosine.
    pub similarity: Option<f32>,
    /// What the answer had cost that was given again; `None`: none was.
    pub saved: Option<NanoUsd>,
    /// Its trace, which stands in no line; `None`: nothing is traced.
    pub trace: Option<Arc<Trace>>,
}

/// One attempt of a request.
#[derive(Debug, Clone)]
pub struct AccessAttempt {
    /// Whom.
    pub provider: Arc<str>,
    /// Which of its models.
    pub target_model: Arc<str>,
    /// What it answered; `None`: no answer came.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, in microseconds.
    pub time_us: u64,
    /// Why it ended so, for the on-call engineer; never what the provider or the client wrote as content.
    pub reason: Option<String>,
    /// What followed from its failure: `fail`, `next`, `retry`, `fallback`; `None`: it did not fail.
    pub action: Option<&'static str>,
    /// The pause before it, in microseconds.
    pub pause_us: u64,
    /// For its span; it stands in no line.
    pub detail: AttemptDetail,
}

/// What an attempt's span tells beside what its record has.
#[derive(Debug, Default, Clone)]
pub struct AttemptDetail {
    /// From the head read to its beginning, in microseconds.
    pub start_us: u64,
    /// From its beginning to the first output of a stream, in microseconds.
    pub first_token_us: Option<u64>,
    /// The trouble's name.
    pub error: Option<&'static str>,
    /// What it used.
    pub usage: Usage,
    /// What that cost; `None`: the price is unknown.
    pub cost: Option<NanoUsd>,
}

impl AccessRecord {
    /// A record with nothing in it but when and which.
    pub fn new(time_us: Micros, id: RequestId) -> Self {
        Self {
            time_us,
            id,
            request_id: None,
            key: None,
            team: None,
            user: None,
            api: None,
            model: None,
            provider: None,
            target_model: None,
            status: 0,
            code: None,
            stream: false,
            usage: Usage::default(),
            usage_origin: UsageOrigin::None,
            cost: None,
            latency_us: 0,
            first_token_us: None,
            overhead_us: None,
            queued_us: 0,
            routed: None,
            too_small: Vec::new(),
            shut_by_hand: Vec::new(),
            attempts: Vec::new(),
            client: None,
            bytes_in: 0,
            bytes_out: 0,
            close_code: None,
            mirror_of: None,
            guardrails: None,
            content: None,
            cache: None,
            similarity: None,
            saved: None,
            trace: None,
        }
    }
}

/// One line of the log: the record, and how many were lost before it.
pub(super) struct Line<'a> {
    pub record: &'a AccessRecord,
    pub dropped_before: u64,
}

/// Token classes are inclusive here, as in the ledger's export: `input_tokens` holds the cached ones,
/// `output_tokens` the reasoning.
impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.record;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &Time(record.time_us))?;
        map.serialize_entry("id", &Text(record.id))?;
        map.serialize_entry("request_id", &record.request_id.as_deref().map(bounded))?;
        map.serialize_entry("key", &record.key)?;
        map.serialize_entry("team", &record.team)?;
        map.serialize_entry("user", &record.user.as_deref().map(bounded))?;
        map.serialize_entry("api", &record.api.map(Api::name))?;
        map.serialize_entry("model", &record.model.as_deref().map(bounded))?;
        map.serialize_entry("provider", &record.provider)?;
        map.serialize_entry("target_model", &record.target_model)?;
        map.serialize_entry("status", &record.status)?;
        map.serialize_entry("code", &record.code)?;
        map.serialize_entry("stream", &record.stream)?;
        tokens(&mut map, &record.usage)?;
        map.serialize_entry("usage_origin", &record.usage_origin)?;
        map.serialize_entry("cost_nano_usd", &record.cost)?;
        map.serialize_entry("latency_us", &record.latency_us)?;
        map.serialize_entry("first_token_us", &record.first_token_us)?;
        map.serialize_entry("overhead_us", &record.overhead_us)?;
        if record.queued_us > 0 {
            map.serialize_entry("queued_us", &record.queued_us)?;
        }
        map.serialize_entry("routed", &record.routed)?;
        if !record.too_small.is_empty() {
            map.serialize_entry("too_small", &Targets(&record.too_small))?;
        }
        if !record.shut_by_hand.is_empty() {
            map.serialize_entry("shut_by_hand", &Targets(&record.shut_by_hand))?;
        }
        map.serialize_entry("attempts", &Attempts(&record.attempts))?;
        map.serialize_entry("client", &record.client.map(shown))?;
        map.serialize_entry("bytes_in", &record.bytes_in)?;
        map.serialize_entry("bytes_out", &record.bytes_out)?;
        if let Some(code) = record.close_code {
            map.serialize_entry("close_code", &code)?;
        }
        if let Some(said) = &record.guardrails {
            map.serialize_entry("guardrails", said)?;
        }
        if let Some(content) = record.content {
            map.serialize_entry("content", content)?;
        }
        if let Some(cache) = record.cache {
            map.serialize_entry("cache", cache)?;
        }
        if let Some(similarity) = record.similarity {
            map.serialize_entry("similarity", &((f64::from(similarity) * 10_000.0).round() / 10_000.0))?;
        }
        if let Some(saved) = record.saved {
            map.serialize_entry("saved_nano_usd", &saved)?;
        }
        if let Some(original) = record.mirror_of {
            map.serialize_entry("mirror_of", &Text(original))?;
        }
        if self.dropped_before > 0 {
            map.serialize_entry("dropped_before", &self.dropped_before)?;
        }
        map.end()
    }
}

/// A client's address, with its port if that is known.
fn shown(client: SocketAddr) -> String {
    if client.port() == 0 { client.ip().to_string() } else { client.to_string() }
}

fn tokens<M: SerializeMap>(map: &mut M, usage: &Usage) -> Result<(), M::Error> {
    map.serialize_entry("input_tokens", &usage.input_total())?;
    map.serialize_entry("cache_read_tokens", &usage.cache_read)?;
    map.serialize_entry("cache_write_5m_tokens", &usage.cache_write_5m)?;
    map.serialize_entry("cache_write_1h_tokens", &usage.cache_write_1h)?;
    map.serialize_entry("output_tokens", &usage.output_total())?;
    map.serialize_entry("reasoning_tokens", &usage.reasoning)?;
    map.serialize_entry("audio_input_tokens", &usage.audio_input)?;
    map.serialize_entry("audio_output_tokens", &usage.audio_output)?;
    units(map, usage)
}

/// What is used beside text and sound: only what was used, so that the usual line is no longer than it was.
fn units<M: SerializeMap>(map: &mut M, usage: &Usage) -> Result<(), M::Error> {
    let counts = [
        ("image_input_tokens", usage.image_input),
        ("image_output_tokens", usage.image_output),
        ("images", usage.images),
        ("characters", usage.characters),
        ("searches", usage.searches),
    ];
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        map.serialize_entry(name, &count)?;
    }
    if usage.audio_ms > 0 {
        map.serialize_entry("audio_seconds", &(usage.audio_ms as f64 / 1_000.0))?;
    }
    Ok(())
}

struct Attempts<'a>(&'a [AccessAttempt]);

impl Serialize for Attempts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for attempt in self.0 {
            list.serialize_element(&Attempt(attempt))?;
        }
        list.end()
    }
}

/// `["openai/gpt-4o-mini"]`
struct Targets<'a>(&'a [(Arc<str>, Arc<str>)]);

impl Serialize for Targets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for (provider, model) in self.0 {
            list.serialize_element(&Text(format_args!("{provider}/{model}")))?;
        }
        list.end()
    }
}

struct Attempt<'a>(&'a AccessAttempt);

impl Serialize for Attempt<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(8))?;
        map.serialize_entry("provider", &self.0.provider)?;
        map.serialize_entry("target_model", &self.0.target_model)?;
        map.serialize_entry("status", &self.0.status)?;
        map.serialize_entry("outcome", self.0.outcome.name())?;
        map.serialize_entry("time_us", &self.0.time_us)?;
        map.serialize_entry("reason", &self.0.reason.as_deref().map(bounded))?;
        map.serialize_entry("action", &self.0.action)?;
        map.serialize_entry("pause_us", &self.0.pause_us)?;
        map.end()
    }
}

struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// RFC 3339 in UTC with six decimals: `2026-11-25T16:33:59.000001Z`.
struct Time(Micros);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
        serializer.collect_str(&format_args!("{time:.6}"))
    }
}

/// The first [`MAX_TEXT_BYTES`] of what a client or a provider may have chosen, cut between characters.
fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

/// What is longer is cut: a model name of megabytes must not fill the disk.
const MAX_TEXT_BYTES: usize = 256;
