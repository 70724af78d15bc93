//! A body as a tree whose texts are slices of it, for decoders: each member is taken once, and what nobody took is
//! known by its path.

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A JSON value. The body was checked before ([`super::strict`]): no duplicate keys, bounded depth.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number that is a whole one and not negative.
    Whole(u64),
    /// Another number.
    Number(f64),
    /// A text; borrowed where it has no escapes.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Node<'a>>),
    /// An object, in order.
    Map(Map<'a>),
}

/// The members of an object that were not taken yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map<'a>(pub Vec<(Cow<'a, str>, Node<'a>)>);

impl<'a> Map<'a> {
    /// Takes the member `name`; `null` is as if it were not there.
    pub fn take(&mut self, name: &str) -> Option<Node<'a>> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        let (_, value) = self.0.swap_remove(at);
        (value != Node::Null).then_some(value)
    }

    /// Names of the members that are left (not `null`), sorted.
    pub fn left(&self) -> Vec<&str> {
        let mut left: Vec<_> = self.0.iter().filter(|(_, value)| *value != Node::Null).map(|(key, _)| &**key).collect();
        left.sort_unstable();
        left
    }
}

impl<'a> Node<'a> {
    /// Reads `json`.
    ///
    /// # Errors
    ///
    /// When it is no JSON.
    pub fn read(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// What it is, with an article, for messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Whole(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Map(_) => "an object",
        }
    }
}

/// `text` as a slice of `body`, without a copy where it is one.
#[expect(clippy::ptr_arg, reason = "whether it is borrowed is what matters")]
pub fn slice(body: &Bytes, text: &Cow<'_, str>) -> Bytes {
    match text {
        Cow::Borrowed(text) if body.as_ptr_range().contains(&text.as_ptr()) => body.slice_ref(text.as_bytes()),
        text => Bytes::copy_from_slice(text.as_bytes()),
    }
}

/// Writes JSON, members in their order.
impl serde::Serialize for Node<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Whole(value) => to.serialize_u64(*value),
            Self::Number(value) if value.fract() == 0.0 && value.abs() < 9e15 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                to.serialize_i64(*value as i64)
            }
            Self::Number(value) => to.serialize_f64(*value),
            Self::Text(text) => to.serialize_str(text),
            Self::List(list) => to.collect_seq(list),
            Self::Map(map) => to.collect_map(map.0.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Whole(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "a negative whole number this large means nothing here")]
    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(u64::try_from(value).map_or(Node::Number(value as f64), Node::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element()? {
            list.push(value);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(Key(key)) = from.next_key()? {
            members.push((key, from.next_value()?));
        }
        Ok(Node::Map(Map(members)))
    }
}

/// A member's name, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_any(NodeVisitor)? {
            Node::Text(text) => Ok(Self(text)),
            other => Err(D::Error::custom(format_args!("a name, not {}", other.kind()))),
        }
    }
}

/// `node` as JSON text.
pub fn raw(node: &Node<'_>) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(node).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_slices_of_the_body_and_members_keep_their_order() {
        let body = Bytes::from_static(br#"{"b":1,"a":"some text","c":[null,true,-2,1.5,1e3],"n":null}"#);
        let Ok(Node::Map(mut map)) = Node::read(&body) else { panic!("an object") };
        assert_eq!(
            serde_json::to_string(&Node::Map(map.clone())).expect("it serializes"),
            r#"{"b":1,"a":"some text","c":[null,true,-2,1.5,1000],"n":null}"#
        );
        let Some(Node::Text(text)) = map.take("a") else { panic!("a text") };
        assert_eq!(slice(&body, &text).as_ptr(), body[12..].as_ptr(), "no copy");
        assert_eq!(map.take("n"), None, "null is as if it were not there");
        assert_eq!(map.left(), ["b", "c"]);
    }
}
