//! What an answer says so far, and the words for it, of a stream as of a whole one.

use super::seal;
use crate::model::{ChatEvent, Citation, Finish, Usage};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `GenerateContentResponse` (<https://ai.google.dev/api/generate-content#generatecontentresponse>).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_metadata: Option<UsageMetadata>,
    pub model_version: &'a str,
    pub response_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grounding_metadata: Option<Grounding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs_result: Option<Logprobs>,
    pub index: u32,
}

#[derive(Serialize)]
pub(super) struct Content<'a> {
    pub parts: Vec<Part<'a>>,
    role: &'static str,
}

impl<'a> Content<'a> {
    /// Never without a part: the SDK forgets an answer of which an event has none.
    pub fn of(mut parts: Vec<Part<'a>>) -> Self {
        if parts.is_empty() {
            parts.push(Part { text: Some(Cow::Borrowed("")), ..Part::default() });
        }
        Self { parts, role: "model" }
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thought_signature: Option<String>,
}

impl Part<'_> {
    /// The same, holding its own texts.
    pub fn into_owned(self) -> Part<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let Self { text, thought, function_call, inline_data, thought_signature } = self;
        let inline_data = inline_data.map(|blob| Blob { mime_type: own(blob.mime_type), data: own(blob.data) });
        Part { text: text.map(own), thought, function_call, inline_data, thought_signature }
    }
}

