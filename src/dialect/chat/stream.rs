//! Answers as a stream of `chat.completion.chunk`s.

use super::wire::{
    Annotation, Cited, Detail, Image, Logprobs, Thought, UsageBody, finish_word, free_forms, no_arguments,
    speaks_of_functions, tier_word,
};
use crate::{
    dialect::{About, AnswerEncoder, free_form::Unwrapping, line},
    model::{ChatEvent, Finish, Usage},
};
use bytes::BytesMut;
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;

/// Writes a stream: each event is a chunk. The first chunk of each choice has its role and nothing else, for there are
/// clients that look at nothing else in it.
pub(in crate::dialect) struct Stream {
    head: Head,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

/// What all chunks repeat.
struct Head {
    id: String,
    created: u64,
    model: Arc<str>,
    tier: Option<&'static str>,
    /// The usage chunk was asked for: then the other chunks have `"usage": null`.
    include_usage: bool,
    /// Calls are told as `function_call`.
    functions: bool,
    /// Tools whose calls are told as `custom`.
    free: HashSet<String>,
}

/// How far an answer is.
#[derive(Default)]
struct Choice {
    index: u32,
    finished: bool,
    called: bool,
    /// Calls whose arguments have not begun.
    bare: Vec<u32>,
    /// Calls of free-form tools.
    free: Vec<(u32, Unwrapping)>,
    thought: Thought,
    cited: Cited,
    annotations: u32,
    images: u32,
    spoke: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    choices: &'a [ChunkChoice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// `Some(None)`: `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<&'a [Detail]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionDelta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<[Annotation; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<[Image<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<AudioDelta<'a>>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<FunctionDelta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<CustomDelta<'a>>,
}

#[derive(Serialize)]
struct CustomDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    input: &'a str,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// What stands once stands in the first one only: SDKs join the deltas.
#[derive(Serialize)]
struct AudioDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

const DONE: &[u8] = b"data: [DONE]\n\n";

impl Stream {
    pub(in crate::dialect) fn new(about: &About) -> Self {
        let head = Head {
            id: format!("chatcmpl-{}", about.id),
            created: about.created_s,
            model: Arc::clone(&about.model),
            tier: None,
            include_usage: about.include_usage,
            functions: speaks_of_functions(&about.request),
            free: free_forms(&about.request),
        };
        Self { head, choices: Vec::with_capacity(1), usage: None }
    }
}

impl AnswerEncoder for Stream {
    fn event(&mut self, event: &ChatEvent<'_>, out: &mut BytesMut) {
        let Self { head, choices, usage } = self;
        match event {
            ChatEvent::Start { .. } => {}
            ChatEvent::Usage { usage: used, tier } => {
                *usage = Some(*used);
                head.tier = tier.map(tier_word).or(head.tier);
            }
            ChatEvent::Text { choice, text } => {
                let choice = begun(choices, *choice, Some(""), head, out);
                choice.thought.over();
                choice.cited.text(text);
                head.delta(choice.index, Delta { content: Some(Some(text)), ..Delta::default() }, out);
            }
            ChatEvent::Refusal { choice, text } => {
                let choice = begun(choices, *choice, None, head, out);
                choice.thought.over();
                head.delta(choice.index, Delta { refusal: Some(text), ..Delta::default() }, out);
            }
            ChatEvent::Reasoning { choice, text } => {
                let choice = begun(choices, *choice, None, head, out);
                choice.thought.push(text);
                head.delta(choice.index, Delta { reasoning_content: Some(text), ..Delta::default() }, out);
            }
            ChatEvent::Sealed { choice, seal } => {
                let choice = begun(choices, *choice, None, head, out);
                let details = choice.thought.sealed(seal);
                head.delta(choice.index, Delta { reasoning_details: Some(&details), ..Delta::default() }, out);
            }
            ChatEvent::ToolStart { choice, call, id, name } => {
                begun(choices, *choice, None, head, out).call(*call, id, name, head, out);
            }
            ChatEvent::ToolArguments { choice, call, json } => {
                begun(choices, *choice, None, head, out).arguments(*call, json, head, out);
            }
            ChatEvent::Citation { choice, citation } => {
                let choice = begun(choices, *choice, None, head, out);
                if let Some(mut annotation) = choice.cited.source(citation) {
                    annotation.index = Some(choice.annotations);
                    choice.annotations = choice.annotations.saturating_add(1);
                    head.delta(choice.index, Delta { annotations: Some([annotation]), ..Delta::default() }, out);
                }
            }
            ChatEvent::Logprobs { choice, json } => {
                let choice = begun(choices, *choice, Some(""), head, out);
                if let Ok(content) = serde_json::from_str(json) {
                    let logprobs = Some(Logprobs { content, refusal: None });
                    let delta = Delta { content: Some(Some("")), ..Delta::default() };
                    head.chunk(ChunkChoice { index: choice.index, delta, logprobs, finish_reason: None }, out);
                }
            }
            ChatEvent::Media { choice, media_type, base64 } => {
                begun(choices, *choice, None, head, out).media(media_type, base64, head, out);
            }
            ChatEvent::Finish { choice, reason, .. } => {
                begun(choices, *choice, Some(""), head, out).finish(*reason, head, out);
            }
        }
    }

    fn end(&mut self, out: &mut BytesMut) -> usize {
        let Self { head, choices, usage } = self;
        if choices.is_empty() {
            begun(choices, 0, Some(""), head, out);
        }
        for choice in choices.iter_mut() {
            let reason = if choice.called { Finish::ToolCalls } else { Finish::Stop };
            choice.finish(reason, head, out);
        }
        if let Some(usage) = usage.filter(|_| head.include_usage) {
            head.write(&[], Some(UsageBody::from(usage)), out);
        }
        out.extend_from_slice(DONE);
        DONE.len()
    }
}

/// The choice of this number; where it is new, its first chunk is written, with `content`.
fn begun<'c>(
    choices: &'c mut Vec<Choice>,
    index: u32,
    content: Option<&'static str>,
    head: &Head,
    out: &mut BytesMut,
) -> &'c mut Choice {
    let at = choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
        let delta = Delta { role: Some("assistant"), content: Some(content), ..Delta::default() };
        head.delta(index, delta, out);
        choices.push(Choice { index, ..Choice::default() });
        choices.len() - 1
    });
    &mut choices[at]
}

