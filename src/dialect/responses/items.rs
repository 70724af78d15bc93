//! The items of a response's output, as they stand in events and in the body, and the seals that they carry.

use super::brackets::Brackets;
use super::names::Known;
use crate::{dialect::free_form::Unwrapping, model::Seal};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// One item of the output.
#[derive(Debug)]
pub(super) struct Item {
    /// Unique in all responses: `msg_<request>_<index>`.
    pub id: String,
    /// Its place in the output.
    pub index: usize,
    /// Whether more of it may come.
    pub status: Status,
    /// What it is.
    pub body: Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
}

/// What an item is.
#[derive(Debug)]
pub(super) enum Body {
    /// Said by the model: parts, of which the last one may grow.
    Message(Vec<Part>),
    /// A thought: a summary of one part, if there are words, and its seal.
    Thought { summary: Option<String>, seal: Option<String> },
    /// A call of the client's function, which is the answer's call number `call`.
    Call { call: u32, call_id: String, known: Known, arguments: String, brackets: Brackets },
    /// A call of the client's free-form tool, likewise; `input` is what was taken out of its JSON.
    FreeCall { call: u32, call_id: String, known: Known, input: String, json: Unwrapping, brackets: Brackets },
    /// A painted picture, in base64.
    Picture(String),
}

impl Body {
    /// How its ids begin.
    pub(super) const fn prefix(&self) -> &'static str {
        match self {
            Self::Message(_) => "msg",
            Self::Thought { .. } => "rs",
            Self::Call { .. } => "fc",
            Self::FreeCall { .. } => "ctc",
            Self::Picture(_) => "ig",
        }
    }
}

/// A part of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    OutputText {
        annotations: Vec<Annotation>,
        logprobs: Vec<Box<RawValue>>,
        text: String,
        /// The words that the last annotations are about.
        #[serde(skip)]
        cited: Cited,
    },
    Refusal {
        refusal: String,
    },
}

impl Part {
    /// Nothing yet.
    pub(super) fn new(refusal: bool) -> Self {
        if refusal {
            Self::Refusal { refusal: String::new() }
        } else {
            let (annotations, logprobs) = (Vec::new(), Vec::new());
            Self::OutputText { annotations, logprobs, text: String::new(), cited: Cited::default() }
        }
    }

    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refusal { .. })
    }

    pub(super) fn push(&mut self, piece: &str) {
        match self {
            Self::OutputText { text, .. } | Self::Refusal { refusal: text } => text.push_str(piece),
        }
    }
}

/// A source on the web. Positions count characters of the text.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "url_citation")]
pub(super) struct Annotation {
    pub start_index: usize,
    pub end_index: usize,
    pub title: String,
    pub url: String,
}

/// Which characters of a text the next annotation is about: those since the annotations at another place before it.
#[derive(Debug, Default)]
pub(super) struct Cited {
    start: usize,
    end: usize,
    bytes: usize,
}

impl Cited {
    /// The range that ends where `text` ends now.
    pub(super) fn up_to(&mut self, text: &str) -> (usize, usize) {
        let more = text.get(self.bytes..).unwrap_or_default().chars().count();
        if more > 0 {
            self.start = self.end;
            self.end += more;
            self.bytes = text.len();
        }
        (self.start, self.end)
    }
}

/// An item as it is written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Written<'a> {
    Message {
        id: &'a str,
        status: Status,
        role: &'static str,
        content: &'a [Part],
    },
    Reasoning {
        id: &'a str,
        summary: Summary<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    FunctionCall {
        id: &'a str,
        status: Status,
        arguments: &'a str,
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
    },
    CustomToolCall {
        id: &'a str,
        status: Status,
        input: &'a str,
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
    },
    ImageGenerationCall {
        id: &'a str,
        status: Status,
        result: Option<&'a str>,
    },
}

/// An array of one part or none.
struct Summary<'a>(Option<&'a str>);

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.map(SummaryText::of))
    }
}

/// The words of a thought.
#[derive(Serialize)]
#[serde(tag = "type", rename = "summary_text")]
pub(super) struct SummaryText<'a> {
    text: &'a str,
}

impl<'a> SummaryText<'a> {
    pub(super) const fn of(text: &'a str) -> Self {
        Self { text }
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (id, status) = (&*self.id, self.status);
        let written = match &self.body {
            Body::Message(content) => Written::Message { id, status, role: "assistant", content },
            Body::Thought { summary, seal } => {
                Written::Reasoning { id, summary: Summary(summary.as_deref()), encrypted_content: seal.as_deref() }
            }
            Body::Call { call_id, known, arguments, .. } => {
                let Known { name, namespace, .. } = known;
                Written::FunctionCall { id, status, arguments, call_id, name, namespace: namespace.as_deref() }
            }
            Body::FreeCall { call_id, known, input, .. } => {
                let Known { name, namespace, .. } = known;
                Written::CustomToolCall { id, status, input, call_id, name, namespace: namespace.as_deref() }
            }
            Body::Picture(base64) => {
                let result = (status != Status::InProgress).then_some(&**base64);
                Written::ImageGenerationCall { id, status, result }
            }
        };
        written.serialize(to)
    }
}

/// Whose seals stand bare in `encrypted_content`.
const MAKER: &str = "openai";

/// Marks the maker of another API's seal that is the thought itself. OpenAI's own always is.
const HIDDEN: &str = "+hidden";

/// A seal as `encrypted_content`.
pub(super) fn write_seal(seal: &Seal) -> String {
    if seal.hidden && seal.maker != MAKER {
        Seal { maker: format!("{}{HIDDEN}", seal.maker), ..seal.clone() }.written(MAKER)
    } else {
        seal.written(MAKER)
    }
}

/// The seal that `encrypted_content` is.
pub(super) fn read_seal(text: &str) -> Seal {
    let Seal { maker, data, .. } = Seal::read(text, MAKER, true);
    match maker.strip_suffix(HIDDEN) {
        Some(maker) => Seal { maker: maker.to_owned(), data, hidden: true },
        None => Seal { hidden: maker == MAKER, maker, data },
    }
}
