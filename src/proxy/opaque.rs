//! An answer that is no JSON and no events: sound, or the plain text of a transcription. It is passed on as it comes, and
//! a little of it is kept for metering.

use crate::model::Api;
use bytes::BytesMut;
use http::HeaderValue;

/// Kept of the beginning: the headers of WAV and MP3.
const HEAD_BYTES: usize = 4 * 1024;
/// Kept of the end: the last cue of subtitles.
const TAIL_BYTES: usize = 4 * 1024;

/// The content type of what came without one.
pub const UNNAMED: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What is kept of such an answer.
#[derive(Debug, Default)]
pub struct Opaque {
    head: Vec<u8>,
    tail: BytesMut,
    seen: u64,
}

impl Opaque {
    /// Takes what was passed on.
    pub fn push(&mut self, piece: &[u8]) {
        self.seen = self.seen.saturating_add(piece.len() as u64);
        let room = HEAD_BYTES.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(piece.get(..room).unwrap_or_default());
        let from = piece.len().saturating_sub(TAIL_BYTES);
        self.tail.extend_from_slice(piece.get(from..).unwrap_or_default());
        let surplus = self.tail.len().saturating_sub(TAIL_BYTES);
        drop(self.tail.split_to(surplus));
    }

    /// All bytes passed on.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Its first bytes.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Its last bytes.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }
}

/// Whether an answer to `api` of this content type is passed on unread. `text`: a text that is no JSON was asked for. A
/// page of HTML is what a proxy on the way says instead of an answer.
pub fn fits(api: Api, essence: &[u8], text: bool) -> bool {
    let is = |kind: &[u8]| essence.eq_ignore_ascii_case(kind);
    let unnamed = is(b"") || is(b"application/octet-stream") || is(b"binary/octet-stream");
    match api {
        Api::Speech => unnamed || begins(essence, b"audio/"),
        _ => is_text(api, essence) || (api.hears() && unnamed && text),
    }
}

/// Whether an answer to `api` of this content type is what was heard, as plain text or subtitles.
pub fn is_text(api: Api, essence: &[u8]) -> bool {
    let is = |kind: &[u8]| essence.eq_ignore_ascii_case(kind);
    let subtitles = is(b"application/x-subrip") || (begins(essence, b"text/") && !is(b"text/event-stream"));
    api.hears() && subtitles && !is(b"text/html")
}

fn begins(essence: &[u8], kind: &[u8]) -> bool {
    essence.get(..kind.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(kind))
}
