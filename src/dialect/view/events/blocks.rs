//! Messages: <https://docs.claude.com/en/docs/build-with-claude/streaming>.

use super::{Events, Seen, course::keep};
use crate::{
    dialect::view::{
        channel::{self, ARGUMENTS, INPUT, OTHER, TEXT, THOUGHT},
        cursor::Kind,
        names,
        walk::{Walk, hash},
    },
    model::{Form, Growth, Speech},
};

/// Where the members of an event stand.
#[derive(Default)]
struct Members {
    number: u64,
    block: Option<usize>,
    delta: Option<usize>,
    message: Option<usize>,
    failed: bool,
}

pub(super) fn event(events: &mut Events, seen: &mut Seen<'_, '_>) {
    if seen.walk.cursor.peek() != Kind::Object {
        return;
    }
    let named = seen.kind;
    let (members, kind, end) = read(events, seen.walk);
    let kind = if kind.is_empty() { named } else { kind };
    if let Some(at) = members.message {
        message(events, seen.walk, at);
    }
    if let Some(at) = members.block {
        block(seen.walk, at);
        events.course.open(channel::place(members.number));
    }
    if let Some(at) = members.delta {
        seen.walk.cursor.goto(at);
        if *kind == *b"message_delta" { finish(events, seen.walk) } else { delta(seen.walk) }
    }
    seen.walk.cursor.goto(end);
    channel::put(&mut seen.walk.found, members.number);
    events.note(&seen.walk.found);
    match kind {
        b"message_start" => events.course.begin(),
        b"content_block_stop" => {
            events.course.close(channel::place(members.number));
            events.close_choice(members.number, seen.view);
        }
        b"message_stop" | b"error" => events.end(seen.view),
        _ if members.failed => events.end(seen.view),
        _ => {}
    }
}

/// The places of the event's members, its type, and where it ends.
fn read<'d>(events: &mut Events, walk: &mut Walk<'d>) -> (Members, &'d [u8], usize) {
    let mut members = Members::default();
    let mut kind: &[u8] = b"";
    let cursor = &mut walk.cursor;
    cursor.enter();
    while let Some(key) = cursor.key() {
        match &*key {
            b"type" => kind = cursor.word(),
            b"index" => members.number = cursor.number().unwrap_or_default(),
            b"content_block" => cursor.mark(&mut members.block),
            b"delta" => cursor.mark(&mut members.delta),
            b"message" => cursor.mark(&mut members.message),
            b"usage" => {
                let at = cursor.skip();
                keep(&mut events.course.told().usage, cursor.slice(&at));
            }
            b"error" => {
                members.failed = cursor.peek() != Kind::Null;
                cursor.skip();
            }
            _ => cursor.pass(),
        }
    }
    let end = cursor.place();
    (members, kind, end)
}

fn message(events: &mut Events, walk: &mut Walk<'_>, at: usize) {
    walk.cursor.goto(at);
    if walk.cursor.peek() != Kind::Object {
        return;
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match &*key {
            b"content" => walk.value(Speech::Assistant),
            b"usage" => {
                let at = walk.cursor.skip();
                keep(&mut events.course.told().usage, walk.cursor.slice(&at));
            }
            _ => walk.cursor.pass(),
        }
    }
}

/// A block that begins: deltas add to its text. What tools answer comes with it whole.
fn block(walk: &mut Walk<'_>, at: usize) {
    walk.cursor.goto(at);
    let from = walk.found.len();
    walk.value(Speech::Assistant);
    if walk.found.len() == from {
        return;
    }
    walk.cursor.goto(at);
    if walk.cursor.peek() != Kind::Object {
        return;
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        let string = walk.cursor.peek() == Kind::String;
        let at = walk.cursor.skip();
        let kind = match &*key {
            b"text" => TEXT,
            b"thinking" => THOUGHT,
            b"content" => INPUT,
            _ => continue,
        };
        let pieces = walk.found.get_mut(from..).unwrap_or_default().iter_mut();
        for piece in pieces.filter(|piece| string && piece.at == at) {
            piece.growth = Growth::Delta(channel::of(kind, 0));
        }
    }
}

fn delta(walk: &mut Walk<'_>) {
    if walk.cursor.peek() != Kind::Object {
        return walk.value(Speech::Assistant);
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        let (kind, place, form, speech) = match &*key {
            b"type" => {
                walk.cursor.skip();
                continue;
            }
            b"text" => (TEXT, 0, Form::String, Speech::Assistant),
            b"thinking" => (THOUGHT, 0, Form::String, Speech::Reasoning),
            b"partial_json" => (ARGUMENTS, 0, Form::StringOfJson, Speech::ToolCall),
            b"content" => (INPUT, 0, Form::String, Speech::Assistant),
            b"citation" => {
                walk.value(Speech::Document);
                continue;
            }
            name if names::is_silent(name) => {
                walk.cursor.skip();
                continue;
            }
            name => (OTHER, hash(name), Form::String, Speech::Assistant),
        };
        if walk.cursor.peek() == Kind::String {
            walk.growth = Growth::Delta(channel::of(kind, place));
            walk.string(form, speech);
            walk.growth = Growth::Whole;
        } else {
            walk.value(speech);
        }
    }
}

/// The end of the message: `{"stop_reason","stop_sequence"}`.
fn finish(events: &mut Events, walk: &mut Walk<'_>) {
    if walk.cursor.peek() != Kind::Object {
        return;
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        if *key == *b"stop_reason" && walk.cursor.peek() != Kind::Null {
            events.course.finish();
        }
        walk.cursor.skip();
    }
}
