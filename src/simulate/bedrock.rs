//! Bedrock's Converse format, from its public reference:
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html> and
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>.

use super::answer::{Answer, Billed, Finish, Shape, ToolCall, any_json, example};
use super::knobs::Knobs;
use super::question::{Question, Words};
use super::refusal::Refusal;
use super::stream::{Events, Sink};
use super::target::Wire;
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::Range;

/// What a request asks for.
///
/// # Errors
///
/// When there are no `messages`.
pub(super) fn shape(question: &Question<'_>) -> Result<Shape, Refusal> {
    let mut input: Words = question.messages.ok_or_else(|| Refusal::missing("messages", Wire::Bedrock))?;
    let aside = question.system.map_or(0, |loose| loose.0.chars);
    input.chars = input.chars.saturating_add(aside);
    let member = |raw: Option<&serde_json::value::RawValue>| {
        raw.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()).unwrap_or_default()
    };
    let config = member(question.inference_config);
    let cap = config.get("maxTokens").and_then(Value::as_u64).map(|cap| u32::try_from(cap).unwrap_or(u32::MAX));
    let thinking = member(question.additional_fields);
    let thinking = thinking.get("thinking").or_else(|| thinking.get("reasoning_config"));
    let mode = thinking.and_then(|it| it.get("type")).and_then(Value::as_str);
    Ok(Shape {
        call: call(&member(question.tool_config), input.asks_for_tool),
        input,
        cap,
        choices: None,
        json: structured(&member(question.output_config)),
        thinks_aloud: mode.is_some_and(|mode| mode != "disabled"),
    })
}

/// The tool that is called: the one that `toolChoice` names, or the first if a call is required or asked for.
///
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html>
fn call(config: &Value, asked: bool) -> Option<ToolCall> {
    let choice = config.get("toolChoice").unwrap_or(&Value::Null);
    let wanted = choice.pointer("/tool/name").and_then(Value::as_str);
    if wanted.is_none() && choice.get("any").is_none() && !asked {
        return None;
    }
    // A cache point may stand among the tools.
    let specs = config.get("tools")?.as_array()?.iter().filter_map(|tool| tool.get("toolSpec"));
    let named = specs.filter_map(|spec| Some((spec.get("name")?.as_str()?, spec)));
    let (name, spec) = named.into_iter().find(|(name, _)| wanted.is_none_or(|wanted| wanted == *name))?;
    Some(ToolCall::of(name, spec.pointer("/inputSchema/json")))
}

/// The text of a JSON answer; the schema is a string of JSON.
///
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_OutputFormat.html>
fn structured(config: &Value) -> Option<String> {
    let format =
        config.get("textFormat").filter(|format| format.get("type").is_some_and(|kind| kind == "json_schema"))?;
    let schema = format.pointer("/structure/jsonSchema/schema").and_then(Value::as_str);
    let schema: Option<Value> = schema.and_then(|schema| serde_json::from_str(schema).ok());
    Some(schema.map_or_else(any_json, |schema| example(&schema).to_string()))
}

/// Input excludes what was read from or written to a cache, the total does not; thoughts are output.
///
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html>
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenUsage {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    cache_read_input_tokens: u64,
    cache_write_input_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache_details: Vec<CacheDetail>,
}

/// What was written, by the time it is kept:
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CacheDetail.html>.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetail {
    ttl: &'static str,
    input_tokens: u64,
}

impl From<&Billed> for TokenUsage {
    fn from(billed: &Billed) -> Self {
        let written = [("5m", billed.cache_write), ("1h", billed.cache_write_1h)];
        let detail = |(ttl, input_tokens)| CacheDetail { ttl, input_tokens };
        Self {
            input_tokens: billed.fresh,
            output_tokens: billed.output(),
            total_tokens: billed.input().saturating_add(billed.output()),
            cache_read_input_tokens: billed.cached,
            cache_write_input_tokens: billed.written(),
            cache_details: written.into_iter().filter(|(_, tokens)| *tokens > 0).map(detail).collect(),
        }
    }
}

/// The answer as one object; `latency_ms` is what its `metrics` say. Arguments that were cut by `maxTokens` are no
/// JSON; their input is empty then.
pub(super) fn response(answer: &Answer, latency_ms: u64) -> Vec<u8> {
    let text = answer.text();
    let mut content = Vec::with_capacity(2);
    if let Some(thought) = &answer.thought {
        let reasoning = json!({"text": thought, "signature": signature(answer)});
        content.push(json!({"reasoningContent": {"reasoningText": reasoning}}));
    }
    content.push(match answer.tool.as_deref() {
        Some(name) => {
            let input: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({}));
            json!({"toolUse": {"toolUseId": tool_id(answer), "name": name, "input": input}})
        }
        None => json!({"text": text}),
    });
    let mut response = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(answer.finish),
        "metrics": {"latencyMs": latency_ms},
    });
    if let (true, Some(members)) = (answer.reports, response.as_object_mut()) {
        members.insert("usage".to_owned(), json!(TokenUsage::from(&answer.billed)));
    }
    response.to_string().into_bytes()
}

