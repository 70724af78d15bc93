//! Chat completions and completions: <https://platform.openai.com/docs/api-reference/chat/streaming>. Beside OpenAI's
//! own members those of others: `reasoning_content` (DeepSeek), `reasoning`, `reasoning_details` (OpenRouter), content in
//! parts (Mistral).

use super::{Events, Seen, course::keep};
use crate::{
    dialect::view::{
        channel::{self, ARGUMENTS, CALL, DETAIL, INPUT, OTHER, REASONING, REFUSAL, TEXT, THOUGHT, TRANSCRIPT},
        cursor::Kind,
        names,
        walk::{Walk, hash},
    },
    model::{Form, Growth, Speech},
};

pub(super) fn event(events: &mut Events, seen: &mut Seen<'_, '_>) {
    if seen.walk.cursor.peek() != Kind::Object {
        return;
    }
    seen.walk.cursor.enter();
    events.course.begin();
    while let Some(key) = seen.walk.cursor.key() {
        match &*key {
            b"choices" if seen.walk.cursor.peek() == Kind::Array => {
                seen.walk.cursor.enter();
                while seen.walk.cursor.more() {
                    choice(events, seen);
                }
            }
            b"search_results" => seen.walk.value(Speech::Document),
            b"error" if seen.walk.cursor.peek() != Kind::Null => {
                seen.walk.cursor.skip();
                events.end(seen.view);
            }
            name => {
                let at = seen.walk.cursor.skip();
                let value = seen.walk.cursor.slice(&at);
                let told = events.course.told();
                match name {
                    b"id" => keep(&mut told.id, value),
                    b"model" => keep(&mut told.model, value),
                    b"created" => keep(&mut told.created, value),
                    _ => {}
                }
            }
        }
    }
}

fn choice(events: &mut Events, seen: &mut Seen<'_, '_>) {
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
            b"delta" => delta(walk),
            b"text" => grow(walk, TEXT, 0, Form::String, Speech::Assistant),
            b"message" => walk.value(Speech::Assistant),
            b"finish_reason" => {
                finished = walk.cursor.peek() != Kind::Null;
                walk.cursor.skip();
            }
            b"logprobs" => walk.echo(),
            name if names::is_silent(name) => walk.cursor.pass(),
            _ => walk.value(Speech::Assistant),
        }
    }
    let pieces = seen.walk.found.get_mut(from..).unwrap_or_default();
    channel::put(pieces, number);
    events.note(pieces);
    let part = channel::place(number);
    if finished {
        events.course.close(part);
        events.close_choice(number, seen.view);
    } else {
        events.course.open(part);
    }
}

/// A string that comes grows in this channel; anything else is told whole.
fn grow(walk: &mut Walk<'_>, kind: u8, place: u32, form: Form, speech: Speech) {
    if walk.cursor.peek() == Kind::String {
        walk.growth = Growth::Delta(channel::of(kind, place));
        walk.string(form, speech);
        walk.growth = Growth::Whole;
    } else if form == Form::StringOfJson {
        walk.arguments(form, speech);
    } else {
        let from = walk.found.len();
        walk.value(speech);
        channel::grow(walk.found.get_mut(from..).unwrap_or_default(), place);
    }
}

fn delta(walk: &mut Walk<'_>) {
    if walk.cursor.peek() != Kind::Object {
        return walk.value(Speech::Assistant);
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match &*key {
            b"role" => walk.cursor.pass(),
            b"content" => grow(walk, TEXT, 0, Form::String, Speech::Assistant),
            b"refusal" => grow(walk, REFUSAL, 0, Form::String, Speech::Refusal),
            b"reasoning_content" | b"thinking" => grow(walk, THOUGHT, 0, Form::String, Speech::Reasoning),
            b"reasoning" => grow(walk, REASONING, 0, Form::String, Speech::Reasoning),
            b"reasoning_details" => each(walk, detail),
            b"tool_calls" => each(walk, call),
            b"function_call" => function(walk, CALL),
            b"audio" => audio(walk),
            b"annotations" | b"citations" => walk.value(Speech::Document),
            name if names::is_silent(name) => walk.cursor.pass(),
            name => grow(walk, OTHER, hash(name), Form::String, Speech::Assistant),
        }
    }
}

/// Each of a list, by its number: that of `index`, else its place.
fn each(walk: &mut Walk<'_>, one: fn(&mut Walk<'_>) -> Option<u64>) {
    if walk.cursor.peek() != Kind::Array {
        return walk.value(Speech::Assistant);
    }
    walk.cursor.enter();
    let mut at = 0;
    while walk.cursor.more() {
        let from = walk.found.len();
        let number = one(walk).unwrap_or(at);
        for piece in walk.found.get_mut(from..).unwrap_or_default() {
            if let Growth::Delta(channel) = &mut piece.growth {
                *channel |= u64::from(channel::place(number));
            }
        }
        at += 1;
    }
}

/// `{"type","text","summary","data","signature","index"}`.
fn detail(walk: &mut Walk<'_>) -> Option<u64> {
    if walk.cursor.peek() != Kind::Object {
        walk.value(Speech::Reasoning);
        return None;
    }
    let mut number = None;
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match &*key {
            b"index" => number = walk.cursor.number(),
            b"text" | b"summary" => grow(walk, DETAIL, 0, Form::String, Speech::Reasoning),
            _ => walk.cursor.pass(),
        }
    }
    number
}

/// `{"index","id","type","function","custom"}`.
fn call(walk: &mut Walk<'_>) -> Option<u64> {
    if walk.cursor.peek() != Kind::Object {
        walk.value(Speech::ToolCall);
        return None;
    }
    let mut number = None;
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match &*key {
            b"index" => number = walk.cursor.number(),
            b"function" | b"custom" => function(walk, ARGUMENTS),
            _ => walk.cursor.pass(),
        }
    }
    number
}

/// `{"name","arguments"}`, `{"name","input"}`.
fn function(walk: &mut Walk<'_>, kind: u8) {
    if walk.cursor.peek() != Kind::Object {
        return walk.value(Speech::ToolCall);
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match &*key {
            b"arguments" => grow(walk, kind, 0, Form::StringOfJson, Speech::ToolCall),
            b"input" => grow(walk, INPUT, 0, Form::String, Speech::ToolCall),
            _ => walk.cursor.pass(),
        }
    }
}

fn audio(walk: &mut Walk<'_>) {
    if walk.cursor.peek() != Kind::Object {
        walk.cursor.skip();
        return;
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match &*key {
            b"transcript" => grow(walk, TRANSCRIPT, 0, Form::String, Speech::Assistant),
            _ => walk.cursor.pass(),
        }
    }
}
