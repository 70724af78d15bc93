//! An answer's texts, before anything of it is written.

use super::{
    Asking, Guarding, Long, blocked,
    input::{MOST_AT_ONCE, folds},
    outside::{Out, Outside},
    stream::Streamed,
};
use crate::{
    dialect::view,
    guard::{
        Desk, Direction, Refused,
        remote::{RemoteError, Told},
    },
    model::{Api, RequestId, Text},
    proxy::{
        stream::{Answer, Release},
        trouble::Trouble,
    },
};
use bytes::Bytes;

/// What the ends of refused streams are told.
pub struct Ends<'a> {
    /// The request's id.
    pub id: RequestId,
    /// The model that was asked for.
    pub model: &'a str,
    /// Seconds since the Unix epoch.
    pub now_s: u64,
}

impl Guarding {
    /// A new attempt begins: nothing of the last one went out. Tells whether its answer is looked at.
    pub fn begin(&mut self, is_stream: bool) -> bool {
        let looks = self.looks();
        self.stream = (looks && is_stream).then(|| Box::new(Streamed::new(self.api)));
        self.marker = None;
        self.long = Long::None;
        self.desk.again();
        let asker = self.asker.as_ref().filter(|_| looks);
        self.outside = asker.and_then(|asker| Outside::new(self.desk.set(), self.api, asker)).map(Box::new);
        looks
    }

    fn looks(&self) -> bool {
        self.desk.looks(Direction::Answer)
    }

    /// The length of what ended the answer, if that was looked at.
    pub const fn marker(&self) -> Option<usize> {
        self.marker
    }

    /// What of `release` may go out; `last`: no more follows; `told`: the client has a part of the answer already.
    ///
    /// Where services are to be asked, nothing goes out here: it is kept for [`Self::let_out`].
    ///
    /// # Errors
    ///
    /// A guardrail refuses the answer, of which the client has nothing.
    pub fn pass(
        &mut self,
        answer: &mut Answer,
        release: Release,
        (last, told): (bool, bool),
        ends: &Ends<'_>,
    ) -> Result<Release, Trouble> {
        if !self.looks() {
            return Ok(release);
        }
        let Release { bytes, first_output } = release;
        if !answer.is_stream() {
            let whole = answer.ended() && !answer.is_refusal() && !bytes.is_empty();
            // Of a copy nobody gets the answer, and nobody comes back for it.
            if whole && self.read && bytes.len() as u64 > MOST_AT_ONCE {
                self.long = Long::Waits(bytes);
                return Ok(Release { bytes: Bytes::new(), first_output });
            }
            let bytes = if whole { whole_answer(&mut self.desk, self.api, &bytes).map_err(blocked)? } else { bytes };
            return Ok(Release { bytes: self.kept(answer, bytes, whole), first_output });
        }
        if let Some(trouble) = answer.failed().filter(|_| !told && self.outside.is_some()) {
            return Err(trouble.clone()); // the client has nothing of what services have not seen
        }
        let (bytes, refused) = self.piece(bytes, last, ends);
        if let Some(refused) = refused {
            let trouble = blocked(refused);
            if !told {
                return Err(trouble); // a status tells it
            }
            let bytes = if view::has_ending(self.api) { bytes } else { told_by(bytes, answer, &trouble) };
            answer.cut(trouble);
            return Ok(Release { bytes: self.kept(answer, bytes, last), first_output });
        }
        Ok(Release { bytes: self.kept(answer, bytes, last), first_output })
    }

    /// Keeps `bytes` for the services, if there are any, and returns what goes out without them. `last`: of a stream; of an
    /// answer that came whole: it is a model's.
    fn kept(&mut self, answer: &Answer, bytes: Bytes, last: bool) -> Bytes {
        let Some(outside) = &mut self.outside else { return bytes };
        match answer.is_stream() {
            true => outside.keep_events(&bytes, last || answer.ended() || answer.failed().is_some()),
            false => outside.keep_whole(bytes, last),
        }
        Bytes::new()
    }

    /// Whether services have a say in what goes out.
    pub const fn asks_outside(&self) -> bool {
        self.outside.is_some()
    }

    /// Whether something waits for somebody to look at it, or to be let out behind that.
    pub fn keeps(&self) -> bool {
        !matches!(self.long, Long::None) || self.outside.as_ref().is_some_and(|outside| outside.keeps())
    }

