//! Upstream APIs: what goes up, and what an answer says. One folder per API, one row in [`PROVIDERS`].
//!
//! A provider translates and reads; it opens no connection and knows nothing of Pingora. Clients of its own dialect are
//! passed through byte for byte; for others its [`codec::Codec`] translates.

pub mod anthropic;
pub mod azure;
pub mod bedrock;
pub mod cohere;
pub mod gemini;
pub mod jina;
pub mod mistral;
pub mod openai;
pub mod vertex;
pub mod voyage;
mod cap;
#[cfg(test)]
mod carried;
pub mod batch;
pub mod codec;
mod endpoint;
mod failure;
#[cfg(test)]
mod fake;
pub mod feed;
mod lenient;
mod likeness;
mod mask;
mod refused;
mod passed;
mod rename;
pub mod retrieval;
pub mod session;

pub use refused::RefusalKind;

use crate::config;
use crate::model::{Api, Ask, Edits, ServiceTier, Usage};
use crate::sse::SseEvent;
use batch::BatchReading;
use bytes::Bytes;
use codec::Codec;
use feed::Feed;
use http::HeaderMap;
use retrieval::{Embedder, Ranker};
use session::SessionReader;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One configured upstream account of some kind.
pub trait Provider: Send + Sync + fmt::Debug {
    /// The kind's name in config, logs and metric labels; never renamed.
    fn kind(&self) -> &'static str;

    /// Whether this kind serves `api`.
    fn speaks(&self, api: Api) -> bool;

    /// Whether it takes `ask`, of a call that it speaks, as it is; else the request is translated, if that is possible.
    fn takes(&self, _ask: &Ask) -> bool {
        true
    }

    /// Where it lives.
    fn endpoint(&self) -> &Endpoint;

    /// The same account as it is for `model`, where its models speak several APIs; `None`: as for all others.
    ///
    /// # Errors
    ///
    /// Why no API is known for it, for who configured the model.
    fn for_model(&self, _model: &str) -> Result<Option<Arc<dyn Provider>>, String> {
        Ok(None)
    }

    /// What fetches its credentials, if they are not fixed. Somebody must run it, or there are never any.
    fn feed(&self) -> Option<Arc<dyn Feed>> {
        None
    }

    /// Path and query of `api` for `model` there, beginning with `/`.
    fn path(&self, api: Api, model: &str, stream: bool) -> Cow<'_, str>;

    /// Path of its list of models, beginning with `/`, for who looks whether it lives; `None`: it has none.
    fn models_path(&self) -> Option<String> {
        None
    }

    /// Whether the query with which a client marks calls of beta features (`beta=true`) goes up too.
    fn takes_query(&self) -> bool {
        true
    }

    /// Translates for clients of other dialects; `None`: this kind speaks to its own only.
    fn codec(&self) -> Option<&dyn Codec> {
        None
    }

