//! `POST /v2/embed` and `POST /v2/rerank`: <https://docs.cohere.com/reference/embed>,
//! <https://docs.cohere.com/reference/rerank>.

use crate::{
    model::{Api, Cut, Element, Embed, Purpose, Ranked, Rerank, Vector, Wish},
    providers::{
        Garbage, Reading,
        retrieval::{
            Body, Embedder, Ranker,
            read::{self, Meta, Scored},
        },
    },
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Speaks `/v2/embed`.
pub(in crate::providers) static EMBED: Embeddings = Embeddings;
/// Speaks `/v2/rerank`.
pub(in crate::providers) static RERANK: Reranker = Reranker;

/// Most texts of a request.
pub(in crate::providers) const MOST_TEXTS: usize = 96;
/// Most documents of a request (<https://docs.cohere.com/docs/reranking-best-practices>).
const MOST_DOCUMENTS: usize = 10_000;

/// `POST /v2/embed`
#[derive(Debug)]
pub(in crate::providers) struct Embeddings;

/// Cohere's word for what vectors are for.
pub(in crate::providers) const fn input_type(purpose: Purpose) -> Option<&'static str> {
    match purpose {
        Purpose::Query | Purpose::CodeQuery | Purpose::QuestionAnswering | Purpose::FactChecking => {
            Some("search_query")
        }
        Purpose::Document | Purpose::CodeDocument => Some("search_document"),
        Purpose::Classification => Some("classification"),
        Purpose::Clustering => Some("clustering"),
        Purpose::Similarity => None,
    }
}

/// Its models want to be told what vectors are for. OpenAI's clients do not say: most texts are documents.
pub(in crate::providers) fn input_type_or_document(asked: &Embed) -> &'static str {
    asked.purpose.and_then(input_type).unwrap_or("search_document")
}

/// Cohere's `truncate`.
pub(in crate::providers) fn truncate(cut: Option<Cut>) -> Option<&'static str> {
    Some(match cut? {
        Cut::Never => "NONE",
        Cut::Start => "START",
        Cut::End => "END",
    })
}

/// The one word of `embedding_types`.
pub(in crate::providers) fn embedding_types(asked: &Embed) -> String {
    format!("[\"{}\"]", asked.element.map_or("float", Element::name))
}

impl Embedder for Embeddings {
    fn api(&self) -> &'static str {
        "Cohere's embed"
    }

    fn path(&self, _model: &str) -> String {
        "/embed".to_owned()
    }

    fn most(&self, _model: &str) -> usize {
        MOST_TEXTS
    }

    fn says(&self, wish: Wish, asked: &Embed, _model: &str) -> bool {
        match wish {
            Wish::Dimensions => true,
            Wish::Purpose => asked.purpose.and_then(input_type).is_some(),
            Wish::Cut => asked.cut.is_some(),
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

    fn encode(&self, asked: &Embed, model: &str) -> Bytes {
        let mut body = Body::with_room_for(&asked.texts);
        body.text("model", model)
            .list("texts", &asked.texts)
            .text("input_type", input_type_or_document(asked))
            .json("embedding_types", embedding_types(asked).as_bytes())
            .whole("output_dimension", asked.dimensions)
            .word("truncate", truncate(asked.cut))
            .end()
    }

    fn decode<'a>(&self, body: &'a [u8], asked: &Embed) -> Result<(Vec<Vector<'a>>, Reading), Garbage> {
        let answer: Embedded<'_> = read::answer(Api::Embeddings, body)?;
        Ok((vectors(answer.embeddings, asked)?, answer.meta.unwrap_or_default().reading()))
    }
}

/// An answer of `/v2/embed`.
#[derive(Deserialize)]
struct Embedded<'a> {
    #[serde(borrow)]
    embeddings: &'a RawValue,
    #[serde(default)]
    meta: Option<Meta>,
}

/// Vectors by what they are made of.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ByType<'a> {
    #[serde(borrow)]
    float: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    int8: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    uint8: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    binary: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    ubinary: Option<Vec<&'a RawValue>>,
}

/// The vectors of `embeddings`: by what they are made of, or, where nothing was asked for, an array of floats.
///
/// # Errors
///
/// [`Garbage`] when what was `asked` for is not there.
pub(in crate::providers) fn vectors<'a>(embeddings: &'a RawValue, asked: &Embed) -> Result<Vec<Vector<'a>>, Garbage> {
    let json = embeddings.get().as_bytes();
    if json.starts_with(b"[") {
        let floats: Vec<&RawValue> = read::answer(Api::Embeddings, json)?;
        return Ok(floats.into_iter().map(read::vector).collect());
    }
    let ByType { float, int8, uint8, binary, ubinary } = read::answer(Api::Embeddings, json)?;
    let found = match asked.element {
        None => float,
        Some(Element::Int8) => int8,
        Some(Element::Uint8) => uint8,
        Some(Element::Binary) => binary,
        Some(Element::Ubinary) => ubinary,
    };
    let found =
        found.ok_or_else(|| read::garbage(Api::Embeddings, "it has no vectors of the kind that was asked for"))?;
    Ok(found.into_iter().map(read::vector).collect())
}

/// `POST /v2/rerank`
#[derive(Debug)]
pub(in crate::providers) struct Reranker;

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<Scored<'a>>,
    #[serde(default)]
    meta: Option<Meta>,
}

impl Ranker for Reranker {
    fn api(&self) -> &'static str {
        "Cohere's rerank"
    }

    fn path(&self, _model: &str) -> String {
        "/rerank".to_owned()
    }

    fn most(&self, _model: &str) -> usize {
        MOST_DOCUMENTS
    }

    /// The fifth generation is billed by the token (<https://cohere.com/pricing>).
    fn by_search(&self, model: &str) -> bool {
        !model.contains("v5")
    }

    fn says(&self, wish: Wish, _asked: &Rerank, _model: &str) -> bool {
        wish == Wish::TokensPerDocument
    }

    fn encode(&self, asked: &Rerank, model: &str) -> Bytes {
        let mut body = Body::with_room_for(&asked.documents);
        body.text("model", model)
            .json("query", &asked.query)
            .list("documents", &asked.documents)
            .whole("top_n", asked.top)
            .whole("max_tokens_per_doc", asked.tokens_per_document)
            .end()
    }

    fn decode<'a>(&self, body: &'a [u8]) -> Result<(Vec<Ranked<'a>>, Reading), Garbage> {
        let Results { results, meta } = read::answer(Api::Rerank, body)?;
        Ok((read::ranked(results), meta.unwrap_or_default().reading()))
    }
}
