//! Chat, version 2, whole and as a stream (<https://docs.cohere.com/reference/chat>,
//! <https://docs.cohere.com/reference/chat-stream>).
//!
//! Decisions:
//! - What the model plans before it calls tools (`tool_plan`) is told as text, and what stands beside calls in an earlier
//!   turn goes up as their plan: Cohere wants the plan back with the calls, and few clients send anything back but text.
//!   A stream's plan is held until the first call begins, for before a call that is the answer (see below) it is a thought.
//! - All instructions are one message at the beginning: `system turn must be the first in the list`
//!   (<https://docs.cohere.com/reference/errors>).
//! - JSON is `response_format`, and an instruction that says so: without one the model may go on for ever
//!   (<https://docs.cohere.com/docs/structured-outputs>). Beside tools `response_format` is refused; there JSON is the
//!   arguments of a tool named [`ANSWER`], and the decoder tells them as text. A client's own tool of that name would be
//!   taken for it.
//! - One tool that must be called is the only one that goes up, with `REQUIRED`.
//! - `strict_tools` is for all tools at once: it goes up where all are strict.
//! - Log probabilities are by pieces of text and without alternatives, which no client's dialect has: not carried.
//! - `top_p`, `top_k` and penalties above Cohere's bounds are lowered to them; a negative penalty is not carried.

mod decode;
mod encode;
mod left_out;
mod told;
mod tools;
mod turns;
mod wire;

#[cfg(test)]
mod tests;

use crate::{
    model::{self, Carry, Feature, Listener, Use},
    providers::{
        Garbage, Reading,
        codec::{Codec, Goal, StreamDecoder},
        mask::Key,
    },
};
use bytes::Bytes;
use std::fmt;

/// The tool whose arguments are an answer by a schema.
const ANSWER: &str = "wb_json_answer";

/// Speaks chat, version 2.
#[derive(Clone)]
pub(super) struct Chat {
    /// For masking it in errors.
    key: Key,
}

impl Chat {
    /// Masks `key` in what Cohere tells.
    pub(super) fn new(key: Key) -> Self {
        Self { key }
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Chat").finish_non_exhaustive()
    }
}

impl Codec for Chat {
    fn api(&self) -> &'static str {
        "cohere chat"
    }

    fn maker(&self) -> &'static str {
        "cohere"
    }

    fn carries(&self, feature: Feature, model: &str) -> Carry {
        match feature {
            Feature::ImageInline
            | Feature::ImageUrl
            | Feature::ImageDetail
            | Feature::StrictTool
            | Feature::JsonObject
            | Feature::JsonSchema
            | Feature::Temperature
            | Feature::TopP
            | Feature::TopK
            | Feature::Penalties
            | Feature::Seed
            | Feature::StopSequences
            | Feature::ForcedTool
            | Feature::ReasoningEffort => Carry::Yes,
            // A document whose one member says so.
            Feature::FailedToolResult | Feature::CustomTool => Carry::Emulated,
            Feature::PlainReasoning if reasons(model) => Carry::Yes,
            Feature::PlainReasoning
            | Feature::DocumentInline
            | Feature::DocumentUrl
            | Feature::FileId
            | Feature::AudioInput
            | Feature::VideoInput
            | Feature::RichToolResult
            | Feature::ParallelToolControl
            | Feature::HostedTool
            | Feature::LogitBias
            | Feature::Logprobs
            | Feature::Choices
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
            | Feature::CacheKey
            | Feature::ServiceTier
            | Feature::User
            | Feature::Metadata
            | Feature::Store
            | Feature::Verbosity
            | Feature::ParticipantName
            | Feature::Unknown => Carry::No,
        }
    }

    fn leaves_out(&self, chat: &model::Chat, goal: &Goal<'_>) -> Vec<Use> {
        left_out::uses(chat, goal)
    }

    fn clamps(&self, chat: &model::Chat, _goal: &Goal<'_>) -> Vec<Use> {
        encode::clamped(chat)
    }

    fn encode(&self, chat: &model::Chat, to: &Goal<'_>) -> Bytes {
        encode::body(chat, to)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(self.key.clone()))
    }

    fn decode_whole(&self, body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
        decode::whole(body, out)
    }
}

/// Whether a model takes `thinking` and thoughts of earlier turns: those that think (<https://docs.cohere.com/docs/reasoning>).
fn reasons(model: &str) -> bool {
    ["reasoning", "command-a-plus"].iter().any(|word| model.contains(word))
}
