//! What begins at a place, when several things might.

use super::context::Context;
use super::entity::{Entity, Set};
use super::look::Look;
use std::cell::OnceCell;

/// How sure a guard has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A right check digit is enough, where `medium` wants a word in front of it as well.
    Low,
    /// What a checksum or a format decides; what is ambiguous, with a word in front of it.
    #[default]
    Medium,
    /// A mere format wants a word in front of it, too.
    High,
}

/// What speaks for a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// A checksum, or a format that nothing else has.
    Sure,
    /// A format that other things have but rarely.
    Shape,
    /// A check digit that one in ten numbers has: a word must say what it is.
    Checked,
    /// Only the word in front of it.
    Word,
}

/// The candidates for one place.
pub(super) struct Ballot<'a> {
    pub look: &'a Look<'a>,
    on: Set,
    confidence: Confidence,
    context: OnceCell<Context>,
    best: Option<Best>,
}

#[derive(Clone, Copy)]
struct Best {
    rank: u8,
    near: u8,
    end: usize,
    entity: Entity,
}

impl<'a> Ballot<'a> {
    pub(super) const fn new(look: &'a Look<'a>, on: Set, confidence: Confidence) -> Self {
        Self { look, on, confidence, context: OnceCell::new(), best: None }
    }

    pub(super) const fn wants(&self, entity: Entity) -> bool {
        self.on.has(entity)
    }

    /// How near a word for `entity` stands in front of the place; 0: there is none.
    pub(super) fn near(&self, entity: Entity) -> u8 {
        self.context.get_or_init(|| Context::of(self.look)).near(entity)
    }

    /// Takes `entity` up to `end` as a candidate. At one place a checksum goes before a format, a format before a word;
    /// then the nearer word, then the longer hit.
    pub(super) fn offer(&mut self, entity: Entity, end: usize, strength: Strength) {
        if !self.wants(entity) {
            return;
        }
        let near = self.near(entity);
        let rank = match (strength, self.confidence) {
            (Strength::Sure, _) => 3,
            (Strength::Checked, _) if near > 0 => 3,
            (Strength::Checked, Confidence::Low) => 0,
            (Strength::Shape, Confidence::High) if near == 0 => return,
            (Strength::Shape, _) => 1,
            (Strength::Word, _) if near > 0 => 1,
            (Strength::Checked | Strength::Word, _) => return,
        };
        let better = |best: Best| (rank, near, end) > (best.rank, best.near, best.end);
        if self.best.is_none_or(better) {
            self.best = Some(Best { rank, near, end, entity });
        }
    }

    pub(super) fn best(&self) -> Option<(usize, Entity)> {
        self.best.map(|best| (best.end, best.entity))
    }
}
