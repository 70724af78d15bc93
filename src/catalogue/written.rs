//! How the price of each class is written: its name in the list and the configuration, and what its amount is for.

use super::fallback::Rates;
use super::{BadAmount, Rate};
use crate::model::Usage;
use std::fmt::Write;

/// What an amount in USD pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Per {
    /// A million tokens.
    Million,
    /// One of what the class counts; the word is for people.
    One(&'static str),
    /// A second, of a class that counts milliseconds.
    Second,
}

impl Per {
    /// Reads an amount, exactly.
    pub(super) fn read(self, text: &str) -> Result<Rate, BadAmount> {
        match self.units() {
            None => Rate::parse(text),
            Some((million, _)) => Rate::parse_each(text, million),
        }
    }

    /// How many of what is sold make a million of what the class counts, and the word for one.
    const fn units(self) -> Option<(u64, &'static str)> {
        match self {
            Self::Million => None,
            Self::One(word) => Some((1_000_000, word)),
            Self::Second => Some((1_000, "second")),
        }
    }
}

/// The prices of the classes, in the order of `Usage::classes`.
pub(super) const WRITTEN: [(&str, Per); Usage::CLASSES] = [
    ("input", Per::Million),
    ("cache_read", Per::Million),
    ("cache_write_5m", Per::Million),
    ("cache_write_1h", Per::Million),
    ("output", Per::Million),
    ("reasoning", Per::Million),
    ("audio_input", Per::Million),
    ("audio_output", Per::Million),
    ("image_input", Per::Million),
    ("image_output", Per::Million),
    ("per_image", Per::One("image")),
    ("per_second", Per::Second),
    ("per_character", Per::One("character")),
    ("per_search", Per::One("search")),
];

/// A class (a label of `Usage::classes`) in words that people know: `seconds of sound`.
pub(super) fn words(class: &str) -> String {
    match class {
        "images" | "characters" | "searches" => class.to_owned(),
        "audio_ms" => "seconds of sound".to_owned(),
        _ => format!("`{class}` tokens"),
    }
}

/// The prices of units among `rates`: `, 0.0001 USD per second`, the first without the comma where `alone`.
pub(super) fn units(rates: &Rates, alone: bool) -> String {
    let mut line = String::new();
    for ((_, per), rate) in WRITTEN.iter().zip(rates) {
        let (Some(rate), Some((units, one))) = (rate, per.units()) else { continue };
        let comma = if alone && line.is_empty() { "" } else { ", " };
        let _ = write!(line, "{comma}{} USD per {one}", rate.each(units));
    }
    line
}
