//! The provider's own count: totals, and the last requests with what became of them.
//!
//! Tests compare these with the gateway's ledger. Credentials are kept in clear: this is a fake.

use super::answer::Billed;
use super::target::{
    BATCH_EMBED_CONTENTS, CONVERSE, CONVERSE_STREAM, COUNT_TOKENS, EMBED_CONTENT, GENERATE, GENERATE_STREAM, INVOKE,
    RAW_PREDICT, STREAM_RAW_PREDICT, Target, VERTEX_GENERATE, VERTEX_GENERATE_STREAM, VERTEX_PREDICT,
};
use hyper::http::request::Parts;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// Totals since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Requests whose head was read; those to `/_simulate` are not counted anywhere.
    pub requests: u64,
    /// Answers whose last byte was handed to the connection, errors among them.
    pub completed: u64,
    /// Requests that the client left before the end.
    pub aborted: u64,
    /// Answers that the provider itself cut or broke off with an error event, by knob.
    pub broken: u64,
    /// Answers with an error status.
    pub errors: u64,
    /// Requests not ended yet.
    pub open: u64,
    /// Streams among the open ones.
    pub open_streams: u64,
    /// Input tokens of requests that an answer was begun for, cached ones included.
    pub prompt_tokens: u64,
    /// Output tokens handed to connections, of answers that were not finished, too; without reasoning.
    pub output_tokens_sent: u64,
    /// Input tokens, as reported to clients.
    pub reported_input_tokens: u64,
    /// Output tokens, as reported to clients.
    pub reported_output_tokens: u64,
    /// Answers that carried usage.
    pub reported: u64,
    /// Bytes of request bodies.
    pub bytes_received: u64,
    /// Bytes of answer bodies.
    pub bytes_sent: u64,
    /// Connections accepted.
    pub connections: u64,
}

/// How a request ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not yet.
    #[default]
    Open,
    /// Answered whole.
    Completed,
    /// The client left, or cancelled the stream.
    Aborted,
    /// The provider cut the answer, or ended it with an error event.
    Broken,
}

/// One request.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Recorded {
    /// Counts from 1 in the order in which heads were read.
    pub number: u64,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// Lines of `name: value`, in order; bytes that are no UTF-8 are replaced.
    pub headers: String,
    /// Hex; empty until the body was read whole.
    pub body_sha256: String,
    /// Bytes.
    pub body_bytes: u64,
    /// As sent, with its suffix; empty if there is none.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Of the answer; 0 before there is one.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// What the client was told, of all answers of a socket; `None` if no usage was sent.
    pub reported: Option<Billed>,
    /// Output tokens handed to the connection.
    pub output_tokens_sent: u64,
    /// From the head to the end, in microseconds.
    pub ended_after_us: Option<u64>,
}

impl Recorded {
    /// The first header of this name, which is lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Whether the client left before the end.
    pub fn aborted(&self) -> bool {
        self.outcome == Outcome::Aborted
    }
}

#[derive(Debug, Default)]
struct Totals {
    completed: AtomicU64,
    aborted: AtomicU64,
    broken: AtomicU64,
    errors: AtomicU64,
    open: AtomicU64,
    open_streams: AtomicU64,
    prompt_tokens: AtomicU64,
    output_tokens_sent: AtomicU64,
    reported_input_tokens: AtomicU64,
    reported_output_tokens: AtomicU64,
    reported: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    connections: AtomicU64,
    by_path: ByPath,
}

/// A count for each of [`PATHS`].
#[derive(Debug)]
struct ByPath([AtomicU64; PATHS.len()]);

impl Default for ByPath {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::default()))
    }
}

