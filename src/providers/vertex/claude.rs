//! Claude at Vertex: Anthropic's messages, but the path names the model and the body the version
//! (<https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>). Tokens are counted by a model of their
//! own, in some locations
//! (<https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/partner-models/claude/count-tokens>).

use super::account::Account;
use super::publisher;
use crate::{
    model::{Api, Ask, Dialect, Edits},
    providers::{
        Endpoint, Garbage, OutputText, Provider, Reading, RefusalKind, SignFault, StreamReader,
        anthropic::{
            codec::{Messages, VERTEX_VERSION},
            refused, stream, whole,
        },
        cap::{self, CapField},
        codec::Codec,
        failure,
        gemini::codec::unwrapped,
        mask::Key,
        passed,
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// The account, as it is for Claude.
#[derive(Debug)]
pub(super) struct Claude {
    account: Arc<Account>,
    codec: Messages,
}

impl Claude {
    pub(super) fn new(account: Arc<Account>) -> Self {
        // Tokens come and go: they are masked by how they begin.
        Self { account, codec: Messages::at_vertex(Key::new(None)) }
    }
}

/// What is beta is told by it. The version stands in the body.
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// The betas that go up: those that Anthropic's pages offer at Google Cloud by this header (extended thinking with tools,
/// context windows, context editing, compaction, computer use, fine-grained tool streaming). Any other one in the header
/// has the whole request refused: `Unexpected value(s) … for the anthropic-beta header`
/// (<https://github.com/anthropics/claude-agent-sdk-typescript/issues/307>).
const BETAS: [&str; 7] = [
    "interleaved-thinking-2025-05-14",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "compact-2026-01-12",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
];

/// Where tokens are counted (as the module's page says). Elsewhere the gateway does it.
const COUNTING: [&str; 3] = ["us-east5", "europe-west1", "asia-southeast1"];

/// The betas that `client` names, one by one: the header is a list, and may come several times.
fn betas(client: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = client.get_all(BETA).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|beta| !beta.is_empty())
}

/// Whether a beta goes up with `api`; where tokens are counted, none does.
fn takes(api: Api, beta: &str) -> bool {
    api == Api::Messages && BETAS.contains(&beta)
}

impl Provider for Claude {
    fn kind(&self) -> &'static str {
        "vertex"
    }

    fn speaks(&self, api: Api) -> bool {
        api == Api::Messages || (api == Api::CountTokens && COUNTING.contains(&self.account.location()))
    }

    fn endpoint(&self) -> &Endpoint {
        &self.account.endpoint
    }

    fn path(&self, api: Api, model: &str, stream: bool) -> Cow<'_, str> {
        match api {
            Api::CountTokens => Cow::Owned(self.account.path("publishers/anthropic/models/count-tokens", "rawPredict")),
            _ => self.codec_path(model, stream),
        }
    }

    /// `beta=true` would be refused as unknown; what is beta is told by `anthropic-beta`.
    fn takes_query(&self) -> bool {
        false
    }

    fn codec(&self) -> Option<&dyn Codec> {
        Some(&self.codec)
    }

    fn codec_path(&self, model: &str, stream: bool) -> Cow<'_, str> {
        let call = if stream { "streamRawPredict" } else { "rawPredict" };
        let name = publisher(model).map_or(model, |(_, name)| name);
        Cow::Owned(self.account.path(&format!("publishers/anthropic/models/{name}"), call))
    }

    fn edits(&self, ask: &Ask, target_model: &Bytes, cap: Option<u64>) -> Edits {
        let mut edits = Edits::new();
        let body = ask.body.as_slice();
        match (ask.api, names_a_version(body)) {
            (Api::CountTokens, named) => {
                let version = if named { String::new() } else { format!(r#","anthropic_version":"{VERTEX_VERSION}""#) };
                edits.replace(ask.model_span.range(), format!("{}{version}", counted(target_model)).into());
            }
            (_, false) => {
                let version = Bytes::from(format!(r#""anthropic_version":"{VERTEX_VERSION}""#));
                edits.replace(member(body, ask.model_span.range()), version);
            }
            (_, true) => edits.replace(with_its_comma(body, member(body, ask.model_span.range())), Bytes::new()),
        }
        if let (Some(cap), Api::Messages) = (cap, ask.api) {
            cap::write(&ask.caps, cap, CapField::Older, false, &mut edits);
        }
        edits
    }

    fn headers(&self, api: Api, client: &HeaderMap, head: &mut HeaderMap) {
        passed::pass(client, head, &[header::USER_AGENT]);
        let taken: Vec<_> = betas(client).filter(|beta| takes(api, beta)).collect();
        if let (false, Ok(value)) = (taken.is_empty(), HeaderValue::try_from(taken.join(","))) {
            head.insert(BETA, value);
        }
    }

    fn headers_cut(&self, api: Api, client: &HeaderMap) -> Vec<String> {
        if api.dialect() != Dialect::Anthropic {
            return Vec::new();
        }
        betas(client).filter(|beta| !takes(api, beta)).map(|beta| format!("{BETA}:{beta}")).collect()
    }

    fn ready(&self, now_us: u64) -> Result<(), SignFault> {
        self.account.ready(now_us).map(|_| ())
    }

    fn sign(&self, head: &mut Parts, _body: &[u8], now_us: u64) -> Result<(), SignFault> {
        self.account.prove(&mut head.headers, now_us)
    }

    fn stream_reader(&self, _api: Api, _hide_usage: bool) -> Box<dyn StreamReader> {
        Box::new(stream::Reader::new(self.account.key()))
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
        failure::message(unwrapped(body), &self.account.key())
    }

    fn refusal(&self, _status: u16, body: &[u8]) -> Option<RefusalKind> {
        refused::MARKS.find(body)
    }

    fn masked(&self, text: &str) -> String {
        self.account.key().mask(text)
    }
}

/// The target's model (JSON text) as it is named where tokens are counted: without the publisher and the version.
fn counted(target_model: &Bytes) -> String {
    let text = String::from_utf8_lossy(target_model).replacen("\"anthropic/", "\"", 1);
    text.split_once('@').map_or_else(|| text.clone(), |(name, _)| format!("{name}\""))
}

/// Whether the client names the version of Vertex itself, as one does that was written for it.
fn names_a_version(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(default)]
        anthropic_version: Option<serde::de::IgnoredAny>,
    }
    const NAME: &[u8] = b"\"anthropic_version\"";
    // The body is read whole only where the name stands in it, be it as the value of something.
    memchr::memmem::find(body, NAME).is_some()
        && serde_json::from_slice::<Named>(body).is_ok_and(|named| named.anthropic_version.is_some())
}

/// The member whose value is at `value`: with its name, which holds no quotes.
fn member(body: &[u8], value: Range<usize>) -> Range<usize> {
    let before = body.get(..value.start).unwrap_or_default();
    let start = memchr::memrchr(b'"', before).and_then(|close| memchr::memrchr(b'"', before.get(..close)?));
    start.unwrap_or(value.start)..value.end
}

/// A member with the comma behind it, or, where it is the last one, the one before it.
fn with_its_comma(body: &[u8], member: Range<usize>) -> Range<usize> {
    let behind = body.get(member.end..).unwrap_or_default();
    if let Some(at) = behind.iter().position(|byte| !byte.is_ascii_whitespace())
        && behind.get(at) == Some(&b',')
    {
        return member.start..member.end + at + 1;
    }
    let before = body.get(..member.start).unwrap_or_default();
    match before.iter().rposition(|byte| !byte.is_ascii_whitespace()) {
        Some(at) if before.get(at) == Some(&b',') => at..member.end,
        _ => member,
    }
}
