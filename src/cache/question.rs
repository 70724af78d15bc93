//! What a conversation asks last, apart from everything else that it says: only this is compared by meaning.
//!
//! Plain texts only: a question about a picture, a file or what a tool found is not told by its words.

use crate::model::Api;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// The user's last message, and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What the message says; its parts are lines.
    pub text: String,
    /// The body without it: its texts are empty there.
    pub rest: Vec<u8>,
}

/// Why a request is not compared by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCompared {
    /// The call is no conversation.
    NoConversation,
    /// It goes on with one that the provider keeps.
    Continued,
    /// What comes last is not the user's, or more than text.
    NotPlain,
    /// There is more than text before that: pictures, files, calls of tools and what they found.
    MoreThanText,
    /// Nothing is asked.
    Empty,
    /// The text is longer than so many bytes.
    TooLong(usize),
}

/// Behind "it is not compared by meaning: ".
impl fmt::Display for NotCompared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConversation => out.write_str("the call is no conversation"),
            Self::Continued => out.write_str("it goes on with a conversation that the provider keeps"),
            Self::NotPlain => out.write_str("its last message is not plain text of the user"),
            Self::MoreThanText => out.write_str("its conversation holds more than text (pictures, files, tools)"),
            Self::Empty => out.write_str("its last message says nothing"),
            Self::TooLong(most) => write!(out, "its last message is longer than {most} bytes"),
        }
    }
}

/// The members of a body that matter here, of all calls.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    contents: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    previous_response_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "cachedContent")]
    cached_content: Option<&'a RawValue>,
}

/// A message, of all calls.
#[derive(Deserialize)]
struct Turn<'a> {
    role: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    parts: Option<&'a RawValue>,
}

type Part<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Splits the body of a call of `api`, which was parsed strictly; `most`: the longest text, in bytes.
///
/// # Errors
///
/// Why it is not compared.
pub fn question(api: Api, body: &[u8], most: usize) -> Result<Question, NotCompared> {
    let Body { messages, contents, input, previous_response_id, cached_content } =
        serde_json::from_slice(body).map_err(|_| NotCompared::NotPlain)?;
    if previous_response_id.or(cached_content).is_some_and(|value| value.get() != "null") {
        return Err(NotCompared::Continued);
    }
    let conversation = match api {
        Api::ChatCompletions | Api::Messages => messages,
        Api::Generate => contents,
        Api::Responses => input,
        _ => return Err(NotCompared::NoConversation),
    };
    let conversation = conversation.ok_or(NotCompared::NotPlain)?;
    let texts = match conversation.get().starts_with('"') {
        true => vec![conversation],
        false => last(conversation)?,
    };
    split(body, &texts, most)
}

/// The texts of the last message.
fn last(conversation: &RawValue) -> Result<Vec<&RawValue>, NotCompared> {
    let turns: Vec<&RawValue> = read(conversation)?;
    let (last, before) = turns.split_last().ok_or(NotCompared::NotPlain)?;
    for turn in before {
        let turn: Turn<'_> = read(turn)?;
        let of_tool = matches!(turn.role.as_deref(), Some("tool" | "function"));
        let other = turn.kind.as_deref().is_some_and(|kind| !matches!(kind, "message" | "reasoning"));
        if of_tool || other || parts(&turn).is_none_or(|parts| !parts.iter().all(is_text)) {
            return Err(NotCompared::MoreThanText);
        }
    }
    let turn: Turn<'_> = read(last)?;
    let of_user =
        matches!(turn.role.as_deref(), Some("user") | None) && matches!(turn.kind.as_deref(), Some("message") | None);
    if !of_user {
        return Err(NotCompared::NotPlain);
    }
    if let Some(text) = turn.content.filter(|content| content.get().starts_with('"')) {
        return Ok(vec![text]);
    }
    let parts = parts(&turn).filter(|parts| !parts.is_empty()).ok_or(NotCompared::NotPlain)?;
    parts.iter().map(|part| asked(part).ok_or(NotCompared::NotPlain)).collect()
}

/// What a message consists of; none where it is a string or nothing. `None`: it is read in no way that is known here.
fn parts<'a>(turn: &Turn<'a>) -> Option<Vec<Part<'a>>> {
    let Some(content) = turn.parts.or(turn.content) else { return Some(Vec::new()) };
    match content.get().as_bytes().first() {
        Some(b'[') => serde_json::from_str(content.get()).ok(),
        _ => Some(Vec::new()),
    }
}

/// Whether a part of an earlier message is text: the user's, or the model's with what it thought.
fn is_text(part: &Part<'_>) -> bool {
    const KINDS: [&str; 6] = ["text", "input_text", "output_text", "refusal", "thinking", "redacted_thinking"];
    match kind(part) {
        Some(kind) => KINDS.contains(&&*kind),
        // generateContent
        None => part.keys().all(|name| matches!(&**name, "text" | "thought" | "thoughtSignature")),
    }
}

/// The text of a part of the user's, if it is nothing else.
fn asked<'a>(part: &Part<'a>) -> Option<&'a RawValue> {
    let plain = match kind(part) {
        Some(kind) => matches!(&*kind, "text" | "input_text"),
        None => part.len() == 1,
    };
    part.get("text").copied().filter(|text| plain && text.get().starts_with('"'))
}

fn kind(part: &Part<'_>) -> Option<String> {
    part.get("type").map(|kind| serde_json::from_str(kind.get()).unwrap_or_default())
}

fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, NotCompared> {
    serde_json::from_str(value.get()).map_err(|_| NotCompared::NotPlain)
}

/// Takes `texts`, which are strings in `body` and in their order, out of it.
fn split(body: &[u8], texts: &[&RawValue], most: usize) -> Result<Question, NotCompared> {
    let mut question = Question { text: String::new(), rest: Vec::with_capacity(body.len()) };
    let mut from = 0;
    for text in texts {
        let said: String = owned(text)?;
        if !question.text.is_empty() {
            question.text.push('\n');
        }
        question.text.push_str(&said);
        if question.text.len() > most {
            return Err(NotCompared::TooLong(most));
        }
        let Range { start, end } = place(body, text).ok_or(NotCompared::NotPlain)?;
        question.rest.extend_from_slice(body.get(from..start).ok_or(NotCompared::NotPlain)?);
        question.rest.extend_from_slice(b"\"\"");
        from = end;
    }
    question.rest.extend_from_slice(body.get(from..).unwrap_or_default());
    if question.text.trim().is_empty() {
        return Err(NotCompared::Empty);
    }
    Ok(question)
}

fn owned<T: DeserializeOwned>(value: &RawValue) -> Result<T, NotCompared> {
    serde_json::from_str(value.get()).map_err(|_| NotCompared::NotPlain)
}

/// Where `value`, which was borrowed from `body`, stands in it.
fn place(body: &[u8], value: &RawValue) -> Option<Range<usize>> {
    let start = value.get().as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let end = start + value.get().len();
    (end <= body.len()).then_some(start..end)
}

#[cfg(test)]
#[path = "question_tests.rs"]
mod tests;
