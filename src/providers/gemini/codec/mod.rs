//! Translates to Gemini's `generateContent` and back.
//!
//! Reference: <https://ai.google.dev/api/generate-content>. Gemini on Vertex speaks it as well.

mod ability;
mod contents;
mod decode;
mod encode;
mod ending;

#[cfg(test)]
mod tests;

pub(super) use decode::unwrapped;

use crate::{
    model::{Api, Carry, Chat, Feature, Listener, Use},
    providers::{
        Garbage, Reading,
        codec::{Codec, Goal, StreamDecoder},
        mask::Key,
    },
};
use ability::Ability;
use bytes::Bytes;
use std::fmt;

/// Whose seals are understood.
pub(super) const MAKER: &str = "gemini";

/// The tool whose arguments are the answer where JSON is asked of a model that has it beside no other tools. The decoder
/// knows nothing of the request, so a call of this very name is always the answer.
pub(super) const JSON_ANSWER: &str = "wb_json_answer";

/// How an answer that cannot be read names its call.
const API: Api = Api::Generate;

/// The codec of Gemini's `generateContent`.
pub(in crate::providers) struct Generate {
    /// Masked in what the provider says of errors.
    key: Key,
}

impl Generate {
    /// Errors are told without `key`.
    pub(in crate::providers) fn new(key: Key) -> Self {
        Self { key }
    }

    /// Reads a stream that passes through as it is: what is spoilt is told as its end.
    pub(in crate::providers) fn passing_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::passing(self.key.clone()))
    }

    /// Reads an answer that came whole and passes through as it is.
    ///
    /// # Errors
    ///
    /// When the body is no answer.
    pub(in crate::providers) fn read_passing(&self, body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
        decode::whole(body, decode::Decoder::passing(self.key.clone()), out)
    }
}

impl fmt::Debug for Generate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Generate")
    }
}

impl Codec for Generate {
    fn api(&self) -> &'static str {
        "generateContent"
    }

    fn native(&self) -> Option<Api> {
        Some(Api::Generate)
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    fn carries(&self, feature: Feature, model: &str) -> Carry {
        match feature {
            Feature::Temperature | Feature::TopP | Feature::TopK | Feature::Penalties | Feature::Choices
                if !Ability::of(model).sampling() =>
            {
                Carry::No
            }
            Feature::ImageInline
            | Feature::ImageUrl
            | Feature::DocumentInline
            | Feature::DocumentUrl
            | Feature::AudioInput
            | Feature::RichToolResult
            | Feature::FailedToolResult
            | Feature::ForcedTool
            | Feature::JsonObject
            | Feature::JsonSchema
            | Feature::Temperature
            | Feature::TopP
            | Feature::TopK
            | Feature::Penalties
            | Feature::Seed
            | Feature::StopSequences
            | Feature::Logprobs
            | Feature::Choices
            | Feature::ReasoningEffort
            | Feature::SealedReasoning
            | Feature::ServiceTier => Carry::Yes,
            Feature::CustomTool => Carry::Emulated,
            Feature::FileId
            | Feature::VideoInput
            | Feature::ParallelToolControl
            | Feature::StrictTool
            | Feature::HostedTool
            | Feature::LogitBias
            | Feature::PlainReasoning
            | Feature::AudioOutput
            | Feature::ImageOutput
            | Feature::Citations
            | Feature::Prediction
            | Feature::ServerState
            | Feature::Background
            | Feature::SafetySettings
            | Feature::CachedContent
            | Feature::CacheMarkers
            | Feature::CacheKey
            | Feature::User
            | Feature::Metadata
            | Feature::Store
            | Feature::Verbosity
            | Feature::ParticipantName
            | Feature::ImageDetail
            | Feature::Unknown => Carry::No,
        }
    }

    fn leaves_out(&self, chat: &Chat, goal: &Goal<'_>) -> Vec<Use> {
        encode::left_out(chat, Ability::of(goal.model))
    }

    fn encode(&self, chat: &Chat, to: &Goal<'_>) -> Bytes {
        encode::body(chat, to)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(self.key.clone()))
    }

    fn decode_whole(&self, body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
        decode::whole(body, decode::Decoder::new(self.key.clone()), out)
    }
}
