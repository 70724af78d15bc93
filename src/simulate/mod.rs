//! A simulated provider: the wire formats of OpenAI, Anthropic, Gemini, Vertex, Bedrock, Cohere, Voyage and Jina over
//! real sockets, for demos, tests and load tests.
//!
//! It is written from the providers' public references and not from this crate's own codecs, so that one
//! misunderstanding cannot hide in both; the providers' official SDKs judge it (`tests/sdk/python/test_simulate.py`).
//! It may use `model` and `sse` and nothing else of the crate.
//!
//! # Calls
//!
//! Any model's name is taken. `GET /_simulate/stats` and `/_simulate/requests` show its books.
//!
//! - Conversations: `POST /v1/chat/completions`, `/v1/completions`, `/v1/responses`, `/v1/messages`,
//!   `/v1/messages/count_tokens`; `/v1beta/models/{model}:generateContent` and `…:streamGenerateContent?alt=sse` (both
//!   also under `/v1`); Mistral's `/mistral/v1/chat/completions`; `/model/{modelId}/converse` and `…/converse-stream`; Cohere's `/v2/chat`; below
//!   `/v1/projects/{p}/locations/{l}/publishers` Vertex' `google/models/{model}:generateContent` (and the stream) and
//!   `anthropic/models/{model}:rawPredict`, `…:streamRawPredict` and `anthropic/models/count-tokens:rawPredict`.
//! - Vectors: `/v1/embeddings`, Cohere's `/v2/embed`, Gemini's `:embedContent` and `:batchEmbedContents`, Vertex'
//!   `:predict`, Bedrock's `/model/{modelId}/invoke` (Titan, Cohere), `/voyage/v1/embeddings`, `/jina/v1/embeddings`.
//!   The last two stand below a prefix, since their paths are OpenAI's: it ends a target's `base_url`. A text has the
//!   same direction everywhere.
//! - Reranking: Cohere's `/v2/rerank`, `/voyage/v1/rerank`, `/jina/v1/rerank` and the same as `/v1/rerank`, Bedrock's
//!   InvokeModel. A document's score is the share of the query's words that it has.
//! - `/v1/moderations` (flags what has the word "violence"), `/v1/images/generations`, `/edits`, `/variations` (a PNG of
//!   8 by 8 pixels each), `/v1/audio/speech` (a tenth of a second for four characters), `/v1/audio/transcriptions` and
//!   `/translations`; pictures, speech and transcriptions also as streams.
//! - `/v1/files` and `/v1/batches`, in memory and bounded; a batch is answered by the simulated model itself.
//! - `GET /v1/realtime?model=…`, a websocket (HTTP/1.1).
//! - `GET /v1/models`, `/v1/models/{id}`, and the same under `/v1beta`.
//! - `POST /token` and `GET /computeMetadata/v1/instance/service-accounts/default/token`: Google's access tokens; of an
//!   assertion all is checked but the signature.
//!
//! Requests are refused where the provider's reference says so: Cohere, Mistral, Voyage, Jina, Gemini's embeddings, Bedrock's
//! InvokeModel and OpenAI's media calls know their members and take no other.
//!
//! A tool is called when the request forces it, or when the user's last words contain "call the tool": its arguments
//! are the simplest that its schema allows, and the turn after its result is text. In the formats of OpenAI and Anthropic
//! these words may go on with a tool's name and its arguments, `call the tool NAME with {"a":1}`, so that an agent can be
//! made to run a real tool. Structured output is the simplest
//! that its schema allows. Gemini tells its thoughts if `includeThoughts` is set, Bedrock if
//! `additionalModelRequestFields.thinking` is, Cohere unless `thinking` is disabled, all if the knob `reasoning` is above
//! 0.
//!
//! Gemini, Bedrock and Cohere refuse conversations whose turns are in an order that the real ones refuse (see `turns`).
//!
//! # How it counts
//!
//! Input: the characters of all text (see `question`), divided by four and rounded up, at least 1; cached and
//! cache-write figures come on top. Output: the number of pieces sent; a piece is a word, or four characters of
//! JSON. Reasoning comes on top. A request's own cap (`max_tokens` …) ends the answer early.
//!
//! # Knobs
//!
//! Flags of `weighbridge simulate` set them for all requests. One request sets its own by its model's name
//! (`sim-small?first_token=2s&tps=50`), and, stronger, by a header (`x-simulate: error=429,retry_after=7`). Pairs
//! are separated by `,` or `&`. A wrong one is answered with 400 that names it. In a path the name is percent-encoded
//! (`/v1beta/models/gemini%3Ferror=503%26retry_after=7:generateContent`).
//!
//! | flag | per request | meaning | default |
//! | --- | --- | --- | --- |
//! | `--latency` | `latency` | wait before the response header | `0ms` |
//! | `--first-token` | `first_token` | wait from the header to the first output; before the header of an answer that is not streamed | `0ms` |
//! | `--tokens-per-second` | `tps`, `tokens_per_second` | pace after the first chunk, per choice; 0: none | `0` |
//! | `--output-tokens` | `output`, `output_tokens` | length of an answer (a tool's arguments have their own) | `32` |
//! | `--chunk-tokens` | `chunk`, `chunk_tokens` | tokens in one event | `1` |
//! | `--split-bytes` | `split`, `split_bytes` | cut the stream every N bytes | off |
//! | `--error-rate` | `error_rate` | share of requests that fail, chosen by the seed | `0` |
//! | `--error-status` | `error_status` | their status, and the kind of errors within streams | `503` |
//! | | `error` | this request fails with this status | |
//! | `--fault` | `fault` (this request fails so) | how the requests fail: `status`, `reset` (closed without a word), `stall`, `html` (a page, with 200), `garbage` (200 and no answer), `redirect` | `status` |
//! | `--stall-after` | `stall`, `stall_after` | silence after N chunks, the connection stays open; an answer that is not streamed stops half-way, whatever N | off |
//! | `--cut-after` | `cut`, `cut_after` | the connection (h2: the stream) is reset after N chunks; otherwise as above | off |
//! | `--error-after` | `error_after` | streams: an error event after N chunks, then the end; 0: after the opening events, before any output | off |
//! | `--no-usage` | `no_usage=yes` | no usage is reported, although asked | off |
//! | `--crlf` | `crlf=yes` | lines end with CRLF; Gemini's always do, Bedrock has none | off |
//! | `--retry-after` | `retry_after` | header of errors, in seconds | off |
//! | `--seed` | `seed` | chooses words and failures | `0` |
//! | `--cached` | `cached` | input tokens read from a cache | `0` |
//! | `--cache-write` | `cache_write` | input tokens written to a cache (Anthropic, Bedrock: 5 minutes; OpenAI: 30; Gemini has none) | `0` |
//! | `--cache-write-1h` | `cache_write_1h` | input tokens written to a cache for longer (Anthropic, Bedrock: 1 hour; OpenAI: 12; Gemini has none) | `0` |
//! | `--reasoning` | `reasoning` | output tokens spent on reasoning | `0` |
//! | `--batch-time` | `batch_time` | how long a batch is in progress | `0ms` |
//! | `--api-key` | | requests without this key get 401 (Gemini, Bedrock: 403); Bedrock's is a Bearer token or the access key id of a signature, of which nothing else is checked; without any it answers 403 always, as Cohere, Vertex and realtime answer 401; Vertex takes the tokens that `/token` gave, too | any key |
//! | `--record` | | requests kept for inspection | `10000` |
//!
//! A chunk is one event of output (of each choice), a tenth of a second of sound or a picture that comes early; opening
//! and closing events are none. Gemini sends a function's
//! arguments in one part, which is one chunk. Bedrock's error within a stream is a `modelStreamErrorException` that
//! tells the status, but for the statuses 400, 429 and 500, which have exceptions of their own.

