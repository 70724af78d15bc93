//! Requests and answers, written from OpenAI's documentation.

mod requests;
mod mistakes;
mod answers;
mod laws;

use crate::{
    dialect::{self, About, AnswerEncoder, BadRequest},
    model::{Api, Chat, ChatEvent, Draft, Finish},
};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

/// The conversation that `body` is, through the same door as a client's.
fn decode(body: &Value) -> Result<Chat, BadRequest> {
    let ask = dialect::parse(Api::Responses, Draft::copy_of(body.to_string().as_bytes()))?;
    dialect::decode(&ask).map(|chat| chat.expect("responses are a conversation"))
}

/// What `chat` notes, as `Feature path`.
fn notes(chat: &Chat) -> Vec<String> {
    chat.uses.iter().map(|used| format!("{:?} {}", used.feature, used.path)).collect()
}

fn about(request: &Value) -> About {
    About {
        id: "r1".into(),
        model: "claude".into(),
        created_s: 1_700_000_000,
        include_usage: false,
        request: Bytes::from(request.to_string()),
    }
}

fn encoder(stream: bool, request: &Value) -> Box<dyn AnswerEncoder> {
    dialect::encoder(Api::Responses, stream, about(request)).expect("responses are a conversation")
}

/// The events that say `answer`: each one's data, with its number and its name checked.
fn stream(request: &Value, answer: &[ChatEvent<'_>]) -> Vec<Value> {
    let (mut encoder, mut out) = (encoder(true, request), BytesMut::new());
    for event in answer {
        encoder.event(event, &mut out);
    }
    let last = encoder.end(&mut out);
    let text = std::str::from_utf8(&out).expect("UTF-8");
    assert!(text[text.len() - last..].starts_with("event: response."), "the end is one event");
    let events: Vec<Value> = text.split_terminator("\n\n").enumerate().map(|(at, event)| data(at, event)).collect();
    assert_eq!(encoder.next_sequence(), events.len() as u64);
    events
}

fn data(at: usize, event: &str) -> Value {
    let (name, data) = event.split_once('\n').expect("two lines");
    let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
    assert_eq!(name.strip_prefix("event: "), data["type"].as_str(), "{event}");
    assert_eq!(data["sequence_number"], at, "{event}");
    data
}

/// The body that says `answer`.
fn whole(request: &Value, answer: &[ChatEvent<'_>]) -> Value {
    let (mut encoder, mut out) = (encoder(false, request), BytesMut::new());
    for event in answer {
        encoder.event(event, &mut out);
        assert!(out.is_empty(), "nothing before the end");
    }
    assert_eq!(encoder.end(&mut out), 0, "a body has no end marker");
    serde_json::from_slice(&out).expect("JSON")
}

fn text(text: &str) -> ChatEvent<'_> {
    ChatEvent::Text { choice: 0, text: text.into() }
}

fn finish(reason: Finish) -> ChatEvent<'static> {
    ChatEvent::Finish { choice: 0, reason, stop: None }
}
