//! A response as events (<https://platform.openai.com/docs/api-reference/responses-streaming>).

use crate::{
    model::{Api, ChatEvent, Citation, Finish, Listener, Seal},
    providers::{
        Garbage, Reading,
        codec::{Decoded, MOST_ITEMS, StreamDecoder, TOO_MANY_CALLS, TOO_MANY_ITEMS, begin_call, finish_with_calls},
        lenient::{Text, Unread, is_given, raw, read},
        mask::Key,
        openai::{codec_chat::Index, responses},
    },
    sse::SseEvent,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One event, as far as all events are alike.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(default)]
    output_index: Index,
    #[serde(default)]
    summary_index: Index,
    #[serde(borrow, default)]
    delta: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
    /// What `arguments` are of custom tools.
    #[serde(borrow, default)]
    input: Text<'a>,
    #[serde(borrow, default, deserialize_with = "raw")]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    annotation: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    item: Option<&'a RawValue>,
    /// Of the events that begin and end a stream; large.
    #[serde(borrow, default, deserialize_with = "raw")]
    response: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a RawValue>,
}

/// What is read of a response itself.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    incomplete_details: Option<Incomplete<'a>>,
    /// Read only where nothing was told before.
    #[serde(borrow, default, deserialize_with = "raw")]
    output: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Incomplete<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
}

/// A message, a call, some reasoning or a picture.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    call_id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Text<'a>,
    /// What `arguments` are of custom tools.
    #[serde(borrow)]
    input: Text<'a>,
    #[serde(borrow)]
    content: Option<Vec<Part<'a>>>,
    #[serde(borrow)]
    summary: Option<Vec<Part<'a>>>,
    #[serde(borrow)]
    encrypted_content: Text<'a>,
    /// A picture's base64.
    #[serde(borrow)]
    result: Text<'a>,
    #[serde(borrow)]
    output_format: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    refusal: Text<'a>,
    #[serde(borrow, deserialize_with = "raw")]
    annotations: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "raw")]
    logprobs: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotation<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    filename: Text<'a>,
}

/// Reads a response that came whole.
pub(super) fn whole(body: &[u8], key: &Key, out: &mut Listener<'_>) -> Result<Reading, Garbage> {
    let raw: &RawValue = serde_json::from_slice(body).map_err(|_| garbage("it is no JSON"))?;
    let no_object = || garbage("it is no JSON object of this API");
    let response: Response<'_> = serde_json::from_str(raw.get()).map_err(|_| no_object())?;
    if is_given(response.error) || response.status.as_str() == "failed" {
        return Err(garbage("it is an error"));
    }
    if !is_given(response.output) {
        return Err(garbage("`output` is missing"));
    }
    let mut decoder = Decoder::new(key.clone());
    decoder.start(&response.id, out);
    decoder.output(response.output, out)?;
    decoder.last(Some(raw), response.status.as_str() == "incomplete", out);
    Ok(decoder.reading)
}

fn garbage(why: &str) -> Garbage {
    Garbage { api: Api::Responses, why: why.to_owned() }
}

/// Reads one stream.
pub(super) struct Decoder {
    key: Key,
    started: bool,
    over: bool,
    reading: Reading,
    items: Vec<Known>,
    calls: u32,
}

/// What was told of one item of the output: it comes in pieces, and then again whole.
#[derive(Debug, Default)]
struct Known {
    /// Its place in the output.
    index: u32,
    /// The number of its call, if it is one that was told.
    call: Option<u32>,
    arguments: bool,
    text: bool,
    refusal: bool,
    thought: bool,
    citations: bool,
    sealed: bool,
    media: bool,
    /// The last part of its summary.
    part: u32,
}

impl Decoder {
    pub(super) fn new(key: Key) -> Self {
        Self { key, started: false, over: false, reading: Reading::default(), items: Vec::new(), calls: 0 }
    }

