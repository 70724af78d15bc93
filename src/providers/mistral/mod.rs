//! Mistral's API: chat completions and embeddings, almost as OpenAI has them.
//!
//! What differs (<https://docs.mistral.ai/api/endpoint/chat>): the cap is `max_tokens`, the seed `random_seed`, efforts
//! are `none` and `high`; usage stands in the last chunk of each stream, and to ask for it is an error
//! (<https://github.com/openai/openai-agents-python/issues/442>); unknown members are refused, so that none is sent:
//! neither of a chat completion nor of embeddings.

mod settings;
mod vectors;

#[cfg(test)]
mod tests;

use super::Provider;
use crate::config::{self, ConfigError};

/// Makes a provider of kind `mistral`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    settings::read(provider).map(|mistral| Box::new(mistral) as Box<dyn Provider>)
}
