//! From Converse's answer and ConverseStream's events to what they say.

use super::{
    fault,
    said::{self, Call, Cited, Told},
};
use crate::{
    model::{Api, ChatEvent, Listener},
    providers::{
        Garbage, Reading, UpstreamError,
        bedrock::{
            credentials::Credentials,
            usage::{Figures, Tier},
        },
        codec::{Decoded, MOST_ITEMS, StreamDecoder, TOO_MANY_CALLS, TOO_MANY_ITEMS},
        lenient::{Count, Text, Unread, is_given, read},
    },
    sse::SseEvent,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One event; which members there are depends on its name
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html>).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'a> {
    content_block_index: Count,
    #[serde(borrow)]
    start: Option<Start<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow)]
    additional_model_response_fields: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<Figures<'a>>,
    #[serde(borrow)]
    service_tier: Option<Tier<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    image: Option<Picture<'a>>,
}

/// A call: its beginning in a stream, all of it in an answer that came whole.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ToolUse<'a> {
    #[serde(borrow)]
    tool_use_id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    /// `server_tool_use`: the provider calls it itself.
    #[serde(borrow)]
    r#type: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Picture<'a> {
    #[serde(borrow)]
    format: Text<'a>,
    #[serde(borrow)]
    source: Option<Inline<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inline<'a> {
    #[serde(borrow)]
    bytes: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    tool_use: Option<Arguments<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Thought<'a>>,
    #[serde(borrow)]
    citation: Option<Cited<'a>>,
    #[serde(borrow)]
    image: Option<Picture<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Arguments<'a> {
    #[serde(borrow)]
    input: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Thought<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    redacted_content: Text<'a>,
    /// Of an answer that came whole.
    #[serde(borrow)]
    reasoning_text: Option<Reasoned<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reasoned<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
}

/// A block that has begun and not ended.
enum Open {
    /// A call, and whether any of its arguments came.
    Call(Call, bool),
    /// A thought, with its proof as far as it came.
    Thought(String),
    /// A picture, and its format.
    Picture(String),
    /// What is not for the client: a call that the provider answers itself.
    Aside,
}

/// Reads ConverseStream.
pub(super) struct Decoder {
    credentials: Arc<Credentials>,
    told: Told,
    /// Blocks by their index.
    open: BTreeMap<u64, Open>,
    reading: Reading,
    /// `metadata`, the last event, was there.
    metered: bool,
}

impl Decoder {
    pub(super) fn new(credentials: Arc<Credentials>) -> Self {
        let (told, open, reading) = (Told::default(), BTreeMap::new(), Reading::default());
        Self { credentials, told, open, reading, metered: false }
    }

    fn read(&mut self, name: &[u8], event: &Event<'_>, out: &mut Listener<'_>) -> Decoded {
        let index = event.content_block_index.or_zero();
        match name {
            // Nothing is said behind the end but what it cost.
            _ if self.told.is_finished() && name != b"metadata" => {}
            b"messageStart" => self.told.begin(out),
            b"contentBlockStart" => {
                if let Err(garbage) = self.start(index, event.start.as_ref(), out) {
                    return Decoded::Garbage(garbage);
                }
            }
            b"contentBlockDelta" => {
                if let Err(garbage) = self.delta(index, event.delta.as_ref(), out) {
                    return Decoded::Garbage(garbage);
                }
            }
            b"contentBlockStop" => self.stop(index, out),
            b"messageStop" => {
                if let Some(message) = said::spoilt(event.stop_reason.as_str()) {
                    return Decoded::Error(UpstreamError { status: 502, message });
                }
                while let Some(index) = self.open.keys().next().copied() {
                    self.stop(index, out);
                }
                let stop = stop_sequence(event.additional_model_response_fields);
                self.told.finish(event.stop_reason.as_str(), &stop, out);
            }
            b"metadata" => self.metadata(event, out),
            _ => {}
        }
        // In whatever order the two last events come.
        if self.told.is_finished() && self.metered { Decoded::End } else { Decoded::More }
    }

