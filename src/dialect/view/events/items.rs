//! Responses: <https://platform.openai.com/docs/api-reference/responses-streaming>. Each text comes in deltas, and is then
//! told whole up to four times: by its own `done`, its part's, its item's and the response's.

use super::{Events, Seen, course::keep};
use crate::{
    dialect::view::{
        channel::{self, ARGUMENTS, CODE, INPUT, OTHER, REFUSAL, SUMMARY, TEXT, THOUGHT, TRANSCRIPT},
        cursor::Kind,
        walk::{Walk, hash},
    },
    model::{Form, Growth, Piece, Speech},
};
use std::ops::Range;

/// Longest `response` that is kept, in bytes, to tell it again where the stream is ended: of a longer one, which repeats
/// instructions and tools, only id, model and time are told then.
const MOST_KEPT: usize = 16 * 1024;

/// Where the members of an event stand.
#[derive(Default)]
struct Members {
    delta: Option<usize>,
    part: Option<usize>,
    item: Option<usize>,
    response: Option<usize>,
    annotation: Option<usize>,
    /// Texts that are told whole.
    wholes: Vec<usize>,
    output: u64,
    content: u32,
    summary: u32,
    failed: bool,
}

/// What grows by events of one name.
struct Stem {
    kind: u8,
    speech: Speech,
    form: Form,
    place: u32,
}

pub(super) fn event(events: &mut Events, seen: &mut Seen<'_, '_>) {
    if seen.walk.cursor.peek() != Kind::Object {
        return;
    }
    let named = seen.kind;
    let (members, kind, end) = read(events, seen);
    let kind = if kind.is_empty() { named } else { kind };
    let stem = stem(kind, &members);
    if let (Some(at), Some(stem)) = (members.delta, &stem) {
        let walk = &mut *seen.walk;
        walk.cursor.goto(at);
        walk.growth = Growth::Delta(channel::within(channel::of(stem.kind, stem.place), members.output));
        if walk.cursor.peek() == Kind::String {
            walk.string(stem.form, stem.speech)
        } else {
            walk.value(stem.speech)
        }
        walk.growth = Growth::Whole;
    }
    if let Some(stem) = stem.as_ref().filter(|_| *kind != *b"error") {
        for at in &members.wholes {
            seen.walk.cursor.goto(*at);
            seen.walk.arguments(stem.form, stem.speech);
        }
    }
    if let Some(at) = members.annotation {
        seen.walk.cursor.goto(at);
        seen.walk.value(Speech::Document);
    }
    if let Some(at) = members.part {
        part(seen.walk, at, kind, &members);
    }
    if let Some(at) = members.item {
        item(seen.walk, at, kind, members.output);
    }
    if let Some(at) = members.response {
        response(events, seen.walk, at);
    }
    seen.walk.cursor.goto(end);
    seen.walk.found.sort_unstable_by_key(|piece| piece.at.start);
    events.note(&seen.walk.found);
    events.course.begin();
    close(events, seen, kind, &members, stem.as_ref());
}

/// The places of the event's members, its type, and where it ends.
fn read<'d>(events: &mut Events, seen: &mut Seen<'_, 'd>) -> (Members, &'d [u8], usize) {
    let mut members = Members::default();
    let mut kind: &[u8] = b"";
    seen.walk.cursor.enter();
    while let Some(key) = seen.walk.cursor.key() {
        match &*key {
            b"type" => kind = seen.walk.cursor.word(),
            b"sequence_number" => {
                let at = seen.walk.cursor.skip();
                let digits = std::str::from_utf8(seen.walk.cursor.slice(&at)).ok();
                if let Some(number) = digits.and_then(|digits| digits.parse().ok()) {
                    events.course.number(number);
                    seen.view.sequence = Some(at);
                }
            }
            b"output_index" => members.output = seen.walk.cursor.number().unwrap_or_default(),
            b"content_index" => members.content = channel::place(seen.walk.cursor.number().unwrap_or_default()),
            b"summary_index" => members.summary = channel::place(seen.walk.cursor.number().unwrap_or_default()),
            b"delta" => seen.walk.cursor.mark(&mut members.delta),
            b"part" => seen.walk.cursor.mark(&mut members.part),
            b"item" => seen.walk.cursor.mark(&mut members.item),
            b"response" => seen.walk.cursor.mark(&mut members.response),
            b"annotation" => seen.walk.cursor.mark(&mut members.annotation),
            b"text" | b"refusal" | b"arguments" | b"input" | b"code" | b"transcript" | b"diff" | b"output" => {
                members.wholes.push(seen.walk.cursor.skip().start);
            }
            b"logprobs" => seen.walk.echo(),
            b"error" => {
                members.failed = seen.walk.cursor.peek() != Kind::Null;
                seen.walk.cursor.skip();
            }
            _ => seen.walk.cursor.pass(),
        }
    }
    let end = seen.walk.cursor.place();
    (members, kind, end)
}