mod answer;
mod failure;
mod anthropic;
mod auth;
mod bedrock;
mod cohere;
mod form;
mod gemini;
mod knobs;
mod mistral;
mod models;
mod order;
mod openai;
mod picture;
mod question;
mod realtime;
mod record;
mod refusal;
mod script;
mod serve;
mod server;
mod services;
mod shelf;
mod sound;
mod stream;
mod target;
mod thinking;
mod token;
mod turns;
#[cfg(test)]
mod tests;

pub use answer::Billed;
pub use failure::Failure;
pub use knobs::{BadKnob, Knobs};
pub use record::{Outcome, Recorded, Stats};
pub use server::{TlsSetup, tls_config};

use record::Books;
use serve::Provider;
use server::Owned;
use shelf::Shelf;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;

/// A simulated provider that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Simulator {
    /// Where it listens; the port is the real one, also if 0 was asked for.
    pub addr: SocketAddr,
    books: Arc<Books>,
    stop: watch::Sender<bool>,
    /// Holds one task, the listener; it owns the connections. Dropping the set ends them all at once.
    listener: JoinSet<()>,
}

impl Simulator {
    /// Starts on the current tokio runtime, in clear: HTTP/1.1 and h2c.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start(listen: SocketAddr, knobs: Knobs) -> io::Result<Self> {
        Self::start_with(listen, knobs, None).await
    }

    /// Starts with TLS (see [`tls_config`]).
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start_tls(listen: SocketAddr, knobs: Knobs, tls: Arc<ServerConfig>) -> io::Result<Self> {
        Self::start_with(listen, knobs, Some(tls)).await
    }

    async fn start_with(listen: SocketAddr, knobs: Knobs, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let socket = server::bind(listen).await?;
        let addr = socket.local_addr()?;
        let books = Arc::new(Books::new(knobs.record));
        let provider = Arc::new(Provider {
            knobs: Arc::new(knobs),
            books: Arc::clone(&books),
            shelf: Shelf::default(),
            sessions: Owned::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let mut listener = JoinSet::new();
        listener.spawn(server::run(socket, tls, provider, stopped));
        Ok(Self { addr, books, stop, listener })
    }

    /// Totals since the start.
    pub fn stats(&self) -> Stats {
        self.books.stats()
    }

    /// The last requests, oldest first.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.books.recorded()
    }

    /// Stops listening and ends open connections, within a third of a second.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.listener.join_next().await.is_some() {}
    }
}
