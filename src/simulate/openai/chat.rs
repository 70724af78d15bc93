//! `POST /v1/chat/completions`: <https://platform.openai.com/docs/api-reference/chat>.

use super::Usage;
use crate::simulate::{
    answer::{Answer, Billed, Finish},
    knobs::Knobs,
    refusal::Refusal,
    stream::{Events, Sink},
};
use serde::Serialize;
use serde_json::json;
use std::ops::Range;

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    service_tier: &'a str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<()>,
    annotations: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    service_tier: &'a str,
    system_fingerprint: &'static str,
    choices: &'a [ChunkChoice<'a>],
    /// Outer `None`: the client did not ask. Inner `None`: it did, and this is not the usage chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<()>>,
}

const FINGERPRINT: &str = "fp_simulated";

/// The answer as one object.
pub(in crate::simulate) fn chat(answer: &Answer) -> Vec<u8> {
    let text = answer.text();
    let id = id(answer);
    let choice = |index| Choice {
        index,
        message: Message {
            role: "assistant",
            content: answer.tool.is_none().then_some(&text),
            refusal: None,
            annotations: [],
            tool_calls: answer.tool.as_deref().map(|name| [call(answer, index, name, &text, None)]),
        },
        logprobs: None,
        finish_reason: finish_reason(answer.finish),
    };
    let completion = Completion {
        id: &id,
        object: "chat.completion",
        created: answer.created,
        model: &answer.model,
        choices: (0..answer.choices).map(choice).collect(),
        usage: answer.reports.then(|| Usage::from(&answer.billed)),
        service_tier: &answer.service_tier,
        system_fingerprint: FINGERPRINT,
    };
    serde_json::to_vec(&completion).expect("an answer serializes")
}

fn id(answer: &Answer) -> String {
    format!("chatcmpl-sim{:012x}", answer.number)
}

fn call<'a>(answer: &Answer, choice: u32, name: &'a str, arguments: &'a str, index: Option<u32>) -> ToolCall<'a> {
    ToolCall {
        index,
        id: Some(format!("call_sim{:012x}{choice:04x}", answer.number)),
        kind: Some("function"),
        function: Function { name: Some(name), arguments },
    }
}

const fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Tool => "tool_calls",
    }
}

/// The events of a stream. With `include_usage` every chunk has `"usage":null`, and one with usage and without
/// choices comes last; without it no chunk has the member:
/// <https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options>.
///
/// Mistral's last chunk has the usage beside the reason of the end, unasked:
/// <https://docs.mistral.ai/api/endpoint/chat>.
pub(in crate::simulate) struct ChatEvents {
    id: String,
    mistral: bool,
}

impl ChatEvents {
    pub fn new(answer: &Answer, mistral: bool) -> Self {
        Self { id: id(answer), mistral }
    }

    fn send(&self, answer: &Answer, choices: &[ChunkChoice<'_>], usage: Option<Usage>, sink: &mut Sink) {
        sink.data(&Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: answer.created,
            model: &answer.model,
            service_tier: &answer.service_tier,
            system_fingerprint: FINGERPRINT,
            choices,
            usage: if self.mistral { usage.map(Some) } else { answer.include_usage.then_some(usage) },
        });
    }
}

const fn choice<'a>(index: u32, delta: Delta<'a>, finish_reason: Option<&'static str>) -> ChunkChoice<'a> {
    ChunkChoice { index, delta, logprobs: None, finish_reason }
}

impl Events for ChatEvents {
    fn open(&mut self, answer: &Answer, sink: &mut Sink) {
        for index in 0..answer.choices {
            let tool_calls = answer.tool.as_deref().map(|name| [call(answer, index, name, "", Some(0))]);
            let content = Some(answer.tool.is_none().then_some(""));
            let delta = Delta { role: Some("assistant"), content, tool_calls, refusal: Some(None) };
            self.send(answer, &[choice(index, delta, None)], None, sink);
        }
    }

    fn chunk(&mut self, answer: &Answer, pieces: Range<u32>, sink: &mut Sink) {
        let text = answer.piece(pieces);
        for index in 0..answer.choices {
            let delta = if answer.tool.is_some() {
                let function = Function { name: None, arguments: &text };
                let part = ToolCall { index: Some(0), id: None, kind: None, function };
                Delta { tool_calls: Some([part]), ..Delta::default() }
            } else {
                Delta { content: Some(Some(&text)), ..Delta::default() }
            };
            self.send(answer, &[choice(index, delta, None)], None, sink);
        }
    }

    fn close(&mut self, answer: &Answer, sink: &mut Sink) -> Option<Billed> {
        let reported = ((answer.include_usage || self.mistral) && answer.reports).then_some(answer.billed);
        for index in 0..answer.choices {
            let last = self.mistral && index.saturating_add(1) == answer.choices;
            let usage = reported.as_ref().filter(|_| last).map(Usage::from);
            self.send(answer, &[choice(index, Delta::default(), Some(finish_reason(answer.finish)))], usage, sink);
        }
        if let Some(billed) = reported.as_ref().filter(|_| !self.mistral) {
            self.send(answer, &[], Some(Usage::from(billed)), sink);
        }
        sink.done();
        reported
    }

    fn fail(&mut self, _: &Answer, knobs: &Knobs, sink: &mut Sink) {
        sink.data(&json!({"error": Refusal::simulated(knobs.error_status).openai()}));
    }
}
