//! serde over the spanned tree: what goes wrong knows where it went wrong, and what would have been right.

use super::tree::{Node, Scalar, Value};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt;

/// The first thing that is wrong with a tree.
#[derive(Debug)]
pub(super) struct Flaw {
    /// Key path and line, once known.
    pub(super) at: Option<(String, usize)>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The value is not what belongs here.
    Wrong { found: String, expected: String },
    /// The mapping has no such key.
    UnknownKey { key: String, valid: &'static [&'static str] },
    /// The value is none of the words that are valid here.
    UnknownWord { found: String, word: String, valid: &'static [&'static str] },
    /// The mapping lacks a key.
    Missing(&'static str),
    /// In a type's own words.
    Said(String),
}

impl Flaw {
    fn new(what: What) -> Self {
        Self { at: None, what }
    }

    /// Places the flaw at `node` if it has no place yet. What came out of a reference is not shown.
    fn at(mut self, node: &Node) -> Self {
        if self.at.is_some() {
            return self;
        }
        self.at = Some((node.path.clone(), node.line));
        let Value::Scalar(Scalar { reference: Some(reference), .. }) = &node.value else { return self };
        let hidden = format!("what `{reference}` stands for");
        self.what = match self.what {
            What::Wrong { expected, .. } => What::Wrong { found: hidden, expected },
            What::UnknownWord { valid, .. } => What::UnknownWord { found: hidden, word: String::new(), valid },
            What::Said(_) => What::Said(format!("{hidden} is not accepted here")),
            what @ (What::UnknownKey { .. } | What::Missing(_)) => what,
        };
        self
    }
}

impl std::error::Error for Flaw {}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.what)
    }
}

impl de::Error for Flaw {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Said(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Wrong { found: describe(found), expected: expected.to_string() })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(What::Wrong { found: format!("{length} items"), expected: expected.to_string() })
    }

    fn unknown_field(key: &str, valid: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey { key: key.to_owned(), valid })
    }

    fn unknown_variant(word: &str, valid: &'static [&'static str]) -> Self {
        let found = describe(Unexpected::Str(word));
        Self::new(What::UnknownWord { found, word: word.to_owned(), valid })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(What::Missing(key))
    }
}

/// How a value is named in a message; long texts are cut.
fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) if text.chars().count() > 40 => {
            format!("`{}…`", text.chars().take(40).collect::<String>())
        }
        Unexpected::Str(text) => format!("`{text}`"),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

fn found(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) if scalar.is_null() => describe(Unexpected::Unit),
        Value::Scalar(scalar) if scalar.plain => describe(Unexpected::Str(&scalar.text)),
        Value::Scalar(scalar) => format!("the quoted text {}", describe(Unexpected::Str(&scalar.text))),
        Value::List(_) => describe(Unexpected::Seq),
        Value::Map(_) => describe(Unexpected::Map),
        Value::Cut => "a value that cannot be read".to_owned(),
    }
}

fn wrong(node: &Node, expected: &str) -> Flaw {
    Flaw::new(What::Wrong { found: found(node), expected: expected.to_owned() }).at(node)
}

/// Where a list or a mapping belongs, the text of a scalar is not quoted: it may be a credential in the wrong place.
fn shapeless(node: &Node, expected: &str) -> Flaw {
    let found = match &node.value {
        Value::Scalar(_) => "a single value".to_owned(),
        _ => found(node),
    };
    Flaw::new(What::Wrong { found, expected: expected.to_owned() }).at(node)
}

/// The text of a scalar that is not null.
fn text<'de>(node: &'de Node, expected: &dyn Expected) -> Result<&'de str, Flaw> {
    match &node.value {
        Value::Scalar(scalar) if !scalar.is_null() => Ok(&scalar.text),
        _ => Err(wrong(node, &expected.to_string())),
    }
}

