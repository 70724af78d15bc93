//! Cohere's API: embeddings and reranking. <https://docs.cohere.com/reference/about>

pub(super) mod vectors;

use super::Provider;
use super::retrieval::account::{self, Kind};
use crate::config::{self, ConfigError};

static KIND: Kind = Kind {
    name: "cohere",
    base_url: "https://api.cohere.com",
    version: "/v2",
    embedder: &vectors::EMBED,
    ranker: Some(&vectors::RERANK),
    ranks_as_asked: false,
};

/// Makes a provider of kind `cohere`.
///
/// # Errors
///
/// When a setting is wrong.
pub fn build(provider: &config::Provider) -> Result<Box<dyn Provider>, ConfigError> {
    account::build(&KIND, provider)
}