    fn read(&mut self, event: &SseEvent, mut read: Event<'_>, out: &mut Listener<'_>) -> Decoded {
        let kind = std::mem::take(&mut read.r#type);
        let name = match &kind {
            _ if self.over => return Decoded::More,
            Text::Plain(name) => name.as_bytes(),
            Text::Absent | Text::Other => &event.name[..],
        };
        match name {
            b"response.created" | b"response.in_progress" | b"response.queued" => {
                let response = inside::<Response<'_>>(read.response);
                self.start(&response.map(|response| response.id).unwrap_or_default(), out);
            }
            b"response.completed" | b"response.incomplete" => {
                let done = self.complete(read.response, name == b"response.incomplete", out);
                return done.map_or_else(Decoded::Garbage, |()| Decoded::End);
            }
            b"response.failed" | b"response.cancelled" => {
                let told = responses::last(read.response, &self.key, &mut self.reading);
                return Decoded::Error(told.unwrap_or_else(responses::unnamed));
            }
            b"error" => return Decoded::Error(responses::error(event, read.error, &self.key)),
            // A body's error that was sent as an event, by servers that know no better.
            b"" if is_given(read.error) => return Decoded::Error(responses::error(event, read.error, &self.key)),
            name => return self.piece(name, read, out).map_or_else(Decoded::Garbage, |()| Decoded::More),
        }
        Decoded::More
    }

    /// Takes an event of the output.
    ///
    /// # Errors
    ///
    /// When there is too much to keep apart.
    fn piece(&mut self, name: &[u8], read: Event<'_>, out: &mut Listener<'_>) -> Result<(), Garbage> {
        let at = self.item(read.output_index)?;
        let Some(known) = self.items.get_mut(at) else { return Ok(()) };
        match name {
            b"response.output_text.delta" => {
                known.text |= told(read.delta, out, |text| ChatEvent::Text { choice: 0, text });
                logprobs(read.logprobs, out);
            }
            b"response.output_text.done" if !known.text => {
                known.text = told(read.text, out, |text| ChatEvent::Text { choice: 0, text });
                logprobs(read.logprobs, out);
            }
            b"response.refusal.delta" => {
                known.refusal |= told(read.delta, out, |text| ChatEvent::Refusal { choice: 0, text });
            }
            b"response.refusal.done" if !known.refusal => {
                known.refusal = told(read.refusal, out, |text| ChatEvent::Refusal { choice: 0, text });
            }
            b"response.reasoning_summary_text.delta" | b"response.reasoning_text.delta" => {
                known.thought_piece(read.summary_index, read.delta, out);
            }
            b"response.reasoning_summary_text.done" | b"response.reasoning_text.done" if !known.thought => {
                known.thought_piece(read.summary_index, read.text, out);
            }
            b"response.output_text.annotation.added" => {
                known.citations |= citation(inside(read.annotation).unwrap_or_default(), out);
            }
            b"response.function_call_arguments.delta" | b"response.custom_tool_call_input.delta" => {
                known.arguments(read.delta, out);
            }
            b"response.function_call_arguments.done" if !known.arguments => known.arguments(read.arguments, out),
            b"response.custom_tool_call_input.done" if !known.arguments => known.arguments(read.input, out),
            b"response.output_audio.delta" | b"response.audio.delta" => {
                known.media |= told(read.delta, out, |base64| ChatEvent::Media {
                    choice: 0,
                    media_type: "audio/pcm".into(),
                    base64,
                });
            }
            b"response.output_item.added" => {
                if let Some(item) = inside::<Item<'_>>(read.item).filter(Item::is_call) {
                    self.call(at, &item, out)?;
                }
            }
            b"response.output_item.done" => {
                if let Some(item) = inside::<Item<'_>>(read.item) {
                    self.item_done(at, item, out)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the item stands that an event is about; without a number it is the last one.
    fn item(&mut self, index: Index) -> Result<usize, Garbage> {
        let last = self.items.last().map(|known| known.index);
        let index = index.0.or(last).unwrap_or_default();
        if let Some(at) = self.items.iter().rposition(|known| known.index == index) {
            return Ok(at);
        }
        if self.items.len() >= MOST_ITEMS {
            return Err(garbage(TOO_MANY_ITEMS));
        }
        self.items.push(Known { index, ..Known::default() });
        Ok(self.items.len() - 1)
    }

    fn start(&mut self, id: &Text<'_>, out: &mut Listener<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            let id = Some(id.as_str()).filter(|id| !id.is_empty()).map(Into::into);
            out(ChatEvent::Start { id });
        }
    }

    /// A call begins.
    fn call(&mut self, at: usize, item: &Item<'_>, out: &mut Listener<'_>) -> Result<(), Garbage> {
        let Some(known) = self.items.get_mut(at).filter(|known| known.call.is_none()) else { return Ok(()) };
        let id = [&item.call_id, &item.id].into_iter().map(Text::as_str).find(|id| !id.is_empty());
        let call = begin_call(&mut self.calls, id.unwrap_or_default(), item.name.as_str(), out);
        known.call = Some(call.ok_or_else(|| garbage(TOO_MANY_CALLS))?);
        Ok(())
    }

    /// An item is whole: what was not told in pieces is told now.
    fn item_done(&mut self, at: usize, item: Item<'_>, out: &mut Listener<'_>) -> Result<(), Garbage> {
        if item.is_call() {
            self.call(at, &item, out)?;
        }
        if let Some(known) = self.items.get_mut(at) {
            known.done(item, out);
        }
        Ok(())
    }

    /// The whole output.
    ///
    /// # Errors
    ///
    /// When it has an unknown shape, or more than is kept apart.
    fn output(&mut self, output: Option<&RawValue>, out: &mut Listener<'_>) -> Result<(), Garbage> {
        let items = inside::<Vec<Item<'_>>>(output).ok_or_else(|| garbage("`output` has an unknown shape"))?;
        for (index, item) in items.into_iter().enumerate() {
            let at = self.item(Index(u32::try_from(index).ok()))?;
            self.item_done(at, item, out)?;
        }
        Ok(())
    }

    /// The stream is over: what its last event alone says.
    fn complete(
        &mut self,
        response: Option<&RawValue>,
        incomplete: bool,
        out: &mut Listener<'_>,
    ) -> Result<(), Garbage> {
        if !self.items.iter().any(Known::was_told)
            && let Some(response) = inside::<Response<'_>>(response)
        {
            self.start(&response.id, out);
            if is_given(response.output) {
                self.output(response.output, out)?;
            }
        }
        self.last(response, incomplete, out);
        Ok(())
    }

    /// Tells why the answer is over, and what was used.
    fn last(&mut self, response: Option<&RawValue>, incomplete: bool, out: &mut Listener<'_>) {
        self.over = true;
        self.start(&Text::Absent, out);
        let why = inside::<Response<'_>>(response).and_then(|response| response.incomplete_details);
        let reason = match why.unwrap_or_default().reason.as_str() {
            "content_filter" => Finish::ContentFilter,
            "max_output_tokens" => Finish::Length,
            _ if incomplete => Finish::Length,
            _ => finish_with_calls(Finish::Stop, self.calls > 0),
        };
        out(ChatEvent::Finish { choice: 0, reason, stop: None });
        responses::last(response, &self.key, &mut self.reading);
        if let Some(usage) = self.reading.usage.or(self.reading.partial) {
            out(ChatEvent::Usage { usage, tier: self.reading.tier });
        }
    }
}

impl Known {
    const fn was_told(&self) -> bool {
        self.call.is_some() || self.text || self.refusal || self.thought || self.sealed || self.media
    }

    /// The item is whole.
    fn done(&mut self, item: Item<'_>, out: &mut Listener<'_>) {
        if item.r#type.as_str() == "reasoning" {
            return self.thought_done(item, out);
        }
        if item.is_call() && !self.arguments {
            let custom = item.r#type.as_str() == "custom_tool_call";
            return self.arguments(if custom { item.input } else { item.arguments }, out);
        }
        if !item.result.as_str().is_empty() && item.r#type.as_str() == "image_generation_call" {
            let format = Some(item.output_format.as_str()).filter(|format| !format.is_empty()).unwrap_or("png");
            let media_type = format!("image/{format}").into();
            self.media |= told(item.result, out, |base64| ChatEvent::Media { choice: 0, media_type, base64 });
        }
        let (texts, refusals, cites) = (!self.text, !self.refusal, !self.citations);
        for part in item.content.into_iter().flatten() {
            if texts {
                self.text |= told(part.text, out, |text| ChatEvent::Text { choice: 0, text });
                logprobs(part.logprobs, out);
            }
            if refusals {
                self.refusal |= told(part.refusal, out, |text| ChatEvent::Refusal { choice: 0, text });
            }
            let annotations: Option<Vec<Annotation<'_>>> = inside(part.annotations).filter(|_| cites);
            for annotation in annotations.into_iter().flatten() {
                self.citations |= citation(annotation, out);
            }
        }
    }

