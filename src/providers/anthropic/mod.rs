//! Anthropic's API: messages and the counting of tokens. Clients of other dialects are translated by `codec`.

pub(super) mod codec;
pub(super) mod refused;
mod settings;
pub(super) mod stream;
mod usage;
pub(super) mod whole;

#[cfg(test)]
mod tests;

use super::cap::{self, CapField};
use super::mask::Key;
use super::rename::rename;
use super::{
    Endpoint, Garbage, OutputText, Provider, Reading, RefusalKind, StreamReader, codec::Codec, failure, passed,
};
use crate::{
    config::{self, ConfigError},
    model::{Api, Ask, Dialect, Edits},
};
use bytes::Bytes;
use codec::Messages;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::borrow::Cow;
use std::fmt;

/// Makes a provider of kind `anthropic`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    settings::read(provider).map(|anthropic| Box::new(anthropic) as Box<dyn Provider>)
}

/// An account at Anthropic, or a server that speaks its API.
struct Anthropic {
    key: Key,
    codec: Messages,
    endpoint: Endpoint,
    messages: String,
    count_tokens: String,
    /// `x-api-key`.
    credential: Option<HeaderValue>,
    /// Sent when the client sends none.
    version: HeaderValue,
}

impl fmt::Debug for Anthropic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Anthropic").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// The client's headers that go up, all values of `anthropic-beta` among them.
static PASSED: [HeaderName; 3] = [VERSION, HeaderName::from_static("anthropic-beta"), header::USER_AGENT];

impl Provider for Anthropic {
    fn kind(&self) -> &'static str {
        "anthropic"
    }

    fn speaks(&self, api: Api) -> bool {
        matches!(api, Api::Messages | Api::CountTokens)
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// <https://platform.claude.com/docs/en/api/models>.
    fn models_path(&self) -> Option<String> {
        self.messages.strip_suffix("/messages").map(|base| format!("{base}/models"))
    }

    fn path(&self, api: Api, _model: &str, _stream: bool) -> Cow<'_, str> {
        Cow::Borrowed(match api {
            Api::CountTokens => &self.count_tokens,
            _ => &self.messages,
        })
    }

    fn codec(&self) -> Option<&dyn Codec> {
        Some(&self.codec)
    }

    fn codec_path(&self, _model: &str, _stream: bool) -> Cow<'_, str> {
        Cow::Borrowed(&self.messages)
    }

    fn edits(&self, ask: &Ask, target_model: &Bytes, cap: Option<u64>) -> Edits {
        let mut edits = Edits::new();
        rename(ask, target_model, &mut edits);
        if let (Some(cap), Api::Messages) = (cap, ask.api) {
            cap::write(&ask.caps, cap, CapField::Older, false, &mut edits);
        }
        edits
    }

    fn headers(&self, api: Api, client: &HeaderMap, head: &mut HeaderMap) {
        passed::pass_own(api.dialect() == Dialect::Anthropic, client, head, &PASSED);
        if !head.contains_key(&VERSION) {
            head.insert(VERSION, self.version.clone());
        }
        if let Some(credential) = &self.credential {
            head.insert(API_KEY, credential.clone());
        }
    }

    fn stream_reader(&self, _api: Api, _hide_usage: bool) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::new(self.key.clone()))
    }

    fn read_whole(&self, api: Api, body: &[u8]) -> Result<Reading, Garbage> {
        whole::read(api, body)
    }

    fn output_of_whole(&self, api: Api, body: &[u8]) -> OutputText {
        match api {
            Api::Messages => whole::output(body),
            _ => OutputText::default(),
        }
    }

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
