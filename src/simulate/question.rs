//! What the simulated provider reads of a request: one parse, borrowing from the body.
//!
//! Written from the providers' public references, apart from the gateway's own parser, so that a misreading there
//! is not confirmed here.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The members of all calls that matter; which call reads which is the call's business.
#[derive(serde::Deserialize)]
pub(super) struct Question<'a> {
    /// All of it, as it came.
    #[serde(skip)]
    pub body: &'a [u8],
    #[serde(borrow, default)]
    pub model: Cow<'a, str>,
    #[serde(default)]
    pub stream: Option<bool>,
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    #[serde(default)]
    pub messages: Option<Words>,
    #[serde(default)]
    pub system: Option<Loose>,
    #[serde(default)]
    pub instructions: Option<Loose>,
    /// Responses: text or items. Embeddings: see `Inputs`.
    #[serde(borrow, default)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub prompt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub tool_choice: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub response_format: Option<&'a RawValue>,
    /// Responses: `text.format`.
    #[serde(borrow, default)]
    pub text: Option<&'a RawValue>,
    #[serde(default)]
    pub n: Option<u32>,
    #[serde(default)]
    pub max_tokens: Option<u32>,
    #[serde(default)]
    pub max_completion_tokens: Option<u32>,
    #[serde(default)]
    pub max_output_tokens: Option<u32>,
    #[serde(default)]
    pub service_tier: Option<String>,
    #[serde(default)]
    pub dimensions: Option<usize>,
    #[serde(default)]
    pub encoding_format: Option<String>,
    /// Cohere: whether the model thinks.
    #[serde(borrow, default)]
    pub thinking: Option<&'a RawValue>,
    /// Gemini's messages.
    #[serde(default)]
    pub contents: Option<Words>,
    #[serde(default, alias = "systemInstruction")]
    pub system_instruction: Option<Loose>,
    /// Gemini: which function is called. Bedrock: that, and the tools themselves.
    #[serde(borrow, default, rename = "toolConfig", alias = "tool_config")]
    pub tool_config: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "generationConfig", alias = "generation_config")]
    pub generation_config: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "inferenceConfig")]
    pub inference_config: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "outputConfig")]
    pub output_config: Option<&'a RawValue>,
    /// Anthropic: the form of the answer.
    #[serde(borrow, default, rename = "output_config", alias = "output_format")]
    pub answer_config: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "additionalModelRequestFields")]
    pub additional_fields: Option<&'a RawValue>,
}

/// `stream_options`.
#[derive(serde::Deserialize)]
pub(super) struct StreamOptions {
    #[serde(default)]
    pub include_usage: Option<bool>,
}

/// `input` of embeddings and `prompt` of completions: text, texts, tokens or lists of tokens.
#[derive(serde::Deserialize)]
#[serde(untagged)]
pub(super) enum Inputs {
    One(String),
    Many(Vec<String>),
    Tokens(Vec<u64>),
    TokenLists(Vec<Vec<u64>>),
}

impl Inputs {
    /// Tokens and a fingerprint of each input.
    pub fn each(&self) -> Vec<(u64, u64)> {
        let of_text =
            |text: &String| (tokens_of(text.chars().count() as u64), fingerprint(text.bytes().map(u64::from)));
        let of_tokens = |tokens: &Vec<u64>| (tokens.len() as u64, fingerprint(tokens.iter().copied()));
        match self {
            Self::One(text) => vec![of_text(text)],
            Self::Many(texts) => texts.iter().map(of_text).collect(),
            Self::Tokens(tokens) => vec![of_tokens(tokens)],
            Self::TokenLists(lists) => lists.iter().map(of_tokens).collect(),
        }
    }
}

/// FNV-1a over numbers: equal inputs get equal vectors.
fn fingerprint(parts: impl Iterator<Item = u64>) -> u64 {
    parts.fold(0xCBF2_9CE4_8422_2325, |hash, part| (hash ^ part).wrapping_mul(0x0100_0000_01B3))
}

