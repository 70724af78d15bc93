//! What an answer says, told in order: the same for one that comes whole and one that streams.

use super::{ANSWER, MAKER};
use crate::{
    model::{ChatEvent, Citation, Finish, Listener, Seal},
    providers::{
        codec::begin_call,
        lenient::{Count, Text},
    },
};
use serde::Deserialize;
use std::borrow::Cow;

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
    /// Calls of the client's tools so far.
    calls: u32,
    finished: bool,
}

impl Told {
    /// The answer begins, if it has not yet. Its id stands in no body.
    pub(super) fn begin(&mut self, out: &mut Listener<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            out(ChatEvent::Start { id: None });
        }
    }

    pub(super) fn text(&mut self, text: &str, out: &mut Listener<'_>) {
        if !text.is_empty() {
            self.begin(out);
            out(ChatEvent::Text { choice: 0, text: text.into() });
        }
    }

    pub(super) fn thought(&mut self, text: &str, out: &mut Listener<'_>) {
        if !text.is_empty() {
            self.begin(out);
            out(ChatEvent::Reasoning { choice: 0, text: text.into() });
        }
    }

    pub(super) fn sealed(&mut self, data: &str, hidden: bool, out: &mut Listener<'_>) {
        if !data.is_empty() {
            self.begin(out);
            let seal = Seal { maker: MAKER.to_owned(), data: data.to_owned(), hidden };
            out(ChatEvent::Sealed { choice: 0, seal });
        }
    }

    /// A call begins; `None`: there are more than are kept apart.
    pub(super) fn call(&mut self, id: &str, name: &str, out: &mut Listener<'_>) -> Option<Call> {
        self.begin(out);
        if name == ANSWER {
            return Some(Call::Answer);
        }
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

    pub(super) fn citation(&mut self, cited: &Cited<'_>, out: &mut Listener<'_>) {
        self.begin(out);
        out(ChatEvent::Citation { choice: 0, citation: cited.citation() });
    }

    pub(super) fn media(&mut self, format: &str, base64: &str, out: &mut Listener<'_>) {
        if !base64.is_empty() {
            self.begin(out);
            let media_type = Cow::Owned(format!("image/{}", if format.is_empty() { "png" } else { format }));
            out(ChatEvent::Media { choice: 0, media_type, base64: base64.into() });
        }
    }

    /// The answer is over. Told once.
    pub(super) fn finish(&mut self, reason: &str, stop: &str, out: &mut Listener<'_>) {
        self.begin(out);
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let stop = (!stop.is_empty()).then_some(Cow::Borrowed(stop));
        out(ChatEvent::Finish { choice: 0, reason: self.reason(reason), stop });
    }

    /// Whether it was told that the answer is over.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// `stopReason` (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>). The answer by a
    /// schema is a call for Bedrock and the end for the client.
    fn reason(&self, reason: &str) -> Finish {
        match reason {
            "tool_use" if self.calls > 0 => Finish::ToolCalls,
            "max_tokens" => Finish::Length,
            "stop_sequence" => Finish::StopSequence,
            "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
            "model_context_window_exceeded" => Finish::ContextWindow,
            // Claude's own words, should they come through.
            "refusal" => Finish::Refusal,
            "pause_turn" => Finish::Paused,
            _ => Finish::Stop,
        }
    }
}

/// What is to be said of an answer that the model spoilt, if `reason` tells so
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>).
pub(super) fn spoilt(reason: &str) -> Option<String> {
    let spoilt = matches!(reason, "malformed_model_output" | "malformed_tool_use");
    spoilt.then(|| format!("the provider ended the answer with `{reason}`"))
}

/// Where a piece of the text comes from
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Citation.html>).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Cited<'a> {
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    source_content: Option<Vec<Quote<'a>>>,
    #[serde(borrow)]
    location: Option<Location<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Quote<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Location<'a> {
    #[serde(borrow)]
    web: Option<Web<'a>>,
    document_char: Option<Place>,
    document_page: Option<Place>,
    document_chunk: Option<Place>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Web<'a> {
    #[serde(borrow)]
    url: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Place {
    document_index: Count,
}

impl Cited<'_> {
    fn citation(&self) -> Citation {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let quotes = self.source_content.as_deref().unwrap_or_default();
        let quote: String = quotes.iter().map(|quote| quote.text.as_str()).collect();
        let location = self.location.as_ref();
        let place = location.and_then(|at| {
            [&at.document_char, &at.document_page, &at.document_chunk].into_iter().find_map(Option::as_ref)
        });
        Citation {
            url: location.and_then(|at| at.web.as_ref()).and_then(|web| said(web.url.as_str())),
            title: said(self.title.as_str()),
            quote: said(&quote),
            document: place.and_then(|place| u32::try_from(place.document_index.known()?).ok()),
        }
    }
}
