//! From the events of an answer to what a client's SDK reads: a stream of events or one body.

use super::{chat, gemini, messages, responses};
use crate::model::{Api, ChatEvent};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// What an answer says of itself beside what the provider told.
#[derive(Debug, Clone)]
pub struct About {
    /// The request's id: without its API's prefix.
    pub id: Arc<str>,
    /// The model that the client asked for.
    pub model: Arc<str>,
    /// Seconds since the Unix epoch.
    pub created_s: u64,
    /// The usage chunk of a chat completion was asked for.
    pub include_usage: bool,
    /// The client's request: responses repeat members of it.
    pub request: Bytes,
}

/// Writes one answer in a client's dialect. Of a stream, each event is written as it comes; of an answer that is no
/// stream, nothing is written before its end.
pub trait AnswerEncoder: Send {
    /// Takes `event`; appends what goes to the client to `out`.
    fn event(&mut self, event: &ChatEvent<'_>, out: &mut BytesMut);

    /// The answer is over: appends what is left, usage and the end marker last. Returns the bytes of the end marker
    /// (the last event), 0 where there is none.
    fn end(&mut self, out: &mut BytesMut) -> usize;

    /// Whether something came too late to be told: arguments of a call that the dialect had to end before.
    fn lost(&self) -> bool {
        false
    }

    /// Whether the whole answer is kept until its end, because the last event tells it again (Responses).
    fn keeps(&self) -> bool {
        false
    }

    /// The number that the next event would carry, where events are numbered (Responses); else 0.
    fn next_sequence(&self) -> u64 {
        0
    }
}

/// Writes answers to calls of `api`, as a `stream` or whole. `None`: `api` is no conversation.
pub fn encoder(api: Api, stream: bool, mut about: About) -> Option<Box<dyn AnswerEncoder>> {
    if matches!(api, Api::Messages | Api::Generate) {
        // These repeat nothing of it: a stream must not hold a large request to its end.
        about.request = Bytes::new();
    }
    match api {
        Api::ChatCompletions if stream => Some(Box::new(chat::Stream::new(&about))),
        Api::ChatCompletions => Some(Box::new(chat::Whole::new(about))),
        Api::Responses if stream => Some(Box::new(responses::Stream::new(about))),
        Api::Responses => Some(Box::new(responses::Whole::new(about))),
        Api::Messages => Some(messages::encoder(stream, about)),
        Api::Generate => Some(gemini::encoder(stream, about)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(request: Bytes) -> About {
        About { id: "x".into(), model: "m".into(), created_s: 1, include_usage: false, request }
    }

    #[test]
    fn every_conversation_has_an_encoder_and_nothing_else_has() {
        for api in Api::ALL {
            for stream in [false, true] {
                assert_eq!(encoder(api, stream, about(Bytes::new())).is_some(), api.converses(), "{api}");
            }
        }
    }

    #[test]
    fn an_answer_does_not_hold_the_request() {
        for api in Api::ALL.into_iter().filter(|api| api.converses()) {
            for stream in [false, true] {
                let request = Bytes::from(br#"{"model":"m","input":"a long one"}"#.to_vec());
                let encoder = encoder(api, stream, about(request.clone())).expect("a conversation");
                assert!(request.is_unique(), "{api}, stream: {stream}");
                drop(encoder);
            }
        }
    }
}
