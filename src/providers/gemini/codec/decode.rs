//! Answers: streams and whole ones, which are of the same shape.

use super::{
    API, JSON_ANSWER, MAKER,
    ending::{Fault, is_spoilt, reason},
};
use crate::{
    model::{ChatEvent, Citation, Finish, Listener, Seal},
    providers::{
        Garbage, Reading, UpstreamError,
        codec::{
            Decoded, MOST_CALLS, MOST_CHOICES, StreamDecoder, TOO_MANY_CALLS, TOO_MANY_CHOICES, finish_with_calls,
        },
        failure,
        gemini::usage::{Figures, Known},
        lenient::{Text, Unread, is_given, raw, read},
        mask::Key,
    },
    sse::SseEvent,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A piece of an answer, or a whole one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default)]
    prompt_feedback: Option<Feedback<'a>>,
    #[serde(borrow, default)]
    usage_metadata: Option<Figures<'a>>,
    #[serde(borrow, default)]
    response_id: Text<'a>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow)]
    block_reason: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    finish_reason: Text<'a>,
    #[serde(borrow)]
    grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    citation_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs_result: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

/// What the provider's own tools did (`executableCode`, `codeExecutionResult`) is no part of the answer.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    thought: Option<bool>,
    #[serde(borrow)]
    thought_signature: Text<'a>,
    #[serde(borrow)]
    function_call: Option<Call<'a>>,
    #[serde(borrow)]
    inline_data: Option<Blob<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Blob<'a> {
    #[serde(borrow)]
    mime_type: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Grounding<'a> {
    #[serde(borrow)]
    grounding_chunks: Option<Vec<Chunk<'a>>>,
    #[serde(borrow)]
    grounding_supports: Option<Vec<Support<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow, alias = "retrievedContext", alias = "maps")]
    web: Option<Source<'a>>,
}

/// A web page, also of a quotation.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    uri: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Support<'a> {
    grounding_chunk_indices: Option<Vec<usize>>,
    #[serde(borrow)]
    segment: Option<Segment<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Segment<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cited<'a> {
    #[serde(borrow, alias = "citationSources")]
    citations: Option<Vec<Source<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Logprobs<'a> {
    #[serde(borrow)]
    chosen_candidates: Option<Vec<Token<'a>>>,
    #[serde(borrow)]
    top_candidates: Option<Vec<Top<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Token<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Token<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    log_probability: Option<f64>,
}

/// How far an answer is.
#[derive(Default)]
struct Choice {
    index: u32,
    calls: u32,
    /// Thoughts were told that no signature has proved yet.
    thinking: bool,
    /// Something was told that is no thought.
    said: bool,
    finished: bool,
}

/// Reads a stream.
pub(super) struct Decoder {
    key: Key,
    /// The client reads the answer itself: a spoilt one is its to judge.
    passed: bool,
    known: Known,
    reading: Reading,
    begun: bool,
    choices: Vec<Choice>,
    /// Of all answers, for their ids.
    calls: u32,
}

impl Decoder {
    pub(super) fn new(key: Key) -> Self {
        let (known, reading) = (Known::default(), Reading::default());
        Self { key, passed: false, known, reading, begun: false, choices: Vec::new(), calls: 0 }
    }

    /// Reads a stream that passes through as it is.
    pub(super) fn passing(key: Key) -> Self {
        Self { passed: true, ..Self::new(key) }
    }

