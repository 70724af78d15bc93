//! A stream's events, kept until services have spoken about the texts in them.
//!
//! Texts grow by the events that are kept. A question is about all that is kept of each text which has something new; what
//! was spoken about goes out, by whole events, but for an overlap at its end. What takes a text's place goes out in the
//! first event that was kept of it, and the others are left empty. Arguments of tools are asked about when they are whole.

use super::{
    Of, Services, Shown,
    kept::{Growing, Held, Repeated, State},
};
use crate::{
    config::Hook,
    dialect::view::{self, Events, Refusal},
    guard::{FAILED, Refused, remote::Stride},
    model::{Api, Channel, EventView, Form, Growth, Piece, Speech},
    proxy::guarded::{Ends, output::silence},
    sse::{SseEvent, SseScanner},
};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Longest event.
const MOST_EVENT: usize = 16 * 1024 * 1024;
/// Most texts of one answer.
const MOST_CHANNELS: usize = 4096;
/// Of so many bytes of text at least a service is asked at once, however many have come.
const MOST_ROUND: usize = 64 * 1024;
/// So many bytes of events are kept with nothing new in them, and so long an argument of a tool; then they go out, or are
/// asked about, as they are.
const MOST_HELD: usize = 1024 * 1024;
/// Longest text of which it is kept what became of it, for events that tell it again.
const MOST_REPEATED: usize = 1024 * 1024;
/// Bytes of such texts in one answer.
const MOST_REPEATED_ALL: usize = 4 * MOST_REPEATED;
/// What came this long ago is asked about with the next event, however little it is.
const MOST_WAIT: Duration = Duration::from_secs(1);

/// The kept part of a stream.
pub(super) struct Windows {
    scanner: SseScanner,
    /// As events come.
    seen: Events,
    /// As they went out: what a refusal has to close.
    gone: Events,
    stride: Stride,
    /// Nothing goes out before services have spoken; else they only tell.
    holds: bool,
    /// What services cannot say of does not pass.
    closed: bool,
    looks: [bool; Speech::ALL.len()],
    /// Came, and is not among the kept yet.
    waiting: VecDeque<Held>,
    kept: VecDeque<Held>,
    kept_bytes: usize,
    /// The number of the first kept event.
    first: u64,
    texts: HashMap<Channel, Growing>,
    /// Bytes of texts that are kept.
    says: usize,
    /// Bytes of texts that are kept for events that tell them again.
    repeated: usize,
    /// When the oldest came that nobody was asked about.
    since: Option<Instant>,
    over: bool,
    /// Something that was asked about went out.
    spoke: bool,
    out: Vec<u8>,
    /// The length of the last event that went out.
    last: usize,
}

impl Windows {
    pub(super) fn new(api: Api, stride: Option<Stride>, services: &Services) -> Self {
        Self {
            scanner: SseScanner::new(MOST_EVENT),
            seen: Events::new(api),
            gone: Events::new(api),
            stride: stride.unwrap_or(Stride { window: 1, overlap: 0 }),
            holds: services.decide(),
            closed: services.close(),
            looks: Speech::ALL.map(|speech| services.look(speech)),
            waiting: VecDeque::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            first: 0,
            texts: HashMap::new(),
            says: 0,
            repeated: 0,
            since: None,
            over: false,
            spoke: false,
            out: Vec::new(),
            last: 0,
        }
    }

    /// Takes the next bytes; `over`: nothing follows.
    pub(super) fn keep(&mut self, bytes: &Bytes, over: bool) -> Result<(), Refused> {
        let mut scanned = Vec::new();
        let cut = self.scanner.push(bytes, &mut scanned);
        self.over |= over;
        if over {
            scanned.extend(self.scanner.finish());
        }
        for event in scanned {
            let view = match event.has_data {
                true => self.seen.event(name(&event), &event.data),
                false => EventView::default(),
            };
            let pieces = Vec::with_capacity(view.pieces.len());
            self.waiting.push_back(Held { event, view, pieces });
        }
        cut.map_err(|_| broken("an event is too long"))
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.waiting.is_empty()
    }

    /// Whether all that could go out is quiet, and what is said waits behind it: until something was said, a refusal is a
    /// status.
    pub(super) fn is_quiet(&self) -> bool {
        let says = |held: &Held| held.pieces.iter().any(|state| matches!(state, State::New) || state.bytes() > 0);
        !self.spoke && (self.kept.iter().any(says) || !self.waiting.is_empty())
    }