/// Paths that are counted one by one; `other` takes the rest.
const PATHS: [&str; 41] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/models",
    "/v1/messages",
    "/v1/messages/count_tokens",
    GENERATE,
    GENERATE_STREAM,
    CONVERSE,
    CONVERSE_STREAM,
    INVOKE,
    EMBED_CONTENT,
    BATCH_EMBED_CONTENTS,
    VERTEX_GENERATE,
    VERTEX_GENERATE_STREAM,
    VERTEX_PREDICT,
    RAW_PREDICT,
    STREAM_RAW_PREDICT,
    COUNT_TOKENS,
    "/mistral/v1/chat/completions",
    "/v2/chat",
    "/v2/embed",
    "/v2/rerank",
    "/v1/rerank",
    "/jina/v1/rerank",
    "/jina/v1/embeddings",
    "/voyage/v1/rerank",
    "/voyage/v1/embeddings",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/images/variations",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/realtime",
    "/v1/files",
    "/v1/batches",
    "/token",
    "other",
];

/// Where all requests of one simulator are counted.
#[derive(Debug)]
pub(super) struct Books {
    totals: Totals,
    /// Apart from `totals`: it numbers requests, so it is read on every one.
    requests: AtomicU64,
    kept: usize,
    last: Mutex<VecDeque<Arc<Mutex<Recorded>>>>,
}

impl Books {
    /// Keeps the last `kept` requests.
    pub fn new(kept: usize) -> Self {
        Self { totals: Totals::default(), requests: AtomicU64::new(0), kept, last: Mutex::default() }
    }

    pub fn connected(&self) {
        self.totals.connections.fetch_add(1, Relaxed);
    }

    pub fn stats(&self) -> Stats {
        let of = |total: &AtomicU64| total.load(Relaxed);
        let totals = &self.totals;
        Stats {
            requests: of(&self.requests),
            completed: of(&totals.completed),
            aborted: of(&totals.aborted),
            broken: of(&totals.broken),
            errors: of(&totals.errors),
            open: of(&totals.open),
            open_streams: of(&totals.open_streams),
            prompt_tokens: of(&totals.prompt_tokens),
            output_tokens_sent: of(&totals.output_tokens_sent),
            reported_input_tokens: of(&totals.reported_input_tokens),
            reported_output_tokens: of(&totals.reported_output_tokens),
            reported: of(&totals.reported),
            bytes_received: of(&totals.bytes_received),
            bytes_sent: of(&totals.bytes_sent),
            connections: of(&totals.connections),
        }
    }

    /// Requests by path.
    pub fn by_path(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        PATHS.into_iter().zip(self.totals.by_path.0.iter().map(|count| count.load(Relaxed)))
    }

    /// The requests that are kept, oldest first.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.last.lock().iter().map(|entry| entry.lock().clone()).collect()
    }

    /// The latest request.
    pub fn latest(&self) -> Option<Recorded> {
        self.last.lock().back().map(|entry| entry.lock().clone())
    }

    /// Begins to record a request.
    pub fn open(self: &Arc<Self>, head: &Parts) -> Visit {
        let number = self.requests.fetch_add(1, Relaxed).wrapping_add(1);
        self.totals.open.fetch_add(1, Relaxed);
        let path = head.uri.path();
        let name = match Target::of(path) {
            Some(target) => target.name,
            None if path.starts_with("/v1/models/") => "/v1/models",
            None => path,
        };
        let at = PATHS.iter().position(|known| *known == name);
        if let Some(count) = self.totals.by_path.0.get(at.unwrap_or(PATHS.len() - 1)) {
            count.fetch_add(1, Relaxed);
        }
        let entry = (self.kept > 0).then(|| self.keep(number, head));
        Visit { books: Arc::clone(self), entry, number, since: Instant::now(), streams: false, outcome: Outcome::Open }
    }

    fn keep(&self, number: u64, head: &Parts) -> Arc<Mutex<Recorded>> {
        // Copied into one string: holding on to the header map would hold the connection's read buffers.
        let mut headers = String::with_capacity(256);
        for (name, value) in &head.headers {
            headers.push_str(name.as_str());
            headers.push_str(": ");
            headers.push_str(&String::from_utf8_lossy(value.as_bytes()));
            headers.push('\n');
        }
        let entry = Arc::new(Mutex::new(Recorded {
            number,
            method: head.method.as_str().to_owned(),
            path: head.uri.path_and_query().map_or_else(String::new, |path| path.as_str().to_owned()),
            version: format!("{:?}", head.version),
            headers,
            ..Recorded::default()
        }));
        let mut last = self.last.lock();
        if last.len() >= self.kept {
            last.pop_front();
        }
        last.push_back(Arc::clone(&entry));
        entry
    }
}

