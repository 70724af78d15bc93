//! Texts together: of a request at once, of an answer as it comes.

use super::{Channel, Desk, Refused};
use crate::{
    config::Hook,
    guard::{Body, Direction, Fold, Folder, Measure, Set, caught::caught, fold, set::Guard},
    model::Speech,
};
use std::sync::Arc;

/// How much the texts of an answer have so far, for each guardrail that wants to know: they may look at other texts.
#[derive(Debug, Default)]
pub(super) struct Sums(Vec<Sum>);

#[derive(Debug)]
struct Sum {
    /// Its place in the set.
    guard: usize,
    so_far: Measure,
    /// It said that it is too much.
    told: bool,
}

/// Measures a text that comes in pieces, as if it came whole.
#[derive(Debug)]
pub(super) struct Counter {
    folder: Folder,
    in_word: bool,
}

impl Sums {
    pub(super) fn of(set: &Set) -> Self {
        let sums =
            |guard: &Guard| matches!(&guard.body, Body::Judge(judges) if judges.iter().any(|judge| judge.sums()));
        let counted = set.guards.iter().enumerate().filter(|(_, guard)| sums(guard) && guard.looks(Direction::Answer));
        Self(counted.map(|(guard, _)| Sum { guard, so_far: Measure::default(), told: false }).collect())
    }

    /// `None`: nobody counts such texts of an answer.
    pub(super) fn counter(&self, set: &Set, speech: Speech) -> Option<Counter> {
        let counts = |sum: &Sum| set.guards.get(sum.guard)?.hook(Direction::Answer, speech);
        self.0.iter().find_map(counts).map(|_| Counter { folder: Folder::new(Fold::Text), in_word: false })
    }
}

impl Counter {
    /// What the next piece adds; `None`: the text is over.
    fn take(&mut self, piece: Option<&str>) -> Measure {
        match piece {
            Some(piece) => self.folder.push(piece),
            None => self.folder.finish(),
        }
        let measured = Measure::going_on(self.folder.text(), &mut self.in_word);
        self.folder.release(self.folder.text().len(), 0);
        if piece.is_none() {
            *self = Self { folder: Folder::new(Fold::Text), in_word: false };
        }
        measured
    }
}

impl Channel {
    /// Counts a piece; `None`: the text is over.
    ///
    /// # Errors
    ///
    /// The answer is too long with it.
    pub(super) fn count(&mut self, desk: &mut Desk, piece: Option<&str>) -> Result<(), Refused> {
        match &mut self.counted {
            Some(counter) => desk.add(self.speech, counter.take(piece)),
            None => Ok(()),
        }
    }
}

impl Desk {
    /// Looks at all texts of a request together: by who speaks, and decoded.
    ///
    /// # Errors
    ///
    /// A guardrail refuses them.
    pub fn together(&mut self, texts: &[(Speech, String)]) -> Result<(), Refused> {
        let set = Arc::clone(&self.set);
        for guard in &set.guards {
            let Body::Judge(judges) = &guard.body else { continue };
            if !guard.looks(Direction::Request) {
                continue; // nothing of a request is its business, not even that there is nothing
            }
            let mine = texts
                .iter()
                .filter_map(|(speech, text)| guard.hook(Direction::Request, *speech).map(|hook| (hook, fold(text))));
            let (hooks, mine): (Vec<Hook>, Vec<String>) = mine.unzip();
            for judge in judges {
                let judged = caught(|| judge.judge_all(&mine));
                self.judged(guard, hooks.first().copied().unwrap_or(Hook::Input), judged.ok())?;
            }
        }
        Ok(())
    }

    /// Whether something looks at all texts of a request together.
    pub fn looks_together(&self) -> bool {
        self.set.guards.iter().any(|guard| guard.kind == "length" && guard.looks(Direction::Request))
    }

    /// Another answer begins: nothing of the last one counts.
    pub fn again(&mut self) {
        self.sums = Sums::of(&self.set);
    }

    /// What comes next tells texts over again: it counts from here on for itself. Returns what was counted so far, for
    /// [`Self::told_again`].
    pub fn tells_again(&mut self) -> Vec<Measure> {
        self.sums.0.iter_mut().map(|sum| std::mem::take(&mut sum.so_far)).collect()
    }

    /// What told texts over again is over.
    pub fn told_again(&mut self, before: &[Measure]) {
        for (sum, before) in self.sums.0.iter_mut().zip(before) {
            sum.so_far = *before;
        }
    }

    /// The answer is whole.
    ///
    /// # Errors
    ///
    /// It is too short.
    pub fn over(&mut self) -> Result<(), Refused> {
        self.sum(true, |_| Some(Hook::Output))
    }

    fn add(&mut self, speech: Speech, more: Measure) -> Result<(), Refused> {
        let set = Arc::clone(&self.set);
        let hook = |guard: &Guard| guard.hook(Direction::Answer, speech);
        for sum in &mut self.sums.0 {
            if set.guards.get(sum.guard).is_some_and(|guard| hook(guard).is_some()) {
                sum.so_far = sum.so_far.and(more);
            }
        }
        self.sum(false, hook)
    }

    fn sum(&mut self, over: bool, hook: impl Fn(&Guard) -> Option<Hook>) -> Result<(), Refused> {
        let set = Arc::clone(&self.set);
        for at in 0..self.sums.0.len() {
            let Some(Sum { guard, so_far, told: false }) = self.sums.0.get(at) else { continue };
            let (Some(guard), so_far) = (set.guards.get(*guard), *so_far) else { continue };
            let (Body::Judge(judges), Some(hook)) = (&guard.body, hook(guard)) else { continue };
            for judge in judges {
                let judged = caught(|| judge.judge_sum(so_far, over));
                if let Some(sum) = self.sums.0.get_mut(at) {
                    sum.told |= !matches!(judged, Ok(None)); // once, however much follows
                }
                self.judged(guard, hook, judged.ok())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However a text is cut, it is as long as the whole.
        #[test]
        fn pieces_measure_what_the_whole_does(
            words in prop::collection::vec(prop::sample::select(vec![" ", "a", "é", "\u{200b}", "&am", "p;", "&#x41;", "ﬁ", "\n", "&"]), 0..30),
            cuts in prop::collection::vec(0_usize..60, 0..6),
        ) {
            let text = words.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut counter = Counter { folder: Folder::new(Fold::Text), in_word: false };
            let pieces = cuts.windows(2).map(|pair| Some(&text[pair[0]..pair[1]])).chain([None]);
            let sum = pieces.fold(Measure::default(), |sum, piece| sum.and(counter.take(piece)));
            prop_assert_eq!(sum, Measure::of(&fold(&text), true));
        }
    }
}
