//! Translation: a conversation to an API's request, and its answer back. One codec an API, whoever runs it.

use super::{Garbage, OutputText, Reading, Seen, StreamReader, UpstreamError};
use crate::{
    model::{Api, Carry, Chat, ChatEvent, Content, Feature, Finish, Listener, Part, Source, ToolChoice, Use},
    sse::SseEvent,
};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Speaks one API for clients of other dialects. Pure: no I/O, no state between requests.
pub trait Codec: Send + Sync + fmt::Debug {
    /// The API's name, for the matrix and for messages: `chat completions`.
    fn api(&self) -> &'static str;

    /// The client's API that it is too, if it is one.
    fn native(&self) -> Option<Api> {
        None
    }

    /// Whose seals ([`crate::model::Seal`]) it understands.
    fn maker(&self) -> &'static str;

    /// What becomes of `feature` at the model of this name. What is not carried is left out by [`Codec::encode`], which
    /// does not tell.
    fn carries(&self, feature: Feature, model: &str) -> Carry;

    /// What of `chat.uses` [`Codec::encode`] leaves out for `goal` though the model could carry it: what something else
    /// in the conversation excludes, or what this one value has no word for.
    fn leaves_out(&self, _chat: &Chat, _goal: &Goal<'_>) -> Vec<Use> {
        Vec::new()
    }

    /// What of `chat.uses` [`Codec::encode`] says to `goal` with another value: the nearest one that the API takes. It is
    /// told like a hint, never refused.
    fn clamps(&self, _chat: &Chat, _goal: &Goal<'_>) -> Vec<Use> {
        Vec::new()
    }

    /// The least cap on the output that the API takes; [`Codec::encode`] raises a lower one to it.
    fn least_output(&self) -> u64 {
        0
    }

    /// The body of the request.
    fn encode(&self, chat: &Chat, to: &Goal<'_>) -> Bytes;

    /// Reads one stream.
    fn decoder(&self) -> Box<dyn StreamDecoder>;

    /// Reads an answer that came whole, telling `out` what it says.
    ///
    /// # Errors
    ///
    /// [`Garbage`] when the body is no answer of this API.
    fn decode_whole(&self, body: &[u8], out: &mut Listener<'_>) -> Result<Reading, Garbage>;

    /// How a stream's events are framed.
    fn framing(&self) -> Framing {
        Framing::Sse
    }
}

/// How a stream of an API is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// `application/vnd.amazon.eventstream`.
    Aws,
}

/// What a request is encoded for.
#[derive(Debug, Clone, Copy)]
pub struct Goal<'a> {
    /// The model's name at the target.
    pub model: &'a str,
    /// The gateway's own cap on the output of each answer: the lower one of it and the client's goes up.
    pub cap: Option<u64>,
    /// Most output that the target gives, where known; for APIs that must be told a cap.
    pub most_output: Option<u64>,
}

impl Goal<'_> {
    /// The cap that goes up: the lower one of the client's and the gateway's, and not more than the target gives, which
    /// means the same and which some refuse: clients that must send a cap send that of their own maker's models.
    pub fn output_cap(&self, chat: &Chat) -> Option<u64> {
        let asked = [chat.max_output_tokens, self.cap].into_iter().flatten().min();
        asked.map(|asked| self.most_output.map_or(asked, |most| asked.min(most)))
    }
}

/// Answers of a request that are told apart; one that has more is not read.
pub(super) const MOST_CHOICES: usize = 128;

/// Why more of them are not read.
pub(super) const TOO_MANY_CHOICES: &str = "it has more than 128 choices";

/// Tool calls of one answer; one that has more is not read.
pub(super) const MOST_CALLS: usize = 1_024;

/// Why more of them are not read.
pub(super) const TOO_MANY_CALLS: &str = "an answer has more than 1024 tool calls";

/// Items or blocks of one answer that are kept apart; one that has more is not read.
pub(super) const MOST_ITEMS: usize = 4_096;

/// Why more of them are not read.
pub(super) const TOO_MANY_ITEMS: &str = "an answer has more than 4096 pieces of output";

