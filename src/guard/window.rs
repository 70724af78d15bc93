//! Edits a text as it comes. Held back is only the tail that a spotter may still find something in.

use super::fold::{Fold, Folder};
use super::spot::{CONTEXT, Grow, Hit, Spotter};
use std::ops::Range;
use std::sync::Arc;

/// What becomes of a hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays as it is.
    Leave,
    /// This stands there instead.
    Replace(String),
    /// Nothing more of the text goes out.
    Block,
}

/// A hit and its original.
#[derive(Debug)]
pub struct Found<'a> {
    /// The place of the spotter in the window's list.
    pub spotter: usize,
    /// What it is.
    pub entity: &'static str,
    /// The original, as it stands in the text.
    pub value: &'a str,
    /// The same, folded.
    pub folded: &'a str,
    /// How the original was folded: escapes stand in `value`.
    pub fold: Fold,
    /// `value` is only the beginning of what grows: in a text that is edited as it comes, always.
    pub partial: bool,
}

/// Decides about hits.
pub trait Words {
    /// What becomes of `found`. Asked once for each hit that is not inside of another one.
    fn verdict(&mut self, found: &Found<'_>) -> Verdict;
}

/// A text was refused by what the spotter at this place found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// The place of the spotter in the window's list.
    pub spotter: usize,
    /// What it found.
    pub entity: &'static str,
}

/// One text on its way, and the spotters that look at it. Of hits that overlap the first one counts; of those that begin
/// at the same place that of the first spotter.
#[derive(Debug)]
pub struct Window {
    spotters: Spotters,
    folder: Folder,
    growing: Option<Growing>,
    /// What is held begins inside of a JSON string; means something for [`Fold::Json`] only.
    in_string: bool,
    /// Nothing goes out before the text is whole.
    whole: bool,
    /// Bytes of the held original that went out, or were replaced.
    sent: usize,
}

#[derive(Clone)]
struct Spotters(Arc<[Arc<dyn Spotter>]>);

#[derive(Debug, Clone, Copy)]
struct Growing {
    grow: Grow,
    /// Bytes that it took so far behind the hit.
    taken: usize,
    /// What it takes goes out.
    leave: bool,
}

impl Window {
    /// An empty text, in which `spotters` look for hits; the first ones go first.
    pub fn new(spotters: Arc<[Arc<dyn Spotter>]>, fold: Fold) -> Self {
        Self {
            spotters: Spotters(spotters),
            folder: Folder::new(fold),
            growing: None,
            in_string: false,
            whole: false,
            sent: 0,
        }
    }

    /// Nothing goes out before the text is whole; hits have all of their value then.
    pub const fn set_whole(&mut self) {
        self.whole = true;
    }

    /// Takes the next piece of the text and appends what may go out to `out`.
    ///
    /// # Errors
    ///
    /// [`Blocked`]: what stands in front of the hit was appended. The window is not used any more.
    pub fn push(&mut self, piece: &str, words: &mut dyn Words, out: &mut String) -> Result<(), Blocked> {
        self.folder.push(piece);
        if self.whole { Ok(()) } else { self.advance(false, words, out) }
    }

