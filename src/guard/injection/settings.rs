//! The settings of kind `injection`.

use crate::{
    config::{ConfigError, Section},
    guard::{Judge, injection::Injection},
};
use std::sync::Arc;

/// How soon the guard speaks up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// More is found, about twice as much is found wrongly.
    Strict,
    /// Blocks less than 1 % of ordinary texts, flags about 3 %.
    #[default]
    Balanced,
    /// Blocks hardly an ordinary text, flags about 1 %.
    Lenient,
}

/// As written in the file.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How soon the guard speaks up; `balanced`.
    pub level: Level,
}

/// The guard of `section`.
///
/// # Errors
///
/// When the section has a key that is unknown, or a level that is none.
pub fn build(section: &Section) -> Result<Arc<dyn Judge>, ConfigError> {
    let settings: Settings = section.read()?;
    Ok(Arc::new(Injection::new(&settings)))
}
