//! OpenAI's Responses API for clients of other dialects.

mod decode;
mod encode;

#[cfg(test)]
mod tests;

use crate::{
    model::{Carry, Chat, Feature, Listener},
    providers::{
        Garbage, Reading,
        codec::{Codec, Goal, StreamDecoder},
        mask::Key,
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

    fn maker(&self) -> &'static str {
        "openai"
    }

    fn carries(&self, feature: Feature) -> Carry {
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
            Feature::FileId
            | Feature::AudioInput
            | Feature::VideoInput
            | Feature::FailedToolResult
            | Feature::CustomTool
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
