//! Google's Gemini API: `generateContent`. Clients of other dialects are translated by `codec`.
//!
//! Reference: <https://ai.google.dev/api/generate-content>. The model stands in the path, not in the body.

pub(super) mod codec;
pub(super) mod refusal;
mod settings;
pub(super) mod usage;
mod vectors;

#[cfg(test)]
mod tests;

use super::mask::Key;
use super::{
    Endpoint, Garbage, OutputText, Provider, Reading, RefusalKind, StreamReader, cap,
    codec::{Codec, Meter, Metered},
    failure, passed,
    retrieval::Embedder,
};
use crate::{
    config::{self, ConfigError},
    model::{Api, Ask, Dialect, Edits},
};
use bytes::Bytes;
use codec::Generate;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::borrow::Cow;
use std::fmt;

/// Makes a provider of kind `gemini`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    settings::read(provider).map(|gemini| Box::new(gemini) as Box<dyn Provider>)
}

/// An account at Google, or a server that speaks its API.
struct Gemini {
    key: Key,
    codec: Generate,
    endpoint: Endpoint,
    /// `x-goog-api-key`.
    credential: Option<HeaderValue>,
}

impl fmt::Debug for Gemini {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Gemini").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

const API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// The client's headers that go up.
static PASSED: [HeaderName; 2] = [HeaderName::from_static("x-goog-api-client"), header::USER_AGENT];

impl Provider for Gemini {
    fn kind(&self) -> &'static str {
        "gemini"
    }

    fn speaks(&self, api: Api) -> bool {
        api == Api::Generate
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// <https://ai.google.dev/api/rest/v1beta/models/list>.
    fn models_path(&self) -> Option<String> {
        self.codec_path("", false).split_once("/models/").map(|(base, _)| format!("{base}/models"))
    }

    fn path(&self, _api: Api, model: &str, stream: bool) -> Cow<'_, str> {
        self.codec_path(model, stream)
    }

    fn codec(&self) -> Option<&dyn Codec> {
        Some(&self.codec)
    }

    fn codec_path(&self, model: &str, stream: bool) -> Cow<'_, str> {
        let call = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        Cow::Owned(format!("{}/{}:{call}", self.endpoint.base_path, resource(model)))
    }

    fn embedder(&self, _model: &str) -> Option<&dyn Embedder> {
        Some(&vectors::BatchEmbed)
    }

    /// The model stands in the path.
    fn edits(&self, ask: &Ask, _target_model: &Bytes, cap: Option<u64>) -> Edits {
        let mut edits = Edits::new();
        if let Some(cap) = cap {
            cap::write_generation(&ask.caps, cap, &mut edits);
        }
        edits
    }

    fn headers(&self, api: Api, client: &HeaderMap, head: &mut HeaderMap) {
        passed::pass_own(api.dialect() == Dialect::Gemini, client, head, &PASSED);
        if let Some(credential) = &self.credential {
            head.insert(API_KEY, credential.clone());
        }
    }

    fn stream_reader(&self, _api: Api, _hide_usage: bool) -> Box<dyn StreamReader> {
        Box::new(Metered::new(self.codec.passing_decoder()))
    }

    fn read_whole(&self, _api: Api, body: &[u8]) -> Result<Reading, Garbage> {
        self.codec.read_passing(body, &mut |_| {})
    }

    fn output_of_whole(&self, _api: Api, body: &[u8]) -> OutputText {
        let mut meter = Meter::default();
        // What is no answer says nothing.
        let _ = self.codec.read_passing(body, &mut |event| meter.take(&event));
        meter.into_output()
    }

    fn error_message(&self, body: &[u8]) -> Option<String> {
        failure::message(codec::unwrapped(body), &self.key)
    }

    fn refusal_status(&self, status: u16, body: &[u8]) -> u16 {
        if refusal::is_of_the_key(body) { 401 } else { status }
    }

    fn refusal(&self, _status: u16, body: &[u8]) -> Option<RefusalKind> {
        refusal::MARKS.find(body)
    }

    fn masked(&self, text: &str) -> String {
        self.key.mask(text)
    }
}

/// A model's resource: `models/gemini-2.5-flash`, or as it stands where it names another kind (`tunedModels/x`).
fn resource(model: &str) -> String {
    let mut out = String::with_capacity(model.len() + 8);
    if !model.contains('/') {
        out.push_str("models/");
    }
    escape(model, &mut out);
    out
}

/// Appends `text`, and escapes what no path can hold.
pub(super) fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}
