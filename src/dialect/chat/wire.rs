//! What a stream and a whole answer have in common: members as they are written, and the words for them.
//!
//! Shapes: <https://platform.openai.com/docs/api-reference/chat/object> and `…/chat/streaming`; thoughts with seals as
//! <https://openrouter.ai/docs/use-cases/reasoning-tokens>, pictures as
//! <https://openrouter.ai/docs/features/multimodal/image-generation> have them.

use crate::model::{Citation, Finish, Seal, ServiceTier, Usage};
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Whose dialect this is: its own seals are written bare.
const MAKER: &str = "openai";

/// `finish_reason`: OpenAI's enum has no more words.
pub(super) const fn finish_word(reason: Finish) -> &'static str {
    match reason {
        Finish::Stop | Finish::StopSequence | Finish::Paused => "stop",
        Finish::Length | Finish::ContextWindow => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter | Finish::Refusal => "content_filter",
    }
}

/// The arguments of a call that has none, in an answer that ended so. Clients parse them: an empty object. A call that was
/// cut off before its arguments came must not look whole.
pub(super) const fn no_arguments(reason: Finish) -> &'static str {
    match reason {
        Finish::Stop | Finish::StopSequence | Finish::Paused | Finish::ToolCalls => "{}",
        Finish::Length | Finish::ContextWindow | Finish::ContentFilter | Finish::Refusal => "",
    }
}

/// `service_tier`: OpenAI has no word for a batch here.
pub(super) const fn tier_word(tier: ServiceTier) -> &'static str {
    match tier {
        ServiceTier::Standard | ServiceTier::Batch => "default",
        ServiceTier::Flex => "flex",
        ServiceTier::Priority => "priority",
    }
}

/// `usage`: totals include all classes.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct UsageBody {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    audio_tokens: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        let (input, output) = (usage.input_total(), usage.output_total());
        Self {
            prompt_tokens: input,
            completion_tokens: output,
            total_tokens: input.saturating_add(output),
            prompt_tokens_details: PromptDetails { cached_tokens: usage.cache_read, audio_tokens: usage.audio_input },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: usage.reasoning,
                audio_tokens: usage.audio_output,
            },
        }
    }
}

/// `logprobs` of a choice.
#[derive(Debug, Serialize)]
pub(super) struct Logprobs<'a> {
    pub(super) content: &'a RawValue,
    pub(super) refusal: Option<()>,
}

/// An item of `reasoning_details`.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum Detail {
    /// A thought in words, with its maker's proof.
    #[serde(rename = "reasoning.text")]
    Text { text: String, signature: String, index: u32 },
    /// What the hidden thought behind it is about.
    #[serde(rename = "reasoning.summary")]
    Summary { summary: String, index: u32 },
    /// A hidden thought.
    #[serde(rename = "reasoning.encrypted")]
    Encrypted { data: String, index: u32 },
}

/// The thought that is under way. A seal is of use only with the words that it seals, so they are kept until it comes.
#[derive(Debug, Default)]
pub(super) struct Thought {
    text: String,
    next: u32,
}

impl Thought {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Something else begins: the thought before it has no seal.
    pub(super) fn over(&mut self) {
        self.text.clear();
    }

    /// The seal of the thought, or a hidden one.
    pub(super) fn sealed(&mut self, seal: &Seal) -> Vec<Detail> {
        let text = std::mem::take(&mut self.text);
        let written = seal.written(MAKER);
        if !seal.hidden {
            return vec![Detail::Text { text, signature: written, index: self.number() }];
        }
        let mut details = Vec::with_capacity(2);
        if !text.is_empty() {
            details.push(Detail::Summary { summary: text, index: self.number() });
        }
        details.push(Detail::Encrypted { data: written, index: self.number() });
        details
    }

    /// OpenAI's SDKs join deltas of lists by `index`.
    const fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }
}

/// An item of `annotations`.
#[derive(Debug, Serialize)]
pub(super) struct Annotation {
    r#type: &'static str,
    url_citation: UrlCitation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<u32>,
}

#[derive(Debug, Serialize)]
struct UrlCitation {
    start_index: u64,
    end_index: u64,
    url: String,
    title: String,
}

/// Which characters of the text a source belongs to: those since the text before that had sources.
#[derive(Debug, Default)]
pub(super) struct Cited {
    chars: u64,
    from: u64,
    told: bool,
}

impl Cited {
    pub(super) fn text(&mut self, text: &str) {
        if std::mem::take(&mut self.told) {
            self.from = self.chars;
        }
        self.chars = self.chars.saturating_add(text.chars().count() as u64);
    }

    /// `None`: a source without an address, for which the dialect has no words.
    pub(super) fn source(&mut self, citation: &Citation) -> Option<Annotation> {
        self.told = true;
        let url = citation.url.clone()?;
        let title = citation.title.clone().unwrap_or_else(|| url.clone());
        let url_citation = UrlCitation { start_index: self.from, end_index: self.chars, url, title };
        Some(Annotation { r#type: "url_citation", url_citation, index: None })
    }
}

/// An item of `images`.
#[derive(Debug, Serialize)]
pub(super) struct Image<'a> {
    r#type: &'static str,
    image_url: ImageUrl<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
}

#[derive(Debug, Serialize)]
struct ImageUrl<'a> {
    url: DataUrl<'a>,
}

impl<'a> Image<'a> {
    pub(super) const fn new(media_type: &'a str, base64: &'a str, index: Option<u32>) -> Self {
        Self { r#type: "image_url", image_url: ImageUrl { url: DataUrl { media_type, base64 } }, index }
    }
}

/// Written without joining it in memory first.
#[derive(Debug)]
struct DataUrl<'a> {
    media_type: &'a str,
    base64: &'a str,
}

impl Serialize for DataUrl<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("data:{};base64,{}", self.media_type, self.base64))
    }
}

/// Names of the client's free-form tools.
pub(super) fn free_forms(request: &Bytes) -> HashSet<String> {
    #[derive(Deserialize)]
    struct Request {
        #[serde(default)]
        tools: Vec<Declared>,
    }
    #[derive(Deserialize)]
    struct Declared {
        #[serde(default)]
        custom: Option<Custom>,
    }
    #[derive(Deserialize)]
    struct Custom {
        name: String,
    }
    if memchr::memmem::find(request, b"\"custom\"").is_none() {
        return HashSet::new();
    }
    let tools = serde_json::from_slice(request).map_or(Vec::new(), |request: Request| request.tools);
    tools.into_iter().filter_map(|tool| tool.custom).map(|custom| custom.name).collect()
}

/// Whether the client speaks of `functions`, the deprecated way: then an answer has a `function_call`.
pub(super) fn speaks_of_functions(request: &Bytes) -> bool {
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow, default)]
        functions: Option<&'a RawValue>,
        #[serde(borrow, default)]
        tools: Option<&'a RawValue>,
    }
    memchr::memmem::find(request, b"\"functions\"").is_some()
        && serde_json::from_slice::<Request<'_>>(request)
            .is_ok_and(|request| request.functions.is_some() && request.tools.is_none())
}