fn tool_id(answer: &Answer) -> String {
    format!("tooluse_sim{:012x}", answer.number)
}

fn signature(answer: &Answer) -> String {
    format!("sig+sim/{:012x}=", answer.number)
}

const fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tool => "tool_use",
    }
}

/// The events of a stream, in frames. Only a tool's block is announced: of text, the first delta is the start.
pub(super) struct ConverseEvents {
    latency_ms: u64,
    /// Of the block with the answer.
    block: u32,
}

impl ConverseEvents {
    pub const fn new(answer: &Answer, latency_ms: u64) -> Self {
        Self { latency_ms, block: if answer.thought.is_some() { 1 } else { 0 } }
    }
}

impl Events for ConverseEvents {
    fn open(&mut self, answer: &Answer, sink: &mut Sink) {
        event(sink, "messageStart", &json!({"role": "assistant"}));
        if let Some(thought) = &answer.thought {
            for part in [json!({"text": thought}), json!({"signature": signature(answer)})] {
                delta(sink, 0, &json!({"reasoningContent": part}));
            }
            event(sink, "contentBlockStop", &json!({"contentBlockIndex": 0}));
        }
        if let Some(name) = answer.tool.as_deref() {
            let start = json!({"toolUse": {"toolUseId": tool_id(answer), "name": name}});
            event(sink, "contentBlockStart", &json!({"contentBlockIndex": self.block, "start": start}));
        }
    }

    fn chunk(&mut self, answer: &Answer, pieces: Range<u32>, sink: &mut Sink) {
        let text = answer.piece(pieces);
        let part = if answer.tool.is_some() { json!({"toolUse": {"input": text}}) } else { json!({"text": text}) };
        delta(sink, self.block, &part);
    }

    fn close(&mut self, answer: &Answer, sink: &mut Sink) -> Option<Billed> {
        event(sink, "contentBlockStop", &json!({"contentBlockIndex": self.block}));
        event(sink, "messageStop", &json!({"stopReason": stop_reason(answer.finish)}));
        let mut metadata = json!({"metrics": {"latencyMs": self.latency_ms}});
        if let (true, Some(members)) = (answer.reports, metadata.as_object_mut()) {
            members.insert("usage".to_owned(), json!(TokenUsage::from(&answer.billed)));
        }
        event(sink, "metadata", &metadata);
        answer.reports.then_some(answer.billed)
    }

    /// `ModelStreamErrorException` tells the status in itself.
    fn fail(&mut self, _: &Answer, knobs: &Knobs, sink: &mut Sink) {
        let refusal = Refusal::simulated(knobs.error_status);
        let (name, body) = match knobs.error_status.as_u16() {
            400 => ("validationException", json!({"message": refusal.message})),
            429 => ("throttlingException", json!({"message": refusal.message})),
            500 => ("internalServerException", json!({"message": refusal.message})),
            status => (
                "modelStreamErrorException",
                json!({"message": refusal.message, "originalStatusCode": status, "originalMessage": "Overloaded"}),
            ),
        };
        frame(sink, ":exception-type", name, "exception", &body);
    }
}

fn delta(sink: &mut Sink, block: u32, delta: &Value) {
    event(sink, "contentBlockDelta", &json!({"contentBlockIndex": block, "delta": delta}));
}

fn event(sink: &mut Sink, name: &str, body: &Value) {
    frame(sink, ":event-type", name, "event", body);
}

/// One message of an event stream: the length of all, the length of the headers, a CRC of these two, headers, payload,
/// and a CRC of all before it.
///
/// <https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html>
fn frame(sink: &mut Sink, name_header: &str, name: &str, message_type: &str, body: &Value) {
    let mut headers = Vec::with_capacity(96);
    header(&mut headers, name_header, name);
    header(&mut headers, ":content-type", "application/json");
    header(&mut headers, ":message-type", message_type);
    let payload = body.to_string();
    let length = |length: usize| u32::try_from(length).expect("an event is far below 4 GiB");
    let mut bytes = Vec::with_capacity(16 + headers.len() + payload.len());
    bytes.extend_from_slice(&length(16 + headers.len() + payload.len()).to_be_bytes());
    bytes.extend_from_slice(&length(headers.len()).to_be_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(&headers);
    bytes.extend_from_slice(payload.as_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    sink.bytes(&bytes);
}

/// The kind of a header's value that is text.
const TEXT: u8 = 7;

fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(u8::try_from(name.len()).expect("a header's name is short"));
    out.extend_from_slice(name.as_bytes());
    out.push(TEXT);
    out.extend_from_slice(&u16::try_from(value.len()).expect("a header's value is short").to_be_bytes());
    out.extend_from_slice(value.as_bytes());
}