    /// Path and query of a translated request for `model`, beginning with `/`.
    fn codec_path(&self, _model: &str, _stream: bool) -> Cow<'_, str> {
        Cow::Borrowed("/")
    }

    /// Translates embeddings for `model`; `None`: it has none, or they pass.
    fn embedder(&self, _model: &str) -> Option<&dyn Embedder> {
        None
    }

    /// Translates reranking for `model`; `None`: it does not rank, or requests pass.
    fn ranker(&self, _model: &str) -> Option<&dyn Ranker> {
        None
    }

    /// What must change in the client's body: `model` becomes `target_model` (JSON text with its quotes), and
    /// usage is asked for. The body stands as it was sent. With `cap` the answer (each of them) has at most so many tokens: the client's own cap is
    /// lowered in place, or the member is inserted that this provider honours. Calls without output ignore it.
    fn edits(&self, ask: &Ask, target_model: &Bytes, cap: Option<u64>) -> Edits;

    /// Writes credentials, and those of the client's headers that may be passed on, into `head`. Host, framing,
    /// content type and accepted codings are the caller's.
    fn headers(&self, api: Api, client: &HeaderMap, head: &mut HeaderMap);

    /// What of the client's headers `headers` leaves out though it means something in this dialect, each as `NAME:VALUE`:
    /// the client is told.
    fn headers_cut(&self, _api: Api, _client: &HeaderMap) -> Vec<String> {
        Vec::new()
    }

    /// Whether there is something to prove with that we may call it; asked before a connection is made for an attempt.
    ///
    /// # Errors
    ///
    /// [`SignFault`] when there is nothing at `now_us` (microseconds since the Unix epoch).
    fn ready(&self, _now_us: u64) -> Result<(), SignFault> {
        Ok(())
    }

    /// Signs a request whose head (host, path, headers) and body are final, where the kind wants that. `now_us`:
    /// microseconds since the Unix epoch. Called once an attempt: a signature is good for minutes.
    ///
    /// # Errors
    ///
    /// [`SignFault`] when there is nothing to sign with; the caller takes the next target.
    fn sign(&self, _head: &mut http::request::Parts, _body: &[u8], _now_us: u64) -> Result<(), SignFault> {
        Ok(())
    }

    /// Reads one session; `None`: this kind has none.
    fn session_reader(&self) -> Option<Box<dyn SessionReader>> {
        None
    }

    /// Reads a batch ([`Api::Batches`]); `None`: it is none.
    fn read_batch(&self, _body: &[u8]) -> Option<BatchReading> {
        None
    }

    /// What the answer on one line of a batch's output used; `None`: it does not say.
    fn read_batch_line(&self, _line: &[u8]) -> Option<Usage> {
        None
    }

    /// Reads one stream. `hide_usage`: the client did not ask for what [`Provider::edits`] added.
    fn stream_reader(&self, api: Api, hide_usage: bool) -> Box<dyn StreamReader>;

    /// Reads an answer that came whole.
    ///
    /// # Errors
    ///
    /// [`Garbage`] when the body is not an answer of `api`; the caller treats the target as broken.
    fn read_whole(&self, api: Api, body: &[u8]) -> Result<Reading, Garbage>;

    /// The text that the model wrote in an answer that came whole (content, reasoning, tool arguments, all choices),
    /// to be counted where the answer reports no usage. Empty when `body` is no answer of `api`.
    fn output_of_whole(&self, api: Api, body: &[u8]) -> OutputText;

    /// The message of an error body, if it can be found, for records and for the client. Secrets of this provider
    /// are masked.
    fn error_message(&self, body: &[u8]) -> Option<String>;

    /// The status that a refusal (400, 413, 422) with this `body` stands for: where an API says by its body alone that
    /// the gateway's own credential is wrong, which is no fault of the client's.
    fn refusal_status(&self, status: u16, _body: &[u8]) -> u16 {
        status
    }

    /// What a refusal (400, 413, 422) with this `body` is about, where the API tells it; `None`: something else.
    fn refusal(&self, _status: u16, _body: &[u8]) -> Option<RefusalKind> {
        None
    }

    /// `text` (an error body that is passed on) without secrets of this provider, and without anything that looks like
    /// a key.
    fn masked(&self, text: &str) -> String;
}

/// Why a request cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignFault {
    /// No credentials were found yet.
    #[error("its credentials have not come yet; the gateway's log says what they wait for")]
    NoCredentials,
    /// The credentials are out of date and no new ones have come.
    #[error("its credentials have expired and cannot be renewed; the gateway's log says why")]
    Expired,
    /// Credentials or head hold what no header can carry.
    #[error("its credentials hold characters that no header can carry; correct them in the gateway's configuration")]
    Unwritable,
}

/// Where a provider lives; resolved asynchronously, never by Pingora.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// TLS or clear.
    pub tls: bool,
    /// Host name or address, without brackets: for DNS and SNI.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// As it stands in `Host` and `:authority`: the port is left out if it is the scheme's own.
    pub authority: Arc<str>,
    /// Path in front of every call, without a slash at its end: `/v1`, or empty.
    pub base_path: Arc<str>,
}

/// Reads the events of one stream, in order.
pub trait StreamReader: Send {
    /// Tells what `event` is.
    fn event(&mut self, event: &SseEvent) -> Seen;

    /// How many answers were asked for, each of which ends in an event of its own: of APIs that make pictures.
    fn awaits(&mut self, _answers: u64) {}

    /// What has been reported so far; cumulative figures are taken, not added up.
    fn reading(&self) -> &Reading;

