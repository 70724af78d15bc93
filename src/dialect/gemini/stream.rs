//! A stream: events that each are a response, without names and without an end marker.

use super::answer::{Answers, Candidate, Content, Response};
use crate::{
    dialect::{
        answer::{About, AnswerEncoder},
        line,
    },
    model::ChatEvent,
};
use bytes::{BufMut, BytesMut};

/// Writes one stream.
pub(super) struct Stream {
    about: About,
    answers: Answers,
}

impl Stream {
    pub fn new(about: About) -> Self {
        Self { about, answers: Answers::new(true) }
    }
}

impl AnswerEncoder for Stream {
    fn event(&mut self, event: &ChatEvent<'_>, out: &mut BytesMut) {
        let Self { about, answers } = self;
        answers.take(event, &mut |index, part, logprobs_result| {
            let candidate = Candidate {
                content: Content::of(vec![part]),
                finish_reason: None,
                finish_message: None,
                grounding_metadata: None,
                logprobs_result,
                index,
            };
            write(&response(about, vec![candidate]), out);
        });
    }

    /// The last event tells why each answer is over, and the usage.
    fn end(&mut self, out: &mut BytesMut) -> usize {
        let (candidates, usage) = self.answers.end(|_| Vec::new());
        let last = Response { usage_metadata: usage.map(Into::into), ..response(&self.about, candidates) };
        write(&last, out);
        0
    }
}

pub(super) fn response<'a>(about: &'a About, candidates: Vec<Candidate<'a>>) -> Response<'a> {
    Response { candidates, usage_metadata: None, model_version: &about.model, response_id: &about.id }
}

/// Google ends its lines by CRLF.
fn write(response: &Response<'_>, out: &mut BytesMut) {
    out.put_slice(b"data: ");
    line::json(response, out);
    out.put_slice(b"\r\n\r\n");
}
