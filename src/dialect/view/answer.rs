//! The texts of answers that came whole.

use super::{NoView, cursor::Kind, walk::Walk};
use crate::model::{Api, Speech, Text};
use std::ops::Range;

/// What a whole answer says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its texts, in the order of their places: of every choice, item, block and candidate.
    pub texts: Vec<Text>,
    /// Values that tell texts over again, token by token (`logprobs`, `words`): `null` where texts are edited.
    pub echoes: Vec<Range<usize>>,
}

/// The texts of an answer to a call of `api`. What is no JSON (a transcript as plain text) is one text.
///
/// What an answer repeats of its request (`instructions`, `tools` of a response) is not in it, and neither is an error.
///
/// # Errors
///
/// When there is no view of such answers.
pub fn answer(api: Api, body: &[u8]) -> Result<Whole, NoView> {
    if !answers(api) {
        return Err(NoView::Api(api));
    }
    let mut walk = Walk::new(body);
    match walk.cursor.peek() {
        // A stream of Gemini's that is no stream of events.
        Kind::Array if api == Api::Generate => {
            walk.cursor.enter();
            while walk.cursor.more() {
                top(api, &mut walk);
            }
        }
        Kind::Object => top(api, &mut walk),
        _ => {}
    }
    let (texts, echoes) = walk.texts(Speech::Assistant);
    Ok(Whole { texts, echoes })
}

/// Whether there is a view of answers to calls of `api`: not where they are sound, or files.
pub const fn answers(api: Api) -> bool {
    !matches!(api, Api::Speech | Api::Realtime | Api::Files | Api::Batches)
}

fn top(api: Api, walk: &mut Walk<'_>) {
    if walk.cursor.peek() != Kind::Object {
        walk.cursor.skip();
        return;
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        match (api, &*key) {
            (Api::ChatCompletions | Api::Completions, b"choices")
            | (Api::Responses, b"output" | b"output_text")
            | (Api::Messages, b"content")
            | (Api::Generate, b"candidates")
            | (Api::Images | Api::ImageEdits | Api::ImageVariations, b"data")
            | (Api::Transcriptions | Api::Translations, b"text") => walk.value(Speech::Assistant),
            (Api::ChatCompletions, b"search_results") => walk.value(Speech::Document),
            (Api::Rerank, b"results" | b"data") => ranked(walk),
            (Api::Transcriptions | Api::Translations, b"segments") => segments(walk),
            (Api::Transcriptions | Api::Translations, b"words" | b"logprobs") => walk.echo(),
            _ => walk.cursor.pass(),
        }
    }
}

/// Results of which each may tell its document.
fn ranked(walk: &mut Walk<'_>) {
    rows(walk, |walk, key| match key {
        b"document" | b"text" => walk.strings(Speech::Document),
        _ => walk.cursor.pass(),
    });
}

/// Segments of what was heard: `{"id","text","speaker","tokens":[50364, …],…}`. The tokens are the text once more.
///
/// Source: <https://platform.openai.com/docs/api-reference/audio/verbose-json-object>.
fn segments(walk: &mut Walk<'_>) {
    rows(walk, |walk, key| match key {
        b"tokens" | b"words" | b"logprobs" => walk.echo(),
        b"id" | b"type" => walk.cursor.pass(),
        _ => walk.value(Speech::Assistant),
    });
}

/// Takes each member of the objects of a list.
fn rows(walk: &mut Walk<'_>, each: impl Fn(&mut Walk<'_>, &[u8])) {
    if walk.cursor.peek() != Kind::Array {
        walk.cursor.pass();
        return;
    }
    walk.cursor.enter();
    while walk.cursor.more() {
        if walk.cursor.peek() != Kind::Object {
            walk.cursor.skip();
            continue;
        }
        walk.cursor.enter();
        while let Some(key) = walk.cursor.key() {
            each(walk, &key);
        }
    }
}
