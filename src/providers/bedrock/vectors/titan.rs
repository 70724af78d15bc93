//! Amazon's Titan: one text a request.

use super::invoke;
use crate::{
    model::{Api, Element, Embed, Vector, Wish},
    providers::{
        Garbage, Reading,
        lenient::Count,
        retrieval::{Body, Embedder, read},
    },
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The generations of its models.
#[derive(Debug)]
pub(super) enum Titan {
    /// G1: it takes a text and nothing else.
    First,
    /// V2.
    Second,
    /// Texts and pictures; texts here.
    Multimodal,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    embedding: Option<&'a RawValue>,
    #[serde(borrow, default)]
    embeddings_by_type: Option<ByType<'a>>,
    #[serde(default)]
    input_text_token_count: Count,
}

#[derive(Deserialize)]
struct ByType<'a> {
    #[serde(borrow, default)]
    binary: Option<&'a RawValue>,
}

impl Embedder for Titan {
    fn api(&self) -> &'static str {
        "Titan's embeddings"
    }

    fn path(&self, model: &str) -> String {
        invoke(model)
    }

    fn most(&self, _model: &str) -> usize {
        1
    }

    fn says(&self, wish: Wish, asked: &Embed, _model: &str) -> bool {
        match (self, wish) {
            (Self::Second, Wish::Element) => asked.element == Some(Element::Binary),
            (Self::Second, Wish::Dimensions | Wish::Normalized) | (Self::Multimodal, Wish::Dimensions) => true,
            _ => false,
        }
    }

    fn encode(&self, asked: &Embed, _model: &str) -> Bytes {
        let mut body = Body::with_room_for(&asked.texts);
        // More than one text is refused before.
        if let Some(text) = asked.texts.first() {
            body.json("inputText", text);
        }
        match self {
            Self::First => {}
            Self::Second => {
                body.whole("dimensions", asked.dimensions).flag("normalize", asked.normalized);
                if asked.element == Some(Element::Binary) {
                    body.json("embeddingTypes", br#"["binary"]"#);
                }
            }
            Self::Multimodal => {
                if let Some(length) = asked.dimensions {
                    body.json("embeddingConfig", format!(r#"{{"outputEmbeddingLength":{length}}}"#).as_bytes());
                }
            }
        }
        body.end()
    }

    fn decode<'a>(&self, body: &'a [u8], asked: &Embed) -> Result<(Vec<Vector<'a>>, Reading), Garbage> {
        let Answer { embedding, embeddings_by_type, input_text_token_count } = read::answer(Api::Embeddings, body)?;
        let binary = embeddings_by_type.and_then(|by_type| by_type.binary);
        let vector = if asked.element.is_some() { binary } else { embedding };
        let vector = vector.ok_or_else(|| read::garbage(Api::Embeddings, "it has no vector"))?;
        Ok((vec![read::vector(vector)], read::reported(input_text_token_count, Count::Absent)))
    }
}
