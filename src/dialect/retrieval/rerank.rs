//! `POST /v1/rerank`, `/v2/rerank`: <https://docs.cohere.com/reference/rerank>, <https://jina.ai/reranker/>,
//! <https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html>.

use super::{elements, empty, is_text, slice, text_of, wished, words};
use crate::{
    dialect::{
        BadRequest,
        parse::{bad, flag, integer, string, wrong_kind},
        path::echo,
        strict::{self, Kind, Member},
    },
    model::{Rerank, Span, Wish, Wished},
};
use bytes::Bytes;

/// What is to be ranked.
///
/// # Errors
///
/// When a member is not of its kind, or a document has no text.
pub fn decode(body: &Bytes) -> Result<Rerank, BadRequest> {
    let mut asked = Rerank::default();
    let mut fields = Vec::new();
    let whole = Span { start: 0, end: body.len() };
    for member in strict::members(body, whole).iter().filter(|member| member.kind != Kind::Null) {
        let name = String::from_utf8_lossy(&member.key);
        let wish = match &*name {
            "model" => continue,
            "query" => {
                string(body, "query", member)?;
                asked.query = body.slice(member.value.range());
                continue;
            }
            "documents" => {
                asked.documents = documents(body, member, &mut asked.wishes)?;
                continue;
            }
            "top_n" | "top_k" => {
                // vLLM takes 0 for all.
                asked.top = integer(body, &name, Some(member))?.filter(|top| *top > 0);
                continue;
            }
            "return_documents" => {
                asked.repeats = flag(body, &name, Some(member))?;
                continue;
            }
            "rank_fields" => {
                fields = elements(body, member.value).iter().map(|field| field.get().to_owned()).collect();
                continue;
            }
            "max_tokens_per_doc" => {
                asked.tokens_per_document = integer(body, &name, Some(member))?;
                Wish::TokensPerDocument
            }
            "truncation" => {
                asked.cut = Some(words::cut_or_not(flag(body, &name, Some(member))?));
                Wish::Cut
            }
            _ => Wish::Unknown,
        };
        asked.wishes.push(wished(wish, echo(&name)));
    }
    if fields.iter().any(|field| field != "\"text\"") {
        asked.wishes.push(wished(Wish::Foreign, "rank_fields"));
    }
    if asked.query.is_empty() {
        return Err(bad("query", "`query` is missing: send what the documents are compared with".to_owned()));
    }
    if asked.documents.is_empty() {
        return Err(bad("documents", "`documents` is missing: send an array of texts".to_owned()));
    }
    Ok(asked)
}

/// The texts of `documents`: strings, or objects with a `text`.
fn documents(body: &Bytes, member: &Member<'_>, wishes: &mut Vec<Wished>) -> Result<Vec<Bytes>, BadRequest> {
    if member.kind != Kind::Array {
        return Err(wrong_kind("documents", "an array of strings", member));
    }
    let listed = elements(body, member.value);
    if listed.is_empty() {
        return Err(empty("documents"));
    }
    let mut texts = Vec::with_capacity(listed.len());
    for (index, value) in listed.into_iter().enumerate() {
        let path = format!("documents[{index}]");
        if is_text(value) {
            texts.push(slice(body, value));
            continue;
        }
        let (text, others) = text_of(value).unwrap_or_default();
        wishes.extend(others.iter().map(|name| wished(Wish::Foreign, format!("{path}.{}", echo(name)))));
        let text = text.ok_or_else(|| bad(&path, format!("`{path}` must be a string, or an object with a `text`")))?;
        texts.push(slice(body, text));
    }
    Ok(texts)
}
