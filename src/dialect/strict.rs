//! One strict pass over a JSON body: what two parsers could read differently is refused.
//!
//! No tree is built. The pass yields the members of the top-level object as spans, and how much text there is.
//! Refused: a top level that is no object, trailing bytes, invalid UTF-8, duplicate keys at any depth (compared
//! unescaped), depth over [`MAX_DEPTH`], lone surrogates, control characters in strings, and numbers that are not
//! JSON or no finite double. What is accepted is a subset of what RFC 8259 allows.

mod gist;
mod keys;
mod scan;
mod text;

#[cfg(test)]
mod tests;

use super::path::{Step, render};
use crate::model::Span;
pub use gist::{Tally, TypedTool};
use scan::Scan;
use std::borrow::Cow;
use std::fmt;
pub(super) use text::{escape, is_base64, is_data_url, plain_run};

/// Containers inside one another, the top-level object included.
pub const MAX_DEPTH: usize = 64;

/// What kind of value stands somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// With its article, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// One member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name, unescaped. Valid UTF-8.
    pub key: Cow<'a, [u8]>,
    /// The name as it stands, with its quotes.
    pub key_span: Span,
    /// The value.
    pub value: Span,
    /// What the value is.
    pub kind: Kind,
}

/// What the pass found.
#[derive(Debug)]
pub struct Outline<'a> {
    /// The members of the top-level object, in order.
    pub members: Vec<Member<'a>>,
    /// Offset just behind the opening brace.
    pub inside: usize,
    /// See [`crate::model::Ask::text_bytes`]. Names of members count below the top level, where they stand for
    /// what a chat template adds; names at the top level do not. A number in an array counts as 4 bytes, for a
    /// prompt may be an array of tokens.
    pub text_bytes: u64,
    /// Pictures, documents, tools and other things that cost more than text.
    pub tally: Tally,
}

/// Why a body was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Offset of the byte at which it showed.
    pub offset: usize,
    /// What is wrong.
    pub reason: Reason,
    /// From the innermost container to the outermost.
    steps: Vec<Step>,
}

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing but white space.
    #[error("the body is empty; a JSON object belongs here")]
    Empty,
    /// The top level is something else.
    #[error("the body must be a JSON object")]
    NoObject,
    /// Ended too early.
    #[error("the JSON text ends too early")]
    Truncated,
    /// A byte that cannot stand there.
    #[error("unexpected {0}; expected {1}")]
    Unexpected(Byte, &'static str),
    /// Something behind the object.
    #[error("unexpected bytes behind the JSON object")]
    Trailing,
    /// Not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// A name that stands twice in one object; shortened.
    #[error("duplicate key `{0}`")]
    DuplicateKey(String),
    /// Too many containers inside one another.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// Half of a surrogate pair.
    #[error("lone surrogate in a `\\u` escape")]
    LoneSurrogate,
    /// No JSON escape.
    #[error("invalid escape in a string")]
    Escape,
    /// A control character that is not escaped.
    #[error("control character in a string; it must be escaped")]
    Control,
    /// Not a JSON number.
    #[error("invalid number")]
    Number,
    /// No finite double.
    #[error("number out of range")]
    Range,
}

/// A byte as it is shown to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Byte(pub u8);

impl fmt::Display for Byte {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            byte @ b' '..=b'~' => write!(out, "`{}`", char::from(byte)),
            byte => write!(out, "byte 0x{byte:02x}"),
        }
    }
}

impl Fault {
    /// The path of the place: `messages[3].content`; empty for the body itself.
    pub fn path(&self) -> String {
        render(self.steps.iter().rev())
    }
}

/// ``messages[3].content: duplicate key `text` (byte 123)``
impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if !path.is_empty() {
            write!(out, "{path}: ")?;
        }
        write!(out, "{} (byte {})", self.reason, self.offset)
    }
}

impl std::error::Error for Fault {}

/// Checks `body` from its first to its last byte.
///
/// # Errors
///
/// The first fault; the caller answers 400 with its `Display`.
pub fn check(body: &[u8]) -> Result<Outline<'_>, Box<Fault>> {
    check_as(body, Shape::Typed)
}

/// How objects say what they are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// By a member `type`, as OpenAI's and Anthropic's.
    #[default]
    Typed,
    /// By the name of the member that they have, as Google's: `inlineData`, `fileData`.
    Named,
}

/// [`check`], with what is noted on the way taken by `shape`.
///
/// # Errors
///
/// As [`check`].
pub fn check_as(body: &[u8], shape: Shape) -> Result<Outline<'_>, Box<Fault>> {
    let invalid_at = match std::str::from_utf8(body) {
        Ok(_) => usize::MAX,
        Err(error) => error.valid_up_to(),
    };
    let mut scan = Scan::new(body, invalid_at).shaped(shape);
    let outline = scan.body()?;
    // A byte outside of strings would have been unexpected there; this is for safety.
    if invalid_at != usize::MAX {
        return Err(Box::new(Fault { offset: invalid_at, reason: Reason::Utf8, steps: Vec::new() }));
    }
    Ok(outline)
}

/// The members of the object at `span` of a body that passed [`check`].
pub fn members(body: &[u8], span: Span) -> Vec<Member<'_>> {
    let mut scan = Scan::within(body, span);
    scan.body().map(|outline| outline.members).unwrap_or_default()
}

/// How many elements the array at `span` of a body that passed [`check`] has, and of what kind the first is.
pub fn elements(body: &[u8], span: Span) -> (u64, Option<Kind>) {
    Scan::within(body, span).count_elements().unwrap_or_default()
}

/// The string at `span` (with its quotes) of a body that passed [`check`], unescaped.
pub fn string(body: &[u8], span: Span) -> String {
    let inside = body.get(span.start + 1..span.end.saturating_sub(1)).unwrap_or_default();
    let text = if memchr::memchr(b'\\', inside).is_some() { text::unescape(inside) } else { inside.to_vec() };
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The path of what stands at `offset` of a body that passed [`check`]: `messages[0].content[1].file.file_id`.
pub fn path_at(body: &[u8], offset: usize) -> String {
    // Cut off there the body is at fault, and a fault knows its path.
    let cut = body.get(..offset.saturating_add(1)).unwrap_or(body);
    check(cut).map_or_else(|fault| fault.path(), |_| String::new())
}
