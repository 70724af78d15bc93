//! From a strict body to what the gateway needs of it. Fields that are not named here are nobody's business.

mod demand;
mod generate;
mod media;
mod opening;
mod rerank;

use super::path::echo;
use super::strict::{self, Kind, Member, Shape};
use crate::model::{Api, Ask, Draft, IncludeUsage, Seal, Span};
use generate::Generate;

/// A request that cannot be served as it is: a 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// For the client: what is wrong and where.
    pub message: String,
    /// The member that is wrong, for OpenAI's `param`.
    pub param: Option<String>,
}

/// Reads the request `draft` of `api`.
///
/// # Errors
///
/// When the body is not strict JSON, or a member that the gateway acts on is not of its kind.
pub fn parse(api: Api, draft: Draft) -> Result<Ask, BadRequest> {
    read(api, None, draft)
}

/// Reads a request whose path names the `model` and tells whether it is a `stream`: [`Api::Generate`].
///
/// # Errors
///
/// As [`parse`].
pub fn parse_generate(model: &str, stream: bool, draft: Draft) -> Result<Ask, BadRequest> {
    read(Api::Generate, Some((model, stream)), draft)
}

/// Reads a request that is `multipart/form-data`; `content_type` is the client's own and names the boundary.
///
/// # Errors
///
/// When it is no such form, or a field that the gateway acts on is missing, stands twice or is not of its kind.
pub fn parse_form(api: Api, content_type: &str, draft: Draft) -> Result<Ask, BadRequest> {
    media::read_form(api, content_type, draft)
}

/// Reads the request `draft` of `api`; `path`: the model and whether a stream is asked for, where the body does not tell.
fn read(api: Api, path: Option<(&str, bool)>, draft: Draft) -> Result<Ask, BadRequest> {
    let body = draft.as_slice();
    let shape = if api == Api::Generate { Shape::Named } else { Shape::Typed };
    let outline = strict::check_as(body, shape).map_err(|fault| {
        let path = fault.path();
        BadRequest { message: fault.to_string(), param: (!path.is_empty()).then_some(path) }
    })?;
    let known = Known::pick(&outline.members);
    let generate = (api == Api::Generate).then(|| Generate::pick(body, &outline.members)).transpose()?;
    let (model, model_span) = match path {
        Some((model, _)) => (in_path(model, known.model)?, Span { start: 0, end: 0 }),
        None => model(body, known.model)?,
    };
    let mut stream = match path {
        Some((_, stream)) => stream,
        // Speech is asked for as events by another member.
        None => api.streams() && api != Api::Speech && flag(body, "stream", known.stream)?,
    };
    let include_usage = match api {
        Api::ChatCompletions | Api::Completions if stream => {
            Some(include_usage(body, known.stream_options, outline.inside)?)
        }
        _ => None,
    };
    let user = user(api, body, &known)?;
    let caps = match &generate {
        Some(generate) => generate.caps(outline.inside)?,
        None => demand::caps(api, body, &known, outline.inside)?,
    };
    let choices = match &generate {
        Some(generate) => generate.choices(MOST_CHOICES)?,
        None => choices(api, body, &known)?,
    };
    let metadata = match &generate {
        Some(generate) => generate.metadata(demand::MOST_METADATA),
        None => demand::metadata(api, body, &known),
    };
    let mut demand = demand::demand(api, body, &known, &outline)?;
    if let Some(generate) = &generate {
        generate.demand(&mut demand)?;
    }
    if api.is_media() {
        stream |= media::read_json(api, body, &outline.members, &mut demand)?;
    }
    let pairs = if api == Api::Rerank { rerank::demand(body, &known, &mut demand) } else { 0 };
    Ok(Ask {
        api,
        model,
        model_span,
        form: false,
        stream,
        include_usage,
        user,
        max_output_tokens: caps.tokens(),
        choices,
        text_bytes: outline.text_bytes.saturating_add(pairs),
        caps,
        metadata,
        demand,
        opening: opening::opening(&outline),
        sealed_elsewhere: api.converses() && Seal::travels_in(body),
        body: draft,
    })
}

