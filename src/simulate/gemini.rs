//! Gemini's wire format, from its public reference: <https://ai.google.dev/api/generate-content>.

use super::answer::{Answer, Billed, Finish, Shape, ToolCall, any_json, example};
use super::knobs::Knobs;
use super::question::{Question, Words};
use super::refusal::Refusal;
use super::stream::{Events, Sink};
use super::target::Wire;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::Range;

/// `generationConfig`: <https://ai.google.dev/api/generate-content#generationconfig>. Google's JSON takes members in
/// both spellings: <https://protobuf.dev/programming-guides/json/#field-representation>.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GenerationConfig {
    #[serde(alias = "max_output_tokens")]
    max_output_tokens: Option<u32>,
    #[serde(alias = "candidate_count")]
    candidate_count: Option<u32>,
    #[serde(alias = "response_mime_type")]
    response_mime_type: Option<String>,
    #[serde(alias = "response_schema")]
    response_schema: Option<Value>,
    #[serde(alias = "response_json_schema")]
    response_json_schema: Option<Value>,
    #[serde(alias = "thinking_config")]
    thinking_config: Option<ThinkingConfig>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ThinkingConfig {
    #[serde(alias = "include_thoughts")]
    include_thoughts: bool,
}

/// What a request asks for.
///
/// # Errors
///
/// When there are no `contents`, or `generationConfig` is of a wrong kind.
pub(super) fn shape(question: &Question<'_>) -> Result<Shape, Refusal> {
    let mut input: Words = question.contents.ok_or_else(|| Refusal::missing("contents", Wire::Gemini))?;
    let aside = question.system_instruction.map_or(0, |loose| loose.0.chars);
    input.chars = input.chars.saturating_add(aside);
    let config = match question.generation_config {
        None => GenerationConfig::default(),
        Some(raw) => serde_json::from_str(raw.get()).map_err(|error| {
            Refusal::bad(format!("Invalid value at 'generation_config': {error}"), Some("generationConfig"))
        })?,
    };
    let json = (config.response_mime_type.as_deref() == Some("application/json")).then(|| {
        let schema = config.response_json_schema.as_ref().or(config.response_schema.as_ref());
        schema.map_or_else(any_json, |schema| example(schema).to_string())
    });
    Ok(Shape {
        call: call(question, input.asks_for_tool),
        input,
        cap: config.max_output_tokens,
        choices: config.candidate_count,
        json,
        thinks_aloud: config.thinking_config.unwrap_or_default().include_thoughts,
    })
}

/// The function that is called: with the mode `ANY` the first of those allowed, else the first if that is asked for.
///
/// <https://ai.google.dev/api/caching#FunctionCallingConfig>
fn call(question: &Question<'_>, asked: bool) -> Option<ToolCall> {
    let tools: Vec<Value> = serde_json::from_str(question.tools?.get()).ok()?;
    let config: Value = question.tool_config.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let config = member(&config, "functionCallingConfig", "function_calling_config").unwrap_or(&Value::Null);
    let forced = match config.get("mode").and_then(Value::as_str).unwrap_or("AUTO") {
        "NONE" => return None,
        "ANY" => true,
        _ => false,
    };
    if !forced && !asked {
        return None;
    }
    let allowed = member(config, "allowedFunctionNames", "allowed_function_names").and_then(Value::as_array);
    let name = |function: &Value| function.get("name").and_then(Value::as_str).map(str::to_owned);
    let declared = tools.iter().filter_map(|tool| member(tool, "functionDeclarations", "function_declarations"));
    let mut functions = declared.filter_map(Value::as_array).flatten();
    let function = functions.find(|function| {
        let name = function.get("name");
        name.is_some_and(|name| allowed.is_none_or(|allowed| allowed.is_empty() || allowed.contains(name)))
    })?;
    let schema = member(function, "parametersJsonSchema", "parameters_json_schema");
    Some(ToolCall::of(&name(function)?, schema.or_else(|| function.get("parameters"))))
}

fn member<'a>(of: &'a Value, camel: &str, snake: &str) -> Option<&'a Value> {
    of.get(camel).or_else(|| of.get(snake))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    candidates: Vec<Candidate<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<UsageMetadata>,
    model_version: &'a str,
    response_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    index: u32,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: &'a [Part<'a>],
    role: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<String>,
}

/// `id` is optional, and left out: who needs one must make it up.
#[derive(Serialize)]
struct FunctionCall<'a> {
    name: &'a str,
    args: Value,
}

