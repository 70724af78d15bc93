//! An answer that is one body.

use super::answer::{Answers, Part, Response};
use super::stream::response;
use crate::{
    dialect::answer::{About, AnswerEncoder},
    model::ChatEvent,
};
use bytes::{BufMut, BytesMut};

/// Writes one answer.
pub(super) struct Whole {
    about: About,
    answers: Answers,
    /// The parts of each answer, by its index.
    parts: Vec<(u32, Vec<Part<'static>>)>,
}

impl Whole {
    pub fn new(about: About) -> Self {
        Self { about, answers: Answers::new(false), parts: Vec::new() }
    }
}

impl AnswerEncoder for Whole {
    fn event(&mut self, event: &ChatEvent<'_>, _out: &mut BytesMut) {
        let Self { answers, parts, .. } = self;
        answers.take(event, &mut |index, part, _| match parts.iter_mut().find(|(known, _)| *known == index) {
            Some((_, parts)) => add(parts, part),
            None => parts.push((index, vec![part.into_owned()])),
        });
    }

    fn end(&mut self, out: &mut BytesMut) -> usize {
        let Self { about, answers, parts } = self;
        let (candidates, usage) = answers.end(|index| {
            let own = parts.iter_mut().find(|(known, _)| *known == index);
            own.map(|(_, parts)| std::mem::take(parts)).unwrap_or_default()
        });
        let whole = Response { usage_metadata: usage.map(Into::into), ..response(about, candidates) };
        serde_json::to_writer(out.writer(), &whole).expect("strings and numbers always serialize");
        0
    }
}

/// Adds a part, to the text before it if it goes on.
fn add(parts: &mut Vec<Part<'static>>, part: Part<'_>) {
    if let (Some(more), None, Some(last)) = (&part.text, &part.thought_signature, parts.last_mut())
        && last.thought == part.thought
        && !(last.thought && last.thought_signature.is_some())
        && let Some(text) = &mut last.text
    {
        text.to_mut().push_str(more);
        return;
    }
    parts.push(part.into_owned());
}
