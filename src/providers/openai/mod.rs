//! OpenAI's API, and all that speak it: vLLM, llama.cpp, Ollama, Groq, Mistral, DeepSeek, Together …
//!
//! Chat completions, completions, embeddings, responses, moderations, pictures, speech and transcription. Clients of other dialects are translated to chat
//! completions or to responses. Kinds that speak the same API elsewhere (`azure`, `mistral`) are made of this one with
//! paths, credentials and manners of their own.

mod batch;
pub(super) mod body;
pub(super) mod call_id;
mod chat;
pub(super) mod codec_chat;
pub(super) mod codec_responses;
mod media;
mod realtime;
mod refused;
mod responses;
pub(super) mod settings;
mod usage;
pub(super) mod whole;

#[cfg(test)]
pub(super) mod tests;

use super::batch::BatchReading;
use super::cap::{self, CapField};
use super::codec::Codec;
use super::mask::Key;
use super::rename::rename;
use super::retrieval::Embedder;
use super::session::SessionReader;
use super::{Endpoint, Garbage, OutputText, Provider, Reading, RefusalKind, StreamReader, failure, passed};
use crate::{
    config::{self, ConfigError},
    model::{Api, Ask, Dialect, Edits, IncludeUsage, Usage},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::borrow::Cow;
use std::fmt::{self, Write};

/// Makes a provider of kind `openai`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    settings::read(provider).map(|openai| Box::new(openai) as Box<dyn Provider>)
}

/// An account at OpenAI, or a server that speaks its API.
pub(super) struct OpenAi {
    /// The name of the kind.
    pub(super) kind: &'static str,
    pub(super) key: Key,
    pub(super) endpoint: Endpoint,
    /// The calls that it serves, and where.
    pub(super) paths: Vec<(Api, Path)>,
    /// Credentials: `authorization`, `openai-organization`, `openai-project`, as far as they are set.
    pub(super) credentials: Vec<(HeaderName, HeaderValue)>,
    /// What caps the output of a chat completion.
    pub(super) chat_cap: CapField,
    /// The server knows no other.
    pub(super) chat_cap_only: bool,
    /// Members that it does not know are refused.
    pub(super) strict: bool,
    /// Usage comes in streams only if it is asked for.
    pub(super) asks_for_usage: bool,
    /// What clients of other dialects are translated to.
    pub(super) translates: (Api, Box<dyn Codec>),
    /// What translates embeddings that hold members which the server refuses; `None`: they pass whatever they hold.
    pub(super) embeds: Option<&'static dyn Embedder>,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OpenAi").field("kind", &self.kind).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The calls of OpenAI itself.
pub(super) const APIS: [Api; 4] = [Api::ChatCompletions, Api::Completions, Api::Embeddings, Api::Responses];

/// The calls about pictures and sound that most who speak this API have; those that only some know are refused there.
pub(super) const MEDIA: [Api; 5] = [Api::Images, Api::ImageEdits, Api::Speech, Api::Transcriptions, Api::Translations];

/// The calls that are OpenAI's own beside these.
pub(super) const OWN: [Api; 2] = [Api::Moderations, Api::ImageVariations];

/// What is kept there for the calls.
pub(super) const KEEPS: [Api; 2] = [Api::Files, Api::Batches];

/// Where a call goes.
#[derive(Debug)]
pub(super) struct Path {
    /// The path, or what stands in front of the model's name.
    pub(super) head: String,
    /// What stands behind the model's name; `None`: the path does not name it.
    pub(super) tail: Option<String>,
}

impl Path {
    /// A path that does not name the model.
    pub(super) const fn plain(path: String) -> Self {
        Self { head: path, tail: None }
    }

    /// A path that ends with the model's name: that of sessions, where it stands in the query.
    pub(super) const fn ending(head: String) -> Self {
        Self { head, tail: Some(String::new()) }
    }

    fn of(&self, model: &str) -> Cow<'_, str> {
        let Some(tail) = &self.tail else { return Cow::Borrowed(&self.head) };
        let mut path = self.head.clone();
        for byte in model.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                path.push(char::from(byte));
            } else {
                // Writing to a text cannot fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
        path.push_str(tail);
        Cow::Owned(path)
    }
}

/// The client's headers that go up. Organisation and project are ours to say, like the key.
static PASSED: [HeaderName; 2] = [HeaderName::from_static("openai-beta"), header::USER_AGENT];
/// The same for sessions, which have no body to name the end user in
/// (<https://platform.openai.com/docs/guides/safety-best-practices#safety-identifiers>).
static PASSED_TO_SESSIONS: [HeaderName; 3] =
    [HeaderName::from_static("openai-beta"), HeaderName::from_static("openai-safety-identifier"), header::USER_AGENT];

impl Provider for OpenAi {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn speaks(&self, api: Api) -> bool {
        self.paths.iter().any(|(known, _)| *known == api)
    }

