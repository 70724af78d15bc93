//! Cohere's chat, from its public reference: <https://docs.cohere.com/reference/chat> and
//! <https://docs.cohere.com/docs/streaming>.

use super::answer::{Answer, Billed, Finish, Shape, ToolCall, any_json, example};
use super::knobs::Knobs;
use super::question::{Question, Words};
use super::refusal::Refusal;
use super::stream::{Events, Sink};
use super::target::Wire;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::ops::Range;

/// The members of a request; any other is refused.
const MEMBERS: [&str; 21] = [
    "model",
    "messages",
    "stream",
    "tools",
    "strict_tools",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "tool_choice",
    "thinking",
    "priority",
];

/// The members of a message, by its role.
const MESSAGE_MEMBERS: [(&str, &[&str]); 4] = [
    ("user", &["role", "content"]),
    ("system", &["role", "content"]),
    ("assistant", &["role", "content", "tool_calls", "tool_plan", "citations"]),
    ("tool", &["role", "content", "tool_call_id"]),
];

/// What the model reads besides what is billed.
const OVERHEAD: u64 = 66;

/// # Errors
///
/// When a member is unknown or of a value that is refused, or a tool's result answers no call.
pub(super) fn check(body: &[u8]) -> Result<(), Refusal> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let members = body.as_object().into_iter().flatten();
    if let Some((name, _)) = members.into_iter().find(|(name, _)| !MEMBERS.contains(&name.as_str())) {
        return Err(Refusal::unknown(name, Wire::Cohere));
    }
    let told = |message: &str| Err(Refusal::bad(format!("invalid request: {message}"), None));
    for (name, lowest, highest) in [("temperature", 0.0, 1.0), ("p", 0.01, 0.99), ("k", 0.0, 500.0)] {
        let given = body.get(name).and_then(Value::as_f64);
        if given.is_some_and(|given| !(lowest..=highest).contains(&given)) {
            return told(&format!("{name} must be between {lowest} and {highest} inclusive."));
        }
    }
    if !matches!(body.get("tool_choice").map(Value::as_str), None | Some(Some("REQUIRED" | "NONE"))) {
        return told("tool_choice must be REQUIRED or NONE");
    }
    if body.get("stop_sequences").and_then(Value::as_array).is_some_and(|all| all.len() > 5) {
        return told("at most 5 stop_sequences are allowed");
    }
    messages(body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default())
}

fn messages(messages: &[Value]) -> Result<(), Refusal> {
    let told = |message: String| Err(Refusal::bad(format!("invalid request: {message}"), None));
    let mut open: Vec<&Value> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        let Some((_, known)) = MESSAGE_MEMBERS.iter().find(|(known, _)| *known == role) else {
            return told(format!("messages[{at}].role must be one of user, assistant, system or tool"));
        };
        let mut members = message.as_object().into_iter().flatten();
        if let Some((name, _)) = members.find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(Refusal::unknown(&format!("messages[{at}].{name}"), Wire::Cohere));
        }
        if role == "tool" {
            let id = message.get("tool_call_id").unwrap_or(&Value::Null);
            let Some(call) = open.iter().position(|call| call.get("id") == Some(id)) else {
                return told(format!("messages[{at}].tool_call_id answers no tool call of the turn before"));
            };
            open.remove(call);
            continue;
        }
        if !open.is_empty() {
            return told(format!("messages[{at}]: every tool call must be followed by its result"));
        }
        let calls = message.get("tool_calls").and_then(Value::as_array);
        open.extend(calls.into_iter().flatten());
        let empty = message.get("content").is_none_or(|content| content.is_null() || *content == json!([]));
        if empty && open.is_empty() {
            return told(format!("messages[{at}]: message must not be empty in a turn"));
        }
        if let Some(call) =
            open.iter().find(|call| call.pointer("/function/arguments").is_none_or(|it| !it.is_string()))
        {
            return told(format!("messages[{at}]: arguments of {call} must be a string"));
        }
    }
    Ok(())
}

/// What a request asks for.
///
/// # Errors
///
/// When there are no `messages`, or a cap of zero.
pub(super) fn shape(question: &Question<'_>) -> Result<Shape, Refusal> {
    let input: Words = question.messages.ok_or_else(|| Refusal::missing("messages", Wire::Cohere))?;
    let member = |raw: Option<&RawValue>| -> Value {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    };
    let thinking = member(question.thinking);
    let format = member(question.response_format);
    let schema = format.get("schema").or_else(|| format.get("json_schema"));
    let json = (format.get("type") == Some(&json!("json_object")))
        .then(|| schema.map_or_else(any_json, |schema| example(schema).to_string()));
    Ok(Shape {
        call: call(&member(question.tools), &member(question.tool_choice), input.asks_for_tool),
        input,
        cap: question.max_tokens,
        choices: None,
        json,
        thinks_aloud: thinking.get("type") != Some(&json!("disabled")),
    })
}

/// The first tool, if a call is required or asked for: <https://docs.cohere.com/docs/tool-use-overview>.
fn call(tools: &Value, choice: &Value, asked: bool) -> Option<ToolCall> {
    if choice == "NONE" || !(asked || choice == "REQUIRED") {
        return None;
    }
    let function = tools.pointer("/0/function")?;
    Some(ToolCall::of(function.get("name")?.as_str()?, function.get("parameters")))
}

