//! Whose price a target has.

use super::{Catalogue, ModelLimits, Price, PriceError, override_price};
use std::collections::BTreeMap;

/// What decides the price of a target; every name as the configuration writes it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The provider's name in the file.
    pub provider: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// The host of its `base_url`, if one is set.
    pub base_url_host: Option<&'a str>,
    /// Its `catalogue:`, if set; `none` takes no list at all.
    pub catalogue: Option<&'a str>,
    /// The model's name at the provider.
    pub model: &'a str,
    /// The target's `price_as:`, if set.
    pub price_as: Option<&'a str>,
}

/// The price of `target`: `prices[provider/model]`, else `prices[model]`, else the row of the provider's catalogue for
/// `price_as` (default: the model). An override stands over that row, which fills what it leaves out.
///
/// `prices` looks an entry of the configuration up. `None`: unpriced, which is not the same as free. A model may be listed
/// with a price per image, second, character or search alone: its tokens are unpriced then.
///
/// # Errors
///
/// [`PriceError`] when the entry that holds, or the name of the catalogue, is wrong.
pub fn resolve<'p>(
    target: &Target<'_>,
    prices: impl Fn(&str) -> Option<&'p BTreeMap<String, String>>,
) -> Result<Option<Price>, PriceError> {
    let listed = listed(target)?;
    let qualified = format!("{}/{}", target.provider, target.model);
    for name in [qualified.as_str(), target.model] {
        if let Some(amounts) = prices(name) {
            return override_price(name, amounts, listed.as_ref()).map(Some);
        }
    }
    Ok(listed.filter(Price::is_priced))
}

/// The catalogue of a provider that names none: by its kind, or, where a `base_url` is set, by the host if that is a
/// well-known one. `None`: the provider's prices are not known.
pub fn catalogue_of(kind: &str, base_url_host: Option<&str>) -> Option<&'static str> {
    let Some(host) = base_url_host else {
        return Catalogue::builtin().providers().find(|provider| *provider == kind);
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    HOSTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(host)).map(|(_, catalogue)| *catalogue)
}

/// Hosts whose prices are listed. Whole names only: regional hosts (`eu.api.openai.com`) may charge more, and anybody
/// may own `api.openai.com.example`.
const HOSTS: &[(&str, &str)] = &[
    ("api.anthropic.com", "anthropic"),
    ("api.cerebras.ai", "cerebras"),
    ("api.cohere.ai", "cohere"),
    ("api.cohere.com", "cohere"),
    ("api.deepinfra.com", "deepinfra"),
    ("api.deepseek.com", "deepseek"),
    ("api.fireworks.ai", "fireworks"),
    ("api.groq.com", "groq"),
    ("api.jina.ai", "jina"),
    ("api.mistral.ai", "mistral"),
    ("api.openai.com", "openai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.sambanova.ai", "sambanova"),
    ("api.together.ai", "together"),
    ("api.together.xyz", "together"),
    ("api.voyageai.com", "voyage"),
    ("api.x.ai", "xai"),
    ("generativelanguage.googleapis.com", "gemini"),
];

/// How much `target` takes and gives, by the row that its price would be looked up in, overrides aside.
///
/// # Errors
///
/// [`PriceError`] when the name of the catalogue is wrong.
pub fn limits(target: &Target<'_>) -> Result<Option<ModelLimits>, PriceError> {
    let name = target.price_as.unwrap_or(target.model);
    Ok(listing(target)?.and_then(|catalogue| Catalogue::builtin().limits(catalogue, name)))
}

fn listed(target: &Target<'_>) -> Result<Option<Price>, PriceError> {
    let name = target.price_as.unwrap_or(target.model);
    Ok(listing(target)?.and_then(|catalogue| Catalogue::builtin().find(catalogue, name)))
}

/// The catalogue of the target's provider.
fn listing<'a>(target: &Target<'a>) -> Result<Option<&'a str>, PriceError> {
    let builtin = Catalogue::builtin();
    match target.catalogue {
        Some("none") => Ok(None),
        Some(name) if builtin.providers().any(|provider| provider == name) => Ok(Some(name)),
        Some(name) => {
            let known = builtin.providers().map(|provider| format!("`{provider}`")).collect::<Vec<_>>().join(", ");
            Err(PriceError::UnknownCatalogue { catalogue: name.to_owned(), known })
        }
        None => Ok(catalogue_of(target.kind, target.base_url_host)),
    }
}

#[cfg(test)]
#[path = "whose_tests.rs"]
mod tests;