    fn takes(&self, ask: &Ask) -> bool {
        !(self.strict && ask.demand.of_openai)
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// It stands beside the calls (<https://platform.openai.com/docs/api-reference/models/list>), where these do not name
    /// the model.
    fn models_path(&self) -> Option<String> {
        let path = self.path(Api::ChatCompletions, "", false);
        path.strip_suffix("/chat/completions").map(|base| format!("{base}/models"))
    }

    fn path(&self, api: Api, model: &str, _stream: bool) -> Cow<'_, str> {
        let path = self.paths.iter().find(|(known, _)| *known == api);
        path.map_or(Cow::Borrowed("/"), |(_, path)| path.of(model))
    }

    fn codec(&self) -> Option<&dyn Codec> {
        Some(&*self.translates.1)
    }

    fn codec_path(&self, model: &str, _stream: bool) -> Cow<'_, str> {
        self.path(self.translates.0, model, false)
    }

    fn embedder(&self, _model: &str) -> Option<&dyn Embedder> {
        self.embeds
    }

    fn edits(&self, ask: &Ask, target_model: &Bytes, cap: Option<u64>) -> Edits {
        let mut edits = Edits::new();
        rename(ask, target_model, &mut edits);
        if let Some(include_usage) = ask.include_usage.filter(|_| ask.stream && self.asks_for_usage) {
            ask_for_usage(include_usage, &mut edits);
        }
        if let (Some(cap), Some((field, only))) = (cap, self.cap_field(ask.api)) {
            cap::write(&ask.caps, cap, field, only, &mut edits);
        }
        edits
    }

    fn headers(&self, api: Api, client: &HeaderMap, head: &mut HeaderMap) {
        let passed: &[HeaderName] = if api == Api::Realtime { &PASSED_TO_SESSIONS } else { &PASSED };
        passed::pass_own(api.dialect() == Dialect::OpenAi, client, head, passed);
        for (name, value) in &self.credentials {
            head.insert(name, value.clone());
        }
    }

    fn session_reader(&self) -> Option<Box<dyn SessionReader>> {
        self.speaks(Api::Realtime).then(|| Box::new(realtime::Reader::default()) as _)
    }

    fn read_batch(&self, body: &[u8]) -> Option<BatchReading> {
        batch::read(body)
    }

    fn read_batch_line(&self, line: &[u8]) -> Option<Usage> {
        batch::read_line(line)
    }

    fn stream_reader(&self, api: Api, hide_usage: bool) -> Box<dyn StreamReader> {
        match api {
            Api::Responses => Box::new(responses::Reader::new(self.key.clone())),
            _ if api.is_media() => Box::new(media::Reader::new(api, self.key.clone())),
            _ => Box::new(chat::Reader::new(api, hide_usage, self.key.clone())),
        }
    }

    fn read_whole(&self, api: Api, body: &[u8]) -> Result<Reading, Garbage> {
        whole::read(api, body)
    }

    fn output_of_whole(&self, api: Api, body: &[u8]) -> OutputText {
        match api {
            Api::ChatCompletions | Api::Completions => chat::output_of_whole(api, body),
            Api::Responses => responses::output_of_whole(body),
            _ if api.hears() => media::output_of_whole(body),
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

impl OpenAi {
    /// The member that caps the output of `api`, and whether it is the only one; `None`: there is no output.
    fn cap_field(&self, api: Api) -> Option<(CapField, bool)> {
        match api {
            Api::ChatCompletions => Some((self.chat_cap, self.chat_cap_only)),
            Api::Completions => Some((CapField::Older, false)),
            Api::Responses => Some((CapField::Responses, false)),
            _ => None,
        }
    }
}

/// Makes the provider send the usage chunk, whatever the client said of it.
fn ask_for_usage(include_usage: IncludeUsage, edits: &mut Edits) {
    match include_usage {
        IncludeUsage::NoOptions { insert_at } => {
            // The body has a `model` at least, so a member follows.
            let options = Bytes::from_static(br#""stream_options":{"include_usage":true},"#);
            edits.replace(insert_at..insert_at, options);
        }
        IncludeUsage::NullOptions(value) => {
            edits.replace(value.range(), Bytes::from_static(br#"{"include_usage":true}"#));
        }
        IncludeUsage::NoMember { insert_at, empty: true } => {
            edits.replace(insert_at..insert_at, Bytes::from_static(br#""include_usage":true"#));
        }
        IncludeUsage::NoMember { insert_at, empty: false } => {
            edits.replace(insert_at..insert_at, Bytes::from_static(br#""include_usage":true,"#));
        }
        IncludeUsage::Member { asked: true, .. } => {}
        IncludeUsage::Member { value, asked: false } => edits.replace(value.range(), Bytes::from_static(b"true")),
    }
}
