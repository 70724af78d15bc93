//! A conversation in the words that all APIs share: what a client's request means, whichever dialect it came in.
//!
//! A decoder in `dialect` makes it of a body, an encoder in `providers` writes it for another API: N + M instead of
//! N × M. What an API may not be able to say is noted as a [`Use`] with its path in the client's body, so that it is
//! refused or told to be dropped, and never lost in silence.

use super::Feature;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

/// One request to a model that converses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chat {
    /// Whether the answer is to come as events.
    pub stream: bool,
    /// Instructions and turns, in the order in which they were sent. Instructions that stand apart come first.
    pub messages: Vec<Message>,
    /// Functions that the model may call.
    pub tools: Vec<Tool>,
    /// Whether and which of them it must call; `None`: not said.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once; `None`: not said.
    pub parallel_tool_calls: Option<bool>,
    /// Most tokens of output, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// Most probable tokens are preferred, as far as it is said.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// The shape of the answer.
    pub format: Format,
    /// How much the model may think.
    pub thinking: Thinking,
    /// Log probabilities of the tokens are asked for, with so many alternatives each.
    pub logprobs: Option<u32>,
    /// Answers asked for; 0 and 1 are one.
    pub choices: u32,
    /// The service tier asked for, in the client's word.
    pub service_tier: Option<String>,
    /// The caller's end user.
    pub user: Option<String>,
    /// Labels of the request.
    pub metadata: Vec<(String, String)>,
    /// How wordy the answer is to be: `low`, `medium`, `high`.
    pub verbosity: Option<String>,
    /// Requests with the same key share a cached prefix.
    pub cache_key: Option<String>,
    /// What not every API can say, with its path in the client's body.
    pub uses: Vec<Use>,
}

impl Chat {
    /// Notes that `feature` is used at `path`.
    pub fn uses(&mut self, feature: Feature, path: impl Into<String>) {
        self.uses.push(Use { feature, path: path.into() });
    }
}

/// A thing that was asked for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// What.
    pub feature: Feature,
    /// Where in the client's body: `messages[2].content[1].image_url`.
    pub path: String,
}

/// One turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The participant's name, where one is told.
    pub name: Option<String>,
    /// What is said. Results of tools are parts of a user's turn.
    pub parts: Vec<Part>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions (also OpenAI's `developer`).
    System,
    /// The user, or what a tool answered.
    User,
    /// The model.
    Assistant,
}

/// A piece of a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is.
    pub content: Content,
    /// A prompt cache may end behind it.
    pub cache: Option<CacheMark>,
}

impl Part {
    /// A piece without a cache marker.
    pub const fn new(content: Content) -> Self {
        Self { content, cache: None }
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()))
    }
}

/// A place up to which the prompt may be cached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheMark {
    /// For an hour instead of five minutes.
    pub hour: bool,
}

/// What a piece of a turn is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text.
    Text(String),
    /// The model's refusal, of an earlier turn.
    Refusal(String),
    /// A picture.
    Image {
        /// Where it is.
        source: Source,
        /// `low`, `high`, `auto` …: OpenAI's `detail`.
        detail: Option<String>,
    },
    /// A document.
    Document {
        /// Where it is.
        source: Source,
        /// Its name or title.
        name: Option<String>,
    },
    /// Sound.
    Audio {
        /// Where it is.
        source: Source,
    },
    /// A video.
    Video {
        /// Where it is.
        source: Source,
    },
    /// The model called a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// What the model thought before.
    Reasoning(Reasoned),
}

/// Where a picture, a document or a sound is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the request.
    Inline {
        /// Its media type: `image/png`.
        media_type: String,
        /// Base64, as it stands in the client's body: a slice of it, not a copy.
        base64: Bytes,
    },
    /// Plain text in the request (documents).
    Text(String),
    /// To be fetched by the target.
    Url(String),
    /// A file that the client uploaded to some provider.
    File(String),
}

/// A call of a tool by the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// Names the call in its result.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Its arguments: the text of a JSON object (of a free-form tool: any text). May be empty.
    pub arguments: String,
}

