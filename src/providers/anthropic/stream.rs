//! Streams of messages.

use super::usage::{Figures, Known};
use crate::{
    model::Api,
    providers::{
        Garbage, OutputText, Reading, Seen, StreamReader, UpstreamError, failure,
        lenient::{Text, Unread, read},
        likeness::Likeness,
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
    /// Of `message_start`.
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    /// Of `content_block_start`.
    #[serde(borrow, default)]
    content_block: Option<Block<'a>>,
    /// Of `content_block_delta` and `message_delta`.
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    /// Of `message_delta`.
    #[serde(borrow, default)]
    usage: Option<Figures<'a>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    usage: Option<Figures<'a>>,
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
    name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    partial_json: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
}

impl<'a> Delta<'a> {
    /// The only text in it.
    fn only_text(&self) -> Option<&'a str> {
        let mut said =
            [&self.text, &self.thinking, &self.partial_json].into_iter().filter(|text| text.says_something());
        match (said.next(), said.next()) {
            (Some(Text::Plain(Cow::Borrowed(text))), None) => Some(text),
            _ => None,
        }
    }
}

/// Reads such a stream.
pub(in crate::providers) struct Reader {
    key: Key,
    known: Known,
    reading: Reading,
    output: OutputText,
    likeness: Likeness,
}

impl Reader {
    /// Errors are told without `key`.
    pub(in crate::providers) fn new(key: Key) -> Self {
        let (reading, output) = (Reading::default(), OutputText::default());
        Self { key, known: Known::default(), reading, output, likeness: Likeness::default() }
    }

    fn read(&mut self, event: &SseEvent, read: &Event<'_>) -> Seen {
        let name = match &read.r#type {
            Text::Plain(name) => name.as_bytes(),
            Text::Absent | Text::Other => &event.name[..],
        };
        let output = match name {
            b"message_start" => {
                if let Some(figures) = read.message.as_ref().and_then(|message| message.usage.as_ref()) {
                    self.known.take(figures, &mut self.reading);
                }
                false
            }
            b"content_block_start" => read.content_block.as_ref().is_some_and(|block| self.block(block)),
            b"content_block_delta" => {
                // Where the type stands in the data, what is like the data is of that type.
                if let (Some(text), Text::Plain(_)) = (read.delta.as_ref().and_then(Delta::only_text), &read.r#type) {
                    self.likeness.learn(&event.data, text, None);
                }
                read.delta.as_ref().is_some_and(|delta| self.delta(delta))
            }
            b"message_delta" => self.message_delta(read),
            b"message_stop" => {
                self.reading.complete = self.reading.usage.is_some();
                return Seen::End;
            }
            b"error" => return Seen::Error(self.error(read.error)),
            b"" if read.error.is_some() => return Seen::Error(self.error(read.error)),
            _ => false,
        };
        if output { Seen::Output { strip: None } } else { Seen::Quiet { strip: None } }
    }

    /// A block begins. One of text or thinking begins empty; a tool call, hidden thinking or a tool's result is
    /// output with its first event.
    fn block(&mut self, block: &Block<'_>) -> bool {
        let text = self.collect([&block.text, &block.thinking, &block.name]);
        text || !matches!(block.r#type.as_str(), "text" | "thinking")
    }

    /// A piece of a block. What is no text (signatures, citations, what is yet to come) is output all the same.
    fn delta(&mut self, delta: &Delta<'_>) -> bool {
        let text = self.collect([&delta.text, &delta.thinking, &delta.partial_json]);
        text || !matches!(delta.r#type.as_str(), "text_delta" | "thinking_delta" | "input_json_delta")
    }

    fn message_delta(&mut self, read: &Event<'_>) -> bool {
        if let Some(figures) = &read.usage {
            self.known.take(figures, &mut self.reading);
            self.reading.complete = self.reading.usage.is_some();
        }
        read.delta.as_ref().is_some_and(|delta| delta.stop_reason.says_something())
    }

    /// Collects texts; whether any says something.
    fn collect(&mut self, texts: [&Text<'_>; 3]) -> bool {
        texts.into_iter().fold(false, |some, text| {
            self.output.push(text.as_str());
            some | text.says_something()
        })
    }

    fn error(&self, error: Option<&RawValue>) -> UpstreamError {
        let unnamed = || UpstreamError { status: 500, message: "the provider reported an error".to_owned() };
        error.map_or_else(unnamed, |error| failure::in_stream(error, &self.key))
    }
}

impl StreamReader for Reader {
    fn event(&mut self, event: &SseEvent) -> Seen {
        if !event.has_data {
            return Seen::Quiet { strip: None };
        }
        if let Some((text, _)) = self.likeness.text(&event.data) {
            self.output.push(text);
            return Seen::Output { strip: None };
        }
        match read::<Event<'_>>(&event.data) {
            Ok(read) => self.read(event, &read),
            // Something that we do not know: the client may know it.
            Err(Unread::UnknownShape) => Seen::Output { strip: None },
            Err(Unread::NoJson) => {
                Seen::Garbage(Garbage { api: Api::Messages, why: "an event is not JSON".to_owned() })
            }
        }
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    fn output(&self) -> &OutputText {
        &self.output
    }
}