/// `billed_units` are what is charged, `tokens` what the model read and wrote.
///
/// <https://docs.cohere.com/docs/how-does-cohere-pricing-work>
fn usage(billed: &Billed) -> Value {
    let (input, output) = (billed.fresh.saturating_add(billed.cached), billed.output());
    json!({
        "billed_units": {"input_tokens": input, "output_tokens": output},
        "tokens": {"input_tokens": input.saturating_add(OVERHEAD), "output_tokens": output},
        "cached_tokens": billed.cached,
    })
}

const fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Tool => "TOOL_CALL",
    }
}

fn id(answer: &Answer) -> String {
    format!("00000000-0000-4000-8000-{:012x}", answer.number)
}

fn tool_call(answer: &Answer, name: &str, arguments: &str) -> Value {
    let function = json!({"name": name, "arguments": arguments});
    json!({"id": format!("{name}_sim{:x}", answer.number), "type": "function", "function": function})
}

/// What the model says that it will do.
fn plan(name: &str) -> String {
    format!("I will use the tool {name}.")
}

/// The answer as one object.
pub(super) fn response(answer: &Answer) -> Vec<u8> {
    let text = answer.text();
    let mut content: Vec<Value> = Vec::new();
    if let Some(thought) = &answer.thought {
        content.push(json!({"type": "thinking", "thinking": thought}));
    }
    let mut message = json!({"role": "assistant"});
    match answer.tool.as_deref() {
        Some(name) => {
            message["tool_plan"] = json!(plan(name));
            message["tool_calls"] = json!([tool_call(answer, name, &text)]);
        }
        None => content.push(json!({"type": "text", "text": text})),
    }
    if !content.is_empty() {
        message["content"] = json!(content);
    }
    let mut response = json!({"id": id(answer), "message": message, "finish_reason": finish_reason(answer.finish)});
    if answer.reports {
        response["usage"] = usage(&answer.billed);
    }
    response.to_string().into_bytes()
}

/// The events of a stream; each has its `event:` line and its `type`.
pub(super) struct ChatEvents {
    /// Of the content block that is next.
    index: u32,
}

impl ChatEvents {
    pub fn new(answer: &Answer) -> Self {
        Self { index: u32::from(answer.thought.is_some()) }
    }

    fn send(sink: &mut Sink, kind: &'static str, more: Value) {
        let mut event = more;
        event["type"] = json!(kind);
        sink.named(kind, &event);
    }
}

impl Events for ChatEvents {
    fn open(&mut self, answer: &Answer, sink: &mut Sink) {
        let message = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
        Self::send(sink, "message-start", json!({"id": id(answer), "delta": {"message": message}}));
        if let Some(thought) = &answer.thought {
            let start = json!({"message": {"content": {"type": "thinking", "thinking": ""}}});
            Self::send(sink, "content-start", json!({"index": 0, "delta": start}));
            let delta = json!({"message": {"content": {"thinking": thought}}});
            Self::send(sink, "content-delta", json!({"index": 0, "delta": delta}));
            Self::send(sink, "content-end", json!({"index": 0}));
        }
        match answer.tool.as_deref() {
            Some(name) => {
                Self::send(sink, "tool-plan-delta", json!({"delta": {"message": {"tool_plan": plan(name)}}}));
                let call = json!({"message": {"tool_calls": tool_call(answer, name, "")}});
                Self::send(sink, "tool-call-start", json!({"index": 0, "delta": call}));
            }
            None => {
                let start = json!({"message": {"content": {"type": "text", "text": ""}}});
                Self::send(sink, "content-start", json!({"index": self.index, "delta": start}));
            }
        }
    }

    fn chunk(&mut self, answer: &Answer, pieces: Range<u32>, sink: &mut Sink) {
        let text = answer.piece(pieces);
        if answer.tool.is_some() {
            let delta = json!({"message": {"tool_calls": {"function": {"arguments": text}}}});
            Self::send(sink, "tool-call-delta", json!({"index": 0, "delta": delta}));
        } else {
            let delta = json!({"message": {"content": {"text": text}}});
            Self::send(sink, "content-delta", json!({"index": self.index, "delta": delta}));
        }
    }

    fn close(&mut self, answer: &Answer, sink: &mut Sink) -> Option<Billed> {
        if answer.tool.is_some() {
            Self::send(sink, "tool-call-end", json!({"index": 0}));
        } else {
            Self::send(sink, "content-end", json!({"index": self.index}));
        }
        let mut delta = json!({"finish_reason": finish_reason(answer.finish)});
        if answer.reports {
            delta["usage"] = usage(&answer.billed);
        }
        Self::send(sink, "message-end", json!({"delta": delta}));
        sink.done();
        answer.reports.then_some(answer.billed)
    }

    /// The end says that it is none: <https://docs.cohere.com/reference/chat-stream>.
    fn fail(&mut self, _: &Answer, knobs: &Knobs, sink: &mut Sink) {
        let error = Refusal::simulated(knobs.error_status).message;
        Self::send(sink, "message-end", json!({"delta": {"finish_reason": "ERROR", "error": error}}));
        sink.done();
    }
}
