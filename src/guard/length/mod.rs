//! `length`: texts that are too long or too short, each for itself and those of a request, or of an answer, together.
//!
//! Catches: what the figures say. Characters are Unicode's scalar values and bytes those of UTF-8, both of the folded
//! text: what nobody sees does not count, and `ﬁ` is two. Words are what stands between spaces.
//! Misses: words of scripts that set no spaces (Chinese, Japanese, Thai): a sentence is one word there; pictures and
//! sound. Cost: 0.1 µs per KiB for bytes and characters, 2 µs for words. Never fails.

use super::{Judge, Judgement, Measure};
use crate::{
    config::{ConfigError, Section},
    model::Speech,
};
use std::sync::Arc;

/// What it finds.
pub const ENTITIES: &[&str] = &["length"];

/// As written.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    max_chars: Option<u64>,
    max_bytes: Option<u64>,
    max_words: Option<u64>,
    min_chars: Option<u64>,
    min_bytes: Option<u64>,
    min_words: Option<u64>,
    /// The same, of all texts of a request, or of an answer, together.
    total: Option<Bounds>,
}

/// How long something may be, and must be.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Bounds {
    max_chars: Option<u64>,
    max_bytes: Option<u64>,
    max_words: Option<u64>,
    min_chars: Option<u64>,
    min_bytes: Option<u64>,
    min_words: Option<u64>,
}

/// Bounds of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Length {
    each: Bounds,
    total: Bounds,
}

impl Length {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// With key path: nothing is bounded, or a least length is above its most.
    pub fn read(section: &Section) -> Result<Self, ConfigError> {
        let written: Settings = section.read()?;
        let each = Bounds {
            max_chars: written.max_chars,
            max_bytes: written.max_bytes,
            max_words: written.max_words,
            min_chars: written.min_chars,
            min_bytes: written.min_bytes,
            min_words: written.min_words,
        };
        let length = Self { each, total: written.total.unwrap_or_default() };
        if length.each == Bounds::default() && length.total == Bounds::default() {
            let why = "bounds nothing; set one of `max_chars`, `max_bytes`, `max_words`, `min_chars`, `min_bytes`, \
                       `min_words`, or one of them below `total`";
            return Err(section.error("", why.to_owned()));
        }
        for (bounds, total) in [(&length.each, false), (&length.total, true)] {
            for (what, most, least) in bounds.rows() {
                if let (Some(most), Some(least)) = (most, least)
                    && least > most
                {
                    let why = format!("`min_{what}` is {least}, above `max_{what}` ({most}); no text could pass");
                    return Err(section.error(if total { "total" } else { "" }, why));
                }
            }
        }
        Ok(length)
    }

    /// Judges the texts of a request, or of an answer, together; folded ones.
    pub fn judge_total<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Option<Judgement> {
        if self.total == Bounds::default() {
            return None;
        }
        let words = self.total.max_words.is_some() || self.total.min_words.is_some();
        let sum = texts.into_iter().fold(Measure::default(), |sum, text| sum.and(Measure::of(text, words)));
        self.total.judge(sum, "the texts together have")
    }
}

impl Judge for Length {
    fn judge(&self, text: &str, _: Speech) -> Option<Judgement> {
        if self.each == Bounds::default() {
            return None;
        }
        let words = self.each.max_words.is_some() || self.each.min_words.is_some();
        self.each.judge(Measure::of(text, words), "the text has")
    }

    fn judge_all(&self, texts: &[String]) -> Option<Judgement> {
        self.judge_total(texts.iter().map(|text| &**text))
    }

    fn sums(&self) -> bool {
        self.total != Bounds::default()
    }

    fn judge_sum(&self, sum: Measure, over: bool) -> Option<Judgement> {
        let most = Bounds { min_chars: None, min_bytes: None, min_words: None, ..self.total.clone() };
        let bounds = if over { &self.total } else { &most };
        bounds.judge(sum, "the texts together have")
    }
}

