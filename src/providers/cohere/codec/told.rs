//! What an answer says, told in order: the same for one that comes whole and one that streams.

use super::{
    ANSWER,
    wire::{Cited, Described, Source},
};
use crate::{
    model::{ChatEvent, Citation, Finish, Listener},
    providers::codec::{begin_call, finish_with_calls},
};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Bytes of a plan that are held until it is known what it is for; a longer one is told as text.
const MOST_PLAN: usize = 16 << 10;

/// A call that the model makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Of a client's tool: its number.
    Tool(u32),
    /// The answer by a schema.
    Answer,
}

/// Tells the pieces of one answer.
#[derive(Debug, Default)]
pub(super) struct Told {
    begun: bool,
    /// The plan as far as it is not told.
    plan: String,
    /// It is known what the plan is for.
    planned: bool,
    /// Calls of the client's tools so far.
    calls: u32,
    finished: bool,
}

impl Told {
    /// The answer begins, if it has not yet.
    pub(super) fn begin(&mut self, id: &str, out: &mut Listener<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            let id = (!id.is_empty()).then_some(Cow::Borrowed(id));
            out(ChatEvent::Start { id });
        }
    }

    pub(super) fn text(&mut self, text: &str, out: &mut Listener<'_>) {
        if !text.is_empty() {
            self.begin("", out);
            self.plan_is_text(out);
            out(ChatEvent::Text { choice: 0, text: text.into() });
        }
    }

    pub(super) fn thought(&mut self, text: &str, out: &mut Listener<'_>) {
        if !text.is_empty() {
            self.begin("", out);
            self.plan_is_text(out);
            out(ChatEvent::Reasoning { choice: 0, text: text.into() });
        }
    }

    /// A piece of the plan.
    pub(super) fn plan(&mut self, text: &str, out: &mut Listener<'_>) {
        self.begin("", out);
        if self.planned {
            return self.text(text, out);
        }
        self.plan.push_str(text);
        if self.plan.len() > MOST_PLAN {
            self.plan_is_text(out);
            self.planned = true;
        }
    }

    /// Tells what is held of the plan as text.
    fn plan_is_text(&mut self, out: &mut Listener<'_>) {
        let text = std::mem::take(&mut self.plan);
        if !text.is_empty() {
            out(ChatEvent::Text { choice: 0, text: text.into() });
        }
    }

    /// A call begins; `None`: there are more than are kept apart.
    pub(super) fn call(&mut self, id: &str, name: &str, out: &mut Listener<'_>) -> Option<Call> {
        self.begin("", out);
        if name == ANSWER {
            // The answer is the arguments and nothing else.
            let thought = std::mem::take(&mut self.plan);
            self.thought(&thought, out);
            return Some(Call::Answer);
        }
        self.plan_is_text(out);
        self.planned = true;
        begin_call(&mut self.calls, id, name, out).map(Call::Tool)
    }

    /// A piece of a call's arguments.
    pub(super) fn arguments(&mut self, call: Call, json: &str, out: &mut Listener<'_>) {
        match call {
            Call::Answer => self.text(json, out),
            Call::Tool(_) if json.is_empty() => {}
            Call::Tool(call) => out(ChatEvent::ToolArguments { choice: 0, call, json: json.into() }),
        }
    }

    /// The sources of a piece of the text.
    pub(super) fn cited(&mut self, cited: &Cited<'_>, out: &mut Listener<'_>) {
        for source in cited.sources.iter().flatten() {
            self.begin("", out);
            self.plan_is_text(out);
            out(ChatEvent::Citation { choice: 0, citation: citation(cited, source) });
        }
    }

    /// The answer is over. Told once.
    pub(super) fn finish(&mut self, reason: &str, out: &mut Listener<'_>) {
        self.begin("", out);
        self.plan_is_text(out);
        if !std::mem::replace(&mut self.finished, true) {
            out(ChatEvent::Finish { choice: 0, reason: self.reason(reason), stop: None });
        }
    }

    /// Whether it was told that the answer is over.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// `finish_reason` (<https://docs.cohere.com/reference/chat>). The answer by a schema is a call for Cohere and the
    /// end for the client.
    fn reason(&self, reason: &str) -> Finish {
        let reason = match reason {
            "MAX_TOKENS" => Finish::Length,
            "STOP_SEQUENCE" => Finish::StopSequence,
            _ => Finish::Stop,
        };
        finish_with_calls(reason, self.calls > 0)
    }
}

/// What is to be said of an answer that was broken off, and the status that it stands for, if `reason` tells so.
pub(super) fn broken_off(reason: &str) -> Option<(u16, String)> {
    let status = match reason {
        "ERROR" => 500,
        "TIMEOUT" => 504,
        _ => return None,
    };
    Some((status, format!("the provider ended the answer with `{reason}`")))
}

/// A source (<https://docs.cohere.com/docs/tool-use-citations>): its own title, or its id, which begins with that of the
/// call whose result it is.
fn citation(cited: &Cited<'_>, source: &Source<'_>) -> Citation {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let members = source.document.or(source.tool_output).map(RawValue::get);
    // Its members are the client's, of any kind.
    let described = members.and_then(|members| serde_json::from_str::<Described<'_>>(members).ok()).unwrap_or_default();
    Citation {
        url: said(described.url.as_str()),
        title: said(described.title.as_str()).or_else(|| said(source.id.as_str())),
        quote: said(cited.text.as_str()),
        document: None,
    }
}
