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
    if ask.form {
        return in_form(ask, target_model, edits);
    }
    // The body itself may hold the edits of an attempt before, so the name as it was sent is compared: without
    // escapes it is as long as what was read.
    let unescaped = span.len() == ask.model.len() + 2;
    let inside = target_model.strip_prefix(b"\"").and_then(|target| target.strip_suffix(b"\""));
    if !(unescaped && inside == Some(ask.model.as_bytes())) {
        edits.replace(span, target_model.clone());
    }
}

/// In a form the name stands as it is. A line's end in it, which no model has, is left out: it could end the part.
fn in_form(ask: &Ask, target_model: &Bytes, edits: &mut Edits) {
    let name = serde_json::from_slice::<String>(target_model).unwrap_or_default();
    if name != ask.model {
        let plain: String = name.chars().filter(|character| !character.is_control()).collect();
        edits.replace(ask.model_span.range(), Bytes::from(plain));
    }
}