    /// What goes out, and the length of the last event of it.
    pub(super) fn take_out(&mut self) -> (Vec<u8>, usize) {
        (std::mem::take(&mut self.out), self.last)
    }

    /// What a refused stream ends with.
    pub(super) fn ending(&self, ends: &Ends<'_>) -> Bytes {
        let id = ends.id.to_string();
        let refusal = Refusal { last_went_out: true, put_in: 0, id: &id, model: ends.model, created_s: ends.now_s };
        self.gone.refused(&refusal)
    }

    /// The texts that it is time to ask about, with all that was kept of them; `None`: what may go out went out.
    pub(super) fn texts(&mut self) -> Result<Option<Vec<Shown>>, Refused> {
        loop {
            let blocked = self.take()?;
            if self.is_due(blocked) {
                return Ok(Some(self.ask()));
            }
            self.release(blocked);
            if !blocked {
                return Ok(None);
            }
            self.hurry();
        }
    }

    /// What waits for its end is asked about as it is: others wait for it.
    fn hurry(&mut self) {
        self.texts.values_mut().for_each(|text| text.hurried = true);
    }

    /// Keeps what waits. True where it is not all: a text begins again whose end is kept, or there is enough to ask about.
    fn take(&mut self) -> Result<bool, Refused> {
        while let Some(held) = self.waiting.front() {
            let ended = |channel: &Channel| {
                self.texts.get(channel).is_some_and(|text| text.closed && !(text.says.is_empty() && text.fresh == 0))
            };
            let deltas = held.view.pieces.iter().filter_map(|piece| match piece.growth {
                Growth::Delta(channel) => Some(channel),
                Growth::Whole => None,
            });
            if deltas.into_iter().any(|channel| ended(&channel)) || self.fresh() >= MOST_ROUND {
                return Ok(true);
            }
            let Some(held) = self.waiting.pop_front() else { break };
            self.hold(held)?;
        }
        if self.over && self.waiting.is_empty() {
            self.texts.values_mut().for_each(|text| text.closed = true);
        }
        Ok(false)
    }

    fn hold(&mut self, mut held: Held) -> Result<(), Refused> {
        let text = |piece: &Piece| view::decoded(piece.form, &held.event.data[piece.at.clone()]).into_owned();
        let texts: Vec<String> = held.view.pieces.iter().map(text).collect();
        let mut grown = Vec::with_capacity(texts.len());
        for (piece, text) in held.view.pieces.iter().zip(&texts) {
            grown.push(match piece.growth {
                Growth::Delta(channel) if self.looks[piece.speech as usize] => {
                    self.grow(channel, (piece.speech, piece.form), text)?
                }
                Growth::Delta(_) | Growth::Whole => false,
            });
        }
        match held.view.closes_all {
            true => self.texts.values_mut().for_each(|text| text.closed = true),
            false => {
                for channel in &held.view.closes {
                    if let Some(text) = self.texts.get_mut(channel) {
                        text.closed = true;
                    }
                }
            }
        }
        for ((piece, text), grown) in held.view.pieces.iter().zip(&texts).zip(grown) {
            let state = match piece.growth {
                Growth::Delta(_) if grown => State::Part(text.len()),
                Growth::Whole if self.looks[piece.speech as usize] && !text.is_empty() => {
                    self.since.get_or_insert_with(Instant::now);
                    self.repeats(piece.speech, text).map_or(State::New, State::Repeats)
                }
                Growth::Delta(_) | Growth::Whole => State::Free,
            };
            held.pieces.push(state);
        }
        self.kept_bytes += held.event.raw.len();
        self.kept.push_back(held);
        if self.kept_bytes >= 4 * MOST_HELD || self.says >= 4 * MOST_HELD {
            self.hurry();
        }
        Ok(())
    }

    /// What became of a text that is over, if `text` is all of it.
    fn repeats(&self, speech: Speech, text: &str) -> Option<Arc<Repeated>> {
        let over = self.texts.values().filter(|growing| growing.closed && growing.speech == speech);
        over.filter_map(|growing| growing.all.as_ref()).find(|all| *all.came.lock() == text).cloned()
    }

