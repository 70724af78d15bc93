//! Amazon Bedrock: models of many makers behind one API, Converse; those that embed and rank have each their own behind
//! InvokeModel. Everything is translated; no client speaks it.

mod chain;
mod codec;
mod credentials;
mod fetched;
mod metadata;
mod refused;
mod settings;
mod sign;
mod usage;
mod vectors;
mod web_identity;

#[cfg(test)]
mod tests;

use super::codec::{Codec, Meter, Metered};
use super::{
    Endpoint, Garbage, OutputText, Provider, Reading, RefusalKind, SignFault, StreamReader,
    feed::Feed,
    passed,
    retrieval::{Embedder, Ranker},
};
use crate::{
    config::{self, ConfigError},
    model::{Api, Ask, Edits},
};
use bytes::Bytes;
use codec::Converse;
use credentials::Credentials;
use http::{HeaderMap, HeaderName, header, request::Parts};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Makes a provider of kind `bedrock`.
///
/// # Errors
///
/// When a setting is wrong, or there are no credentials.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    settings::read(provider).map(|bedrock| Box::new(bedrock) as Box<dyn Provider>)
}

/// An account at AWS, in one region.
struct Bedrock {
    endpoint: Endpoint,
    region: String,
    credentials: Arc<Credentials>,
    codec: Converse,
    /// What fetches the credentials, where they are not at hand.
    feed: Option<Arc<dyn Feed>>,
}

impl fmt::Debug for Bedrock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Bedrock").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The client's headers that go up.
static PASSED: [HeaderName; 1] = [header::USER_AGENT];

/// The service's name where requests are signed; its host is called otherwise.
const SERVICE: &str = "bedrock";

impl Provider for Bedrock {
    fn kind(&self) -> &'static str {
        "bedrock"
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

    fn feed(&self) -> Option<Arc<dyn Feed>> {
        self.feed.clone()
    }

    fn codec(&self) -> Option<&dyn Codec> {
        Some(&self.codec)
    }

    /// An id may be an ARN, with colons and slashes, which are data here.
    fn codec_path(&self, model: &str, stream: bool) -> Cow<'_, str> {
        let mut path = format!("{}/model/", self.endpoint.base_path);
        sign::encode(model, &mut path);
        path.push_str(if stream { "/converse-stream" } else { "/converse" });
        Cow::Owned(path)
    }

    fn embedder(&self, model: &str) -> Option<&dyn Embedder> {
        vectors::embedder(model)
    }

    fn ranker(&self, model: &str) -> Option<&dyn Ranker> {
        vectors::ranker(model)
    }

    /// Never called: no body is passed through.
    fn edits(&self, _ask: &Ask, _target_model: &Bytes, _cap: Option<u64>) -> Edits {
        Edits::new()
    }

    fn headers(&self, _api: Api, client: &HeaderMap, head: &mut HeaderMap) {
        passed::pass(client, head, &PASSED);
        if let Credentials::Bearer { header, .. } = &*self.credentials {
            head.insert(header::AUTHORIZATION, header.clone());
        }
    }

    fn ready(&self, now_us: u64) -> Result<(), SignFault> {
        self.credentials.keys(now_us).map(|_| ())
    }

    fn sign(&self, head: &mut Parts, body: &[u8], now_us: u64) -> Result<(), SignFault> {
        let Some(keys) = self.credentials.keys(now_us)? else { return Ok(()) };
        let scope = sign::Scope { region: &self.region, service: SERVICE };
        sign::sign(&keys, scope, &self.endpoint.authority, head, body, now_us)
    }

    fn stream_reader(&self, _api: Api, _hide_usage: bool) -> Box<dyn StreamReader> {
        Box::new(Metered::new(self.codec.decoder()))
    }

    fn read_whole(&self, _api: Api, body: &[u8]) -> Result<Reading, Garbage> {
        self.codec.decode_whole(body, &mut |_| {})
    }

    fn output_of_whole(&self, _api: Api, body: &[u8]) -> OutputText {
        let mut meter = Meter::default();
        // What is no answer has no text.
        let _ = self.codec.decode_whole(body, &mut |event| meter.take(&event));
        meter.output().clone()
    }

    fn error_message(&self, body: &[u8]) -> Option<String> {
        codec::message(body, &self.credentials)
    }

    fn refusal(&self, _status: u16, body: &[u8]) -> Option<RefusalKind> {
        refused::MARKS.find(body)
    }

    fn masked(&self, text: &str) -> String {
        self.credentials.mask(text)
    }
}