    /// # Errors
    ///
    /// When the answer is spoilt, or is more than is kept apart. The figures are read all the same.
    fn take(&mut self, answer: &Answer<'_>, out: &mut Listener<'_>) -> Result<(), Fault> {
        let id = answer.response_id.as_str();
        if !std::mem::replace(&mut self.begun, true) {
            out(ChatEvent::Start { id: (!id.is_empty()).then_some(Cow::Borrowed(id)) });
        }
        let mut taken = Ok(());
        for candidate in answer.candidates.iter().flatten() {
            taken = taken.and(self.candidate(candidate, id, out));
        }
        if answer.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.says_something()) {
            self.blocked(out);
        }
        self.usage(answer.usage_metadata.as_ref(), out);
        if self.passed { Ok(()) } else { taken }
    }

    fn usage(&mut self, figures: Option<&Figures<'_>>, out: &mut Listener<'_>) {
        let before = (self.reading.usage, self.reading.partial, self.reading.tier);
        if let Some(figures) = figures {
            self.known.take(figures, &mut self.reading);
        }
        self.reading.complete = self.reading.usage.is_some() && self.is_over();
        let now = (self.reading.usage, self.reading.partial, self.reading.tier);
        if let Some(usage) = now.0.or(now.1).filter(|_| now != before) {
            out(ChatEvent::Usage { usage, tier: self.reading.tier });
        }
    }

    /// Each answer that began is over.
    fn is_over(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished)
    }

    /// The prompt was blocked: there is no answer.
    fn blocked(&mut self, out: &mut Listener<'_>) {
        if self.choices.is_empty() {
            self.choices.push(Choice { finished: true, ..Choice::default() });
            out(ChatEvent::Finish { choice: 0, reason: Finish::ContentFilter, stop: None });
        }
    }

    fn candidate(&mut self, candidate: &Candidate<'_>, id: &str, out: &mut Listener<'_>) -> Result<(), Fault> {
        let at = self.place(candidate.index.unwrap_or(0)).ok_or(Fault::TooMany(TOO_MANY_CHOICES))?;
        let Some(choice) = self.choices.get_mut(at).filter(|choice| !choice.finished) else { return Ok(()) };
        let mut taken = Ok(());
        for part in candidate.content.iter().flat_map(|content| &content.parts).flatten() {
            taken = taken.and(choice.part(part, id, &mut self.calls, out));
        }
        if let Some(grounding) = beside::<Grounding<'_>>(candidate.grounding_metadata) {
            grounded(choice.index, &grounding, out);
        }
        let sources = beside::<Cited<'_>>(candidate.citation_metadata).and_then(|cited| cited.citations);
        for source in sources.iter().flatten() {
            out(ChatEvent::Citation { choice: choice.index, citation: cited(source, "") });
        }
        if let Some(json) = beside::<Logprobs<'_>>(candidate.logprobs_result).as_ref().and_then(logprobs) {
            out(ChatEvent::Logprobs { choice: choice.index, json: json.into() });
        }
        let word = candidate.finish_reason.as_str();
        if !self.passed && is_spoilt(word, choice.said) {
            choice.finished = true;
            return Err(Fault::Spoilt(format!("the provider ended the answer with `{word}`")));
        }
        if let Some(reason) = reason(word) {
            choice.finished = true;
            let reason = finish_with_calls(reason, choice.calls > 0);
            out(ChatEvent::Finish { choice: choice.index, reason, stop: None });
        }
        taken
    }

    /// Where the answer of this number stands.
    fn place(&mut self, index: u32) -> Option<usize> {
        let known = self.choices.iter().position(|choice| choice.index == index);
        if known.is_none() && self.choices.len() < MOST_CHOICES {
            self.choices.push(Choice { index, ..Choice::default() });
            return Some(self.choices.len() - 1);
        }
        known
    }

    fn error(&self, error: &RawValue) -> UpstreamError {
        failure::in_stream(error, &self.key)
    }
}

