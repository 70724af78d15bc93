//! An object of the body whose members are taken by either of their names: `topP` or `top_p`.

use crate::{
    dialect::{
        BadRequest,
        node::{Map, Node},
    },
    model::{Chat, Feature},
};
use std::borrow::Cow;

/// What was not taken yet, and where it stands.
pub(super) struct Object<'a> {
    members: Map<'a>,
    path: String,
}

impl<'a> Object<'a> {
    /// The object `node` at `path`.
    pub fn of(node: Node<'a>, path: impl Into<String>) -> Result<Self, BadRequest> {
        let path = path.into();
        match node {
            Node::Map(members) => Ok(Self { members, path }),
            other => Err(wrong(&path, "an object", &other)),
        }
    }

    /// The path of the member `name`.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Its own path.
    pub fn own_path(&self) -> &str {
        &self.path
    }

    pub fn take(&mut self, name: &str) -> Option<Node<'a>> {
        let at = self.members.0.iter().position(|(key, _)| is_named(key, name))?;
        let (_, value) = self.members.0.remove(at);
        (value != Node::Null).then_some(value)
    }

    pub fn object(&mut self, name: &str) -> Result<Option<Self>, BadRequest> {
        let path = self.path(name);
        self.take(name).map(|node| Self::of(node, path)).transpose()
    }

    pub fn list(&mut self, name: &str) -> Result<Vec<Node<'a>>, BadRequest> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Node::List(list)) => Ok(list),
            Some(other) => Err(wrong(&self.path(name), "an array", &other)),
        }
    }

    pub fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(&self.path(name), "a string", &other)),
        }
    }

    /// A text that must be there.
    pub fn must(&mut self, name: &str) -> Result<Cow<'a, str>, BadRequest> {
        let path = self.path(name);
        let missing = || BadRequest { message: format!("`{path}` is missing"), param: Some(path.clone()) };
        self.text(name)?.ok_or_else(missing)
    }

    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong(&self.path(name), "a boolean", &other)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a setting of a model is no such number")]
    pub fn number(&mut self, name: &str) -> Result<Option<f64>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Whole(number)) => Ok(Some(number as f64)),
            Some(Node::Number(number)) => Ok(Some(number)),
            Some(other) => Err(wrong(&self.path(name), "a number", &other)),
        }
    }

    /// A whole number; `40.0` is one, as Google's SDKs write it.
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    pub fn whole(&mut self, name: &str) -> Result<Option<i64>, BadRequest> {
        match self.number(name)? {
            None => Ok(None),
            Some(number) if number.fract() == 0.0 && number.abs() < 9e15 => Ok(Some(number as i64)),
            Some(number) => Err(wrong(&self.path(name), "an integer", &Node::Number(number))),
        }
    }

    /// A whole number that is not negative.
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, BadRequest> {
        let path = self.path(name);
        let negative = || BadRequest { message: format!("`{path}` must not be negative"), param: Some(path.clone()) };
        self.whole(name)?.map(|number| u64::try_from(number).map_err(|_| negative())).transpose()
    }

    /// Notes every member that is left as `feature`.
    pub fn rest(&self, feature: Feature, chat: &mut Chat) {
        for name in self.members.left() {
            chat.uses(feature, self.path(name));
        }
    }
}

/// Whether `key` is `name` (`topP`), or the same as the protocol writes it (`top_p`).
pub(super) fn is_named(key: &str, name: &str) -> bool {
    let mut key = key.bytes();
    let snake = |letter: u8| letter.is_ascii_uppercase();
    for letter in name.bytes() {
        match key.next() {
            Some(byte) if byte == letter => {}
            Some(b'_') if snake(letter) => {
                if key.next() != Some(letter.to_ascii_lowercase()) {
                    return false;
                }
            }
            _ => return false,
        }
    }
    key.next().is_none()
}

/// A member of the wrong kind.
pub(super) fn wrong(path: &str, want: &str, node: &Node<'_>) -> BadRequest {
    let subject = if path.is_empty() { "the body".to_owned() } else { format!("`{path}`") };
    let message = format!("{subject} must be {want}, not {}", node.kind());
    BadRequest { message, param: (!path.is_empty()).then(|| path.to_owned()) }
}
