//! Anthropic's API.

use super::Provider;
use crate::config::{self, ConfigError};

/// Makes a provider of kind `anthropic`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    Err(provider.settings.error("kind", "not built yet".to_owned()))
}