impl Choice {
    fn part(&mut self, part: &Part<'_>, id: &str, calls: &mut u32, out: &mut Listener<'_>) -> Result<(), Fault> {
        let text = part.text.as_str();
        let thought = part.thought == Some(true);
        if thought && !text.is_empty() {
            self.thinking = true;
            out(ChatEvent::Reasoning { choice: self.index, text: Cow::Borrowed(text) });
        }
        // It proves the thought before the part that it stands on.
        let signature = part.thought_signature.as_str();
        if !signature.is_empty() {
            let hidden = !std::mem::take(&mut self.thinking);
            let seal = Seal { maker: MAKER.to_owned(), data: signature.to_owned(), hidden };
            out(ChatEvent::Sealed { choice: self.index, seal });
        }
        if !thought && !text.is_empty() {
            self.said = true;
            out(ChatEvent::Text { choice: self.index, text: Cow::Borrowed(text) });
        }
        if let Some(call) = &part.function_call {
            self.call(call, id, calls, out)?;
        }
        if let Some(blob) = part.inline_data.as_ref().filter(|blob| blob.data.says_something()) {
            let (media_type, base64) = (blob.mime_type.as_str().into(), blob.data.as_str().into());
            self.said = true;
            out(ChatEvent::Media { choice: self.index, media_type, base64 });
        }
        Ok(())
    }

    /// A call, which always comes whole. One without an id gets one that no other answer has.
    fn call(&mut self, call: &Call<'_>, id: &str, calls: &mut u32, out: &mut Listener<'_>) -> Result<(), Fault> {
        let (choice, number) = (self.index, self.calls);
        self.said = true;
        let json = call.args.map(RawValue::get).filter(|args| args.starts_with('{')).unwrap_or("{}");
        if call.name.as_str() == JSON_ANSWER {
            out(ChatEvent::Text { choice, text: json.into() });
            return Ok(());
        }
        if number as usize >= MOST_CALLS {
            return Err(Fault::TooMany(TOO_MANY_CALLS));
        }
        let made_up = || match id {
            "" => Cow::Owned(format!("call_{calls}")),
            id => Cow::Owned(format!("call_{id}_{calls}")),
        };
        let id = Some(call.id.as_str()).filter(|id| !id.is_empty()).map_or_else(made_up, Cow::Borrowed);
        out(ChatEvent::ToolStart { choice, call: number, id, name: call.name.as_str().into() });
        out(ChatEvent::ToolArguments { choice, call: number, json: json.into() });
        self.calls = self.calls.saturating_add(1);
        *calls = calls.saturating_add(1);
        Ok(())
    }
}

impl StreamDecoder for Decoder {
    fn event(&mut self, event: &SseEvent, out: &mut Listener<'_>) -> Decoded {
        if !event.has_data {
            return Decoded::More;
        }
        // An error may stand in an array; nothing else does.
        let data = event.data.slice_ref(unwrapped(&event.data));
        match read::<Answer<'_>>(&data) {
            Ok(Answer { error: Some(error), .. }) if is_given(Some(error)) => Decoded::Error(self.error(error)),
            Ok(answer) if data.len() == event.data.len() && !data.starts_with(b"[") => match self.take(&answer, out) {
                Ok(()) => Decoded::More,
                Err(Fault::Spoilt(message)) => Decoded::Error(UpstreamError { status: 502, message }),
                Err(Fault::TooMany(why)) => Decoded::Garbage(garbage(why)),
            },
            // A piece of the answer that cannot be told would be lost in silence.
            Ok(_) | Err(Unread::UnknownShape) => Decoded::Odd(garbage("an event has an unknown shape")),
            Err(Unread::NoJson) => Decoded::Garbage(garbage("an event is not JSON")),
        }
    }

    fn may_end(&self) -> bool {
        self.is_over()
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }
}

