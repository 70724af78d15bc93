//! A stream's events, with the texts in them edited as they come. What is held back of a text goes out with its next
//! piece, or in an event of its own in front of what ends it.

use super::{
    input::folds,
    output::{Ends, silence},
};
use crate::{
    config::Hook,
    dialect::view::{self, Events, Refusal},
    guard::{self, Desk, FAILED, Refused},
    model::{Api, Channel, EventView, Form, Growth, Piece},
    sse::{SseEvent, SseScanner},
};
use bytes::Bytes;
use std::collections::HashMap;
use std::ops::Range;

/// Longest event.
const MOST_EVENT: usize = 16 * 1024 * 1024;
/// Texts that grow at once in one answer; nobody means more.
const MOST_CHANNELS: usize = 4096;

/// One attempt's stream.
pub struct Streamed {
    scanner: SseScanner,
    scanned: Vec<SseEvent>,
    events: Events,
    /// What an event holds whole was told in pieces before.
    tells_again: bool,
    open: HashMap<Channel, Open>,
    /// Events that were put in so far: later ones are numbered behind them.
    put_in: u64,
    /// The event that was looked at last went out.
    last_went_out: bool,
    /// Length of the last event.
    last: usize,
}

/// A text that grows.
struct Open {
    text: guard::Channel,
    form: Form,
    /// An event that adds to it, for what is held back at its end.
    like: Option<Like>,
}

/// An event to be made again with another text in it, which stands at this place of its data.
struct Like {
    event: SseEvent,
    at: Range<usize>,
    sequence: Option<Range<usize>>,
}

/// Places in an event's data and what stands there instead.
type Edits = Vec<(Range<usize>, Bytes)>;

impl Streamed {
    /// A stream in answer to a call of `api`.
    pub fn new(api: Api) -> Self {
        Self {
            scanner: SseScanner::new(MOST_EVENT),
            scanned: Vec::new(),
            events: Events::new(api),
            tells_again: matches!(api, Api::Responses | Api::Transcriptions | Api::Translations),
            open: HashMap::new(),
            put_in: 0,
            last_went_out: true,
            last: 0,
        }
    }

    /// Takes the next bytes and appends what may go out.
    ///
    /// # Errors
    ///
    /// A guardrail refuses what follows.
    pub fn push(&mut self, desk: &mut Desk, bytes: &Bytes, out: &mut Vec<u8>) -> Result<(), Refused> {
        let mut scanned = std::mem::take(&mut self.scanned);
        let cut = self.scanner.push(bytes, &mut scanned);
        let mut ran = Ok(());
        for event in scanned.drain(..) {
            if ran.is_ok() {
                ran = self.event(desk, event, out);
            }
        }
        self.scanned = scanned;
        ran?;
        cut.map_err(|_| broken("an event is too long"))
    }

