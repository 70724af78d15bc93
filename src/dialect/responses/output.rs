//! The output of a response as it grows: from the events of an answer to items that begin, grow and end.

use super::{
    brackets::Brackets,
    items::{Annotation, Body, Item, Part, Status, write_seal},
    names::Names,
};
use crate::{
    dialect::free_form::Unwrapping,
    model::{ChatEvent, Citation, Finish, Seal, ServiceTier, Usage},
};
use serde_json::value::RawValue;
use std::sync::Arc;

/// What happened to an item. Parts are told by their index; what grows is the last part of a message, the summary of a
/// thought or the arguments of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    /// It began; it is empty.
    ItemAdded,
    /// A part of it began; it is empty.
    PartAdded(usize),
    /// This was added.
    Grown(&'a str),
    /// An annotation of the last part, with its place among them.
    Cited(usize, &'a Annotation),
    /// Log probabilities of the text before.
    Logprobs(&'a [Box<RawValue>]),
    /// The part is whole.
    PartDone(usize),
    /// It is whole.
    ItemDone,
}

/// Is told of each change.
pub(super) type Tell<'t> = dyn FnMut(&Item, Change<'_>) + 't;

/// The output so far, and how the answer ended.
#[derive(Debug)]
pub(super) struct Output {
    request: Arc<str>,
    /// Tools that the client knows as something else than functions.
    names: Names,
    /// In order. Several calls of tools may be open at once; nothing else is open beside another item.
    pub items: Vec<Item>,
    /// The last figures.
    pub usage: Option<Usage>,
    /// The tier that is billed.
    pub tier: Option<ServiceTier>,
    finish: Option<Finish>,
    /// Arguments came for a call whose item was over.
    lost: bool,
}

impl Output {
    /// Of the answer to the request `request`.
    pub(super) const fn new(request: Arc<str>, names: Names) -> Self {
        Self { request, names, items: Vec::new(), usage: None, tier: None, finish: None, lost: false }
    }

    /// Takes what the first answer says. Sound has no item in a response.
    pub(super) fn take(&mut self, event: &ChatEvent<'_>, tell: &mut Tell<'_>) {
        match event {
            ChatEvent::Text { choice: 0, text } => self.say(text, false, tell),
            ChatEvent::Refusal { choice: 0, text } => self.say(text, true, tell),
            ChatEvent::Reasoning { choice: 0, text } => self.think(text, tell),
            ChatEvent::Sealed { choice: 0, seal } => self.seal(seal, tell),
            ChatEvent::ToolStart { choice: 0, call, id, name } => self.call(*call, id, name, tell),
            ChatEvent::ToolArguments { choice: 0, call, json } => self.arguments(*call, json, tell),
            ChatEvent::Citation { choice: 0, citation } => self.cite(citation, tell),
            ChatEvent::Logprobs { choice: 0, json } => self.logprobs(json, tell),
            ChatEvent::Media { choice: 0, media_type, base64 } if media_type.starts_with("image/") => {
                self.close(Status::Completed, tell);
                self.add(Body::Picture(base64.clone().into_owned()), tell);
                self.close(Status::Completed, tell);
            }
            ChatEvent::Finish { choice: 0, reason, .. } => {
                self.finish = Some(*reason);
                self.close_at_end(tell);
            }
            ChatEvent::Usage { usage, tier } => {
                self.usage = Some(*usage);
                self.tier = tier.or(self.tier);
            }
            ChatEvent::Start { .. }
            | ChatEvent::Text { .. }
            | ChatEvent::Refusal { .. }
            | ChatEvent::Reasoning { .. }
            | ChatEvent::Sealed { .. }
            | ChatEvent::ToolStart { .. }
            | ChatEvent::ToolArguments { .. }
            | ChatEvent::Citation { .. }
            | ChatEvent::Logprobs { .. }
            | ChatEvent::Media { .. }
            | ChatEvent::Finish { .. } => {}
        }
    }

    /// Ends what is open: the answer is over.
    pub(super) fn close_at_end(&mut self, tell: &mut Tell<'_>) {
        let status = if self.incomplete().is_some() { Status::Incomplete } else { Status::Completed };
        self.close(status, tell);
    }

    /// Why the answer is not whole, in the API's words; `None`: it is. A provider's refusal that said nothing is its
    /// filter's doing.
    pub(super) fn incomplete(&self) -> Option<&'static str> {
        match self.finish? {
            Finish::Length | Finish::ContextWindow => Some("max_output_tokens"),
            Finish::ContentFilter => Some("content_filter"),
            Finish::Refusal => (!self.refused()).then_some("content_filter"),
            Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Paused => None,
        }
    }

    fn refused(&self) -> bool {
        self.items.iter().any(|item| match &item.body {
            Body::Message(parts) => parts.iter().any(Part::is_refusal),
            Body::Thought { .. } | Body::Call { .. } | Body::FreeCall { .. } | Body::Picture(_) => false,
        })
    }

    fn add(&mut self, body: Body, tell: &mut Tell<'_>) {
        let index = self.items.len();
        let id = format!("{}_{}_{index}", body.prefix(), self.request);
        let item = Item { id, index, status: Status::InProgress, body };
        tell(&item, Change::ItemAdded);
        self.items.push(item);
    }

    /// Ends all that is open.
    fn close(&mut self, status: Status, tell: &mut Tell<'_>) {
        for item in open(&mut self.items) {
            close(item, status, tell);
        }
    }

    fn say(&mut self, text: &str, refusal: bool, tell: &mut Tell<'_>) {
        if !matches!(self.items.last(), Some(Item { status: Status::InProgress, body: Body::Message(_), .. })) {
            self.close(Status::Completed, tell);
            self.add(Body::Message(Vec::new()), tell);
        }
        let Some(item) = self.items.last_mut() else { return };
        let Body::Message(parts) = &mut item.body else { return };
        let count = parts.len();
        if parts.last().is_none_or(|part| part.is_refusal() != refusal) {
            if let Some(last) = count.checked_sub(1) {
                tell(item, Change::PartDone(last));
            }
            let Body::Message(parts) = &mut item.body else { return };
            parts.push(Part::new(refusal));
            tell(item, Change::PartAdded(count));
        }
        let Body::Message(parts) = &mut item.body else { return };
        if let Some(part) = parts.last_mut() {
            part.push(text);
        }
        tell(item, Change::Grown(text));
    }

    fn think(&mut self, text: &str, tell: &mut Tell<'_>) {
        if !matches!(self.items.last(), Some(Item { status: Status::InProgress, body: Body::Thought { .. }, .. })) {
            self.close(Status::Completed, tell);
            self.add(Body::Thought { summary: None, seal: None }, tell);
        }
        let Some(item) = self.items.last_mut() else { return };
        let Body::Thought { summary, .. } = &mut item.body else { return };
        if summary.is_none() {
            *summary = Some(String::new());
            tell(item, Change::PartAdded(0));
        }
        let Body::Thought { summary: Some(summary), .. } = &mut item.body else { return };
        summary.push_str(text);
        tell(item, Change::Grown(text));
    }

    /// Ends the open thought with its proof; where none is open, this is a hidden one.
    fn seal(&mut self, seal: &Seal, tell: &mut Tell<'_>) {
        let written = write_seal(seal);
        let thought = self.items.last_mut().filter(|item| item.status == Status::InProgress);
        match thought.map(|item| &mut item.body) {
            Some(Body::Thought { seal, .. }) => *seal = Some(written),
            _ => {
                self.close(Status::Completed, tell);
                self.add(Body::Thought { summary: None, seal: Some(written) }, tell);
            }
        }
        self.close(Status::Completed, tell);
    }

    /// Begins a call. Calls before it end where their arguments are whole: those of the others may still come.
    fn call(&mut self, call: u32, call_id: &str, name: &str, tell: &mut Tell<'_>) {
        for item in open(&mut self.items) {
            let whole = match &mut item.body {
                Body::Call { arguments, brackets, .. } => brackets.whole(arguments),
                Body::FreeCall { json, brackets, .. } => brackets.whole(json.json()),
                Body::Message(_) | Body::Thought { .. } | Body::Picture(_) => true,
            };
            if whole {
                close(item, Status::Completed, tell);
            }
        }
        let (call_id, known) = (call_id.to_owned(), self.names.known(name));
        let brackets = Brackets::default();
        let body = if known.free_form {
            Body::FreeCall { call, call_id, known, input: String::new(), json: Unwrapping::default(), brackets }
        } else {
            Body::Call { call, call_id, known, arguments: String::new(), brackets }
        };
        self.add(body, tell);
    }

    fn arguments(&mut self, which: u32, json: &str, tell: &mut Tell<'_>) {
        for item in open(&mut self.items) {
            match &mut item.body {
                Body::Call { call, arguments, brackets, .. } if *call == which => {
                    brackets.push(json);
                    arguments.push_str(json);
                    tell(item, Change::Grown(json));
                    return;
                }
                Body::FreeCall { call, json: so_far, brackets, .. } if *call == which => {
                    brackets.push(json);
                    let text = so_far.push(json);
                    grow(item, &text, tell);
                    return;
                }
                _ => {}
            }
        }
        // The call's item is over: white space behind whole JSON says nothing, anything else would be missing.
        self.lost |= !json.trim_ascii().is_empty();
    }

    /// Whether arguments came for a call whose item was over.
    pub(super) const fn lost(&self) -> bool {
        self.lost
    }

    /// The API's citations name a web address: others have no place in it.
    fn cite(&mut self, citation: &Citation, tell: &mut Tell<'_>) {
        let Some(url) = citation.url.clone() else { return };
        let Some(item) = self.items.last_mut().filter(|item| item.status == Status::InProgress) else { return };
        let Body::Message(parts) = &mut item.body else { return };
        let Some(Part::OutputText { annotations, text, cited, .. }) = parts.last_mut() else { return };
        let (start_index, end_index) = cited.up_to(text);
        let title = citation.title.clone().unwrap_or_default();
        annotations.push(Annotation { start_index, end_index, title, url });
        if let Body::Message(parts) = &item.body
            && let Some(Part::OutputText { annotations, .. }) = parts.last()
            && let Some((annotation, before)) = annotations.split_last()
        {
            tell(item, Change::Cited(before.len(), annotation));
        }
    }

    fn logprobs(&mut self, json: &str, tell: &mut Tell<'_>) {
        let Ok(tokens) = serde_json::from_str::<Vec<Box<RawValue>>>(json) else { return };
        let Some(item) = self.items.last_mut().filter(|item| item.status == Status::InProgress) else { return };
        let Body::Message(parts) = &mut item.body else { return };
        let Some(Part::OutputText { logprobs, .. }) = parts.last_mut() else { return };
        if !tokens.is_empty() {
            logprobs.extend(tokens.iter().cloned());
            tell(item, Change::Logprobs(&tokens));
        }
    }
}