    fn start(&mut self, index: u64, start: Option<&Start<'_>>, out: &mut Listener<'_>) -> Result<(), Garbage> {
        let Some(start) = start else { return Ok(()) };
        // A block that was not ended ends where its place is taken.
        self.stop(index, out);
        self.has_room(index)?;
        if let Some(call) = &start.tool_use {
            let open = if call.r#type.says_something() {
                Open::Aside
            } else {
                let told = self.told.call(call.tool_use_id.as_str(), call.name.as_str(), out);
                Open::Call(told.ok_or_else(|| garbage(TOO_MANY_CALLS))?, false)
            };
            self.open.insert(index, open);
        } else if let Some(picture) = &start.image {
            self.open.insert(index, Open::Picture(picture.format.as_str().to_owned()));
        }
        Ok(())
    }

    /// # Errors
    ///
    /// When too many blocks are open for another one.
    fn has_room(&self, index: u64) -> Result<(), Garbage> {
        let room = self.open.len() < MOST_ITEMS || self.open.contains_key(&index);
        room.then_some(()).ok_or_else(|| garbage(TOO_MANY_ITEMS))
    }

    fn delta(&mut self, index: u64, delta: Option<&Delta<'_>>, out: &mut Listener<'_>) -> Result<(), Garbage> {
        let Some(delta) = delta else { return Ok(()) };
        if delta.reasoning_content.is_some() {
            self.has_room(index)?;
        }
        let Self { told, open, .. } = self;
        told.text(delta.text.as_str(), out);
        if let Some(arguments) = &delta.tool_use
            && let Some(Open::Call(call, some)) = open.get_mut(&index)
        {
            let json = arguments.input.as_str();
            *some |= !json.is_empty();
            told.arguments(*call, json, out);
        }
        if let Some(thought) = &delta.reasoning_content {
            told.thought(thought.text.as_str(), out);
            told.sealed(thought.redacted_content.as_str(), true, out);
            // The proof is told when it is whole.
            if let Open::Thought(proof) = open.entry(index).or_insert_with(|| Open::Thought(String::new())) {
                proof.push_str(thought.signature.as_str());
            }
        }
        if let Some(cited) = &delta.citation {
            told.citation(cited, out);
        }
        if let Some(picture) = &delta.image {
            let format = if let Some(Open::Picture(format)) = open.get(&index) { format } else { "" };
            let bytes = picture.source.as_ref().map_or("", |source| source.bytes.as_str());
            told.media(format, bytes, out);
        }
        Ok(())
    }

    fn stop(&mut self, index: u64, out: &mut Listener<'_>) {
        match self.open.remove(&index) {
            // A tool without parameters is called without arguments.
            Some(Open::Call(call, false)) => self.told.arguments(call, "{}", out),
            Some(Open::Thought(proof)) => self.told.sealed(&proof, false, out),
            Some(Open::Call(_, true) | Open::Picture(_) | Open::Aside) | None => {}
        }
    }

    fn metadata(&mut self, event: &Event<'_>, out: &mut Listener<'_>) {
        self.metered = true;
        let Some(figures) = &event.usage else { return };
        self.reading = figures.reading(event.service_tier.as_ref().and_then(Tier::read));
        self.told.begin(out);
        tell_usage(&self.reading, out);
    }
}

/// The events that are read.
const EVENTS: [&[u8]; 6] =
    [b"messageStart", b"contentBlockStart", b"contentBlockDelta", b"contentBlockStop", b"messageStop", b"metadata"];

impl StreamDecoder for Decoder {
    fn event(&mut self, event: &SseEvent, out: &mut Listener<'_>) -> Decoded {
        if let Some(error) = fault::of_event(event, &self.credentials) {
            return Decoded::Error(error);
        }
        if !event.has_data {
            return Decoded::More;
        }
        match read::<Event<'_>>(&event.data) {
            Ok(read) => self.read(&event.name, &read, out),
            // A piece of the answer that cannot be told would be lost in silence; of other events nothing can be told.
            Err(Unread::UnknownShape) if EVENTS.contains(&&*event.name) => {
                Decoded::Garbage(garbage("an event has an unknown shape"))
            }
            Err(Unread::UnknownShape) => Decoded::More,
            Err(Unread::NoJson) => Decoded::Garbage(garbage("an event is not JSON")),
        }
    }

    /// Of a stream without `metadata` everything but the usage is known.
    fn may_end(&self) -> bool {
        self.told.is_finished()
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }
}

