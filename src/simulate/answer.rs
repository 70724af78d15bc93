//! What the simulated model says, before any wire format: pieces of text or of a tool's arguments, and the bill.

use super::knobs::Knobs;
use super::order::Order;
use super::question::{Inputs, Question, Words, tokens_of};
use crate::model::Usage;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::ops::Range;

/// What the provider charges for, in its own count.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Billed {
    /// Input tokens counted from the request's text.
    pub fresh: u64,
    /// Input tokens read from the cache.
    pub cached: u64,
    /// Input tokens written to the cache that is kept shorter (Anthropic: 5 minutes, OpenAI: 30).
    pub cache_write: u64,
    /// Input tokens written to the cache that is kept longer (Anthropic: 1 hour, OpenAI: 12).
    pub cache_write_1h: u64,
    /// Output tokens sent: word pieces.
    pub sent: u64,
    /// Output tokens spent on reasoning, not sent.
    pub reasoning: u64,
    /// Input tokens of sound.
    pub audio_input: u64,
    /// Output tokens of sound.
    pub audio_output: u64,
    /// Input tokens of pictures.
    pub image_input: u64,
    /// Output tokens of pictures.
    pub image_output: u64,
    /// Pictures, where they are billed one by one.
    pub images: u64,
    /// Milliseconds of sound, where they are billed.
    pub audio_ms: u64,
    /// Characters, where they are billed.
    pub characters: u64,
    /// Units of search.
    pub searches: u64,
}

impl Billed {
    /// All input tokens.
    pub const fn input(&self) -> u64 {
        self.usage().input_total()
    }

    /// All input tokens written to a cache.
    pub const fn written(&self) -> u64 {
        self.cache_write.saturating_add(self.cache_write_1h)
    }

    /// All output tokens.
    pub const fn output(&self) -> u64 {
        self.usage().output_total()
    }

    /// As the classes of the gateway's ledger, disjoint.
    pub const fn usage(&self) -> Usage {
        Usage {
            input: self.fresh,
            cache_read: self.cached,
            cache_write_5m: self.cache_write,
            cache_write_1h: self.cache_write_1h,
            output: self.sent,
            reasoning: self.reasoning,
            audio_input: self.audio_input,
            audio_output: self.audio_output,
            image_input: self.image_input,
            image_output: self.image_output,
            images: self.images,
            audio_ms: self.audio_ms,
            characters: self.characters,
            searches: self.searches,
        }
    }

    /// Both bills.
    pub const fn plus(&self, other: &Self) -> Self {
        let sum = self.usage().plus(&other.usage());
        Self {
            fresh: sum.input,
            cached: sum.cache_read,
            cache_write: sum.cache_write_5m,
            cache_write_1h: sum.cache_write_1h,
            sent: sum.output,
            reasoning: sum.reasoning,
            audio_input: sum.audio_input,
            audio_output: sum.audio_output,
            image_input: sum.image_input,
            image_output: sum.image_output,
            images: sum.images,
            audio_ms: sum.audio_ms,
            characters: sum.characters,
            searches: sum.searches,
        }
    }
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    Length,
    Tool,
}

/// One answer, ready to be rendered whole or as a stream.
#[derive(Debug)]
pub(super) struct Answer {
    /// The request's number: the source of all ids.
    pub number: u64,
    /// Seconds since the Unix epoch.
    pub created: u64,
    /// Without the suffix.
    pub model: String,
    pub service_tier: String,
    /// Each choice gets the same pieces.
    pub choices: u32,
    pub pieces: Pieces,
    /// The name of the tool that is called; the pieces are its arguments then.
    pub tool: Option<String>,
    /// What is told of the model's thoughts before the answer, where that was asked for.
    pub thought: Option<String>,
    pub finish: Finish,
    pub billed: Billed,
    /// Whether usage is reported; for OpenAI's chunks, whether it was asked for, too.
    pub reports: bool,
    /// Whether the client asked for the usage chunk.
    pub include_usage: bool,
}

impl Answer {
    /// All text of a choice.
    pub fn text(&self) -> String {
        self.piece(0..self.pieces.len())
    }

    /// The text of some pieces.
    pub fn piece(&self, range: Range<u32>) -> String {
        let mut out = String::new();
        self.pieces.write(range, &mut out);
        out
    }

    /// Tokens in one piece of every choice.
    pub fn width(&self) -> u64 {
        u64::from(self.choices)
    }
}

/// The text of one choice, piece by piece; a piece is a token.
#[derive(Debug)]
pub(super) enum Pieces {
    /// Made up as they are needed, so that a long answer costs no memory.
    Words { seed: u64, count: u32 },
    /// JSON, cut.
    Cut(Vec<String>),
    /// Steps of a script, which have their own content.
    Steps(u32),
}

impl Pieces {
    pub fn len(&self) -> u32 {
        match self {
            Self::Words { count, .. } | Self::Steps(count) => *count,
            Self::Cut(parts) => u32::try_from(parts.len()).unwrap_or(u32::MAX),
        }
    }

