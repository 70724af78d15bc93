//! OpenAI's Responses, as clients speak it: `POST /v1/responses`.
//!
//! Requests: <https://platform.openai.com/docs/api-reference/responses/create>; the answer, whole:
//! <https://platform.openai.com/docs/api-reference/responses/object>, as events:
//! <https://platform.openai.com/docs/api-reference/responses-streaming>. Nothing is kept between two requests: what
//! refers to an earlier response is noted as state of the provider, and `store` is answered with `false`.

mod brackets;
mod decode;
mod input;
mod content;
mod tools;
mod names;
mod members;
mod items;
mod output;
mod response;
mod stream;
mod whole;

#[cfg(test)]
mod tests;

pub(super) use decode::decode;
pub(super) use stream::Stream;
pub(super) use whole::Whole;