/// A scalar's text, if it may be read as a number or a truth value: not when it is quoted.
fn bare<'de>(node: &'de Node, expected: &str) -> Result<&'de str, Flaw> {
    match &node.value {
        Value::Scalar(scalar) if !scalar.is_null() && (scalar.plain || scalar.reference.is_some()) => Ok(&scalar.text),
        _ => Err(wrong(node, expected)),
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $kind:ty, $expected:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
            let number = bare(self, $expected)?.parse::<$kind>().map_err(|_| wrong(self, $expected))?;
            visitor.$visit(number).map_err(|flaw: Flaw| flaw.at(self))
        }
    )*};
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Flaw;

    numbers! {
        deserialize_u8 visit_u64 u64, "a whole number";
        deserialize_u16 visit_u64 u64, "a whole number";
        deserialize_u32 visit_u64 u64, "a whole number";
        deserialize_u64 visit_u64 u64, "a whole number";
        deserialize_i8 visit_i64 i64, "a whole number";
        deserialize_i16 visit_i64 i64, "a whole number";
        deserialize_i32 visit_i64 i64, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_f32 visit_f64 f64, "a number";
        deserialize_f64 visit_f64 f64, "a number";
        deserialize_bool visit_bool bool, "`true` or `false`";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let done = match &self.value {
            Value::Scalar(scalar) if scalar.is_null() => visitor.visit_unit(),
            Value::Scalar(scalar) if !scalar.plain => visitor.visit_borrowed_str(&scalar.text),
            Value::Scalar(scalar) => match (scalar.text.parse(), scalar.text.parse(), scalar.text.parse()) {
                (Ok(number), _, _) => visitor.visit_u64(number),
                (_, Ok(number), _) => visitor.visit_i64(number),
                (_, _, Ok(truth)) => visitor.visit_bool(truth),
                _ => visitor.visit_borrowed_str(&scalar.text),
            },
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
            Value::Cut => visitor.visit_none(),
        };
        done.map_err(|flaw: Flaw| flaw.at(self))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let text = text(self, &visitor)?;
        // What is said about a referenced value may quote it; what was expected does not.
        let referenced = matches!(&self.value, Value::Scalar(Scalar { reference: Some(_), .. }));
        let expected = referenced.then(|| (&visitor as &dyn Expected).to_string());
        visitor.visit_borrowed_str(text).map_err(|mut flaw: Flaw| {
            if let (What::Said(_), Some(expected)) = (&flaw.what, expected) {
                flaw.what = What::Wrong { found: String::new(), expected };
            }
            flaw.at(self)
        })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let text = text(self, &"a text")?;
        visitor.visit_borrowed_str(text).map_err(|flaw: Flaw| flaw.at(self))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        self.deserialize_str(visitor)
    }

    /// Present is present: `key:` with nothing behind it does not stand for the default, but is told.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let done = if matches!(self.value, Value::Cut) { visitor.visit_none() } else { visitor.visit_some(self) };
        done.map_err(|flaw: Flaw| flaw.at(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_newtype_struct(self).map_err(|flaw: Flaw| flaw.at(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let items: &[Node] = match &self.value {
            Value::List(items) => items,
            Value::Scalar(scalar) if scalar.is_null() => &[],
            _ => return Err(shapeless(self, "a list")),
        };
        visitor.visit_seq(Items(items.iter())).map_err(|flaw: Flaw| flaw.at(self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Flaw> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        let entries: &[(String, Node)] = match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar(scalar) if scalar.is_null() => &[],
            _ => return Err(shapeless(self, "a mapping")),
        };
        visitor.visit_map(Entries { entries: entries.iter(), next: None }).map_err(|flaw: Flaw| flaw.at(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        let done = match &self.value {
            Value::Map(entries) => {
                visitor.visit_enum(MapAccessDeserializer::new(Entries { entries: entries.iter(), next: None }))
            }
            _ => {
                let word: StrDeserializer<'_, Flaw> = text(self, &"a word")?.into_deserializer();
                visitor.visit_enum(word)
            }
        };
        done.map_err(|flaw: Flaw| flaw.at(self))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf unit unit_struct }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Flaw;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Flaw> {
        self.0.next().map(|node| seed.deserialize(node).map_err(|flaw| flaw.at(node))).transpose()
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, (String, Node)>,
    next: Option<&'de Node>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Flaw;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Flaw> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.next = Some(node);
        let key: StrDeserializer<'_, Flaw> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|mut flaw| {
            flaw.at.get_or_insert_with(|| (node.path.clone(), node.line));
            flaw
        })
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Flaw> {
        let node = self.next.take().expect("a value is asked for after its key");
        seed.deserialize(node).map_err(|flaw| flaw.at(node))
    }
}