/// The top-level members that the gateway acts on.
#[derive(Default)]
struct Known<'a> {
    model: Option<&'a Member<'a>>,
    stream: Option<&'a Member<'a>>,
    stream_options: Option<&'a Member<'a>>,
    user: Option<&'a Member<'a>>,
    safety_identifier: Option<&'a Member<'a>>,
    metadata: Option<&'a Member<'a>>,
    max_tokens: Option<&'a Member<'a>>,
    max_completion_tokens: Option<&'a Member<'a>>,
    max_output_tokens: Option<&'a Member<'a>>,
    n: Option<&'a Member<'a>>,
    best_of: Option<&'a Member<'a>>,
    prompt: Option<&'a Member<'a>>,
    service_tier: Option<&'a Member<'a>>,
    thinking: Option<&'a Member<'a>>,
    modalities: Option<&'a Member<'a>>,
    prediction: Option<&'a Member<'a>>,
    web_search_options: Option<&'a Member<'a>>,
    max_tool_calls: Option<&'a Member<'a>>,
    background: Option<&'a Member<'a>>,
    previous_response_id: Option<&'a Member<'a>>,
    conversation: Option<&'a Member<'a>>,
    container: Option<&'a Member<'a>>,
    mcp_servers: Option<&'a Member<'a>>,
    speed: Option<&'a Member<'a>>,
    inference_geo: Option<&'a Member<'a>>,
    query: Option<&'a Member<'a>>,
    documents: Option<&'a Member<'a>>,
}

impl<'a> Known<'a> {
    fn pick(members: &'a [Member<'a>]) -> Self {
        let mut known = Self::default();
        for member in members {
            let place = match &*member.key {
                b"model" => &mut known.model,
                b"stream" => &mut known.stream,
                b"stream_options" => &mut known.stream_options,
                b"user" => &mut known.user,
                b"safety_identifier" => &mut known.safety_identifier,
                b"metadata" => &mut known.metadata,
                b"max_tokens" => &mut known.max_tokens,
                b"max_completion_tokens" => &mut known.max_completion_tokens,
                b"max_output_tokens" => &mut known.max_output_tokens,
                b"n" => &mut known.n,
                b"best_of" => &mut known.best_of,
                b"prompt" => &mut known.prompt,
                b"service_tier" => &mut known.service_tier,
                b"thinking" => &mut known.thinking,
                b"modalities" => &mut known.modalities,
                b"prediction" => &mut known.prediction,
                b"web_search_options" => &mut known.web_search_options,
                b"max_tool_calls" => &mut known.max_tool_calls,
                b"background" => &mut known.background,
                b"previous_response_id" => &mut known.previous_response_id,
                b"conversation" => &mut known.conversation,
                b"container" => &mut known.container,
                b"mcp_servers" => &mut known.mcp_servers,
                b"speed" => &mut known.speed,
                b"inference_geo" => &mut known.inference_geo,
                b"query" => &mut known.query,
                b"documents" => &mut known.documents,
                _ => continue,
            };
            *place = Some(member);
        }
        known
    }
}

pub(super) fn bad(param: &str, message: String) -> BadRequest {
    BadRequest { message, param: Some(param.to_owned()) }
}

pub(super) fn wrong_kind(param: &str, want: &str, member: &Member<'_>) -> BadRequest {
    bad(param, format!("`{param}` must be {want}, not {}", member.kind.name()))
}

fn model(body: &[u8], member: Option<&Member<'_>>) -> Result<(String, Span), BadRequest> {
    let member = member.ok_or_else(|| bad("model", "`model` is missing: name the model to call".to_owned()))?;
    match string(body, "model", member)? {
        Some(name) => Ok((read_model(&name)?, member.value)),
        None => Err(wrong_kind("model", "a string", member)),
    }
}

/// A model's name, which says something.
fn read_model(name: &str) -> Result<String, BadRequest> {
    match name {
        "" => Err(bad("model", "`model` is empty: name the model to call".to_owned())),
        name => Ok(name.to_owned()),
    }
}

/// The model that the path names; a second name in the body might be the one that a provider goes by.
fn in_path(model: &str, member: Option<&Member<'_>>) -> Result<String, BadRequest> {
    match member {
        Some(member) if member.kind != Kind::Null => {
            Err(bad("model", "`model` stands in the path of this call: leave it out of the body".to_owned()))
        }
        _ => Ok(model.to_owned()),
    }
}

/// A string unescaped, or `None` for `null`.
pub(super) fn string(body: &[u8], param: &str, member: &Member<'_>) -> Result<Option<String>, BadRequest> {
    match member.kind {
        Kind::Null => Ok(None),
        Kind::String => Ok(Some(strict::string(body, member.value))),
        _ => Err(wrong_kind(param, "a string", member)),
    }
}