/// The prompt's count includes what was read from a cache; the candidates' does not include thoughts. There are no
/// counts of what was written to a cache.
///
/// <https://ai.google.dev/api/generate-content#UsageMetadata>
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageMetadata {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content_token_count: Option<u64>,
    candidates_token_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    thoughts_token_count: Option<u64>,
    total_token_count: u64,
    prompt_tokens_details: [ModalityTokenCount; 1],
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct ModalityTokenCount {
    modality: &'static str,
    token_count: u64,
}

/// With so much of the output sent.
fn usage(billed: &Billed, sent: u64) -> UsageMetadata {
    UsageMetadata {
        prompt_token_count: billed.input(),
        cached_content_token_count: (billed.cached > 0).then_some(billed.cached),
        candidates_token_count: sent,
        thoughts_token_count: (billed.reasoning > 0).then_some(billed.reasoning),
        total_token_count: billed.input().saturating_add(sent).saturating_add(billed.reasoning),
        prompt_tokens_details: [ModalityTokenCount { modality: "TEXT", token_count: billed.input() }],
    }
}

/// The answer as one object.
pub(super) fn response(answer: &Answer) -> Vec<u8> {
    let text = answer.text();
    let mut parts: Vec<Part<'_>> = answer.thought.as_deref().map(thought).into_iter().collect();
    parts.push(output(answer, &text));
    let response = Response {
        candidates: candidates(answer, &parts, Some(finish_reason(answer.finish))),
        usage_metadata: answer.reports.then(|| usage(&answer.billed, answer.billed.sent)),
        model_version: &answer.model,
        response_id: &id(answer),
    };
    serde_json::to_vec(&response).expect("an answer serializes")
}

fn candidates<'a>(answer: &Answer, parts: &'a [Part<'a>], finish_reason: Option<&'static str>) -> Vec<Candidate<'a>> {
    let one = |index| Candidate { content: Content { parts, role: "model" }, finish_reason, index };
    (0..answer.choices).map(one).collect()
}

/// A summary of thoughts: <https://ai.google.dev/gemini-api/docs/thinking#summaries>.
fn thought(text: &str) -> Part<'_> {
    Part { text: Some(text), thought: Some(true), ..Part::default() }
}

/// Text, or the call of a function, whose arguments come whole. Those cut by `maxOutputTokens` are no JSON and left
/// empty. The call of a model that thinks is signed:
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>.
fn output<'a>(answer: &'a Answer, text: &'a str) -> Part<'a> {
    let Some(name) = answer.tool.as_deref() else { return Part { text: Some(text), ..Part::default() } };
    let args = serde_json::from_str(text).unwrap_or_else(|_| json!({}));
    let thought_signature = (answer.billed.reasoning > 0).then(|| STANDARD.encode(format!("thought {}", id(answer))));
    Part { function_call: Some(FunctionCall { name, args }), thought_signature, ..Part::default() }
}

fn id(answer: &Answer) -> String {
    format!("sim{:012x}", answer.number)
}

/// A function's call has no reason of its own.
const fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Tool => "STOP",
        Finish::Length => "MAX_TOKENS",
    }
}

/// The events of a stream: each is a whole response with the next parts and the usage so far. The last has the reason
/// of the end; there is no end marker.
///
/// <https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent>
pub(super) struct GenerateEvents {
    id: String,
    /// Output tokens so far.
    sent: u64,
}

impl GenerateEvents {
    pub fn new(answer: &Answer) -> Self {
        Self { id: id(answer), sent: 0 }
    }

    fn send(&self, answer: &Answer, part: Part<'_>, finish_reason: Option<&'static str>, sink: &mut Sink) {
        sink.data(&Response {
            candidates: candidates(answer, &[part], finish_reason),
            usage_metadata: answer.reports.then(|| usage(&answer.billed, self.sent)),
            model_version: &answer.model,
            response_id: &self.id,
        });
    }
}

impl Events for GenerateEvents {
    fn open(&mut self, answer: &Answer, sink: &mut Sink) {
        if let Some(text) = &answer.thought {
            self.send(answer, thought(text), None, sink);
        }
    }

    fn chunk(&mut self, answer: &Answer, pieces: Range<u32>, sink: &mut Sink) {
        self.sent = self.sent.saturating_add(u64::from(pieces.end - pieces.start) * answer.width());
        let text = answer.piece(pieces);
        self.send(answer, output(answer, &text), None, sink);
    }

    fn close(&mut self, answer: &Answer, sink: &mut Sink) -> Option<Billed> {
        let nothing = Part { text: Some(""), ..Part::default() };
        self.send(answer, nothing, Some(finish_reason(answer.finish)), sink);
        answer.reports.then_some(answer.billed)
    }

    fn fail(&mut self, _: &Answer, knobs: &Knobs, sink: &mut Sink) {
        sink.data(&Refusal::simulated(knobs.error_status).gemini());
    }
}
