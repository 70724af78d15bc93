//! `POST /v1/embeddings`: <https://platform.openai.com/docs/api-reference/embeddings/create>, and what clients of other
//! makers' models add to it.

use super::{elements, empty, slice, text_of, wished, words};
use crate::{
    dialect::{
        BadRequest,
        parse::{bad, flag, integer, string, wrong_kind},
        path::echo,
        strict::{self, Kind, Member},
    },
    model::{Element, Embed, Span, Wish, Wished},
};
use bytes::Bytes;

/// What vectors are asked for.
///
/// # Errors
///
/// When a member is not of its kind, or the texts are tokens, which only their own model understands.
pub fn decode(body: &Bytes) -> Result<Embed, BadRequest> {
    let mut asked = Embed::default();
    let mut seen = false;
    let whole = Span { start: 0, end: body.len() };
    for member in strict::members(body, whole).iter().filter(|member| member.kind != Kind::Null) {
        let name = String::from_utf8_lossy(&member.key);
        match &*name {
            "model" => {}
            "input" => {
                asked.texts = texts(body, member, &mut asked.wishes)?;
                seen = true;
            }
            "encoding_format" => match string(body, &name, member)?.as_deref() {
                Some("base64") => asked.packed = true,
                Some("float") | None => {}
                Some(other) => {
                    let other = echo(other);
                    return Err(bad(&name, format!("`{name}` must be `float` or `base64`, not `{other}`")));
                }
            },
            "user" => asked.wishes.push(wished(Wish::User, &*name)),
            _ => more(body, &name, member, &mut asked)?,
        }
    }
    if !seen {
        return Err(bad("input", "`input` is missing: send a text or an array of texts".to_owned()));
    }
    if asked.packed && asked.element.is_some() {
        // Clients read base64 as floats, and numbers as what they are.
        asked.packed = false;
        asked.wishes.push(wished(Wish::Packed, "encoding_format"));
    }
    Ok(asked)
}

/// What makers of other models add.
fn more(body: &Bytes, name: &str, member: &Member<'_>, asked: &mut Embed) -> Result<(), BadRequest> {
    let wish = match name {
        "dimensions" | "output_dimension" | "output_dimensionality" | "outputDimensionality" => {
            asked.dimensions = integer(body, name, Some(member))?;
            Wish::Dimensions
        }
        "input_type" | "task" | "task_type" | "taskType" => {
            let word = string(body, name, member)?.unwrap_or_default();
            asked.purpose = words::purpose(&word);
            Wish::Purpose
        }
        "truncate" if member.kind == Kind::String => {
            asked.cut = words::cut(&string(body, name, member)?.unwrap_or_default());
            Wish::Cut
        }
        "truncate" | "truncation" => {
            asked.cut = Some(words::cut_or_not(flag(body, name, Some(member))?));
            Wish::Cut
        }
        "output_dtype" | "embedding_type" | "embedding_types" => match element(body, name, member)? {
            Some(None) => return Ok(()), // floats: what is told anyway
            made_of => {
                asked.element = made_of.flatten();
                Wish::Element
            }
        },
        "late_chunking" => match flag(body, name, Some(member))? {
            false => return Ok(()),
            true => {
                asked.late_chunking = Some(true);
                Wish::LateChunking
            }
        },
        "normalized" | "normalize" => {
            asked.normalized = Some(flag(body, name, Some(member))?);
            Wish::Normalized
        }
        "title" => {
            string(body, name, member)?;
            asked.title = Some(body.slice(member.value.range()));
            Wish::Title
        }
        _ => Wish::Unknown,
    };
    asked.wishes.push(wished(wish, echo(name)));
    Ok(())
}

/// What vectors are to be made of: one word, or a list of one. `None`: what no API that is translated to has.
fn element(body: &Bytes, name: &str, member: &Member<'_>) -> Result<Option<Option<Element>>, BadRequest> {
    match member.kind {
        Kind::String => Ok(words::element(&string(body, name, member)?.unwrap_or_default())),
        Kind::Array => {
            let listed = elements(body, member.value);
            let [one] = listed.as_slice() else { return Ok(None) };
            let word: Option<String> = serde_json::from_str(one.get()).ok();
            Ok(word.and_then(|word| words::element(&word)))
        }
        _ => Err(wrong_kind(name, "a string", member)),
    }
}

/// The texts of `input`.
fn texts(body: &Bytes, member: &Member<'_>, wishes: &mut Vec<Wished>) -> Result<Vec<Bytes>, BadRequest> {
    match member.kind {
        Kind::String => return Ok(vec![body.slice(member.value.range())]),
        Kind::Array => {}
        _ => return Err(wrong_kind("input", "a string or an array of strings", member)),
    }
    let listed = elements(body, member.value);
    if listed.is_empty() {
        return Err(empty("input"));
    }
    let mut texts = Vec::with_capacity(listed.len());
    for (index, value) in listed.into_iter().enumerate() {
        let path = format!("input[{index}]");
        let text = match value.get().as_bytes().first() {
            Some(b'"') => value,
            // Jina's and others' `{"text": …}`.
            Some(b'{') => {
                let (text, others) = text_of(value).unwrap_or_default();
                let foreign = others.into_iter().map(|name| format!("{path}.{}", echo(&name)));
                wishes.extend(foreign.map(|path| wished(Wish::Foreign, path)));
                text.ok_or_else(|| {
                    bad(&path, format!("`{path}` has no `text`, and only texts can be sent to a model of another API"))
                })?
            }
            _ => {
                let why = format!(
                    "`{path}` is of tokens, which only the model that they were made for understands: send texts"
                );
                return Err(bad(&path, why));
            }
        };
        texts.push(slice(body, text));
    }
    Ok(texts)
}
