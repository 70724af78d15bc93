//! Gemini's generateContent as clients speak it (<https://ai.google.dev/api/generate-content>).
//!
//! Judged by Google's own SDK, `google-genai`: it takes both base64 alphabets and writes the one for URLs, sends what it
//! was sent event by event as turns of their own, and forgets an answer of which any event has no parts.

mod answer;
mod config;
mod decode;
mod history;
mod object;
mod parts;
mod schema;
mod seal;
mod stream;
mod tools;
mod whole;

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod tests;

use super::answer::{About, AnswerEncoder};
pub(super) use decode::decode;

/// Writes answers, as a stream or whole.
pub(super) fn encoder(stream: bool, about: About) -> Box<dyn AnswerEncoder> {
    if stream { Box::new(stream::Stream::new(about)) } else { Box::new(whole::Whole::new(about)) }
}

/// Whose seals are bare in this dialect.
const MAKER: &str = "gemini";
