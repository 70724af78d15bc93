//! Voyage's API: embeddings and reranking, nearly as OpenAI has the former and Cohere the latter. Both are translated:
//! OpenAI's `dimensions` has another name here, and its SDK wants figures that Voyage does not tell.
//!
//! References: <https://docs.voyageai.com/reference/embeddings-api>, <https://docs.voyageai.com/reference/reranker-api>.

use super::retrieval::{
    Body, Embedder, Ranker,
    account::{self, Kind},
    read::{self, Scored, Tokens},
};
use super::{Garbage, Provider, Reading};
use crate::{
    config::{self, ConfigError},
    model::{Api, Cut, Element, Embed, Purpose, Ranked, Rerank, Vector, Wish},
};
use bytes::Bytes;

static KIND: Kind = Kind {
    name: "voyage",
    base_url: "https://api.voyageai.com",
    version: "/v1",
    embedder: &Embeddings,
    ranker: Some(&Reranker),
    ranks_as_asked: false,
};

/// Makes a provider of kind `voyage`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    account::build(&KIND, provider)
}

/// Most texts, and documents, of a request.
const MOST: usize = 1_000;

/// `POST /v1/embeddings`
#[derive(Debug)]
struct Embeddings;

const fn input_type(purpose: Purpose) -> Option<&'static str> {
    match purpose {
        Purpose::Query | Purpose::CodeQuery | Purpose::QuestionAnswering | Purpose::FactChecking => Some("query"),
        Purpose::Document | Purpose::CodeDocument => Some("document"),
        Purpose::Similarity | Purpose::Classification | Purpose::Clustering => None,
    }
}

/// It cuts at the end, or refuses.
fn truncation(cut: Option<Cut>) -> Option<bool> {
    match cut? {
        Cut::Never => Some(false),
        Cut::End => Some(true),
        Cut::Start => None,
    }
}

impl Embedder for Embeddings {
    fn api(&self) -> &'static str {
        "Voyage's embeddings"
    }

    fn path(&self, _model: &str) -> String {
        "/embeddings".to_owned()
    }

    fn most(&self, _model: &str) -> usize {
        MOST
    }

    fn says(&self, wish: Wish, asked: &Embed, _model: &str) -> bool {
        match wish {
            Wish::Dimensions => true,
            Wish::Purpose => asked.purpose.and_then(input_type).is_some(),
            Wish::Cut => truncation(asked.cut).is_some(),
            Wish::Element => asked.element.is_some(),
            Wish::LateChunking
            | Wish::Normalized
            | Wish::Title
            | Wish::TokensPerDocument
            | Wish::Foreign
            | Wish::Packed
            | Wish::User
            | Wish::Unknown => false,
        }
    }

    /// Base64 is that of an array of NumPy's, little-endian `f32`s where nothing else is asked for: what OpenAI's is.
    fn encode(&self, asked: &Embed, model: &str) -> Bytes {
        let mut body = Body::with_room_for(&asked.texts);
        body.text("model", model)
            .list("input", &asked.texts)
            .word("input_type", asked.purpose.and_then(input_type))
            .flag("truncation", truncation(asked.cut))
            .whole("output_dimension", asked.dimensions)
            .word("output_dtype", asked.element.map(Element::name))
            .word("encoding_format", asked.packed.then_some("base64"))
            .end()
    }

    fn decode<'a>(&self, body: &'a [u8], _asked: &Embed) -> Result<(Vec<Vector<'a>>, Reading), Garbage> {
        read::list(body)
    }
}

/// `POST /v1/rerank`
#[derive(Debug)]
struct Reranker;

#[derive(serde::Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    data: Vec<Scored<'a>>,
    #[serde(default)]
    usage: Option<Tokens>,
}

impl Ranker for Reranker {
    fn api(&self) -> &'static str {
        "Voyage's reranker"
    }

    fn path(&self, _model: &str) -> String {
        "/rerank".to_owned()
    }

    fn most(&self, _model: &str) -> usize {
        MOST
    }

    fn by_search(&self, _model: &str) -> bool {
        false
    }

    fn says(&self, wish: Wish, asked: &Rerank, _model: &str) -> bool {
        wish == Wish::Cut && truncation(asked.cut).is_some()
    }

    fn encode(&self, asked: &Rerank, model: &str) -> Bytes {
        let mut body = Body::with_room_for(&asked.documents);
        body.text("model", model)
            .json("query", &asked.query)
            .list("documents", &asked.documents)
            .whole("top_k", asked.top)
            .flag("truncation", truncation(asked.cut))
            .end()
    }

    fn decode<'a>(&self, body: &'a [u8]) -> Result<(Vec<Ranked<'a>>, Reading), Garbage> {
        let Results { data, usage } = read::answer(Api::Rerank, body)?;
        Ok((read::ranked(data), read::tokens(usage)))
    }
}
