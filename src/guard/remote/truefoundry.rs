//! `truefoundry`: a service that speaks TrueFoundry's contract of custom guardrails.
//! <https://www.truefoundry.com/docs/ai-gateway/custom-guardrails>
//!
//! `POST url` with `requestBody`, for an answer's texts `responseBody`, `context` and `config`. The bodies are made of
//! the texts, in the shape of a chat completion: one message, or one choice, a text; so the service sees no more than
//! the rule says, whatever API the client speaks. `{"verdict": true}` allows, `{"verdict": false, "message": …}`
//! blocks, and `{"verdict": true, "transformed": true, "result": {…}}` replaces: the result has as many messages, or
//! choices, as were sent. Servers made after the older template answer `null` (allow) or the body that takes the place
//! of the one sent; these are understood. Another status than 200 is an error, also 400, by which the older template
//! blocks.

use super::link::{Built, Link, settings};
use super::litellm::replaced;
use super::who::{Send, Who};
use super::{Action, Asked, AskedText, Flaw, RemoteError, RemoteGuard, Stride, Told, told};
use crate::{config::Section, model::Speech};
use async_trait::async_trait;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

settings! {
    /// As written.
    struct Settings {
        #[serde(default)]
        send: Vec<Send>,
        /// Sent as `config`.
        #[serde(default)]
        config: BTreeMap<String, IgnoredAny>,
    }
}

struct TrueFoundry {
    link: Link,
    send: Vec<Send>,
    config: Map<String, Value>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    verdict: bool,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    transformed: bool,
    #[serde(default)]
    result: Option<Value>,
}

#[async_trait]
impl RemoteGuard for TrueFoundry {
    async fn check(&self, asked: &Asked<'_>) -> Result<Told, RemoteError> {
        if asked.texts.is_empty() {
            return Ok(Told::default());
        }
        let turn = self.link.turn(asked).await?;
        let question = self.question(asked);
        let body = serde_json::to_vec(&question).expect("texts and names make JSON");
        let answer = turn.post(body.into()).await?;
        read(&answer, asked).map_err(|flaw| turn.nonsense(flaw))
    }

    fn stride(&self) -> Stride {
        self.link.stride()
    }
}

impl TrueFoundry {
    fn question(&self, asked: &Asked<'_>) -> Value {
        let who = Who::of(asked, &self.send);
        let model = who.model.unwrap_or("-");
        let subject = who.user.or(who.key).or(who.team).unwrap_or("-");
        let kind = match (who.user, who.key, who.team) {
            (None, Some(_), _) => "serviceaccount",
            (None, None, Some(_)) => "team",
            _ => "user",
        };
        let mut question = json!({
            "requestBody": { "model": model, "messages": [] },
            "context": {
                "user": {
                    "subjectId": subject,
                    "subjectType": kind,
                    "subjectSlug": subject,
                    "subjectDisplayName": subject,
                },
                "metadata": who.metadata,
            },
            "config": self.config,
        });
        if asked.answers() {
            let choice = |(index, text): (usize, &AskedText<'_>)| json!({ "index": index, "message": message(text), "finish_reason": "stop" });
            let choices: Vec<Value> = asked.texts.iter().enumerate().map(choice).collect();
            question["responseBody"] = json!({
                "id": asked.request_id,
                "object": "chat.completion",
                "created": 0,
                "model": model,
                "choices": choices,
            });
        } else {
            question["requestBody"]["messages"] = asked.texts.iter().map(message).collect();
        }
        question
    }
}

fn message(text: &AskedText<'_>) -> Value {
    let role = match text.speech {
        Speech::System | Speech::Definition => "system",
        Speech::User | Speech::Document | Speech::Unknown => "user",
        Speech::Assistant | Speech::Reasoning | Speech::Refusal | Speech::ToolCall => "assistant",
        Speech::ToolResult => "tool",
    };
    json!({ "role": role, "content": text.text })
}

fn read(answer: &[u8], asked: &Asked<'_>) -> Result<Told, Flaw> {
    let answer: Value = serde_json::from_slice(answer)?;
    if answer.is_null() {
        return Ok(Told::default());
    }
    if answer.get("verdict").is_none() {
        return transformed(&answer, asked);
    }
    let said: Verdict = serde_json::from_value(answer)
        .map_err(|_| Flaw::Contradiction("its `verdict`, `message` or `transformed` is of another kind"))?;
    match (said.verdict, said.transformed, said.result) {
        (false, _, _) => {
            let reason = told::reason(said.message);
            Ok(Told { action: Action::Block, reason, ..Told::default() })
        }
        (true, true, Some(result)) => transformed(&result, asked),
        (true, true, None) => Err(Flaw::Contradiction("it transformed, but has no `result`")),
        (true, false, _) => Ok(Told::default()),
    }
}

fn transformed(body: &Value, asked: &Asked<'_>) -> Result<Told, Flaw> {
    const SHAPE: Flaw = Flaw::Contradiction("its result is no body with the `messages` or `choices` that were sent");
    let list = if asked.answers() { "choices" } else { "messages" };
    let items = body.get(list).and_then(Value::as_array).ok_or(SHAPE)?;
    let content = |item: &Value| {
        let message = if asked.answers() { item.get("message")? } else { item };
        message.get("content")?.as_str().map(ToOwned::to_owned)
    };
    let texts: Option<Vec<Option<String>>> = items.iter().map(|item| content(item).map(Some)).collect();
    replaced(asked, texts.ok_or(SHAPE)?)
}

/// The guard of `section`.
///
/// # Errors
///
/// With key path.
pub(in crate::guard) fn build(section: &Section) -> Built {
    let mut settings: Settings = section.read()?;
    let config = match section.json("config") {
        Some(Value::Object(members)) if !settings.config.is_empty() => members,
        _ => Map::new(),
    };
    let link = Link::new(section, settings.way(), None, "")?;
    Ok(Arc::new(TrueFoundry { link, send: settings.send, config }))
}
