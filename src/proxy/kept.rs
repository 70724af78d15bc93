//! What of a provider outlives a reload that did not touch it: its connections, and the credentials that it fetched.

use super::target::next_group;
use super::uplink::Uplink;
use crate::{
    config::{ConfigError, Provider as ProviderConfig},
    providers::Provider,
};
use std::fmt;
use std::sync::Arc;

/// A provider as it is spoken to; the next snapshot has the same one where nothing of it changed.
#[derive(Clone)]
pub struct Kept {
    /// Of everything below: the settings as resolved, and what stood in the files that they name.
    print: [u8; 32],
    /// Connections are shared within it.
    pub group: u64,
    /// What speaks for it.
    pub provider: Arc<dyn Provider>,
    /// The way to it.
    pub uplink: Arc<Uplink>,
}

impl Kept {
    /// The provider of `config`: `known`, if it is the same; else a new one by `build`.
    ///
    /// # Errors
    ///
    /// A mistake in its settings, or in a file that they name.
    pub fn of(
        config: &ProviderConfig,
        known: Option<&Self>,
        build: impl FnOnce() -> Result<Arc<dyn Provider>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let print = config.print();
        if let Some(known) = known.filter(|known| known.print == print) {
            return Ok(known.clone());
        }
        let provider = build()?;
        let uplink = Arc::new(Uplink::build(config, provider.endpoint())?);
        Ok(Self { print, group: next_group(), provider, uplink })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Kept").field("group", &self.group).finish_non_exhaustive()
    }
}