    fn write(&self, range: Range<u32>, out: &mut String) {
        match self {
            Self::Words { seed, .. } => {
                for at in range {
                    if at > 0 {
                        out.push(' ');
                    }
                    // A stride coprime to the list's length visits every word.
                    let index = seed.wrapping_add(u64::from(at).wrapping_mul(7)) % VOCABULARY.len() as u64;
                    out.push_str(VOCABULARY[usize::try_from(index).expect("below the list's length")]);
                }
            }
            Self::Cut(parts) => {
                let range = range.start as usize..(range.end as usize).min(parts.len());
                out.extend(parts.get(range).unwrap_or_default().iter().map(String::as_str));
            }
            Self::Steps(_) => {}
        }
    }

    /// `text` in pieces of four characters, of which the first `cap` are kept.
    fn cut(text: &str, cap: u32) -> (Self, bool) {
        let letters: Vec<char> = text.chars().collect();
        let whole = letters.len().div_ceil(4);
        let parts: Vec<String> = letters.chunks(4).take(cap as usize).map(|part| part.iter().collect()).collect();
        let short = parts.len() < whole;
        (Self::Cut(parts), short)
    }
}

/// Some words are not ASCII, so that a stream cut at any byte is cut within a character.
const VOCABULARY: [&str; 32] = [
    "the", "balance", "weighs", "every", "token", "that", "crosses", "a", "bridge", "and", "naïve", "scales", "tip",
    "slowly", "over", "quiet", "water", "while", "clerks", "count", "coins", "in", "ledgers", "of", "paper", "café",
    "lights", "burn", "until", "morning", "comes", "天秤",
];

/// What a request asks for, whatever its wire format.
#[derive(Default)]
pub(super) struct Shape {
    pub input: Words,
    pub cap: Option<u32>,
    pub choices: Option<u32>,
    /// The tool that is to be called.
    pub call: Option<ToolCall>,
    /// The text of an answer that is to be JSON.
    pub json: Option<String>,
    /// Whether the client wants to read the model's thoughts.
    pub thinks_aloud: bool,
}

/// Decides what is answered.
pub(super) fn plan(number: u64, created: u64, shape: Shape, knobs: &Knobs) -> Answer {
    let choices = shape.choices.unwrap_or(1).clamp(1, 128);
    let cap = shape.cap.unwrap_or(u32::MAX).max(1);
    let (pieces, short) = match (&shape.call, shape.json) {
        (Some(call), _) => Pieces::cut(&call.arguments, cap),
        (None, Some(text)) => Pieces::cut(&text, cap),
        (None, None) => {
            let count = knobs.output_tokens.min(cap);
            (Pieces::Words { seed: knobs.seed, count }, count < knobs.output_tokens)
        }
    };
    let finish = match (short, &shape.call) {
        (true, _) => Finish::Length,
        (false, Some(_)) => Finish::Tool,
        (false, None) => Finish::Stop,
    };
    let sent = u64::from(pieces.len()) * u64::from(choices);
    Answer {
        number,
        created,
        model: String::new(),
        service_tier: "default".to_owned(),
        choices,
        tool: shape.call.map(|call| call.name),
        thought: thought(knobs).filter(|_| shape.thinks_aloud),
        pieces,
        finish,
        billed: bill(tokens_of(shape.input.chars), sent, knobs),
        reports: !knobs.no_usage,
        include_usage: false,
    }
}

/// The answer of which a script is rendered, in so many steps.
pub(super) fn stepped(number: u64, steps: u32, billed: Billed, reports: bool) -> Answer {
    let knobs = Knobs { output_tokens: 0, ..Knobs::default() };
    let empty = plan(number, 0, Shape::default(), &knobs);
    Answer { pieces: Pieces::Steps(steps), billed, reports, ..empty }
}

/// So many of the words that answers are made of.
pub(super) fn words(seed: u64, count: u32) -> String {
    let mut text = String::new();
    Pieces::Words { seed, count }.write(0..count, &mut text);
    text
}

/// Providers show a summary of what the model thought, which is shorter than what they bill.
fn thought(knobs: &Knobs) -> Option<String> {
    let count = knobs.reasoning.min(12);
    (count > 0).then(|| words(knobs.seed.wrapping_add(1), count))
}

/// The bill of `fresh` input and `sent` output tokens.
pub(super) fn bill(fresh: u64, sent: u64, knobs: &Knobs) -> Billed {
    Billed {
        fresh,
        cached: knobs.cached.into(),
        cache_write: knobs.cache_write.into(),
        cache_write_1h: knobs.cache_write_1h.into(),
        sent,
        reasoning: knobs.reasoning.into(),
        ..Billed::default()
    }
}

/// Input tokens of prompts, and how many there are.
pub(super) fn prompts(raw: Option<&RawValue>) -> Option<(Words, u32)> {
    let inputs: Inputs = serde_json::from_str(raw?.get()).ok()?;
    let each = inputs.each();
    let chars = each.iter().map(|(tokens, _)| tokens.saturating_mul(4)).sum();
    Some((Words::of(chars), u32::try_from(each.len()).unwrap_or(u32::MAX)))
}

