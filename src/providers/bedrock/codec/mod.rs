//! Converse and ConverseStream: one shape of conversation for the models of all makers
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>).
//!
//! Decisions:
//! - Seals are `anthropic`'s: only Claude signs what it thinks, with the signatures that Anthropic's own API writes.
//! - JSON by a schema is the arguments of a tool named [`ANSWER`] that the model is made to call; the decoder tells
//!   them as text. A client's own tool of that name would be taken for it.
//! - What a model of some maker does not know is refused by Bedrock in plain words, not guessed here; of Claude it is
//!   known, by the same rules as at Anthropic.

mod block;
mod decode;
mod encode;
mod fault;
mod fields;
mod left_out;
mod said;
mod tools;

#[cfg(test)]
mod tests;

pub(super) use fault::message;

use crate::{
    model::{Carry, Chat, Feature, Listener, Use},
    providers::{
        Garbage, Reading,
        bedrock::credentials::Credentials,
        codec::{Codec, Framing, Goal, StreamDecoder},
    },
};
use bytes::Bytes;
use fields::Model;
use std::fmt;
use std::sync::Arc;

/// The tool whose arguments are an answer by a schema.
const ANSWER: &str = "wb_json_answer";

/// Whose seals are understood.
const MAKER: &str = "anthropic";

/// Speaks Converse.
pub(super) struct Converse {
    credentials: Arc<Credentials>,
}

impl Converse {
    /// Masks the secrets of `credentials` in what Bedrock tells.
    pub(super) fn new(credentials: Arc<Credentials>) -> Self {
        Self { credentials }
    }
}

impl fmt::Debug for Converse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Converse").finish_non_exhaustive()
    }
}

impl Codec for Converse {
    fn api(&self) -> &'static str {
        "converse"
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    fn carries(&self, feature: Feature, model: &str) -> Carry {
        let model = Model(model);
        match feature {
            Feature::CacheMarkers if !model.caches() => Carry::No,
            Feature::Temperature | Feature::TopP | Feature::TopK if !model.samples() => Carry::No,
            Feature::ForcedTool if model.never_calls_by_force() => Carry::No,
            feature => carries(feature),
        }
    }

    fn leaves_out(&self, chat: &Chat, goal: &Goal<'_>) -> Vec<Use> {
        left_out::uses(chat, goal)
    }

    fn encode(&self, chat: &Chat, to: &Goal<'_>) -> Bytes {
        encode::encode(chat, to)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(self.credentials.clone()))
    }

    fn decode_whole(&self, body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
        decode::whole(body, out)
    }

    fn framing(&self) -> Framing {
        Framing::Aws
    }
}

/// What becomes of each feature at a model that knows it. `strict` tools and plain thoughts are known to some models
/// only, and the rest would refuse the request for a hint.
fn carries(feature: Feature) -> Carry {
    match feature {
        Feature::ImageInline
        | Feature::DocumentInline
        | Feature::AudioInput
        | Feature::RichToolResult
        | Feature::FailedToolResult
        | Feature::ForcedTool
        | Feature::Temperature
        | Feature::TopP
        | Feature::TopK
        | Feature::StopSequences
        | Feature::ReasoningEffort
        | Feature::SealedReasoning
        | Feature::CacheMarkers
        | Feature::ServiceTier
        | Feature::Metadata => Carry::Yes,
        Feature::JsonObject | Feature::JsonSchema | Feature::CustomTool => Carry::Emulated,
        Feature::ImageUrl
        | Feature::DocumentUrl
        | Feature::FileId
        | Feature::VideoInput
        | Feature::ParallelToolControl
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
        | Feature::User
        | Feature::Store
        | Feature::Verbosity
        | Feature::ParticipantName
        | Feature::ImageDetail
        | Feature::Unknown => Carry::No,
    }
}
