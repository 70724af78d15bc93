//! OpenAI's models at Azure: the same API as kind `openai`, at other paths and with another credential.
//!
//! Without `api_version` the paths are those of the v1 API (`/openai/v1/chat/completions`), and the model stands in the
//! body; with it they are the older ones, where the path names the deployment
//! (`/openai/deployments/NAME/chat/completions?api-version=…`). A target's `model` is the deployment's name.
//! <https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle>

mod settings;

#[cfg(test)]
mod tests;

use super::Provider;
use crate::config::{self, ConfigError};

/// Makes a provider of kind `azure`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    settings::read(provider).map(|azure| Box::new(azure) as Box<dyn Provider>)
}
