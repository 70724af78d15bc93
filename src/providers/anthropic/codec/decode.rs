//! Answers: streams and whole messages.

use super::{JSON_ANSWER, MAKER};
use crate::{
    model::{Api, ChatEvent, Citation, Finish, Listener, Seal},
    providers::{
        Garbage, Reading, UpstreamError,
        anthropic::usage::{Figures, Known},
        codec::{Decoded, StreamDecoder, TOO_MANY_CALLS, begin_call},
        failure,
        lenient::{Text, Unread, is_given, raw, read},
        mask::Key,
    },
    sse::SseEvent,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One event; which members there are depends on its type.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    index: Option<u64>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    usage: Option<Figures<'a>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    usage: Option<Figures<'a>>,
}

/// An answer that came whole.
#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    #[serde(borrow, default)]
    stop_sequence: Text<'a>,
    #[serde(borrow, default)]
    stop_details: Option<Details<'a>>,
    #[serde(borrow, default, deserialize_with = "raw")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    partial_json: Text<'a>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow)]
    stop_sequence: Text<'a>,
    #[serde(borrow)]
    stop_details: Option<Details<'a>>,
}

/// Why an answer was refused.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    explanation: Text<'a>,
}

/// A citation of any kind: of a document, a search result or a web page.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    cited_text: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow)]
    source: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    document_title: Text<'a>,
    document_index: Option<u32>,
}

/// The tool's call that is open.
struct Open {
    /// The block's place.
    index: u64,
    /// `None`: it is the answer itself.
    call: Option<u32>,
    /// Its input as it stood in the block's beginning: what it is if no pieces follow.
    whole: Option<Box<str>>,
    written: bool,
}

/// Reads a stream.
pub(super) struct Decoder {
    key: Key,
    known: Known,
    reading: Reading,
    begun: bool,
    finished: bool,
    calls: u32,
    open: Option<Open>,
}

impl Decoder {
    pub(super) fn new(key: Key) -> Self {
        let (known, reading) = (Known::default(), Reading::default());
        Self { key, known, reading, begun: false, finished: false, calls: 0, open: None }
    }

