//! The admin listener: `/metrics`, `/healthz` and `/readyz`.
//!
//! It stands on a port of its own, so that nothing of it is ever on the data plane's (PITFALLS 26); the default is the
//! loopback address. These three have **no authentication yet**: whoever reaches the port reads the metrics, which name
//! models, providers and teams, but no key, user or content. Bind it to loopback or to a network of your own.
//!
//! It knows of the rest of the gateway only what [`AdminState`] hands in.

mod routes;
mod server;

pub use server::serve;

use prometheus::Registry;
use std::sync::Arc;

/// What the admin listener may see.
#[derive(Clone)]
pub struct AdminState {
    /// What `/metrics` prints.
    pub registry: Registry,
    /// Called before `/metrics` is printed: brings the gauges up to date.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
    /// Asked by `/readyz`: the reason, in a few words, for which no request should come here now.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
}

#[cfg(test)]
mod tests;
