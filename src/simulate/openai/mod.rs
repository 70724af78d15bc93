//! OpenAI's wire formats, from its public reference: <https://platform.openai.com/docs/api-reference>.

mod chat;
mod completions;
mod embeddings;
mod responses;

pub(super) use chat::{ChatEvents, chat};
pub(super) use completions::{CompletionEvents, completion};
pub(super) use embeddings::{embeddings, packed, vector};
pub(super) use responses::{ResponseEvents, response};

use super::answer::Billed;
use serde::Serialize;

/// `usage` of chat completions and completions. Input includes tokens read from and written to a cache, output includes reasoning.
///
/// <https://platform.openai.com/docs/api-reference/chat/object#chat-object-usage>
#[derive(Debug, Serialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: InputDetails,
    completion_tokens_details: OutputDetails,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
    audio_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl From<&Billed> for Usage {
    fn from(billed: &Billed) -> Self {
        Self {
            prompt_tokens: billed.input(),
            completion_tokens: billed.output(),
            total_tokens: billed.input().saturating_add(billed.output()),
            prompt_tokens_details: InputDetails {
                cached_tokens: billed.cached,
                cache_write_tokens: billed.written(),
                audio_tokens: 0,
            },
            completion_tokens_details: OutputDetails {
                reasoning_tokens: billed.reasoning,
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}
