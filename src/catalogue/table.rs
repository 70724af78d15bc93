//! The built-in price list, and look-up in it.

use super::Price;
use super::cost::TIERS;
use super::fallback::{Published, Rates};
use super::written::WRITTEN;
use crate::model::{ServiceTier, Usage};
use std::sync::{Arc, LazyLock};

/// The built-in list: the day on which its facts were read, and which list was made of them.
pub const CATALOGUE_VERSION: &str = "2026-11-23.2";

/// A price list: rows by provider and model.
#[derive(Debug)]
pub struct Catalogue {
    version: &'static str,
    /// By provider and model, as the file stands.
    rows: Vec<Row>,
}

impl Catalogue {
    /// The list that is built in; read on first use, in a few milliseconds.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
            let rows = DATA.lines().skip(1).map(row).collect::<Option<Vec<_>>>();
            Catalogue { version: CATALOGUE_VERSION, rows: rows.expect("a test reads the whole list") }
        });
        &BUILTIN
    }

    /// The price of `model` at `provider` (a name of [`Self::providers`]), both exactly as listed: nothing is guessed
    /// from parts of a name. `None`: not listed, so the price is unknown.
    pub fn find(&self, provider: &str, model: &str) -> Option<Price> {
        let rows = self.rows_of(provider, model);
        if rows.is_empty() {
            return None;
        }
        let version = Arc::from(format!("{}/{provider}/{model}", self.version));
        Some(Price::of(version, rows.iter().map(|row| row.published.clone()).collect()))
    }

    /// How many tokens `model` takes and gives; `None` when it is not listed.
    pub fn limits(&self, provider: &str, model: &str) -> Option<ModelLimits> {
        let row = self.rows_of(provider, model).first()?;
        Some(ModelLimits { max_input_tokens: row.max_input, max_output_tokens: row.max_output })
    }

    /// The providers that have rows, in order, each once.
    pub fn providers(&self) -> impl Iterator<Item = &'static str> {
        self.rows.chunk_by(|one, next| one.provider == next.provider).filter_map(|rows| Some(rows.first()?.provider))
    }

    /// Rows of the list.
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is listed.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Provider and model of the row at `index`, in the order of the list: for walking all of it.
    pub fn name(&self, index: usize) -> Option<(&'static str, &'static str)> {
        self.rows.get(index).map(|row| (row.provider, row.model))
    }

    fn rows_of(&self, provider: &str, model: &str) -> &[Row] {
        let wanted = (provider, model);
        let start = self.rows.partition_point(|row| (row.provider, row.model) < wanted);
        let rows = self.rows.get(start..).unwrap_or_default();
        let count = rows.iter().take_while(|row| (row.provider, row.model) == wanted).count();
        rows.get(..count).unwrap_or_default()
    }
}

/// How much a model takes and gives at once, where published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelLimits {
    /// Tokens of input.
    pub max_input_tokens: Option<u64>,
    /// Tokens of output.
    pub max_output_tokens: Option<u64>,
}

#[derive(Debug)]
struct Row {
    provider: &'static str,
    model: &'static str,
    published: Published,
    max_input: Option<u64>,
    max_output: Option<u64>,
}

const DATA: &str = include_str!("data/prices.2026-11-23.2.csv");

/// The columns of prices in the file's order, which is that of the facts and not that of the classes.
const COLUMNS: [&str; Usage::CLASSES] = [
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
    "per_image",
    "per_second",
    "per_character",
    "per_search",
];

/// One line of the list; its format is described in `data/README.md`.
fn row(line: &'static str) -> Option<Row> {
    let mut fields = line.split(',');
    let (provider, model) = (fields.next()?, fields.next()?);
    let tier = tier(fields.next()?)?;
    let above = fields.next()?.parse().ok()?;
    let mut rates = Rates::default();
    for column in COLUMNS {
        let text = fields.next()?;
        let ((_, per), rate) = WRITTEN.iter().zip(&mut rates).find(|((name, _), _)| *name == column)?;
        *rate = if text.is_empty() { None } else { Some(per.read(text).ok()?) };
    }
    let (max_input, max_output) = (limit(fields.next()?)?, limit(fields.next()?)?);
    let whole = fields.next().is_none() && !provider.is_empty() && !model.is_empty();
    whole.then_some(Row { provider, model, published: Published { tier, above, rates }, max_input, max_output })
}

fn tier(text: &str) -> Option<ServiceTier> {
    TIERS.into_iter().find(|tier| tier.name() == text)
}

/// A limit that may be left empty; the outer `None` says that it is no number.
fn limit(text: &str) -> Option<Option<u64>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
