//! Which guardrails there are, what they look at, what they do, and for whom.

use super::{Section, When};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// All guardrails, and who is under them. What holds for a request is the union of all lists that it is in.
#[derive(Debug, Default)]
pub struct Guardrails {
    /// By name, at most [`Guardrails::MOST`].
    pub all: BTreeMap<Arc<str>, Guardrail>,
    /// For every request.
    pub everywhere: Vec<Arc<str>>,
    /// For requests of a model.
    pub models: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// For a team of the file.
    pub teams: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// For a key of the file.
    pub keys: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

impl Guardrails {
    /// So many may be defined.
    pub const MOST: usize = 128;
}

/// One guardrail.
#[derive(Debug)]
pub struct Guardrail {
    /// The name.
    pub name: Arc<str>,
    /// A row of `guard::GUARDS`.
    pub kind: String,
    /// What it looks at; empty: what its kind looks at if nothing is said.
    pub on: Vec<Hook>,
    /// What it does; `None`: what its kind does if nothing is said.
    pub action: Option<GuardAction>,
    /// Whether it does it.
    pub mode: GuardMode,
    /// What happens where it cannot say.
    pub on_failure: OnFailure,
    /// Which requests it is for.
    pub when: Option<When>,
    /// How long the tokens of `tokenize` stand for the same values in one session; zero: a request's only.
    pub session_ttl: Duration,
    /// What becomes of members of a request that its dialect does not know.
    pub unknown: OnUnknown,
    /// What its kind reads for itself.
    pub settings: Section,
}

/// What a guardrail looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// All that a request says, calls of tools and their results included.
    Input,
    /// All that an answer says: content of every choice, reasoning, refusals, calls of tools.
    Output,
    /// Arguments of calls of tools, in requests and answers.
    ToolCall,
    /// What tools answered, and documents that are handed in.
    ToolResult,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Input, Self::Output, Self::ToolCall, Self::ToolResult];

    /// The word of the configuration, also a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::ToolCall => "tool_call",
            Self::ToolResult => "tool_result",
        }
    }
}

/// What a guardrail does about what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardAction {
    /// Refuses the request, or ends the answer.
    Block,
    /// Puts the entity's name there: `[EMAIL]`.
    Redact,
    /// Puts stars there; the last four letters and digits stay.
    Mask,
    /// Puts a keyed hash there: what is equal stays equal.
    Hash,
    /// Puts a placeholder there (`<EMAIL_1>`), for which the answer gets the value back.
    Tokenize,
    /// Only tells.
    Flag,
}

impl GuardAction {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Block, Self::Redact, Self::Mask, Self::Hash, Self::Tokenize, Self::Flag];

    /// The word of the configuration, also a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Redact => "redact",
            Self::Mask => "mask",
            Self::Hash => "hash",
            Self::Tokenize => "tokenize",
            Self::Flag => "flag",
        }
    }

    /// Whether it changes texts.
    pub const fn edits(self) -> bool {
        matches!(self, Self::Redact | Self::Mask | Self::Hash | Self::Tokenize)
    }
}

/// Whether a guardrail does what it says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardMode {
    /// It does.
    #[default]
    Enforce,
    /// It only tells what it would have done.
    Audit,
}

/// What becomes of texts in members of a request's top level that its dialect does not know.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// They are looked at like any other text.
    #[default]
    Look,
    /// The request is refused.
    Refuse,
    /// They are not looked at.
    Pass,
}

/// What happens to a text that a guardrail cannot judge: it panicked, timed out or answered nonsense.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It does not go out.
    #[default]
    Closed,
    /// It goes out, and that is told.
    Open,
}
