//! Tests of chat completions as a client's dialect.

mod decoding;
mod encoding;
mod laws;
mod refusing;

use crate::{
    dialect::{self, About, AnswerEncoder, BadRequest, encoder, parse},
    model::{Api, Chat, ChatEvent, Draft, Feature},
};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

/// What `body` means.
fn decode(body: &Value) -> Chat {
    try_decode(body.to_string().as_bytes()).expect("it is a chat completion")
}

fn try_decode(body: &[u8]) -> Result<Chat, BadRequest> {
    let ask = parse(Api::ChatCompletions, Draft::copy_of(body))?;
    Ok(dialect::decode(&ask)?.expect("a chat completion is a conversation"))
}

/// What is asked for, with one message and `members`.
fn with(members: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let Value::Object(members) = members else { panic!("members") };
    body.as_object_mut().expect("an object").extend(members);
    body
}

/// The features that `chat` uses, and where.
fn uses(chat: &Chat) -> Vec<(Feature, &str)> {
    chat.uses.iter().map(|used| (used.feature, &*used.path)).collect()
}

fn about() -> About {
    About {
        id: "1".into(),
        model: "m".into(),
        created_s: 1_700_000_000,
        include_usage: true,
        request: Bytes::from_static(br#"{"model":"m"}"#),
    }
}

fn make(stream: bool, about: About) -> Box<dyn AnswerEncoder> {
    encoder(Api::ChatCompletions, stream, about).expect("a conversation")
}

/// The chunks of a stream of `events`.
fn chunks(events: &[ChatEvent<'_>], about: About) -> Vec<Value> {
    let mut out = BytesMut::new();
    let mut encoder = make(true, about);
    for event in events {
        encoder.event(event, &mut out);
    }
    let mark = encoder.end(&mut out);
    assert_eq!(&out[out.len() - mark..], b"data: [DONE]\n\n", "the end marker is told by its length");
    let text = std::str::from_utf8(&out[..out.len() - mark]).expect("UTF-8");
    let data = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("one data line"));
    data.map(|data| serde_json::from_str(data).expect("it is JSON")).collect()
}

/// The body of an answer of `events`.
fn whole(events: &[ChatEvent<'_>], about: About) -> Value {
    let mut out = BytesMut::new();
    let mut encoder = make(false, about);
    for event in events {
        encoder.event(event, &mut out);
        assert!(out.is_empty(), "nothing before its end");
    }
    assert_eq!(encoder.end(&mut out), 0, "a body has no end marker");
    serde_json::from_slice(&out).expect("it is JSON")
}
