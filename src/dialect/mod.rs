//! Client-facing APIs: requests are parsed strictly, errors and model lists are rendered as the client's SDK
//! expects them.
//!
//! [`decode`] makes a conversation of a request, and [`encoder`] writes an answer ([`decode_retrieval`] and [`retell`] do so
//! for embeddings and reranking): what a provider's API has to do with
//! it is none of a dialect's business. Nothing here knows providers, keys or Pingora.

mod answer;
mod chat;
pub mod declined;
pub mod error;
pub mod form;
mod free_form;
mod gemini;
mod line;
mod messages;
pub mod models;
mod node;
mod object;
mod path;
mod parse;
mod responses;
mod retrieval;
pub mod strict;
pub mod view;

pub use answer::{About, AnswerEncoder, encoder};
pub use error::sign_of_life;
pub use parse::{BadRequest, parse, parse_form, parse_generate};
pub use retrieval::{Retold, retell, retold_bytes};

use crate::model::{Api, Ask, Chat, Retrieval};
use bytes::Bytes;

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

/// What a call of `api` with this `body`, which passed the strict parse, asks a model to embed or rank; `None`: nothing.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_retrieval(api: Api, body: &Bytes) -> Result<Option<Retrieval>, BadRequest> {
    match api {
        Api::Embeddings => retrieval::embed(body).map(Retrieval::Embed).map(Some),
        Api::Rerank => retrieval::rerank(body).map(Retrieval::Rerank).map(Some),
        _ => Ok(None),
    }
}
