//! Cohere's models at Bedrock: as at Cohere, but that what was read is told in the answer's head.

use super::invoke;
use crate::{
    model::{Api, Cut, Vector, Wish},
    providers::{
        Garbage, Reading,
        cohere::vectors::{EMBED, MOST_TEXTS, embedding_types, input_type_or_document, truncate, vectors},
        lenient::Count,
        retrieval::{Body, Embedder, read},
    },
};
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Speaks for its models that embed.
#[derive(Debug)]
pub(super) struct Embed;

/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>; sent with every answer.
const TOKENS: &str = "x-amzn-bedrock-input-token-count";

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    embeddings: &'a RawValue,
}

/// What is cut off of a text that is too long. The fourth generation has words of its own here
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html>).
fn cut(asked: Option<Cut>, model: &str) -> Option<&'static str> {
    if model.contains("-v3") {
        return truncate(asked);
    }
    Some(match asked? {
        Cut::Never => "NONE",
        Cut::Start => "LEFT",
        Cut::End => "RIGHT",
    })
}

impl Embedder for Embed {
    fn api(&self) -> &'static str {
        "Cohere's embed at Bedrock"
    }

    fn path(&self, model: &str) -> String {
        invoke(model)
    }

    fn most(&self, _model: &str) -> usize {
        MOST_TEXTS
    }

    /// The third generation has one length of vectors.
    fn says(&self, wish: Wish, asked: &crate::model::Embed, model: &str) -> bool {
        EMBED.says(wish, asked, model) && (wish != Wish::Dimensions || !model.contains("-v3"))
    }

    fn encode(&self, asked: &crate::model::Embed, model: &str) -> Bytes {
        let mut body = Body::with_room_for(&asked.texts);
        body.list("texts", &asked.texts)
            .text("input_type", input_type_or_document(asked))
            .json("embedding_types", embedding_types(asked).as_bytes())
            .whole("output_dimension", asked.dimensions.filter(|_| self.says(Wish::Dimensions, asked, model)))
            .word("truncate", cut(asked.cut, model))
            .end()
    }

    fn decode<'a>(&self, body: &'a [u8], asked: &crate::model::Embed) -> Result<(Vec<Vector<'a>>, Reading), Garbage> {
        let Answer { embeddings } = read::answer(Api::Embeddings, body)?;
        Ok((vectors(embeddings, asked)?, read::reported(Count::Absent, Count::Absent)))
    }

    fn told_by_head(&self, headers: &HeaderMap) -> Option<u64> {
        headers.get(TOKENS)?.to_str().ok()?.trim().parse().ok()
    }
}