    /// Adds to a text. False where nobody is asked about it: there are too many, and nobody must be.
    fn grow(&mut self, channel: Channel, (speech, form): (Speech, Form), text: &str) -> Result<bool, Refused> {
        if self.texts.len() >= MOST_CHANNELS && !self.texts.contains_key(&channel) {
            self.texts.retain(|_, text| !(text.closed && text.says.is_empty()));
            if self.texts.len() >= MOST_CHANNELS {
                return if self.closed { Err(broken("too many texts")) } else { Ok(false) };
            }
        }
        let new = || Growing {
            speech,
            form,
            says: String::new(),
            fresh: 0,
            closed: false,
            hurried: false,
            tail: String::new(),
            all: Some(Arc::default()),
        };
        let growing = self.texts.entry(channel).or_insert_with(new);
        if growing.closed {
            // Another text under the same number: nothing is kept of the one before, but a client may join them.
            let tail = std::mem::take(&mut growing.tail);
            *growing = Growing { tail, ..new() };
        }
        growing.says.push_str(text);
        growing.fresh += text.len();
        self.says += text.len();
        growing.hurried |= growing.says.len() >= MOST_HELD;
        let fits = self.repeated + text.len() <= MOST_REPEATED_ALL;
        growing.all = growing.all.take().filter(|all| fits && all.came.lock().len() + text.len() <= MOST_REPEATED);
        if let Some(all) = &growing.all {
            all.came.lock().push_str(text);
            self.repeated += text.len();
        }
        if !text.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
        Ok(true)
    }

    /// Bytes that nobody was asked about, of texts that are asked about before they are whole.
    fn fresh(&self) -> usize {
        self.texts.values().filter(|text| !text.waits()).map(|text| text.fresh).sum()
    }

    fn is_due(&self, blocked: bool) -> bool {
        let new = self.kept.iter().any(|held| held.pieces.iter().any(|state| matches!(state, State::New)));
        if new || self.texts.values().any(|text| text.closed && text.fresh > 0) {
            return true;
        }
        let fresh = self.fresh();
        let window = if self.holds { self.stride.window } else { MOST_ROUND };
        let waited = self.holds && self.since.is_some_and(|since| since.elapsed() >= MOST_WAIT);
        fresh > 0 && (fresh >= window || blocked || waited || self.over || self.kept_bytes >= MOST_HELD)
    }

    fn ask(&mut self) -> Vec<Shown> {
        let mut shown = Vec::new();
        let mut channels: Vec<Channel> = self
            .texts
            .iter()
            .filter(|(_, text)| text.fresh > 0 && !text.waits())
            .map(|(channel, _)| *channel)
            .collect();
        channels.sort_unstable();
        for channel in channels {
            let Some(text) = self.texts.get_mut(&channel) else { continue };
            let before = text.before(self.stride.overlap);
            let (of, says) = (Of::Growing(channel, before.len()), [before, &text.says].concat());
            text.fresh = 0;
            shown.push(Shown { of, speech: text.speech, form: text.form, says, changed: false });
        }
        for (number, held) in (self.first..).zip(&self.kept) {
            for (index, (piece, state)) in held.view.pieces.iter().zip(&held.pieces).enumerate() {
                if matches!(state, State::New) {
                    let says = view::decoded(piece.form, &held.event.data[piece.at.clone()]).into_owned();
                    let (speech, form) = (piece.speech, piece.form);
                    shown.push(Shown { of: Of::Again(number, index), speech, form, says, changed: false });
                }
            }
        }
        self.since = None;
        shown
    }

    /// Services have spoken about these texts.
    pub(super) fn spoken(&mut self, texts: Vec<Shown>) {
        for Shown { of, says, changed, .. } in texts {
            match of {
                Of::Place(_) => {}
                Of::Growing(channel, before) if changed => self.replace(channel, before, &says),
                Of::Growing(channel, _) => {
                    if let Some(text) = self.texts.get_mut(&channel).filter(|_| !self.holds) {
                        let told = std::mem::take(&mut text.says);
                        self.says -= told.len();
                        text.went(&told, self.stride.overlap);
                    }
                }
                Of::Again(number, index) => {
                    let at = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
                    if let Some(state) = self.kept.get_mut(at).and_then(|held| held.pieces.get_mut(index)) {
                        *state = State::Known(changed.then_some(says));
                    }
                }
            }
        }
        self.release(false);
    }

    /// `says` stands in the place of all that is kept of a text, and of so many bytes before that went out. Where those were
    /// to change, what follows the change goes out: more cannot be done about them.
    fn replace(&mut self, channel: Channel, before: usize, says: &str) {
        let Some(text) = self.texts.get(&channel) else { return };
        let went = &text.tail[text.tail.len() - before.min(text.tail.len())..];
        let same = went.char_indices().zip(says.chars()).find(|((_, one), other)| one != other);
        let from = same.map_or(went.len().min(says.len()), |((at, _), _)| at);
        let says = says[from..].to_owned();
        let mut first = true;
        for held in &mut self.kept {
            for (piece, state) in held.view.pieces.iter().zip(&mut held.pieces) {
                if piece.growth == Growth::Delta(channel) && matches!(state, State::Part(_) | State::Edited(_)) {
                    *state = State::Edited(if first { says.clone() } else { String::new() });
                    first = false;
                }
            }
        }
        if let Some(text) = self.texts.get_mut(&channel) {
            self.says = self.says + says.len() - text.says.len();
            text.says = says;
        }
    }

