//! Bytes to events: a pure, incremental scanner of server-sent events.
//!
//! The rules are those of the WHATWG (HTML, "9.2.6 Interpreting an event stream"): lines end with LF, CR or CRLF,
//! also mixed; a byte order mark may stand at the very start; a line that begins with `:` is a comment; several
//! `data` lines make one event. What a field means is not decided here, and nothing is decoded: UTF-8 may be cut
//! anywhere.

mod aws;
mod fields;
mod scanner;

pub use aws::{AwsScanner, BrokenMessage, ERROR, EXCEPTION};
pub use scanner::SseScanner;

use bytes::Bytes;

/// One event, or one run of comments: everything up to and with its blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The bytes as they came, terminator included: passed on as they are.
    pub raw: Bytes,
    /// The `event:` field's value; empty if there is none.
    pub name: Bytes,
    /// The values of all `data:` fields joined by LF; empty if there is none. A slice of `raw` when there is one.
    pub data: Bytes,
    /// Whether there is any `data:` field; an event without one is a comment or a keep-alive.
    pub has_data: bool,
    /// Where `data` stands in `raw`, if it is one unbroken run there.
    pub data_at: Option<usize>,
}

/// An event longer than the scanner allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {limit} bytes")]
pub struct EventTooLong {
    /// The limit.
    pub limit: usize,
}
