//! Prices of other models at a target's provider: what a session has put into writing is billed as the model that does it.

use crate::{
    catalogue::{self, Price},
    config::PriceOverride,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where a provider's prices are looked up.
pub struct Beside {
    /// The provider's name in the file.
    pub provider: Arc<str>,
    /// Its kind.
    pub kind: String,
    /// The host of its `base_url`, if one is set.
    pub base_url_host: Option<String>,
    /// Its `catalogue:`, if set.
    pub catalogue: Option<String>,
    /// What the file says of prices.
    pub prices: Arc<BTreeMap<Arc<str>, PriceOverride>>,
}

impl Beside {
    /// The price of `model` at the provider; `None`: not known.
    pub fn price(&self, model: &str) -> Option<Price> {
        let whose = catalogue::Target {
            provider: &self.provider,
            kind: &self.kind,
            base_url_host: self.base_url_host.as_deref(),
            catalogue: self.catalogue.as_deref(),
            model,
            price_as: None,
        };
        let overrides = |name: &str| self.prices.get(name).map(|price| &price.amounts);
        catalogue::resolve(&whose, overrides).ok().flatten()
    }
}

impl fmt::Debug for Beside {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Beside").field("provider", &self.provider).finish_non_exhaustive()
    }
}