/// What is open of `items`.
fn open(items: &mut [Item]) -> impl Iterator<Item = &mut Item> {
    items.iter_mut().filter(|item| item.status == Status::InProgress)
}

/// Adds `text` to what a free-form tool is called with.
fn grow(item: &mut Item, text: &str, tell: &mut Tell<'_>) {
    if let (Body::FreeCall { input, .. }, false) = (&mut item.body, text.is_empty()) {
        input.push_str(text);
        tell(item, Change::Grown(text));
    }
}

fn close(item: &mut Item, status: Status, tell: &mut Tell<'_>) {
    match &mut item.body {
        Body::FreeCall { json, .. } => {
            let rest = json.rest();
            grow(item, &rest, tell);
        }
        Body::Message(parts) => {
            if let Some(last) = parts.len().checked_sub(1) {
                tell(item, Change::PartDone(last));
            }
        }
        Body::Thought { summary: Some(_), .. } => tell(item, Change::PartDone(0)),
        Body::Call { arguments, .. } if arguments.is_empty() && status == Status::Completed => {
            arguments.push_str("{}"); // a call without arguments is one with an empty object
            tell(item, Change::Grown("{}"));
        }
        Body::Thought { .. } | Body::Call { .. } | Body::Picture(_) => {}
    }
    item.status = status;
    tell(item, Change::ItemDone);
}
