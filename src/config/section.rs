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

    /// An error about `key` of this section (empty: about the section itself; `words[3]`, `custom.id.regex`: about what is
    /// further down), with the line of that key.
    pub fn error(&self, key: &str, message: String) -> ConfigError {
        let path = match key {
            "" => self.node.path.clone(),
            // A place further down, such as `words[3]`, is no name that needs quotes.
            _ if key.contains(['.', '[']) && !self.has(key) => format!("{}.{key}", self.node.path),
            _ => join(&self.node.path, key),
        };
        self.places.error(&path, message)
    }

    /// Whether `key` is set.
    pub fn has(&self, key: &str) -> bool {
        self.node.entries().iter().any(|(name, _)| &**name == key)
    }

    /// The value of `key` as JSON, for what is handed on as it is written (a schema, parameters of a service): numbers
    /// with a point are numbers, and what is quoted, or comes by a reference, is a text.
    pub fn json(&self, key: &str) -> Option<serde_json::Value> {
        self.node.get(key).map(json)
    }

    /// Shows it, and the directory of its file.
    pub(super) fn printed(&self, see: impl FnOnce(&Node, &Path)) {
        see(&self.node, self.places.directory());
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

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Cut => serde_json::Value::Null,
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
        Value::Scalar(scalar) if scalar.is_null() => serde_json::Value::Null,
        Value::Scalar(scalar) => {
            let bare = scalar.plain && scalar.reference.is_none();
            // Only `true`, `false` and numbers of JSON are read as such: no `yes`, no `.inf`.
            let read = serde_json::from_str(&scalar.text).ok();
            let read = read.filter(|value: &serde_json::Value| bare && (value.is_boolean() || value.is_number()));
            read.unwrap_or_else(|| scalar.text.as_str().into())
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

#[cfg(test)]
mod tests {
    use super::Section;

    #[test]
    fn what_is_handed_on_as_json_keeps_its_kinds() {
        let yaml = "it: {a: 0.5, b: 7, c: '7', d: true, e: yes, f: ~, g: [1e3, .inf, -2], h: {}, i: '${env:PATH}'}";
        let section = Section::from_yaml("x", yaml).expect("YAML");
        let mut it = section.json("it").expect("a value");
        let by_reference = it.as_object_mut().and_then(|it| it.remove("i"));
        assert!(by_reference.is_some_and(|value| value.is_string()));
        let want = r#"{"a":0.5,"b":7,"c":"7","d":true,"e":"yes","f":null,"g":[1000.0,".inf",-2],"h":{}}"#;
        assert_eq!((it.to_string().as_str(), section.json("other")), (want, None));
    }
}
