//! What becomes of finds: nothing, a refusal, or something else in their place.

use super::{Desk, RESTORER};
use crate::{
    config::{GuardAction, Hook},
    guard::{
        Direction, Fold, Found, Set, Verdict, Words,
        vault::{PLACEHOLDER, Restorer},
    },
    model::Speech,
};

/// Says what becomes of what the spotters of one window find.
pub(super) struct Clerk<'a> {
    pub(super) desk: &'a mut Desk,
    pub(super) owners: &'a [usize],
    pub(super) set: &'a Set,
    pub(super) direction: Direction,
    pub(super) speech: Speech,
    pub(super) restorer: Option<&'a Restorer>,
}

impl Words for Clerk<'_> {
    fn verdict(&mut self, found: &Found<'_>) -> Verdict {
        let owner = self.owners.get(found.spotter).copied().unwrap_or(RESTORER);
        if owner == RESTORER {
            debug_assert_eq!(found.entity, PLACEHOLDER, "only placeholders are nobody's");
            let value = self.restorer.and_then(|restorer| restorer.value(found.folded));
            return value.map_or(Verdict::Leave, |value| Verdict::Replace(value.to_owned()));
        }
        let Some(guard) = self.set.guards.get(owner) else { return Verdict::Leave };
        let hook = guard.hook(self.direction, self.speech).unwrap_or(Hook::Output);
        self.desk.verdicts.note(&guard.name, hook, found.entity, (guard.action, guard.audit));
        if !guard.decides() {
            return Verdict::Leave;
        }
        match guard.action {
            GuardAction::Block => Verdict::Block,
            GuardAction::Flag => Verdict::Leave,
            action => Verdict::Replace(self.instead(action, found)),
        }
    }
}

impl Clerk<'_> {
    /// What stands in the place of what was found.
    pub(super) fn instead(&mut self, action: GuardAction, found: &Found<'_>) -> String {
        let name = found.entity.to_ascii_uppercase();
        match action {
            _ if found.partial => format!("[{name}]"),
            GuardAction::Mask => masked(found.value),
            GuardAction::Hash => {
                let hash = self.desk.safe.hash(&plain(found));
                format!("[{name}:{}]", hex::encode(&hash[..6]))
            }
            // An answer's own find has nobody to be given back to.
            GuardAction::Tokenize if self.direction == Direction::Request => {
                self.desk.vault.token(&self.desk.safe, found.entity, &plain(found))
            }
            _ => format!("[{name}]"),
        }
    }
}

/// The value as the text has it, its escapes decoded.
fn plain(found: &Found<'_>) -> String {
    match found.fold {
        Fold::Text => found.value.to_owned(),
        Fold::Json => serde_json::from_str(&format!("\"{}\"", found.value)).unwrap_or_else(|_| found.value.to_owned()),
    }
}

/// Stars for letters and digits; the last four stay where there are at least eight.
fn masked(value: &str) -> String {
    let count = value.chars().filter(|one| one.is_alphanumeric()).count();
    let hide = if count >= 8 { count - 4 } else { count };
    let mut seen = 0;
    let star = |one: char| {
        if !one.is_alphanumeric() {
            return one;
        }
        seen += 1;
        if seen <= hide { '*' } else { one }
    };
    value.chars().map(star).collect()
}