    /// The stream is over; what no blank line ended goes out as it is, if it is nobody's text.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub fn finish(&mut self, desk: &mut Desk, out: &mut Vec<u8>) -> Result<(), Refused> {
        match self.scanner.finish() {
            Some(event) => self.event(desk, event, out),
            None => Ok(()),
        }
    }

    /// Length of the last event that went out.
    pub const fn last(&self) -> usize {
        self.last
    }

    /// What a refused stream ends with.
    pub fn ending(&self, ends: &Ends<'_>) -> Bytes {
        let id = ends.id.to_string();
        let refusal = Refusal {
            last_went_out: self.last_went_out,
            put_in: self.put_in,
            id: &id,
            model: ends.model,
            created_s: ends.now_s,
        };
        self.events.refused(&refusal)
    }

    fn event(&mut self, desk: &mut Desk, event: SseEvent, out: &mut Vec<u8>) -> Result<(), Refused> {
        if !event.has_data {
            out.extend_from_slice(&event.raw);
            return Ok(());
        }
        self.last_went_out = false;
        let name = std::str::from_utf8(&event.name).ok().filter(|name| !name.is_empty());
        let seen = self.events.event(name, &event.data);
        let mut edits: Edits = Vec::new();
        let again = self.tells_again && seen.pieces.iter().any(|piece| piece.growth == Growth::Whole);
        let counted = again.then(|| desk.tells_again());
        for (index, piece) in seen.pieces.iter().enumerate() {
            let last = seen.pieces.iter().skip(index + 1).all(|other| other.growth != piece.growth);
            match piece.growth {
                Growth::Whole => {
                    let text = view::decoded(piece.form, &event.data[piece.at.clone()]);
                    let told = desk.answer(piece.speech, folds(piece.form), &text)?;
                    edits.extend(told.map(|told| (piece.at.clone(), view::replacement(piece.form, &told))));
                }
                Growth::Delta(channel) => {
                    let closes = last && (seen.closes_all || seen.closes.contains(&channel));
                    let told = self.delta(desk, (&event, &seen), piece, (channel, closes), &mut edits);
                    if let Err(refused) = told {
                        // What stands in front of it goes out, and nothing else of the event.
                        if let Some((_, text)) = edits.pop().filter(|(at, text)| *at == piece.at && text.len() > 2) {
                            let number = numbered(&event, seen.sequence.as_ref());
                            let like = Like { at: piece.at.clone(), sequence: seen.sequence, event };
                            out.extend_from_slice(&like.with(&text, number.map(|number| number + self.put_in)));
                            self.last_went_out = true;
                        }
                        return Err(refused);
                    }
                }
            }
        }
        if let Some(counted) = counted {
            desk.told_again(&counted);
        }
        let mut closing: Vec<Channel> = match seen.closes_all {
            true => self.open.keys().copied().collect(),
            false => seen.closes.clone(),
        };
        closing.sort_unstable();
        let number = numbered(&event, seen.sequence.as_ref());
        for channel in closing {
            self.close(desk, (channel, number), out)?;
        }
        if seen.closes_all {
            desk.over()?;
        }
        self.write(desk, &event, &seen, edits, out);
        Ok(())
    }

    /// A piece of a text that grows; `closes`: its last one.
    fn delta(
        &mut self,
        desk: &mut Desk,
        (event, seen): (&SseEvent, &EventView),
        piece: &Piece,
        (channel, closes): (Channel, bool),
        edits: &mut Edits,
    ) -> Result<(), Refused> {
        if !self.open.contains_key(&channel) {
            if self.open.len() >= MOST_CHANNELS {
                return Err(broken("too many texts at once"));
            }
            let text = desk.channel(piece.speech, folds(piece.form));
            self.open.insert(channel, Open { text, form: piece.form, like: None });
        }
        let Some(open) = self.open.get_mut(&channel) else { return Ok(()) };
        if open.text.is_idle() {
            return Ok(());
        }
        let text = view::decoded(piece.form, &event.data[piece.at.clone()]);
        let mut told = String::with_capacity(text.len() + 32);
        let mut ran = open.text.push(desk, &text, &mut told);
        if ran.is_ok() && closes {
            ran = open.text.finish(desk, &mut told);
        }
        if *told != *text {
            edits.push((piece.at.clone(), view::replacement(piece.form, &told)));
        }
        if !closes && open.text.held() > 0 {
            open.like = Some(Like { event: event.clone(), at: piece.at.clone(), sequence: seen.sequence.clone() });
        }
        if closes {
            self.open.remove(&channel);
        }
        ran
    }

    /// Nothing more comes of a text: what is held back goes out in an event of its own, in front of the one with this
    /// `number`.
    fn close(
        &mut self,
        desk: &mut Desk,
        (channel, number): (Channel, Option<u64>),
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let Some(mut open) = self.open.remove(&channel) else { return Ok(()) };
        let mut told = String::new();
        let ran = open.text.finish(desk, &mut told);
        if let Some(like) = open.like.filter(|_| !told.is_empty()) {
            let number = number.map(|number| number.saturating_add(self.put_in));
            out.extend_from_slice(&like.with(&view::replacement(open.form, &told), number));
            self.put_in += 1;
        }
        ran
    }

    /// Writes the event with its edits.
    fn write(&mut self, desk: &Desk, event: &SseEvent, seen: &EventView, mut edits: Edits, out: &mut Vec<u8>) {
        if desk.holds_answers() {
            edits.extend(seen.echoes.iter().map(|at| (at.clone(), silence(&event.data, at))));
        }
        if self.put_in > 0
            && let (Some(at), Some(number)) = (&seen.sequence, numbered(event, seen.sequence.as_ref()))
        {
            edits.push((at.clone(), Bytes::from(number.saturating_add(self.put_in).to_string())));
        }
        let before = out.len();
        match edits.is_empty() {
            true => out.extend_from_slice(&event.raw),
            false => written(event, edits, out),
        }
        (self.last, self.last_went_out) = (out.len() - before, true);
    }
}

impl Like {
    /// The event with `text` and nothing else in it that is said or done, and this number.
    fn with(&self, text: &Bytes, number: Option<u64>) -> Vec<u8> {
        let number = number.map(|number| Bytes::from(number.to_string()));
        let sequence = self.sequence.clone().zip(number);
        let data = view::alone(&self.event.data, &self.at, text, sequence);
        let mut out = Vec::with_capacity(self.event.raw.len() + 32);
        self.event.with_data(&[&data], &mut out);
        out
    }
}

/// The number of an event, which stands at this place of its data.
fn numbered(event: &SseEvent, at: Option<&Range<usize>>) -> Option<u64> {
    std::str::from_utf8(event.data.get(at?.clone())?).ok()?.parse().ok()
}

/// Appends `event` with other bytes in places of its data.
fn written(event: &SseEvent, mut edits: Edits, out: &mut Vec<u8>) {
    edits.sort_by_key(|(at, _)| at.start);
    let data = view::edited(&event.data, &edits);
    event.with_data(&[&data], out);
}

/// A stream that cannot be looked at.
fn broken(why: &str) -> Refused {
    Refused { guard: "output".into(), hook: Hook::Output, entity: FAILED.into(), why: Some(why.to_owned()) }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
