//! Answers and events as they come (<https://docs.cohere.com/reference/chat>,
//! <https://docs.cohere.com/docs/streaming>). What stands in a list in a whole answer stands alone in an event.

use crate::providers::lenient::{Count, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One event; which members there are depends on its type.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub(super) r#type: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) delta: Option<Delta<'a>>,
    /// Of an error that is no event: the body of an error.
    #[serde(borrow)]
    pub(super) message: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Text<'a>,
    #[serde(borrow)]
    pub(super) error: Text<'a>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

/// An answer that came whole.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Text<'a>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

/// What the model says, or a piece of it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_plan: Text<'a>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) citations: Option<&'a RawValue>,
}

/// A text or a thought.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) thinking: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) arguments: Text<'a>,
}

/// A piece of the text that sources support.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Cited<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) sources: Option<Vec<Source<'a>>>,
}

/// A tool's result, or a document.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Source<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) document: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_output: Option<&'a RawValue>,
}

/// What a source may say of itself: its members are the client's own.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Described<'a> {
    #[serde(borrow)]
    pub(super) title: Text<'a>,
    #[serde(borrow)]
    pub(super) url: Text<'a>,
}

/// What stands alone or in a list; `null` is nothing.
///
/// # Errors
///
/// When it is of another shape.
pub(super) fn each<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> serde_json::Result<Vec<T>> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(Vec::new()),
        Some(list) if list.starts_with('[') => serde_json::from_str(list),
        Some(one) => serde_json::from_str(one).map(|one| vec![one]),
    }
}