    /// Whether a long answer waits to be looked at, by [`Self::look`].
    pub const fn is_long(&self) -> bool {
        matches!(self.long, Long::Waits(_))
    }

    /// Looks at the long answer that waits; takes its time.
    ///
    /// # Errors
    ///
    /// A guardrail refuses it.
    pub fn look(&mut self) -> Result<(), Trouble> {
        let Long::Waits(body) = std::mem::take(&mut self.long) else { return Ok(()) };
        let body = whole_answer(&mut self.desk, self.api, &body).map_err(blocked)?;
        match &mut self.outside {
            Some(outside) => outside.keep_whole(body, true),
            None => self.long = Long::Looked(body),
        }
        Ok(())
    }

    /// The next question to a service, if it is time for one.
    pub fn asks(&mut self) -> Option<Asking> {
        self.outside.as_mut()?.asks(&self.desk)
    }

    /// What a service said.
    pub fn heard(&mut self, asking: &Asking, told: Result<Told, RemoteError>) {
        if let Some(outside) = &mut self.outside {
            outside.heard(&mut self.desk, asking, told);
        }
    }

    /// What services let out, and why nothing follows; `told`: the client has a part of the answer already. `None`: there are
    /// no services.
    pub fn let_out(&mut self, ends: &Ends<'_>, told: bool) -> Option<(Out, Option<Trouble>)> {
        if let Long::Looked(bytes) = std::mem::take(&mut self.long) {
            return Some((Out { bytes, marker: 0, all: true, refused: None }, None));
        }
        let mut out = self.outside.as_mut()?.let_out(ends, told);
        // Behind a refusal of the guardrails inside nothing is told.
        self.marker = if self.marker == Some(0) { Some(0) } else { Some(out.marker) };
        let trouble = out.refused.take().map(blocked);
        if trouble.is_some() {
            self.outside = None;
        }
        Some((out, trouble))
    }

    /// The answer broke off: nothing that is kept goes out any more, and what ends it was not looked at. Tells whether there
    /// are services.
    pub fn broken(&mut self) -> bool {
        self.marker = Some(0);
        self.outside.take().is_some()
    }

    /// A piece of a stream as it may go out, with the end of the stream if it is refused.
    fn piece(&mut self, bytes: Bytes, last: bool, ends: &Ends<'_>) -> (Bytes, Option<Refused>) {
        let Some(stream) = &mut self.stream else { return (bytes, None) };
        let mut out = Vec::with_capacity(bytes.len() + 64);
        let mut ran = stream.push(&mut self.desk, &bytes, &mut out);
        if ran.is_ok() && last {
            ran = stream.finish(&mut self.desk, &mut out);
        }
        self.marker = Some(stream.last());
        if ran.is_err() {
            self.marker = Some(0);
            out.extend_from_slice(&stream.ending(ends));
        }
        (out.into(), ran.err())
    }
}

/// A whole answer to a call of `api` as it may go out.
///
/// # Errors
///
/// A guardrail refuses it.
pub(super) fn whole_answer(desk: &mut Desk, api: Api, body: &Bytes) -> Result<Bytes, Refused> {
    let Ok(seen) = view::answer(api, body) else { return Ok(body.clone()) };
    let mut edits = Vec::new();
    // An error, a vector or a mere call of a tool has no text that could be too short.
    let speaks = !seen.texts.is_empty();
    for Text { at, form, speech } in seen.texts {
        let text = view::decoded(form, &body[at.clone()]);
        let told = desk.answer(speech, folds(form), &text)?;
        edits.extend(told.map(|told| (at, view::replacement(form, &told))));
    }
    if speaks {
        desk.over()?;
    }
    if desk.edits_answers() {
        edits.extend(seen.echoes.into_iter().map(|at| (at.clone(), silence(body, &at))));
        edits.sort_by_key(|(at, _)| at.start);
    }
    Ok(view::edited(body, &edits))
}

/// What a refused stream of a kind that has no word for refusals ends with: its error.
pub fn told_by(bytes: Bytes, answer: &Answer, trouble: &Trouble) -> Bytes {
    [bytes, answer.error_event(trouble)].concat().into()
}

/// What stands in the place of an echo of a text: an empty one.
pub(super) fn silence(data: &[u8], at: &std::ops::Range<usize>) -> Bytes {
    Bytes::from_static(if data.get(at.start) == Some(&b'[') { b"[]" } else { b"null" })
}
