//! Streams of responses.

use super::usage;
use crate::{
    model::Api,
    providers::{
        Garbage, OutputText, Reading, Seen, StreamReader, UpstreamError, failure,
        lenient::{Text, Unread, is_given, raw, read},
        mask::Key,
    },
    sse::SseEvent,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One event, as far as all events are alike.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(default)]
    sequence_number: Option<u64>,
    #[serde(borrow, default)]
    delta: Text<'a>,
    /// Of the events that begin and end a stream; large.
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// What is read of the response in an event that ends the stream.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default, deserialize_with = "raw")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Text<'a>,
}

/// The output of a response.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow, default)]
    output: Vec<Item<'a>>,
}

/// A message, a call or some reasoning.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    content: Option<Vec<Part<'a>>>,
    #[serde(borrow)]
    summary: Option<Vec<Part<'a>>>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Text<'a>,
    /// Of custom tools.
    #[serde(borrow)]
    input: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    refusal: Text<'a>,
}

/// The text of a response that came whole.
pub(super) fn output_of_whole(body: &[u8]) -> OutputText {
    let mut text = OutputText::default();
    let Ok(written) = serde_json::from_slice::<Written<'_>>(body) else { return text };
    for item in &written.output {
        for part in item.summary.iter().chain(&item.content).flatten() {
            text.push(part.text.as_str());
            text.push(part.refusal.as_str());
        }
        for piece in [&item.name, &item.arguments, &item.input] {
            text.push(piece.as_str());
        }
    }
    text
}

/// Reads such a stream.
pub(super) struct Reader {
    key: Key,
    next_sequence: u64,
    reading: Reading,
    output: OutputText,
}

impl Reader {
    pub(super) fn new(key: Key) -> Self {
        Self { key, next_sequence: 0, reading: Reading::default(), output: OutputText::default() }
    }

    fn read(&mut self, event: &SseEvent, read: &Event<'_>) -> Seen {
        if let Some(number) = read.sequence_number {
            self.next_sequence = number.saturating_add(1);
        }
        let name = match &read.r#type {
            Text::Plain(name) => name.as_bytes(),
            Text::Absent | Text::Other => &event.name[..],
        };
        match name {
            b"response.completed" | b"response.incomplete" => {
                last(read.response, &self.key, &mut self.reading);
                Seen::End
            }
            b"response.failed" => {
                Seen::Error(last(read.response, &self.key, &mut self.reading).unwrap_or_else(unnamed))
            }
            b"error" => Seen::Error(error(event, read.error, &self.key)),
            // A body's error that was sent as an event, by servers that know no better.
            b"" if is_given(read.error) => Seen::Error(error(event, read.error, &self.key)),
            // Sound is no text; it is counted by the provider or not at all.
            b"response.audio.delta" | b"response.output_audio.delta" => Seen::Output { strip: None },
            name if name.ends_with(b".delta") => {
                self.output.push(read.delta.as_str());
                if read.delta.says_something() { Seen::Output { strip: None } } else { Seen::Quiet { strip: None } }
            }
            // What was streamed is told again as a whole: not collected twice, but output where no delta came.
            name if name.ends_with(b".done") || name.ends_with(b".partial_image") => Seen::Output { strip: None },
            _ => Seen::Quiet { strip: None },
        }
    }
}

/// Takes the figures of the event that ends a stream into `reading`; its error, if it has one.
pub(super) fn last(response: Option<&RawValue>, key: &Key, reading: &mut Reading) -> Option<UpstreamError> {
    let response: Response<'_> = serde_json::from_str(response?.get()).ok()?;
    usage::take_tier(response.service_tier.as_str(), reading);
    if let Some(given) = response.usage.filter(|usage| is_given(Some(usage))) {
        usage::take(Api::Responses, given, reading);
        reading.complete = reading.usage.is_some();
    }
    response.error.map(|error| failure::in_stream(error, key))
}

/// The error of an `error` event: in a member, or as the event itself.
pub(super) fn error(event: &SseEvent, member: Option<&RawValue>, key: &Key) -> UpstreamError {
    let whole = || serde_json::from_slice::<&RawValue>(&event.data).ok();
    match member.or_else(whole) {
        Some(error) => failure::in_stream(error, key),
        None => unnamed(),
    }
}

/// The error of a response that failed and does not say why.
pub(super) fn unnamed() -> UpstreamError {
    UpstreamError { status: 500, message: "the response failed; the provider did not say why".to_owned() }
}

impl StreamReader for Reader {
    fn event(&mut self, event: &SseEvent) -> Seen {
        if !event.has_data {
            return Seen::Quiet { strip: None };
        }
        if event.data.trim_ascii() == b"[DONE]" {
            // Not of this API; some servers send it behind the last event.
            return Seen::Quiet { strip: None };
        }
        match read::<Event<'_>>(&event.data) {
            Ok(read) => self.read(event, &read),
            Err(Unread::UnknownShape) => Seen::Output { strip: None },
            Err(Unread::NoJson) => {
                Seen::Garbage(Garbage { api: Api::Responses, why: "an event is not JSON".to_owned() })
            }
        }
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    fn output(&self) -> &OutputText {
        &self.output
    }

    fn next_sequence(&self) -> u64 {
        self.next_sequence
    }
}
