//! Gemini: <https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent>. Text comes in deltas, calls
//! come whole; arguments in pieces (`partialArgs`) grow by their path
//! (<https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling>).

use super::{Events, Seen, course::keep};
use crate::{
    dialect::view::{channel, cursor::Kind, names},
    model::Speech,
};

pub(super) fn event(events: &mut Events, seen: &mut Seen<'_, '_>) {
    if seen.walk.cursor.peek() != Kind::Object {
        return;
    }
    seen.walk.cursor.enter();
    events.course.begin();
    while let Some(key) = seen.walk.cursor.key() {
        match &*key {
            b"candidates" if seen.walk.cursor.peek() == Kind::Array => {
                seen.walk.cursor.enter();
                while seen.walk.cursor.more() {
                    candidate(events, seen);
                }
            }
            b"error" if seen.walk.cursor.peek() != Kind::Null => {
                seen.walk.cursor.skip();
                events.end(seen.view);
            }
            name => {
                let at = seen.walk.cursor.skip();
                let value = seen.walk.cursor.slice(&at);
                let told = events.course.told();
                match name {
                    b"responseId" | b"response_id" => keep(&mut told.id, value),
                    b"modelVersion" | b"model_version" => keep(&mut told.model, value),
                    b"createTime" | b"create_time" => keep(&mut told.created, value),
                    b"usageMetadata" | b"usage_metadata" => keep(&mut told.usage, value),
                    _ => {}
                }
            }
        }
    }
}

fn candidate(events: &mut Events, seen: &mut Seen<'_, '_>) {
    if seen.walk.cursor.peek() != Kind::Object {
        seen.walk.cursor.skip();
        return;
    }
    let from = seen.walk.found.len();
    let (mut number, mut finished) = (0, false);
    seen.walk.cursor.enter();
    while let Some(key) = seen.walk.cursor.key() {
        let walk = &mut *seen.walk;
        match &*key {
            b"index" => number = walk.cursor.number().unwrap_or_default(),
            b"content" => {
                let from = walk.found.len();
                walk.value(Speech::Assistant);
                channel::grow(walk.found.get_mut(from..).unwrap_or_default(), 0);
            }
            b"finishReason" | b"finish_reason" => {
                let none = walk.cursor.peek() == Kind::Null;
                let word = walk.cursor.word();
                finished = !none && word != b"FINISH_REASON_UNSPECIFIED";
            }
            b"groundingMetadata" | b"grounding_metadata" | b"citationMetadata" | b"citation_metadata" => {
                walk.value(Speech::Document);
            }
            b"logprobsResult" | b"logprobs_result" => walk.echo(),
            name if names::is_silent(name) => walk.cursor.pass(),
            _ => walk.value(Speech::Assistant),
        }
    }
    let pieces = seen.walk.found.get_mut(from..).unwrap_or_default();
    channel::put(pieces, number);
    events.note(pieces);
    for ended in std::mem::take(&mut seen.walk.ended) {
        events.close(channel::within(ended, number), seen.view);
    }
    let part = channel::place(number);
    if finished {
        events.course.close(part);
        events.close_choice(number, seen.view);
    } else {
        events.course.open(part);
    }
}
