//! Objects of a body, member by member: of what kind each must be, and where it stands.

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

/// Where something stands in the body. Written out only when it is told to somebody.
#[derive(Clone, Copy)]
pub(super) enum At<'p> {
    /// The body itself.
    Body,
    /// A member.
    Member(&'p Self, &'p str),
    /// An element.
    Item(&'p Self, usize),
}

impl<'p> At<'p> {
    pub(super) const fn member(&'p self, name: &'p str) -> Self {
        Self::Member(self, name)
    }

    pub(super) const fn item(&'p self, index: usize) -> Self {
        Self::Item(self, index)
    }

    /// A complaint about what stands here.
    pub(super) fn bad(&self, why: impl fmt::Display) -> BadRequest {
        BadRequest { message: format!("`{self}` {why}"), param: Some(self.to_string()) }
    }

    /// `got` is not the kind that belongs here.
    pub(super) fn wrong_kind(&self, want: &str, got: &Node<'_>) -> BadRequest {
        self.bad(format_args!("must be {want}, not {}", got.kind()))
    }

    /// Something that belongs here is not there.
    pub(super) fn missing(&self, want: &str) -> BadRequest {
        self.bad(format_args!("is missing: it must be {want}"))
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => Ok(()),
            Self::Member(Self::Body, name) => out.write_str(&echo(name)),
            Self::Member(parent, name) => write!(out, "{parent}.{}", echo(name)),
            Self::Item(parent, index) => write!(out, "{parent}[{index}]"),
        }
    }
}

/// An object whose members are taken one by one.
pub(super) struct Fields<'a, 'p> {
    map: Map<'a>,
    /// Where it stands.
    pub(super) at: &'p At<'p>,
}

impl<'a, 'p> Fields<'a, 'p> {
    /// `node`, which stands at `at` and must be an object.
    pub(super) fn of(node: Node<'a>, at: &'p At<'p>) -> Result<Self, BadRequest> {
        match node {
            Node::Map(map) => Ok(Self { map, at }),
            other => Err(at.wrong_kind("an object", &other)),
        }
    }

    /// Takes a member of any kind; `null` is none.
    pub(super) fn any(&mut self, name: &str) -> Option<Node<'a>> {
        self.map.take(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, BadRequest> {
        match self.map.take(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.at.member(name).wrong_kind("a string", &other)),
        }
    }

    pub(super) fn needed_text(&mut self, name: &str) -> Result<Cow<'a, str>, BadRequest> {
        self.text(name)?.ok_or_else(|| self.at.member(name).missing("a string"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, BadRequest> {
        match self.map.take(name) {
            None => Ok(None),
            Some(Node::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.at.member(name).wrong_kind("a boolean", &other)),
        }
    }

    pub(super) fn whole(&mut self, name: &str) -> Result<Option<u64>, BadRequest> {
        match self.map.take(name) {
            None => Ok(None),
            Some(Node::Whole(number)) => Ok(Some(number)),
            Some(Node::Number(_)) => Err(self.at.member(name).bad("must be an integer of at least 0")),
            Some(other) => Err(self.at.member(name).wrong_kind("an integer", &other)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a sampling setting is a small number")]
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, BadRequest> {
        match self.map.take(name) {
            None => Ok(None),
            Some(Node::Whole(number)) => Ok(Some(number as f64)),
            Some(Node::Number(number)) => Ok(Some(number)),
            Some(other) => Err(self.at.member(name).wrong_kind("a number", &other)),
        }
    }

    /// Takes an array; one that is not there is empty.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Node<'a>>, BadRequest> {
        match self.map.take(name) {
            None => Ok(Vec::new()),
            Some(Node::List(list)) => Ok(list),
            Some(other) => Err(self.at.member(name).wrong_kind("an array", &other)),
        }
    }

    /// Notes `feature` at the member `name`.
    pub(super) fn uses(&self, name: &str, feature: Feature, chat: &mut Chat) {
        chat.uses(feature, self.at.member(name).to_string());
    }

    /// Nobody has a word for the members that are left: notes them.
    pub(super) fn done(self, chat: &mut Chat) {
        for name in self.map.left() {
            chat.uses(Feature::Unknown, self.at.member(name).to_string());
        }
    }
}
