//! Services on answers. What the guardrails inside let out of an answer is kept here until the services have spoken: of a
//! stream a window after the other, of any other answer all at once. Services are asked in the write path of the replay
//! session, so a client that is written to waits for them, and its provider with it.

mod kept;
mod windows;

use super::{
    Ends,
    input::folds,
    output::silence,
    remote::{AskedOf, Asker, Asking},
};
use crate::{
    config::Hook,
    dialect::view,
    guard::{
        Desk, Direction, Guard, Hider, Refused, Set,
        remote::{RemoteError, RemoteGuard, Told},
    },
    model::{Api, Channel, Form, Speech, Text},
};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use windows::Windows;

/// The services of one attempt's answer.
pub struct Outside {
    services: Services,
    asker: Arc<Asker>,
    api: Api,
    kept: Kept,
    round: Option<Round>,
    refused: Option<Refused>,
    /// Puts placeholders in the places of values.
    hider: Option<Hider>,
}

/// The services that look at answers.
struct Services(Vec<(Arc<Guard>, Arc<dyn RemoteGuard>)>);

/// What is kept of an answer.
enum Kept {
    /// Nothing yet.
    Nothing,
    /// A stream.
    Stream(Box<Windows>),
    /// An answer that came whole; `looked`: the services have spoken.
    Whole { body: Bytes, looked: bool },
    /// What nobody asks about: a provider's refusal, sound.
    Passed(BytesMut),
}

/// Texts on their way from one service to the next.
struct Round {
    texts: Vec<Shown>,
    steps: VecDeque<(Arc<Guard>, Arc<dyn RemoteGuard>, Hook)>,
    /// Places of the texts that the step under way is about.
    asked: Vec<usize>,
}

/// A text on its way.
struct Shown {
    of: Of,
    speech: Speech,
    form: Form,
    says: String,
    changed: bool,
}

/// Whose text it is.
enum Of {
    /// A place in an answer that came whole.
    Place(Range<usize>),
    /// A text that grows, behind so many bytes of it that went out.
    Growing(Channel, usize),
    /// A text that an event tells again, whole: the event's number and the piece's place in it.
    Again(u64, usize),
}

/// What goes out.
pub struct Out {
    /// The bytes.
    pub bytes: Bytes,
    /// The length of what ended the answer, at the end of the bytes.
    pub marker: usize,
    /// Nothing is kept any more.
    pub all: bool,
    /// Why nothing follows.
    pub refused: Option<Refused>,
}

impl Services {
    /// Whether any of them looks at such texts.
    fn look(&self, speech: Speech) -> bool {
        self.0.iter().any(|(guard, _)| guard.hook(Direction::Answer, speech).is_some())
    }

    /// Whether nothing passes that one of them cannot say of.
    fn close(&self) -> bool {
        self.0.iter().any(|(guard, _)| guard.decides() && !guard.open)
    }

    /// Whether one of them decides: then nothing goes out before they have spoken.
    fn decide(&self) -> bool {
        self.0.iter().any(|(guard, _)| guard.decides())
    }
}

impl Outside {
    /// The services of `set` that look at answers; `None`: there are none.
    pub fn new(set: &Set, api: Api, asker: &Arc<Asker>) -> Option<Self> {
        let services = set.remotes(Direction::Answer);
        let services: Vec<_> = services.map(|(guard, service)| (Arc::clone(guard), Arc::clone(service))).collect();
        (!services.is_empty()).then(|| Self {
            services: Services(services),
            asker: Arc::clone(asker),
            api,
            kept: Kept::Nothing,
            round: None,
            refused: None,
            hider: None,
        })
    }

    /// Keeps `bytes` of a stream; `over`: nothing follows.
    pub fn keep_events(&mut self, bytes: &Bytes, over: bool) {
        if matches!(self.kept, Kept::Nothing) {
            let strides = self.services.0.iter().map(|(_, service)| service.stride());
            let stride = strides.reduce(|one, other| one.with(other));
            self.kept = Kept::Stream(Box::new(Windows::new(self.api, stride, &self.services)));
        }
        if let (Kept::Stream(windows), None) = (&mut self.kept, &self.refused) {
            self.refused = windows.keep(bytes, over).err();
        }
    }

    /// Keeps an answer that came whole; else a piece of what nobody `looks` at.
    pub fn keep_whole(&mut self, body: Bytes, looks: bool) {
        if body.is_empty() {
            return;
        }
        match &mut self.kept {
            Kept::Passed(before) => before.extend_from_slice(&body),
            kept => {
                *kept = if looks { Kept::Whole { body, looked: false } } else { Kept::Passed(body.as_ref().into()) };
            }
        }
    }

    /// Whether there is anything that may go out, or that a service is to be asked about.
    pub fn keeps(&self) -> bool {
        match &self.kept {
            Kept::Nothing => self.refused.is_some(),
            Kept::Stream(_) | Kept::Whole { .. } | Kept::Passed(_) => true,
        }
    }

