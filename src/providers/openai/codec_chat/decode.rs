//! A chat completion as events (<https://platform.openai.com/docs/api-reference/chat/object>,
//! <https://platform.openai.com/docs/api-reference/chat-streaming>).

use super::calls::Calls;
use super::shape::{Annotation, Audio, Choice, Chunk, Delta, Image, Logprobs, Piece, Said, inside};
use crate::{
    model::{Api, ChatEvent, Citation, Finish, Listener},
    providers::{
        Garbage, Reading, UpstreamError,
        codec::{Decoded, MOST_CHOICES, StreamDecoder, TOO_MANY_CALLS, TOO_MANY_CHOICES, finish_with_calls},
        failure,
        lenient::{Text, Unread, is_given, read},
        mask::Key,
        openai::usage,
    },
    sse::SseEvent,
};

/// Reads an answer that came whole.
pub(super) fn whole(body: &[u8], key: &Key, out: &mut Listener<'_>) -> Result<Reading, Garbage> {
    let chunk: Chunk<'_> = serde_json::from_slice(body).map_err(|_| garbage("it is no JSON object of this API"))?;
    if chunk.choices.is_none() {
        let error = is_given(chunk.error);
        return Err(garbage(if error { "it is an error" } else { "`choices` is missing" }));
    }
    let mut decoder = Decoder { whole: true, ..Decoder::new(key.clone()) };
    match decoder.chunk(chunk, out) {
        Decoded::Error(_) => return Err(garbage("it is an error")),
        Decoded::Garbage(garbage) => return Err(garbage),
        _ => {}
    }
    decoder.end(out);
    Ok(decoder.reading)
}

fn garbage(why: &str) -> Garbage {
    Garbage { api: Api::ChatCompletions, why: why.to_owned() }
}

/// Reads one stream.
pub(super) struct Decoder {
    key: Key,
    /// Of an answer that came whole.
    whole: bool,
    started: bool,
    reading: Reading,
    answers: Vec<Answer>,
}

/// One of the answers to a request.
#[derive(Debug, Default)]
struct Answer {
    choice: u32,
    calls: Calls,
    /// Told at the end only: some servers go on after it, or say it with each chunk.
    finish: Option<(Finish, Option<String>)>,
    over: bool,
}

impl Decoder {
    pub(super) fn new(key: Key) -> Self {
        Self { key, whole: false, started: false, reading: Reading::default(), answers: Vec::new() }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, out: &mut Listener<'_>) -> Decoded {
        if let Some(error) = chunk.error.filter(|error| is_given(Some(error))) {
            return Decoded::Error(failure::in_stream(error, &self.key));
        }
        usage::take_tier(chunk.service_tier.as_str(), &mut self.reading);
        let choices = chunk.choices.unwrap_or_default();
        let last = choices.is_empty();
        if !last {
            self.start(&chunk.id, out);
        }
        for (at, choice) in choices.into_iter().enumerate() {
            if let Err(fault) = self.choice(at, choice, out) {
                return fault;
            }
        }
        if let Some(given) = chunk.usage.filter(|usage| is_given(Some(usage))) {
            usage::take(Api::ChatCompletions, given, &mut self.reading);
            let finished = self.answers.iter().any(|answer| answer.finish.is_some());
            self.reading.complete = self.reading.usage.is_some() && (last || finished);
            if last || self.whole {
                self.start(&chunk.id, out);
                self.finish(false, out);
            }
            if let Some(usage) = self.reading.usage.or(self.reading.partial) {
                out(ChatEvent::Usage { usage, tier: self.reading.tier });
            }
        }
        Decoded::More
    }

