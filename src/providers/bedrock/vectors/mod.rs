//! Models that embed and rank, by InvokeModel: each maker's have a body of their own. Which one is told by the model's id,
//! with or without a region or an ARN in front of it.
//!
//! Titan: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html>; Cohere:
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>; reranking:
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-use.html>.

mod cohere;
mod rank;
mod titan;

use super::sign;
use crate::providers::retrieval::{Embedder, Ranker};

/// What embeds with `model`.
pub(super) fn embedder(model: &str) -> Option<&'static dyn Embedder> {
    if model.contains("amazon.titan-embed-image") {
        Some(&titan::Titan::Multimodal)
    } else if model.contains("amazon.titan-embed-text-v2") {
        Some(&titan::Titan::Second)
    } else if model.contains("amazon.titan-embed") {
        Some(&titan::Titan::First)
    } else if model.contains("cohere.embed") {
        Some(&cohere::Embed)
    } else {
        None
    }
}

/// What ranks with `model`.
pub(super) fn ranker(model: &str) -> Option<&'static dyn Ranker> {
    if model.contains("cohere.rerank") {
        Some(&rank::Ranks { cohere: true })
    } else if model.contains("amazon.rerank") {
        Some(&rank::Ranks { cohere: false })
    } else {
        None
    }
}

/// The path of InvokeModel.
fn invoke(model: &str) -> String {
    let mut path = "/model/".to_owned();
    sign::encode(model, &mut path);
    path.push_str("/invoke");
    path
}
