//! An account with a key at a provider that embeds and ranks and does not converse.

use super::{Embedder, Ranker};
use crate::{
    config::{self, ConfigError},
    model::{Api, Ask, Edits},
    providers::{
        Endpoint, Garbage, OutputText, Provider, Reading, Seen, StreamReader, endpoint::endpoint, failure, mask::Key,
        openai, passed, rename::rename,
    },
    sse::SseEvent,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::borrow::Cow;
use std::fmt;

/// What a kind is made of.
#[derive(Debug)]
pub(in crate::providers) struct Kind {
    /// Its name.
    pub(in crate::providers) name: &'static str,
    /// Where it lives, unless the file says otherwise.
    pub(in crate::providers) base_url: &'static str,
    /// The version of its API, which a `base_url` may leave out: `/v1`.
    pub(in crate::providers) version: &'static str,
    /// What embeds.
    pub(in crate::providers) embedder: &'static dyn Embedder,
    /// What ranks, if that is translated.
    pub(in crate::providers) ranker: Option<&'static dyn Ranker>,
    /// It ranks as clients ask for it: requests pass.
    pub(in crate::providers) ranks_as_asked: bool,
}

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    api_key: Option<String>,
    #[serde(default)]
    base_url: Option<String>,
}

/// Makes a provider of `kind`.
///
/// # Errors
///
/// When a setting is wrong.
pub(in crate::providers) fn build(
    kind: &'static Kind,
    provider: &config::Provider,
) -> Result<Box<dyn Provider>, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let base_url = settings.base_url.as_deref().unwrap_or(kind.base_url);
    let mut endpoint = endpoint(base_url).map_err(|why| section.error("base_url", why))?;
    if !endpoint.base_path.ends_with(kind.version) {
        endpoint.base_path = format!("{}{}", endpoint.base_path, kind.version).into();
    }
    let key = Key::new(settings.api_key);
    let bad = |_| section.error("api_key", "holds characters that no HTTP header can carry".to_owned());
    let credential = key.header("Bearer ").map_err(bad)?;
    let rerank = format!("{}/{}", endpoint.base_path, Api::Rerank.path());
    Ok(Box::new(Account { kind, key, endpoint, credential, rerank }))
}

struct Account {
    kind: &'static Kind,
    key: Key,
    endpoint: Endpoint,
    credential: Option<HeaderValue>,
    /// Where reranking stands that passes.
    rerank: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Account")
            .field("kind", &self.kind.name)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The client's headers that go up.
static PASSED: [HeaderName; 1] = [header::USER_AGENT];

impl Provider for Account {
    fn kind(&self) -> &'static str {
        self.kind.name
    }

    fn speaks(&self, api: Api) -> bool {
        api == Api::Rerank && self.kind.ranks_as_asked
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn path(&self, _api: Api, _model: &str, _stream: bool) -> Cow<'_, str> {
        Cow::Borrowed(&self.rerank)
    }

    fn embedder(&self, _model: &str) -> Option<&dyn Embedder> {
        Some(self.kind.embedder)
    }

    fn ranker(&self, _model: &str) -> Option<&dyn Ranker> {
        self.kind.ranker
    }

    fn edits(&self, ask: &Ask, target_model: &Bytes, _cap: Option<u64>) -> Edits {
        let mut edits = Edits::new();
        rename(ask, target_model, &mut edits);
        edits
    }

    fn headers(&self, _api: Api, client: &HeaderMap, head: &mut HeaderMap) {
        passed::pass(client, head, &PASSED);
        if let Some(credential) = &self.credential {
            head.insert(header::AUTHORIZATION, credential.clone());
        }
    }

    fn stream_reader(&self, api: Api, _hide_usage: bool) -> Box<dyn StreamReader> {
        Box::new(NoStream { api, reading: Reading::default(), output: OutputText::default() })
    }

    fn read_whole(&self, api: Api, body: &[u8]) -> Result<Reading, Garbage> {
        openai::whole::read(api, body)
    }

    fn output_of_whole(&self, _api: Api, _body: &[u8]) -> OutputText {
        OutputText::default()
    }

    fn error_message(&self, body: &[u8]) -> Option<String> {
        failure::message(body, &self.key)
    }

    fn masked(&self, text: &str) -> String {
        self.key.mask(text)
    }
}

/// Nothing that is asked here is answered by a stream.
struct NoStream {
    api: Api,
    reading: Reading,
    output: OutputText,
}

impl StreamReader for NoStream {
    fn event(&mut self, _event: &SseEvent) -> Seen {
        Seen::Garbage(super::read::garbage(self.api, "it is a stream"))
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    fn output(&self) -> &OutputText {
        &self.output
    }
}
