//! Objects of the body, whose members are taken by name and kind, and where in the body they stand.

use crate::{
    dialect::{
        BadRequest,
        node::{Map, Node},
        path::echo,
    },
    model::{Chat, Feature},
};
use std::borrow::Cow;
use std::fmt;

/// Where in the body something stands. Nothing is written until somebody wants to read it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'p> {
    /// The body itself.
    Body,
    /// A member of an object.
    Member(&'p Place<'p>, &'p str),
    /// An element of an array.
    Element(&'p Place<'p>, usize),
}

impl<'p> Place<'p> {
    pub(super) const fn member(&'p self, name: &'p str) -> Self {
        Self::Member(self, name)
    }

    pub(super) const fn element(&'p self, index: usize) -> Self {
        Self::Element(self, index)
    }

    /// What stands here cannot be served; `why` begins with what is wrong: `must be …`, `is missing: …`.
    pub(super) fn bad(&self, why: impl fmt::Display) -> BadRequest {
        BadRequest { message: format!("`{self}` {why}"), param: Some(self.to_string()) }
    }

    /// What stands here is not of the kind `want`.
    pub(super) fn wrong(&self, want: &str, node: &Node<'_>) -> BadRequest {
        self.bad(format_args!("must be {want}, not {}", node.kind()))
    }

    /// Something that belongs here is not there.
    pub(super) fn missing(&self, want: &str) -> BadRequest {
        self.bad(format_args!("is missing: it must be {want}"))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => Ok(()),
            Self::Member(Place::Body, name) => out.write_str(&echo(name)),
            Self::Member(parent, name) => write!(out, "{parent}.{}", echo(name)),
            Self::Element(parent, index) => write!(out, "{parent}[{index}]"),
        }
    }
}

/// An object and where it stands.
pub(super) struct Object<'a, 'p> {
    map: Map<'a>,
    at: &'p Place<'p>,
}

impl<'a, 'p> Object<'a, 'p> {
    /// `node`, which must be an object.
    pub(super) fn of(node: Node<'a>, at: &'p Place<'p>) -> Result<Self, BadRequest> {
        match node {
            Node::Map(map) => Ok(Self { map, at }),
            other => Err(at.wrong("an object", &other)),
        }
    }

    pub(super) const fn at(&self) -> &'p Place<'p> {
        self.at
    }

    /// Takes whatever `name` is.
    pub(super) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        self.map.take(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.at.member(name).wrong("a string", &other)),
        }
    }

    pub(super) fn owned(&mut self, name: &str) -> Result<Option<String>, BadRequest> {
        Ok(self.text(name)?.map(Cow::into_owned))
    }

    /// A text that must be there; `what` tells what to send.
    pub(super) fn need(&mut self, name: &str, what: &str) -> Result<Cow<'a, str>, BadRequest> {
        self.text(name)?.ok_or_else(|| self.at.member(name).bad(format_args!("is missing: {what}")))
    }

    /// A text that must be there.
    pub(super) fn needed_text(&mut self, name: &str) -> Result<Cow<'a, str>, BadRequest> {
        self.text(name)?.ok_or_else(|| self.at.member(name).missing("a string"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(self.at.member(name).wrong("a boolean", &other)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a setting above 2^53 means nothing")]
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Whole(value)) => Ok(Some(value as f64)),
            Some(Node::Number(value)) => Ok(Some(value)),
            Some(other) => Err(self.at.member(name).wrong("a number", &other)),
        }
    }

    /// A whole number of at least 0.
    pub(super) fn whole(&mut self, name: &str) -> Result<Option<u64>, BadRequest> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Whole(number)) => Ok(Some(number)),
            Some(Node::Number(_)) => Err(self.at.member(name).bad("must be an integer of at least 0")),
            Some(other) => Err(self.at.member(name).wrong("an integer", &other)),
        }
    }

    /// A whole number, which may be negative.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, BadRequest> {
        let place = self.at.member(name);
        match self.map.take(name) {
            None => Ok(None),
            Some(Node::Whole(value)) => {
                i64::try_from(value).map(Some).map_err(|_| place.bad("must be an integer below 2^63"))
            }
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            Some(Node::Number(value)) if value.fract() == 0.0 && value.abs() < 9e15 => Ok(Some(value as i64)),
            Some(Node::Number(_)) => Err(place.bad("must be an integer")),
            Some(other) => Err(place.wrong("an integer", &other)),
        }
    }

    /// An array; absent is as if it were empty.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Node<'a>>, BadRequest> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Node::List(list)) => Ok(list),
            Some(other) => Err(self.at.member(name).wrong("an array", &other)),
        }
    }

    /// Members that are left and what they are, in the order in which they are left.
    pub(super) fn rest(self) -> Vec<(Cow<'a, str>, Node<'a>)> {
        self.map.0
    }

    /// Notes `feature` at the member `name`.
    pub(super) fn uses(&self, name: &str, feature: Feature, chat: &mut Chat) {
        chat.uses(feature, self.at.member(name).to_string());
    }

    /// Notes each member that nobody took, where an empty array asks for nothing.
    pub(super) fn leave(mut self, chat: &mut Chat) {
        self.map.0.retain(|(_, value)| !matches!(value, Node::List(list) if list.is_empty()));
        self.done(chat);
    }

    /// Nobody has a word for the members that are left: notes them.
    pub(super) fn done(self, chat: &mut Chat) {
        for name in self.map.left() {
            chat.uses(Feature::Unknown, self.at.member(name).to_string());
        }
    }
}