/// Reads an answer that came whole.
pub(super) fn whole(body: &[u8], mut decoder: Decoder, out: &mut Listener<'_>) -> Result<Reading, Garbage> {
    // An array would be read as the members in their order.
    let object = Some(body).filter(|body| body.trim_ascii_start().starts_with(b"{"));
    let answer = object.and_then(|body| serde_json::from_slice::<Answer<'_>>(body).ok());
    let answer = answer.ok_or_else(|| garbage("it is no answer"))?;
    if is_given(answer.error) {
        return Err(garbage("it is an error"));
    }
    if answer.candidates.as_ref().is_none_or(Vec::is_empty) && answer.prompt_feedback.is_none() {
        return Err(garbage("`candidates` is missing"));
    }
    decoder.take(&answer, out).map_err(|fault| match fault {
        Fault::Spoilt(message) => garbage(&message),
        Fault::TooMany(why) => garbage(why),
    })?;
    for choice in decoder.choices.iter().filter(|choice| !choice.finished) {
        let reason = finish_with_calls(Finish::Stop, choice.calls > 0);
        out(ChatEvent::Finish { choice: choice.index, reason, stop: None });
    }
    decoder.reading.complete = decoder.reading.usage.is_some();
    Ok(decoder.reading)
}

/// The first thing in an array, as errors of calls that stream stand in one; else `body` as it is.
pub(in crate::providers) fn unwrapped(body: &[u8]) -> &[u8] {
    let trimmed = body.trim_ascii();
    match trimmed.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
        Some(inside) => {
            let mut values = serde_json::Deserializer::from_slice(inside).into_iter::<&RawValue>();
            values.next().and_then(Result::ok).map_or(body, |first| first.get().as_bytes())
        }
        None => body,
    }
}

/// What stands beside the text; nothing if it is of an unknown shape, so that no text is lost for its sake.
fn beside<'a, T: Deserialize<'a>>(member: Option<&'a RawValue>) -> Option<T> {
    member.and_then(|member| serde_json::from_str(member.get()).ok())
}

fn garbage(why: &str) -> Garbage {
    Garbage { api: API, why: why.to_owned() }
}

/// Sources of the text: each with the words that it supports, or all of them where no words are told.
fn grounded(choice: u32, grounding: &Grounding<'_>, out: &mut Listener<'_>) {
    let chunks = grounding.grounding_chunks.as_deref().unwrap_or_default();
    let supports = grounding.grounding_supports.as_deref().unwrap_or_default();
    for support in supports {
        let quote = support.segment.as_ref().map_or("", |segment| segment.text.as_str());
        let indices = support.grounding_chunk_indices.iter().flatten();
        for source in indices.filter_map(|index| chunks.get(*index)?.web.as_ref()) {
            out(ChatEvent::Citation { choice, citation: cited(source, quote) });
        }
    }
    if supports.is_empty() {
        for source in chunks.iter().filter_map(|chunk| chunk.web.as_ref()) {
            out(ChatEvent::Citation { choice, citation: cited(source, "") });
        }
    }
}

fn cited(source: &Source<'_>, quote: &str) -> Citation {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Citation { url: some(source.uri.as_str()), title: some(source.title.as_str()), quote: some(quote), document: None }
}

/// Log probabilities in OpenAI's words.
fn logprobs(result: &Logprobs<'_>) -> Option<String> {
    #[derive(Serialize)]
    struct Chosen<'a> {
        #[serde(flatten)]
        token: Weighed<'a>,
        top_logprobs: Vec<Weighed<'a>>,
    }
    #[derive(Serialize)]
    struct Weighed<'a> {
        token: &'a str,
        logprob: f64,
        bytes: &'a [u8],
    }
    fn weighed<'a>(token: &'a Token<'_>) -> Weighed<'a> {
        let text = token.token.as_str();
        Weighed { token: text, logprob: token.log_probability.unwrap_or(0.0), bytes: text.as_bytes() }
    }
    let chosen = result.chosen_candidates.as_deref().filter(|chosen| !chosen.is_empty())?;
    let tops = result.top_candidates.as_deref().unwrap_or_default();
    let content = chosen.iter().enumerate().map(|(at, token)| {
        let top = tops.get(at).and_then(|top| top.candidates.as_deref()).unwrap_or_default();
        Chosen { token: weighed(token), top_logprobs: top.iter().map(weighed).collect() }
    });
    serde_json::to_string(&content.collect::<Vec<_>>()).ok()
}
