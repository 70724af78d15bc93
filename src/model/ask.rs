//! What a client asked for, as far as the gateway needs to know it.

use super::{Api, Caps, Demand, Draft};
use std::ops::Range;

/// A range of bytes in the body as the client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// As a range, for slicing.
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Where and whether the client asked for the usage chunk of an OpenAI stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludeUsage {
    /// No `stream_options`: one may be inserted before the first member of the body, at this offset (just
    /// behind the opening brace).
    NoOptions {
        /// Offset behind `{`.
        insert_at: usize,
    },
    /// `stream_options` is `null`: the value may be replaced.
    NullOptions(Span),
    /// `stream_options` is an object without `include_usage`: one may be inserted at `insert_at`, just behind
    /// its opening brace; `empty` tells whether a comma is needed.
    NoMember {
        /// Offset behind `{` of `stream_options`.
        insert_at: usize,
        /// Whether the object has no members.
        empty: bool,
    },
    /// `include_usage` has this value, which may be replaced. `asked` is true for `true`.
    Member {
        /// The value.
        value: Span,
        /// Whether it is `true`.
        asked: bool,
    },
}

impl IncludeUsage {
    /// Whether the client asked to see the usage chunk.
    pub const fn asked(self) -> bool {
        matches!(self, Self::Member { asked: true, .. })
    }
}

/// How a conversation begins, and what its client keeps it together by: values in the body, as far as they are there.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The system prompt that stands apart: `system`, `instructions`, `systemInstruction`.
    pub system: Option<Span>,
    /// `tools`.
    pub tools: Option<Span>,
    /// From the beginning of `messages`, `contents` or `input` to the end of the user's first turn; all of it where
    /// none is marked as such.
    pub turns: Option<Span>,
    /// OpenAI's `prompt_cache_key`.
    pub cache_key: Option<Span>,
    /// OpenAI's `conversation`.
    pub conversation: Option<Span>,
}

/// A request that was parsed strictly: its body and what the gateway needs of it.
#[derive(Debug)]
pub struct Ask {
    /// Which call it is.
    pub api: Api,
    /// The body as sent; the places below are offsets into it. It can be changed in place and changed back.
    pub body: Draft,
    /// The model that the client named, unescaped.
    pub model: String,
    /// The value of `model`, with its quotes where the body is JSON. Empty where the path names the model
    /// (generateContent).
    pub model_span: Span,
    /// The body is `multipart/form-data`, with the boundary that the client's content type names.
    pub form: bool,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// About the usage chunk; only for streams of chat completions and completions.
    pub include_usage: Option<IncludeUsage>,
    /// The caller's end user, from the body: Anthropic's `metadata.user_id`, OpenAI's `safety_identifier` or `user`.
    pub user: Option<String>,
    /// The output cap that the client set (`max_tokens`, `max_completion_tokens`, `max_output_tokens`,
    /// `generationConfig.maxOutputTokens`).
    pub max_output_tokens: Option<u64>,
    /// How many answers were asked for (`n`, `candidateCount`), at least 1.
    pub choices: u32,
    /// Bytes of text that a model reads: the decoded length of all strings of the body but base64 payloads (a
    /// `data:` URL, or `data` beside `media_type`, `format` or `mimeType`), for estimates of input tokens.
    pub text_bytes: u64,
    /// The members that cap the output, and where one may be inserted.
    pub caps: Caps,
    /// OpenAI's `metadata`, Gemini's `labels`: at most 16 pairs; values that are no strings are left out.
    pub metadata: Vec<(String, String)>,
    /// What it may cost beside its text.
    pub demand: Demand,
    /// How it begins, and what keeps it together.
    pub opening: Opening,
    /// It may hold thoughts that were sealed by another maker than its dialect's: no provider could read them, so it
    /// must not go up byte for byte.
    pub sealed_elsewhere: bool,
}
