//! Transcripts, pictures and speech: <https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event>,
//! <https://platform.openai.com/docs/api-reference/images-streaming>. Only transcripts are texts.

use super::{Events, Seen};
use crate::{
    dialect::view::{
        channel::{self, TEXT},
        cursor::Kind,
    },
    model::{Form, Growth, Speech},
};

pub(super) fn event(events: &mut Events, seen: &mut Seen<'_, '_>) {
    if seen.walk.cursor.peek() != Kind::Object {
        return;
    }
    let mut kind = seen.kind;
    let mut failed = false;
    let walk = &mut *seen.walk;
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match &*key {
            b"type" => kind = walk.cursor.word(),
            b"delta" if walk.cursor.peek() == Kind::String => {
                walk.growth = Growth::Delta(channel::of(TEXT, 0));
                walk.string(Form::String, Speech::Assistant);
                walk.growth = Growth::Whole;
            }
            b"text" | b"speaker" | b"delta" | b"segments" | b"revised_prompt" => walk.value(Speech::Assistant),
            b"logprobs" | b"words" => walk.echo(),
            b"error" => {
                failed = walk.cursor.peek() != Kind::Null;
                walk.cursor.skip();
            }
            _ => walk.cursor.pass(),
        }
    }
    events.note(&walk.found);
    let over = matches!(kind, b"transcript.text.done" | b"speech.audio.done" | b"error")
        || (kind.starts_with(b"image_") && kind.ends_with(b".completed"));
    if over || failed {
        events.end(seen.view);
    }
}
