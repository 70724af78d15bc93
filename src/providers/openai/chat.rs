//! Streams of chat completions and completions.

use super::usage;
use crate::{
    model::Api,
    providers::{
        Garbage, OutputText, Reading, Seen, StreamReader, failure,
        lenient::{Text, Unread, is_given, member_range, raw, read},
        likeness::Likeness,
        mask::Key,
    },
    sse::SseEvent,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

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

impl<'a> Choice<'a> {
    /// The only text in it, if a text is all that it carries.
    fn only_text(&self) -> Option<&'a str> {
        let none = Delta::default();
        let delta = self.delta.as_ref().unwrap_or(&none);
        let calls = delta.tool_calls.is_some() || delta.function_call.is_some() || delta.audio.is_some();
        if calls || self.finish_reason.says_something() {
            return None;
        }
        let texts = [&self.text, &delta.content, &delta.refusal, &delta.reasoning_content, &delta.reasoning];
        let mut said = texts.into_iter().filter(|text| text.says_something());
        match (said.next(), said.next()) {
            (Some(Text::Plain(Cow::Borrowed(text))), None) => Some(text),
            _ => None,
        }
    }
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
    likeness: Likeness,
}

impl Reader {
    pub(super) fn new(api: Api, hide_usage: bool, key: Key) -> Self {
        let (reading, output) = (Reading::default(), OutputText::default());
        Self { api, hide_usage, key, finished: false, reading, output, likeness: Likeness::default() }
    }

    fn chunk(&mut self, event: &SseEvent, chunk: &Chunk<'_>) -> Seen {
        if let Some(error) = chunk.error.filter(|error| is_given(Some(error))) {
            return Seen::Error(failure::in_stream(error, &self.key));
        }
        let tier = self.reading.tier;
        usage::take_tier(chunk.service_tier.as_str(), &mut self.reading);
        if self.reading.tier != tier {
            // What was learned before would tell of another tier.
            self.likeness = Likeness::default();
        }
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
        if !output {
            return Seen::Quiet { strip };
        }
        if let ([choice], None) = (choices, given)
            && let Some(text) = choice.only_text()
        {
            self.likeness.learn(&event.data, text, strip.as_ref());
        }
        Seen::Output { strip }
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
        if let Some((text, strip)) = self.likeness.text(&event.data) {
            self.output.push(text);
            return Seen::Output { strip };
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn event(data: String) -> SseEvent {
        let data = Bytes::from(data);
        SseEvent { raw: data.clone(), name: Bytes::new(), data_at: Some(0), has_data: true, data }
    }

    fn chunk() -> impl Strategy<Value = String> {
        let text = prop_oneof![Just("a"), Just("größer"), Just(" {\\\"x\\\":"), Just("\\n"), Just("[DONE]"), Just("")];
        let member = prop_oneof![Just("content"), Just("content"), Just("reasoning_content"), Just("refusal")];
        let usage = prop_oneof![
            Just(""),
            Just(",\"usage\":null"),
            Just(",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}")
        ];
        let more = prop_oneof![
            Just(""),
            Just(",\"obfuscation\":\"x\""),
            Just(",\"obfuscation\":\"yyy\""),
            Just(",\"service_tier\":\"priority\"")
        ];
        let end = prop_oneof![Just("null"), Just("null"), Just("null"), Just("\"stop\"")];
        (text, member, usage, more, end).prop_map(|(text, member, usage, more, end)| {
            format!("{{\"choices\":[{{\"index\":0,\"delta\":{{\"{member}\":\"{text}\"}},\"finish_reason\":{end}}}]{usage}{more}}}")
        })
    }

    proptest! {
        /// What was learned of the events before changes nothing of what an event is: each is told as a reader tells it that
        /// never saw another one.
        #[test]
        fn an_event_is_the_same_to_a_reader_that_knows_its_like(chunks in prop::collection::vec(chunk(), 1..24), hide: bool) {
            let reader = || Reader::new(Api::ChatCompletions, hide, Key::new(None));
            let (mut all, mut texts) = (reader(), OutputText::default());
            for chunk in chunks {
                let (event, mut one) = (event(chunk), reader());
                let seen = all.event(&event);
                prop_assert_eq!(format!("{seen:?}"), format!("{:?}", one.event(&event)));
                texts.push(one.output().text());
                prop_assert_eq!(all.output().text(), texts.text());
                if one.reading().tier.is_some() {
                    prop_assert_eq!(all.reading().tier, one.reading().tier);
                }
            }
        }
    }
}