/// How this provider counts: a token is four characters begun, and any input is at least one.
pub(super) fn tokens_of(chars: u64) -> u64 {
    chars.div_ceil(4).max(1)
}

/// What was found in the text of a request.
///
/// Characters are counted in strings that stand under a member `content`, `parts`, `text`, `arguments`, `output` or
/// `response`, alone or in lists; names, roles, types, ids and image data are not text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    /// Characters, not bytes.
    pub chars: u64,
    /// Whether the last turn is the user's and asks to call the tool.
    pub asks_for_tool: bool,
    turn: Option<Turn>,
}

impl Words {
    /// Text of which only the length is known.
    pub fn of(chars: u64) -> Self {
        Self { chars, ..Self::default() }
    }
}

/// Text where a bare string counts: `system`, `instructions`, `input`.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Loose(pub Words);

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    User,
    Model,
    /// System and developer messages are nobody's turn.
    Aside,
}

/// The words of the last user message that ask for a tool call.
pub(super) const CALL_THE_TOOL: &str = "call the tool";

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader { counts: false })
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader { counts: true }).map(Loose)
    }
}

#[derive(Clone, Copy)]
struct Reader {
    /// Whether strings here are text.
    counts: bool,
}

impl<'de> serde::de::DeserializeSeed<'de> for Reader {
    type Value = Words;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Words, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Words;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text or messages")
    }

    fn visit_str<E>(self, text: &str) -> Result<Words, E> {
        if !self.counts {
            return Ok(Words::default());
        }
        let chars = if text.is_ascii() { text.len() } else { text.chars().count() } as u64;
        let asks_for_tool = memchr::memmem::find(text.as_bytes(), CALL_THE_TOOL.as_bytes()).is_some();
        Ok(Words { chars, asks_for_tool, turn: None })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Words, A::Error> {
        let mut all = Words::default();
        while let Some(item) = items.next_element_seed(self)? {
            all.chars = all.chars.saturating_add(item.chars);
            match item.turn {
                None => all.asks_for_tool |= item.asks_for_tool,
                Some(Turn::User) => all.asks_for_tool = item.asks_for_tool,
                Some(Turn::Model) => {
                    all.asks_for_tool = false;
                    all.turn = Some(Turn::Model);
                }
                Some(Turn::Aside) => {}
            }
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Words, A::Error> {
        let mut all = Words::default();
        let mut role = None;
        let mut answers_tool = false;
        while let Some(member) = members.next_key::<Member>()? {
            match member {
                Member::Content | Member::Text | Member::Arguments | Member::Output => {
                    let part = members.next_value_seed(Self { counts: true })?;
                    all.chars = all.chars.saturating_add(part.chars);
                    all.asks_for_tool |= part.asks_for_tool;
                    // A list of blocks that holds a tool's result is the tool's turn, whoever carries it.
                    answers_tool |= part.turn == Some(Turn::Model);
                }
                Member::Role => role = Some(turn(members.next_value()?)),
                Member::Type => answers_tool |= matches!(members.next_value()?, Kind::OfTool),
                Member::OfTool => {
                    let part = members.next_value_seed(Self { counts: false })?;
                    all.chars = all.chars.saturating_add(part.chars);
                    answers_tool = true;
                }
                Member::Other => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        all.turn = if answers_tool { Some(Turn::Model) } else { role };
        Ok(all)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Words, E> {
        // A token of a prompt that came as tokens.
        Ok(Words { chars: if self.counts { 4 } else { 0 }, ..Words::default() })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_unit<E>(self) -> Result<Words, E> {
        Ok(Words::default())
    }
}

/// The members of messages and of their parts that matter.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Member {
    #[serde(alias = "parts")]
    Content,
    Text,
    Arguments,
    #[serde(alias = "response")]
    Output,
    Role,
    Type,
    /// Gemini and Bedrock have no `type`: the member's name says what a part is.
    #[serde(
        rename = "functionCall",
        alias = "function_call",
        alias = "functionResponse",
        alias = "function_response",
        alias = "toolUse",
        alias = "toolResult"
    )]
    OfTool,
    #[serde(other)]
    Other,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Role {
    User,
    System,
    Developer,
    #[serde(other)]
    Other,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier)]
enum Kind {
    #[serde(rename = "tool_result", alias = "tool_use", alias = "function_call", alias = "function_call_output")]
    OfTool,
    #[serde(other)]
    Other,
}

const fn turn(role: Role) -> Turn {
    match role {
        Role::User => Turn::User,
        Role::System | Role::Developer => Turn::Aside,
        Role::Other => Turn::Model,
    }
}

#[cfg(test)]
mod tests {
    use super::{Loose, Words, tokens_of};

    fn words(json: &str) -> Words {
        serde_json::from_str(json).expect("messages")
    }

    #[test]
    fn characters_of_text_are_counted_and_nothing_else() {
        let cases = [
            ("plain", r#"[{"role":"user","content":"hello"}]"#, 5),
            ("several", r#"[{"role":"system","content":"ab"},{"content":"cd","role":"user","name":"zz"}]"#, 4),
            ("parts", r#"[{"role":"user","content":[{"type":"text","text":"abc"}]}]"#, 3),
            ("umlauts are one", r#"[{"role":"user","content":"äöü"}]"#, 3),
            ("escapes are one", r#"[{"role":"user","content":"\n\u00e4"}]"#, 2),
            (
                "images are none",
                r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:xx"}}]}]"#,
                0,
            ),
            ("Gemini's parts", r#"[{"role":"user","parts":[{"text":"abc"},{"inlineData":{"data":"xx"}}]}]"#, 3),
            (
                "Gemini's results",
                r#"[{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"abcd"}}}]}]"#,
                4,
            ),
            (
                "Bedrock's results",
                r#"[{"role":"user","content":[{"toolResult":{"toolUseId":"t","content":[{"text":"abcd"}]}}]}]"#,
                4,
            ),
            ("no content", r#"[{"role":"assistant","content":null}]"#, 0),
        ];
        for (name, json, want) in cases {
            assert_eq!(words(json).chars, want, "{name}");
        }
        let loose: Loose = serde_json::from_str(r#""abcd""#).expect("text");
        assert_eq!(loose.0.chars, 4);
        assert_eq!((tokens_of(0), tokens_of(4), tokens_of(5)), (1, 1, 2));
    }

    #[test]
    fn a_tool_is_called_for_the_last_user_message_only() {
        let ask = r#"{"role":"user","content":"please call the tool"}"#;
        let cases = [
            ("asked", format!("[{ask}]"), true),
            ("system after", format!(r#"[{ask},{{"role":"system","content":"x"}}]"#), true),
            ("answered", format!(r#"[{ask},{{"role":"tool","content":"42"}}]"#), false),
            (
                "answered in Anthropic's way",
                format!(r#"[{ask},{{"role":"user","content":[{{"type":"tool_result","content":"42"}}]}}]"#),
                false,
            ),
            (
                "answered in the Responses way",
                format!(r#"[{ask},{{"type":"function_call_output","output":"4"}}]"#),
                false,
            ),
            (
                "answered in Gemini's way",
                format!(
                    r#"[{ask},{{"role":"user","parts":[{{"functionResponse":{{"name":"f","response":{{"x":1}}}}}}]}}]"#
                ),
                false,
            ),
            (
                "answered in Bedrock's way",
                format!(r#"[{ask},{{"role":"user","content":[{{"toolResult":{{"content":[{{"text":"4"}}]}}}}]}}]"#),
                false,
            ),
            ("asked in Gemini's way", r#"[{"parts":[{"text":"please call the tool"}]}]"#.to_owned(), true),
            ("asked of the model", r#"[{"role":"assistant","content":"call the tool"}]"#.to_owned(), false),
            ("later message", format!(r#"[{ask},{{"role":"user","content":"never mind"}}]"#), false),
        ];
        for (name, json, want) in cases {
            assert_eq!(words(&json).asks_for_tool, want, "{name}");
        }
    }
}
