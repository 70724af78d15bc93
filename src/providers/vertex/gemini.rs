//! Gemini at Vertex
//! (<https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>).

use super::account::Account;
use super::claude::Claude;
use super::{Publisher, publisher};
use crate::{
    model::{Api, Ask, Dialect, Edits},
    providers::{
        Endpoint, Garbage, OutputText, Provider, Reading, RefusalKind, SignFault, StreamReader, cap,
        codec::{Codec, Meter, Metered},
        failure,
        feed::Feed,
        gemini::{
            codec::{Generate, unwrapped},
            refusal,
        },
        mask::Key,
        passed,
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header, request::Parts};
use std::borrow::Cow;
use std::sync::Arc;

/// The account, as it is for Gemini.
#[derive(Debug)]
pub(super) struct Gemini {
    account: Arc<Account>,
    codec: Generate,
}

impl Gemini {
    pub(super) fn new(account: Arc<Account>) -> Self {
        // Tokens come and go: they are masked by how they begin.
        Self { account, codec: Generate::at_vertex(Key::new(None)) }
    }
}

/// The client's headers that go up.
static PASSED: [HeaderName; 2] = [HeaderName::from_static("x-goog-api-client"), header::USER_AGENT];

impl Provider for Gemini {
    fn kind(&self) -> &'static str {
        "vertex"
    }

    fn speaks(&self, api: Api) -> bool {
        api == Api::Generate
    }

    fn endpoint(&self) -> &Endpoint {
        &self.account.endpoint
    }

    fn for_model(&self, model: &str) -> Result<Option<Arc<dyn Provider>>, String> {
        Ok(match publisher(model)?.0 {
            Publisher::Google => None,
            Publisher::Anthropic => Some(Arc::new(Claude::new(Arc::clone(&self.account)))),
        })
    }

    fn feed(&self) -> Option<Arc<dyn Feed>> {
        Some(Arc::clone(&self.account.feed))
    }

    fn path(&self, _api: Api, model: &str, stream: bool) -> Cow<'_, str> {
        self.codec_path(model, stream)
    }

    fn takes_query(&self) -> bool {
        false
    }

    fn codec(&self) -> Option<&dyn Codec> {
        Some(&self.codec)
    }

    fn codec_path(&self, model: &str, stream: bool) -> Cow<'_, str> {
        let call = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        let name = publisher(model).map_or(model, |(_, name)| name);
        Cow::Owned(match name.starts_with("endpoints/") {
            true => self.account.path(name, call),
            false => self.account.path(&format!("publishers/google/models/{name}"), call),
        })
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
    }

    fn ready(&self, now_us: u64) -> Result<(), SignFault> {
        self.account.ready(now_us).map(|_| ())
    }

    fn sign(&self, head: &mut Parts, _body: &[u8], now_us: u64) -> Result<(), SignFault> {
        self.account.prove(&mut head.headers, now_us)
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
        failure::message(unwrapped(body), &self.account.key())
    }

    fn refusal(&self, _status: u16, body: &[u8]) -> Option<RefusalKind> {
        refusal::MARKS.find(body)
    }

    fn masked(&self, text: &str) -> String {
        self.account.key().mask(text)
    }
}