/// One request on its way; dropped before [`Visit::end`], it counts as aborted by the client.
#[derive(Debug)]
pub(super) struct Visit {
    books: Arc<Books>,
    entry: Option<Arc<Mutex<Recorded>>>,
    /// Counts from 1.
    pub number: u64,
    since: Instant,
    streams: bool,
    outcome: Outcome,
}

impl Visit {
    fn note(&self, change: impl FnOnce(&mut Recorded)) {
        if let Some(entry) = &self.entry {
            change(&mut entry.lock());
        }
    }

    /// The whole body was read.
    pub fn body(&self, body: &[u8]) {
        self.books.totals.bytes_received.fetch_add(body.len() as u64, Relaxed);
        self.note(|entry| {
            entry.body_bytes = body.len() as u64;
            entry.body_sha256 = hex::encode(Sha256::digest(body));
        });
    }

    /// The body was understood.
    pub fn asked(&mut self, model: &str, stream: bool) {
        self.note(|entry| {
            entry.model = model.to_owned();
            entry.stream = stream;
        });
    }

    /// An answer with this status is begun.
    pub fn answered(&self, status: u16) {
        if status >= 400 {
            self.books.totals.errors.fetch_add(1, Relaxed);
        }
        self.note(|entry| entry.status = status);
    }

    /// A model's answer is begun: its input is used up, whatever happens then.
    pub fn billed(&self, billed: &Billed) {
        self.books.totals.prompt_tokens.fetch_add(billed.input(), Relaxed);
    }

    /// The answer is a stream.
    pub fn streams(&mut self) {
        self.streams = true;
        self.books.totals.open_streams.fetch_add(1, Relaxed);
    }

    /// Output tokens were handed to the connection.
    pub fn sent(&self, tokens: u64) {
        self.books.totals.output_tokens_sent.fetch_add(tokens, Relaxed);
        self.note(|entry| entry.output_tokens_sent = entry.output_tokens_sent.saturating_add(tokens));
    }

    /// Bytes of an answer's body were handed to the connection.
    pub fn sent_bytes(&self, bytes: usize) {
        self.books.totals.bytes_sent.fetch_add(bytes as u64, Relaxed);
    }

    /// Usage was handed to the connection.
    pub fn reported(&self, billed: &Billed) {
        let totals = &self.books.totals;
        totals.reported.fetch_add(1, Relaxed);
        totals.reported_input_tokens.fetch_add(billed.input(), Relaxed);
        totals.reported_output_tokens.fetch_add(billed.output(), Relaxed);
        self.note(|entry| entry.reported = Some(entry.reported.unwrap_or_default().plus(billed)));
    }

    /// The answer's last byte is about to be handed to the connection, or the provider breaks it off. Counted now,
    /// so that whoever has read the last byte finds it in the books.
    pub fn end(&mut self, outcome: Outcome) {
        if self.outcome != Outcome::Open {
            return;
        }
        self.outcome = outcome;
        let totals = &self.books.totals;
        let total = match outcome {
            Outcome::Open | Outcome::Aborted => &totals.aborted,
            Outcome::Completed => &totals.completed,
            Outcome::Broken => &totals.broken,
        };
        let took = micros(self.since.elapsed());
        self.note(|entry| {
            entry.outcome = outcome;
            entry.ended_after_us = Some(took);
        });
        total.fetch_add(1, Relaxed);
        totals.open.fetch_sub(1, Relaxed);
        if self.streams {
            totals.open_streams.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.end(Outcome::Aborted);
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
