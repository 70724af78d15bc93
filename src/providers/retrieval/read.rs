//! Answers as several makers have them: lists of vectors, lists of results, and counts.

use crate::{
    model::{Api, Ranked, Usage, Vector},
    providers::{Garbage, Reading, lenient::Count},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// No answer of `api`.
pub(in crate::providers) fn garbage(api: Api, why: &str) -> Garbage {
    Garbage { api, why: why.to_owned() }
}

/// `body` as a `T`.
pub(in crate::providers) fn answer<'a, T: Deserialize<'a>>(api: Api, body: &'a [u8]) -> Result<T, Garbage> {
    // UTF-8 is checked once for all of it.
    let text = std::str::from_utf8(body).map_err(|_| garbage(api, "it is not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| {
        garbage(api, if error.is_data() { "members are missing, or of other kinds" } else { "it is no JSON object" })
    })
}

/// A vector as it stands there: numbers, or base64.
pub(in crate::providers) fn vector(value: &RawValue) -> Vector<'_> {
    let text = value.get();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        None => Vector::Numbers(text),
        Some(inside) if !inside.contains('\\') => Vector::Packed(Cow::Borrowed(inside)),
        Some(_) => Vector::Packed(Cow::Owned(serde_json::from_str(text).unwrap_or_default())),
    }
}

/// An element of OpenAI's `data`.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
    #[serde(default)]
    index: Count,
}

/// OpenAI's list, as Voyage and Jina have it.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<Item<'a>>,
    #[serde(default)]
    usage: Option<Tokens>,
}

/// `usage` of those who bill all tokens alike.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::providers) struct Tokens {
    total_tokens: Count,
    prompt_tokens: Count,
}

/// The vectors of OpenAI's list in the order of the texts, and its figures.
pub(in crate::providers) fn list(body: &[u8]) -> Result<(Vec<Vector<'_>>, Reading), Garbage> {
    let List { mut data, usage } = answer(Api::Embeddings, body)?;
    data.sort_by_key(|item| item.index.or_zero());
    let twice = data.windows(2).any(|pair| match pair {
        [one, other] => one.index != Count::Absent && one.index == other.index,
        _ => false,
    });
    if twice {
        return Err(garbage(Api::Embeddings, "two vectors have the same index"));
    }
    let vectors = data.into_iter().map(|item| vector(item.embedding)).collect();
    Ok((vectors, tokens(usage)))
}

/// A result of reranking.
#[derive(Deserialize)]
pub(in crate::providers) struct Scored<'a> {
    index: usize,
    #[serde(borrow)]
    relevance_score: &'a RawValue,
}

/// Results as they stand.
pub(in crate::providers) fn ranked(results: Vec<Scored<'_>>) -> Vec<Ranked<'_>> {
    results.into_iter().map(|scored| Ranked { index: scored.index, score: scored.relevance_score.get() }).collect()
}

/// What `usage` reports.
pub(in crate::providers) fn tokens(usage: Option<Tokens>) -> Reading {
    let usage = usage.unwrap_or_default();
    reported(usage.total_tokens.or(usage.prompt_tokens), Count::Absent)
}

/// What an answer reports: input tokens, searches, or both.
pub(in crate::providers) fn reported(input: Count, searches: Count) -> Reading {
    let inconsistent = [input, searches].contains(&Count::Absurd);
    let told = [input, searches].iter().any(|count| matches!(count, Count::Tokens(_)));
    let usage = Usage { input: input.or_zero(), searches: searches.or_zero(), ..Usage::ZERO };
    let usage = (told && !inconsistent).then_some(usage);
    Reading { complete: usage.is_some(), usage, inconsistent, ..Reading::default() }
}

/// Cohere's `meta`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::providers) struct Meta {
    billed_units: Option<Billed>,
}

/// What Cohere bills: texts by the token, searches by their number.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Billed {
    input_tokens: Count,
    search_units: Count,
}

impl Meta {
    /// What it reports.
    pub(in crate::providers) fn reading(self) -> Reading {
        let Billed { input_tokens, search_units } = self.billed_units.unwrap_or_default();
        reported(input_tokens, search_units)
    }
}
