//! Personal data: e-mail addresses, phone numbers, cards, accounts, identity numbers.
//!
//! **What it catches**: the entities of [`ENTITIES`]; without `entities` those of [`DEFAULT`]. A checksum or an exact
//! format decides where there is one; what looks like any other number needs a word within 64 bytes in front of it
//! (`NHS number: …`), in English, German, French, Spanish, Italian or Portuguese.
//!
//! **What it misses**: numbers that are written as words or broken over lines; words of context behind the number, in
//! other languages, or further away; numbers whose digits somebody parts in unusual ways; identity numbers with a wrong
//! check digit; capitals of Ethereum addresses and the checksum of Monero's are not checked, Solana's are not known; the
//! letters in new CNPJs; local parts of e-mail addresses in quotes. `person` and `address` are rules of thumb: names
//! without title, introduction or common given name are missed, and so are all scripts without capitals, and most
//! addresses that are not of the shape number, street.
//!
//! **Cost**: `benches/pii.rs`, measured in `load-tests/results/0.1.0/guard-pii.md`: at most 4 µs per KiB of prose, more
//! for tables of numbers; nothing is allocated without a hit. The first look-up of a context word in the process builds an
//! automaton (a few ms). **Failure**: none; it does no I/O and its
//! time is linear in the length of the text: at most 256 bytes are looked at from each word.

mod look;
mod entity;
mod context;
mod ballot;
mod scan;
mod checks;
mod digits;
mod email;
mod phone;
mod cards;
mod numbers;
mod codes;
mod bank;
mod crypto;
mod network;
mod dates;
mod login;
mod person;
mod address;
mod allow;
mod custom;
mod settings;

pub use ballot::Confidence;
pub use entity::{DEFAULT, ENTITIES, GROUP_NAMES};
pub use settings::build;

use super::{Hit, LONGEST, Spotter};
use allow::Allow;
use ballot::Ballot;
use digits::Digits;
use entity::{Entity, Set};
use look::Look;
use scan::{Scan, is_start};

/// Finds personal data.
pub(super) struct Pii {
    on: Set,
    confidence: Confidence,
    allow: Allow,
    scan: Scan,
}

impl Pii {
    fn new(on: Set, confidence: Confidence, allow: Allow) -> Self {
        Self { on, confidence, allow, scan: Scan::new(on) }
    }

    /// What begins at the start of `look`.
    fn spot(&self, look: &Look<'_>) -> Option<Hit> {
        let start = look.start();
        if self.on.has(Entity::Url)
            && let Some(end) = email::url(look)
        {
            let grow = (end - start >= LONGEST).then_some(super::Grow::While(email::is_url));
            return Some(Hit { at: start..end, entity: Entity::Url.name(), grow });
        }
        let mut ballot = Ballot::new(look, self.on, self.confidence);
        self.vote(&mut ballot);
        let (end, entity) = ballot.best()?;
        let allowed = !self.allow.is_empty() && self.allow.has(look, end, entity);
        (!allowed).then(|| Hit { at: start..end, entity: entity.name(), grow: None })
    }

    fn vote(&self, ballot: &mut Ballot<'_>) {
        let first = ballot.look.at(ballot.look.start());
        email::vote(ballot);
        if ballot.best().is_some() {
            return;
        }
        match first {
            b'+' | b'(' => phone::vote(ballot, None),
            b':' => network::vote(ballot),
            b'0'..=b'9' => {
                // Read once for all who ask.
                let digits = digits::opens(ballot.look).then(|| Digits::read(ballot.look, ballot.look.start()));
                phone::vote(ballot, digits.as_ref());
                network::vote(ballot);
                if let Some(digits) = &digits {
                    for number in digits.numbers() {
                        cards::vote(ballot, number);
                        numbers::vote(ballot, number);
                    }
                }
                codes::vote(ballot);
                crypto::vote(ballot);
                dates::vote(ballot);
                address::vote(ballot);
            }
            b'A'..=b'Z' | b'a'..=b'z' => {
                codes::vote(ballot);
                bank::vote(ballot);
                crypto::vote(ballot);
                network::vote(ballot);
                dates::vote(ballot);
                address::vote(ballot);
                person::vote(ballot);
            }
            _ => person::vote(ballot),
        }
        login::vote(ballot);
    }
}

impl Spotter for Pii {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        self.scan.chunks(text, from).find_map(|chunk| {
            chunk.filter(|&at| is_start(text.as_bytes(), at)).find_map(|start| self.spot(&Look::new(text, start)))
        })
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let from = from.max(text.len().saturating_sub(LONGEST));
        let open = |&start: &usize| {
            is_start(text.as_bytes(), start) && {
                let look = Look::new(text, start);
                _ = self.spot(&look);
                look.cut()
            }
        };
        (from..text.len()).find(open).unwrap_or(text.len())
    }
}

#[cfg(test)]
mod tests;
