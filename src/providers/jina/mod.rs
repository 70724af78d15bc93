//! Jina's API: embeddings, translated, and reranking, which passes as clients ask for it.
//!
//! References: <https://jina.ai/embeddings/>, <https://jina.ai/reranker/>, <https://api.jina.ai/redoc>.

use super::retrieval::{
    Body, Embedder,
    account::{self, Kind},
    read,
};
use super::{Garbage, Provider, Reading};
use crate::{
    config::{self, ConfigError},
    model::{Cut, Element, Embed, Purpose, Vector, Wish},
};
use bytes::Bytes;

static KIND: Kind = Kind {
    name: "jina",
    base_url: "https://api.jina.ai",
    version: "/v1",
    embedder: &Embeddings,
    ranker: None,
    ranks_as_asked: true,
};

/// Makes a provider of kind `jina`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    account::build(&KIND, provider)
}

/// `POST /v1/embeddings`
#[derive(Debug)]
struct Embeddings;

const fn task(purpose: Purpose) -> Option<&'static str> {
    match purpose {
        Purpose::Query | Purpose::QuestionAnswering | Purpose::FactChecking => Some("retrieval.query"),
        Purpose::Document => Some("retrieval.passage"),
        Purpose::Similarity => Some("text-matching"),
        Purpose::Classification => Some("classification"),
        Purpose::Clustering => Some("separation"),
        Purpose::CodeQuery => Some("code.query"),
        Purpose::CodeDocument => Some("code.passage"),
    }
}

/// It cuts at the end, or refuses.
fn truncate(cut: Option<Cut>) -> Option<bool> {
    match cut? {
        Cut::Never => Some(false),
        Cut::End => Some(true),
        Cut::Start => None,
    }
}

/// Of whole numbers it knows only those of bits.
const fn made_of(element: Element) -> Option<&'static str> {
    match element {
        Element::Binary | Element::Ubinary => Some(element.name()),
        Element::Int8 | Element::Uint8 => None,
    }
}

impl Embedder for Embeddings {
    fn api(&self) -> &'static str {
        "Jina's embeddings"
    }

    fn path(&self, _model: &str) -> String {
        "/embeddings".to_owned()
    }

    /// <https://jina.ai/embeddings/>: as many as OpenAI takes.
    fn most(&self, _model: &str) -> usize {
        2_048
    }

    fn says(&self, wish: Wish, asked: &Embed, _model: &str) -> bool {
        match wish {
            Wish::Dimensions | Wish::LateChunking | Wish::Normalized => true,
            Wish::Purpose => asked.purpose.and_then(task).is_some(),
            Wish::Cut => truncate(asked.cut).is_some(),
            Wish::Element => asked.element.and_then(made_of).is_some(),
            Wish::Title | Wish::TokensPerDocument | Wish::Foreign | Wish::Packed | Wish::User | Wish::Unknown => false,
        }
    }

    /// Floats are asked for as numbers, whatever the client wants: how Jina packs them is not written down.
    fn encode(&self, asked: &Embed, model: &str) -> Bytes {
        let mut body = Body::with_room_for(&asked.texts);
        body.text("model", model)
            .list("input", &asked.texts)
            .word("task", asked.purpose.and_then(task))
            .whole("dimensions", asked.dimensions)
            .flag("truncate", truncate(asked.cut))
            .flag("late_chunking", asked.late_chunking)
            .flag("normalized", asked.normalized)
            .word("embedding_type", asked.element.and_then(made_of))
            .end()
    }

    fn decode<'a>(&self, body: &'a [u8], _asked: &Embed) -> Result<(Vec<Vector<'a>>, Reading), Garbage> {
        read::list(body)
    }
}
