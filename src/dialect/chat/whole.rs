//! Answers as one `chat.completion`.

use super::wire::{
    Annotation, Cited, Detail, Image, Logprobs, Thought, UsageBody, finish_word, free_forms, no_arguments,
    speaks_of_functions, tier_word,
};
use crate::{
    dialect::{About, AnswerEncoder, free_form::Unwrapping},
    model::{ChatEvent, Finish, Usage},
};
use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Collects an answer and writes it at its end.
pub(in crate::dialect) struct Whole {
    about: About,
    /// The client speaks of `functions`.
    functions: bool,
    /// Tools whose calls are told as `custom`.
    free: HashSet<String>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    tier: Option<&'static str>,
}

/// What was said so far.
#[derive(Default)]
struct Choice {
    index: u32,
    text: String,
    refusal: String,
    reasoning: String,
    details: Vec<Detail>,
    calls: Vec<Call>,
    annotations: Vec<Annotation>,
    images: Vec<(String, String)>,
    audio: Option<String>,
    /// The elements of a JSON array, with commas between them.
    logprobs: Option<String>,
    thought: Thought,
    cited: Cited,
    finish: Option<Finish>,
}

struct Call {
    number: u32,
    id: String,
    name: String,
    arguments: String,
    /// It is one of a free-form tool.
    free: bool,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<CompletionChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct CompletionChoice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasoning_details: &'a [Detail],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Function<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    annotations: &'a [Annotation],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Audio<'a>>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Custom<'a>>,
}

#[derive(Serialize)]
struct Custom<'a> {
    name: &'a str,
    input: String,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Nothing is kept under its id, so that it is expired as soon as it is told.
#[derive(Serialize)]
struct Audio<'a> {
    id: &'a str,
    data: &'a str,
    expires_at: u64,
    transcript: &'static str,
}

impl Whole {
    /// Lets go of the request, which may be large.
    pub(in crate::dialect) fn new(mut about: About) -> Self {
        let request = std::mem::take(&mut about.request);
        let (functions, free) = (speaks_of_functions(&request), free_forms(&request));
        Self { about, functions, free, choices: Vec::new(), usage: None, tier: None }
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = self.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            self.choices.push(Choice { index, ..Choice::default() });
            self.choices.len() - 1
        });
        &mut self.choices[at]
    }
}

impl AnswerEncoder for Whole {
    fn event(&mut self, event: &ChatEvent<'_>, _: &mut BytesMut) {
        match event {
            ChatEvent::Start { .. } => {}
            ChatEvent::Usage { usage, tier } => {
                self.usage = Some(*usage);
                self.tier = tier.map(tier_word).or(self.tier);
            }
            ChatEvent::Text { choice, text } => self.choice(*choice).text(text),
            ChatEvent::Refusal { choice, text } => {
                let choice = self.choice(*choice);
                choice.thought.over();
                choice.refusal.push_str(text);
            }
            ChatEvent::Reasoning { choice, text } => {
                let choice = self.choice(*choice);
                choice.thought.push(text);
                choice.reasoning.push_str(text);
            }
            ChatEvent::Sealed { choice, seal } => {
                let choice = self.choice(*choice);
                let details = choice.thought.sealed(seal);
                choice.details.extend(details);
            }
            ChatEvent::ToolStart { choice, call, id, name } => {
                let free = self.free.contains(&**name);
                let choice = self.choice(*choice);
                choice.thought.over();
                let (id, name) = (id.clone().into_owned(), name.clone().into_owned());
                choice.calls.push(Call { number: *call, id, name, arguments: String::new(), free });
            }
            ChatEvent::ToolArguments { choice, call, json } => {
                let called = self.choice(*choice).calls.iter_mut().rfind(|known| known.number == *call);
                if let Some(called) = called {
                    called.arguments.push_str(json);
                }
            }
            ChatEvent::Citation { choice, citation } => {
                let choice = self.choice(*choice);
                choice.annotations.extend(choice.cited.source(citation));
            }
            ChatEvent::Logprobs { choice, json } => self.choice(*choice).logprobs(json),
            ChatEvent::Media { choice, media_type, base64 } => {
                let choice = self.choice(*choice);
                if media_type.starts_with("audio/") {
                    choice.audio.get_or_insert_default().push_str(base64);
                } else {
                    choice.images.push((media_type.clone().into_owned(), base64.clone().into_owned()));
                }
            }
            ChatEvent::Finish { choice, reason, .. } => {
                self.choice(*choice).finish.get_or_insert(*reason);
            }
        }
    }

