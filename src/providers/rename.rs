//! The model's name in a body.

use crate::model::{Ask, Edits};
use bytes::Bytes;

/// Makes `ask` name `target_model` (JSON text with its quotes). A body that does so already is left alone, so that
/// it is not even moved; nor is one that names none.
pub(super) fn rename(ask: &Ask, target_model: &Bytes, edits: &mut Edits) {
    let span = ask.model_span.range();
    if span.is_empty() {
        return; // the path names it
    }
    // The body itself may hold the edits of an attempt before, so the name as it was sent is compared: without
    // escapes it is as long as what was read.
    let unescaped = span.len() == ask.model.len() + 2;
    let inside = target_model.strip_prefix(b"\"").and_then(|target| target.strip_suffix(b"\""));
    if !(unescaped && inside == Some(ask.model.as_bytes())) {
        edits.replace(span, target_model.clone());
    }
}
