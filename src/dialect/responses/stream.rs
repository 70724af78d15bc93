//! An answer as events. <https://platform.openai.com/docs/api-reference/responses-streaming>

use super::{
    items::{Annotation, Body, Item, Part, Status, SummaryText},
    names::Names,
    output::{Change, Output},
    response::{Echo, Response},
};
use crate::{
    dialect::{About, AnswerEncoder, line},
    model::ChatEvent,
};
use bytes::BytesMut;
use serde::Serialize;
use serde_json::value::RawValue;

/// Writes the events of one answer.
pub(in crate::dialect) struct Stream {
    about: About,
    echo: Echo,
    output: Output,
    wire: Wire,
    begun: bool,
}

impl Stream {
    /// Of the answer that `about` tells of.
    pub(in crate::dialect) fn new(mut about: About) -> Self {
        let output = Output::new(about.id.clone(), Names::of(&about.request));
        let echo = Echo::take(&mut about);
        Self { about, echo, output, wire: Wire { next: 0 }, begun: false }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.begun, true) {
            for name in ["response.created", "response.in_progress"] {
                self.wire.response(name, &Response::begun(&self.about, &self.echo), out);
            }
        }
    }
}

impl AnswerEncoder for Stream {
    fn event(&mut self, event: &ChatEvent<'_>, out: &mut BytesMut) {
        self.begin(out);
        let Self { output, wire, .. } = self;
        output.take(event, &mut |item, change| wire.change(item, change, out));
    }

    fn lost(&self) -> bool {
        self.output.lost()
    }

    fn keeps(&self) -> bool {
        true
    }

    fn end(&mut self, out: &mut BytesMut) -> usize {
        self.begin(out);
        let Self { about, echo, output, wire, .. } = self;
        output.close_at_end(&mut |item, change| wire.change(item, change, out));
        let before = out.len();
        let response = Response::ended(about, echo, output);
        let whole = response.status() == Status::Completed;
        wire.response(if whole { "response.completed" } else { "response.incomplete" }, &response, out);
        out.len() - before
    }

    fn next_sequence(&self) -> u64 {
        self.wire.next
    }
}

/// Numbers events and writes them.
struct Wire {
    next: u64,
}

