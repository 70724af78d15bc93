//! `language`: texts in a language that is not allowed.
//!
//! By the crate `whatlang`: the script first, then trigrams and letters of 70 languages; no model, no network. It is
//! given original texts, since folding takes accents away. Tool arguments, definitions and refusals are not looked at:
//! they are no prose of the application.
//!
//! Catches: a text that is as a whole in such a language, of at least `min_chars` characters (default 40) and known
//! with `min_confidence` (default 0.8). The sentences of its tests, one in each of 20 languages, are all told; pieces
//! of source code came to 0.70 at most.
//! Misses: short texts; languages that are near each other (Norwegian and Danish, Serbian and Croatian) are taken for
//! each other, at a low confidence; a text in two languages is the one that it has more of; source code and lists of
//! names have no language, but may be taken for one, which is why `unsure: flag` is worth more than `refuse` there;
//! what is hidden in another alphabet or encoding. Of a text above 4 KiB the first 2 KiB and the last 2 KiB are judged,
//! each for itself.
//! Cost: 85 µs per KiB of English, 26 µs of Russian, 3 µs of Chinese (the crate at `opt-level = 1`), 350 µs a text at
//! most. Never fails.

mod codes;

use super::{Judge, Judgement};
use crate::{
    config::{ConfigError, Section},
    model::Speech,
};
use std::sync::Arc;
use whatlang::Lang;

/// What it finds.
pub const ENTITIES: &[&str] = &["language"];

/// Of a longer text, so many bytes of its beginning and of its end are judged, each for itself.
const PIECE: usize = 2 << 10;

/// As written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// ISO 639-1 or 639-3.
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default = "default_min_chars")]
    min_chars: usize,
    #[serde(default = "default_min_confidence")]
    min_confidence: f64,
    #[serde(default)]
    unsure: Unsure,
}

const fn default_min_chars() -> usize {
    40
}

const fn default_min_confidence() -> f64 {
    0.8
}

/// What becomes of a text that is long enough and in no language for sure.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unsure {
    /// Nothing.
    #[default]
    Pass,
    /// It is flagged.
    Flag,
    /// As if it were in a language that is not allowed.
    Refuse,
}

/// Languages that texts may be in.
#[derive(Debug)]
pub struct Language {
    listed: Vec<Lang>,
    /// Those listed are allowed, and no others; else they are denied.
    allows: bool,
    min_chars: usize,
    min_confidence: f64,
    unsure: Unsure,
}

impl Language {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// With key path: none or both of the lists, a code that is none, a confidence outside of 0 to 1.
    pub fn read(section: &Section) -> Result<Self, ConfigError> {
        let written: Settings = section.read()?;
        let (key, codes) = match (written.allow.is_empty(), written.deny.is_empty()) {
            (false, true) => ("allow", written.allow),
            (true, false) => ("deny", written.deny),
            _ => {
                let why = "needs one of `allow` and `deny`: a list of ISO codes such as `[en, de]`";
                return Err(section.error("", why.to_owned()));
            }
        };
        if !(0.0..=1.0).contains(&written.min_confidence) {
            let why = format!("is {}; write a number from 0 to 1", written.min_confidence);
            return Err(section.error("min_confidence", why));
        }
        let listed = codes.iter().map(|code| {
            codes::language(code).ok_or_else(|| {
                let why =
                    format!("`{code}` is no ISO 639 code of a language that can be told; write such as `en` or `deu`");
                section.error(key, why)
            })
        });
        Ok(Self {
            listed: listed.collect::<Result<_, _>>()?,
            allows: key == "allow",
            min_chars: written.min_chars,
            min_confidence: written.min_confidence,
            unsure: written.unsure,
        })
    }

    fn found(&self, text: &str) -> Option<Judgement> {
        let told = whatlang::detect(text);
        let judgement = |why: String, flag_only| Some(Judgement { entity: ENTITIES[0], why, flag_only });
        match told.filter(|told| told.confidence() >= self.min_confidence) {
            Some(told) if self.listed.contains(&told.lang()) == self.allows => None,
            Some(told) => judgement(format!("the language is `{}`", codes::code(told.lang())), false),
            None => match self.unsure {
                Unsure::Pass => None,
                Unsure::Flag => judgement("the language cannot be told".to_owned(), true),
                Unsure::Refuse => judgement("the language cannot be told".to_owned(), false),
            },
        }
    }
}

impl Judge for Language {
    fn judge(&self, text: &str, speech: Speech) -> Option<Judgement> {
        let prose = match speech {
            Speech::System
            | Speech::User
            | Speech::Assistant
            | Speech::Reasoning
            | Speech::ToolResult
            | Speech::Document
            | Speech::Unknown => true,
            Speech::Refusal | Speech::ToolCall | Speech::Definition => false,
        };
        // A byte or more a character: most short texts need not be counted.
        if !prose || text.len() < self.min_chars || text.chars().count() < self.min_chars {
            return None;
        }
        if text.len() <= 2 * PIECE {
            return self.found(text);
        }
        let (begin, end) = (text.floor_char_boundary(PIECE), text.ceil_char_boundary(text.len() - PIECE));
        self.found(&text[..begin]).or_else(|| self.found(&text[end..]))
    }

    fn wants_original(&self) -> bool {
        true
    }
}

/// The judge of `section`.
///
/// # Errors
///
/// As [`Language::read`].
pub fn build(section: &Section) -> Result<Vec<Arc<dyn Judge>>, ConfigError> {
    Ok(vec![Arc::new(Language::read(section)?)])
}

#[cfg(test)]
mod tests;
