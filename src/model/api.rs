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

/// One call of the data plane that reaches a model.
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
}

impl Api {
    /// All calls, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
        Self::Generate,
    ];

    /// The wire format that this call belongs to.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::ChatCompletions | Self::Completions | Self::Embeddings | Self::Responses => Dialect::OpenAi,
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::Generate => Dialect::Gemini,
        }
    }

    /// The path below the API's version, without a leading slash: `chat/completions`. That of [`Api::Generate`] begins
    /// with the model, so that only its method stands here.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat/completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "messages/count_tokens",
            Self::Generate => "generateContent",
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
        }
    }

    /// Whether an answer may come as server-sent events.
    pub const fn streams(self) -> bool {
        match self {
            Self::ChatCompletions | Self::Completions | Self::Responses | Self::Messages | Self::Generate => true,
            Self::Embeddings | Self::CountTokens => false,
        }
    }

    /// Whether it is a conversation, which can be translated for another API.
    pub const fn converses(self) -> bool {
        match self {
            Self::ChatCompletions | Self::Responses | Self::Messages => true,
            Self::Completions | Self::Embeddings | Self::CountTokens => false,
        }
    }

    /// Whether the provider bills such a call by tokens. Counting tokens is free.
    pub const fn billed(self) -> bool {
        !matches!(self, Self::CountTokens)
    }
}

impl fmt::Display for Api {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