impl Choice {
    fn call(&mut self, call: u32, id: &str, name: &str, head: &Head, out: &mut BytesMut) {
        self.thought.over();
        self.called = true;
        if head.free.contains(name) {
            self.free.push((call, Unwrapping::default()));
            return self.custom(call, Some((id, name)), "", head, out);
        }
        self.bare.push(call);
        self.function(call, Some((id, name)), "", head, out);
    }

    fn arguments(&mut self, call: u32, json: &str, head: &Head, out: &mut BytesMut) {
        if let Some((_, unwrapping)) = self.free.iter_mut().find(|(free, _)| *free == call) {
            let text = unwrapping.push(json);
            return self.custom(call, None, &text, head, out);
        }
        if let Some(at) = self.bare.iter().position(|bare| *bare == call) {
            self.bare.swap_remove(at);
        }
        self.function(call, None, json, head, out);
    }

    /// A call's beginning, with id and name, or a piece of its arguments.
    fn function(&self, call: u32, named: Option<(&str, &str)>, arguments: &str, head: &Head, out: &mut BytesMut) {
        let function = FunctionDelta { name: named.map(|(_, name)| name), arguments };
        let delta = if head.functions {
            if call > 0 {
                return; // the decoder asked for one call at most, and there is no place for a second
            }
            Delta { function_call: Some(function), ..Delta::default() }
        } else {
            let (id, r#type) = (named.map(|(id, _)| id), named.map(|_| "function"));
            let call = CallDelta { index: call, id, r#type, function: Some(function), custom: None };
            Delta { tool_calls: Some([call]), ..Delta::default() }
        };
        head.delta(self.index, delta, out);
    }

    /// The same of a free-form tool.
    fn custom(&self, call: u32, named: Option<(&str, &str)>, input: &str, head: &Head, out: &mut BytesMut) {
        if named.is_none() && input.is_empty() {
            return;
        }
        let custom = Some(CustomDelta { name: named.map(|(_, name)| name), input });
        let (id, r#type) = (named.map(|(id, _)| id), named.map(|_| "custom"));
        let call = CallDelta { index: call, id, r#type, function: None, custom };
        head.delta(self.index, Delta { tool_calls: Some([call]), ..Delta::default() }, out);
    }

    fn media(&mut self, media_type: &str, base64: &str, head: &Head, out: &mut BytesMut) {
        let delta = if media_type.starts_with("audio/") {
            let first = !std::mem::replace(&mut self.spoke, true);
            let audio = AudioDelta {
                id: first.then_some(&head.id),
                data: base64,
                transcript: first.then_some(""),
                expires_at: first.then_some(head.created),
            };
            Delta { audio: Some(audio), ..Delta::default() }
        } else {
            let image = Image::new(media_type, base64, Some(self.images));
            self.images = self.images.saturating_add(1);
            Delta { images: Some([image]), ..Delta::default() }
        };
        head.delta(self.index, delta, out);
    }

    /// The answer is over, however often that is told.
    fn finish(&mut self, reason: Finish, head: &Head, out: &mut BytesMut) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        for (call, mut unwrapping) in std::mem::take(&mut self.free) {
            self.custom(call, None, &unwrapping.rest(), head, out);
        }
        let arguments = no_arguments(reason);
        for call in std::mem::take(&mut self.bare).into_iter().filter(|_| !arguments.is_empty()) {
            self.function(call, None, arguments, head, out);
        }
        let word = if head.functions && reason == Finish::ToolCalls { "function_call" } else { finish_word(reason) };
        let (delta, finish_reason) = (Delta::default(), Some(word));
        head.chunk(ChunkChoice { index: self.index, delta, logprobs: None, finish_reason }, out);
    }
}

impl Head {
    fn delta(&self, index: u32, delta: Delta<'_>, out: &mut BytesMut) {
        self.chunk(ChunkChoice { index, delta, logprobs: None, finish_reason: None }, out);
    }

    fn chunk(&self, choice: ChunkChoice<'_>, out: &mut BytesMut) {
        self.write(&[choice], None, out);
    }

    fn write(&self, choices: &[ChunkChoice<'_>], usage: Option<UsageBody>, out: &mut BytesMut) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            service_tier: self.tier,
            choices,
            usage: self.include_usage.then_some(usage),
        };
        out.extend_from_slice(b"data: ");
        line::json(&chunk, out);
        out.extend_from_slice(b"\n\n");
    }
}