    fn arguments(&mut self, json: Text<'_>, out: &mut Listener<'_>) {
        if let Some(call) = self.call {
            self.arguments |= told(json, out, |json| ChatEvent::ToolArguments { choice: 0, call, json });
        }
    }

    /// A piece of a thought. The parts of a summary are paragraphs.
    fn thought_piece(&mut self, part: Index, text: Text<'_>, out: &mut Listener<'_>) {
        let part = part.0.unwrap_or_default();
        let next = part != std::mem::replace(&mut self.part, part);
        if next && self.thought && !text.as_str().is_empty() {
            out(ChatEvent::Reasoning { choice: 0, text: "\n\n".into() });
        }
        self.thought |= told(text, out, |text| ChatEvent::Reasoning { choice: 0, text });
    }

    fn thought_done(&mut self, item: Item<'_>, out: &mut Listener<'_>) {
        if !self.thought {
            let parts = item.summary.into_iter().chain(item.content).flatten();
            for (at, part) in parts.enumerate() {
                self.thought_piece(Index(u32::try_from(at).ok()), part.text, out);
            }
        }
        let data = item.encrypted_content.as_str();
        if !data.is_empty() && !std::mem::replace(&mut self.sealed, true) {
            // With a summary the seal belongs to its words; without one it is all there is.
            let seal = Seal { maker: "openai".to_owned(), data: data.to_owned(), hidden: !self.thought };
            out(ChatEvent::Sealed { choice: 0, seal });
        }
    }
}

