//! Secrets: tokens of about 200 issuers, private keys, signed tokens, passwords in URLs and headers, and assignments
//! whose name says that the value is secret.
//!
//! **Catches** what has a published prefix and alphabet (`AKIA…`, `ghp_…`, `sk-ant-…`), PEM and PuTTY private keys to their
//! last line, JSON web tokens, `scheme://user:password@host` (the password), `Authorization: Bearer/Basic`, and values that
//! look random behind names like `password`, `client_secret`, `api_key`. Some issuers' keys have no prefix; they count
//! when the issuer's name is in the name that they are assigned to (`AWS_SECRET_ACCESS_KEY=…`).
//!
//! **Misses** random values without such a name in front (never entropy alone: it fires on most ordinary lines), passwords
//! that are plain words, tokens that are split by spaces or line ends, base64 around a secret, and what an assignment puts
//! more than 44 bytes behind the name. Signed tokens whose header has more than 220 characters. A private key without its
//! last line takes up to 16 KiB of what follows. A signed token takes a full stop behind it.
//!
//! **Cost**: about 3 µs a KiB of prose or source text on a busy machine; nothing is allocated without a hit. **Failure**: none; pure and linear.
//!
//! ```yaml
//! entities: [cloud, models, private_key]  # groups and entities; default: all
//! allow: [AKIAIOSFODNN7EXAMPLE]           # exact values that are no secrets
//! entropy: true                           # false: nothing that only looks random (group `generic`)
//! ```

mod assign;
mod jwt;
mod links;
mod owners;
mod pem;
mod reader;
mod rule;
mod rules;
mod strength;

pub use rule::{Confidence, Group};

use crate::{
    config::{ConfigError, Section, nearest},
    guard::{CONTEXT, Hit, LONGEST, Spotter, literals::Literals},
};
use reader::Reader;
use rule::Rule;
use rules::TABLES;
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

/// Everything that is looked for, and the group that it is in.
pub const ENTITIES: &[(&str, Group)] = &rules::ENTITIES;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Groups and entities; default: all.
    #[serde(default)]
    entities: Option<Vec<String>>,
    /// Values that are no secrets, letter for letter.
    #[serde(default)]
    allow: HashSet<String>,
    /// Whether what only looks random behind a name counts.
    #[serde(default = "yes")]
    entropy: bool,
}

fn yes() -> bool {
    true
}

/// The rules and their literals, of which there is one search for all guards.
struct All {
    rules: Vec<&'static Rule>,
    literals: Literals,
    /// Those that hits begin with, or inside of.
    begun: Literals,
}

static ALL: LazyLock<All> = LazyLock::new(|| {
    let rules: Vec<&'static Rule> = TABLES.iter().flat_map(|(_, rules)| rules.iter()).collect();
    let literals: Vec<(Vec<u8>, usize, usize)> = rules
        .iter()
        .enumerate()
        .flat_map(|(number, rule)| {
            rule.literals.iter().map(move |literal| (literal.as_bytes().to_vec(), number, rule.skip))
        })
        .collect();
    let begun = literals.iter().filter(|(literal, _, skip)| *skip < literal.len());
    let begun = Literals::new(begun.map(|(literal, number, _)| (literal.clone(), *number)));
    let literals = Literals::new(literals.into_iter().map(|(literal, number, _)| (literal, number)));
    All { rules, literals, begun }
});

/// Finds secrets.
pub struct Secrets {
    /// The entities that count; `None`: all.
    only: Option<HashSet<&'static str>>,
    allow: HashSet<String>,
}

