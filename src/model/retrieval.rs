//! What is asked of models that embed texts or rank documents, and what they answer, in words that no API owns.
//!
//! Texts stay what they are in the client's body: JSON strings, with their quotes. No API needs them unescaped.

use bytes::Bytes;
use std::borrow::Cow;

/// A call without a conversation that can be translated.
#[derive(Debug, Clone)]
pub enum Retrieval {
    /// Vectors of texts.
    Embed(Embed),
    /// Documents in the order of what they have to do with a query.
    Rerank(Rerank),
}

impl Retrieval {
    /// What it uses beside its texts.
    pub fn wishes(&self) -> &[Wished] {
        match self {
            Self::Embed(embed) => &embed.wishes,
            Self::Rerank(rerank) => &rerank.wishes,
        }
    }

    /// How many texts, or documents, it is about; and the member that holds them.
    pub fn inputs(&self) -> (usize, &'static str) {
        match self {
            Self::Embed(embed) => (embed.texts.len(), "input"),
            Self::Rerank(rerank) => (rerank.documents.len(), "documents"),
        }
    }
}

/// Vectors are asked for.
#[derive(Debug, Clone, Default)]
pub struct Embed {
    /// The texts: JSON strings.
    pub texts: Vec<Bytes>,
    /// Numbers of each vector.
    pub dimensions: Option<u64>,
    /// Vectors are to be told as base64 of little-endian `f32`s, not as numbers.
    pub packed: bool,
    /// What the vectors are for.
    pub purpose: Option<Purpose>,
    /// What happens to a text that is too long.
    pub cut: Option<Cut>,
    /// What vectors are made of; `None`: `f32`s.
    pub element: Option<Element>,
    /// The texts are parts of one, and are embedded with it in view.
    pub late_chunking: Option<bool>,
    /// Vectors are brought to length 1.
    pub normalized: Option<bool>,
    /// The title of the document that the texts are from: a JSON string.
    pub title: Option<Bytes>,
    /// What is used beside the texts.
    pub wishes: Vec<Wished>,
}

/// Documents are to be ranked.
#[derive(Debug, Clone, Default)]
pub struct Rerank {
    /// The query: a JSON string.
    pub query: Bytes,
    /// The documents' texts: JSON strings.
    pub documents: Vec<Bytes>,
    /// Most documents that are told.
    pub top: Option<u64>,
    /// The answer repeats the documents' texts.
    pub repeats: bool,
    /// Tokens of a document that are read.
    pub tokens_per_document: Option<u64>,
    /// What happens to a query or document that is too long.
    pub cut: Option<Cut>,
    /// What is used beside query and documents.
    pub wishes: Vec<Wished>,
}

/// Something that a request uses and that an API may not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wish {
    /// `dimensions`
    Dimensions,
    /// `input_type`, `task`
    Purpose,
    /// `truncate`, `truncation`
    Cut,
    /// `output_dtype`, `embedding_types`
    Element,
    /// `late_chunking`
    LateChunking,
    /// `normalized`
    Normalized,
    /// `title`
    Title,
    /// `max_tokens_per_doc`
    TokensPerDocument,
    /// A kind of document or vector for which no API that is translated to has words.
    Foreign,
    /// `encoding_format: base64` of vectors that are not made of `f32`s: they are told as numbers.
    Packed,
    /// `user`
    User,
    /// A member that the gateway does not know.
    Unknown,
}

impl Wish {
    /// Whether the answer means the same without it: then it is dropped and told, never refused.
    pub const fn is_hint(self) -> bool {
        matches!(self, Self::Packed | Self::User | Self::Unknown)
    }

    /// In words, for messages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dimensions => "a vector's length",
            Self::Purpose => "what the vectors are for",
            Self::Cut => "what happens to texts that are too long",
            Self::Element => "vectors of other numbers than floats",
            Self::LateChunking => "late chunking",
            Self::Normalized => "whether vectors are normalized",
            Self::Title => "the document's title",
            Self::TokensPerDocument => "most tokens of a document",
            Self::Foreign => "more than text",
            Self::Packed => "base64 of other numbers than floats",
            Self::User => "end user",
            Self::Unknown => "a member unknown to the gateway",
        }
    }
}

/// A wish, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wished {
    /// What.
    pub wish: Wish,
    /// Where in the client's body: `documents[2].title`.
    pub path: String,
}

/// What vectors are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the name says it")]
pub enum Purpose {
    Query,
    Document,
    Similarity,
    Classification,
    Clustering,
    QuestionAnswering,
    FactChecking,
    CodeQuery,
    CodeDocument,
}

/// What happens to a text that is too long for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// It is refused.
    Never,
    /// Its beginning is left out.
    Start,
    /// Its end is left out.
    End,
}

/// What vectors are made of instead of `f32`s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// Whole numbers from -128 to 127.
    Int8,
    /// Whole numbers from 0 to 255.
    Uint8,
    /// Eight bits in a number from -128 to 127.
    Binary,
    /// Eight bits in a number from 0 to 255.
    Ubinary,
}

impl Element {
    /// The word that all makers use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Uint8 => "uint8",
            Self::Binary => "binary",
            Self::Ubinary => "ubinary",
        }
    }
}

/// What a model answered, as it stands in the provider's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retrieved<'a> {
    /// A vector for each text, in their order.
    Embedded(Vec<Vector<'a>>),
    /// Documents, the best first.
    Ranked(Vec<Ranked<'a>>),
}

/// A vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vector<'a> {
    /// A JSON array of numbers.
    Numbers(&'a str),
    /// Base64 of little-endian `f32`s.
    Packed(Cow<'a, str>),
}

/// A document that was ranked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked<'a> {
    /// Which one, from 0.
    pub index: usize,
    /// What it has to do with the query: a JSON number.
    pub score: &'a str,
}
