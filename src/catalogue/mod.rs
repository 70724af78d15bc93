//! Prices and model limits: versioned data and look-up.
//!
//! Owns what tokens and units (pictures, seconds, characters, searches) cost at each provider, the arithmetic from usage to nano-dollars, and the
//! rules that fill what a provider does not publish. All of it is looked up when a configuration is loaded; a request
//! only calls [`Price::cost`] on the price that its target already holds.
//!
//! It must not know the configuration (overrides come in as plain text by class), keep balances, or fetch anything: the
//! list is built in. A price that is not known is a state of its own, never 0.

mod amount;
mod cost;
mod fallback;
mod overrides;
mod table;
mod whose;
mod written;

pub use amount::{BadAmount, Rate};
pub use cost::{CostError, Dearest, Price, Reach};
pub use overrides::{PriceError, override_price};
pub use table::{CATALOGUE_VERSION, Catalogue, ModelLimits};
pub use whose::{Target, catalogue_of, limits, resolve};