/// What grows by events of this `kind`; `None`: sound.
fn stem(kind: &[u8], members: &Members) -> Option<Stem> {
    let stem = [&b".delta"[..], b".done"].iter().find_map(|end| kind.strip_suffix(*end)).unwrap_or(kind);
    let stem = stem.strip_prefix(b"response.").unwrap_or(stem);
    let text = |kind, speech, place| Some(Stem { kind, speech, form: Form::String, place });
    match stem {
        b"output_text" => text(TEXT, Speech::Assistant, members.content),
        b"refusal" => text(REFUSAL, Speech::Refusal, members.content),
        b"reasoning_text" | b"reasoning" => text(THOUGHT, Speech::Reasoning, members.content),
        b"reasoning_summary_text" | b"reasoning_summary" => text(SUMMARY, Speech::Reasoning, members.summary),
        b"function_call_arguments" | b"mcp_call_arguments" | b"mcp_call.arguments" => {
            Some(Stem { kind: ARGUMENTS, speech: Speech::ToolCall, form: Form::StringOfJson, place: 0 })
        }
        b"custom_tool_call_input" => text(INPUT, Speech::ToolCall, 0),
        b"code_interpreter_call_code" | b"code_interpreter_call.code" => text(CODE, Speech::ToolCall, 0),
        b"audio.transcript" | b"audio_transcript" | b"output_audio_transcript" => {
            text(TRANSCRIPT, Speech::Assistant, members.content)
        }
        b"audio" | b"output_audio" => None,
        _ if memchr::memmem::find(stem, b"_call").is_some() => text(OTHER, Speech::ToolCall, hash(stem)),
        _ => text(OTHER, Speech::Assistant, hash(stem) ^ members.content),
    }
}

/// A part that begins may have text already, to which deltas add; one that is done tells its text again.
fn part(walk: &mut Walk<'_>, at: usize, kind: &[u8], members: &Members) {
    let from = walk.found.len();
    walk.cursor.goto(at);
    let summary = memchr::memmem::find(kind, b"summary").is_some();
    walk.value(if summary { Speech::Reasoning } else { Speech::Assistant });
    if kind.ends_with(b".added") {
        let pieces = walk.found.get_mut(from..).unwrap_or_default();
        if summary {
            for piece in &mut *pieces {
                piece.growth = Growth::Delta(channel::of(SUMMARY, members.summary));
            }
        }
        channel::grow(pieces, members.content);
        channel::put(pieces, members.output);
    }
}

/// The same of an item.
fn item(walk: &mut Walk<'_>, at: usize, kind: &[u8], output: u64) {
    let from = walk.found.len();
    walk.cursor.goto(at);
    walk.value(Speech::Assistant);
    if !kind.ends_with(b".added") || walk.found.len() == from {
        return;
    }
    walk.cursor.goto(at);
    if walk.cursor.peek() != Kind::Object {
        return;
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match &*key {
            b"arguments" => grow(walk, from, ARGUMENTS, 0),
            b"input" => grow(walk, from, INPUT, 0),
            b"code" => grow(walk, from, CODE, 0),
            name @ (b"content" | b"summary") if walk.cursor.peek() == Kind::Array => {
                let summary = *name == *b"summary";
                walk.cursor.enter();
                let mut place = 0;
                while walk.cursor.more() {
                    if summary {
                        grow(walk, from, SUMMARY, place);
                    } else {
                        let at = walk.cursor.skip();
                        channel::grow(within(walk, from, &at), place);
                    }
                    place = place.saturating_add(1);
                }
            }
            _ => walk.cursor.pass(),
        }
    }
    channel::put(walk.found.get_mut(from..).unwrap_or_default(), output);
}

/// What was found in the value that comes grows in this channel.
fn grow(walk: &mut Walk<'_>, from: usize, kind: u8, place: u32) {
    let string = walk.cursor.peek() == Kind::String;
    let at = walk.cursor.skip();
    if string || kind == SUMMARY {
        for piece in within(walk, from, &at) {
            piece.growth = Growth::Delta(channel::of(kind, place));
        }
    }
}

fn within<'w>(walk: &'w mut Walk<'_>, from: usize, at: &Range<usize>) -> &'w mut [Piece] {
    let pieces = walk.found.get_mut(from..).unwrap_or_default();
    let begin = pieces.partition_point(|piece| piece.at.start < at.start);
    let end = pieces.partition_point(|piece| piece.at.start < at.end);
    pieces.get_mut(begin..end).unwrap_or_default()
}

/// The whole response: its output is told again.
fn response(events: &mut Events, walk: &mut Walk<'_>, at: usize) {
    walk.cursor.goto(at);
    if walk.cursor.peek() != Kind::Object {
        return;
    }
    let told = events.course.told();
    if told.response.is_empty() {
        let place = walk.cursor.skip();
        if place.len() <= MOST_KEPT {
            keep(&mut told.response, walk.cursor.slice(&place));
        }
        walk.cursor.goto(at);
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match &*key {
            b"output" | b"output_text" => walk.value(Speech::Assistant),
            name => {
                let place = walk.cursor.skip();
                let value = walk.cursor.slice(&place);
                match name {
                    b"id" => keep(&mut told.id, value),
                    b"model" => keep(&mut told.model, value),
                    b"created_at" => keep(&mut told.created, value),
                    _ => {}
                }
            }
        }
    }
}

fn close(events: &mut Events, seen: &mut Seen<'_, '_>, kind: &[u8], members: &Members, stem: Option<&Stem>) {
    let number = members.output;
    match kind {
        b"response.completed" | b"response.incomplete" | b"response.failed" | b"response.cancelled" | b"error" => {
            events.end(seen.view);
        }
        _ if members.failed => events.end(seen.view),
        b"response.output_item.done" => events.close_choice(number, seen.view),
        b"response.content_part.done" => {
            for kind in [TEXT, REFUSAL, THOUGHT] {
                events.close(channel::within(channel::of(kind, members.content), number), seen.view);
            }
        }
        b"response.reasoning_summary_part.done" => {
            events.close(channel::within(channel::of(SUMMARY, members.summary), number), seen.view);
        }
        _ => {
            if let Some(stem) = stem.filter(|_| kind.ends_with(b".done")) {
                events.close(channel::within(channel::of(stem.kind, stem.place), number), seen.view);
            }
        }
    }
}
