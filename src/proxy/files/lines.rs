//! A file of requests for a batch, one a line: checked, and rewritten with the provider's names of models.
//!
//! A key may only have its own models called, also by a batch: so each line is read as strictly as a request is. Guards
//! (issue 6) will look at a line's body where [`one`] has it.

use crate::{
    dialect::strict::{self, Kind, Member},
    model::{Api, Span},
};
use bytes::Bytes;
use std::sync::Arc;

/// A line that is wrong: `line 3: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Mistake {
    /// From 1.
    line: usize,
    why: String,
}

/// What a line's model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// The provider's name as JSON text with its quotes.
    pub there: Bytes,
}

/// A file that was checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    /// The file as it goes up.
    pub file: Vec<u8>,
    /// The model of the configuration that all lines name.
    pub model: Arc<str>,
}

/// The calls that may be batched.
const CALLS: [Api; 5] = [Api::ChatCompletions, Api::Responses, Api::Embeddings, Api::Completions, Api::Moderations];

/// The call of a line's `url`.
pub fn call(url: &str) -> Option<Api> {
    let below = url.strip_prefix("/v1/")?;
    CALLS.into_iter().find(|api| api.path() == below)
}

/// Checks `file` and puts the provider's names of models in place of the gateway's. `resolve`: which model a call's name
/// means; or why it may not be called.
///
/// # Errors
///
/// The first line that is wrong.
pub fn rewrite(file: &[u8], mut resolve: impl FnMut(Api, &str) -> Result<Named, String>) -> Result<Checked, Mistake> {
    let mut out = Vec::with_capacity(file.len());
    let mut first: Option<(usize, Named, Api)> = None;
    for (index, line) in file.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let mistake = |why: String| Mistake { line: index + 1, why };
        if line.trim_ascii().is_empty() {
            out.extend_from_slice(line);
            continue;
        }
        let One { api, model, span } = one(line).map_err(mistake)?;
        let named = resolve(api, &model).map_err(mistake)?;
        match &first {
            Some((at, other, _)) if other.name != named.name => {
                let (name, other) = (&named.name, &other.name);
                return Err(mistake(format!(
                    "its model is `{name}`, that of line {at} `{other}`; a file names one model"
                )));
            }
            Some((at, _, other)) if *other != api => {
                return Err(mistake(format!("its `url` is another one than that of line {at}; a file has one")));
            }
            _ => {}
        }
        out.extend_from_slice(line.get(..span.start).unwrap_or_default());
        out.extend_from_slice(&named.there);
        out.extend_from_slice(line.get(span.end..).unwrap_or_default());
        first.get_or_insert((index + 1, named, api));
    }
    match first {
        Some((_, named, _)) => Ok(Checked { file: out, model: named.name }),
        None => Err(Mistake { line: 1, why: "the file holds no request".to_owned() }),
    }
}

/// What one line asks for.
struct One {
    api: Api,
    model: String,
    /// Of the model's name in the line, with its quotes.
    span: Span,
}

fn one(line: &[u8]) -> Result<One, String> {
    let outline = strict::check(line).map_err(|fault| fault.to_string())?;
    let member = |members: &[Member<'_>], name: &str, kind: Kind, under: &str| {
        let found = members.iter().find(|member| &*member.key == name.as_bytes());
        let found = found.ok_or_else(|| format!("`{under}{name}` is missing"))?;
        match found.kind == kind {
            true => Ok(found.value),
            false => Err(format!("`{under}{name}` must be {}, not {}", kind.name(), found.kind.name())),
        }
    };
    let known = |name: &[u8]| matches!(name, b"custom_id" | b"method" | b"url" | b"body");
    if let Some(other) = outline.members.iter().find(|member| !known(&member.key)) {
        let name = String::from_utf8_lossy(&other.key).chars().take(64).collect::<String>();
        return Err(format!("`{name}` is not known; a line has `custom_id`, `method`, `url` and `body`"));
    }
    let text = |name: &str| Ok::<_, String>(strict::string(line, member(&outline.members, name, Kind::String, "")?));
    if text("custom_id")?.is_empty() {
        return Err("`custom_id` is empty".to_owned());
    }
    if text("method")? != "POST" {
        return Err("`method` must be `POST`".to_owned());
    }
    let paths = || CALLS.map(|api| format!("`/v1/{}`", api.path())).join(", ");
    let api = call(&text("url")?).ok_or_else(|| format!("`url` must be one of {}", paths()))?;
    let body = member(&outline.members, "body", Kind::Object, "")?;
    let members = strict::members(line, body);
    let span = member(&members, "model", Kind::String, "body.")?;
    Ok(One { api, model: strict::string(line, span), span })
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
