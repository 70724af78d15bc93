//! Cohere's own API, version 2 (<https://docs.cohere.com/reference/about>). Everything is translated; no client speaks
//! it: chat by `codec`, embeddings and reranking by `vectors`.

mod codec;
mod refused;
mod settings;
mod usage;
pub(super) mod vectors;

#[cfg(test)]
mod tests;

use super::codec::{Codec, Meter, Metered};
use super::mask::Key;
use super::retrieval::{Embedder, Ranker};
use super::{Endpoint, Garbage, OutputText, Provider, Reading, RefusalKind, StreamReader, failure, passed};
use crate::{
    config::{self, ConfigError},
    model::{Api, Ask, Edits},
};
use bytes::Bytes;
use codec::Chat;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::borrow::Cow;
use std::fmt;

/// Makes a provider of kind `cohere`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    settings::read(provider).map(|cohere| Box::new(cohere) as Box<dyn Provider>)
}

/// An account at Cohere, or a private deployment.
struct Cohere {
    key: Key,
    codec: Chat,
    /// Its path ends with the version: every call stands below it.
    endpoint: Endpoint,
    /// `Authorization`.
    credential: Option<HeaderValue>,
}

impl fmt::Debug for Cohere {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Cohere").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The client's headers that go up.
static PASSED: [HeaderName; 1] = [header::USER_AGENT];

impl Provider for Cohere {
    fn kind(&self) -> &'static str {
        "cohere"
    }

    fn speaks(&self, _api: Api) -> bool {
        false
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Never called: no API is spoken.
    fn path(&self, _api: Api, _model: &str, _stream: bool) -> Cow<'_, str> {
        Cow::Borrowed("/")
    }

    fn codec(&self) -> Option<&dyn Codec> {
        Some(&self.codec)
    }

    fn codec_path(&self, _model: &str, _stream: bool) -> Cow<'_, str> {
        Cow::Owned(format!("{}/chat", self.endpoint.base_path))
    }

    fn embedder(&self, _model: &str) -> Option<&dyn Embedder> {
        Some(&vectors::EMBED)
    }

    fn ranker(&self, _model: &str) -> Option<&dyn Ranker> {
        Some(&vectors::RERANK)
    }

    /// Never called: no body is passed through.
    fn edits(&self, _ask: &Ask, _target_model: &Bytes, _cap: Option<u64>) -> Edits {
        Edits::new()
    }

    fn headers(&self, _api: Api, client: &HeaderMap, head: &mut HeaderMap) {
        passed::pass(client, head, &PASSED);
        if let Some(credential) = &self.credential {
            head.insert(header::AUTHORIZATION, credential.clone());
        }
    }

    fn stream_reader(&self, _api: Api, _hide_usage: bool) -> Box<dyn StreamReader> {
        Box::new(Metered::new(self.codec.decoder()))
    }

    fn read_whole(&self, _api: Api, body: &[u8]) -> Result<Reading, Garbage> {
        self.codec.decode_whole(body, &mut |_| {})
    }

    fn output_of_whole(&self, _api: Api, body: &[u8]) -> OutputText {
        let mut meter = Meter::default();
        // What is no answer says nothing.
        let _ = self.codec.decode_whole(body, &mut |event| meter.take(&event));
        meter.into_output()
    }

    /// `{"message": "…"}` (<https://docs.cohere.com/reference/errors>).
    fn error_message(&self, body: &[u8]) -> Option<String> {
        failure::message(body, &self.key)
    }

    fn refusal(&self, _status: u16, body: &[u8]) -> Option<RefusalKind> {
        refused::MARKS.find(body)
    }

    fn masked(&self, text: &str) -> String {
        self.key.mask(text)
    }
}
