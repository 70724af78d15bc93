//! A file of requests for a batch, one a line: checked, and rewritten with the provider's names of models.
//!
//! A key may only have its own models called, also by a batch: so each line is read as strictly as a request is. Pure; what
//! guardrails leave of a line's body is in `requests.rs`.

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

/// The calls that may be batched.
const CALLS: [Api; 5] = [Api::ChatCompletions, Api::Responses, Api::Embeddings, Api::Completions, Api::Moderations];

/// The call of a line's `url`.
pub fn call(url: &str) -> Option<Api> {
    let below = url.strip_prefix("/v1/")?;
    CALLS.into_iter().find(|api| api.path() == below)
}

/// Reads the lines of a file of requests, one after the other.
#[derive(Debug, Default)]
pub struct Reader {
    /// Lines that were read.
    line: usize,
    first: Option<(usize, Named, Api)>,
}

impl Reader {
    /// The number of the line that was read last, from 1.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The model and the call of all lines; `None`: there was none yet.
    pub fn names(&self) -> Option<(&Arc<str>, Api)> {
        self.first.as_ref().map(|(_, named, api)| (&named.name, *api))
    }

    /// What the next line asks for; `None`: it is blank. `resolve`: which model a call's name means; or why it may not be
    /// called.
    ///
    /// # Errors
    ///
    /// The line is wrong.
    pub fn read(
        &mut self,
        line: &[u8],
        resolve: impl FnOnce(Api, &str) -> Result<Named, String>,
    ) -> Result<Option<One>, Mistake> {
        self.line += 1;
        let mistake = |why: String| Mistake { line: self.line, why };
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let one = one(line).map_err(mistake)?;
        let named = resolve(one.api, &one.model).map_err(mistake)?;
        match &self.first {
            Some((at, other, _)) if other.name != named.name => {
                let (name, other) = (&named.name, &other.name);
                return Err(mistake(format!(
                    "its model is `{name}`, that of line {at} `{other}`; a file names one model"
                )));
            }
            Some((at, _, other)) if *other != one.api => {
                return Err(mistake(format!("its `url` is another one than that of line {at}; a file has one")));
            }
            Some(_) => {}
            None => self.first = Some((self.line, named.clone(), one.api)),
        }
        Ok(Some(One { there: named.there, ..one }))
    }

    /// The file is whole: the model and the call of its lines.
    ///
    /// # Errors
    ///
    /// There was none.
    pub fn end(self) -> Result<(Arc<str>, Api), Mistake> {
        let none = Mistake { line: 1, why: "the file holds no request".to_owned() };
        self.first.map(|(_, named, api)| (named.name, api)).ok_or(none)
    }
}

/// What one line asks for.
#[derive(Debug)]
pub struct One {
    /// The call.
    pub api: Api,
    /// The client's name of the line.
    pub custom_id: String,
    /// Of the request in the line.
    pub body: Span,
    model: String,
    /// Of the model's name in the line, with its quotes.
    span: Span,
    /// What is to stand there.
    there: Bytes,
}

impl One {
    /// Appends the line with the provider's name of the model.
    pub fn write(&self, line: &[u8], out: &mut Vec<u8>) {
        replaced(line, self.span, &self.there, out);
    }

    /// The same, with `body` in the place of the request.
    ///
    /// # Errors
    ///
    /// It names no model.
    pub fn write_with(&self, line: &[u8], body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let members = strict::members(body, Span { start: 0, end: body.len() });
        let model = members.iter().find(|member| &*member.key == b"model").map(|member| member.value);
        let model = model.ok_or_else(|| "`body.model` is missing".to_owned())?;
        let mut edited = Vec::with_capacity(body.len() + self.there.len());
        replaced(body, model, &self.there, &mut edited);
        replaced(line, self.body, &edited, out);
        Ok(())
    }
}

fn replaced(whole: &[u8], at: Span, with: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(whole.get(..at.start).unwrap_or_default());
    out.extend_from_slice(with);
    out.extend_from_slice(whole.get(at.end..).unwrap_or_default());
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
    let custom_id = text("custom_id")?;
    if custom_id.is_empty() {
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
    Ok(One { api, custom_id, body, model: strict::string(line, span), span, there: Bytes::new() })
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