    fn start(&mut self, id: &Text<'_>, out: &mut Listener<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            let id = Some(id.as_str()).filter(|id| !id.is_empty()).map(Into::into);
            out(ChatEvent::Start { id });
        }
    }

    /// Tells what one choice carries. It is known by its number, or by where it stands.
    ///
    /// # Errors
    ///
    /// When the choice ended because the server failed, or there is too much to keep apart.
    fn choice(&mut self, at: usize, from: Choice<'_>, out: &mut Listener<'_>) -> Result<(), Decoded> {
        let number = from.index.0.or_else(|| u32::try_from(at).ok()).unwrap_or_default();
        let known = self.answers.iter().position(|answer| answer.choice == number);
        if known.is_none() && self.answers.len() >= MOST_CHOICES {
            return Err(Decoded::Garbage(garbage(TOO_MANY_CHOICES)));
        }
        let at = known.unwrap_or_else(|| {
            self.answers.push(Answer { choice: number, ..Answer::default() });
            self.answers.len() - 1
        });
        let whole = self.whole;
        let Some(answer) = self.answers.get_mut(at).filter(|answer| !answer.over) else { return Ok(()) };
        if let Some(delta) = from.delta.or(from.message) {
            answer.delta(delta, whole, out).map_err(Decoded::Garbage)?;
        }
        let logprobs = inside::<Logprobs<'_>>(from.logprobs).and_then(|logprobs| logprobs.content);
        if let Some(list) = logprobs.map(|list| list.get()).filter(|list| list.starts_with('[') && *list != "[]") {
            out(ChatEvent::Logprobs { choice: number, json: list.into() });
        }
        if from.finish_reason.says_something() {
            let reason = reason(from.finish_reason.as_str(), &from.stop_reason);
            answer.finish = Some(reason.map_err(Decoded::Error)?);
        }
        Ok(())
    }

    /// Ends the answers that said that they are over; `all`: also those that did not.
    fn finish(&mut self, all: bool, out: &mut Listener<'_>) {
        for answer in self.answers.iter_mut().filter(|answer| !answer.over) {
            let unsaid = all.then_some((Finish::Stop, None));
            let Some((reason, stop)) = answer.finish.take().or(unsaid) else { continue };
            answer.over = true;
            let reason = match finish_with_calls(reason, answer.calls.any()) {
                Finish::ToolCalls if !answer.calls.any() => Finish::Stop,
                reason => reason,
            };
            out(ChatEvent::Finish { choice: answer.choice, reason, stop: stop.map(Into::into) });
        }
    }

    /// The end of the body: each answer is told to be over.
    fn end(&mut self, out: &mut Listener<'_>) {
        self.start(&Text::Absent, out);
        if self.answers.is_empty() {
            self.answers.push(Answer::default());
        }
        self.finish(true, out);
        self.reading.complete = self.reading.usage.is_some();
    }
}

impl Answer {
    /// # Errors
    ///
    /// When it calls too many tools.
    fn delta(&mut self, delta: Delta<'_>, whole: bool, out: &mut Listener<'_>) -> Result<(), Garbage> {
        let choice = self.choice;
        // Some servers send reasoning under both names.
        if delta.reasoning != delta.reasoning_content {
            thought(choice, delta.reasoning, out);
        }
        thought(choice, delta.reasoning_content, out);
        match delta.content {
            Said::Nothing => {}
            Said::Text(text) if text.is_empty() => {}
            Said::Text(text) => out(ChatEvent::Text { choice, text }),
            Said::Parts(parts) => parts.into_iter().for_each(|part| piece(choice, part, out)),
        }
        refusal(choice, delta.refusal, out);
        for call in delta.tool_calls.iter().flatten() {
            if !self.calls.take(choice, call, whole, out) {
                return Err(garbage(TOO_MANY_CALLS));
            }
        }
        if let Some(call) = delta.function_call {
            self.calls.take_function(choice, call, out);
        }
        for cited in inside::<Vec<Annotation<'_>>>(delta.annotations).into_iter().flatten() {
            if let Some(cited) = cited.url_citation {
                let told = |text: Text<'_>| Some(text.as_str().to_owned()).filter(|text| !text.is_empty());
                let citation = Citation { url: told(cited.url), title: told(cited.title), ..Citation::default() };
                out(ChatEvent::Citation { choice, citation });
            }
        }
        for image in inside::<Vec<Image<'_>>>(delta.images).into_iter().flatten() {
            let url = image.image_url.unwrap_or_default().url;
            if let Some((media_type, base64)) =
                url.as_str().strip_prefix("data:").and_then(|at| at.split_once(";base64,"))
            {
                out(ChatEvent::Media { choice, media_type: media_type.into(), base64: base64.into() });
            }
        }
        if let Some(audio) = inside::<Audio<'_>>(delta.audio) {
            said(choice, audio.transcript, out);
            if !audio.data.as_str().is_empty() {
                // Streams are sent as bare samples only.
                let media_type = if whole { "audio/wav" } else { "audio/pcm" };
                out(ChatEvent::Media { choice, media_type: media_type.into(), base64: audio.data.as_str().into() });
            }
        }
        Ok(())
    }
}

