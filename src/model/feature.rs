//! What a request may ask for beside plain turns, texts and tools: what not every API can say.

/// Something that a request uses and that an API may not know. Plain instructions, texts, functions, calls, results as
/// text and the output cap are known to all and have no feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the name says it; `label` is what users read")]
pub enum Feature {
    ImageInline,
    ImageUrl,
    DocumentInline,
    DocumentUrl,
    FileId,
    AudioInput,
    VideoInput,
    /// A tool answers with pictures or documents.
    RichToolResult,
    /// A tool's answer says that it failed.
    FailedToolResult,
    /// The model must call some tool, or a named one.
    ForcedTool,
    ParallelToolControl,
    /// A tool's `strict`.
    StrictTool,
    /// A tool without a JSON Schema (OpenAI's `custom`).
    CustomTool,
    /// A tool of the provider's own.
    HostedTool,
    JsonObject,
    JsonSchema,
    Temperature,
    TopP,
    TopK,
    Penalties,
    Seed,
    LogitBias,
    StopSequences,
    Logprobs,
    /// More than one answer.
    Choices,
    ReasoningEffort,
    /// A thought of an earlier turn, with the proof of its maker.
    SealedReasoning,
    /// A thought of an earlier turn without such a proof.
    PlainReasoning,
    AudioOutput,
    ImageOutput,
    Citations,
    Prediction,
    /// State that the provider keeps (`previous_response_id`, `conversation`, containers).
    ServerState,
    /// The answer is to come later (`background`).
    Background,
    SafetySettings,
    /// A cached prefix that was made before (Gemini's `cachedContent`).
    CachedContent,
    // Hints: without them the answer means the same.
    CacheMarkers,
    CacheKey,
    ServiceTier,
    User,
    Metadata,
    Store,
    Verbosity,
    ParticipantName,
    ImageDetail,
    /// A member that the gateway does not know.
    Unknown,
}

impl Feature {
    /// Every feature, in the order of the matrix.
    pub const ALL: [Self; 46] = [
        Self::ImageInline,
        Self::ImageUrl,
        Self::DocumentInline,
        Self::DocumentUrl,
        Self::FileId,
        Self::AudioInput,
        Self::VideoInput,
        Self::RichToolResult,
        Self::FailedToolResult,
        Self::ForcedTool,
        Self::ParallelToolControl,
        Self::StrictTool,
        Self::CustomTool,
        Self::HostedTool,
        Self::JsonObject,
        Self::JsonSchema,
        Self::Temperature,
        Self::TopP,
        Self::TopK,
        Self::Penalties,
        Self::Seed,
        Self::LogitBias,
        Self::StopSequences,
        Self::Logprobs,
        Self::Choices,
        Self::ReasoningEffort,
        Self::SealedReasoning,
        Self::PlainReasoning,
        Self::AudioOutput,
        Self::ImageOutput,
        Self::Citations,
        Self::Prediction,
        Self::ServerState,
        Self::Background,
        Self::SafetySettings,
        Self::CachedContent,
        Self::CacheMarkers,
        Self::CacheKey,
        Self::ServiceTier,
        Self::User,
        Self::Metadata,
        Self::Store,
        Self::Verbosity,
        Self::ParticipantName,
        Self::ImageDetail,
        Self::Unknown,
    ];

    /// Whether the answer means the same without it: then it is dropped and told, never refused.
    pub const fn is_hint(self) -> bool {
        matches!(
            self,
            Self::CacheMarkers
                | Self::CacheKey
                | Self::ServiceTier
                | Self::User
                | Self::Metadata
                | Self::Store
                | Self::Verbosity
                | Self::ParticipantName
                | Self::ImageDetail
                | Self::SealedReasoning
                | Self::PlainReasoning
                | Self::StrictTool
                | Self::FailedToolResult
                | Self::Citations
                | Self::Unknown
        )
    }

    /// In words, for the matrix.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ImageInline => "pictures (base64)",
            Self::ImageUrl => "pictures (URL)",
            Self::DocumentInline => "documents (base64, text)",
            Self::DocumentUrl => "documents (URL)",
            Self::FileId => "file ids",
            Self::AudioInput => "sound",
            Self::VideoInput => "video",
            Self::RichToolResult => "tool results with pictures",
            Self::FailedToolResult => "tool results that failed",
            Self::ForcedTool => "forced tools",
            Self::ParallelToolControl => "parallel calls on or off",
            Self::StrictTool => "strict tools",
            Self::CustomTool => "free-form tools",
            Self::HostedTool => "the provider's own tools",
            Self::JsonObject => "JSON mode",
            Self::JsonSchema => "structured output",
            Self::Temperature => "temperature",
            Self::TopP => "top_p",
            Self::TopK => "top_k",
            Self::Penalties => "penalties",
            Self::Seed => "seed",
            Self::LogitBias => "logit bias",
            Self::StopSequences => "stop sequences",
            Self::Logprobs => "log probabilities",
            Self::Choices => "several answers",
            Self::ReasoningEffort => "reasoning effort, thinking budget",
            Self::SealedReasoning => "thoughts with a signature",
            Self::PlainReasoning => "thoughts without one",
            Self::AudioOutput => "spoken answers",
            Self::ImageOutput => "painted answers",
            Self::Citations => "citations",
            Self::Prediction => "predicted output",
            Self::ServerState => "state kept by the provider",
            Self::Background => "answers that come later",
            Self::SafetySettings => "safety settings",
            Self::CachedContent => "caches made before",
            Self::CacheMarkers => "prompt-cache markers",
            Self::CacheKey => "prompt-cache key",
            Self::ServiceTier => "service tier",
            Self::User => "end user",
            Self::Metadata => "metadata",
            Self::Store => "store",
            Self::Verbosity => "verbosity",
            Self::ParticipantName => "participants' names",
            Self::ImageDetail => "detail of pictures",
            Self::Unknown => "members unknown to the gateway",
        }
    }
}

/// What becomes of a feature at an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// It is said in the API's own words.
    Yes,
    /// It is brought about by other means.
    Emulated,
    /// It cannot be said.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_feature_stands_once_in_the_list_and_has_words_of_its_own() {
        assert_eq!(Feature::ALL.iter().collect::<BTreeSet<_>>().len(), Feature::ALL.len());
        assert_eq!(Feature::ALL.iter().map(|feature| feature.label()).collect::<BTreeSet<_>>().len(), 46);
    }
}
