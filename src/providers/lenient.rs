//! Values as providers really send them: null for nothing, numbers that are none, arrays where text belongs.
//!
//! An answer that a client without a gateway would have got is not refused for a member that only the gateway
//! reads.

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A text, borrowed where it has no escapes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Text<'a> {
    /// Not there, or null.
    #[default]
    Absent,
    /// A string.
    Plain(Cow<'a, str>),
    /// Something else that is not null.
    Other,
}

impl Text<'_> {
    /// The string, empty for anything else.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Absent | Self::Other => "",
        }
    }

    /// Whether it says anything: an empty string does not.
    pub(super) fn says_something(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Plain(text) => !text.is_empty(),
            Self::Other => true,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text::Plain(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text::Plain(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Text<'de>, E> {
        Ok(Text::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text<'de>, E> {
        Ok(Text::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text<'de>, E> {
        Ok(Text::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text<'de>, E> {
        Ok(Text::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text<'de>, E> {
        Ok(Text::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::Other)
    }
}

/// A count of tokens.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Not there, or null.
    #[default]
    Absent,
    /// A sane number.
    Tokens(u64),
    /// Negative, a fraction, a string, or more than [`Count::MOST`].
    Absurd,
}

impl Count {
    /// No request has a trillion tokens; past it a figure is taken for an error, not for a bill.
    const MOST: u64 = 1_000_000_000_000;

    /// The number, 0 if there is none.
    pub(super) const fn or_zero(self) -> u64 {
        match self {
            Self::Tokens(count) => count,
            Self::Absent | Self::Absurd => 0,
        }
    }

    /// The number, if there is one.
    pub(super) const fn known(self) -> Option<u64> {
        match self {
            Self::Tokens(count) => Some(count),
            Self::Absent | Self::Absurd => None,
        }
    }

    /// This, or `other` where this says nothing.
    pub(super) const fn or(self, other: Self) -> Self {
        match self {
            Self::Absent => other,
            Self::Tokens(_) | Self::Absurd => self,
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a count of tokens or null")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
        Ok(if count <= Count::MOST { Count::Tokens(count) } else { Count::Absurd })
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count::Absent)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Count, E> {
        Ok(Count::Absurd)
    }

    /// Cohere writes its counts as floating-point numbers.
    fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
        let sane = count.fract() == 0.0 && (0.0..=Count::MOST as f64).contains(&count);
        Ok(if sane { Count::Tokens(count as u64) } else { Count::Absurd })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count::Absurd)
    }

    fn visit_str<E>(self, _: &str) -> Result<Count, E> {
        Ok(Count::Absurd)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count::Absurd)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count::Absurd)
    }
}

/// A member as it stands, `null` included: for what is only there or not, read later, or cut out.
pub(super) fn raw<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Whether a member stands there and is not `null`.
pub(super) fn is_given(member: Option<&RawValue>) -> bool {
    member.is_some_and(|value| value.get() != "null")
}

/// The bytes of `data` to cut so that the member `name`, whose value is `value` (a part of `data`), was never
/// there: with its name and one comma. `None` when the name does not stand as expected.
pub(super) fn member_range(data: &[u8], name: &str, value: &RawValue) -> Option<Range<usize>> {
    let start = (value.get().as_ptr() as usize).checked_sub(data.as_ptr() as usize)?;
    let end = start.checked_add(value.get().len())?;
    let before = data.get(..start)?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let before = before.strip_suffix(b"\"")?.strip_suffix(name.as_bytes())?.strip_suffix(b"\"")?;
    let front = before.trim_ascii_end();
    if let Some(front) = front.strip_suffix(b",") {
        return Some(front.len()..end);
    }
    // The first member: the comma behind it goes.
    let rest = data.get(end..)?;
    let behind = rest.trim_ascii_start();
    let cut = behind.strip_prefix(b",").map_or(rest, <[u8]>::trim_ascii_start);
    Some(before.len()..data.len() - cut.len())
}

/// The data of an event as `T`.
///
/// # Errors
///
/// Whether it is JSON at all, of a shape that `T` does not know, or not.
pub(super) fn read<'a, T: Deserialize<'a>>(data: &'a Bytes) -> Result<T, Unread> {
    // UTF-8 is checked once for the whole event, not once a string.
    let text = std::str::from_utf8(data).map_err(|_| Unread::NoJson)?;
    serde_json::from_str(text).map_err(|error| {
        let json = error.is_data() && serde_json::from_str::<IgnoredAny>(text).is_ok();
        if json { Unread::UnknownShape } else { Unread::NoJson }
    })
}

/// Why an event was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// JSON, but a member is of another kind than expected.
    UnknownShape,
    /// No JSON.
    NoJson,
}
