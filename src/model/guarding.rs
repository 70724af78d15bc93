//! What is asked about guardrails and told of them: which hold for a request, and what they would do about a text.

use super::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A guardrail that would look at a request, or would if its condition held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GuardrailView {
    /// Its name.
    pub name: String,
    /// Its kind: `pii`, `secrets` …
    pub kind: String,
    /// What it looks at: `input`, `output`, `tool_call`, `tool_result`.
    pub on: Vec<String>,
    /// What it does: `block`, `redact`, `mask`, `hash`, `tokenize`, `flag`.
    pub action: String,
    /// `enforce` or `audit`.
    pub mode: String,
    /// `closed` or `open`: what becomes of a text that it cannot judge.
    pub on_failure: String,
    /// When it has its turn, in this order: `parameters`, `judges`, `tells`, `blocks`, `edits`, `service`.
    pub turn: String,
    /// Where it comes from: `defaults`, `team search`, `key search-ci`, `model fast`, `another model that may answer`.
    pub from: Vec<String>,
    /// Whether nothing passes without its word: it decides, and fails closed.
    pub mandatory: bool,
    /// Whether it looks at this request: its condition holds, or it has none.
    pub applies: bool,
    /// What of its condition does not hold.
    pub unless: Option<String>,
    /// What it costs, in words.
    pub cost: String,
}

/// A text, or a whole request, that guardrails are tried on. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardTestRequest {
    /// These guardrails, by their names.
    #[schema(example = json!(["no-pii"]))]
    pub guardrails: Option<Vec<String>>,
    /// And those of this team's requests.
    #[schema(max_length = 128)]
    pub team: Option<String>,
    /// And those of this key's requests, by the key's name (never the key), and of its team's.
    #[schema(max_length = 128)]
    pub key: Option<String>,
    /// And those of requests of this model.
    #[schema(max_length = 256)]
    pub model: Option<String>,
    /// What the text is: `input` (the default), `output`, `tool_call` (arguments, which are JSON), `tool_result`.
    pub on: Option<String>,
    /// The text.
    #[schema(example = "Write to ann.lee@example.com")]
    pub text: Option<String>,
    /// In place of a text: the body of a request.
    #[schema(value_type = Option<Object>)]
    pub body: Option<serde_json::Value>,
    /// The call that the body is of: `chat_completions` (the default), `completions`, `embeddings`, `responses`, `messages`.
    pub api: Option<String>,
}

/// What guardrails would do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GuardTested {
    /// The text as it would go out; `null`: it would not, or a body was tried.
    pub text: Option<String>,
    /// The body as it would go out; `null`: it would not, or a text was tried.
    #[schema(value_type = Option<Object>)]
    pub body: Option<serde_json::Value>,
    /// Why it would not.
    pub refusal: Option<Refusal>,
    /// What was found, and what would be done about it.
    pub verdicts: Vec<GuardVerdict>,
    /// Where it was found, of a text; of those that decide about whole texts nothing.
    pub findings: Vec<GuardFinding>,
    /// The guardrails that looked.
    pub tried: Vec<String>,
    /// Those that did not, and why.
    pub not_tried: Vec<NotTried>,
}

/// What one guardrail would do about one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GuardVerdict {
    /// The guardrail's name.
    pub guardrail: String,
    /// Its kind.
    pub kind: String,
    /// What it found.
    pub entity: String,
    /// What it looked at.
    pub hook: String,
    /// What it would do.
    pub action: String,
    /// It would only tell.
    pub audit: bool,
    /// How often.
    pub count: u32,
}

/// A place in a text, in bytes of UTF-8: from `start` up to `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GuardFinding {
    /// The guardrail's name.
    pub guardrail: String,
    /// Its kind.
    pub kind: String,
    /// What it found.
    pub entity: String,
    /// What it would do.
    pub action: String,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// A guardrail that cannot be tried so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NotTried {
    /// Its name.
    pub guardrail: String,
    /// Why not.
    pub why: String,
}

/// Tries guardrails. `proxy` knows, `admin` asks.
pub trait GuardTest: Send + Sync {
    /// Has guardrails look at a text or a body, and keeps nothing of it. May take long: not for a thread that serves.
    ///
    /// # Errors
    ///
    /// Why the question makes no sense: no such guardrail, a body that is none.
    fn test(&self, request: &GuardTestRequest) -> Result<GuardTested, Refusal>;
}