impl Bounds {
    const fn rows(&self) -> [(&'static str, Option<u64>, Option<u64>); 3] {
        [
            ("chars", self.max_chars, self.min_chars),
            ("bytes", self.max_bytes, self.min_bytes),
            ("words", self.max_words, self.min_words),
        ]
    }

    fn judge(&self, measure: Measure, what_has: &str) -> Option<Judgement> {
        let found = [("characters", measure.chars), ("bytes", measure.bytes), ("words", measure.words)];
        let why = found.into_iter().zip(self.rows()).find_map(|((unit, found), (_, most, least))| {
            match (most.filter(|most| found > *most), least.filter(|least| found < *least)) {
                (Some(most), _) => Some(format!("{what_has} {found} {unit}, at most {most} are allowed")),
                (None, Some(least)) => Some(format!("{what_has} {found} {unit}, at least {least} are needed")),
                (None, None) => None,
            }
        })?;
        Some(Judgement { entity: ENTITIES[0], why, flag_only: false })
    }
}

/// The judge of `section`.
///
/// # Errors
///
/// As [`Length::read`].
pub fn build(section: &Section) -> Result<Vec<Arc<dyn Judge>>, ConfigError> {
    Ok(vec![Arc::new(Length::read(section)?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(yaml: &str) -> Result<Length, ConfigError> {
        Length::read(&Section::from_yaml("guards.long", yaml)?)
    }

    #[test]
    fn texts_outside_of_their_bounds_are_told_with_figures() {
        let cases = [
            ("in bounds", "max_chars: 3\nmin_chars: 3", "añb", None),
            ("characters", "max_chars: 2", "añb", Some("the text has 3 characters, at most 2 are allowed")),
            ("bytes", "max_bytes: 3", "añb", Some("the text has 4 bytes, at most 3 are allowed")),
            ("words", "max_words: 2", " one two\nthree ", Some("the text has 3 words, at most 2 are allowed")),
            ("too short", "min_words: 2", "one", Some("the text has 1 words, at least 2 are needed")),
            ("empty", "min_bytes: 1", "", Some("the text has 0 bytes, at least 1 are needed")),
            ("only the total is bounded", "total: {max_chars: 1}", "long", None),
        ];
        for (name, yaml, text, want) in cases {
            let said = length(yaml).expect(name).judge(text, Speech::User);
            assert_eq!(said.as_ref().map(|said| &*said.why), want, "{name}");
            assert!(said.is_none_or(|said| said.entity == "length" && !said.flag_only), "{name}");
        }
    }

    #[test]
    fn texts_count_together() {
        let bounds = length("max_chars: 4\ntotal: {max_chars: 6, min_words: 2}").expect("bounds");
        let cases = [
            ("in bounds", vec!["abc", "def"], None),
            ("too many", vec!["abc", "defg"], Some("the texts together have 7 characters, at most 6 are allowed")),
            ("too few", vec!["abc"], Some("the texts together have 1 words, at least 2 are needed")),
            ("none", vec![], Some("the texts together have 0 words, at least 2 are needed")),
        ];
        for (name, texts, want) in cases {
            let said = bounds.judge_total(texts).map(|said| said.why);
            assert_eq!(said.as_deref(), want, "{name}");
        }
    }

    #[test]
    fn mistakes_name_their_key() {
        let cases = [
            ("", "guards.long: bounds nothing"),
            ("max_chars: 3\nmin_chars: 4", "guards.long: `min_chars` is 4, above `max_chars` (3)"),
            ("total: {max_words: 3, min_words: 4}", "guards.long.total: `min_words` is 4, above `max_words` (3)"),
            ("max_char: 3", "did you mean `max_chars`?"),
            ("max_chars: many", "guards.long.max_chars"),
        ];
        for (yaml, want) in cases {
            let said = length(yaml).expect_err(yaml).to_string();
            assert!(said.contains(want), "{yaml:?}: {said}");
        }
    }
}
