//! Anthropic's Messages as a client dialect: what Claude Code and the Anthropic SDKs say, and what they read.

mod decode;
mod known;
mod stream;
mod turns;
mod whole;
mod wire;

#[cfg(test)]
mod tests;

pub(super) use decode::decode;

use super::{About, AnswerEncoder};

/// Whose seals stand bare in this dialect.
const MAKER: &str = "anthropic";

/// Writes one answer.
pub(super) fn encoder(stream: bool, about: About) -> Box<dyn AnswerEncoder> {
    if stream { Box::new(stream::Stream::new(about)) } else { Box::new(whole::Whole::new(about)) }
}
