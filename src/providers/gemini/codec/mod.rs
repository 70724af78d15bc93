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

pub(in crate::providers) use decode::unwrapped;

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
    place: Place,
}

/// Where Gemini is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// AI Studio: `generativelanguage.googleapis.com`.
    Studio,
    /// Vertex, whose calls and results of functions have no ids (the order and the names tell them apart), and whose
    /// service tiers are headers (<https://github.com/googleapis/java-genai>,
    /// <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>).
    Vertex,
}

impl Generate {
    /// Errors are told without `key`.
    pub(in crate::providers) fn new(key: Key) -> Self {
        Self { key, place: Place::Studio }
    }

    /// For Gemini at Vertex.
    pub(in crate::providers) fn at_vertex(key: Key) -> Self {
        Self { key, place: Place::Vertex }
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
            Feature::ServiceTier if self.place == Place::Vertex => Carry::No,
            Feature::ImageInline
            | Feature::ImageUrl
            | Feature::VideoInput
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
        encode::body(chat, to, self.place)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(self.key.clone()))
    }

    fn decode_whole(&self, body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
        decode::whole(body, decode::Decoder::new(self.key.clone()), out)
    }
}
