//! Mistral's embeddings: OpenAI's but for the names of some members
//! (<https://docs.mistral.ai/api/endpoint/embeddings>). Requests that hold none of the others' pass.

use crate::{
    model::{Element, Embed, Vector, Wish},
    providers::{
        Garbage, Reading,
        retrieval::{Body, Embedder, read},
    },
};
use bytes::Bytes;

/// `POST /v1/embeddings`
#[derive(Debug)]
pub(super) struct Embeddings;

impl Embedder for Embeddings {
    fn api(&self) -> &'static str {
        "Mistral's embeddings"
    }

    fn path(&self, _model: &str) -> String {
        "/embeddings".to_owned()
    }

    /// The documentation bounds the tokens of a request, not its texts: Mistral is the judge.
    fn most(&self, _model: &str) -> usize {
        usize::MAX
    }

    fn says(&self, wish: Wish, asked: &Embed, _model: &str) -> bool {
        match wish {
            Wish::Dimensions => true,
            Wish::Element => asked.element.is_some(),
            Wish::Purpose
            | Wish::Cut
            | Wish::LateChunking
            | Wish::Normalized
            | Wish::Title
            | Wish::TokensPerDocument
            | Wish::Foreign
            | Wish::Packed
            | Wish::User
            | Wish::Unknown => false,
        }
    }

    fn encode(&self, asked: &Embed, model: &str) -> Bytes {
        let mut body = Body::with_room_for(&asked.texts);
        body.text("model", model)
            .list("input", &asked.texts)
            .whole("output_dimension", asked.dimensions)
            .word("output_dtype", asked.element.map(Element::name))
            .word("encoding_format", asked.packed.then_some("base64"))
            .end()
    }

    fn decode<'a>(&self, body: &'a [u8], _asked: &Embed) -> Result<(Vec<Vector<'a>>, Reading), Garbage> {
        read::list(body)
    }
}
