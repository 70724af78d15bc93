//! What is kept of a stream: its events, and the texts in them.

use crate::{
    guard::Fold,
    model::{Channel, EventView, Form, Growth, Speech},
    proxy::guarded::input::folds,
    sse::SseEvent,
};
use parking_lot::Mutex;
use std::sync::Arc;

/// A kept event.
pub(super) struct Held {
    pub(super) event: SseEvent,
    pub(super) view: EventView,
    /// By piece.
    pub(super) pieces: Vec<State>,
}

/// What is known of a text in an event.
pub(super) enum State {
    /// Nobody looks at it.
    Free,
    /// So many bytes of a text that grows.
    Part(usize),
    /// The same, with this instead of it.
    Edited(String),
    /// A text that grew before, told again.
    Repeats(Arc<Repeated>),
    /// A text by itself, that nobody was asked about.
    New,
    /// The same, with what stands in its place.
    Known(Option<String>),
}

/// All of a text as it came, and as it went out.
#[derive(Default)]
pub(super) struct Repeated {
    pub(super) came: Mutex<String>,
    pub(super) went: Mutex<String>,
}

/// A text that grows.
pub(super) struct Growing {
    pub(super) speech: Speech,
    pub(super) form: Form,
    /// What is kept of it.
    pub(super) says: String,
    /// Bytes at its end that nobody was asked about.
    pub(super) fresh: usize,
    pub(super) closed: bool,
    /// It is asked about though it is not whole.
    pub(super) hurried: bool,
    /// What went out last of it, and of the text before under its number: told again in front of what is new, but not edited.
    pub(super) tail: String,
    /// All of it, for events that tell it again; `None`: too long.
    pub(super) all: Option<Arc<Repeated>>,
}

impl Held {
    pub(super) fn grown(&self) -> impl Iterator<Item = Channel> {
        let pieces = self.view.pieces.iter().zip(&self.pieces);
        pieces.filter(|(_, state)| !matches!(state, State::Free)).filter_map(|(piece, _)| match piece.growth {
            Growth::Delta(channel) => Some(channel),
            Growth::Whole => None,
        })
    }
}

impl Growing {
    /// How much of what is kept may go out.
    pub(super) fn free(&self, overlap: usize) -> usize {
        match self.closed {
            true if self.fresh == 0 => self.says.len(),
            _ if self.waits() => 0,
            _ => (self.says.len() - self.fresh).saturating_sub(overlap),
        }
    }

    /// It is asked about when it is whole.
    pub(super) fn waits(&self) -> bool {
        let is_part = folds(self.form) == Fold::Json && !self.closed;
        is_part && !self.hurried
    }

    /// Something of it went out.
    pub(super) fn went(&mut self, told: &str, overlap: usize) {
        if let Some(all) = &self.all {
            all.went.lock().push_str(told);
        }
        self.tail.push_str(told);
        let from = self.tail.ceil_char_boundary(self.tail.len().saturating_sub(overlap));
        self.tail.drain(..from);
    }

    /// What of its tail a question begins with: as much as the overlap lacks.
    pub(super) fn before(&self, overlap: usize) -> &str {
        if folds(self.form) == Fold::Json {
            return "";
        }
        let told = self.says.len() - self.fresh;
        let lacks = overlap.saturating_sub(told);
        &self.tail[self.tail.ceil_char_boundary(self.tail.len().saturating_sub(lacks))..]
    }
}

impl State {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Part(length) => *length,
            Self::Edited(told) => told.len(),
            Self::Free | Self::Repeats(_) | Self::New | Self::Known(_) => 0,
        }
    }
}
