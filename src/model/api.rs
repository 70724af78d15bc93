//! Which wire format a client speaks, and which call of it.

use std::fmt;

/// A family of wire formats: it decides the shape of errors and of the end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// `{"error":{"message","type","param","code"}}`, `data: [DONE]`.
    OpenAi,
    /// `{"type":"error","error":{"type","message"}}`, `event: message_stop`.
    Anthropic,
    /// `{"error":{"code","message","status"}}`, no end marker.
    Gemini,
}

impl Dialect {
    /// The name used in configuration, messages and labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// One call of the data plane that reaches a model, or what a provider keeps for its models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Api {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1beta/models/{model}:generateContent`, `:streamGenerateContent`, and the same below `/v1`.
    Generate,
    /// `POST /v1/rerank`, and the same below `/v2`.
    Rerank,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/images/generations`
    Images,
    /// `POST /v1/images/edits`
    ImageEdits,
    /// `POST /v1/images/variations`
    ImageVariations,
    /// `POST /v1/audio/speech`
    Speech,
    /// `POST /v1/audio/transcriptions`
    Transcriptions,
    /// `POST /v1/audio/translations`
    Translations,
    /// `GET /v1/realtime`, a websocket.
    Realtime,
    /// All below `/v1/files`.
    Files,
    /// All below `/v1/batches`.
    Batches,
}

impl Api {
    /// All calls, in the order of their declaration.
    pub const ALL: [Self; 18] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
        Self::Generate,
        Self::Rerank,
        Self::Moderations,
        Self::Images,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
        Self::Realtime,
        Self::Files,
        Self::Batches,
    ];

    /// The wire format that this call belongs to.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::Generate => Dialect::Gemini,
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Responses
            | Self::Rerank
            | Self::Moderations
            | Self::Images
            | Self::ImageEdits
            | Self::ImageVariations
            | Self::Speech
            | Self::Transcriptions
            | Self::Translations
            | Self::Realtime
            | Self::Files
            | Self::Batches => Dialect::OpenAi,
        }
    }

    /// The path below the API's version, without a leading slash: `chat/completions`. That of [`Api::Generate`] begins
    /// with the model, so that only its method stands here; behind those of files and batches more may follow.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat/completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "messages/count_tokens",
            Self::Generate => "generateContent",
            Self::Rerank => "rerank",
            Self::Moderations => "moderations",
            Self::Images => "images/generations",
            Self::ImageEdits => "images/edits",
            Self::ImageVariations => "images/variations",
            Self::Speech => "audio/speech",
            Self::Transcriptions => "audio/transcriptions",
            Self::Translations => "audio/translations",
            Self::Realtime => "realtime",
            Self::Files => "files",
            Self::Batches => "batches",
        }
    }

    /// The name used in metric labels and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Generate => "generate_content",
            Self::Rerank => "rerank",
            Self::Moderations => "moderations",
            Self::Images => "images",
            Self::ImageEdits => "image_edits",
            Self::ImageVariations => "image_variations",
            Self::Speech => "speech",
            Self::Transcriptions => "transcriptions",
            Self::Translations => "translations",
            Self::Realtime => "realtime",
            Self::Files => "files",
            Self::Batches => "batches",
        }
    }

    /// Whether an answer may come as server-sent events.
    pub const fn streams(self) -> bool {
        self.generates() || matches!(self, Self::Images | Self::ImageEdits | Self::Transcriptions | Self::Speech)
    }

    /// Whether a model writes text in answer to it, as much as a cap of the request allows.
    pub const fn generates(self) -> bool {
        self.converses() || matches!(self, Self::Completions)
    }

    /// Whether it is a conversation, which can be translated for another API.
    pub const fn converses(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Responses | Self::Messages | Self::Generate)
    }

    /// Whether it is one `POST` to a path that is its own, with a body that names the model.
    pub const fn posted(self) -> bool {
        !matches!(self, Self::Generate | Self::Realtime | Self::Files | Self::Batches)
    }

    /// Whether its body is, or may be, `multipart/form-data`.
    pub const fn takes_forms(self) -> bool {
        matches!(self, Self::ImageEdits | Self::ImageVariations | Self::Transcriptions | Self::Translations)
    }

    /// Whether it makes or reads pictures or sound, apart from conversations.
    pub const fn is_media(self) -> bool {
        self.takes_forms() || matches!(self, Self::Images | Self::Speech)
    }

    /// Whether its answer is made of pictures.
    pub const fn makes_images(self) -> bool {
        matches!(self, Self::Images | Self::ImageEdits | Self::ImageVariations)
    }

    /// Whether its answer is what is said in a file.
    pub const fn hears(self) -> bool {
        matches!(self, Self::Transcriptions | Self::Translations)
    }

    /// Whether its body is JSON, or may be.
    pub const fn takes_json(self) -> bool {
        !matches!(self, Self::ImageVariations | Self::Transcriptions | Self::Translations)
    }

    /// Whether the provider bills such a call. Counting tokens, moderation and the keeping of files are free; a batch is
    /// billed by what its answers report.
    pub const fn billed(self) -> bool {
        !matches!(self, Self::CountTokens | Self::Moderations | Self::Files | Self::Batches)
    }
}

impl fmt::Display for Api {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
