//! A chat completion and its chunks, as far as they are read, and as lenient as its many servers ask for.

use crate::providers::lenient::{Text, raw};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One chunk, or an answer that came whole.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default, deserialize_with = "raw")]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) service_tier: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Index,
    #[serde(borrow, default)]
    pub(super) delta: Option<Delta<'a>>,
    /// What `delta` is in an answer that came whole; the members are the same.
    #[serde(borrow, default)]
    pub(super) message: Option<Delta<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Text<'a>,
    /// vLLM's: the stop sequence that came up, or a token's number.
    #[serde(borrow, default)]
    pub(super) stop_reason: Text<'a>,
    #[serde(borrow, default, deserialize_with = "raw")]
    pub(super) logprobs: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) content: Said<'a>,
    #[serde(borrow)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(borrow)]
    pub(super) reasoning: Text<'a>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    pub(super) function_call: Option<Call<'a>>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) audio: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) images: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) annotations: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolCall<'a> {
    pub(super) index: Index,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) function: Option<Call<'a>>,
    #[serde(borrow)]
    pub(super) custom: Option<Call<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    /// A text; an object at Ollama.
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) arguments: Option<&'a RawValue>,
    /// What `arguments` are of custom tools.
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) input: Option<&'a RawValue>,
}

impl<'a> Call<'a> {
    /// The arguments as text.
    pub(super) fn arguments(&self) -> Cow<'a, str> {
        match self.arguments.or(self.input).map(RawValue::get) {
            None | Some("null") => "".into(),
            Some(text) if text.starts_with('"') => match serde_json::from_str(text) {
                Ok(Text::Plain(text)) => text,
                _ => "".into(),
            },
            Some(json) => json.into(),
        }
    }
}

/// A picture: OpenRouter's.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Image<'a> {
    #[serde(borrow)]
    pub(super) image_url: Option<Url<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Url<'a> {
    #[serde(borrow)]
    pub(super) url: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Audio<'a> {
    #[serde(borrow)]
    pub(super) data: Text<'a>,
    #[serde(borrow)]
    pub(super) transcript: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotation<'a> {
    #[serde(borrow)]
    pub(super) url_citation: Option<Cited<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Cited<'a> {
    #[serde(borrow)]
    pub(super) url: Text<'a>,
    #[serde(borrow)]
    pub(super) title: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Logprobs<'a> {
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) content: Option<&'a RawValue>,
}

/// What `member` says, if it is of the shape that is known.
pub(super) fn inside<'a, T: Deserialize<'a>>(member: Option<&'a RawValue>) -> Option<T> {
    member.filter(|value| value.get() != "null").and_then(|value| serde_json::from_str(value.get()).ok())
}

/// The content of a message: a text, or parts of it.
#[derive(Default)]
pub(super) enum Said<'a> {
    /// None.
    #[default]
    Nothing,
    /// A text.
    Text(Cow<'a, str>),
    /// Mistral's: texts and thoughts.
    Parts(Vec<Piece<'a>>),
}

/// A part of a message's content.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Piece<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow)]
    pub(super) thinking: Said<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Said<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SaidVisitor)
    }
}

struct SaidVisitor;

impl<'de> Visitor<'de> for SaidVisitor {
    type Value = Said<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string, an array of parts or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Said<'de>, E> {
        Ok(Said::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Said<'de>, E> {
        Ok(Said::Text(text.to_owned().into()))
    }

    fn visit_unit<E>(self) -> Result<Said<'de>, E> {
        Ok(Said::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Said<'de>, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = seq.next_element()? {
            parts.push(part);
        }
        Ok(Said::Parts(parts))
    }

    fn visit_bool<E>(self, said: bool) -> Result<Said<'de>, E> {
        Ok(Said::Text(said.to_string().into()))
    }

    fn visit_i64<E>(self, said: i64) -> Result<Said<'de>, E> {
        Ok(Said::Text(said.to_string().into()))
    }

    fn visit_u64<E>(self, said: u64) -> Result<Said<'de>, E> {
        Ok(Said::Text(said.to_string().into()))
    }

    fn visit_f64<E>(self, said: f64) -> Result<Said<'de>, E> {
        Ok(Said::Text(said.to_string().into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Said<'de>, A::Error> {
        Ok(Said::Parts(vec![Piece::deserialize(MapAccessDeserializer::new(map))?]))
    }
}

/// A number that counts something, or none: also as text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers::openai) struct Index(pub(in crate::providers::openai) Option<u32>);

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(IndexVisitor)
    }
}

struct IndexVisitor;

impl<'de> Visitor<'de> for IndexVisitor {
    type Value = Index;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a number or null")
    }

    fn visit_u64<E>(self, index: u64) -> Result<Index, E> {
        Ok(Index(u32::try_from(index).ok()))
    }

    fn visit_str<E>(self, index: &str) -> Result<Index, E> {
        Ok(Index(index.parse().ok()))
    }

    fn visit_unit<E>(self) -> Result<Index, E> {
        Ok(Index(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Index, E> {
        Ok(Index(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Index, E> {
        Ok(Index(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Index, E> {
        Ok(Index(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Index, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Index(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Index, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Index(None))
    }
}