    /// The text is whole: what is held goes out. Afterwards the window is as new.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub fn finish(&mut self, words: &mut dyn Words, out: &mut String) -> Result<(), Blocked> {
        self.folder.finish();
        self.advance(true, words, out)?;
        self.folder = Folder::new(self.folder.fold());
        (self.growing, self.in_string) = (None, false);
        Ok(())
    }

    /// The original of what is held back.
    pub fn rest(&self) -> &str {
        self.folder.all()
    }

    /// Bytes of the original that are held back.
    pub fn held(&self) -> usize {
        self.folder.raw().len()
    }

    fn advance(&mut self, last: bool, words: &mut dyn Words, out: &mut String) -> Result<(), Blocked> {
        let mut at = self.folder.held();
        if let Some(growing) = self.growing {
            at = self.grow(growing, at, last, out);
        }
        if self.growing.is_none() {
            let spotters = Arc::clone(&self.spotters.0);
            let decided = self.decided(at, last);
            let mut next: Vec<Next> = spotters.iter().map(|_| Next::Unknown).collect();
            while let Some((spotter, hit)) = self.first(&spotters, &mut next, at, decided) {
                self.emit(at..hit.at.start, out);
                at = self.settle(spotter, &hit, last, words, out)?;
                if self.growing.is_some() {
                    break;
                }
            }
            if self.growing.is_none() {
                let to = decided.max(at);
                self.emit(at..to, out);
                at = to;
            }
        }
        self.sent = 0;
        self.folder.release(at, CONTEXT);
        Ok(())
    }

    /// Hits that begin before this place are decided.
    fn decided(&self, from: usize, last: bool) -> usize {
        let text = self.folder.text();
        if last {
            return text.len();
        }
        let pending = self.spotters.0.iter().map(|spotter| spotter.pending(text, from)).min();
        pending.unwrap_or(text.len()).max(from)
    }

    /// The first hit that begins at or behind `at` and before `decided`.
    fn first(
        &self,
        spotters: &[Arc<dyn Spotter>],
        next: &mut [Next],
        at: usize,
        decided: usize,
    ) -> Option<(usize, Hit)> {
        let mut best: Option<(usize, usize)> = None;
        for (index, (spotter, next)) in spotters.iter().zip(next.iter_mut()).enumerate() {
            if matches!(next, Next::Unknown) || matches!(next, Next::Hit(hit) if hit.at.start < at) {
                let hit = spotter.next(self.folder.text(), at).filter(|hit| hit.at.start < decided);
                *next = hit.map_or(Next::None, Next::Hit);
            }
            if let Next::Hit(hit) = next
                && best.is_none_or(|(start, _)| hit.at.start < start)
            {
                best = Some((hit.at.start, index));
            }
        }
        let (_, index) = best?;
        match &next[index] {
            Next::Hit(hit) => Some((index, hit.clone())),
            Next::Unknown | Next::None => None,
        }
    }

    /// Does what the verdict on `hit` says; returns where the text goes on.
    fn settle(
        &mut self,
        spotter: usize,
        hit: &Hit,
        last: bool,
        words: &mut dyn Words,
        out: &mut String,
    ) -> Result<usize, Blocked> {
        // Where a string of JSON begins or ends inside of a hit, it does not grow.
        let grow = hit.grow.filter(|_| self.quote(hit.at.clone()).is_none());
        // What is told of a hit must not depend on where the text was cut.
        let value = match grow.filter(|_| self.whole) {
            Some(grow) => hit.at.start..self.reach(grow, 0, hit.at.end, last).0,
            None => hit.at.clone(),
        };
        let partial = grow.is_some() && !self.whole;
        let found = Found {
            spotter,
            entity: hit.entity,
            folded: &self.folder.text()[value.clone()],
            value: &self.folder.raw()[self.folder.raw_of(&value)],
            fold: self.folder.fold(),
            partial,
        };
        let verdict = words.verdict(&found);
        let leave = verdict == Verdict::Leave;
        match verdict {
            Verdict::Block => return Err(Blocked { spotter, entity: hit.entity }),
            Verdict::Leave => self.emit(hit.at.clone(), out),
            Verdict::Replace(text) => self.replace_all(hit.at.clone(), &text, out),
        }
        match grow {
            None => Ok(hit.at.end),
            Some(grow) => Ok(self.grow(Growing { grow, taken: 0, leave }, hit.at.end, last, out)),
        }
    }

    /// Lets a hit take what it still has from `at` on; returns where the text goes on.
    fn grow(&mut self, growing: Growing, at: usize, last: bool, out: &mut String) -> usize {
        let (end, over) = self.reach(growing.grow, growing.taken, at, last);
        if growing.leave {
            self.emit(at..end, out);
        } else {
            // Up to what a later piece could not tell from this one: what nobody sees behind a hit has no place in it.
            self.sent = match growing.grow {
                Grow::Until(..) if over => self.folder.raw_of(&(at..end)).end.max(self.sent),
                Grow::While(_) | Grow::Until(..) => self.begin(end),
            };
        }
        self.growing = (!over).then(|| Growing { taken: growing.taken + (end - at), ..growing });
        end
    }

    /// How far a hit that took `taken` bytes reaches from `at`, and whether it is over there.
    fn reach(&self, grow: Grow, taken: usize, at: usize, last: bool) -> (usize, bool) {
        let text = self.folder.text();
        match grow {
            Grow::While(class) => {
                let end = at + text.as_bytes()[at..].iter().take_while(|&&byte| class(byte)).count();
                match self.quote(at..end) {
                    Some(quote) => (quote, true),
                    None => (end, end < text.len() || last),
                }
            }
            Grow::Until(marker, bytes) => {
                let left = bytes.saturating_sub(taken);
                let bound = text.ceil_char_boundary((at + left).min(text.len()));
                let bound = self.quote(at..bound).unwrap_or(bound);
                if let Some(found) = memchr::memmem::find(&text.as_bytes()[at..bound], marker.as_bytes()) {
                    return (at + found + marker.len(), true);
                }
                if bound < text.len() || last || left == 0 {
                    return (bound, true);
                }
                // The marker may be cut.
                (text.floor_char_boundary(bound.saturating_sub(marker.len() - 1).max(at)), false)
            }
        }
    }

    /// The first quote in `at` that begins or ends a string of JSON.
    fn quote(&self, at: Range<usize>) -> Option<usize> {
        if self.folder.fold() == Fold::Json { self.folder.quote(at) } else { None }
    }

    /// Appends the original of the folded bytes `at`, with what nobody sees in front of it and behind it.
    fn emit(&mut self, at: Range<usize>, out: &mut String) {
        let to = self.begin(at.end).max(self.sent);
        out.push_str(&self.folder.raw()[self.sent..to]);
        self.sent = to;
        let mut from = at.start;
        while let Some(quote) = self.quote(from..at.end) {
            self.in_string = !self.in_string;
            from = quote + 1;
        }
    }

    /// Puts `text` in the place of the folded bytes `at`: into each string of JSON that they touch, so that what stands
    /// there stays JSON.
    fn replace_all(&mut self, mut at: Range<usize>, text: &str, out: &mut String) {
        loop {
            let quote = self.quote(at.clone());
            let section = at.start..quote.unwrap_or(at.end);
            if !section.is_empty() {
                self.replace(&section, text, out);
                self.sent = self.folder.raw_of(&section).end;
            }
            let Some(quote) = quote else { return };
            self.emit(quote..quote + 1, out);
            at.start = quote + 1;
        }
    }

    /// Where the original of what begins at the folded place `at` begins.
    fn begin(&self, at: usize) -> usize {
        if at >= self.folder.text().len() { self.folder.raw().len() } else { self.folder.raw_begin(at) }
    }

    /// Appends `text` in the place of the folded bytes `at`.
    fn replace(&self, at: &Range<usize>, text: &str, out: &mut String) {
        match self.folder.fold() {
            Fold::Text => out.push_str(text),
            Fold::Json if self.in_string => {
                let quoted = serde_json::Value::from(text).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
            // A number: it stays one, whatever was in front of it and whatever follows.
            Fold::Json => {
                let number = &self.folder.raw()[self.folder.raw_of(at)];
                let ones = number.chars().map(|one| if one.is_ascii_digit() { '1' } else { one });
                out.extend(ones);
            }
        }
    }
}

enum Next {
    Unknown,
    None,
    Hit(Hit),
}

impl std::fmt::Debug for Spotters {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} spotters", self.0.len())
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