    /// Lets out what may go; `all`: also what would be told again with what follows.
    fn release(&mut self, all: bool) {
        while let Some(held) = self.kept.front() {
            let all = all || self.kept_bytes >= MOST_HELD || self.others_wait(held);
            if !self.may_go(held, if all { 0 } else { self.stride.overlap }) {
                break;
            }
            let Some(held) = self.kept.pop_front() else { break };
            self.first += 1;
            self.kept_bytes -= held.event.raw.len();
            self.write(held);
        }
    }

    /// Whether a window of other texts, which was told about, waits behind `held`: reasoning that is over without a word, for
    /// one, would keep the answer behind its overlap. What follows is told with what went out of it.
    fn others_wait(&self, held: &Held) -> bool {
        let others =
            self.texts.iter().filter(|(channel, text)| !text.waits() && held.grown().all(|one| one != **channel));
        others.map(|(_, text)| text.says.len() - text.fresh).sum::<usize>() >= self.stride.window
    }

    fn may_go(&self, held: &Held, overlap: usize) -> bool {
        if held.pieces.iter().any(|state| matches!(state, State::New)) {
            return false;
        }
        if !self.holds {
            let told = |channel: &Channel| self.texts.get(channel).is_none_or(|text| text.fresh == 0);
            return match held.view.closes_all {
                true => self.texts.values().all(|text| text.fresh == 0),
                false => held.view.closes.iter().all(told),
            };
        }
        held.grown().all(|channel| {
            let mine = held.view.pieces.iter().zip(&held.pieces);
            let mine = mine.filter(|(piece, _)| piece.growth == Growth::Delta(channel));
            let length: usize = mine.map(|(_, state)| state.bytes()).sum();
            self.texts.get(&channel).is_none_or(|text| length <= text.free(overlap))
        })
    }

    fn write(&mut self, held: Held) {
        let Held { event, view, pieces } = held;
        self.spoke |= pieces.iter().any(|state| state.bytes() > 0);
        let mut edits = Vec::new();
        for (piece, state) in view.pieces.iter().zip(pieces) {
            let told = match (state, piece.growth) {
                (State::Part(length), Growth::Delta(channel)) => {
                    if let Some(text) = self.texts.get_mut(&channel).filter(|_| self.holds) {
                        let went: String = text.says.drain(..length.min(text.says.len())).collect();
                        self.says -= went.len();
                        text.went(&went, self.stride.overlap);
                    }
                    None
                }
                (State::Edited(told), Growth::Delta(channel)) => {
                    if let Some(text) = self.texts.get_mut(&channel) {
                        let went = told.len().min(text.says.len());
                        text.says.drain(..went);
                        self.says -= went;
                        text.went(&told, self.stride.overlap);
                    }
                    Some(told)
                }
                (State::Repeats(all), _) if self.holds => {
                    let went = all.went.lock();
                    (*went != *all.came.lock()).then(|| went.clone())
                }
                (State::Known(told), _) => told,
                _ => None,
            };
            edits.extend(told.map(|told| (piece.at.clone(), view::replacement(piece.form, &told))));
        }
        if event.has_data {
            self.gone.event(name(&event), &event.data);
        }
        if self.holds || !edits.is_empty() {
            // Token by token they may tell what has not been looked at yet.
            let silenced = view.echoes.iter().map(|at| (at.clone(), silence(&event.data, at)));
            edits.extend(silenced.filter(|(at, silence)| event.data[at.clone()] != *silence));
        }
        let before = self.out.len();
        if edits.is_empty() {
            self.out.extend_from_slice(&event.raw);
        } else {
            edits.sort_by_key(|(at, _)| at.start);
            event.with_data(&[&view::edited(&event.data, &edits)], &mut self.out);
        }
        self.last = self.out.len() - before;
    }
}

fn name(event: &SseEvent) -> Option<&str> {
    std::str::from_utf8(&event.name).ok().filter(|name| !name.is_empty())
}

fn broken(why: &str) -> Refused {
    Refused { guard: "output".into(), hook: Hook::Output, entity: FAILED.into(), why: Some(why.to_owned()) }
}
