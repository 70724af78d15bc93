//! `POST /v1/responses`: <https://platform.openai.com/docs/api-reference/responses> and
//! <https://platform.openai.com/docs/api-reference/responses-streaming>.

use crate::simulate::{
    answer::{Answer, Billed, Finish},
    knobs::Knobs,
    refusal::Refusal,
    stream::{Events, Sink},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::Range;

/// The answer as one object.
pub(in crate::simulate) fn response(answer: &Answer) -> Vec<u8> {
    object(answer, status(answer), vec![item(answer, &answer.text(), status(answer))]).to_string().into_bytes()
}

const fn status(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop | Finish::Tool => "completed",
        Finish::Length => "incomplete",
    }
}

/// The `response` object; usage stands in it once it has ended.
fn object(answer: &Answer, status: &str, output: Vec<Value>) -> Value {
    let ended = matches!(status, "completed" | "incomplete");
    json!({
        "id": format!("resp_sim{:012x}", answer.number),
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": (status == "incomplete").then(|| json!({"reason": "max_output_tokens"})),
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "service_tier": answer.service_tier,
        "store": false,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": (ended && answer.reports).then(|| usage(&answer.billed)),
        "user": null,
    })
}

fn usage(billed: &Billed) -> Value {
    json!({
        "input_tokens": billed.input(),
        "input_tokens_details": {
            "cached_tokens": billed.cached,
            "cache_write_tokens": billed.written(),
            "cache_write_tokens_details": {"ttl_30m_tokens": billed.cache_write, "ttl_12h_tokens": billed.cache_write_1h},
        },
        "output_tokens": billed.output(),
        "output_tokens_details": {"reasoning_tokens": billed.reasoning},
        "total_tokens": billed.input().saturating_add(billed.output()),
    })
}

fn item_id(answer: &Answer) -> String {
    let kind = if answer.tool.is_some() { "fc" } else { "msg" };
    format!("{kind}_sim{:012x}", answer.number)
}

/// The one output item: a message, or a call of a function.
fn item(answer: &Answer, text: &str, status: &str) -> Value {
    match &answer.tool {
        Some(name) => json!({
            "id": item_id(answer),
            "type": "function_call",
            "status": status,
            "call_id": format!("call_sim{:012x}", answer.number),
            "name": name,
            "arguments": text,
        }),
        None => {
            let content = if status == "in_progress" { vec![] } else { vec![part(text)] };
            json!({
                "id": item_id(answer),
                "type": "message",
                "status": status,
                "role": "assistant",
                "content": content,
            })
        }
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// The events of a stream: `sequence_number` rises by one from 0.
pub(in crate::simulate) struct ResponseEvents {
    next: u64,
    item: String,
}

#[derive(Serialize)]
struct DeltaEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u32>,
    delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
}

impl ResponseEvents {
    pub fn new(answer: &Answer) -> Self {
        Self { next: 0, item: item_id(answer) }
    }

    fn sequence(&mut self) -> u64 {
        let number = self.next;
        self.next = number.saturating_add(1);
        number
    }

    /// Sends an event, with `type` and `sequence_number` put in front of its members.
    fn send(&mut self, kind: &str, members: Value, sink: &mut Sink) {
        let mut event = json!({"type": kind, "sequence_number": self.sequence()});
        if let (Some(event), Value::Object(members)) = (event.as_object_mut(), members) {
            event.extend(members);
        }
        sink.named(kind, &event);
    }
}

impl Events for ResponseEvents {
    fn open(&mut self, answer: &Answer, sink: &mut Sink) {
        let response = object(answer, "in_progress", vec![]);
        self.send("response.created", json!({"response": response}), sink);
        self.send("response.in_progress", json!({"response": response}), sink);
        let item = item(answer, "", "in_progress");
        self.send("response.output_item.added", json!({"output_index": 0, "item": item}), sink);
        if answer.tool.is_none() {
            let members = json!({"item_id": self.item, "output_index": 0, "content_index": 0, "part": part("")});
            self.send("response.content_part.added", members, sink);
        }
    }

    fn chunk(&mut self, answer: &Answer, pieces: Range<u32>, sink: &mut Sink) {
        let call = answer.tool.is_some();
        let kind = if call { "response.function_call_arguments.delta" } else { "response.output_text.delta" };
        let sequence_number = self.sequence();
        let event = DeltaEvent {
            kind,
            sequence_number,
            item_id: &self.item,
            output_index: 0,
            content_index: (!call).then_some(0),
            delta: &answer.piece(pieces),
            logprobs: (!call).then_some([]),
        };
        sink.named(kind, &event);
    }

    fn close(&mut self, answer: &Answer, sink: &mut Sink) -> Option<Billed> {
        let text = answer.text();
        let id = self.item.clone();
        if let Some(name) = &answer.tool {
            let members = json!({"item_id": id, "output_index": 0, "name": name, "arguments": text});
            self.send("response.function_call_arguments.done", members, sink);
        } else {
            let members = json!({"item_id": id, "output_index": 0, "content_index": 0, "text": text, "logprobs": []});
            self.send("response.output_text.done", members, sink);
            let members = json!({"item_id": id, "output_index": 0, "content_index": 0, "part": part(&text)});
            self.send("response.content_part.done", members, sink);
        }
        let status = status(answer);
        let item = item(answer, &text, status);
        self.send("response.output_item.done", json!({"output_index": 0, "item": item}), sink);
        let response = object(answer, status, vec![item]);
        self.send(&format!("response.{status}"), json!({"response": response}), sink);
        answer.reports.then_some(answer.billed)
    }

    fn fail(&mut self, answer: &Answer, knobs: &Knobs, sink: &mut Sink) {
        let refusal = Refusal::simulated(knobs.error_status).openai();
        let code = refusal.get("code").filter(|code| !code.is_null()).cloned().unwrap_or(json!("server_error"));
        let error = json!({"code": code, "message": refusal.get("message"), "param": null});
        self.send("error", error, sink);
        let mut response = object(answer, "failed", vec![]);
        if let Some(members) = response.as_object_mut() {
            members.insert("error".to_owned(), json!({"code": code, "message": refusal.get("message")}));
        }
        self.send("response.failed", json!({"response": response}), sink);
    }
}
