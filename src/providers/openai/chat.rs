//! Streams of chat completions and completions.

use super::usage;
use crate::{
    model::Api,
    providers::{
        Garbage, OutputText, Reading, Seen, StreamReader, failure,
        lenient::{Text, Unread, is_given, member_range, raw, read},
        mask::Key,
    },
    sse::SseEvent,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One chunk. Members that are not named pass through unseen.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    /// As it stands: it may have to be cut out.
    #[serde(borrow, default, deserialize_with = "raw")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Text<'a>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    /// In an answer that came whole it is called `message`, and has the same members.
    #[serde(borrow, default, alias = "message")]
    delta: Option<Delta<'a>>,
    /// Completions.
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Text<'a>,
    #[serde(borrow)]
    refusal: Text<'a>,
    #[serde(borrow)]
    reasoning_content: Text<'a>,
    #[serde(borrow)]
    reasoning: Text<'a>,
    #[serde(borrow)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    function_call: Option<Call<'a>>,
    #[serde(borrow)]
    audio: Option<Audio<'a>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow, default)]
    function: Option<Call<'a>>,
    #[serde(borrow, default)]
    custom: Option<Call<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
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
struct Audio<'a> {
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    transcript: Text<'a>,
}

/// The text of an answer that came whole.
pub(super) fn output_of_whole(api: Api, body: &[u8]) -> OutputText {
    let mut reader = Reader::new(api, false, Key::new(None));
    if let Ok(answer) = serde_json::from_slice::<Chunk<'_>>(body) {
        for choice in answer.choices.iter().flatten() {
            reader.choice(choice);
        }
    }
    reader.output
}

/// Reads such a stream.
pub(super) struct Reader {
    api: Api,
    hide_usage: bool,
    key: Key,
    finished: bool,
    reading: Reading,
    output: OutputText,
}

impl Reader {
    pub(super) fn new(api: Api, hide_usage: bool, key: Key) -> Self {
        let (reading, output) = (Reading::default(), OutputText::default());
        Self { api, hide_usage, key, finished: false, reading, output }
    }

    fn chunk(&mut self, event: &SseEvent, chunk: &Chunk<'_>) -> Seen {
        if let Some(error) = chunk.error.filter(|error| is_given(Some(error))) {
            return Seen::Error(failure::in_stream(error, &self.key));
        }
        usage::take_tier(chunk.service_tier.as_str(), &mut self.reading);
        let choices = chunk.choices.as_deref().unwrap_or_default();
        let mut output = false;
        for choice in choices {
            output |= self.choice(choice);
        }
        let given = chunk.usage.filter(|usage| is_given(Some(usage)));
        if let Some(given) = given {
            usage::take(self.api, given, &mut self.reading);
            self.reading.complete = self.reading.usage.is_some() && (choices.is_empty() || self.finished);
            if choices.is_empty() && self.hide_usage {
                return Seen::Hidden;
            }
        }
        let strip = match chunk.usage {
            Some(usage) if self.hide_usage => member_range(&event.data, "usage", usage),
            _ => None,
        };
        if output { Seen::Output { strip } } else { Seen::Quiet { strip } }
    }

    /// Collects what one choice carries; whether that is output.
    fn choice(&mut self, choice: &Choice<'_>) -> bool {
        let mut output = self.text(&choice.text);
        if choice.finish_reason.says_something() {
            self.finished = true;
            output = true;
        }
        let Some(delta) = &choice.delta else { return output };
        output |= self.text(&delta.content) | self.text(&delta.refusal) | self.text(&delta.reasoning_content);
        // Some servers send reasoning under both names.
        if delta.reasoning != delta.reasoning_content {
            output |= self.text(&delta.reasoning);
        }
        for call in delta.tool_calls.iter().flatten() {
            output = true;
            self.call(call.function.as_ref().or(call.custom.as_ref()));
        }
        if let Some(call) = &delta.function_call {
            output = true;
            self.call(Some(call));
        }
        if let Some(audio) = &delta.audio {
            output |= self.text(&audio.transcript) | audio.data.says_something();
        }
        output
    }

    fn call(&mut self, call: Option<&Call<'_>>) {
        if let Some(call) = call {
            for text in [&call.name, &call.arguments, &call.input] {
                self.output.push(text.as_str());
            }
        }
    }

    /// Collects a text; whether there is any.
    fn text(&mut self, text: &Text<'_>) -> bool {
        self.output.push(text.as_str());
        text.says_something()
    }
}

impl StreamReader for Reader {
    fn event(&mut self, event: &SseEvent) -> Seen {
        if !event.has_data {
            return Seen::Quiet { strip: None };
        }
        if event.data.trim_ascii() == b"[DONE]" {
            self.reading.complete = self.reading.usage.is_some();
            return Seen::End;
        }
        match read::<Chunk<'_>>(&event.data) {
            Ok(chunk) => self.chunk(event, &chunk),
            // Something that we do not know, from a server that goes its own way: its clients may know it.
            Err(Unread::UnknownShape) => Seen::Output { strip: None },
            Err(Unread::NoJson) => Seen::Garbage(Garbage { api: self.api, why: "an event is not JSON".to_owned() }),
        }
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    fn output(&self) -> &OutputText {
        &self.output
    }
}
