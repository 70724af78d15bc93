//! A whole answer that is blocked: it keeps its frame, its usage and its order, and loses what it says.

use crate::{
    dialect::view::{
        cursor::{Cursor, Kind},
        write::edited,
    },
    model::Api,
};
use bytes::Bytes;
use std::ops::Range;

/// `body`, an answer to a call of `api`, with a refusal in the place of all that it says; `None`: the dialect has no word
/// for it, or the body is none of its answers, and the caller tells an error.
pub fn refused_whole(api: Api, body: &Bytes) -> Option<Bytes> {
    let mut edits = Edits { cursor: Cursor::new(body), edits: Vec::new(), said: false };
    match api {
        Api::ChatCompletions | Api::Completions => edits.list(b"choices", Edits::choice),
        Api::Generate => edits.list(b"candidates", Edits::candidate),
        Api::Messages => edits.object(|key| match key {
            b"content" => Some("[]"),
            b"stop_reason" => Some("\"refusal\""),
            b"stop_sequence" => Some("null"),
            _ => None,
        }),
        Api::Responses => edits.object(|key| match key {
            b"output" => Some("[]"),
            b"output_text" => Some("\"\""),
            b"status" => Some("\"incomplete\""),
            b"incomplete_details" => Some("{\"reason\":\"content_filter\"}"),
            _ => None,
        }),
        _ => return None,
    }
    let whole = edits.cursor.whole();
    (whole && edits.said).then(|| edited(body, &edits.edits))
}

struct Edits<'a> {
    cursor: Cursor<'a>,
    edits: Vec<(Range<usize>, Bytes)>,
    /// There was something to refuse.
    said: bool,
}

impl Edits<'_> {
    fn object(&mut self, instead: fn(&[u8]) -> Option<&'static str>) {
        if self.cursor.peek() != Kind::Object {
            self.cursor.skip();
            return;
        }
        self.cursor.enter();
        while let Some(key) = self.cursor.key() {
            let at = self.cursor.skip();
            if let Some(instead) = instead(&key) {
                self.edits.push((at, Bytes::from_static(instead.as_bytes())));
                self.said |= matches!(&*key, b"content" | b"output" | b"message" | b"text" | b"finishReason");
            }
        }
    }

    fn list(&mut self, name: &[u8], each: fn(&mut Self)) {
        if self.cursor.peek() != Kind::Object {
            return;
        }
        self.cursor.enter();
        while let Some(key) = self.cursor.key() {
            if *key == *name && self.cursor.peek() == Kind::Array {
                self.cursor.enter();
                while self.cursor.more() {
                    each(self);
                }
            } else {
                self.cursor.skip();
            }
        }
    }

    fn choice(&mut self) {
        self.object(|key| match key {
            b"message" => Some("{\"role\":\"assistant\",\"content\":null,\"refusal\":null}"),
            b"text" => Some("\"\""),
            b"finish_reason" => Some("\"content_filter\""),
            b"logprobs" => Some("null"),
            _ => None,
        });
    }

    fn candidate(&mut self) {
        self.object(|key| match key {
            b"content" => Some("{\"role\":\"model\",\"parts\":[]}"),
            b"finishReason" | b"finish_reason" => Some("\"SAFETY\""),
            b"groundingMetadata" | b"citationMetadata" => Some("{}"),
            b"logprobsResult" => Some("{}"),
            b"finishMessage" => Some("\"\""),
            _ => None,
        });
    }
}
