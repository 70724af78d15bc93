//! Chat completions for clients of other dialects: at OpenAI, and at all that speak them.

mod calls;
mod decode;
mod encode;
mod shape;

#[cfg(test)]
mod tests;

use crate::{
    model::{Api, Carry, Chat, Effort, Feature, Listener, Use},
    providers::{
        Garbage, Reading,
        cap::CapField,
        codec::{Codec, Goal, StreamDecoder, forces_nothing, sounds_to_fetch, uses_lost},
        mask::Key,
        openai::{
            body::{effort, tier},
            call_id::Ids,
        },
    },
};
use bytes::Bytes;
pub(super) use shape::Index;
use std::fmt;

/// In what a server differs from others that speak chat completions.
#[derive(Debug, Clone, Copy)]
pub(in crate::providers) struct Manner {
    /// Says how much of the request's small print it takes.
    pub(in crate::providers) takes: fn(Feature) -> bool,
    /// Earlier thoughts go up as `reasoning_content`: DeepSeek, vLLM, llama.cpp.
    pub(in crate::providers) takes_thoughts: bool,
    /// Usage comes in a stream only if `stream_options` asks for it.
    pub(in crate::providers) asks_for_usage: bool,
    /// The words for effort that it knows, from the least.
    pub(in crate::providers) efforts: &'static [Effort],
    /// Stop sequences that it takes at most.
    pub(in crate::providers) most_stops: usize,
    /// The member for the seed.
    pub(in crate::providers) seed: &'static str,
    /// Documents and sounds stand as bare texts in their parts, and documents may be URLs: Mistral.
    pub(in crate::providers) bare_media: bool,
    /// Earlier refusals are parts of a kind of their own; elsewhere they are text.
    pub(in crate::providers) refusal_parts: bool,
    /// Ids of calls that it takes.
    pub(in crate::providers) ids: Ids,
}

impl Manner {
    /// OpenAI itself, and Azure. Up to four stop sequences
    /// (<https://platform.openai.com/docs/api-reference/chat/create>); `max` is newer than most models, so `xhigh` is
    /// the most. Metadata is refused unless the answer is stored
    /// (<https://github.com/tmc/langchaingo/issues/1484>), which nobody asked for.
    pub(in crate::providers) const OPENAI: Self = Self {
        takes: |feature| !matches!(feature, Feature::Metadata | Feature::VideoInput),
        takes_thoughts: false,
        asks_for_usage: true,
        efforts: &[Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh],
        most_stops: 4,
        seed: "seed",
        bare_media: false,
        refusal_parts: true,
        ids: Ids::CHAT,
    };

    /// Any other server. Some of them refuse members that they do not know, so that hints that few know are left out.
    pub(in crate::providers) const OTHERS: Self = Self {
        takes: |feature| !matches!(feature, Feature::Metadata | Feature::Verbosity | Feature::CacheKey),
        takes_thoughts: true,
        efforts: &[Effort::None, Effort::Low, Effort::Medium, Effort::High],
        most_stops: usize::MAX,
        refusal_parts: false,
        ids: Ids::Any,
        ..Self::OPENAI
    };
}

/// Speaks chat completions.
#[derive(Clone)]
pub(in crate::providers) struct ChatCodec {
    /// How the server wants it.
    pub(in crate::providers) manner: Manner,
    /// The member that caps the output.
    pub(in crate::providers) cap: CapField,
    /// For masking it in errors.
    pub(in crate::providers) key: Key,
}

impl fmt::Debug for ChatCodec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ChatCodec").field("cap", &self.cap).finish_non_exhaustive()
    }
}

impl Codec for ChatCodec {
    fn api(&self) -> &'static str {
        "chat completions"
    }

    fn native(&self) -> Option<Api> {
        Some(Api::ChatCompletions)
    }

    fn maker(&self) -> &'static str {
        "openai"
    }

    fn carries(&self, feature: Feature, _model: &str) -> Carry {
        match feature {
            Feature::ImageInline
            | Feature::ImageUrl
            | Feature::DocumentInline
            | Feature::AudioInput
            | Feature::VideoInput
            | Feature::ForcedTool
            | Feature::ParallelToolControl
            | Feature::StrictTool
            | Feature::JsonObject
            | Feature::JsonSchema
            | Feature::Temperature
            | Feature::TopP
            | Feature::Penalties
            | Feature::Seed
            | Feature::LogitBias
            | Feature::StopSequences
            | Feature::Logprobs
            | Feature::Choices
            | Feature::ReasoningEffort
            | Feature::CacheKey
            | Feature::ServiceTier
            | Feature::User
            | Feature::Metadata
            | Feature::Verbosity
            | Feature::ParticipantName
            | Feature::ImageDetail => self.where_taken(feature),
            Feature::CustomTool => Carry::Emulated,
            Feature::PlainReasoning if self.manner.takes_thoughts => Carry::Yes,
            // OpenAI fetches no documents; Mistral does.
            Feature::DocumentUrl if self.manner.bare_media => Carry::Yes,
            Feature::PlainReasoning
            | Feature::DocumentUrl
            | Feature::FileId
            | Feature::RichToolResult
            | Feature::FailedToolResult
            | Feature::HostedTool
            | Feature::TopK
            | Feature::SealedReasoning
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
            | Feature::Unknown => Carry::No,
        }
    }

    fn leaves_out(&self, chat: &Chat, goal: &Goal<'_>) -> Vec<Use> {
        let silent = |tier: &str| self::tier(tier).is_none();
        let lost = [
            (chat.stop.len() > self.manner.most_stops, Feature::StopSequences),
            (chat.service_tier.as_deref().is_some_and(silent), Feature::ServiceTier),
            (chat.thinking.is_said() && effort(&chat.thinking, goal.model).is_none(), Feature::ReasoningEffort),
            (forces_nothing(chat), Feature::ForcedTool),
        ];
        [uses_lost(chat, lost), sounds_to_fetch(chat)].concat()
    }

    fn encode(&self, chat: &Chat, to: &Goal<'_>) -> Bytes {
        encode::body(self, chat, to)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(self.key.clone()))
    }

    fn decode_whole(&self, body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
        decode::whole(body, &self.key, out)
    }
}

impl ChatCodec {
    fn where_taken(&self, feature: Feature) -> Carry {
        if (self.manner.takes)(feature) { Carry::Yes } else { Carry::No }
    }

    /// Whether `feature` goes up.
    fn takes(&self, feature: Feature) -> bool {
        // What it takes is the server's, whichever the model.
        self.carries(feature, "") != Carry::No
    }
}
