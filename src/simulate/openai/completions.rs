//! `POST /v1/completions`: <https://platform.openai.com/docs/api-reference/completions>.

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
    choices: &'a [Choice<'a>],
    /// As in a chat's chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    text: &'a str,
    index: u32,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

/// The answer as one object.
pub(in crate::simulate) fn completion(answer: &Answer) -> Vec<u8> {
    let text = answer.text();
    let choice = |index| Choice { text: &text, index, logprobs: None, finish_reason: Some(finish_reason(answer)) };
    let choices: Vec<Choice<'_>> = (0..answer.choices).map(choice).collect();
    let usage = answer.reports.then(|| Some(Usage::from(&answer.billed)));
    serde_json::to_vec(&object(answer, &id(answer), &choices, usage)).expect("an answer serializes")
}

fn object<'a>(
    answer: &'a Answer,
    id: &'a str,
    choices: &'a [Choice<'a>],
    usage: Option<Option<Usage>>,
) -> Completion<'a> {
    Completion { id, object: "text_completion", created: answer.created, model: &answer.model, choices, usage }
}

fn id(answer: &Answer) -> String {
    format!("cmpl-sim{:012x}", answer.number)
}

const fn finish_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop | Finish::Tool => "stop",
        Finish::Length => "length",
    }
}

/// The events of a stream; usage as in a chat's.
pub(in crate::simulate) struct CompletionEvents {
    id: String,
}

impl CompletionEvents {
    pub fn new(answer: &Answer) -> Self {
        Self { id: id(answer) }
    }

    fn send(&self, answer: &Answer, choices: &[Choice<'_>], usage: Option<Usage>, sink: &mut Sink) {
        sink.data(&object(answer, &self.id, choices, answer.include_usage.then_some(usage)));
    }
}

impl Events for CompletionEvents {
    fn open(&mut self, _: &Answer, _: &mut Sink) {}

    fn chunk(&mut self, answer: &Answer, pieces: Range<u32>, sink: &mut Sink) {
        let text = answer.piece(pieces);
        for index in 0..answer.choices {
            self.send(answer, &[Choice { text: &text, index, logprobs: None, finish_reason: None }], None, sink);
        }
    }

    fn close(&mut self, answer: &Answer, sink: &mut Sink) -> Option<Billed> {
        let finish_reason = Some(finish_reason(answer));
        for index in 0..answer.choices {
            self.send(answer, &[Choice { text: "", index, logprobs: None, finish_reason }], None, sink);
        }
        let reported = (answer.include_usage && answer.reports).then_some(answer.billed);
        if let Some(billed) = &reported {
            self.send(answer, &[], Some(Usage::from(billed)), sink);
        }
        sink.done();
        reported
    }

    fn fail(&mut self, _: &Answer, knobs: &Knobs, sink: &mut Sink) {
        sink.data(&json!({"error": Refusal::simulated(knobs.error_status).openai()}));
    }
}