pub(super) fn flag(body: &[u8], param: &str, member: Option<&Member<'_>>) -> Result<bool, BadRequest> {
    match member {
        None => Ok(false),
        Some(member) => match member.kind {
            Kind::Null => Ok(false),
            Kind::Bool => Ok(is_true(body, member.value)),
            _ => Err(wrong_kind(param, "a boolean", member)),
        },
    }
}

fn is_true(body: &[u8], value: Span) -> bool {
    body.get(value.range()) == Some(b"true")
}

/// A whole number that is not negative; absent and `null` are `None`. `1.0` and `1e3` are no integers: parsers
/// differ on them.
pub(super) fn integer(body: &[u8], param: &str, member: Option<&Member<'_>>) -> Result<Option<u64>, BadRequest> {
    let Some(member) = member else { return Ok(None) };
    let text = body.get(member.value.range()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    match member.kind {
        Kind::Null => Ok(None),
        Kind::Number => text.parse().map(Some).map_err(|_| {
            bad(param, format!("`{param}` must be an integer of at least 0 and below 2^64, not `{}`", echo(text)))
        }),
        _ => Err(wrong_kind(param, "an integer", member)),
    }
}

fn include_usage(body: &[u8], member: Option<&Member<'_>>, inside: usize) -> Result<IncludeUsage, BadRequest> {
    let Some(options) = member else { return Ok(IncludeUsage::NoOptions { insert_at: inside }) };
    match options.kind {
        Kind::Null => Ok(IncludeUsage::NullOptions(options.value)),
        Kind::Object => {
            let members = strict::members(body, options.value);
            let Some(asked) = members.iter().find(|member| *member.key == *b"include_usage") else {
                return Ok(IncludeUsage::NoMember { insert_at: options.value.start + 1, empty: members.is_empty() });
            };
            let value = asked.value;
            Ok(IncludeUsage::Member { value, asked: flag(body, "stream_options.include_usage", Some(asked))? })
        }
        _ => Err(wrong_kind("stream_options", "an object", options)),
    }
}

/// The end user that the body names; an empty name is none.
fn user(api: Api, body: &[u8], known: &Known<'_>) -> Result<Option<String>, BadRequest> {
    let read = |param, member: Option<&Member<'_>>| match member {
        Some(member) => string(body, param, member).map(|user| user.filter(|user| !user.is_empty())),
        None => Ok(None),
    };
    match api {
        Api::Messages | Api::CountTokens => {
            let Some(metadata) = known.metadata else { return Ok(None) };
            match metadata.kind {
                Kind::Null => Ok(None),
                Kind::Object => {
                    let members = strict::members(body, metadata.value);
                    read("metadata.user_id", members.iter().find(|member| *member.key == *b"user_id"))
                }
                _ => Err(wrong_kind("metadata", "an object", metadata)),
            }
        }
        Api::Generate => Ok(None), // it has no word for it
        _ => {
            let safety = read("safety_identifier", known.safety_identifier)?;
            let user = read("user", known.user)?;
            Ok(safety.or(user))
        }
    }
}

/// Most answers that one request may ask for (OpenAI's own limit on `n`).
const MOST_CHOICES: u64 = 128;

/// How many answers the provider makes, and bills. Completions make `best_of` answers for each of their prompts.
fn choices(api: Api, body: &[u8], known: &Known<'_>) -> Result<u32, BadRequest> {
    let count = |param, member| match integer(body, param, member)? {
        None => Ok(1),
        Some(count @ 1..=MOST_CHOICES) => Ok(count),
        Some(_) => Err(bad(param, format!("`{param}` must be between 1 and {MOST_CHOICES}"))),
    };
    let all = match api {
        Api::ChatCompletions => count("n", known.n)?,
        Api::Completions => {
            let each = count("n", known.n)?.max(count("best_of", known.best_of)?);
            each.saturating_mul(prompts(body, known.prompt))
        }
        _ => 1,
    };
    Ok(u32::try_from(all).unwrap_or(u32::MAX))
}

/// Prompts of one completion request: an array holds many, unless its elements are the tokens of one.
fn prompts(body: &[u8], prompt: Option<&Member<'_>>) -> u64 {
    match prompt {
        Some(prompt) if prompt.kind == Kind::Array => match strict::elements(body, prompt.value) {
            (_, Some(Kind::Number) | None) => 1,
            (count, Some(_)) => count,
        },
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