/// The result of a tool's call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// The tool's name, found in the call it answers; Gemini needs it.
    pub name: Option<String>,
    /// The tool failed.
    pub failed: bool,
    /// What it answered: text, pictures, documents.
    pub parts: Vec<Part>,
}

/// What a model thought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasoned {
    /// In words; empty where it is hidden.
    pub text: String,
    /// What proves to its maker that it is unchanged (Anthropic's `signature`, Gemini's `thoughtSignature`), or the
    /// hidden thought itself (Anthropic's `redacted_thinking`, OpenAI's `encrypted_content`).
    pub seal: Option<Seal>,
}

/// A provider's own proof of a thought: of use to its maker only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Whose it is: a codec's [`maker`](Seal::maker) name, `anthropic`, `openai`, `gemini`.
    pub maker: String,
    /// Opaque.
    pub data: String,
    /// The thought itself is hidden in it.
    pub hidden: bool,
}

/// How the seal of one maker is written where a client of another maker's dialect keeps it.
const ENVELOPE: &str = "wb1:";

/// The same where it stands in a body: at the beginning of a string, so that prose that names it is none.
const ENVELOPE_IN_JSON: &str = "\"wb1:";

/// The same at the beginning of a text that is base64 (Gemini's signatures are): its quote, and what the envelope's first
/// letters become.
const ENVELOPE_AS_BASE64: &str = "\"d2IxO";

impl Seal {
    /// Stands where a dialect wants a proof of a thought that has none; its maker would refuse an empty one.
    pub const NONE: &'static str = "wb1::";

    /// The seal as a client of `dialect_maker`'s own dialect keeps it: bare if it is its own, else in an envelope that
    /// names its maker.
    pub fn written(&self, dialect_maker: &str) -> String {
        if self.maker == dialect_maker { self.data.clone() } else { format!("{ENVELOPE}{}:{}", self.maker, self.data) }
    }

    /// What [`Seal::written`] wrote; what is in no envelope is `dialect_maker`'s own.
    pub fn read(text: &str, dialect_maker: &str, hidden: bool) -> Self {
        let inside = text.strip_prefix(ENVELOPE).and_then(|rest| rest.split_once(':'));
        let (maker, data) = inside.unwrap_or((dialect_maker, text));
        Self { maker: maker.to_owned(), data: data.to_owned(), hidden }
    }

    /// Whether `body` may hold an envelope: then it must not reach a provider byte for byte.
    pub fn travels_in(body: &[u8]) -> bool {
        [ENVELOPE_IN_JSON, ENVELOPE_AS_BASE64]
            .iter()
            .any(|begin| memchr::memmem::find(body, begin.as_bytes()).is_some())
    }
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON Schema of its arguments; `None`: it takes none.
    pub parameters: Option<Json>,
    /// The model must keep to the schema exactly.
    pub strict: Option<bool>,
    /// A prompt cache may end behind it.
    pub cache: Option<CacheMark>,
}

/// Which tool the model must call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// Some tool.
    Required,
    /// This one.
    Named(String),
}

/// How the next token is chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// 0 to 2 (Anthropic: to 1).
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Only among so many.
    pub top_k: Option<u64>,
    /// Less of what was said often.
    pub frequency_penalty: Option<f64>,
    /// Less of what was said at all.
    pub presence_penalty: Option<f64>,
    /// For answers that repeat.
    pub seed: Option<i64>,
    /// OpenAI's `logit_bias`, by the tokens of its own tokenizer.
    pub logit_bias: Option<Json>,
}

/// The shape of the answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Format {
    /// Text.
    #[default]
    Text,
    /// Some JSON object.
    Json,
    /// JSON by a schema.
    Schema {
        /// The schema's name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The JSON Schema.
        schema: Json,
        /// The model must keep to it exactly.
        strict: Option<bool>,
    },
}

/// How much the model may think.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thinking {
    /// By a word.
    pub effort: Option<Effort>,
    /// By tokens, inside of the output cap.
    pub budget_tokens: Option<u64>,
    /// As much as the model likes (Anthropic's `adaptive`, Gemini's `-1`).
    pub adaptive: bool,
    /// Not at all.
    pub off: bool,
    /// What was thought is to be shown, in full or as a summary; `None`: not said.
    pub shown: Option<bool>,
}

