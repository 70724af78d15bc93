//! Anthropic's wire format, from its public reference: <https://platform.claude.com/docs/en/api/messages> and
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>.

use super::answer::{Answer, Billed, Finish};
use super::knobs::Knobs;
use super::refusal::Refusal;
use super::stream::{Events, Sink};
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::Range;

/// `usage`: input excludes what was read from or written to a cache.
#[derive(Debug, Clone, Copy, Serialize)]
struct Usage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<CacheCreation>,
    output_tokens: u64,
    /// A part of `output_tokens`; only where the model thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

/// As a message's `usage` and that of `message_start`; `output_tokens` says how far the answer is.
fn usage(billed: &Billed, output_tokens: u64) -> Usage {
    Usage {
        input_tokens: billed.fresh,
        cache_creation_input_tokens: billed.written(),
        cache_read_input_tokens: billed.cached,
        cache_creation: Some(CacheCreation {
            ephemeral_5m_input_tokens: billed.cache_write,
            ephemeral_1h_input_tokens: billed.cache_write_1h,
        }),
        output_tokens,
        output_tokens_details: (billed.reasoning > 0).then_some(OutputDetails { thinking_tokens: billed.reasoning }),
        service_tier: Some("standard"),
    }
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: [Block<'a>; 1],
    stop_reason: &'static str,
    stop_sequence: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text { text: &'a str },
    ToolUse { id: String, name: &'a str, input: Value },
}

#[derive(Serialize)]
struct DeltaEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    delta: Delta<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta<'a> {
    TextDelta { text: &'a str },
    InputJsonDelta { partial_json: &'a str },
}

/// The answer as one object. Arguments that were cut by `max_tokens` are no JSON; their input is empty then.
pub(super) fn message(answer: &Answer) -> Vec<u8> {
    let text = answer.text();
    let block = match answer.tool.as_deref() {
        Some(name) => Block::ToolUse {
            id: tool_id(answer),
            name,
            input: serde_json::from_str(&text).unwrap_or_else(|_| json!({})),
        },
        None => Block::Text { text: &text },
    };
    let message = Message {
        id: &id(answer),
        kind: "message",
        role: "assistant",
        model: &answer.model,
        content: [block],
        stop_reason: stop_reason(answer.finish),
        stop_sequence: None,
        usage: answer.reports.then(|| usage(&answer.billed, answer.billed.output())),
    };
    serde_json::to_vec(&message).expect("an answer serializes")
}

/// `POST /v1/messages/count_tokens`.
pub(super) fn count(input_tokens: u64) -> Vec<u8> {
    json!({"input_tokens": input_tokens}).to_string().into_bytes()
}

fn id(answer: &Answer) -> String {
    format!("msg_sim{:012x}", answer.number)
}

fn tool_id(answer: &Answer) -> String {
    format!("toolu_sim{:012x}", answer.number)
}

const fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tool => "tool_use",
    }
}

/// The events of a stream; each has its `event:` line, without which Anthropic's SDKs drop it.
pub(super) struct MessageEvents;

impl Events for MessageEvents {
    fn open(&mut self, answer: &Answer, sink: &mut Sink) {
        let mut message = json!({
            "id": id(answer),
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
        });
        if let (true, Some(members)) = (answer.reports, message.as_object_mut()) {
            let begun = Usage { output_tokens_details: None, ..usage(&answer.billed, 1) };
            members.insert("usage".to_owned(), json!(begun));
        }
        sink.named("message_start", &json!({"type": "message_start", "message": message}));
        let block = match answer.tool.as_deref() {
            Some(name) => Block::ToolUse { id: tool_id(answer), name, input: json!({}) },
            None => Block::Text { text: "" },
        };
        let start = json!({"type": "content_block_start", "index": 0, "content_block": block});
        sink.named("content_block_start", &start);
        sink.named("ping", &json!({"type": "ping"}));
    }

    fn chunk(&mut self, answer: &Answer, pieces: Range<u32>, sink: &mut Sink) {
        let text = answer.piece(pieces);
        let delta = if answer.tool.is_some() {
            Delta::InputJsonDelta { partial_json: &text }
        } else {
            Delta::TextDelta { text: &text }
        };
        sink.named("content_block_delta", &DeltaEvent { kind: "content_block_delta", index: 0, delta });
    }

    fn close(&mut self, answer: &Answer, sink: &mut Sink) -> Option<Billed> {
        sink.named("content_block_stop", &json!({"type": "content_block_stop", "index": 0}));
        let delta = json!({"stop_reason": stop_reason(answer.finish), "stop_sequence": null});
        let mut event = json!({"type": "message_delta", "delta": delta});
        if let (true, Some(members)) = (answer.reports, event.as_object_mut()) {
            let last = usage(&answer.billed, answer.billed.output());
            let cumulative = Usage { cache_creation: None, service_tier: None, ..last };
            members.insert("usage".to_owned(), json!(cumulative));
        }
        sink.named("message_delta", &event);
        sink.named("message_stop", &json!({"type": "message_stop"}));
        answer.reports.then_some(answer.billed)
    }

    fn fail(&mut self, answer: &Answer, knobs: &Knobs, sink: &mut Sink) {
        sink.named("error", &Refusal::simulated(knobs.error_status).anthropic(&request_id(answer.number)));
    }
}

/// The id of a request in headers and errors.
pub(super) fn request_id(number: u64) -> String {
    format!("req_sim{number:012x}")
}
