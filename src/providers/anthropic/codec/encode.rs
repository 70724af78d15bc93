//! From a conversation to the body of a request.

use super::ability::Ability;
use super::blocks::{Block, CacheControl, Turn, conversation};
use super::format::Shape;
use super::thinking::{self, Form, Said, ends_in_bare_calls};
use super::{JSON_ANSWER, Place};
use crate::{
    model::{Chat, Content, Feature, Json, Source, Tool, ToolChoice, Use},
    providers::codec::{Goal, is_forced, uses_clamped},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// `max_tokens` where neither the client nor the gateway nor the model tells one; the API must have it.
const DEFAULT_MAX_TOKENS: u64 = 4_096;

/// `max_tokens`.
pub(super) fn max_tokens(chat: &Chat, to: &Goal<'_>) -> u64 {
    to.output_cap(chat).or(to.most_output).unwrap_or(DEFAULT_MAX_TOKENS)
}

/// What Vertex calls the version of the API.
pub(in crate::providers) const VERTEX_VERSION: &str = "vertex-2023-10-16";

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anthropic_version: Option<&'static str>,
    max_tokens: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(flatten)]
    sampling: Sampled,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Form>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

/// A schema of an object: what has no `type` gets one, which is required.
#[derive(Serialize)]
#[serde(untagged)]
enum Schema<'a> {
    Given(&'a Json),
    Mended(Box<RawValue>),
    Object { r#type: &'static str },
}

impl<'a> Schema<'a> {
    fn of(given: Option<&'a Json>) -> Self {
        #[derive(serde::Deserialize)]
        struct Typed<'a> {
            #[serde(borrow, default)]
            r#type: Option<&'a RawValue>,
        }
        let any = Self::Object { r#type: "object" };
        let Some(given) = given else { return any };
        let text = given.text().trim();
        match serde_json::from_str::<Typed<'_>>(text) {
            Ok(Typed { r#type: Some(_) }) => Self::Given(given),
            Ok(_) => match text.strip_prefix('{').map(str::trim_start) {
                Some(rest) if !rest.starts_with('}') => {
                    RawValue::from_string(format!("{{\"type\":\"object\",{rest}")).map_or(any, Self::Mended)
                }
                _ => any,
            },
            Err(_) => any,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Choice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

impl Choice<'_> {
    pub(super) fn is_forced(&self) -> bool {
        matches!(self.r#type, "any" | "tool")
    }
}

#[derive(Default, Serialize)]
pub(super) struct Sampled {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<u64>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutputFormat<'a>>,
}

#[derive(Serialize)]
struct OutputFormat<'a> {
    r#type: &'static str,
    schema: &'a Json,
}

/// The body for `to`.
pub(super) fn body(chat: &Chat, to: &Goal<'_>, place: Place) -> Bytes {
    let ability = place.ability(to.model);
    let max_tokens = max_tokens(chat, to);
    let (mut system, messages) = conversation(chat, place == Place::Anthropic);
    let shape = Shape::of(chat, ability);
    let tools = functions(chat, shape);
    let tool_choice = if tools.is_empty() { None } else { choice(chat, shape, ability) };
    if matches!(shape, Shape::Tool(..)) && !ability.forced_calls {
        system.push(Block::Text { text: Cow::Borrowed(CALL_FOR_ANSWER), cache_control: None });
    }
    let forced = tool_choice.as_ref().is_some_and(Choice::is_forced);
    let said = thinking::said(&chat.thinking, ability, max_tokens, forced, || ends_in_bare_calls(&messages));
    let format = match shape {
        Shape::Native(schema) => Some(OutputFormat { r#type: "json_schema", schema }),
        Shape::Free | Shape::Tool(..) => None,
    };
    let output_config =
        (said.effort.is_some() || format.is_some()).then_some(OutputConfig { effort: said.effort, format });
    let body = Body {
        model: (place == Place::Anthropic).then_some(to.model),
        anthropic_version: (place == Place::Vertex).then_some(VERTEX_VERSION),
        max_tokens,
        stream: chat.stream,
        system,
        messages,
        tools,
        tool_choice,
        sampling: sampling(chat, ability, &said),
        stop_sequences: chat.stop.iter().map(String::as_str).filter(|stop| is_taken(stop)).collect(),
        metadata: chat.user.as_deref().map(|user_id| Metadata { user_id }),
        service_tier: chat.service_tier.as_deref().filter(|_| place == Place::Anthropic).and_then(tier),
        thinking: said.form,
        output_config,
    };
    let mut out = Vec::with_capacity(size(chat));
    serde_json::to_writer(&mut out, &body).expect("texts and numbers serialize");
    out.into()
}

/// Whether a stop sequence is taken: what is of white space only is refused.
pub(super) fn is_taken(stop: &str) -> bool {
    !stop.trim().is_empty()
}

/// About as long as the body: what is large in it is base64, which is written into the body once.
fn size(chat: &Chat) -> usize {
    let source = |source: &Source| match source {
        Source::Inline { base64, .. } => base64.len(),
        Source::Text(text) => text.len(),
        Source::Url(_) | Source::File(_) => 0,
    };
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let of = |content: &Content| match content {
        Content::Text(text) => text.len(),
        Content::Image { source: from, .. } | Content::Document { source: from, .. } => source(from),
        _ => 0,
    };
    1_024 + parts.map(|part| 64 + of(&part.content)).sum::<usize>()
}

/// The tools; that of the answer last, so that a cached prefix stays as it is. A request that holds calls must declare
/// tools, so calls of tools that the client no longer declares declare them.
fn functions<'a>(chat: &'a Chat, shape: Shape<'a>) -> Vec<Function<'a>> {
    let declared = |tool: &'a Tool| Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: Schema::of(tool.parameters.as_ref()),
        cache_control: tool.cache.map(CacheControl::from),
    };
    let mut functions: Vec<_> = chat.tools.iter().map(declared).collect();
    if functions.is_empty() {
        let bare = |name| Function { name, description: None, input_schema: Schema::of(None), cache_control: None };
        functions.extend(called(chat).into_iter().map(bare));
    }
    if let Shape::Tool(schema, description) = shape {
        functions.push(Function {
            name: JSON_ANSWER,
            description: Some(description.unwrap_or(ANSWER_TOOL)),
            input_schema: Schema::of(schema),
            cache_control: None,
        });
    }
    functions
}

const ANSWER_TOOL: &str = "Gives the final answer. Its input is the whole answer.";

/// For models that cannot be made to call a tool.
const CALL_FOR_ANSWER: &str = "Give the final answer by calling the tool `wb_json_answer`, and write nothing else.";

/// Names of the tools that were called.
fn called(chat: &Chat) -> BTreeSet<&str> {
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let names = parts.filter_map(|part| match &part.content {
        Content::ToolCall(call) => Some(&*call.name),
        _ => None,
    });
    names.collect()
}

/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools>
pub(super) fn choice<'a>(chat: &'a Chat, shape: Shape<'a>, ability: Ability) -> Option<Choice<'a>> {
    let single = chat.parallel_tool_calls == Some(false);
    let of = |r#type, name| Some(Choice { r#type, name, disable_parallel_tool_use: single });
    if matches!(shape, Shape::Tool(..)) {
        let alone = chat.tools.is_empty() || chat.tool_choice == Some(ToolChoice::None);
        return match (ability.forced_calls, alone) {
            (false, _) => of("auto", None),
            (true, true) => of("tool", Some(JSON_ANSWER)),
            (true, false) => of("any", None),
        };
    }
    if chat.tools.is_empty() {
        return Some(Choice { r#type: "none", name: None, disable_parallel_tool_use: false });
    }
    let forced_in_vain = !ability.forced_calls && is_forced(chat);
    match chat.tool_choice.as_ref().filter(|_| !forced_in_vain) {
        Some(ToolChoice::None) => Some(Choice { r#type: "none", name: None, disable_parallel_tool_use: false }),
        Some(ToolChoice::Required) => of("any", None),
        Some(ToolChoice::Named(name)) => of("tool", Some(name)),
        Some(ToolChoice::Auto) => of("auto", None),
        None if single => of("auto", None),
        None => None,
    }
}

/// Sampling, as far as the model takes it. With thinking on, `temperature` and `top_k` are the model's own and `top_p` is
/// 0.95 at least; from 4.1 on one of `temperature` and `top_p` is taken.
pub(super) fn sampling(chat: &Chat, ability: Ability, said: &Said) -> Sampled {
    let asked = &chat.sampling;
    if !ability.sampling {
        return Sampled::default();
    }
    if said.is_on() {
        let top_p = asked.top_p.filter(|top_p| (0.95..=1.0).contains(top_p));
        return Sampled { top_p, ..Sampled::default() };
    }
    let temperature = asked.temperature.map(nearest);
    let (temperature, top_p) = match (temperature, asked.top_p) {
        // Of two, the one that says something.
        (Some(temperature), Some(top_p)) if !ability.both_samplers => {
            if top_p < 1.0 && temperature >= 1.0 {
                (None, Some(top_p))
            } else {
                (Some(temperature), None)
            }
        }
        both => both,
    };
    Sampled { temperature, top_p, top_k: asked.top_k }
}

/// The temperature nearest to `asked` that Claude takes.
fn nearest(asked: f64) -> f64 {
    asked.clamp(0.0, 1.0)
}

/// What of `chat.uses` is said with the nearest value that the model takes.
pub(super) fn clamped(chat: &Chat, sent: &Sampled) -> Vec<Use> {
    let differs = |asked: f64| sent.temperature.is_some() && (asked - nearest(asked)).abs() > f64::EPSILON;
    uses_clamped(chat, &[(chat.sampling.temperature.is_some_and(differs), Feature::Temperature)], [false; 2])
}

/// `auto` may use what was bought in advance, `standard_only` may not: OpenAI's `default` says the same. Others are not
/// known here.
pub(super) fn tier(asked: &str) -> Option<&'static str> {
    match asked {
        "auto" => Some("auto"),
        "standard_only" | "standard" | "default" => Some("standard_only"),
        _ => None,
    }
}