impl Thinking {
    /// Whether anything is said of it.
    pub fn is_said(&self) -> bool {
        *self != Self::default()
    }

    /// Whether it is asked for.
    pub fn is_on(&self) -> bool {
        let effort = self.effort.is_some_and(|effort| effort != Effort::None);
        !self.off && (effort || self.budget_tokens.is_some_and(|tokens| tokens > 0) || self.adaptive)
    }
}

/// How much a model is to think, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// `none`
    None,
    /// `minimal`
    Minimal,
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
    /// `xhigh`
    XHigh,
    /// `max`
    Max,
}

impl Effort {
    /// All, from the least.
    pub const ALL: [Self; 7] = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// The word that OpenAI and Anthropic use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// By its word.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.name() == name)
    }

    /// Tokens of thinking that stand for it at APIs that want a number.
    pub const fn budget_tokens(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 1_024,
            Self::Low => 2_048,
            Self::Medium => 8_192,
            Self::High => 16_384,
            Self::XHigh => 24_576,
            Self::Max => 32_768,
        }
    }

    /// The least effort whose tokens reach `tokens`.
    pub fn by_budget(tokens: u64) -> Self {
        Self::ALL.into_iter().find(|effort| effort.budget_tokens() >= tokens).unwrap_or(Self::Max)
    }
}

/// JSON as it was written, with the order of its members: a schema, for one.
#[derive(Debug, Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes `text` if it is JSON.
    pub fn new(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// Of anything that serializes.
    pub fn of(value: &impl Serialize) -> Option<Self> {
        serde_json::value::to_raw_value(value).ok().map(Self)
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Json {
    /// By meaning: white space and order do not count.
    fn eq(&self, other: &Self) -> bool {
        let value = |json: &Self| serde_json::from_str::<serde_json::Value>(json.text()).ok();
        self.text() == other.text() || value(self) == value(other)
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_comes_back_as_it_was_whoever_keeps_it() {
        let seal = Seal { maker: "anthropic".to_owned(), data: "EqQB:x==".to_owned(), hidden: false };
        for keeper in ["anthropic", "openai", "gemini"] {
            assert_eq!(Seal::read(&seal.written(keeper), keeper, false), seal, "{keeper}");
        }
        assert_eq!(seal.written("anthropic"), "EqQB:x==", "its maker sees its own bytes");
    }

    #[test]
    fn an_envelope_is_seen_at_the_beginning_of_a_string_and_not_in_prose() {
        let seal = Seal { maker: "anthropic".to_owned(), data: "EqQB".to_owned(), hidden: true };
        for text in [seal.written("openai").as_str(), Seal::NONE, "d2IxOmFudGhyb3BpYzpF"] {
            assert!(Seal::travels_in(format!(r#"{{"data": "{text}"}}"#).as_bytes()), "{text}");
        }
        for text in ["EqQB:x==", "what does wb1: mean", "what does \\\"d2Ix mean"] {
            assert!(!Seal::travels_in(format!(r#"{{"content": "{text}"}}"#).as_bytes()), "{text}");
        }
    }

    #[test]
    fn an_effort_and_its_tokens_lead_to_each_other() {
        for effort in Effort::ALL {
            assert_eq!(Effort::by_name(effort.name()), Some(effort));
            assert_eq!(Effort::by_budget(effort.budget_tokens()), effort);
        }
        assert_eq!(Effort::by_budget(4_000), Effort::Medium);
        assert_eq!(Effort::by_budget(1 << 40), Effort::Max);
    }

    #[test]
    fn json_is_compared_by_meaning_and_kept_by_its_letters() {
        let json = Json::new(r#"{"b": 1, "a": [2]}"#).expect("it is JSON");
        assert_eq!(json, Json::new(r#"{"a":[2],"b":1}"#).expect("it is JSON"));
        assert_ne!(json, Json::new(r#"{"a":[2]}"#).expect("it is JSON"));
        assert_eq!(serde_json::to_string(&json).expect("it serializes"), r#"{"b": 1, "a": [2]}"#);
        assert!(Json::new("{").is_none());
    }
}
