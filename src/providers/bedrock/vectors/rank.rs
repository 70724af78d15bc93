//! Models that rank: Cohere's and Amazon's, in the same words. Nothing is reported of what they cost.

use super::invoke;
use crate::{
    model::{Api, Ranked, Rerank, Wish},
    providers::{
        Garbage, Reading,
        lenient::Count,
        retrieval::{
            Body, Ranker,
            read::{self, Scored},
        },
    },
};
use bytes::Bytes;
use serde::Deserialize;

/// Speaks for models that rank.
#[derive(Debug)]
pub(super) struct Ranks {
    /// They are Cohere's, which want to know which version of the API is meant.
    pub(super) cohere: bool,
}

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<Scored<'a>>,
}

impl Ranker for Ranks {
    fn api(&self) -> &'static str {
        "reranking at Bedrock"
    }

    fn path(&self, model: &str) -> String {
        invoke(model)
    }

    /// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html>: sources of a request.
    fn most(&self, _model: &str) -> usize {
        1_000
    }

    /// <https://aws.amazon.com/bedrock/pricing/>: by 1,000 queries.
    fn by_search(&self, _model: &str) -> bool {
        true
    }

    fn says(&self, _wish: Wish, _asked: &Rerank, _model: &str) -> bool {
        false
    }

    fn encode(&self, asked: &Rerank, _model: &str) -> Bytes {
        let mut body = Body::with_room_for(&asked.documents);
        body.json("query", &asked.query)
            .list("documents", &asked.documents)
            .whole("top_n", asked.top)
            .whole("api_version", self.cohere.then_some(2))
            .end()
    }

    fn decode<'a>(&self, body: &'a [u8]) -> Result<(Vec<Ranked<'a>>, Reading), Garbage> {
        let Results { results } = read::answer(Api::Rerank, body)?;
        Ok((read::ranked(results), read::reported(Count::Absent, Count::Absent)))
    }
}
