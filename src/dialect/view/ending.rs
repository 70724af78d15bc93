//! How an answer that is blocked ends: with the refusal of its dialect, so that clients take it for one, and not for a
//! broken stream.
//!
//! - Chat completions and completions: `finish_reason: content_filter` for each choice that is open, and `[DONE]`
//!   (<https://platform.openai.com/docs/api-reference/chat/streaming>).
//! - Messages: the open block is closed, then `stop_reason: refusal` with the usage so far, and `message_stop`
//!   (<https://docs.claude.com/en/docs/test-and-evaluate/strengthen-guardrails/handle-streaming-refusals>).
//! - Responses: `response.incomplete` with `incomplete_details.reason: content_filter`; its output is empty, for what was
//!   told before is the client's already (<https://platform.openai.com/docs/api-reference/responses-streaming/response/incomplete>).
//! - Gemini: `finishReason: SAFETY` for each candidate that is open, without content
//!   (<https://ai.google.dev/api/generate-content#FinishReason>).

mod whole;

pub use whole::refused_whole;

use super::events::{Events, Standing};
use crate::model::Api;
use bytes::Bytes;
use serde_json::{Value, json};

/// What the end of a blocked stream is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The event that was looked at last went out to the client, edited or not; `false`: it was blocked.
    pub last_went_out: bool,
    /// How many events were put in by the gateway so far: numbers go on from there.
    pub put_in: u64,
    /// The request's id, without a prefix: where the stream told none.
    pub id: &'a str,
    /// The model that was asked for: where the stream told none.
    pub model: &'a str,
    /// Seconds since the Unix epoch: where the stream told none.
    pub created_s: u64,
}

/// Whether streams in answer to a call of `api` have a word for a refusal: others end in their error.
pub const fn has_ending(api: Api) -> bool {
    matches!(api, Api::ChatCompletions | Api::Completions | Api::Messages | Api::Responses | Api::Generate)
}

impl Events {
    /// What a stream that is blocked here ends with; nothing may follow it. Well-formed behind any of its events, and
    /// empty where it was over.
    pub fn refused(&self, refusal: &Refusal<'_>) -> Bytes {
        let standing = self.standing(refusal.last_went_out);
        if standing.ended {
            return Bytes::new();
        }
        let end = End { standing, refusal, out: Vec::with_capacity(512) };
        match self.api() {
            Api::ChatCompletions => end.choices(true),
            Api::Completions => end.choices(false),
            Api::Messages => end.blocks(),
            Api::Responses => end.response(),
            Api::Generate => end.candidates(),
            // A stream of another kind has no word for it: it breaks off, and the caller tells an error.
            _ => Bytes::new(),
        }
    }
}

struct End<'a> {
    standing: Standing<'a>,
    refusal: &'a Refusal<'a>,
    out: Vec<u8>,
}

impl End<'_> {
    fn choices(mut self, chat: bool) -> Bytes {
        let told = self.standing.told;
        let prefix = if chat { "chatcmpl" } else { "cmpl" };
        let id = told_or(&told.id, || json!(format!("{prefix}-{}", self.refusal.id)));
        let model = told_or(&told.model, || json!(self.refusal.model));
        let created = told_or(&told.created, || json!(self.refusal.created_s));
        let object = if chat { "chat.completion.chunk" } else { "text_completion" };
        for (choice, begun) in self.open() {
            let choice = if chat {
                let delta = if begun { json!({}) } else { json!({"role": "assistant", "content": ""}) };
                json!({"index": choice, "delta": delta, "logprobs": null, "finish_reason": "content_filter"})
            } else {
                json!({"index": choice, "text": "", "logprobs": null, "finish_reason": "content_filter"})
            };
            let chunk = json!({"id": id, "object": object, "created": created, "model": model, "choices": [choice]});
            self.event(None, &chunk);
        }
        self.out.extend_from_slice(b"data: [DONE]\n\n");
        Bytes::from(self.out)
    }

    fn blocks(mut self) -> Bytes {
        let told = self.standing.told;
        if !self.standing.begun {
            let usage = json!({"input_tokens": 0, "output_tokens": 0});
            let message = json!({"id": format!("msg_{}", self.refusal.id), "type": "message", "role": "assistant",
                "model": self.refusal.model, "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage});
            self.event(Some("message_start"), &json!({"type": "message_start", "message": message}));
        }
        for block in std::mem::take(&mut self.standing.open) {
            self.event(Some("content_block_stop"), &json!({"type": "content_block_stop", "index": block}));
        }
        if !self.standing.finished {
            let usage = told_or(&told.usage, || json!({"output_tokens": 0}));
            let delta = json!({"stop_reason": "refusal", "stop_sequence": null});
            self.event(Some("message_delta"), &json!({"type": "message_delta", "delta": delta, "usage": usage}));
        }
        self.event(Some("message_stop"), &json!({"type": "message_stop"}));
        Bytes::from(self.out)
    }

    fn response(mut self) -> Bytes {
        let told = self.standing.told;
        let mut response = told_or(&told.response, || {
            json!({
                "id": told_or(&told.id, || json!(format!("resp_{}", self.refusal.id))), "object": "response",
                "created_at": told_or(&told.created, || json!(self.refusal.created_s)), "status": "in_progress",
                "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
                "model": told_or(&told.model, || json!(self.refusal.model)), "output": [],
                "parallel_tool_calls": true, "temperature": null, "tool_choice": "auto", "tools": [], "top_p": null,
            })
        });
        let mut number = self.standing.sequence.map_or(0, |last| last.saturating_add(1));
        number = number.saturating_add(self.refusal.put_in);
        if !self.standing.begun {
            let created = json!({"type": "response.created", "sequence_number": number, "response": response});
            self.event(Some("response.created"), &created);
            number = number.saturating_add(1);
        }
        if let Value::Object(response) = &mut response {
            response.insert("status".to_owned(), json!("incomplete"));
            response.insert("incomplete_details".to_owned(), json!({"reason": "content_filter"}));
            response.insert("output".to_owned(), json!([]));
        }
        let incomplete = json!({"type": "response.incomplete", "sequence_number": number, "response": response});
        self.event(Some("response.incomplete"), &incomplete);
        Bytes::from(self.out)
    }

    fn candidates(mut self) -> Bytes {
        let told = self.standing.told;
        for (candidate, _) in self.open() {
            let mut chunk = json!({"candidates": [{"finishReason": "SAFETY", "index": candidate}]});
            for (name, member) in
                [("usageMetadata", &told.usage), ("modelVersion", &told.model), ("responseId", &told.id)]
            {
                if !member.is_empty() {
                    chunk[name] = told_or(member, || Value::Null);
                }
            }
            self.event(None, &chunk);
        }
        Bytes::from(self.out)
    }

    /// What is open, and whether anything came of it; where nothing came at all, the first.
    fn open(&self) -> Vec<(u32, bool)> {
        if self.standing.open.is_empty() && !self.standing.over {
            return vec![(0, false)];
        }
        self.standing.open.iter().map(|part| (*part, true)).collect()
    }

    fn event(&mut self, name: Option<&str>, data: &Value) {
        if let Some(name) = name {
            self.out.extend_from_slice(format!("event: {name}\n").as_bytes());
        }
        self.out.extend_from_slice(b"data: ");
        serde_json::to_writer(&mut self.out, data).expect("JSON always serializes");
        self.out.extend_from_slice(b"\n\n");
    }
}

/// A member as the stream told it; `or`, where it told none that can be read.
fn told_or(member: &[u8], or: impl FnOnce() -> Value) -> Value {
    serde_json::from_slice(member).unwrap_or_else(|_| or())
}
