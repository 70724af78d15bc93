//! A sub-tree of the file that another module reads for itself.

use super::ConfigError;
use serde::de::DeserializeOwned;

/// A sub-tree with its key path and lines, read by the module that it configures.
#[derive(Debug, Clone)]
pub struct Section {
    path: String,
    value: serde_yaml::Value,
}

impl Section {
    /// Reads the section as `T`; `T` has `deny_unknown_fields`. `${env:NAME}` and `${file:PATH}` are resolved.
    ///
    /// # Errors
    ///
    /// With key path and line; an unknown key comes with its nearest valid name.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        serde_yaml::from_value(self.value.clone()).map_err(|e| self.error("", e.to_string()))
    }

    /// An error about `key` of this section (empty: about the section itself).
    pub fn error(&self, key: &str, message: String) -> ConfigError {
        let path = if key.is_empty() { self.path.clone() } else { format!("{}.{key}", self.path) };
        ConfigError { file: None, line: None, path, message }
    }

    /// A section from YAML text, for tests.
    ///
    /// # Errors
    ///
    /// When the text is no YAML.
    pub fn from_yaml(path: &str, text: &str) -> Result<Self, ConfigError> {
        let value = serde_yaml::from_str(text).map_err(|e| ConfigError {
            file: None,
            line: None,
            path: path.to_owned(),
            message: e.to_string(),
        })?;
        Ok(Self { path: path.to_owned(), value })
    }
}
