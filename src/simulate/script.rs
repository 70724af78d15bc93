//! An answer whose events are known beforehand, sent at the pace of the knobs.

use super::answer::{Answer, Billed, stepped};
use super::knobs::Knobs;
use super::refusal::Refusal;
use super::stream::{Events, Sink};
use super::thinking::{Ready, Thinker};
use serde_json::{Value, json};
use std::ops::Range;

/// Something that is sent.
pub(super) enum Step {
    /// An event without a name.
    Data(Value),
    /// An event with a name.
    Named(&'static str, Value),
    /// What is no event.
    Bytes(Vec<u8>),
}

/// Steps of output, and what comes behind them.
pub(super) struct Script {
    /// Each is one chunk.
    pub chunks: Vec<Step>,
    pub close: Vec<Step>,
    /// Whether the answer says what it cost.
    pub reports: bool,
}

impl Script {
    /// The answer that plays it.
    pub fn ready(self, thinker: &Thinker, billed: Billed, kind: &'static str) -> Ready {
        let steps = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        let reports = self.reports && !thinker.knobs.no_usage;
        let answer = Box::new(stepped(thinker.number, steps, billed, reports));
        Ready::Stream { answer, events: Box::new(self), kind: Some(kind) }
    }
}

fn play(steps: &[Step], sink: &mut Sink) {
    for step in steps {
        match step {
            Step::Data(data) => sink.data(data),
            Step::Named(name, data) => sink.named(name, data),
            Step::Bytes(bytes) => sink.bytes(bytes),
        }
    }
}

impl Events for Script {
    fn open(&mut self, _: &Answer, _: &mut Sink) {}

    fn chunk(&mut self, _: &Answer, pieces: Range<u32>, sink: &mut Sink) {
        play(self.chunks.get(pieces.start as usize..pieces.end as usize).unwrap_or_default(), sink);
    }

    fn close(&mut self, answer: &Answer, sink: &mut Sink) -> Option<Billed> {
        play(&self.close, sink);
        answer.reports.then_some(answer.billed)
    }

    /// Sound that is no stream of events just ends.
    fn fail(&mut self, _: &Answer, knobs: &Knobs, sink: &mut Sink) {
        if !self.chunks.iter().any(|step| matches!(step, Step::Bytes(_))) {
            sink.named("error", &json!({"type": "error", "error": Refusal::simulated(knobs.error_status).openai()}));
        }
    }
}
