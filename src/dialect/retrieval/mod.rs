//! Calls without a conversation that models of other APIs can answer too: OpenAI's embeddings, and reranking as Cohere,
//! Jina and vLLM have it.

mod answer;
mod embeddings;
mod numbers;
mod rerank;
mod words;

pub use answer::{Retold, retell, retold_bytes};
pub(super) use embeddings::decode as embed;
pub(super) use rerank::decode as rerank;

use crate::{
    dialect::{BadRequest, parse::bad},
    model::{Span, Wish, Wished},
};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The elements of the array at `span`, as they stand there.
fn elements(body: &Bytes, span: Span) -> Vec<&RawValue> {
    // The body passed the strict parse.
    body.get(span.range()).and_then(|list| serde_json::from_slice(list).ok()).unwrap_or_default()
}

/// `value` as a part of `body`.
fn slice(body: &Bytes, value: &RawValue) -> Bytes {
    body.slice_ref(value.get().as_bytes())
}

fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

/// The text of a document that is an object, and the names of its other members.
fn text_of(value: &RawValue) -> Option<(Option<&RawValue>, Vec<String>)> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(value.get()).ok()?;
    let text = members.get("text").copied().filter(|text| is_text(text));
    let others = members.into_iter().filter(|(name, value)| name != "text" && value.get() != "null");
    Some((text, others.map(|(name, _)| name).collect()))
}

fn wished(wish: Wish, path: impl Into<String>) -> Wished {
    Wished { wish, path: path.into() }
}

/// There is nothing to embed or to rank.
fn empty(param: &str) -> BadRequest {
    bad(param, format!("`{param}` is empty: send at least one text"))
}