/// A call of a tool.
#[derive(Debug)]
pub(super) struct ToolCall {
    pub name: String,
    /// JSON.
    pub arguments: String,
}

impl ToolCall {
    /// A call with the simplest arguments that the schema allows.
    pub fn of(name: &str, schema: Option<&Value>) -> Self {
        let arguments = schema.map_or_else(|| json!({}), example);
        Self { name: name.to_owned(), arguments: arguments.to_string() }
    }
}

/// The simplest value that a JSON schema allows.
pub(super) fn example(schema: &Value) -> Value {
    instance(schema, schema, 0)
}

/// The tool that is called: the one that `tool_choice` names, or the first if a call is required or asked for.
///
/// <https://platform.openai.com/docs/api-reference/chat/create#chat-create-tool_choice>,
/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use#forcing-tool-use>
pub(super) fn chosen_tool(question: &Question<'_>, asked: bool) -> Option<ToolCall> {
    let tools: Vec<Value> = serde_json::from_str(question.tools?.get()).ok()?;
    let choice: Value = question.tool_choice.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let mode = choice.as_str().or_else(|| choice.get("type").and_then(Value::as_str)).unwrap_or("auto");
    let wanted = choice.pointer("/function/name").or_else(|| choice.get("name")).and_then(Value::as_str);
    if mode == "none" || (wanted.is_none() && !asked && !matches!(mode, "required" | "any")) {
        return None;
    }
    // OpenAI's chat nests name and schema in `function`; Responses and Anthropic do not.
    let name = |tool: &Value| {
        let name = tool.pointer("/function/name").or_else(|| tool.get("name"))?;
        name.as_str().map(str::to_owned)
    };
    let declared = |order: &Order| tools.iter().any(|tool| name(tool).as_ref() == Some(&order.name));
    let ordered = Order::of(question.body).filter(|order| asked && declared(order));
    let wanted = wanted.map(str::to_owned).or_else(|| ordered.as_ref().map(|order| order.name.clone()));
    let fits = |name: String| wanted.as_ref().is_none_or(|wanted| *wanted == name);
    let tool = tools.iter().find(|tool| name(tool).is_some_and(fits))?;
    if let Some(Order { name, arguments: Some(arguments) }) = ordered
        && wanted.as_ref() == Some(&name)
    {
        return Some(ToolCall { name, arguments });
    }
    let schema = ["/function/parameters", "/parameters", "/input_schema"].iter().find_map(|at| tool.pointer(at));
    Some(ToolCall::of(&name(tool)?, schema))
}

/// The text of a JSON answer, if the format asks for one.
pub(super) fn structured(format: &RawValue) -> Option<String> {
    let format: Value = serde_json::from_str(format.get()).ok()?;
    let format = format.get("format").unwrap_or(&format);
    match format.get("type")?.as_str()? {
        "json_object" => Some(any_json()),
        "json_schema" => {
            let schema = format.pointer("/json_schema/schema").or_else(|| format.get("schema"))?;
            Some(example(schema).to_string())
        }
        _ => None,
    }
}

/// JSON where no schema is given.
pub(super) fn any_json() -> String {
    json!({"answer": "the balance weighs every token"}).to_string()
}

/// The simplest value that a JSON schema allows; it knows types (Gemini's schemas write them in capitals), `enum`, `const`, `anyOf`, local `$ref` and
/// `required`, and stops at a depth of 16.
fn instance(schema: &Value, root: &Value, depth: u8) -> Value {
    if depth > 16 {
        return Value::Null;
    }
    let at = |inner: &Value| instance(inner, root, depth + 1);
    if let Some(only) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return only.clone();
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return root.pointer(target.trim_start_matches('#')).map_or(Value::Null, at);
    }
    if let Some(first) = schema.pointer("/anyOf/0").or_else(|| schema.pointer("/oneOf/0")) {
        return at(first);
    }
    let kind = schema.get("type").map(|kind| kind.as_str().or_else(|| kind.pointer("/0").and_then(Value::as_str)));
    match kind.flatten().unwrap_or("object").to_ascii_lowercase().as_str() {
        "string" => json!("naïve balance"),
        "integer" => schema.get("minimum").cloned().unwrap_or(json!(7)),
        "number" => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
        "boolean" => json!(true),
        "null" => Value::Null,
        "array" => schema.get("items").map_or_else(|| json!([]), |item| json!([at(item)])),
        _ => Value::Object(required_members(schema, at)),
    }
}

fn required_members(schema: &Value, at: impl Fn(&Value) -> Value) -> Map<String, Value> {
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let member = |name: &Value| {
        let name = name.as_str()?;
        Some((name.to_owned(), schema.get("properties")?.get(name).map_or(Value::Null, &at)))
    };
    required.iter().filter_map(member).collect()
}