impl Wire {
    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn response(&mut self, name: &'static str, response: &Response<'_>, out: &mut BytesMut) {
        let sequence_number = self.number();
        send(name, &ResponseEvent { r#type: name, sequence_number, response }, out);
    }

    fn item(&mut self, name: &'static str, item: &Item, out: &mut BytesMut) {
        let sequence_number = self.number();
        send(name, &ItemEvent { r#type: name, sequence_number, output_index: item.index, item }, out);
    }

    fn piece(&mut self, name: &'static str, item: &Item, piece: Piece<'_>, out: &mut BytesMut) {
        let sequence_number = self.number();
        let (item_id, output_index) = (&*item.id, item.index);
        send(name, &Piece { r#type: name, sequence_number, item_id, output_index, ..piece }, out);
    }

    fn change(&mut self, item: &Item, change: Change<'_>, out: &mut BytesMut) {
        match (change, &item.body) {
            (Change::Grown(delta), body) => {
                let (name, piece) = grown(body, delta);
                self.piece(name, item, piece, out);
            }
            (Change::ItemAdded, _) => self.item("response.output_item.added", item, out),
            (Change::PartAdded(index), body) => self.part_added(item, body, index, out),
            (Change::Cited(index, annotation), body) => {
                let piece = Piece { annotation_index: Some(index), annotation: Some(annotation), ..last_part(body) };
                self.piece("response.output_text.annotation.added", item, piece, out);
            }
            (Change::Logprobs(logprobs), body) => {
                // The text that they are about is on its way already.
                let piece = Piece { delta: Some(""), logprobs: Some(logprobs), ..last_part(body) };
                self.piece("response.output_text.delta", item, piece, out);
            }
            (Change::PartDone(index), body) => self.part_done(item, body, index, out),
            (Change::ItemDone, body) => {
                match body {
                    Body::Call { known, arguments, .. } => {
                        let (name, arguments) = (Some(&*known.name), Some(&**arguments));
                        let piece = Piece { name, arguments, ..Piece::default() };
                        self.piece("response.function_call_arguments.done", item, piece, out);
                    }
                    Body::FreeCall { input, .. } => {
                        let piece = Piece { input: Some(input), ..Piece::default() };
                        self.piece("response.custom_tool_call_input.done", item, piece, out);
                    }
                    Body::Picture(_) => {
                        self.piece("response.image_generation_call.completed", item, Piece::default(), out);
                    }
                    Body::Message(_) | Body::Thought { .. } => {}
                }
                self.item("response.output_item.done", item, out);
            }
        }
    }

    fn part_added(&mut self, item: &Item, body: &Body, index: usize, out: &mut BytesMut) {
        match body {
            Body::Message(parts) => {
                let part = parts.get(index).map(Shown::Part);
                let piece = Piece { content_index: Some(index), part, ..Piece::default() };
                self.piece("response.content_part.added", item, piece, out);
            }
            _ => {
                let part = Some(Shown::Summary(SummaryText::of("")));
                let piece = Piece { summary_index: Some(index), part, ..Piece::default() };
                self.piece("response.reasoning_summary_part.added", item, piece, out);
            }
        }
    }

    fn part_done(&mut self, item: &Item, body: &Body, index: usize, out: &mut BytesMut) {
        match body {
            Body::Message(parts) => {
                let Some(part) = parts.get(index) else { return };
                let at = || Piece { content_index: Some(index), ..Piece::default() };
                match part {
                    Part::OutputText { text, logprobs, .. } => {
                        let piece = Piece { text: Some(text), logprobs: Some(logprobs), ..at() };
                        self.piece("response.output_text.done", item, piece, out);
                    }
                    Part::Refusal { refusal } => {
                        let piece = Piece { refusal: Some(refusal), ..at() };
                        self.piece("response.refusal.done", item, piece, out);
                    }
                }
                let piece = Piece { part: Some(Shown::Part(part)), ..at() };
                self.piece("response.content_part.done", item, piece, out);
            }
            Body::Thought { summary: Some(text), .. } => {
                let at = || Piece { summary_index: Some(index), ..Piece::default() };
                let piece = Piece { text: Some(text), ..at() };
                self.piece("response.reasoning_summary_text.done", item, piece, out);
                let piece = Piece { part: Some(Shown::Summary(SummaryText::of(text))), ..at() };
                self.piece("response.reasoning_summary_part.done", item, piece, out);
            }
            Body::Thought { .. } | Body::Call { .. } | Body::FreeCall { .. } | Body::Picture(_) => {}
        }
    }
}

/// The event by which `body` grew.
fn grown<'a>(body: &Body, delta: &'a str) -> (&'static str, Piece<'a>) {
    let piece = Piece { delta: Some(delta), ..last_part(body) };
    match body {
        Body::Message(parts) if parts.last().is_some_and(Part::is_refusal) => ("response.refusal.delta", piece),
        Body::Message(_) => ("response.output_text.delta", Piece { logprobs: Some(&[]), ..piece }),
        Body::Thought { .. } => ("response.reasoning_summary_text.delta", piece),
        Body::FreeCall { .. } => ("response.custom_tool_call_input.delta", piece),
        Body::Call { .. } | Body::Picture(_) => ("response.function_call_arguments.delta", piece),
    }
}

/// Where the last part of `body` stands.
fn last_part<'a>(body: &Body) -> Piece<'a> {
    match body {
        Body::Message(parts) => Piece { content_index: Some(parts.len().saturating_sub(1)), ..Piece::default() },
        Body::Thought { .. } => Piece { summary_index: Some(0), ..Piece::default() },
        Body::Call { .. } | Body::FreeCall { .. } | Body::Picture(_) => Piece::default(),
    }
}

#[derive(Serialize)]
struct ResponseEvent<'a> {
    r#type: &'static str,
    sequence_number: u64,
    response: &'a Response<'a>,
}

#[derive(Serialize)]
struct ItemEvent<'a> {
    r#type: &'static str,
    sequence_number: u64,
    output_index: usize,
    item: &'a Item,
}

/// Any event about a piece of an item.
#[derive(Default, Serialize)]
struct Piece<'a> {
    r#type: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<&'a [Box<RawValue>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotation: Option<&'a Annotation>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Part(&'a Part),
    Summary(SummaryText<'a>),
}

fn send(name: &str, data: &impl Serialize, out: &mut BytesMut) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    line::json(data, out);
    out.extend_from_slice(b"\n\n");
}
