//! Reranking. A document's score depends on the words that it shares with the query, and on nothing else.

use super::Asked;
use crate::simulate::{
    answer::Billed,
    question::tokens_of,
    refusal::Refusal,
    thinking::{Ready, Whole},
};
use serde_json::{Value, json};
use std::collections::HashSet;

/// A request's documents, with their scores.
struct Ranking<'a> {
    query: &'a str,
    documents: Vec<&'a str>,
    /// Index and score, best first.
    ranked: Vec<(usize, f64)>,
}

/// Documents that one unit of search covers: <https://docs.cohere.com/docs/how-does-cohere-pricing-work>.
const PER_SEARCH: usize = 100;

/// A longer document counts as several.
const PER_DOCUMENT: u64 = 500;

impl<'a> Ranking<'a> {
    fn of(asked: &'a Asked<'_>, cap: &'static str) -> Result<Self, Refusal> {
        let query = asked.form.needs_text("query", asked.wire())?;
        let given = asked.form.needs("documents", asked.wire())?.as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |document: &'a Value| document.as_str().or_else(|| document.get("text").and_then(Value::as_str));
        let told = || Refusal::bad("invalid request: list of documents must not be empty", Some("documents"));
        let documents: Vec<&str> =
            given.iter().map(text).collect::<Option<_>>().filter(|all: &Vec<_>| !all.is_empty()).ok_or_else(told)?;
        if query.trim().is_empty() {
            return Err(Refusal::bad("invalid request: query must not be empty or be only whitespace", Some("query")));
        }
        let mut ranked: Vec<(usize, f64)> =
            documents.iter().enumerate().map(|(at, document)| (at, score(query, document))).collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        match asked.form.fields.get(cap).filter(|cap| !cap.is_null()) {
            None => {}
            Some(given) => {
                let most = given.as_u64().filter(|most| *most > 0);
                let told = || Refusal::bad(format!("invalid request: {cap} must be at least 1"), Some(cap));
                ranked.truncate(usize::try_from(most.ok_or_else(told)?).unwrap_or(usize::MAX));
            }
        }
        Ok(Self { query, documents, ranked })
    }

    fn results(&self, show: impl Fn(&str) -> Option<Value>) -> Vec<Value> {
        let one = |(index, score): &(usize, f64)| {
            let mut result = json!({"index": index, "relevance_score": score});
            if let Some(document) = self.documents.get(*index).and_then(|text| show(text)) {
                result["document"] = document;
            }
            result
        };
        self.ranked.iter().map(one).collect()
    }

    fn tokens(&self) -> u64 {
        let of = |text: &str| tokens_of(text.chars().count() as u64);
        self.documents.iter().map(|document| of(document).saturating_add(of(self.query))).sum()
    }

    fn searches(&self) -> u64 {
        let of = |document: &&str| tokens_of(document.chars().count() as u64).div_ceil(PER_DOCUMENT);
        self.documents.iter().map(of).sum::<u64>().div_ceil(PER_SEARCH as u64)
    }
}

/// Shared words among the query's, from 0 to 1, to four places; a little more for who says it shorter.
fn score(query: &str, document: &str) -> f64 {
    let words = |text: &str| -> HashSet<String> {
        text.to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (asked, told) = (words(query), words(document));
    let shared = asked.intersection(&told).count() as f64 / asked.len().max(1) as f64;
    let short = 1.0 / (2.0 + told.len() as f64);
    ((shared * 0.9 + short * 0.1) * 10_000.0).round() / 10_000.0
}

fn tokens_billed(ranking: &Ranking<'_>) -> Billed {
    Billed { fresh: ranking.tokens(), ..Billed::default() }
}

/// <https://docs.cohere.com/reference/rerank>
pub(super) fn cohere(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    asked.form.only(&["model", "query", "documents", "top_n", "max_tokens_per_doc", "priority"], asked.wire())?;
    asked.model()?;
    if asked.form.fields.get("documents").and_then(Value::as_array).into_iter().flatten().any(|it| !it.is_string()) {
        return Err(Refusal::bad("invalid request: documents must be strings", Some("documents")));
    }
    let ranking = Ranking::of(asked, "top_n")?;
    let billed = Billed { searches: ranking.searches(), ..Billed::default() };
    let id = format!("00000000-0000-4000-8000-{:012x}", asked.thinker.number);
    let mut answer = json!({"id": id, "results": ranking.results(|_| None)});
    if !asked.knobs().no_usage {
        answer["meta"] = json!({"api_version": {"version": "2"}, "billed_units": {"search_units": billed.searches}});
    }
    Ok(Ready::Whole(Whole::billed(answer.to_string().into_bytes(), billed)))
}

/// <https://docs.voyageai.com/reference/reranker-api>
pub(super) fn voyage(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    asked.form.only(&["model", "query", "documents", "top_k", "return_documents", "truncation"], asked.wire())?;
    let model = asked.model()?;
    let ranking = Ranking::of(asked, "top_k")?;
    let shown = asked.form.yes("return_documents");
    let billed = tokens_billed(&ranking);
    let data = ranking.results(|text| shown.then(|| json!(text)));
    let mut answer = json!({"object": "list", "data": data, "model": model});
    if !asked.knobs().no_usage {
        answer["usage"] = json!({"total_tokens": billed.fresh});
    }
    Ok(Ready::Whole(Whole::billed(answer.to_string().into_bytes(), billed)))
}

/// Jina's, which vLLM copies: <https://jina.ai/reranker/>, <https://docs.vllm.ai/en/latest/serving/openai_compatible_server/>.
pub(super) fn jina(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let known = [
        "model",
        "query",
        "documents",
        "top_n",
        "return_documents",
        "truncation",
        "max_chunks_per_doc",
        "truncate_prompt_tokens",
    ];
    asked.form.only(&known, asked.wire())?;
    let model = asked.model()?;
    let ranking = Ranking::of(asked, "top_n")?;
    // What is not said is yes.
    let shown = asked.form.fields.get("return_documents") != Some(&Value::Bool(false));
    let billed = tokens_billed(&ranking);
    let results = ranking.results(|text| shown.then(|| json!({"text": text})));
    let id = format!("rerank-sim{:012x}", asked.thinker.number);
    let mut answer = json!({"id": id, "object": "list", "model": model, "results": results});
    if !asked.knobs().no_usage {
        answer["usage"] = json!({"total_tokens": billed.fresh, "prompt_tokens": billed.fresh});
    }
    Ok(Ready::Whole(Whole::billed(answer.to_string().into_bytes(), billed)))
}

/// What Bedrock's InvokeModel answers for a model that reranks; the bill is one of searches.
pub(super) fn at_bedrock(asked: &Asked<'_>) -> Result<(Value, Billed), Refusal> {
    let ranking = Ranking::of(asked, "top_n")?;
    let billed = Billed { searches: ranking.searches(), ..Billed::default() };
    Ok((json!({"results": ranking.results(|_| None)}), billed))
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn who_shares_more_words_ranks_higher() {
        let query = "capital of France";
        assert!(score(query, "Paris is the capital of France") > score(query, "The capital of Spain"));
        assert!(score(query, "The capital of Spain") > score(query, "A cat"));
        assert!((0.0..=1.0).contains(&score(query, query)) && (0.0..=1.0).contains(&score("", "")));
    }
}
