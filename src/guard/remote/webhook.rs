//! `webhook`: our own contract, version 1 (`conf/guard-webhook.schema.json`).
//!
//! `POST url`, with what `send` lists of the second line (default: nothing of it):
//!
//! ```json
//! {"version": 1, "guard": "dlp", "hook": "input", "request_id": "…",
//!  "model": "fast", "team": "a", "key": "app", "user": "u1", "metadata": {"case": "7"},
//!  "texts": [{"id": 0, "role": "user", "text": "…"}]}
//! ```
//!
//! `hook` is `input`, `output`, `tool_call` or `tool_result`; `role` is `system`, `user`, `assistant`, `reasoning`,
//! `refusal`, `tool_call`, `tool_result`, `definition` or `document`. The answer has status 200; only `action` must be
//! there:
//!
//! ```json
//! {"action": "replace", "reason": "…", "entities": [{"entity": "project_name", "count": 2}],
//!  "texts": [{"id": 0, "text": "…"}]}
//! ```
//!
//! `action` is `allow`, `block`, `replace` or `flag`; `texts` stands with `replace` only, and has the texts that become
//! others, by their ids. Members that are not known are passed over. Anything else is an error, and so is another
//! status.

use super::link::{Built, Link, settings};
use super::who::{Send, Who};
use super::{Action, Asked, Flaw, RemoteError, RemoteGuard, Stride, Told, role, told};
use crate::config::Section;
use async_trait::async_trait;
use std::sync::Arc;

settings! {
    /// As written.
    struct Settings {
        #[serde(default)]
        send: Vec<Send>,
    }
}

struct Webhook {
    link: Link,
    send: Vec<Send>,
}

#[derive(serde::Serialize)]
struct Question<'a> {
    version: u32,
    guard: &'a str,
    hook: &'static str,
    request_id: &'a str,
    #[serde(flatten)]
    who: Who<'a>,
    texts: Vec<QuestionText<'a>>,
}

#[derive(serde::Serialize)]
struct QuestionText<'a> {
    id: usize,
    role: &'static str,
    text: &'a str,
}

#[derive(serde::Deserialize)]
struct Answer {
    action: Word,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    entities: Vec<Entity>,
    #[serde(default)]
    texts: Vec<AnswerText>,
}

#[derive(serde::Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Word {
    Allow,
    Block,
    Replace,
    Flag,
}

#[derive(serde::Deserialize)]
struct Entity {
    entity: String,
    #[serde(default = "one")]
    count: usize,
}

const fn one() -> usize {
    1
}

#[derive(serde::Deserialize)]
struct AnswerText {
    id: usize,
    text: String,
}

#[async_trait]
impl RemoteGuard for Webhook {
    async fn check(&self, asked: &Asked<'_>) -> Result<Told, RemoteError> {
        if asked.texts.is_empty() {
            return Ok(Told::default());
        }
        let turn = self.link.turn(asked).await?;
        let texts = asked.texts.iter().enumerate();
        let question = Question {
            version: 1,
            guard: asked.guard,
            hook: asked.hook.name(),
            request_id: asked.request_id,
            who: Who::of(asked, &self.send),
            texts: texts.map(|(id, text)| QuestionText { id, role: role(text.speech), text: text.text }).collect(),
        };
        let body = serde_json::to_vec(&question).expect("texts and names make JSON");
        let answer = turn.post(body.into()).await?;
        read(&answer, asked.texts.len()).map_err(|flaw| turn.nonsense(flaw))
    }

    fn stride(&self) -> Stride {
        self.link.stride()
    }
}

fn read(answer: &[u8], asked: usize) -> Result<Told, Flaw> {
    let answer: Answer = serde_json::from_slice(answer)?;
    let mut replacements: Vec<(usize, String)> = answer.texts.into_iter().map(|text| (text.id, text.text)).collect();
    replacements.sort_by_key(|(id, _)| *id);
    let twice = replacements.windows(2).any(|pair| pair[0].0 == pair[1].0);
    if twice || replacements.last().is_some_and(|(id, _)| *id >= asked) {
        return Err(Flaw::Text);
    }
    match (answer.action == Word::Replace, replacements.is_empty()) {
        (true, true) => return Err(Flaw::Contradiction("it replaces, but has no texts")),
        (false, false) => return Err(Flaw::Contradiction("it has texts, but does not replace")),
        _ => {}
    }
    let mut entities = Vec::new();
    for found in &answer.entities {
        told::count(&mut entities, &found.entity, found.count)?;
    }
    let action = match answer.action {
        Word::Allow => Action::Allow,
        Word::Block => Action::Block,
        Word::Replace => Action::Replace,
        Word::Flag => Action::Flag,
    };
    Ok(Told { action, reason: told::reason(answer.reason), entities, replacements, spans: Vec::new() })
}

/// The guard of `section`.
///
/// # Errors
///
/// With key path.
pub(in crate::guard) fn build(section: &Section) -> Built {
    let mut settings: Settings = section.read()?;
    let link = Link::new(section, settings.way(), None, "")?;
    Ok(Arc::new(Webhook { link, send: settings.send }))
}
