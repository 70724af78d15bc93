//! The members of an object of the request, taken by their kind: each knows its path, and what nobody took is told.

use crate::{
    dialect::{
        BadRequest,
        node::{Map, Node},
        path::echo,
    },
    model::{Chat, Feature},
};
use std::borrow::Cow;

/// An object and where it stands.
pub(super) struct Members<'a> {
    map: Map<'a>,
    path: String,
}

impl<'a> Members<'a> {
    /// The members of `node`, which stands at `path`; empty for the body itself.
    pub(super) fn of(node: Node<'a>, path: String) -> Result<Self, BadRequest> {
        match node {
            Node::Map(map) => Ok(Self { map, path }),
            other => Err(wrong(path, "an object", &other)),
        }
    }

    /// Where this object stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where its member `name` stands.
    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether there is such a member that was not taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.map.0.iter().any(|(key, value)| key == name && *value != Node::Null)
    }

    /// Takes a member of any kind.
    pub(super) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        self.map.take(name)
    }

    /// Takes members that mean nothing to anybody else.
    pub(super) fn skip(&mut self, names: &[&str]) {
        for name in names {
            self.map.take(name);
        }
    }

    /// Takes a string.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(self.at(name), "a string", &other)),
        }
    }

    /// Takes a string that must be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<Cow<'a, str>, BadRequest> {
        let text = self.text(name)?;
        text.ok_or_else(|| self.missing(name, "a string"))
    }

    /// Takes a boolean.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong(self.at(name), "a boolean", &other)),
        }
    }

    /// Takes a whole number of at least 0.
    pub(super) fn whole(&mut self, name: &str) -> Result<Option<u64>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Whole(number)) => Ok(Some(number)),
            Some(Node::Number(_)) => {
                let path = self.at(name);
                Err(bad(format!("`{path}` must be an integer of at least 0"), path))
            }
            Some(other) => Err(wrong(self.at(name), "an integer", &other)),
        }
    }

    /// Takes a number.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            #[expect(clippy::cast_precision_loss, reason = "a setting this large means nothing")]
            Some(Node::Whole(number)) => Ok(Some(number as f64)),
            Some(Node::Number(number)) => Ok(Some(number)),
            Some(other) => Err(wrong(self.at(name), "a number", &other)),
        }
    }

    /// Takes an array.
    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<Node<'a>>>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::List(list)) => Ok(Some(list)),
            Some(other) => Err(wrong(self.at(name), "an array", &other)),
        }
    }

    /// Takes an object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, BadRequest> {
        let path = self.at(name);
        self.take(name).map(|node| Self::of(node, path)).transpose()
    }

    /// The mistake that `name` is not there.
    pub(super) fn missing(&self, name: &str, want: &str) -> BadRequest {
        let path = self.at(name);
        bad(format!("`{path}` is missing: it must be {want}"), path)
    }

    /// The mistake that `name` is a word that is not one of `known`.
    pub(super) fn unknown_word(&self, name: &str, word: &str, known: &str) -> BadRequest {
        let path = self.at(name);
        bad(format!("`{path}` is `{}`, which cannot be translated: use one of {known}", echo(word)), path)
    }

    /// Notes what is left as unknown.
    pub(super) fn rest(self, chat: &mut Chat) {
        for name in self.map.left() {
            chat.uses(Feature::Unknown, self.at(&echo(name)));
        }
    }
}

/// `path` is not what it must be.
pub(super) fn wrong(path: String, want: &str, node: &Node<'_>) -> BadRequest {
    bad(format!("`{path}` must be {want}, not {}", node.kind()), path)
}

/// A mistake at `path`.
pub(super) fn bad(message: String, path: String) -> BadRequest {
    BadRequest { message, param: Some(path) }
}
