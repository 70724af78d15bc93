//! From a conversation to the body of a request.

use super::ability::{Ability, ThinkingConfig};
use super::contents::{Instruction, Turn, conversation};
use super::{JSON_ANSWER, Place};
use crate::{
    model::{Chat, Content, Feature, Format, Json, Source, Tool, ToolChoice, Use},
    providers::codec::{Goal, forces_nothing, uses_of},
};
use bytes::Bytes;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Instruction<'a>>,
    contents: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Config::is_empty")]
    generation_config: Config<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Function<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// JSON Schema as it is; `parameters` takes a dialect of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a Json>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

/// <https://ai.google.dev/api/generate-content#generationconfig>
#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

impl Config<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How the answer is brought into shape.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// It has none.
    Free,
    /// By `responseMimeType` and `responseJsonSchema`.
    Native,
    /// It is the input of the tool [`JSON_ANSWER`].
    Tool,
}

impl Shape {
    /// How `chat` asks for it. Before version 3 a JSON answer and tools exclude each other
    /// (<https://ai.google.dev/gemini-api/docs/structured-output>): where other tools may be called, the answer is the
    /// call of one more; where they must be, what they are told counts more.
    fn of(chat: &Chat, ability: Ability) -> Self {
        match (&chat.format, &chat.tool_choice) {
            (Format::Text, _) => Self::Free,
            _ if ability.json_beside_tools() || chat.tools.is_empty() => Self::Native,
            (_, Some(ToolChoice::None)) => Self::Native,
            (_, Some(ToolChoice::Required | ToolChoice::Named(_))) => Self::Free,
            (_, Some(ToolChoice::Auto) | None) => Self::Tool,
        }
    }
}

/// The body for `to`. The model and whether it streams stand in the path.
pub(super) fn body(chat: &Chat, to: &Goal<'_>, place: Place) -> Bytes {
    let ability = Ability::of(to.model);
    let (system_instruction, contents) = conversation(chat, ability, place == Place::Studio);
    let shape = Shape::of(chat, ability);
    // Tools that must not be called are left out where they would exclude the shape of the answer.
    let excluded = shape == Shape::Native && !ability.json_beside_tools();
    let function_declarations = if excluded { Vec::new() } else { functions(chat, shape) };
    let body = Body {
        system_instruction,
        contents,
        tool_config: if function_declarations.is_empty() { None } else { tool_config(chat, shape) },
        tools: if function_declarations.is_empty() { Vec::new() } else { vec![Tools { function_declarations }] },
        generation_config: config(chat, to, ability, shape),
        service_tier: chat.service_tier.as_deref().filter(|_| place == Place::Studio).and_then(tier),
    };
    let mut out = Vec::with_capacity(size(chat));
    serde_json::to_writer(&mut out, &body).expect("texts and numbers serialize");
    out.into()
}

/// What [`body`] leaves out that the model could be told: a shape of the answer that loses to a call that must come, a
/// call of no tool, and a tier that has no word here.
pub(super) fn left_out(chat: &Chat, ability: Ability) -> Vec<Use> {
    let mut lost = Vec::new();
    if chat.format != Format::Text && Shape::of(chat, ability) == Shape::Free {
        lost.extend([Feature::JsonObject, Feature::JsonSchema]);
    }
    if forces_nothing(chat) {
        lost.push(Feature::ForcedTool);
    }
    if chat.service_tier.as_deref().is_some_and(|asked| tier(asked).is_none()) {
        lost.push(Feature::ServiceTier);
    }
    uses_of(chat, &lost)
}

fn functions(chat: &Chat, shape: Shape) -> Vec<Function<'_>> {
    let mut functions: Vec<_> = chat.tools.iter().map(function).collect();
    if shape == Shape::Tool {
        let (description, parameters_json_schema) = match &chat.format {
            Format::Schema { description, schema, .. } => (description.as_deref(), Some(schema)),
            Format::Text | Format::Json => (None, None),
        };
        let description = Some(description.unwrap_or(ANSWER_TOOL));
        functions.push(Function { name: JSON_ANSWER, description, parameters_json_schema });
    }
    functions
}

fn function(tool: &Tool) -> Function<'_> {
    Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters_json_schema: tool.parameters.as_ref(),
    }
}

const ANSWER_TOOL: &str = "Gives the final answer. Its arguments are the whole answer.";

/// <https://ai.google.dev/api/caching#FunctionCallingConfig>
fn tool_config(chat: &Chat, shape: Shape) -> Option<ToolConfig<'_>> {
    let (mode, allowed_function_names) = match &chat.tool_choice {
        _ if shape == Shape::Tool => ("ANY", None),
        None => return None,
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Named(name)) => ("ANY", Some([&**name])),
    };
    Some(ToolConfig { function_calling_config: Calling { mode, allowed_function_names } })
}

fn config<'a>(chat: &'a Chat, to: &Goal<'_>, ability: Ability, shape: Shape) -> Config<'a> {
    let asked = &chat.sampling;
    let (response_mime_type, response_json_schema) = match &chat.format {
        _ if shape != Shape::Native => (None, None),
        Format::Text => (None, None),
        Format::Json => (Some(JSON), None),
        Format::Schema { schema, .. } => (Some(JSON), Some(schema)),
    };
    let sampled = |value: Option<f64>| value.filter(|_| ability.sampling());
    Config {
        max_output_tokens: to.output_cap(chat),
        temperature: sampled(asked.temperature),
        top_p: sampled(asked.top_p),
        top_k: asked.top_k.filter(|_| ability.sampling()),
        presence_penalty: sampled(asked.presence_penalty),
        frequency_penalty: sampled(asked.frequency_penalty),
        stop_sequences: &chat.stop,
        seed: asked.seed.map(seed),
        candidate_count: (chat.choices > 1 && ability.sampling()).then_some(chat.choices),
        response_mime_type,
        response_json_schema,
        response_logprobs: chat.logprobs.map(|_| true),
        logprobs: chat.logprobs.filter(|alternatives| *alternatives > 0),
        thinking_config: ability.thinking(&chat.thinking),
    }
}

const JSON: &str = "application/json";

/// Seeds are of 32 bits here; a larger one leads to one of them, always the same.
const fn seed(asked: i64) -> i64 {
    if asked > i32::MAX as i64 || asked < i32::MIN as i64 { asked & i32::MAX as i64 } else { asked }
}

/// <https://ai.google.dev/gemini-api/docs/flex-inference>: OpenAI's words are understood as far as they are the same.
fn tier(asked: &str) -> Option<&'static str> {
    match asked {
        "flex" => Some("flex"),
        "priority" => Some("priority"),
        "default" | "standard" | "standard_only" => Some("standard"),
        _ => None,
    }
}

/// About as long as the body: what is large in it is base64, which is written into the body once.
fn size(chat: &Chat) -> usize {
    let source = |source: &Source| match source {
        Source::Inline { base64, .. } => base64.len(),
        Source::Text(text) => text.len() * 4 / 3,
        Source::Url(_) | Source::File(_) => 0,
    };
    let of = |content: &Content| match content {
        Content::Text(text) => text.len(),
        Content::Image { source: from, .. }
        | Content::Document { source: from, .. }
        | Content::Audio { source: from }
        | Content::Video { source: from } => source(from),
        _ => 0,
    };
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    1_024 + parts.map(|part| 64 + of(&part.content)).sum::<usize>()
}