    fn take(&mut self, event: &SseEvent, read: &Event<'_>, out: &mut Listener<'_>) -> Decoded {
        let name = match &read.r#type {
            Text::Plain(name) => name.as_bytes(),
            Text::Absent | Text::Other => &event.name[..],
        };
        match name {
            b"message_start" => {
                let message = read.message.as_ref();
                self.begin(message.map_or("", |message| message.id.as_str()), out);
                self.usage(message.and_then(|message| message.usage.as_ref()), out);
            }
            b"content_block_start" => {
                if let Some(block) = &read.content_block {
                    self.begin("", out);
                    if let Err(garbage) = self.block(read.index.unwrap_or(0), block, out) {
                        return Decoded::Garbage(garbage);
                    }
                }
            }
            b"content_block_delta" => {
                if let Some(delta) = &read.delta {
                    self.begin("", out);
                    self.delta(read.index.unwrap_or(0), delta, out);
                }
            }
            b"content_block_stop" => self.close(out),
            b"message_delta" => {
                self.begin("", out);
                if let Some(delta) = &read.delta {
                    self.finish(&delta.stop_reason, &delta.stop_sequence, delta.stop_details.as_ref(), out);
                }
                self.usage(read.usage.as_ref(), out);
                self.reading.complete = self.reading.usage.is_some();
            }
            b"message_stop" => {
                self.begin("", out);
                self.end(Finish::Stop, None, out);
                self.reading.complete = self.reading.usage.is_some();
                return Decoded::End;
            }
            b"error" => return Decoded::Error(self.error(read.error)),
            b"" if read.error.is_some() => return Decoded::Error(self.error(read.error)),
            _ => {}
        }
        Decoded::More
    }

    fn begin(&mut self, id: &str, out: &mut Listener<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            out(ChatEvent::Start { id: (!id.is_empty()).then_some(Cow::Borrowed(id)) });
        }
    }

    fn usage(&mut self, figures: Option<&Figures<'_>>, out: &mut Listener<'_>) {
        let Some(figures) = figures else { return };
        self.known.take(figures, &mut self.reading);
        if let Some(usage) = self.reading.usage.or(self.reading.partial) {
            out(ChatEvent::Usage { usage, tier: self.reading.tier });
        }
    }

    /// A block begins, or came whole. What a server's own tools do is no part of the answer.
    ///
    /// # Errors
    ///
    /// When it is a call more than are kept apart.
    fn block(&mut self, index: u64, block: &Block<'_>, out: &mut Listener<'_>) -> Result<(), Garbage> {
        self.close(out);
        match block.r#type.as_str() {
            "text" => {
                text(block.text.as_str(), out);
                let sources = block.citations.and_then(|list| serde_json::from_str::<Vec<Source<'_>>>(list.get()).ok());
                for source in sources.iter().flatten() {
                    out(citation(source));
                }
            }
            "thinking" => {
                thought(block.thinking.as_str(), out);
                seal(block.signature.as_str(), false, out);
            }
            "redacted_thinking" => seal(block.data.as_str(), true, out),
            "tool_use" => self.call(index, block, out)?,
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, index: u64, block: &Block<'_>, out: &mut Listener<'_>) -> Result<(), Garbage> {
        let input = block.input.map(RawValue::get).filter(|input| input.starts_with('{'));
        let whole = input.filter(|input| input.len() > 2).map(Box::from);
        let name = block.name.as_str();
        let call = match name {
            JSON_ANSWER => None,
            _ => {
                Some(begin_call(&mut self.calls, block.id.as_str(), name, out).ok_or_else(|| garbage(TOO_MANY_CALLS))?)
            }
        };
        self.open = Some(Open { index, call, whole, written: false });
        Ok(())
    }

    /// A piece of a block.
    fn delta(&mut self, index: u64, delta: &Delta<'_>, out: &mut Listener<'_>) {
        text(delta.text.as_str(), out);
        thought(delta.thinking.as_str(), out);
        seal(delta.signature.as_str(), false, out);
        // One of an unknown shape is no reason to lose the text.
        if let Some(source) = delta.citation.and_then(|source| serde_json::from_str::<Source<'_>>(source.get()).ok()) {
            out(citation(&source));
        }
        let json = delta.partial_json.as_str();
        // Pieces of another block belong to a server's tool.
        if let Some(open) = self.open.as_mut().filter(|open| open.index == index && !json.is_empty()) {
            open.written = true;
            arguments(open.call, json, out);
        }
    }

    /// A call is whole: one without a piece has no arguments, or all of them from the start.
    fn close(&mut self, out: &mut Listener<'_>) {
        if let Some(open) = self.open.take().filter(|open| !open.written) {
            arguments(open.call, open.whole.as_deref().unwrap_or("{}"), out);
        }
    }

    fn finish(&mut self, reason: &Text<'_>, stop: &Text<'_>, details: Option<&Details<'_>>, out: &mut Listener<'_>) {
        let reason = match reason.as_str() {
            "" => return,
            "max_tokens" => Finish::Length,
            "stop_sequence" => Finish::StopSequence,
            // The answer's own tool is none.
            "tool_use" if self.calls > 0 => Finish::ToolCalls,
            "pause_turn" => Finish::Paused,
            "refusal" => Finish::Refusal,
            "model_context_window_exceeded" => Finish::ContextWindow,
            _ => Finish::Stop,
        };
        let why = details.map_or("", |details| details.explanation.as_str());
        if reason == Finish::Refusal && !why.is_empty() && !self.finished {
            self.close(out);
            out(ChatEvent::Refusal { choice: 0, text: Cow::Borrowed(why) });
        }
        self.end(reason, Some(stop.as_str()).filter(|stop| !stop.is_empty()), out);
    }

    /// The answer is over, once.
    fn end(&mut self, reason: Finish, stop: Option<&str>, out: &mut Listener<'_>) {
        self.close(out);
        if !std::mem::replace(&mut self.finished, true) {
            out(ChatEvent::Finish { choice: 0, reason, stop: stop.map(Cow::Borrowed) });
        }
    }

    fn error(&self, error: Option<&RawValue>) -> UpstreamError {
        let unnamed = || UpstreamError { status: 500, message: "the provider reported an error".to_owned() };
        error.map_or_else(unnamed, |error| failure::in_stream(error, &self.key))
    }
}

