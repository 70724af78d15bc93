//! Patterns of the operator's own: tickets, customer numbers, code names.
//!
//! **Catches** what the pattern matches, in the folded text. **Misses** what is longer than 250 bytes: a match is cut
//! there, and one whose end is further away is none. The beginning and the end of a whole text (`^`, `$` without `(?m)`)
//! are refused: a stream has neither. Without `unicode: true` classes are those of ASCII, and `.` is one byte; a hit has
//! whole characters all the same.
//!
//! **Cost**: about 2 µs a KiB for 20 patterns that begin with something rare; a pattern that may begin anywhere (`\w+@`)
//! costs a walk over each word. Linear whatever the pattern and the text: automata, no backtracking. **Failure**: none.
//!
//! ```yaml
//! patterns: { ticket: 'TKT-\d+', codename: '(?i)\bproject (apollo|hermes)\b' }
//! unicode: false
//! ```

mod limits;
mod pattern;

pub use pattern::{MOST_BYTES, Pattern};

use crate::{
    config::{ConfigError, Section},
    guard::{Hit, Spotter, names::entity},
};
use pattern::{LOOKED_AT, open_from};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Patterns that are searched together: the bits of a word.
const TOGETHER: usize = 64;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Names, which are the entities, and what they stand for. Of matches at one place the first name counts.
    patterns: BTreeMap<String, String>,
    /// Classes and case are those of Unicode: slower, and larger automata.
    #[serde(default)]
    unicode: bool,
}

/// Reads the settings.
///
/// # Errors
///
/// A name that is none, or a pattern that does not compile, with its key path and the place in the pattern.
pub fn build(section: &Section) -> Result<Vec<Arc<dyn Spotter>>, ConfigError> {
    let settings: Settings = section.read()?;
    if settings.patterns.is_empty() {
        return Err(section.error("patterns", "names no pattern: write `name: 'pattern'`".to_owned()));
    }
    let mut patterns = Vec::new();
    for (name, text) in &settings.patterns {
        let path = format!("patterns.{name}");
        let entity = entity(name).map_err(|why| section.error(&path, why))?;
        let pattern = Pattern::new(entity, text, settings.unicode);
        patterns.push(pattern.map_err(|why| section.error(&path, format!("the pattern `{text}` is refused: {why}")))?);
    }
    Ok(Patterns::together(patterns).into_iter().map(|patterns| Arc::new(patterns) as Arc<dyn Spotter>).collect())
}

/// Up to 64 patterns, searched in one pass.
pub struct Patterns {
    patterns: Vec<Pattern>,
    /// For each of the first bytes, the patterns that may have it there.
    may: Box<[[u64; 256]; LOOKED_AT]>,
}

impl Patterns {
    /// As few as possible.
    pub fn together(patterns: Vec<Pattern>) -> Vec<Self> {
        let mut all = Vec::new();
        let mut rest = patterns.into_iter().peekable();
        while rest.peek().is_some() {
            all.push(Self::new(rest.by_ref().take(TOGETHER).collect()));
        }
        all
    }

    fn new(patterns: Vec<Pattern>) -> Self {
        let mut may = Box::new([[0; 256]; LOOKED_AT]);
        for (bit, pattern) in patterns.iter().enumerate() {
            for (place, masks) in may.iter_mut().enumerate() {
                for (byte, mask) in (0..=u8::MAX).zip(masks.iter_mut()) {
                    *mask |= u64::from(pattern.may_have(place, byte)) << bit;
                }
            }
        }
        Self { patterns, may }
    }

    /// The patterns that may match at `at`.
    fn candidates(&self, bytes: &[u8], at: usize) -> impl Iterator<Item = &Pattern> {
        let rest = bytes.get(at..).unwrap_or_default();
        let mask = self.may.iter().zip(rest).fold(u64::MAX, |mask, (may, &byte)| mask & may[usize::from(byte)]);
        self.of(mask)
    }

    fn of(&self, mut mask: u64) -> impl Iterator<Item = &Pattern> {
        std::iter::from_fn(move || {
            let bit = mask.trailing_zeros() as usize;
            mask &= mask.wrapping_sub(1);
            self.patterns.get(bit)
        })
    }
}

impl Spotter for Patterns {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        let bytes = text.as_bytes();
        let [one, two, three] = &*self.may;
        let rest = bytes.get(from..)?;
        for (at, window) in rest.windows(LOOKED_AT).enumerate() {
            let [a, b, c] = *window else { continue };
            let mask = one[usize::from(a)] & two[usize::from(b)] & three[usize::from(c)];
            if mask != 0
                && let Some(hit) = self.of(mask).find_map(|pattern| pattern.hit(text, from + at))
            {
                return Some(hit);
            }
        }
        let last = from.max((bytes.len() + 1).saturating_sub(LOOKED_AT));
        (last..bytes.len()).find_map(|at| self.candidates(bytes, at).find_map(|pattern| pattern.hit(text, at)))
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let bytes = text.as_bytes();
        let open = (open_from(text, from)..bytes.len())
            .find(|&at| self.candidates(bytes, at).any(|pattern| pattern.is_open(text, at)));
        open.map_or(text.len(), |at| text.floor_char_boundary(at).max(from))
    }
}

#[cfg(test)]
mod tests;