/// An answer that came whole
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax>).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    output: Option<Output<'a>>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow)]
    additional_model_response_fields: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<Tier<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Output<'a> {
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Vec<Block<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Thought<'a>>,
    #[serde(borrow)]
    citations_content: Option<Citations<'a>>,
    #[serde(borrow)]
    image: Option<Picture<'a>>,
}

/// A text with its sources.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Citations<'a> {
    #[serde(borrow)]
    content: Option<Vec<Generated<'a>>>,
    #[serde(borrow)]
    citations: Option<Vec<Cited<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Generated<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

pub(super) fn whole(body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| garbage("it is no JSON object of its shape"))?;
    let content = answer.output.and_then(|output| output.message).and_then(|message| message.content);
    let content = content.ok_or_else(|| garbage("`output.message.content` is missing"))?;
    if let Some(why) = said::spoilt(answer.stop_reason.as_str()) {
        return Err(garbage(&why));
    }
    let mut told = Told::default();
    told.begin(out);
    for block in &content {
        tell(block, &mut told, out)?;
    }
    told.finish(answer.stop_reason.as_str(), &stop_sequence(answer.additional_model_response_fields), out);
    let Some(usage) = answer.usage.filter(|usage| is_given(Some(usage))) else { return Ok(Reading::default()) };
    let reading = match serde_json::from_str::<Figures<'_>>(usage.get()) {
        Ok(figures) => figures.reading(answer.service_tier.as_ref().and_then(Tier::read)),
        Err(_) => Reading { inconsistent: true, ..Reading::default() },
    };
    tell_usage(&reading, out);
    Ok(reading)
}

fn tell(block: &Block<'_>, told: &mut Told, out: &mut Listener<'_>) -> Result<(), Garbage> {
    told.text(block.text.as_str(), out);
    if let Some(thought) = &block.reasoning_content {
        if let Some(reasoned) = &thought.reasoning_text {
            told.thought(reasoned.text.as_str(), out);
            told.sealed(reasoned.signature.as_str(), false, out);
        }
        told.sealed(thought.redacted_content.as_str(), true, out);
    }
    if let Some(call) = block.tool_use.as_ref().filter(|call| !call.r#type.says_something()) {
        let which = told.call(call.tool_use_id.as_str(), call.name.as_str(), out);
        let which = which.ok_or_else(|| garbage(TOO_MANY_CALLS))?;
        told.arguments(which, call.input.map_or("{}", RawValue::get), out);
    }
    if let Some(cited) = &block.citations_content {
        for text in cited.content.iter().flatten() {
            told.text(text.text.as_str(), out);
        }
        for citation in cited.citations.iter().flatten() {
            told.citation(citation, out);
        }
    }
    if let Some(picture) = &block.image {
        let bytes = picture.source.as_ref().map_or("", |source| source.bytes.as_str());
        told.media(picture.format.as_str(), bytes, out);
    }
    Ok(())
}

fn tell_usage(reading: &Reading, out: &mut Listener<'_>) {
    if let Some(usage) = reading.usage.or(reading.partial) {
        out(ChatEvent::Usage { usage, tier: reading.tier });
    }
}

/// The stop sequence that came up, which the request asks for.
fn stop_sequence(fields: Option<&RawValue>) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Fields<'a> {
        #[serde(borrow)]
        stop_sequence: Text<'a>,
    }
    let fields = fields.and_then(|fields| serde_json::from_str::<Fields<'_>>(fields.get()).ok()).unwrap_or_default();
    fields.stop_sequence.as_str().to_owned()
}

/// Converse is no API of the gateway's clients; messages are nearest.
fn garbage(why: &str) -> Garbage {
    Garbage { api: Api::Messages, why: why.to_owned() }
}