#[derive(Serialize)]
struct FunctionCall {
    id: String,
    name: String,
    args: Box<RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    mime_type: Cow<'a, str>,
    data: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grounding {
    grounding_chunks: Vec<GroundingChunk>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum GroundingChunk {
    Web {
        uri: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    RetrievedContext {
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logprobs {
    top_candidates: Vec<TopCandidates>,
    chosen_candidates: Vec<Token>,
}

#[derive(Serialize)]
struct TopCandidates {
    candidates: Vec<Token>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    token: String,
    log_probability: f64,
}

/// Input with what was cached in it, output without thoughts
/// (<https://ai.google.dev/api/generate-content#UsageMetadata>).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    prompt_token_count: u64,
    candidates_token_count: u64,
    total_token_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thoughts_token_count: Option<u64>,
}

impl From<Usage> for UsageMetadata {
    fn from(usage: Usage) -> Self {
        let some = |tokens: u64| (tokens > 0).then_some(tokens);
        Self {
            prompt_token_count: usage.input_total(),
            candidates_token_count: usage.output.saturating_add(usage.audio_output),
            total_token_count: usage.input_total().saturating_add(usage.output_total()),
            cached_content_token_count: some(usage.cache_read),
            thoughts_token_count: some(usage.reasoning),
        }
    }
}

/// Takes a part of the answer with this index.
pub(super) type Put<'p> = dyn FnMut(u32, Part<'_>, Option<Logprobs>) + 'p;

/// The answers of one request, as far as they came.
pub(super) struct Answers {
    /// Log probabilities go with the part that follows, not with the end.
    stream: bool,
    answers: Vec<Answer>,
    usage: Option<Usage>,
}

impl Answers {
    pub const fn new(stream: bool) -> Self {
        Self { stream, answers: Vec::new(), usage: None }
    }

    /// Takes `event`; what of it is a part of an answer goes to `put`.
    pub fn take(&mut self, event: &ChatEvent<'_>, put: &mut Put<'_>) {
        match event {
            ChatEvent::Start { .. } => {}
            ChatEvent::Usage { usage, .. } => self.usage = Some(*usage),
            ChatEvent::Text { choice, text } | ChatEvent::Refusal { choice, text } => {
                self.of(*choice).text(text, put);
            }
            ChatEvent::Reasoning { choice, text } => {
                let part = Part { text: Some(Cow::Borrowed(text)), thought: true, ..Part::default() };
                self.of(*choice).put_thought(part, put);
            }
            ChatEvent::Sealed { choice, seal } => {
                let answer = self.of(*choice);
                if seal.hidden {
                    let (text, thought_signature) = (Some(Cow::Borrowed("")), Some(seal::written(seal)));
                    answer.put_thought(Part { text, thought: true, thought_signature, ..Part::default() }, put);
                } else {
                    answer.calls_are_over(put);
                    answer.seal_alone(put);
                    answer.seal = Some(seal::written(seal));
                }
            }
            ChatEvent::ToolStart { choice, call, id, name } => self.of(*choice).call(*call, id, name, put),
            ChatEvent::ToolArguments { choice, call, json } => {
                let calls = &mut self.of(*choice).calls;
                if let Some(open) = calls.iter_mut().find(|open| open.number == *call) {
                    open.arguments.push_str(json);
                }
            }
            ChatEvent::Media { choice, media_type, base64 } => {
                let blob = Blob { mime_type: Cow::Borrowed(media_type), data: Cow::Borrowed(base64) };
                self.of(*choice).put(Part { inline_data: Some(blob), ..Part::default() }, put);
            }
            ChatEvent::Citation { choice, citation } => self.of(*choice).cite(citation),
            ChatEvent::Logprobs { choice, json } => self.of(*choice).probable(json),
            ChatEvent::Finish { choice, reason, .. } => {
                let answer = self.of(*choice);
                answer.calls_are_over(put);
                answer.finish = Some(*reason);
            }
        }
    }

    /// Ends all answers: what is left of each, with its reason, and the usage.
    pub fn end<'a>(&mut self, mut parts: impl FnMut(u32) -> Vec<Part<'a>>) -> (Vec<Candidate<'a>>, Option<Usage>) {
        self.answers.sort_by_key(|answer| answer.index);
        let ended = self.answers.drain(..).map(|answer| {
            let parts = parts(answer.index);
            answer.ended(parts)
        });
        (ended.collect(), self.usage)
    }

    fn of(&mut self, index: u32) -> &mut Answer {
        let at = self.answers.iter().position(|answer| answer.index == index).unwrap_or_else(|| {
            self.answers.push(Answer { index, stream: self.stream, ..Answer::default() });
            self.answers.len() - 1
        });
        &mut self.answers[at]
    }
}

/// One answer.
#[derive(Default)]
struct Answer {
    index: u32,
    stream: bool,
    /// Calls whose arguments are not whole yet, in order.
    calls: Vec<OpenCall>,
    /// Proves the thought before; goes with the part that follows, where Google's stands too
    /// (<https://ai.google.dev/gemini-api/docs/thought-signatures>).
    seal: Option<String>,
    sources: Vec<GroundingChunk>,
    logprobs: Option<Logprobs>,
    finish: Option<Finish>,
    /// The name of a call whose arguments are no JSON object.
    malformed: Option<String>,
}

struct OpenCall {
    number: u32,
    id: String,
    name: String,
    arguments: String,
    seal: Option<String>,
}

impl Answer {
    fn text(&mut self, text: &str, put: &mut Put<'_>) {
        self.put(Part { text: Some(Cow::Borrowed(text)), ..Part::default() }, put);
    }

    /// Puts a part that is no thought.
    fn put(&mut self, mut part: Part<'_>, put: &mut Put<'_>) {
        self.calls_are_over(put);
        part.thought_signature = self.seal.take();
        put(self.index, part, self.due());
    }

    fn put_thought(&mut self, part: Part<'_>, put: &mut Put<'_>) {
        self.calls_are_over(put);
        self.seal_alone(put);
        put(self.index, part, None);
    }

    /// Puts a signature that nothing follows, in Google's own way: with an empty text.
    fn seal_alone(&mut self, put: &mut Put<'_>) {
        if let Some(signature) = self.seal.take() {
            let (text, thought_signature) = (Some(Cow::Borrowed("")), Some(signature));
            put(self.index, Part { text, thought_signature, ..Part::default() }, None);
        }
    }

    fn due(&mut self) -> Option<Logprobs> {
        if self.stream { self.logprobs.take() } else { None }
    }

    /// Another call begins. Those before it whose arguments are whole go out; a provider may send several side by side.
    fn call(&mut self, number: u32, id: &str, name: &str, put: &mut Put<'_>) {
        let whole = |call: &OpenCall| object(&call.arguments).is_some();
        let over = self.calls.iter().position(|call| !whole(call)).unwrap_or(self.calls.len());
        let rest = self.calls.split_off(over);
        self.calls_are_over(put);
        self.calls = rest;
        let (id, name, seal) = (id.to_owned(), name.to_owned(), self.seal.take());
        self.calls.push(OpenCall { number, id, name, arguments: String::new(), seal });
    }

    /// Calls have no deltas here: each goes out whole.
    fn calls_are_over(&mut self, put: &mut Put<'_>) {
        for OpenCall { id, name, arguments, seal, .. } in self.calls.drain(..) {
            let args = if arguments.trim().is_empty() { object("{}") } else { object(&arguments) };
            let Some(args) = args else {
                self.malformed.get_or_insert(name);
                continue;
            };
            let function_call = Some(FunctionCall { id, name, args });
            put(self.index, Part { function_call, thought_signature: seal, ..Part::default() }, None);
        }
    }

    fn cite(&mut self, citation: &Citation) {
        let Citation { url, title, quote, .. } = citation.clone();
        self.sources.push(match url {
            Some(uri) => GroundingChunk::Web { uri, title },
            None => GroundingChunk::RetrievedContext { title, text: quote },
        });
    }

    fn probable(&mut self, json: &str) {
        let Ok(tokens) = serde_json::from_str::<Vec<OpenAiToken>>(json) else { return };
        let logprobs = self.logprobs.get_or_insert_default();
        for OpenAiToken { token, logprob, top_logprobs } in tokens {
            let top = top_logprobs.into_iter().map(|top| Token { token: top.token, log_probability: top.logprob });
            logprobs.top_candidates.push(TopCandidates { candidates: top.collect() });
            logprobs.chosen_candidates.push(Token { token, log_probability: logprob });
        }
    }

    fn ended(mut self, mut parts: Vec<Part<'_>>) -> Candidate<'_> {
        if let Some(signature) = self.seal.take() {
            let text = Some(Cow::Borrowed(""));
            parts.push(Part { text, thought_signature: Some(signature), ..Part::default() });
        }
        let sources = std::mem::take(&mut self.sources);
        let malformed = self.malformed.filter(|_| self.finish != Some(Finish::Length));
        Candidate {
            content: Content::of(parts),
            finish_reason: match malformed {
                Some(_) => Some("MALFORMED_FUNCTION_CALL"),
                None => self.finish.map(reason),
            },
            finish_message: malformed.map(|name| format!("the arguments of a call of `{name}` are no JSON object")),
            grounding_metadata: (!sources.is_empty()).then_some(Grounding { grounding_chunks: sources }),
            logprobs_result: self.logprobs,
            index: self.index,
        }
    }
}

/// `text` if it is a JSON object.
fn object(text: &str) -> Option<Box<RawValue>> {
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// An element of OpenAI's `logprobs.content`.
#[derive(serde::Deserialize)]
struct OpenAiToken {
    token: String,
    logprob: f64,
    #[serde(default)]
    top_logprobs: Vec<OpenAiTop>,
}

#[derive(serde::Deserialize)]
struct OpenAiTop {
    token: String,
    logprob: f64,
}

/// <https://ai.google.dev/api/generate-content#FinishReason>: tools to be called are no reason of their own.
const fn reason(reason: Finish) -> &'static str {
    match reason {
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls => "STOP",
        Finish::Length | Finish::ContextWindow => "MAX_TOKENS",
        Finish::ContentFilter | Finish::Refusal => "SAFETY",
        Finish::Paused => "OTHER",
    }
}
