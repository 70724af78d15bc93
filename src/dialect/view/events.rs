//! The texts of the events of a stream, by the channels that they grow in.

mod blocks;
mod candidates;
mod choices;
mod course;
mod items;
mod media;

pub(super) use course::{Course, Standing};

use super::{channel, walk::Walk};
use crate::model::{Api, Channel, EventView, Growth, Piece, Speech};
use std::collections::BTreeSet;

/// Looks at the events of one stream, in their order. Holds nothing of what the model says.
#[derive(Debug)]
pub struct Events {
    api: Api,
    /// Channels that something came in and that may get more.
    open: BTreeSet<Channel>,
    /// The last one of them.
    last: Option<Channel>,
    course: Course,
}

impl Events {
    /// For a stream in answer to a call of `api`.
    pub fn new(api: Api) -> Self {
        Self { api, open: BTreeSet::new(), last: None, course: Course::default() }
    }

    /// What the next event does. `kind`: its name, where it has one; `data`: its data, whose places are told.
    ///
    /// Data that is no JSON is one text, as it stands. An event without data says nothing and need not be told.
    pub fn event(&mut self, kind: Option<&str>, data: &[u8]) -> EventView {
        self.course.next();
        let mut view = EventView::default();
        if data.trim_ascii() == b"[DONE]" {
            self.end(&mut view);
            return view;
        }
        let mut walk = Walk::new(data);
        let mut seen = Seen { kind: kind.unwrap_or_default().as_bytes(), view: &mut view, walk: &mut walk };
        match self.api {
            Api::Responses => items::event(self, &mut seen),
            Api::Messages => blocks::event(self, &mut seen),
            Api::Generate => candidates::event(self, &mut seen),
            Api::ChatCompletions | Api::Completions => choices::event(self, &mut seen),
            _ => media::event(self, &mut seen),
        }
        (view.pieces, view.echoes) = walk.pieces(Speech::Assistant);
        view
    }

    /// What the client has of the stream.
    pub(super) fn standing(&self, last_went_out: bool) -> Standing<'_> {
        self.course.standing(last_went_out)
    }

    pub(super) const fn api(&self) -> Api {
        self.api
    }

    /// Notes the channels that `pieces` grow in.
    fn note(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            if let Growth::Delta(channel) = piece.growth
                && self.last != Some(channel)
            {
                self.open.insert(channel);
                self.last = Some(channel);
            }
        }
    }

    /// What grew in `channel` gets no more.
    fn close(&mut self, channel: Channel, view: &mut EventView) {
        if self.open.remove(&channel) {
            view.closes.push(channel);
        }
        self.last = None;
    }

    /// Nothing of this choice, item, block or candidate gets more.
    fn close_choice(&mut self, number: u64, view: &mut EventView) {
        let from = view.closes.len();
        view.closes.extend(self.open.range(channel::all(number)));
        for channel in view.closes.get(from..).unwrap_or_default() {
            self.open.remove(channel);
        }
        self.last = None;
    }

    /// The stream is over.
    fn end(&mut self, view: &mut EventView) {
        view.closes_all = true;
        self.open.clear();
        self.last = None;
        self.course.end();
    }
}

/// The event that is looked at.
struct Seen<'e, 'd> {
    kind: &'e [u8],
    view: &'e mut EventView,
    walk: &'e mut Walk<'d>,
}