/// Reads the settings.
///
/// # Errors
///
/// An entity or group that does not exist, with its key path.
pub fn build(section: &Section) -> Result<Vec<Arc<dyn Spotter>>, ConfigError> {
    let settings: Settings = section.read()?;
    let mut only = None;
    for (index, name) in settings.entities.iter().flatten().enumerate() {
        let named: Vec<&'static str> = ENTITIES
            .iter()
            .filter(|(entity, group)| entity == name || Group::ALL.contains(&(name, *group)))
            .map(|(entity, _)| *entity)
            .collect();
        if named.is_empty() {
            let names = ENTITIES.iter().map(|(entity, _)| *entity).chain(Group::ALL.map(|(group, _)| group));
            let near = nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_else(|| {
                format!("; groups are {}", Group::ALL.map(|(group, _)| format!("`{group}`")).join(", "))
            });
            return Err(
                section.error(&format!("entities[{index}]"), format!("there is no entity or group `{name}`{near}"))
            );
        }
        only.get_or_insert_with(HashSet::new).extend(named);
    }
    if settings.entities.is_some() && only.is_none() {
        return Err(section.error("entities", "names nothing; leave it out to look for everything".to_owned()));
    }
    if !settings.entropy {
        let kept = only.unwrap_or_else(|| ENTITIES.iter().map(|(entity, _)| *entity).collect());
        let generic = |entity: &str| ENTITIES.contains(&(entity, Group::Generic));
        only = Some(kept.into_iter().filter(|entity| !generic(entity)).collect());
    }
    Ok(vec![Arc::new(Secrets { only, allow: settings.allow })])
}

impl Default for Secrets {
    /// Everything counts.
    fn default() -> Self {
        Self { only: None, allow: HashSet::new() }
    }
}

impl Secrets {
    fn counts(&self, hit: &Hit, text: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(hit.entity))
            && (self.allow.is_empty() || text.get(hit.at.clone()).is_none_or(|value| !self.allow.contains(value)))
    }
}

impl Spotter for Secrets {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        let All { rules, literals, .. } = &*ALL;
        let bytes = text.as_bytes();
        let mut best: Option<(usize, Hit)> = None;
        for at in literals.candidates(bytes, from.saturating_sub(CONTEXT)) {
            if best.as_ref().is_some_and(|(_, best)| at > best.at.start) {
                break;
            }
            for (length, number) in literals.at(bytes, at) {
                let Some(hit) = rules.get(number).and_then(|rule| rule.find(&Reader::new(bytes), at, length)) else {
                    continue;
                };
                let first =
                    best.as_ref().is_none_or(|(best, before)| (hit.at.start, number) < (before.at.start, *best));
                if first && hit.at.start >= from && self.counts(&hit, text) {
                    best = Some((number, hit));
                }
            }
        }
        best.map(|(_, hit)| hit)
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let All { rules, literals, begun } = &*ALL;
        let bytes = text.as_bytes();
        let least = text.ceil_char_boundary(from.max(text.len().saturating_sub(LONGEST)));
        let mut held = text.len();
        for at in literals.candidates(bytes, least.saturating_sub(CONTEXT)) {
            if at >= held {
                return held;
            }
            for (length, number) in literals.at(bytes, at) {
                let reader = Reader::new(bytes);
                if let Some(rule) = rules.get(number) {
                    rule.find(&reader, at, length);
                }
                held = reader.open().filter(|&begin| begin >= least).map_or(held, |begin| held.min(begin));
            }
        }
        for at in begun.tails(bytes, least) {
            if at >= held {
                return held;
            }
            let reader = Reader::new(bytes);
            // Only literals that begin with a digit, or with what is no letter, may follow letters.
            if bytes.get(at).is_some_and(u8::is_ascii_alphabetic) && !rule::stands_apart(&reader, at) {
                continue;
            }
            let begins = begun.begun(bytes.get(at..).unwrap_or_default()).filter_map(|number| {
                let rule = rules.get(number)?;
                (at + rule.skip < held && rule.stands_apart(&reader, at)).then_some(at + rule.skip)
            });
            held = begins.min().unwrap_or(held).min(held);
        }
        held
    }
}

#[cfg(test)]
mod tests;