impl Item<'_> {
    fn is_call(&self) -> bool {
        matches!(self.r#type.as_str(), "function_call" | "custom_tool_call")
    }
}

/// Tells `text` as what `event` makes of it; whether there was any.
fn told<'a>(text: Text<'a>, out: &mut Listener<'_>, event: impl FnOnce(Cow<'a, str>) -> ChatEvent<'a>) -> bool {
    match text {
        Text::Plain(text) if !text.is_empty() => {
            out(event(text));
            true
        }
        _ => false,
    }
}

fn logprobs(list: Option<&RawValue>, out: &mut Listener<'_>) {
    if let Some(list) = list.map(RawValue::get).filter(|list| list.starts_with('[') && *list != "[]") {
        out(ChatEvent::Logprobs { choice: 0, json: list.into() });
    }
}

/// Tells a source, if it is of a kind that is known; whether it was.
fn citation(annotation: Annotation<'_>, out: &mut Listener<'_>) -> bool {
    let told = |text: &Text<'_>| Some(text.as_str().to_owned()).filter(|text| !text.is_empty());
    let citation = match annotation.r#type.as_str() {
        "url_citation" => {
            Citation { url: told(&annotation.url), title: told(&annotation.title), ..Citation::default() }
        }
        "file_citation" | "container_file_citation" => {
            Citation { title: told(&annotation.filename), ..Citation::default() }
        }
        _ => return false,
    };
    out(ChatEvent::Citation { choice: 0, citation });
    true
}

/// What `member` says, if it is of the shape that is known.
fn inside<'a, T: Deserialize<'a>>(member: Option<&'a RawValue>) -> Option<T> {
    member.filter(|value| is_given(Some(value))).and_then(|value| serde_json::from_str(value.get()).ok())
}

impl StreamDecoder for Decoder {
    fn event(&mut self, event: &SseEvent, out: &mut Listener<'_>) -> Decoded {
        // `[DONE]` is not of this API; some servers send it behind the last event.
        if !event.has_data || event.data.trim_ascii() == b"[DONE]" {
            return Decoded::More;
        }
        match read::<Event<'_>>(&event.data) {
            Ok(read) => self.read(event, read, out),
            Err(Unread::UnknownShape) => Decoded::Garbage(garbage("an event has an unknown shape")),
            Err(Unread::NoJson) => Decoded::Garbage(garbage("an event is not JSON")),
        }
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }
}
