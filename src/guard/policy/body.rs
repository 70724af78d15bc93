//! The members of a request's body, of which only those that are asked for are read.

use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A body that is a JSON object; its members are not read yet.
pub(super) struct Body(Vec<(String, Member)>);

enum Member {
    Raw(Box<RawValue>),
    Read(Value),
}

/// A value, and its name in the body.
pub(super) struct Held {
    pub name: String,
    pub value: Value,
}

impl Body {
    /// `None`: it is no JSON object.
    pub fn read(body: &[u8]) -> Option<Self> {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).ok()?;
        Some(Self(members.into_iter().map(|(name, value)| (name, Member::Raw(value))).collect()))
    }

    /// One member.
    pub fn of(name: &str, value: Value) -> Self {
        Self(vec![(name.to_owned(), Member::Read(value))])
    }

    /// The values at `path` that are not `null`; several where its names are written in several ways.
    pub fn at(&self, path: &[&str]) -> Vec<Held> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let top = self.members(first).map(|(name, value)| Held { name: name.to_owned(), value });
        rest.iter().fold(top.collect(), |held: Vec<Held>, part| held.into_iter().flat_map(|one| one.at(part)).collect())
    }

    /// The lists called `name` that have `word` in one of their items.
    pub fn listed(&self, name: &str, word: &str) -> Vec<Held> {
        let has = |item: &Value| item.as_str().is_some_and(|text| text.contains(word));
        let mut held = self.at(&[name]);
        held.retain(|one| one.value.as_array().is_some_and(|items| items.iter().any(has)));
        held
    }

    /// The tools that are one of `kinds`: by their `type`, or by the name of their member where they have none.
    pub fn tools(&self, kinds: &[&str]) -> Vec<Held> {
        let mut found = Vec::new();
        for Held { name, value } in self.at(&["tools"]) {
            let tools = match value {
                Value::Array(tools) => tools,
                one => vec![one],
            };
            let hosted = tools.into_iter().enumerate().filter(|(_, tool)| is_one_of(tool, kinds));
            found.extend(hosted.map(|(index, value)| Held { name: format!("{name}[{index}]"), value }));
        }
        found
    }

    /// The members of this name that are not `null`; several where it is written in several ways.
    fn members<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, Value)> {
        self.0.iter().filter(move |(other, _)| is(other, name)).filter_map(|(name, member)| {
            let value = match member {
                Member::Raw(raw) => serde_json::from_str(raw.get()).ok()?,
                Member::Read(value) => value.clone(),
            };
            (!value.is_null()).then_some((&**name, value))
        })
    }
}

impl Held {
    /// Its members of this name.
    fn at(self, part: &str) -> Vec<Self> {
        let Value::Object(members) = self.value else { return Vec::new() };
        let there = members.into_iter().filter(|(name, value)| is(name, part) && !value.is_null());
        there.map(|(name, value)| Self { name: format!("{}.{name}", self.name), value }).collect()
    }
}

fn is_one_of(tool: &Value, kinds: &[&str]) -> bool {
    let Value::Object(members) = tool else { return false };
    match members.get("type").and_then(Value::as_str) {
        Some(kind) => kinds.iter().any(|known| is_kind(kind, known)),
        None => members.iter().any(|(name, value)| !value.is_null() && kinds.iter().any(|kind| is(name, kind))),
    }
}

/// Whether a member is called `name`, in whatever way it is written: protobuf takes `topK` and `top_k`.
fn is<'a>(member: &'a str, name: &'a str) -> bool {
    let plain = |text: &'a str| text.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase());
    member == name || plain(member).eq(plain(name))
}

/// Whether a tool's type is `known`, or a dated one of it: `web_search_20250305`, `web_search_preview_2025_03_11`.
fn is_kind(kind: &str, known: &str) -> bool {
    kind.strip_prefix(known).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with('_') && rest[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
    })
}