fn said(choice: u32, text: Text<'_>, out: &mut Listener<'_>) {
    if let Text::Plain(text) = text
        && !text.is_empty()
    {
        out(ChatEvent::Text { choice, text });
    }
}

fn thought(choice: u32, text: Text<'_>, out: &mut Listener<'_>) {
    if let Text::Plain(text) = text
        && !text.is_empty()
    {
        out(ChatEvent::Reasoning { choice, text });
    }
}

fn refusal(choice: u32, text: Text<'_>, out: &mut Listener<'_>) {
    if let Text::Plain(text) = text
        && !text.is_empty()
    {
        out(ChatEvent::Refusal { choice, text });
    }
}

/// A part of the content: text, a refusal or a thought (<https://docs.mistral.ai/capabilities/reasoning>).
fn piece(choice: u32, part: Piece<'_>, out: &mut Listener<'_>) {
    match part.thinking {
        Said::Nothing => {}
        Said::Text(text) => thought(choice, Text::Plain(text), out),
        Said::Parts(parts) => parts.into_iter().for_each(|part| thought(choice, part.text, out)),
    }
    said(choice, part.text, out);
    refusal(choice, part.refusal, out);
}

/// Why an answer is over, and the stop sequence that ended it.
///
/// # Errors
///
/// When the word means that the server failed (OpenRouter's and Mistral's `error`, DeepSeek's
/// `insufficient_system_resource`, vLLM's `abort`).
fn reason(word: &str, stop: &Text<'_>) -> Result<(Finish, Option<String>), UpstreamError> {
    let failed = |status, message: &str| Err(UpstreamError { status, message: message.to_owned() });
    let reason = match word {
        "length" | "max_tokens" => Finish::Length,
        "model_length" => Finish::ContextWindow,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" | "safety" => Finish::ContentFilter,
        "error" | "abort" => return failed(502, "the provider broke the answer off"),
        "insufficient_system_resource" => return failed(503, "the provider ran out of resources"),
        _ => match stop.as_str() {
            "" => Finish::Stop,
            sequence => return Ok((Finish::StopSequence, Some(sequence.to_owned()))),
        },
    };
    Ok((reason, None))
}

impl StreamDecoder for Decoder {
    fn event(&mut self, event: &SseEvent, out: &mut Listener<'_>) -> Decoded {
        if !event.has_data {
            return Decoded::More;
        }
        if event.data.trim_ascii() == b"[DONE]" {
            self.end(out);
            return Decoded::End;
        }
        match read::<Chunk<'_>>(&event.data) {
            Ok(chunk) => self.chunk(chunk, out),
            // A piece of the answer that cannot be told would be lost in silence.
            Err(Unread::UnknownShape) => Decoded::Garbage(garbage("an event has an unknown shape")),
            Err(Unread::NoJson) => Decoded::Garbage(garbage("an event is not JSON")),
        }
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }
}
