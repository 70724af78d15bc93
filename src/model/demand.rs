//! What a request may cost beside the text that it carries: what bounding needs, and what it holds, for routing.

use super::{Media, Modalities, Span};

/// What a request may make a provider read, run and write.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Bytes of the body as it stands, without the payloads of pictures, sound and documents. No tokenizer makes more
    /// tokens of what the provider reads of it: see `proxy::bound`.
    pub readable_bytes: u64,
    /// What its parts are beside text. Tools, and what calls about pictures and sound are about, are counted below.
    pub holds: Modalities,
    /// Pictures, by URL, file id or payload.
    pub images: u32,
    /// Those of them that are asked for at `detail: low`.
    pub images_low: u32,
    /// Bytes of base64 of the sound that is sent.
    pub audio_bytes: u64,
    /// Input may be written to a cache (`cache_control`).
    pub cache_writes: bool,
    /// Some of it for an hour (`ttl: 1h`).
    pub cache_hour: bool,
    /// The path of the first input that is not in the body (conversations kept by the provider, file ids, URLs of
    /// documents) or that the body's size does not bound (documents, which may be compressed).
    pub unseen: Option<String>,
    /// The path of the first picture or sound.
    pub first_media: Option<String>,
    /// Definitions of tools.
    pub tools: u32,
    /// Tools of the provider's own, whose definitions are not in the body, whoever runs them.
    pub built_in_tools: u32,
    /// Tools that the provider runs, each call of which makes it read the whole conversation again.
    pub hosted: Vec<HostedTool>,
    /// `max_tool_calls`: calls of hosted tools in all (Responses).
    pub max_tool_calls: Option<u64>,
    /// `service_tier` as asked for.
    pub service_tier: Option<String>,
    /// Anthropic's `thinking.budget_tokens`, where thinking is enabled. It counts inside the output cap; so does
    /// OpenAI's reasoning, whose `effort` bounds nothing.
    pub thinking_budget: Option<u64>,
    /// Spoken answers are asked for (`modalities`, `responseModalities`).
    pub audio_output: bool,
    /// Bytes of OpenAI's `prediction`: what the model rejects of it is billed as output.
    pub prediction_bytes: u64,
    /// A member whose price is not known here: Anthropic's `speed: fast`, OpenAI's `web_search_options`, `background`,
    /// Gemini's pictures as output.
    pub unpriced: Option<&'static str>,
    /// Searches that reranking comes to where a token has 4 bytes.
    pub likely_searches: u64,
    /// It holds members of chat completions or embeddings that few servers beside OpenAI's take, and some refuse.
    pub of_openai: bool,
    /// Anthropic's `inference_geo` names a place: a tenth dearer.
    pub regional: bool,
    /// The most that it may come to in what is billed beside text.
    pub units: Units,
    /// What pictures and sound it is about; only calls that make or read them ([`super::Api::is_media`]).
    pub media: Option<Box<Media>>,
}

/// The most that a request may come to in pictures, sound, characters and searches, whichever of them its target bills.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// Pictures that are made.
    pub images: u64,
    /// Tokens of all these pictures, at targets that bill by them.
    pub image_output: u64,
    /// Milliseconds of sound that is sent or answered.
    pub audio_ms: u64,
    /// Characters that are spoken.
    pub characters: u64,
    /// Searches (rerankings).
    pub searches: u64,
    /// Tokens of an answer that no cap bounds (of a transcription, of speech), at targets that bill by them.
    pub output: u64,
}

impl Units {
    /// Tokens among them, all of output.
    pub const fn tokens(&self) -> u64 {
        self.image_output.saturating_add(self.output)
    }
}

impl Demand {
    /// Whether its input is the text of the body and nothing else, so that the tokens reported for it tell how many
    /// bytes a token has.
    pub const fn is_text(&self) -> bool {
        let media = self.images > 0 || self.audio_bytes > 0 || self.unseen.is_some() || self.media.is_some();
        !media && self.built_in_tools == 0 && self.hosted.is_empty() && self.units.audio_ms == 0
    }
}

/// A tool that the provider runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedTool {
    /// Its `type`: `web_search`, `web_search_20250305` …
    pub kind: String,
    /// Where it stands: `tools[0]`.
    pub path: String,
    /// Anthropic's `max_uses`.
    pub max_uses: Option<u64>,
    /// Its container is asked for with a size of its own.
    pub sized_container: bool,
}

/// A member that caps the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapMember {
    /// The name, with its quotes.
    pub key: Span,
    /// The value.
    pub value: Span,
    /// The cap; `None` for `null`.
    pub tokens: Option<u64>,
}

/// The members of a request that cap its output, as far as its API knows them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Offset just behind the opening brace of the body, where one may be inserted.
    pub insert_at: usize,
    /// `max_tokens`: chat completions, completions, messages.
    pub max_tokens: Option<CapMember>,
    /// `max_completion_tokens`: chat completions.
    pub max_completion_tokens: Option<CapMember>,
    /// `max_output_tokens`: responses.
    pub max_output_tokens: Option<CapMember>,
    /// `generationConfig.maxOutputTokens`: generateContent.
    pub generation: GenerationCap,
}

/// Where `generationConfig.maxOutputTokens` stands, or may be put.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum GenerationCap {
    /// There is no `generationConfig`: one may be inserted at [`Caps::insert_at`]. `empty`: the body has no members.
    NoConfig {
        /// Whether no comma is needed.
        empty: bool,
    },
    /// `generationConfig` is `null`: the value may be replaced.
    NullConfig(Span),
    /// `generationConfig` is an object without the member, which may be inserted just behind its opening brace.
    NoMember {
        /// Offset behind `{` of `generationConfig`.
        insert_at: usize,
        /// Whether the object has no members.
        empty: bool,
    },
    /// It is there.
    Member(CapMember),
    /// Of another API.
    #[default]
    Foreign,
}

impl GenerationCap {
    /// The member, if it is there.
    pub const fn member(self) -> Option<CapMember> {
        match self {
            Self::Member(member) => Some(member),
            Self::NoConfig { .. } | Self::NullConfig(_) | Self::NoMember { .. } | Self::Foreign => None,
        }
    }
}

impl Caps {
    /// What the client allows. Of two that differ the larger: a server honours the one or the other. 0 allows what the
    /// target likes: some servers take it for "no cap".
    pub fn tokens(&self) -> Option<u64> {
        let all = [self.max_tokens, self.max_completion_tokens, self.max_output_tokens, self.generation.member()];
        all.into_iter().flatten().filter_map(|member| member.tokens).filter(|tokens| *tokens > 0).max()
    }
}
