//! OpenAI's API, and all that speak it: vLLM, llama.cpp, Ollama, Groq, Mistral, DeepSeek, Together …
//!
//! Chat completions, completions, embeddings and responses. Nothing is translated.

mod chat;
mod responses;
mod settings;
mod usage;
mod whole;

#[cfg(test)]
mod tests;

use super::cap::{self, CapField};
use super::mask::Key;
use super::rename::rename;
use super::{Endpoint, Garbage, OutputText, Provider, Reading, StreamReader, failure, passed};
use crate::{
    config::{self, ConfigError},
    model::{Api, Ask, Edits, IncludeUsage},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::fmt;

/// Makes a provider of kind `openai`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    settings::read(provider).map(|openai| Box::new(openai) as Box<dyn Provider>)
}

/// An account at OpenAI, or a server that speaks its API.
struct OpenAi {
    key: Key,
    endpoint: Endpoint,
    paths: [String; 4],
    /// Credentials: `authorization`, `openai-organization`, `openai-project`, as far as they are set.
    credentials: Vec<(HeaderName, HeaderValue)>,
    /// What caps the output of a chat completion.
    chat_cap: CapField,
    /// The file says so: the server knows no other.
    chat_cap_only: bool,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OpenAi").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The calls of this kind, in the order of [`OpenAi::paths`].
const APIS: [Api; 4] = [Api::ChatCompletions, Api::Completions, Api::Embeddings, Api::Responses];

/// The client's headers that go up. Organisation and project are ours to say, like the key.
static PASSED: [HeaderName; 2] = [HeaderName::from_static("openai-beta"), header::USER_AGENT];

impl Provider for OpenAi {
    fn kind(&self) -> &'static str {
        "openai"
    }

    fn speaks(&self, api: Api) -> bool {
        APIS.contains(&api)
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn path(&self, api: Api) -> &str {
        let index = APIS.iter().position(|known| *known == api);
        index.and_then(|index| self.paths.get(index)).map_or("/", String::as_str)
    }

    fn edits(&self, ask: &Ask, target_model: &Bytes, cap: Option<u64>) -> Edits {
        let mut edits = Edits::new();
        rename(ask, target_model, &mut edits);
        if let Some(include_usage) = ask.include_usage.filter(|_| ask.stream) {
            ask_for_usage(include_usage, &mut edits);
        }
        if let (Some(cap), Some((field, only))) = (cap, self.cap_field(ask.api)) {
            cap::write(&ask.caps, cap, field, only, &mut edits);
        }
        edits
    }

    fn headers(&self, _api: Api, client: &HeaderMap, head: &mut HeaderMap) {
        passed::pass(client, head, &PASSED);
        for (name, value) in &self.credentials {
            head.insert(name, value.clone());
        }
    }

    fn stream_reader(&self, api: Api, hide_usage: bool) -> Box<dyn StreamReader> {
        match api {
            Api::Responses => Box::new(responses::Reader::new(self.key.clone())),
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
            Api::Embeddings | Api::Messages | Api::CountTokens | Api::Generate => OutputText::default(),
        }
    }

    fn error_message(&self, body: &[u8]) -> Option<String> {
        failure::message(body, &self.key)
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
            Api::Embeddings | Api::Messages | Api::CountTokens | Api::Generate => None,
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
