//! OpenAI's Responses API for clients of other dialects.

mod decode;
mod encode;

#[cfg(test)]
mod tests;

use crate::{
    model::{Api, Carry, Chat, Feature, Listener, Use},
    providers::{
        Garbage, Reading,
        codec::{Codec, Goal, StreamDecoder, forces_nothing, uses_lost},
        mask::Key,
        openai::body::tier,
    },
};
use bytes::Bytes;
use std::fmt;

/// Speaks responses.
#[derive(Clone)]
pub(in crate::providers) struct ResponsesCodec {
    /// For masking it in errors.
    pub(in crate::providers) key: Key,
}

impl fmt::Debug for ResponsesCodec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ResponsesCodec")
    }
}

impl Codec for ResponsesCodec {
    fn api(&self) -> &'static str {
        "responses"
    }

    fn native(&self) -> Option<Api> {
        Some(Api::Responses)
    }

    fn least_output(&self) -> u64 {
        encode::LEAST_CAP
    }

    fn maker(&self) -> &'static str {
        "openai"
    }

    fn carries(&self, feature: Feature, _model: &str) -> Carry {
        match feature {
            Feature::ImageInline
            | Feature::ImageUrl
            | Feature::DocumentInline
            | Feature::DocumentUrl
            | Feature::RichToolResult
            | Feature::ForcedTool
            | Feature::ParallelToolControl
            | Feature::StrictTool
            | Feature::JsonObject
            | Feature::JsonSchema
            | Feature::Temperature
            | Feature::TopP
            | Feature::Logprobs
            | Feature::ReasoningEffort
            | Feature::SealedReasoning
            | Feature::CacheKey
            | Feature::ServiceTier
            | Feature::User
            | Feature::Metadata
            | Feature::Verbosity
            | Feature::ImageDetail => Carry::Yes,
            Feature::CustomTool => Carry::Emulated,
            Feature::FileId
            | Feature::AudioInput
            | Feature::VideoInput
            | Feature::FailedToolResult
            | Feature::HostedTool
            | Feature::TopK
            | Feature::Penalties
            | Feature::Seed
            | Feature::LogitBias
            | Feature::StopSequences
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
            | Feature::CacheMarkers
            | Feature::Store
            | Feature::ParticipantName
            | Feature::Unknown => Carry::No,
        }
    }

    fn leaves_out(&self, chat: &Chat, goal: &Goal<'_>) -> Vec<Use> {
        let silent = |tier: &str| self::tier(tier).is_none();
        let lost = [
            (chat.service_tier.as_deref().is_some_and(silent), Feature::ServiceTier),
            (
                chat.thinking.is_said() && encode::reasoned(&chat.thinking, goal.model) == (None, None),
                Feature::ReasoningEffort,
            ),
            (forces_nothing(chat), Feature::ForcedTool),
        ];
        uses_lost(chat, lost)
    }

    fn encode(&self, chat: &Chat, to: &Goal<'_>) -> Bytes {
        encode::body(chat, to)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(self.key.clone()))
    }

    fn decode_whole(&self, body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
        decode::whole(body, &self.key, out)
    }
}
