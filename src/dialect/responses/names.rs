//! Names of tools: as the client knows them, and as a model of another API is told them.
//!
//! Functions may stand in a namespace, and free-form tools are no functions. A model that knows neither is told a function
//! of one name, and its calls are told to the client as what it declared.

use crate::dialect::node::{Map, Node};
use bytes::Bytes;
use std::collections::HashMap;

/// Longest name that every API takes (<https://platform.openai.com/docs/guides/function-calling>: 64).
const LONGEST: usize = 64;

/// A tool as the client declared it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Its name there.
    pub(super) name: String,
    /// The namespace that it stands in.
    pub(super) namespace: Option<String>,
    /// It is called with a text.
    pub(super) free_form: bool,
}

/// The name by which a model is told of `name` in `namespace`. Depends on nothing else, so that calls of earlier turns have
/// the same.
pub(super) fn told(namespace: Option<&str>, name: &str) -> String {
    let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) else { return name.to_owned() };
    let gap = if namespace.ends_with('_') { "" } else { "__" };
    let whole = format!("{namespace}{gap}{name}");
    if whole.len() <= LONGEST {
        return whole;
    }
    // FNV-1a: what is cut off still makes a difference.
    let hash = whole.bytes().fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let kept = whole.get(..whole.floor_char_boundary(LONGEST - 9)).unwrap_or_default();
    format!("{kept}_{hash:08x}")
}

/// Tools of a request that are no plain functions, by what the model is told.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, Known>);

impl Names {
    /// Of `request`.
    pub(super) fn of(request: &Bytes) -> Self {
        let mut names = Self::default();
        let has = |word: &[u8]| memchr::memmem::find(request, word).is_some();
        if !has(b"custom") && !has(b"namespace") {
            return names;
        }
        let Ok(Node::Map(mut root)) = Node::read(request) else { return names };
        names.take(&mut root);
        // Items may bring more of them.
        if let Some(Node::List(items)) = root.take("input") {
            for item in items {
                if let Node::Map(mut item) = item {
                    names.take(&mut item);
                }
            }
        }
        names
    }

    /// The client's own of what is called `name`.
    pub(super) fn known(&self, name: &str) -> Known {
        self.0.get(name).cloned().unwrap_or_else(|| Known { name: name.to_owned(), ..Known::default() })
    }

    fn take(&mut self, from: &mut Map<'_>) {
        let Some(Node::List(tools)) = from.take("tools") else { return };
        for tool in tools {
            let Node::Map(mut tool) = tool else { continue };
            match (text(&mut tool, "type").as_deref(), text(&mut tool, "name")) {
                (Some("custom"), Some(name)) => self.add(None, name, true),
                (Some("namespace"), Some(namespace)) => self.space(&namespace, &mut tool),
                _ => {}
            }
        }
    }

    fn space(&mut self, namespace: &str, from: &mut Map<'_>) {
        let Some(Node::List(tools)) = from.take("tools") else { return };
        for tool in tools {
            let Node::Map(mut tool) = tool else { continue };
            match (text(&mut tool, "type").as_deref(), text(&mut tool, "name")) {
                (Some("custom"), Some(name)) => self.add(Some(namespace), name, true),
                (Some("function"), Some(name)) => self.add(Some(namespace), name, false),
                _ => {}
            }
        }
    }

    fn add(&mut self, namespace: Option<&str>, name: String, free_form: bool) {
        let told = told(namespace, &name);
        self.0.insert(told, Known { name, namespace: namespace.map(str::to_owned), free_form });
    }
}

fn text(from: &mut Map<'_>, name: &str) -> Option<String> {
    match from.take(name) {
        Some(Node::Text(text)) => Some(text.into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, LONGEST, Names, told};
    use bytes::Bytes;

    #[test]
    fn a_name_fits_and_says_where_it_is_from() {
        assert_eq!(told(None, "f"), "f");
        assert_eq!(told(Some("mcp__git__"), "log"), "mcp__git__log");
        assert_eq!(told(Some("agents"), "close"), "agents__close");
        let [one, other] = ["a", "b"].map(|end| told(Some(&"n".repeat(80)), end));
        assert_eq!(one.len(), LONGEST);
        assert_ne!(one, other);
    }

    #[test]
    fn what_is_no_plain_function_is_known_by_what_the_model_is_told() {
        let request = br#"{"tools":[{"type":"function","name":"f"},{"type":"custom","name":"patch"},
            {"type":"namespace","name":"n","tools":[{"type":"function","name":"g"},{"type":"custom","name":"h"},7]}],
            "input":[{"type":"additional_tools","tools":[{"type":"custom","name":"late"}]},"x"]}"#;
        let names = Names::of(&Bytes::from_static(request));
        let known = |name: &str, namespace: Option<&str>, free_form| Known {
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            free_form,
        };
        assert_eq!(names.known("f"), known("f", None, false));
        assert_eq!(names.known("patch"), known("patch", None, true));
        assert_eq!(names.known("n__g"), known("g", Some("n"), false));
        assert_eq!(names.known("n__h"), known("h", Some("n"), true));
        assert_eq!(names.known("late"), known("late", None, true));
        assert_eq!(Names::of(&Bytes::from_static(b"\"custom")).known("f"), known("f", None, false), "no JSON");
    }
}
