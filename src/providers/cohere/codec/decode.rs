//! From an answer, whole or as events, to what it says.

use super::{
    told::{Call, Told, broken_off},
    wire::{self, Answer, Delta, Event, Message, each},
};
use crate::{
    model::{Api, ChatEvent, Listener},
    providers::{
        Garbage, Reading, UpstreamError,
        codec::{Decoded, MOST_CALLS, StreamDecoder, TOO_MANY_CALLS},
        cohere::usage::Figures,
        failure,
        lenient::{Unread, is_given, read},
        mask::Key,
    },
    sse::SseEvent,
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A call that has begun.
struct Open {
    call: Call,
    /// Cohere's id.
    id: String,
    /// Whether any of its arguments came.
    some: bool,
    ended: bool,
}

/// Reads a stream.
pub(super) struct Decoder {
    key: Key,
    told: Told,
    /// Calls by their index.
    calls: BTreeMap<u64, Open>,
    reading: Reading,
}

/// An event of a shape that cannot be told: a piece of the answer would be lost.
struct Unknown;

impl From<serde_json::Error> for Unknown {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

impl Decoder {
    pub(super) fn new(key: Key) -> Self {
        Self { key, told: Told::default(), calls: BTreeMap::new(), reading: Reading::default() }
    }

    fn read(&mut self, event: &Event<'_>, out: &mut Listener<'_>) -> Result<Decoded, Unknown> {
        let (none, silent) = (Delta::default(), Message::default());
        let delta = event.delta.as_ref().unwrap_or(&none);
        let message = delta.message.as_ref().unwrap_or(&silent);
        match event.r#type.as_str() {
            // Nothing is said behind the end.
            _ if self.told.is_finished() => {}
            "message-start" => self.told.begin(event.id.as_str(), out),
            "content-start" | "content-delta" => content(message.content, &mut self.told, out)?,
            "tool-plan-delta" => self.told.plan(message.tool_plan.as_str(), out),
            "tool-call-start" => {
                for call in each(message.tool_calls)? {
                    if !self.start(event.index.or_zero(), &call, out) {
                        return Ok(Decoded::Garbage(garbage(TOO_MANY_CALLS)));
                    }
                }
            }
            "tool-call-delta" => {
                for piece in each::<wire::Call<'_>>(message.tool_calls)? {
                    self.arguments(event.index.or_zero(), arguments(&piece), out)?;
                }
            }
            "tool-call-end" => self.end(event.index.or_zero(), out),
            "citation-start" => {
                for cited in each(message.citations)? {
                    self.told.cited(&cited, out);
                }
            }
            "message-end" => return Ok(self.finish(delta, out)),
            // An error in the place of an event.
            "" if event.message.says_something() => {
                let message = self.key.mask(event.message.as_str());
                return Ok(Decoded::Error(UpstreamError { status: 500, message: failure::cut(&message) }));
            }
            _ => {}
        }
        Ok(Decoded::More)
    }

    /// A call begins; false: there are more than are kept apart.
    fn start(&mut self, index: u64, call: &wire::Call<'_>, out: &mut Listener<'_>) -> bool {
        let id = call.id.as_str();
        if self.calls.get(&index).is_some_and(|open| !id.is_empty() && open.id == id) {
            // The same event again.
            return true;
        }
        // A call that was not ended ends where its place is taken.
        self.end(index, out);
        if self.calls.len() >= MOST_CALLS && !self.calls.contains_key(&index) {
            return false;
        }
        let name = call.function.as_ref().map_or("", |function| function.name.as_str());
        let Some(began) = self.told.call(id, name, out) else { return false };
        let json = arguments(call);
        self.told.arguments(began, json, out);
        self.calls.insert(index, Open { call: began, id: id.to_owned(), some: !json.is_empty(), ended: false });
        true
    }

    fn arguments(&mut self, index: u64, json: &str, out: &mut Listener<'_>) -> Result<(), Unknown> {
        if json.is_empty() {
            return Ok(());
        }
        // To whose call they belong cannot be told.
        let open = self.calls.get_mut(&index).filter(|open| !open.ended).ok_or(Unknown)?;
        open.some = true;
        self.told.arguments(open.call, json, out);
        Ok(())
    }

    fn end(&mut self, index: u64, out: &mut Listener<'_>) {
        if let Some(open) = self.calls.get_mut(&index).filter(|open| !open.ended) {
            open.ended = true;
            if !open.some {
                // A tool without parameters is called without arguments.
                self.told.arguments(open.call, "{}", out);
            }
        }
    }

    fn finish(&mut self, delta: &Delta<'_>, out: &mut Listener<'_>) -> Decoded {
        self.reading = reading(delta.usage);
        let error = delta.error.as_str();
        let broken = broken_off(delta.finish_reason.as_str());
        if broken.is_some() || !error.is_empty() {
            let (status, why) = broken.unwrap_or((500, String::new()));
            let message = if error.is_empty() { why } else { failure::cut(&self.key.mask(error)) };
            return Decoded::Error(UpstreamError { status, message });
        }
        let indexes: Vec<_> = self.calls.keys().copied().collect();
        indexes.into_iter().for_each(|index| self.end(index, out));
        self.told.finish(delta.finish_reason.as_str(), out);
        tell_usage(&self.reading, out);
        Decoded::End
    }
}

