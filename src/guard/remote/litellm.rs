//! `litellm`: a service that speaks LiteLLM's generic guardrail API.
//! <https://docs.litellm.ai/docs/adding_provider/generic_guardrail_api>
//!
//! `POST {url}/beta/litellm_basic_guardrail_api` with `texts`, `input_type` (`request` or `response`), the request's id
//! and what `send` lists; `params` are the service's own. `BLOCKED` blocks, `GUARDRAIL_INTERVENED` replaces (as many
//! texts as were asked must come), `NONE` allows. Pictures, definitions of tools and calls are not sent apart: what of
//! them is text stands among the texts. `stream_holdback_chars` is passed over.

use super::link::{Built, Link, settings};
use super::who::{Send, Who};
use super::{Action, Asked, Flaw, RemoteError, RemoteGuard, Stride, Told, told};
use crate::config::Section;
use async_trait::async_trait;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

const PATH: &str = "/beta/litellm_basic_guardrail_api";

settings! {
    /// As written.
    struct Settings {
        #[serde(default)]
        send: Vec<Send>,
        /// Sent as `additional_provider_specific_params`.
        #[serde(default)]
        params: BTreeMap<String, IgnoredAny>,
    }
}

struct LiteLlm {
    link: Link,
    send: Vec<Send>,
    params: Map<String, Value>,
}

#[derive(serde::Serialize)]
struct Question<'a> {
    input_type: &'static str,
    texts: Vec<&'a str>,
    litellm_call_id: &'a str,
    litellm_trace_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    request_data: Data<'a>,
    additional_provider_specific_params: &'a Map<String, Value>,
}

#[derive(serde::Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_api_key_alias: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_api_key_team_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_api_key_team_alias: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_api_key_end_user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a BTreeMap<String, String>>,
}

#[derive(serde::Deserialize)]
struct Answer {
    action: Word,
    #[serde(default)]
    blocked_reason: Option<String>,
    #[serde(default)]
    texts: Option<Vec<String>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Word {
    None,
    Blocked,
    GuardrailIntervened,
}

#[async_trait]
impl RemoteGuard for LiteLlm {
    async fn check(&self, asked: &Asked<'_>) -> Result<Told, RemoteError> {
        if asked.texts.is_empty() {
            return Ok(Told::default());
        }
        let turn = self.link.turn(asked).await?;
        let who = Who::of(asked, &self.send);
        let question = Question {
            input_type: if asked.answers() { "response" } else { "request" },
            texts: asked.texts.iter().map(|text| text.text).collect(),
            litellm_call_id: asked.request_id,
            litellm_trace_id: asked.request_id,
            model: who.model,
            request_data: Data {
                user_api_key_alias: who.key,
                user_api_key_team_id: who.team,
                user_api_key_team_alias: who.team,
                user_api_key_end_user_id: who.user,
                metadata: who.metadata,
            },
            additional_provider_specific_params: &self.params,
        };
        let body = serde_json::to_vec(&question).expect("texts and names make JSON");
        let answer = turn.post(body.into()).await?;
        read(&answer, asked).map_err(|flaw| turn.nonsense(flaw))
    }

    fn stride(&self) -> Stride {
        self.link.stride()
    }
}

fn read(answer: &[u8], asked: &Asked<'_>) -> Result<Told, Flaw> {
    let answer: Answer = serde_json::from_slice(answer)?;
    match answer.action {
        Word::None => Ok(Told::default()),
        Word::Blocked => {
            let reason = told::reason(answer.blocked_reason);
            Ok(Told { action: Action::Block, reason, ..Told::default() })
        }
        Word::GuardrailIntervened => {
            let texts = answer.texts.ok_or(Flaw::Contradiction("it intervened, but has no texts"))?;
            replaced(asked, texts.into_iter().map(Some).collect())
        }
    }
}

/// Texts instead of those that were asked, in their order; `None`: as it was.
pub(super) fn replaced(asked: &Asked<'_>, texts: Vec<Option<String>>) -> Result<Told, Flaw> {
    if texts.len() != asked.texts.len() {
        return Err(Flaw::Count { found: texts.len(), asked: asked.texts.len() });
    }
    let changed = |(index, (new, old)): (usize, (Option<String>, &super::AskedText<'_>))| {
        new.filter(|new| new != old.text).map(|new| (index, new))
    };
    let replacements: Vec<_> = texts.into_iter().zip(asked.texts).enumerate().filter_map(changed).collect();
    let action = if replacements.is_empty() { Action::Allow } else { Action::Replace };
    Ok(Told { action, replacements, ..Told::default() })
}

/// The guard of `section`.
///
/// # Errors
///
/// With key path.
pub(in crate::guard) fn build(section: &Section) -> Built {
    let mut settings: Settings = section.read()?;
    let params = match section.json("params") {
        Some(Value::Object(members)) if !settings.params.is_empty() => members,
        _ => Map::new(),
    };
    let link = Link::new(section, settings.way(), None, PATH)?;
    Ok(Arc::new(LiteLlm { link, send: settings.send, params }))
}
