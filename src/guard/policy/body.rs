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

    /// The value at `path`, if it is there and not `null`.
    pub fn at(&self, path: &[&str]) -> Option<Held> {
        let (first, rest) = path.split_first()?;
        self.members(first).find_map(|(name, value)| {
            let (mut names, mut value) = (name.to_owned(), value);
            for part in rest {
                let Value::Object(members) = value else { return None };
                let (name, inner) = members.into_iter().find(|(name, value)| is(name, part) && !value.is_null())?;
                names = format!("{names}.{name}");
                value = inner;
            }
            Some(Held { name: names, value })
        })
    }

    /// The item of the list `name` that has `word` in it.
    pub fn listed(&self, name: &str, word: &str) -> Option<Held> {
        let has = |item: &Value| item.as_str().is_some_and(|text| text.contains(word));
        let held = self.at(&[name])?;
        held.value.as_array().is_some_and(|items| items.iter().any(has)).then_some(held)
    }

    /// The first tool that is one of `kinds`: by its `type`, or by the name of its member where it has none.
    pub fn tools(&self, kinds: &[&str]) -> Option<Held> {
        let held = self.at(&["tools"])?;
        let tools = match held.value {
            Value::Array(tools) => tools,
            one => vec![one],
        };
        tools.into_iter().enumerate().find_map(|(index, tool)| {
            let Value::Object(members) = &tool else { return None };
            let hosted = match members.get("type").and_then(Value::as_str) {
                Some(kind) => kinds.iter().any(|known| is_kind(kind, known)),
                None => members.iter().any(|(name, value)| !value.is_null() && kinds.iter().any(|kind| is(name, kind))),
            };
            hosted.then(|| Held { name: format!("{}[{index}]", held.name), value: tool })
        })
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
