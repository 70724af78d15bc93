//! Google Cloud's Vertex AI: Gemini and Claude behind one account, whose tokens are fetched and renewed.
//!
//! Which API a model speaks is told by its name (`claude-…`) or its publisher (`anthropic/…`, `google/…`).

mod account;
mod claude;
mod gemini;
mod identity;
mod settings;
mod tokens;

#[cfg(test)]
mod tests;

use super::Provider;
use crate::config::{self, ConfigError};
use std::sync::Arc;

/// Makes a provider of kind `vertex`: as it is for Gemini, until it is asked for the model.
///
/// # Errors
///
/// When a setting is wrong, or the credentials' file.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    let account = Arc::new(settings::read(provider)?);
    Ok(Box::new(gemini::Gemini::new(account)))
}

/// Who made a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publisher {
    Google,
    Anthropic,
}

/// The publisher of `model`, and its name without it.
///
/// # Errors
///
/// Why it cannot be spoken to.
fn publisher(model: &str) -> Result<(Publisher, &str), String> {
    match model.split_once('/') {
        Some(("google", name)) => Ok((Publisher::Google, name)),
        Some(("anthropic", name)) => Ok((Publisher::Anthropic, name)),
        // A tuned model.
        Some(("endpoints", _)) => Ok((Publisher::Google, model)),
        Some((other, _)) => Err(format!(
            "publisher `{other}` of `{model}` is not spoken to at Vertex: there are `google`, `anthropic` and `endpoints/ID`"
        )),
        None if model.starts_with("claude") => Ok((Publisher::Anthropic, model)),
        None => Ok((Publisher::Google, model)),
    }
}
