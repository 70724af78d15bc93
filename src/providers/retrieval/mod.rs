//! Embeddings and reranking for clients of other APIs: like [`super::codec`], but an answer comes whole, and texts and
//! numbers are copied as they stand.

pub(super) mod account;
pub(super) mod read;
mod write;

use super::{Garbage, Reading};
use crate::model::{Api, Embed, Ranked, Rerank, Retrieval, Retrieved, Vector, Wish, Wished};
use bytes::Bytes;
use http::HeaderMap;
use std::fmt;
pub(super) use write::Body;

/// Speaks one API of embeddings. Pure: no I/O, no state between requests.
pub trait Embedder: Send + Sync + fmt::Debug {
    /// The API's name, for messages: `Cohere's embed`.
    fn api(&self) -> &'static str;

    /// Where it stands, below the provider's base path, beginning with `/`.
    fn path(&self, model: &str) -> String;

    /// Most texts of one request.
    fn most(&self, model: &str) -> usize;

    /// Whether `wish` of `asked` is told to `model`. What is not is left out by [`Embedder::encode`].
    fn says(&self, wish: Wish, asked: &Embed, model: &str) -> bool;

    /// The body of the request.
    fn encode(&self, asked: &Embed, model: &str) -> Bytes;

    /// The vectors of an answer to `asked`, in the order of its texts, and what the answer reports.
    ///
    /// # Errors
    ///
    /// [`Garbage`] when the body is no answer of this API.
    fn decode<'a>(&self, body: &'a [u8], asked: &Embed) -> Result<(Vec<Vector<'a>>, Reading), Garbage>;

    /// Input tokens that the head of an answer reports.
    fn told_by_head(&self, _headers: &HeaderMap) -> Option<u64> {
        None
    }
}

/// Speaks one API of reranking. Pure, as [`Embedder`].
pub trait Ranker: Send + Sync + fmt::Debug {
    /// The API's name, for messages: `Cohere's rerank`.
    fn api(&self) -> &'static str;

    /// Where it stands, below the provider's base path, beginning with `/`.
    fn path(&self, model: &str) -> String;

    /// Most documents of one request.
    fn most(&self, model: &str) -> usize;

    /// Whether `model` is billed by the search, not by the token.
    fn by_search(&self, model: &str) -> bool;

    /// Whether `wish` of `asked` is told to `model`. What is not is left out by [`Ranker::encode`].
    fn says(&self, wish: Wish, asked: &Rerank, model: &str) -> bool;

    /// The body of the request.
    fn encode(&self, asked: &Rerank, model: &str) -> Bytes;

    /// The ranks of an answer, the best first, and what the answer reports.
    ///
    /// # Errors
    ///
    /// [`Garbage`] when the body is no answer of this API.
    fn decode<'a>(&self, body: &'a [u8]) -> Result<(Vec<Ranked<'a>>, Reading), Garbage>;
}

/// What translates one call for one model.
#[derive(Debug, Clone, Copy)]
pub enum Retriever<'p> {
    /// Embeddings.
    Embeds(&'p dyn Embedder),
    /// Reranking.
    Ranks(&'p dyn Ranker),
}

impl<'p> Retriever<'p> {
    /// What translates calls of `api` for `model` of `provider`.
    pub fn of(provider: &'p dyn super::Provider, api: Api, model: &str) -> Option<Self> {
        match api {
            Api::Embeddings => provider.embedder(model).map(Self::Embeds),
            Api::Rerank => provider.ranker(model).map(Self::Ranks),
            _ => None,
        }
    }

    /// The API's name.
    pub fn api(self) -> &'static str {
        match self {
            Self::Embeds(embedder) => embedder.api(),
            Self::Ranks(ranker) => ranker.api(),
        }
    }

    /// Where it stands, below the provider's base path.
    pub fn path(self, model: &str) -> String {
        match self {
            Self::Embeds(embedder) => embedder.path(model),
            Self::Ranks(ranker) => ranker.path(model),
        }
    }

    /// Most texts or documents of one request.
    pub fn most(self, model: &str) -> usize {
        match self {
            Self::Embeds(embedder) => embedder.most(model),
            Self::Ranks(ranker) => ranker.most(model),
        }
    }

    /// Whether `model` is billed by the search.
    pub fn by_search(self, model: &str) -> bool {
        match self {
            Self::Embeds(_) => false,
            Self::Ranks(ranker) => ranker.by_search(model),
        }
    }

    /// Input tokens that the head of an answer reports.
    pub fn told_by_head(self, headers: &HeaderMap) -> Option<u64> {
        match self {
            Self::Embeds(embedder) => embedder.told_by_head(headers),
            Self::Ranks(_) => None,
        }
    }

    /// What of `asked` is not told to `model`: what must be refused, and what is dropped as long as it is told.
    pub fn gaps<'w>(self, asked: &'w Retrieval, model: &str) -> (Vec<&'w Wished>, Vec<&'w Wished>) {
        let says = |wish| match (self, asked) {
            (Self::Embeds(embedder), Retrieval::Embed(asked)) => embedder.says(wish, asked, model),
            (Self::Ranks(ranker), Retrieval::Rerank(asked)) => ranker.says(wish, asked, model),
            (Self::Embeds(_) | Self::Ranks(_), Retrieval::Embed(_) | Retrieval::Rerank(_)) => false,
        };
        let gaps = asked.wishes().iter().filter(|wished| !says(wished.wish));
        gaps.partition(|wished| !wished.wish.is_hint())
    }

    /// The body of the request.
    pub fn encode(self, asked: &Retrieval, model: &str) -> Bytes {
        match (self, asked) {
            (Self::Embeds(embedder), Retrieval::Embed(asked)) => embedder.encode(asked, model),
            (Self::Ranks(ranker), Retrieval::Rerank(asked)) => ranker.encode(asked, model),
            // Of another call: never asked for.
            (Self::Embeds(_) | Self::Ranks(_), Retrieval::Embed(_) | Retrieval::Rerank(_)) => Bytes::new(),
        }
    }

    /// What an answer to `asked` says and reports.
    ///
    /// # Errors
    ///
    /// [`Garbage`] when the body is no answer to it.
    pub fn decode<'a>(self, body: &'a [u8], asked: &Retrieval) -> Result<(Retrieved<'a>, Reading), Garbage> {
        match (self, asked) {
            (Self::Embeds(embedder), Retrieval::Embed(asked)) => {
                embedder.decode(body, asked).map(|(vectors, reading)| (Retrieved::Embedded(vectors), reading))
            }
            (Self::Ranks(ranker), Retrieval::Rerank(_)) => {
                ranker.decode(body).map(|(ranked, reading)| (Retrieved::Ranked(ranked), reading))
            }
            (Self::Embeds(_), Retrieval::Rerank(_)) => Err(read::garbage(Api::Embeddings, "of another call")),
            (Self::Ranks(_), Retrieval::Embed(_)) => Err(read::garbage(Api::Rerank, "of another call")),
        }
    }
}