    /// The next question; `None`: there is none for now.
    pub fn asks(&mut self, desk: &Desk) -> Option<Asking> {
        if self.refused.is_some() {
            return None;
        }
        loop {
            if self.round.is_none() {
                let texts = self.texts()?;
                let both = self.services.0.iter().flat_map(|(guard, service)| {
                    [Hook::Output, Hook::ToolCall].map(|hook| (Arc::clone(guard), Arc::clone(service), hook))
                });
                self.round = Some(Round { texts, steps: both.collect(), asked: Vec::new() });
            }
            let round = self.round.as_mut()?;
            let Some((guard, service, hook)) = round.steps.pop_front() else {
                self.spoken();
                continue;
            };
            let mine = |shown: &Shown| guard.hook(Direction::Answer, shown.speech) == Some(hook);
            let places = round.texts.iter().enumerate().filter(|(_, shown)| mine(shown) && !shown.says.is_empty());
            round.asked = places.map(|(place, _)| place).collect();
            if round.asked.is_empty() {
                continue;
            }
            let hider = self.hider.get_or_insert_with(|| desk.hider());
            let texts = round.asked.iter().filter_map(|&place| round.texts.get(place));
            let texts = texts.map(|shown| AskedOf {
                speech: shown.speech,
                form: shown.form,
                says: hider.hidden(folds(shown.form), &shown.says).into_owned(),
            });
            let texts = texts.collect();
            return Some(Asking { guard, service, hook, texts, asker: Arc::clone(&self.asker) });
        }
    }

    /// What a service said.
    pub fn heard(&mut self, desk: &mut Desk, asking: &Asking, told: Result<Told, RemoteError>) {
        let edits = match asking.follow(desk, Direction::Answer, told) {
            Ok(edits) => edits,
            Err(refused) => {
                self.refused = Some(refused);
                return;
            }
        };
        let Some(round) = &mut self.round else { return };
        for (index, says) in edits {
            let place = round.asked.get(index).copied();
            if let Some(shown) = place.and_then(|place| round.texts.get_mut(place)) {
                (shown.says, shown.changed) = (desk.restored(folds(shown.form), says), true);
            }
        }
    }

    /// What may go out now. `ends`: what a refused stream ends with; `told`: the client has a part of the answer already.
    pub fn let_out(&mut self, ends: &Ends<'_>, told: bool) -> Out {
        let refused = self.refused.clone();
        match &mut self.kept {
            Kept::Nothing => Out { bytes: Bytes::new(), marker: 0, all: true, refused },
            Kept::Passed(body) => {
                let bytes = std::mem::take(body).freeze();
                self.kept = Kept::Nothing;
                Out { bytes, marker: 0, all: true, refused }
            }
            Kept::Whole { body, looked } if *looked && refused.is_none() => {
                Out { bytes: std::mem::take(body), marker: 0, all: true, refused }
            }
            Kept::Whole { .. } => Out { bytes: Bytes::new(), marker: 0, all: false, refused },
            Kept::Stream(windows) if !told && refused.is_none() && windows.is_quiet() => {
                Out { bytes: Bytes::new(), marker: 0, all: false, refused }
            }
            Kept::Stream(windows) => {
                let (mut bytes, marker) = windows.take_out();
                if refused.is_some() {
                    bytes.extend_from_slice(&windows.ending(ends));
                    return Out { bytes: bytes.into(), marker: 0, all: true, refused };
                }
                Out { bytes: bytes.into(), marker, all: windows.is_empty(), refused }
            }
        }
    }

    /// The texts that it is time to ask about.
    fn texts(&mut self) -> Option<Vec<Shown>> {
        match &mut self.kept {
            Kept::Nothing | Kept::Passed(_) | Kept::Whole { looked: true, .. } => None,
            Kept::Stream(windows) => match windows.texts() {
                Ok(texts) => texts,
                Err(refused) => {
                    self.refused = Some(refused);
                    None
                }
            },
            Kept::Whole { body, looked } => {
                let seen = view::answer(self.api, body).map(|seen| seen.texts).unwrap_or_default();
                let shown = |Text { at, form, speech }: Text| {
                    let says = view::decoded(form, &body[at.clone()]).into_owned();
                    Shown { of: Of::Place(at), speech, form, says, changed: false }
                };
                let texts: Vec<Shown> = seen.into_iter().map(shown).collect();
                *looked = texts.is_empty();
                (!texts.is_empty()).then_some(texts)
            }
        }
    }

    /// All services have spoken about the round's texts.
    fn spoken(&mut self) {
        let Some(Round { texts, .. }) = self.round.take() else { return };
        match &mut self.kept {
            Kept::Nothing | Kept::Passed(_) => {}
            Kept::Stream(windows) => windows.spoken(texts),
            Kept::Whole { body, looked } => {
                *looked = true;
                let changed = texts.into_iter().filter(|shown| shown.changed);
                let mut edits: Vec<(Range<usize>, Bytes)> = changed
                    .filter_map(|Shown { of, form, says, .. }| match of {
                        Of::Place(at) => Some((at, view::replacement(form, &says))),
                        Of::Growing(..) | Of::Again(..) => None,
                    })
                    .collect();
                if edits.is_empty() {
                    return;
                }
                let echoes = view::answer(self.api, body).map(|seen| seen.echoes).unwrap_or_default();
                edits.extend(echoes.into_iter().map(|at| (at.clone(), silence(body, &at))));
                edits.sort_by_key(|(at, _)| at.start);
                *body = view::edited(body, &edits);
            }
        }
    }
}

#[cfg(test)]
#[path = "outside_tests.rs"]
mod tests;
