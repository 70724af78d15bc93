//! Translates to Anthropic's messages and back.
//!
//! Reference: <https://platform.claude.com/docs/en/api/messages>. Claude on other platforms speaks it as well.

mod ability;
mod blocks;
mod decode;
mod encode;
mod format;
mod left_out;
mod thinking;

#[cfg(test)]
mod tests;

use crate::{
    model::{Api, Carry, Chat, Feature, Listener, Use},
    providers::{
        Garbage, Reading,
        codec::{Codec, Goal, StreamDecoder},
        mask::Key,
    },
};
pub(in crate::providers) use ability::{Ability, Off};
use bytes::Bytes;
pub(in crate::providers) use encode::VERTEX_VERSION;
use std::fmt;

/// Whose seals are understood.
pub(super) const MAKER: &str = "anthropic";

/// The tool whose input is the answer where JSON is asked of a model that has no structured output. The decoder knows
/// nothing of the request, so a call of this very name is always the answer.
pub(super) const JSON_ANSWER: &str = "wb_json_answer";

/// The codec of Anthropic's messages.
pub(in crate::providers) struct Messages {
    /// Masked in what the provider says of errors.
    key: Key,
    place: Place,
}

/// Where Claude is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At Anthropic, and at servers that speak its API.
    Anthropic,
    /// At Vertex, which has no structured output yet (`output_config.format: Extra inputs are not permitted`,
    /// <https://github.com/Portkey-AI/gateway/issues/1570>) and no service tiers, and which fetches no pictures and
    /// documents (<https://platform.claude.com/docs/en/build-with-claude/vision>).
    Vertex,
}

impl Place {
    /// What the model of this name takes here.
    fn ability(self, model: &str) -> Ability {
        let ability = Ability::of(model);
        Ability { structured: ability.structured && self == Self::Anthropic, ..ability }
    }
}

impl Messages {
    /// Errors are told without `key`.
    pub(in crate::providers) fn new(key: Key) -> Self {
        Self { key, place: Place::Anthropic }
    }

    /// For Claude at Vertex: the path names the model, and the body the version of the API
    /// (<https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>).
    pub(in crate::providers) fn at_vertex(key: Key) -> Self {
        Self { key, place: Place::Vertex }
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Messages")
    }
}

impl Codec for Messages {
    fn api(&self) -> &'static str {
        "messages"
    }

    fn native(&self) -> Option<Api> {
        Some(Api::Messages)
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    fn carries(&self, feature: Feature, model: &str) -> Carry {
        match feature {
            Feature::Temperature | Feature::TopP | Feature::TopK if !Ability::of(model).sampling => Carry::No,
            Feature::ForcedTool if !Ability::of(model).forced_calls => Carry::No,
            Feature::ServiceTier if self.place == Place::Vertex => Carry::No,
            Feature::JsonSchema if self.place == Place::Vertex => Carry::Emulated,
            Feature::ImageUrl | Feature::DocumentUrl if self.place == Place::Vertex => Carry::No,
            Feature::ImageInline
            | Feature::ImageUrl
            | Feature::DocumentInline
            | Feature::DocumentUrl
            | Feature::RichToolResult
            | Feature::FailedToolResult
            | Feature::ForcedTool
            | Feature::ParallelToolControl
            | Feature::JsonSchema
            | Feature::Temperature
            | Feature::TopP
            | Feature::TopK
            | Feature::StopSequences
            | Feature::ReasoningEffort
            | Feature::SealedReasoning
            | Feature::CacheMarkers
            | Feature::ServiceTier
            | Feature::User => Carry::Yes,
            Feature::JsonObject | Feature::CustomTool => Carry::Emulated,
            Feature::FileId
            | Feature::AudioInput
            | Feature::VideoInput
            | Feature::StrictTool
            | Feature::HostedTool
            | Feature::Penalties
            | Feature::Seed
            | Feature::LogitBias
            | Feature::Logprobs
            | Feature::Choices
            | Feature::PlainReasoning
            | Feature::AudioOutput
            | Feature::ImageOutput
            | Feature::Citations
            | Feature::Prediction
            | Feature::ServerState
            | Feature::Background
            | Feature::SafetySettings
            | Feature::CachedContent
            | Feature::CacheKey
            | Feature::Metadata
            | Feature::Store
            | Feature::Verbosity
            | Feature::ParticipantName
            | Feature::ImageDetail
            | Feature::Unknown => Carry::No,
        }
    }

    fn leaves_out(&self, chat: &Chat, goal: &Goal<'_>) -> Vec<Use> {
        left_out::uses(chat, goal, self.place)
    }

    fn clamps(&self, chat: &Chat, goal: &Goal<'_>) -> Vec<Use> {
        left_out::clamped(chat, goal, self.place)
    }

    fn encode(&self, chat: &Chat, to: &Goal<'_>) -> Bytes {
        encode::body(chat, to, self.place)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(self.key.clone()))
    }

    fn decode_whole(&self, body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
        decode::whole(body, self.key.clone(), out)
    }
}