impl StreamDecoder for Decoder {
    fn event(&mut self, event: &SseEvent, out: &mut Listener<'_>) -> Decoded {
        // The mark at the end of other APIs' streams, should a server in between write it, is no garbage.
        if !event.has_data || event.data.trim_ascii() == b"[DONE]" {
            return Decoded::More;
        }
        let shape = "an event has an unknown shape";
        match read::<Event<'_>>(&event.data) {
            Ok(read) => self.read(&read, out).unwrap_or_else(|Unknown| Decoded::Garbage(garbage(shape))),
            Err(Unread::UnknownShape) => Decoded::Garbage(garbage(shape)),
            Err(Unread::NoJson) => Decoded::Garbage(garbage("an event is not JSON")),
        }
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }
}

/// Reads an answer that came whole.
pub(super) fn whole(body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
    let strange = |_| garbage("it is no JSON object of its shape");
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(strange)?;
    let message = answer.message.ok_or_else(|| garbage("`message` is missing"))?;
    if let Some((_, why)) = broken_off(answer.finish_reason.as_str()) {
        return Err(garbage(&why));
    }
    let calls: Vec<wire::Call<'_>> = each(message.tool_calls).map_err(strange)?;
    let citations = each(message.citations).map_err(strange)?;
    let mut told = Told::default();
    told.begin(answer.id.as_str(), out);
    content(message.content, &mut told, out).map_err(|Unknown| garbage("`message.content` has an unknown shape"))?;
    told.plan(message.tool_plan.as_str(), out);
    for call in &calls {
        let name = call.function.as_ref().map_or("", |function| function.name.as_str());
        let began = told.call(call.id.as_str(), name, out).ok_or_else(|| garbage(TOO_MANY_CALLS))?;
        let json = arguments(call);
        told.arguments(began, if json.is_empty() { "{}" } else { json }, out);
    }
    for cited in &citations {
        told.cited(cited, out);
    }
    told.finish(answer.finish_reason.as_str(), out);
    let reading = reading(answer.usage);
    tell_usage(&reading, out);
    Ok(reading)
}

/// Tells texts and thoughts: a list of them, one, or a bare text.
fn content(raw: Option<&RawValue>, told: &mut Told, out: &mut Listener<'_>) -> Result<(), Unknown> {
    if let Some(text) = raw.map(RawValue::get).filter(|text| text.starts_with('"')) {
        told.text(&serde_json::from_str::<String>(text)?, out);
        return Ok(());
    }
    for piece in each::<wire::Content<'_>>(raw)? {
        told.thought(piece.thinking.as_str(), out);
        told.text(piece.text.as_str(), out);
    }
    Ok(())
}

fn arguments<'c>(call: &'c wire::Call<'_>) -> &'c str {
    call.function.as_ref().map_or("", |function| function.arguments.as_str())
}

/// What `usage` reports; figures of an unknown shape are no figures.
fn reading(usage: Option<&RawValue>) -> Reading {
    let Some(usage) = usage.filter(|usage| is_given(Some(usage))) else { return Reading::default() };
    match serde_json::from_str::<Figures>(usage.get()) {
        Ok(figures) => figures.reading(),
        Err(_) => Reading { inconsistent: true, ..Reading::default() },
    }
}

fn tell_usage(reading: &Reading, out: &mut Listener<'_>) {
    if let Some(usage) = reading.usage.or(reading.partial) {
        out(ChatEvent::Usage { usage, tier: reading.tier });
    }
}

/// Cohere's chat is no API of the gateway's clients; chat completions are nearest.
fn garbage(why: &str) -> Garbage {
    Garbage { api: Api::ChatCompletions, why: why.to_owned() }
}
