//! An answer as one body.

use super::{
    names::Names,
    output::Output,
    response::{Echo, Response},
};
use crate::{
    dialect::{About, AnswerEncoder},
    model::ChatEvent,
};
use bytes::{BufMut, BytesMut};

/// Collects one answer.
pub(in crate::dialect) struct Whole {
    about: About,
    echo: Echo,
    output: Output,
}

impl Whole {
    /// Of the answer that `about` tells of.
    pub(in crate::dialect) fn new(mut about: About) -> Self {
        let output = Output::new(about.id.clone(), Names::of(&about.request));
        let echo = Echo::take(&mut about);
        Self { about, echo, output }
    }
}

impl AnswerEncoder for Whole {
    fn event(&mut self, event: &ChatEvent<'_>, _: &mut BytesMut) {
        self.output.take(event, &mut |_, _| {});
    }

    fn lost(&self) -> bool {
        self.output.lost()
    }

    fn end(&mut self, out: &mut BytesMut) -> usize {
        self.output.close_at_end(&mut |_, _| {});
        let response = Response::ended(&self.about, &self.echo, &self.output);
        serde_json::to_writer(out.writer(), &response).expect("strings, numbers and JSON always serialize");
        0
    }
}