    fn end(&mut self, out: &mut BytesMut) -> usize {
        if self.choices.is_empty() {
            self.choice(0);
        }
        self.choices.sort_unstable_by_key(|choice| choice.index);
        let functions = self.functions;
        let id = format!("chatcmpl-{}", self.about.id);
        let created = self.about.created_s;
        let logprobs: Vec<_> = self.choices.iter_mut().map(Choice::take_logprobs).collect();
        let written = self.choices.iter().zip(&logprobs).map(|(choice, logprobs)| CompletionChoice {
            index: choice.index,
            message: choice.message(functions, &id, created),
            logprobs: logprobs.as_deref().map(|content| Logprobs { content, refusal: None }),
            finish_reason: choice.finish_reason(functions),
        });
        let completion = Completion {
            id: &id,
            object: "chat.completion",
            created,
            model: &self.about.model,
            choices: written.collect(),
            usage: self.usage.map(UsageBody::from),
            service_tier: self.tier,
        };
        serde_json::to_writer(out.writer(), &completion).expect("a buffer in memory takes all, and all keys are texts");
        0
    }
}

impl Choice {
    fn text(&mut self, text: &str) {
        self.thought.over();
        self.cited.text(text);
        self.text.push_str(text);
    }

    /// Adds the elements of the array `json`; what is none is left out.
    fn logprobs(&mut self, json: &str) {
        let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json) else { return };
        let all = self.logprobs.get_or_insert_default();
        for element in elements {
            if !all.is_empty() {
                all.push(',');
            }
            all.push_str(element.get());
        }
    }

    fn take_logprobs(&mut self) -> Option<Box<RawValue>> {
        let elements = self.logprobs.take()?;
        RawValue::from_string(format!("[{elements}]")).ok()
    }

    /// `content` is `null` where something else is said instead.
    fn message<'a>(&'a self, functions: bool, id: &'a str, created: u64) -> Message<'a> {
        let said = |text: &'a str| (!text.is_empty()).then_some(text);
        let refusal = said(&self.refusal);
        let other = refusal.is_some() || !self.calls.is_empty() || !self.images.is_empty() || self.audio.is_some();
        let none = no_arguments(self.reason());
        let mut calls = self.calls.iter().map(|call| call.written(none));
        Message {
            role: "assistant",
            content: if other { said(&self.text) } else { Some(&self.text) },
            refusal,
            reasoning_content: said(&self.reasoning),
            reasoning_details: &self.details,
            function_call: if functions { calls.next().and_then(|call| call.function) } else { None },
            tool_calls: if functions { Vec::new() } else { calls.collect() },
            annotations: &self.annotations,
            images: self.images.iter().map(|(media_type, base64)| Image::new(media_type, base64, None)).collect(),
            audio: self.audio.as_deref().map(|data| Audio { id, data, expires_at: created, transcript: "" }),
        }
    }

    /// Why it is over; as it looks, where nobody told.
    fn reason(&self) -> Finish {
        self.finish.unwrap_or(if self.calls.is_empty() { Finish::Stop } else { Finish::ToolCalls })
    }

    fn finish_reason(&self, functions: bool) -> &'static str {
        match self.reason() {
            Finish::ToolCalls if functions => "function_call",
            reason => finish_word(reason),
        }
    }
}

impl Call {
    fn written<'a>(&'a self, no_arguments: &'a str) -> ToolCall<'a> {
        let Self { id, name, .. } = self;
        if self.free {
            let mut unwrapping = Unwrapping::default();
            let input = unwrapping.push(&self.arguments) + &unwrapping.rest();
            return ToolCall { id, r#type: "custom", function: None, custom: Some(Custom { name, input }) };
        }
        let arguments = if self.arguments.is_empty() { no_arguments } else { &self.arguments };
        ToolCall { id, r#type: "function", function: Some(Function { name, arguments }), custom: None }
    }
}