/// Whether `event`, of whatever shape, is one of those that are read; one that tells no type may be any.
fn is_known(event: &SseEvent) -> bool {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default)]
        r#type: Text<'a>,
    }
    let named = read::<Named<'_>>(&event.data);
    let name = match &named {
        Ok(Named { r#type: Text::Plain(name) }) => name.as_bytes(),
        _ => &event.name[..],
    };
    let known: [&[u8]; 8] = [
        b"message_start",
        b"content_block_start",
        b"content_block_delta",
        b"content_block_stop",
        b"message_delta",
        b"message_stop",
        b"error",
        b"",
    ];
    known.contains(&name)
}

impl StreamDecoder for Decoder {
    fn event(&mut self, event: &SseEvent, out: &mut Listener<'_>) -> Decoded {
        if !event.has_data {
            return Decoded::More;
        }
        match read::<Event<'_>>(&event.data) {
            Ok(read) => self.take(event, &read, out),
            // A piece of the answer that cannot be told would be lost in silence; of other events nothing can be told.
            Err(Unread::UnknownShape) if is_known(event) => Decoded::Garbage(garbage("an event has an unknown shape")),
            Err(Unread::UnknownShape) => Decoded::More,
            Err(Unread::NoJson) => Decoded::Garbage(garbage("an event is not JSON")),
        }
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }
}

/// Reads a message that came whole.
pub(super) fn whole(body: &[u8], key: Key, out: &mut Listener<'_>) -> Result<Reading, Garbage> {
    let whole: Whole<'_> = serde_json::from_slice(body).map_err(|_| garbage("it is no message"))?;
    if is_given(whole.error) {
        return Err(garbage("it is an error"));
    }
    let Some(content) = &whole.content else { return Err(garbage("`content` is missing")) };
    let mut decoder = Decoder::new(key);
    decoder.begin(whole.id.as_str(), out);
    for (index, block) in (0..).zip(content) {
        decoder.block(index, block, out)?;
    }
    decoder.finish(&whole.stop_reason, &whole.stop_sequence, whole.stop_details.as_ref(), out);
    decoder.end(Finish::Stop, None, out);
    if let Some(given) = whole.usage.filter(|usage| is_given(Some(usage))) {
        match serde_json::from_str::<Figures<'_>>(given.get()) {
            Ok(figures) => decoder.usage(Some(&figures), out),
            Err(_) => decoder.reading.inconsistent = true,
        }
    }
    decoder.reading.complete = decoder.reading.usage.is_some();
    Ok(decoder.reading)
}

fn garbage(why: &str) -> Garbage {
    Garbage { api: Api::Messages, why: why.to_owned() }
}

fn text(text: &str, out: &mut Listener<'_>) {
    if !text.is_empty() {
        out(ChatEvent::Text { choice: 0, text: Cow::Borrowed(text) });
    }
}

fn thought(text: &str, out: &mut Listener<'_>) {
    if !text.is_empty() {
        out(ChatEvent::Reasoning { choice: 0, text: Cow::Borrowed(text) });
    }
}

fn seal(data: &str, hidden: bool, out: &mut Listener<'_>) {
    if !data.is_empty() {
        let seal = Seal { maker: MAKER.to_owned(), data: data.to_owned(), hidden };
        out(ChatEvent::Sealed { choice: 0, seal });
    }
}

/// Arguments of a call, or a piece of the answer.
fn arguments(call: Option<u32>, json: &str, out: &mut Listener<'_>) {
    match call {
        Some(call) => out(ChatEvent::ToolArguments { choice: 0, call, json: Cow::Borrowed(json) }),
        None => text(json, out),
    }
}

fn citation(source: &Source<'_>) -> ChatEvent<'static> {
    let first =
        |texts: [&Text<'_>; 2]| texts.into_iter().map(Text::as_str).find(|text| !text.is_empty()).map(str::to_owned);
    let citation = Citation {
        url: first([&source.url, &source.source]),
        title: first([&source.title, &source.document_title]),
        quote: first([&source.cited_text, &source.cited_text]),
        document: source.document_index,
    };
    ChatEvent::Citation { choice: 0, citation }
}