    /// The output text seen so far (content, reasoning, tool arguments, all choices), for counting.
    fn output(&self) -> &OutputText;

    /// Whether the body may end here: of APIs without an end marker.
    fn may_end(&self) -> bool {
        false
    }

    /// The number that the next event would carry, where the API numbers its events (Responses); else 0.
    fn next_sequence(&self) -> u64 {
        0
    }
}

/// What an event of a stream is for the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Passed on, but no output: a role delta, a ping, `created`, an empty delta.
    Quiet {
        /// Bytes of the event's data to leave out: what the client did not ask for.
        strip: Option<Range<usize>>,
    },
    /// Carries output: text, reasoning, refusal, tool call, audio, or a finish reason.
    Output {
        /// Bytes of the event's data to leave out.
        strip: Option<Range<usize>>,
    },
    /// Not passed on: the usage chunk that the client did not ask for.
    Hidden,
    /// The dialect's end marker: with this event the answer is whole.
    End,
    /// The provider reports an error inside the stream.
    Error(UpstreamError),
    /// No event of this API: not JSON where JSON belongs.
    Garbage(Garbage),
}

/// What an answer reports of itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Tokens by disjoint class; `None` as long as the provider has not said (or its figures are no sane numbers).
    pub usage: Option<Usage>,
    /// What was reported where the output of a call that generates was left out or null: the input, final or not. `usage`
    /// is `None` then: no figure is not 0.
    pub partial: Option<Usage>,
    /// Whether `usage` is final: a stream may report input first and output later.
    pub complete: bool,
    /// The tier that was billed, if reported.
    pub tier: Option<ServiceTier>,
    /// Whether `usage` contradicts itself (a part larger than its whole); the parts were cut to fit.
    pub inconsistent: bool,
}

impl Reading {
    /// Whether any figures were reported.
    pub const fn has_figures(&self) -> bool {
        self.usage.is_some() || self.partial.is_some()
    }
}

/// The text of an answer as far as it was seen, bounded.
#[derive(Debug, Default, Clone)]
pub struct OutputText {
    text: String,
    /// Bytes beyond [`OutputText::CAP`], not kept.
    dropped: u64,
}

impl OutputText {
    /// Bytes kept per stream, some 64,000 tokens. What exceeds it is counted by its length, not by its tokens.
    pub const CAP: usize = 256 * 1024;

    /// Appends what one event carried.
    pub fn push(&mut self, piece: &str) {
        let length = self.text.len().saturating_add(piece.len());
        if length <= Self::CAP {
            if length > self.text.capacity() {
                // Doubled, as by itself, but never past the cap.
                let room = self.text.capacity().saturating_mul(2).clamp(length, Self::CAP);
                self.text.reserve_exact(room - self.text.len());
            }
            self.text.push_str(piece);
        } else {
            self.dropped = self.dropped.saturating_add(piece.len() as u64);
        }
    }

    /// The text that was kept.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Bytes of text that were not kept.
    pub const fn dropped_bytes(&self) -> u64 {
        self.dropped
    }

    /// All bytes of text seen.
    pub fn bytes(&self) -> u64 {
        (self.text.len() as u64).saturating_add(self.dropped)
    }
}

/// An error that a provider reported in the body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamError {
    /// Its HTTP status if it has one, or the status that its type stands for.
    pub status: u16,
    /// Its message, secrets masked.
    pub message: String,
}

/// An answer that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not what `{api}` returns: {why}")]
pub struct Garbage {
    /// The call.
    pub api: Api,
    /// What is wrong; never a piece of the body.
    pub why: String,
}

/// Makes a provider from its section of the configuration.
pub type Build = fn(&config::Provider) -> Result<Box<dyn Provider>, config::ConfigError>;

/// Every kind, by the name used in `kind:`.
pub const PROVIDERS: &[(&str, Build)] = &[
    ("openai", openai::build),
    ("azure", azure::build),
    ("anthropic", anthropic::build),
    ("gemini", gemini::build),
    ("bedrock", bedrock::build),
    ("mistral", mistral::build),
    ("cohere", cohere::build),
    ("vertex", vertex::build),
    ("voyage", voyage::build),
    ("jina", jina::build),
];
