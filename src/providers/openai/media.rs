//! Streams of pictures, speech and transcription. They end with an event of their own, and have no `[DONE]`.
//!
//! Pictures: <https://platform.openai.com/docs/api-reference/images-streaming>. Speech and transcription:
//! <https://platform.openai.com/docs/api-reference/audio>. vLLM streams transcriptions in chunks as of a chat, with
//! `[DONE]` (<https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>).

use super::usage;
use crate::{
    model::{Api, Usage},
    providers::{
        Garbage, OutputText, Reading, Seen, StreamReader, failure,
        lenient::{Text, Unread, is_given, raw, read},
        mask::Key,
    },
    sse::SseEvent,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One event. Pictures and sound are passed over.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    /// Of a transcription.
    #[serde(borrow, default)]
    delta: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    /// vLLM.
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default, deserialize_with = "raw")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
}

/// The text of a transcription that came whole as JSON.
pub(super) fn output_of_whole(body: &[u8]) -> OutputText {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, default)]
        text: Text<'a>,
    }
    let mut output = OutputText::default();
    if let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) {
        output.push(answer.text.as_str());
    }
    output
}

/// Reads such a stream.
pub(super) struct Reader {
    api: Api,
    key: Key,
    /// Answers that are still to come.
    left: u64,
    /// A transcription is told piece by piece.
    in_pieces: bool,
    /// Whether any is whole.
    one_is_whole: bool,
    reading: Reading,
    output: OutputText,
}

impl Reader {
    pub(super) fn new(api: Api, key: Key) -> Self {
        let (reading, output) = (Reading::default(), OutputText::default());
        Self { api, key, left: 1, in_pieces: false, one_is_whole: false, reading, output }
    }

    fn take(&mut self, event: &SseEvent, told: &Event<'_>) -> Seen {
        if let Some(error) = told.error.filter(|error| is_given(Some(error))) {
            return Seen::Error(failure::in_stream(error, &self.key));
        }
        // Some servers name their events by the `event:` line alone.
        let name = match told.kind.as_str() {
            "" => std::str::from_utf8(&event.name).unwrap_or_default(),
            kind => kind,
        };
        let done = name.ends_with(".done") || name.ends_with(".completed");
        if self.api.hears() {
            self.hear(told, done);
        }
        if let Some(given) = told.usage.filter(|usage| is_given(Some(usage))) {
            self.figures(given);
        }
        if !done {
            let quiet = name.is_empty() && told.choices.is_none();
            return if quiet { Seen::Quiet { strip: None } } else { Seen::Output { strip: None } };
        }
        self.one_is_whole = true;
        self.left = self.left.saturating_sub(1);
        self.reading.complete = self.reading.usage.is_some() && self.left == 0;
        if self.left == 0 { Seen::End } else { Seen::Output { strip: None } }
    }

    /// Collects the text of a transcription; segments, and the last event, say it again.
    fn hear(&mut self, told: &Event<'_>, done: bool) {
        self.in_pieces |= told.delta.says_something() || told.choices.is_some();
        let again = self.in_pieces || (done && self.output.bytes() > 0);
        let text = if again { "" } else { told.text.as_str() };
        let chunks = told.choices.iter().flatten().filter_map(|choice| choice.delta.as_ref());
        let chunks = chunks.map(|delta| delta.content.as_str());
        for piece in [told.delta.as_str(), text].into_iter().chain(chunks) {
            self.output.push(piece);
        }
    }

    /// The figures of the one answer; those of several pictures are each one's own, and are added up.
    fn figures(&mut self, given: &RawValue) {
        let before = self.reading.usage.take().filter(|_| self.one_is_whole);
        usage::take(self.api, given, &mut self.reading);
        if let (Some(before), Some(now)) = (before, self.reading.usage) {
            self.reading.usage = Some(Usage::plus(&before, &now));
        } else {
            self.reading.usage = self.reading.usage.or(before);
        }
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
        match read::<Event<'_>>(&event.data) {
            Ok(told) => self.take(event, &told),
            // Something that we do not know, from a server that goes its own way: its clients may know it.
            Err(Unread::UnknownShape) => Seen::Output { strip: None },
            Err(Unread::NoJson) => Seen::Garbage(Garbage { api: self.api, why: "an event is not JSON".to_owned() }),
        }
    }

    fn awaits(&mut self, answers: u64) {
        self.left = answers.max(1);
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    fn output(&self) -> &OutputText {
        &self.output
    }

    /// A provider that made fewer pictures than were asked for.
    fn may_end(&self) -> bool {
        self.one_is_whole
    }
}
