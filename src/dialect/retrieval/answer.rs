//! Answers as clients' SDKs read them. OpenAI's list of embeddings:
//! <https://platform.openai.com/docs/api-reference/embeddings/object>; Cohere's results with what Jina and vLLM add:
//! <https://docs.cohere.com/reference/rerank>.

use super::numbers;
use crate::model::{Embed, Ranked, Rerank, Retrieval, Retrieved, Vector};
use bytes::Bytes;
use std::fmt::Write as _;

/// What an answer says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Retold<'a> {
    /// The request's id.
    pub id: &'a str,
    /// The model that the client asked for.
    pub model: &'a str,
    /// Input tokens.
    pub tokens: u64,
    /// Searches, of providers that bill by them.
    pub searches: u64,
}

/// Bytes that the answer to `asked` takes, about: what is held while it is written.
pub fn retold_bytes(asked: &Retrieval, found: &Retrieved<'_>) -> usize {
    match (asked, found) {
        (Retrieval::Embed(asked), Retrieved::Embedded(vectors)) => room(asked, vectors),
        (Retrieval::Rerank(asked), Retrieved::Ranked(ranked)) => {
            let repeated = if asked.repeats { asked.documents.iter().map(|document| document.len()).sum() } else { 0 };
            64 * ranked.len() + REST + repeated
        }
        (Retrieval::Embed(_), Retrieved::Ranked(_)) | (Retrieval::Rerank(_), Retrieved::Embedded(_)) => 0,
    }
}

/// The answer to `asked` in the client's dialect.
///
/// # Errors
///
/// Why what was `found` is no answer to it.
pub fn retell(asked: &Retrieval, found: &Retrieved<'_>, about: &Retold<'_>) -> Result<Bytes, String> {
    match (asked, found) {
        (Retrieval::Embed(asked), Retrieved::Embedded(vectors)) => embedded(asked, vectors, about),
        (Retrieval::Rerank(asked), Retrieved::Ranked(ranked)) => reranked(asked, ranked, about),
        (Retrieval::Embed(_), Retrieved::Ranked(_)) | (Retrieval::Rerank(_), Retrieved::Embedded(_)) => {
            Err("it answers another question".to_owned())
        }
    }
}

fn embedded(asked: &Embed, vectors: &[Vector<'_>], about: &Retold<'_>) -> Result<Bytes, String> {
    if vectors.len() != asked.texts.len() {
        return Err(format!("it has {} vectors for {} texts", vectors.len(), asked.texts.len()));
    }
    let mut out = String::with_capacity(room(asked, vectors));
    out.push_str(r#"{"object":"list","data":["#);
    let mut packed = Vec::new();
    for (index, vector) in vectors.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        write!(out, r#"{{"object":"embedding","index":{index},"embedding":"#).expect("a String takes all");
        write_vector(vector, asked.packed, &mut packed, &mut out)
            .ok_or_else(|| format!("vector {index} is not made of numbers"))?;
        out.push('}');
    }
    let Retold { tokens, .. } = about;
    let model = quoted(about.model);
    write!(out, r#"],"model":{model},"usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#)
        .expect("a String takes all");
    Ok(Bytes::from(out))
}

/// Bytes that the answer takes, about: it must not grow by doubling.
fn room(asked: &Embed, vectors: &[Vector<'_>]) -> usize {
    let each = |vector: &Vector<'_>| match vector {
        Vector::Numbers(json) if asked.packed => memchr::memchr_iter(b',', json.as_bytes()).count() * 6 + 8,
        Vector::Numbers(json) => json.len(),
        Vector::Packed(base64) if asked.packed => base64.len(),
        Vector::Packed(base64) => base64.len() * 3,
    };
    vectors.iter().map(|vector| each(vector) + 64).sum::<usize>() + REST
}

/// Bytes around vectors or results: names of models are short.
const REST: usize = 512;

/// Appends `vector`: digits as they stand where numbers stay numbers.
fn write_vector(vector: &Vector<'_>, packed: bool, room: &mut Vec<u8>, out: &mut String) -> Option<()> {
    match vector {
        Vector::Numbers(json) if packed => {
            out.push('"');
            numbers::pack(json, room, out)?;
            out.push('"');
        }
        Vector::Numbers(json) => {
            numbers::inside(json)?;
            out.push_str(json);
        }
        Vector::Packed(base64) if packed => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
            if !base64.bytes().all(plain) {
                return None;
            }
            out.push('"');
            out.push_str(base64);
            out.push('"');
        }
        Vector::Packed(base64) => numbers::unpack(base64, out)?,
    }
    Some(())
}

fn reranked(asked: &Rerank, ranked: &[Ranked<'_>], about: &Retold<'_>) -> Result<Bytes, String> {
    let mut out = String::with_capacity(64 * ranked.len() + REST);
    write!(out, r#"{{"id":{},"model":{},"results":["#, quoted(about.id), quoted(about.model))
        .expect("a String takes all");
    let mut told = vec![false; asked.documents.len()];
    for (place, Ranked { index, score }) in ranked.iter().enumerate() {
        let first = told.get_mut(*index).map(|told| !std::mem::replace(told, true));
        if first != Some(true) {
            return Err(format!("document {index} is none of {} or stands there twice", asked.documents.len()));
        }
        if score.trim_ascii().parse::<f64>().is_err() {
            return Err(format!("the score of document {index} is no number"));
        }
        out.push_str(if place == 0 { "" } else { "," });
        write!(out, r#"{{"index":{index},"relevance_score":{score}"#).expect("a String takes all");
        if let Some(document) = asked.documents.get(*index).filter(|_| asked.repeats) {
            let text = std::str::from_utf8(document).map_err(|_| "a document is no text".to_owned())?;
            write!(out, r#","document":{{"text":{text}}}"#).expect("a String takes all");
        }
        out.push('}');
    }
    out.push(']');
    let Retold { tokens, searches, .. } = about;
    if *searches > 0 {
        write!(out, r#","meta":{{"billed_units":{{"search_units":{searches}}}}}"#).expect("a String takes all");
    }
    if *tokens > 0 {
        write!(out, r#","usage":{{"total_tokens":{tokens}}}"#).expect("a String takes all");
    }
    out.push('}');
    Ok(Bytes::from(out))
}

/// `text` as JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written")
}
