//! Client-facing APIs: requests are parsed strictly, errors and model lists are rendered as the client's SDK
//! expects them.
//!
//! [`decode`] makes a conversation of a request, and [`encoder`] writes an answer: what a provider's API has to do with
//! it is none of a dialect's business. Nothing here knows providers, keys or Pingora.

mod answer;
mod chat;
pub mod error;
pub mod form;
mod gemini;
mod messages;
pub mod models;
mod node;
mod object;
mod path;
mod parse;
mod responses;
pub mod strict;

pub use answer::{About, AnswerEncoder, encoder};
pub use parse::{BadRequest, parse, parse_generate};

use crate::model::{Api, Ask, Chat};

/// The conversation that `ask` is; `None`: its call is none.
///
/// # Errors
///
/// When a member that is translated is not of its kind: the path is in the message.
pub fn decode(ask: &Ask) -> Result<Option<Chat>, BadRequest> {
    match ask.api {
        Api::ChatCompletions => chat::decode(ask).map(Some),
        Api::Responses => responses::decode(ask).map(Some),
        Api::Messages => messages::decode(ask).map(Some),
        Api::Generate => gemini::decode(ask).map(Some),
        _ => Ok(None),
    }
}
