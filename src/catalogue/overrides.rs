//! Prices that the configuration sets.

use super::fallback::{Published, Rates};
use super::written::WRITTEN;
use super::{BadAmount, Price};
use crate::model::ServiceTier;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// The price that the configuration sets under `name`, as decimal text: USD per million tokens by class, and USD each by
/// unit (`per_image`, `per_second`, `per_character`, `per_search`).
///
/// A class that is given holds for every service tier and every size of input. What is not given is taken from `below`
/// (the catalogue's row for the same target, if it has one), and falls back as for any published price: an override of
/// `input` alone keeps the catalogue's output.
///
/// # Errors
///
/// [`PriceError`] names the entry and what is wrong; the configuration is refused.
pub fn override_price(
    name: &str,
    amounts: &BTreeMap<String, String>,
    below: Option<&Price>,
) -> Result<Price, PriceError> {
    let name = || name.to_owned();
    let set = read(amounts, name)?;
    let mut rows = below.map(|price| price.published().to_vec()).unwrap_or_default();
    if rows.is_empty() {
        rows.push(Published { tier: ServiceTier::Standard, above: 0, rates: Rates::default() });
    }
    for row in &mut rows {
        row.rates = std::array::from_fn(|class| set[class].or(row.rates[class]));
    }
    let price = Price::of(version(&name(), amounts, below), rows);
    if price.is_priced() { Ok(price) } else { Err(PriceError::NoInput { name: name() }) }
}

/// What is wrong with a price of the configuration. The caller adds file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// A class that does not exist.
    #[error("`prices.{name}.{class}` is nothing that has a price; there are {known}")]
    UnknownClass {
        /// The entry.
        name: String,
        /// As written.
        class: String,
        /// All that exist.
        known: String,
    },
    /// An amount that cannot be read.
    #[error("`prices.{name}.{class}`: {amount}")]
    Amount {
        /// The entry.
        name: String,
        /// The class.
        class: String,
        /// What is wrong with it.
        amount: BadAmount,
    },
    /// Neither the entry nor the catalogue says what input costs, nor a price by unit.
    #[error(
        "`prices.{name}.input` is missing, and the catalogue has no row to take it from; a model that is billed by units \
         needs `per_image`, `per_second`, `per_character` or `per_search` instead"
    )]
    NoInput {
        /// The entry.
        name: String,
    },
    /// `catalogue:` names none.
    #[error("there is no catalogue `{catalogue}`; there are `none`, {known}")]
    UnknownCatalogue {
        /// As written.
        catalogue: String,
        /// All that exist.
        known: String,
    },
}

fn read(amounts: &BTreeMap<String, String>, name: impl Fn() -> String) -> Result<Rates, PriceError> {
    let mut set = Rates::default();
    for (class, text) in amounts {
        let found = WRITTEN.iter().zip(&mut set).find(|((label, _), _)| label == class);
        let Some(((_, per), rate)) = found else {
            let known = WRITTEN.map(|(label, _)| format!("`{label}`")).join(", ");
            return Err(PriceError::UnknownClass { name: name(), class: class.clone(), known });
        };
        let read = per.read(text);
        *rate = Some(read.map_err(|amount| PriceError::Amount { name: name(), class: class.clone(), amount })?);
    }
    Ok(set)
}

/// `config/NAME#HASH`: equal exactly when the same amounts stand over the same row of the same list.
fn version(name: &str, amounts: &BTreeMap<String, String>, below: Option<&Price>) -> Arc<str> {
    let mut hash = Sha256::new();
    // Lengths in front, so that no two settings write the same bytes.
    let mut field = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    field(below.map_or("", |price| price.version()));
    for (class, text) in amounts {
        field(class);
        field(text);
    }
    let mut version = format!("config/{name}#");
    for byte in hash.finalize().iter().take(6) {
        let _ = write!(version, "{byte:02x}");
    }
    version.into()
}

#[cfg(test)]
#[path = "overrides_tests.rs"]
mod tests;