/// Reads the events of one stream, in order.
pub trait StreamDecoder: Send {
    /// Takes `event`, telling `out` what it says.
    fn event(&mut self, event: &SseEvent, out: &mut Listener<'_>) -> Decoded;

    /// Whether the body may end here: of APIs without an end marker.
    fn may_end(&self) -> bool {
        false
    }

    /// Figures reported so far.
    fn reading(&self) -> &Reading;
}

/// What an event was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A part of the answer, or nothing that matters.
    More,
    /// The API's end marker.
    End,
    /// The provider reports an error.
    Error(UpstreamError),
    /// No event of this API.
    Garbage(Garbage),
    /// JSON of a shape that the decoder does not know: garbage to who translates, for a piece of the answer may be lost;
    /// output to who passes it through.
    Odd(Garbage),
}

/// What of `chat` an API cannot say: what must be refused, and what may be dropped as long as it is told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Gaps {
    /// Without these the answer would mean something else.
    pub unsupported: Vec<Use>,
    /// Paths of what makes no difference to the meaning.
    pub hints: Vec<String>,
}

/// What of `chat` the API of `codec` cannot say to `goal.model`. Thinking that the model could do but this request has no
/// room for is told like a hint: a budget that does not fit must not make a request fail.
pub fn gaps(codec: &dyn Codec, chat: &Chat, goal: &Goal<'_>) -> Gaps {
    let left_out = codec.leaves_out(chat, goal);
    let clamped = codec.clamps(chat, goal);
    // A request may note as many uses as it has parts.
    let left_out: HashSet<_> = left_out.iter().map(|used| (used.feature, &*used.path)).collect();
    let mut gaps = Gaps::default();
    for used in &chat.uses {
        let carried = codec.carries(used.feature, goal.model) != Carry::No;
        match (carried, left_out.contains(&(used.feature, &*used.path))) {
            (true, false) if clamped.contains(used) => gaps.hints.push(used.path.clone()),
            (true, false) => {}
            (true, true) if used.feature == Feature::ReasoningEffort => gaps.hints.push(used.path.clone()),
            // Who must call this one tool is asked for one call; LangChain says so of each structured output.
            _ if used.feature == Feature::ParallelToolControl && forces_one(chat) => {
                gaps.hints.push(used.path.clone());
            }
            _ if used.feature.is_hint() => gaps.hints.push(used.path.clone()),
            _ => gaps.unsupported.push(used.clone()),
        }
    }
    gaps
}

/// What `chat` uses of `features`.
pub(super) fn uses_of(chat: &Chat, features: &[Feature]) -> Vec<Use> {
    chat.uses.iter().filter(|used| features.contains(&used.feature)).cloned().collect()
}

/// What `chat` uses of the features that are lost.
pub(super) fn uses_lost<const N: usize>(chat: &Chat, features: [(bool, Feature); N]) -> Vec<Use> {
    let lost: Vec<_> = features.into_iter().filter(|(lost, _)| *lost).map(|(_, feature)| feature).collect();
    uses_of(chat, &lost)
}

/// What `chat` uses of sampling that is sent with another value than the one asked for. `penalties`: that of frequency, that
/// of presence; the decoders' paths name them.
pub(super) fn uses_clamped(chat: &Chat, features: &[(bool, Feature)], penalties: [bool; 2]) -> Vec<Use> {
    let [frequency, presence] = penalties;
    let is_clamped = |used: &&Use| match used.feature {
        Feature::Penalties => {
            frequency && used.path.contains("frequency") || presence && used.path.contains("presence")
        }
        feature => features.contains(&(true, feature)),
    };
    chat.uses.iter().filter(is_clamped).cloned().collect()
}

/// Whether a call is asked for of a request that declares no tools: no API can be told so.
pub(super) fn forces_nothing(chat: &Chat) -> bool {
    is_forced(chat) && chat.tools.is_empty()
}

/// Whether the model must call one tool and cannot call another.
fn forces_one(chat: &Chat) -> bool {
    matches!(chat.tool_choice, Some(ToolChoice::Named(_))) || is_forced(chat) && chat.tools.len() == 1
}

