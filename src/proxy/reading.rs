//! What reads the events of one stream: as they pass, or on their way into another dialect.

use super::outgoing::Out;
use super::translate::Translation;
use crate::model::Api;
use crate::providers::codec::Framing;
use crate::providers::{Garbage, OutputText, Provider, Reading, Seen, StreamReader};
use crate::sse::{AwsScanner, SseEvent, SseScanner};
use bytes::Bytes;
use std::ops::Range;

/// From the bytes of a stream to its events.
pub enum Scanner {
    /// Server-sent events.
    Sse(SseScanner),
    /// Amazon's event stream.
    Aws(AwsScanner),
}

impl Scanner {
    /// Of streams framed like this, with events of at most `most` bytes.
    pub fn new(framing: Framing, most: usize) -> Self {
        match framing {
            Framing::Sse => Self::Sse(SseScanner::new(most)),
            Framing::Aws => Self::Aws(AwsScanner::new(most)),
        }
    }

    /// Takes a piece and appends the events that it completes.
    ///
    /// # Errors
    ///
    /// Why nothing more can be read.
    pub fn push(&mut self, piece: &Bytes, out: &mut Vec<SseEvent>) -> Result<(), String> {
        let before = out.len();
        let scanned = match self {
            Self::Sse(scanner) => scanner.push(piece, out).map_err(|error| error.to_string()),
            Self::Aws(scanner) => scanner.push(piece, out).map_err(|error| error.to_string()),
        };
        let deep = out.iter().skip(before).position(|event| is_too_deep(&event.data));
        let Some(deep) = deep else { return scanned };
        // Those before it are good.
        out.truncate(before.saturating_add(deep));
        Err(too_deep())
    }

    /// Bytes held back because their event is not complete yet.
    pub fn pending(&self) -> usize {
        match self {
            Self::Sse(scanner) => scanner.pending(),
            Self::Aws(scanner) => scanner.pending(),
        }
    }

    /// The body ended: what is left of an event.
    pub fn finish(&mut self) -> Option<SseEvent> {
        match self {
            Self::Sse(scanner) => scanner.finish(),
            Self::Aws(scanner) => scanner.finish(),
        }
    }
}

/// Deepest nesting of an answer's JSON; what is deeper may break whoever reads it. Answers of models have about ten levels,
/// and a tool's arguments stand in a text.
const MOST_DEPTH: usize = 128;

/// Reads a whole answer that goes on as it came.
///
/// # Errors
///
/// Why it is none.
pub fn whole(provider: &dyn Provider, api: Api, body: &Bytes) -> Result<Reading, Garbage> {
    shallow(body).map_err(|why| Garbage { api, why })?;
    provider.read_whole(api, body)
}

/// Looks whether `body`, if it is JSON, can be read by everybody.
///
/// # Errors
///
/// Why it cannot.
pub fn shallow(body: &[u8]) -> Result<(), String> {
    if is_too_deep(body) { Err(too_deep()) } else { Ok(()) }
}

fn too_deep() -> String {
    format!("JSON nested more than {MOST_DEPTH} deep")
}

/// Whether `text`, if it is JSON, is nested deeper than [`MOST_DEPTH`]. Most answers do not even have so many brackets.
fn is_too_deep(text: &[u8]) -> bool {
    if memchr::memchr2_iter(b'[', b'{', text).take(MOST_DEPTH + 1).count() <= MOST_DEPTH {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                if depth > MOST_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// What reads the events of a stream.
pub enum Reader {
    /// They go on as they came.
    Passed(Box<dyn StreamReader>),
    /// They are told in the client's dialect.
    Translated(Box<Translation>),
}

impl Reader {
    /// Tells what `event` is.
    pub fn event(&mut self, event: &SseEvent) -> Seen {
        match self {
            Self::Passed(reader) => reader.event(event),
            Self::Translated(translation) => translation.event(event),
        }
    }

    /// What has been reported so far.
    pub fn reading(&self) -> &Reading {
        match self {
            Self::Passed(reader) => reader.reading(),
            Self::Translated(translation) => translation.reading(),
        }
    }

    /// The output text so far.
    pub fn output(&self) -> &OutputText {
        match self {
            Self::Passed(reader) => reader.output(),
            Self::Translated(translation) => translation.output(),
        }
    }

    /// Whether the body may end here without an end marker.
    pub fn may_end(&self) -> bool {
        match self {
            Self::Passed(reader) => reader.may_end(),
            Self::Translated(translation) => translation.may_end(),
        }
    }

    /// Bytes that are held until the end of the answer.
    pub fn held(&self) -> usize {
        match self {
            Self::Passed(_) => 0,
            Self::Translated(translation) => translation.held(),
        }
    }

    /// The number of the next event, where events are numbered.
    pub fn next_sequence(&self) -> u64 {
        match self {
            Self::Passed(reader) => reader.next_sequence(),
            Self::Translated(translation) => translation.next_sequence(),
        }
    }

    /// Passes `event` on, or what it came to.
    pub fn pass(&self, event: &SseEvent, strip: Option<Range<usize>>, out: &mut Out<'_>) {
        match self {
            Self::Passed(_) => out.event(event, strip),
            Self::Translated(translation) => out.made(translation.made()),
        }
    }

    /// Passes the end marker on; returns its length, and whether it ends in half a line end.
    pub fn pass_end(&mut self, event: &SseEvent, out: &mut Out<'_>) -> (usize, bool) {
        match self {
            Self::Passed(_) => {
                out.whole(event);
                (event.raw.len(), event.raw.ends_with(b"\r"))
            }
            Self::Translated(translation) => {
                let marker = translation.end();
                out.made(translation.made());
                (marker, false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_too_deep;

    #[test]
    fn depth_is_counted_outside_of_texts_only() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
        assert!(!is_too_deep(&nested(128)) && is_too_deep(&nested(129)));
        let text = format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(10_000));
        assert!(!is_too_deep(text.as_bytes()), "brackets within a text");
        assert!(!is_too_deep("[]".repeat(10_000).as_bytes()), "many, but flat");
        assert!(is_too_deep("[".repeat(10_000).as_bytes()), "never closed");
    }
}
