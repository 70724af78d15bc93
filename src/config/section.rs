//! A sub-tree of the file that another module reads for itself.

use super::ConfigError;
use super::resolve::resolve;
use super::shape::read_one;
use super::tree::{Node, Places, Value, join, parse};
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A sub-tree with its key path and lines, read by the module that it configures.
#[derive(Clone)]
pub struct Section {
    node: Arc<Node>,
    places: Arc<Places>,
    /// Keys of the same mapping that are read elsewhere: valid, but not among those of [`Section::read`].
    elsewhere: &'static [&'static str],
}

impl Section {
    /// The part of `node` that is not read elsewhere; its references are resolved already.
    pub(super) fn new(node: &Node, places: Arc<Places>, elsewhere: &'static [&'static str]) -> Self {
        let mut node = node.clone();
        if let Value::Map(entries) = &mut node.value {
            entries.retain(|(key, _)| !elsewhere.contains(&&**key));
        }
        Self { node: Arc::new(node), places, elsewhere }
    }

    /// Reads the section as `T`; `T` has `deny_unknown_fields`. `${env:NAME}` and `${file:PATH}` are resolved.
    ///
    /// # Errors
    ///
    /// With key path and line; an unknown key comes with its nearest valid name.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        read_one(&self.node, &self.places, self.elsewhere)
    }

    /// An error about `key` of this section (empty: about the section itself), with the line of that key.
    pub fn error(&self, key: &str, message: String) -> ConfigError {
        let path = if key.is_empty() { self.node.path.clone() } else { join(&self.node.path, key) };
        self.places.error(&path, message)
    }

    /// Whether `key` is set.
    pub fn has(&self, key: &str) -> bool {
        self.node.entries().iter().any(|(name, _)| &**name == key)
    }

    /// A section from YAML text, for tests.
    ///
    /// # Errors
    ///
    /// When the text is no YAML.
    pub fn from_yaml(path: &str, text: &str) -> Result<Self, ConfigError> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        let (node, places, errors) = parse(text, path, None);
        let Some(mut node) = node else {
            let none = || places.error(path, "the section is empty");
            return Err(errors.into_iter().next().unwrap_or_else(none));
        };
        let unresolved = resolve(&mut node, &places, Path::new(""), &|name| std::env::var(name).ok());
        match errors.into_iter().chain(unresolved).next() {
            Some(error) => Err(error),
            None => Ok(Self { node: Arc::new(node), places: Arc::new(places), elsewhere: &[] }),
        }
    }
}

/// Key path and names of keys only: the values may be secrets.
impl fmt::Debug for Section {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.node.entries().iter().map(|(key, _)| key).collect();
        out.debug_struct("Section").field("path", &self.node.path).field("keys", &keys).finish_non_exhaustive()
    }
}
