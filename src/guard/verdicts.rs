//! What guardrails said about a request: counts, never texts.

use crate::config::{GuardAction, Hook};
use std::fmt::Write as _;
use std::sync::Arc;

/// What one guardrail did about one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The guardrail's name.
    pub guard: Arc<str>,
    /// Where it looked.
    pub hook: Hook,
    /// What it found; `failed`: it could not say.
    pub entity: Arc<str>,
    /// What it did.
    pub action: GuardAction,
    /// It only tells: nothing was done.
    pub audited: bool,
    /// How often.
    pub count: u32,
    /// The entity was named by a service: of no closed set.
    pub foreign: bool,
}

/// The entity of a guardrail that could not say.
pub const FAILED: &str = "failed";

/// All that was said about a request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verdicts(Vec<Said>);

/// Kinds of things that are told apart of one request.
const MOST: usize = 64;

impl Verdicts {
    /// Counts one more.
    pub fn note(&mut self, guard: &Arc<str>, hook: Hook, entity: &str, done: (GuardAction, bool)) {
        self.add(guard, hook, (entity, false), done);
    }

    /// Counts one more, which a service named.
    pub fn note_foreign(&mut self, guard: &Arc<str>, hook: Hook, entity: &str, done: (GuardAction, bool)) {
        self.add(guard, hook, (entity, true), done);
    }

    fn add(
        &mut self,
        guard: &Arc<str>,
        hook: Hook,
        (entity, foreign): (&str, bool),
        (action, audited): (GuardAction, bool),
    ) {
        let same = |said: &&mut Said| {
            *said.guard == **guard && said.hook == hook && *said.entity == *entity && said.action == action
        };
        if let Some(said) = self.0.iter_mut().find(same) {
            said.count = said.count.saturating_add(1);
        } else if self.0.len() < MOST {
            let (guard, entity) = (Arc::clone(guard), Arc::from(entity));
            self.0.push(Said { guard, hook, entity, action, audited, count: 1, foreign });
        }
    }

    /// Adds what was said about something else.
    pub fn merge(&mut self, other: &Self) {
        for said in &other.0 {
            let same = |one: &&mut Said| {
                *one.guard == *said.guard
                    && one.hook == said.hook
                    && *one.entity == *said.entity
                    && one.action == said.action
            };
            if let Some(known) = self.0.iter_mut().find(same) {
                known.count = known.count.saturating_add(said.count);
            } else if self.0.len() < MOST {
                self.0.push(said.clone());
            }
        }
    }

    /// Everything, in the order in which it was first found.
    pub fn all(&self) -> &[Said] {
        &self.0
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As header, record and ledger have it: `no-pii;input;redact;email=2, …`; of what is only told `audit:redact`.
    pub fn line(&self) -> String {
        let mut line = String::new();
        for said in &self.0 {
            let Said { guard, hook, entity, action, audited, count, .. } = said;
            let comma = if line.is_empty() { "" } else { ", " };
            let audit = if *audited { "audit:" } else { "" };
            let written = write!(line, "{comma}{guard};{};{audit}{};{entity}={count}", hook.name(), action.name());
            written.expect("a string takes all");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_counted_and_told_in_one_line() {
        let (pii, words): (Arc<str>, Arc<str>) = ("no-pii".into(), "words".into());
        let mut verdicts = Verdicts::default();
        verdicts.note(&pii, Hook::Input, "email", (GuardAction::Redact, false));
        verdicts.note(&pii, Hook::Input, "email", (GuardAction::Redact, false));
        verdicts.note(&words, Hook::Output, "word", (GuardAction::Block, true));
        assert_eq!(verdicts.line(), "no-pii;input;redact;email=2, words;output;audit:block;word=1");
        (0..1_000).for_each(|n| verdicts.note(&pii, Hook::Input, &n.to_string(), (GuardAction::Flag, false)));
        assert_eq!(verdicts.all().len(), MOST, "bounded");
    }
}