/// Whether the model must call a tool.
pub(super) fn is_forced(chat: &Chat) -> bool {
    matches!(chat.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
}

/// Sounds that the API would have to fetch. Like the decoders, this goes through the parts in order.
pub(super) fn sounds_to_fetch(chat: &Chat) -> Vec<Use> {
    fn inner(part: &Part) -> &[Part] {
        match &part.content {
            Content::ToolResult(result) => &result.parts,
            _ => std::slice::from_ref(part),
        }
    }
    let parts = chat.messages.iter().flat_map(|message| &message.parts).flat_map(inner);
    let sounds = parts.filter_map(|part| match &part.content {
        Content::Audio { source } => Some(source),
        _ => None,
    });
    let uses = chat.uses.iter().filter(|used| used.feature == Feature::AudioInput);
    let pairs = uses.zip(sounds).filter(|(_, source)| !matches!(source, Source::Inline { .. }));
    pairs.map(|(used, _)| used.clone()).collect()
}

/// Meters what a decoder tells: its texts, and whether there was output.
#[derive(Debug, Default)]
pub struct Meter {
    output: OutputText,
    had_output: bool,
}

impl Meter {
    /// Takes note of `event`.
    pub fn take(&mut self, event: &ChatEvent<'_>) {
        self.had_output |= event.is_output();
        match event {
            ChatEvent::Text { text, .. } | ChatEvent::Refusal { text, .. } | ChatEvent::Reasoning { text, .. } => {
                self.output.push(text);
            }
            ChatEvent::ToolStart { name, .. } => self.output.push(name),
            ChatEvent::ToolArguments { json, .. } => self.output.push(json),
            ChatEvent::Start { .. }
            | ChatEvent::Sealed { .. }
            | ChatEvent::Citation { .. }
            | ChatEvent::Logprobs { .. }
            | ChatEvent::Media { .. }
            | ChatEvent::Finish { .. }
            | ChatEvent::Usage { .. } => {}
        }
    }

    /// Whether there was output since this was last asked.
    pub fn had_output(&mut self) -> bool {
        std::mem::take(&mut self.had_output)
    }

    /// The output text seen so far.
    pub fn output(&self) -> &OutputText {
        &self.output
    }

    /// The output text of an answer that is over.
    pub fn into_output(self) -> OutputText {
        self.output
    }
}

/// Reads a stream that passes through as it is, with a decoder: for APIs that have no reader of their own.
pub struct Metered {
    decoder: Box<dyn StreamDecoder>,
    meter: Meter,
}

impl Metered {
    /// Reads with `decoder`.
    pub fn new(decoder: Box<dyn StreamDecoder>) -> Self {
        Self { decoder, meter: Meter::default() }
    }
}

impl StreamReader for Metered {
    fn event(&mut self, event: &SseEvent) -> Seen {
        let Self { decoder, meter } = self;
        match decoder.event(event, &mut |event| meter.take(&event)) {
            Decoded::More if meter.had_output() => Seen::Output { strip: None },
            Decoded::Odd(_) => Seen::Output { strip: None },
            Decoded::More => Seen::Quiet { strip: None },
            Decoded::End => Seen::End,
            Decoded::Error(error) => Seen::Error(error),
            Decoded::Garbage(garbage) => Seen::Garbage(garbage),
        }
    }

    fn reading(&self) -> &Reading {
        self.decoder.reading()
    }

    fn output(&self) -> &OutputText {
        self.meter.output()
    }

    fn may_end(&self) -> bool {
        self.decoder.may_end()
    }
}

/// Tells that the next call of an answer begins, after so many `calls`; its number. A call without an id gets one. `None`:
/// there are more than are kept apart.
pub(super) fn begin_call(calls: &mut u32, id: &str, name: &str, out: &mut Listener<'_>) -> Option<u32> {
    let call = *calls;
    if call as usize >= MOST_CALLS {
        return None;
    }
    *calls = call.saturating_add(1);
    let id = if id.is_empty() { Cow::Owned(format!("call_{call}")) } else { Cow::Borrowed(id) };
    out(ChatEvent::ToolStart { choice: 0, call, id, name: name.into() });
    Some(call)
}

/// Why an answer was over, where tools were called but the API says `stop`.
pub fn finish_with_calls(reason: Finish, called: bool) -> Finish {
    if called && reason == Finish::Stop { Finish::ToolCalls } else { reason }
}
