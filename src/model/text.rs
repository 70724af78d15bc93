//! The texts of a request and of an answer, by their places: what guardrails look at.

use std::ops::Range;

/// How the bytes at a place hold a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A JSON string, its quotes included.
    String,
    /// A JSON string, its quotes included, whose content is JSON itself (OpenAI's `arguments`).
    StringOfJson,
    /// A JSON value that is no string: all its strings and numbers are text (Anthropic's `input`, Gemini's `args`).
    Json,
    /// Bare text: a part of a form, a plain-text answer.
    Plain,
}

/// Who or what speaks in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speech {
    /// The application's instructions: `system`, `developer`, `instructions`, `systemInstruction`.
    System,
    /// The end user, and what is asked without a conversation (prompts, texts to embed, queries).
    User,
    /// The model's words: history in a request, content in an answer.
    Assistant,
    /// The model's thoughts and their summaries.
    Reasoning,
    /// The model's refusal.
    Refusal,
    /// The arguments of a call of a tool, and input of a hosted tool.
    ToolCall,
    /// What a tool answered.
    ToolResult,
    /// What a request says about its tools: names, descriptions, schemas.
    Definition,
    /// Documents, search results and citations that are handed in as such.
    Document,
    /// What stands in a member of a request's top level that its dialect does not know: what becomes of it is its provider's
    /// secret.
    Unknown,
}

impl Speech {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::System,
        Self::User,
        Self::Assistant,
        Self::Reasoning,
        Self::Refusal,
        Self::ToolCall,
        Self::ToolResult,
        Self::Definition,
        Self::Document,
        Self::Unknown,
    ];
}

/// A text in the body of a request or of an answer that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its bytes in the body.
    pub at: Range<usize>,
    /// How they hold it.
    pub form: Form,
    /// Who speaks.
    pub speech: Speech,
}

/// A text that grows over the events of a stream: one of a choice, an item, a block, a call. Made by the view of
/// events; equal numbers mean the same text.
pub type Channel = u64;

/// What an event of a stream does with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Growth {
    /// Adds to it.
    Delta(Channel),
    /// Tells it again, whole (`response.output_text.done`, `response.completed`).
    Whole,
}

/// A text in the data of one event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes in the event's data.
    pub at: Range<usize>,
    /// How they hold it.
    pub form: Form,
    /// Who speaks.
    pub speech: Speech,
    /// Whether it is a piece of a text or all of it.
    pub growth: Growth,
}

/// What guardrails need to know of one event of a stream in a client's dialect.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct EventView {
    /// Its texts, in the order of their places.
    pub pieces: Vec<Piece>,
    /// Texts that get no more after this event.
    pub closes: Vec<Channel>,
    /// No text gets more: a finish reason of the whole answer, the end marker, an error.
    pub closes_all: bool,
    /// The event's number, where the dialect counts its events (`sequence_number`): changes when events are put in.
    pub sequence: Option<Range<usize>>,
    /// Values that tell the text over again, token by token (`logprobs`): `null` where texts are edited.
    pub echoes: Vec<Range<usize>>,
}
