//! The admin listener: `/metrics`, `/healthz`, `/readyz`, and the admin API below `/admin/v1`.
//!
//! It stands on a port of its own, so that nothing of it is ever on the data plane's (PITFALLS 26); the default is the
//! loopback address. The first three have **no authentication**: whoever reaches the port reads the metrics. Their
//! labels name models, providers and teams, and as ids of limits and budgets also keys, budgets and the metadata values
//! that a budget is written for (`key/search-ci/requests/minute`, `gateway/usd/month/env=prod`); they hold no key or token,
//! no user and no content: what is counted apart by `each` is no label. The API asks for a bearer token, `admin` or `viewer`; every
//! act by it is recorded in the audit log before it is done.
//!
//! The dashboard is handed in as [`AdminState::pages`].
//!
//! It knows of the rest of the gateway only what [`AdminState`] and [`Api`] hand in.

mod routes;
mod server;
mod access;
mod tries;
mod answer;
mod acts;
mod keys;
mod teams;
mod targets;
mod cache;
mod guardrails;
mod reports;
mod requests;
mod views;
mod reload;
mod openapi;
pub mod audit;
#[cfg(test)]
pub(crate) mod staging;

pub use access::Tokens;
pub use openapi::document;
pub use reload::{LastReload, Reload, ReloadError, ReloadStatus, Reloaded, act_of};
pub use requests::Records;
pub use server::serve;
pub use targets::Switch;
pub use tries::Tries;

use crate::auth::Callers;
use crate::cache::Purge;
use crate::model::{
    BudgetView, CacheView, Clock, Explain, GuardTest, HealthView, LimitView, ModelView, PriceView, TargetHealth,
};
use audit::Audit;
use axum::http::HeaderMap;
use prometheus::Registry;
use std::net::IpAddr;
use std::path::PathBuf;
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
    /// What the admin API works with.
    pub api: Arc<Api>,
    /// What else is served here: the dashboard. It sees to its own visitors.
    pub pages: axum::Router,
    /// Who a request is from: what a trusted proxy at this address says in its head, else the address.
    pub client: Arc<FindClient>,
}

/// Finds out who a request is from, by the address that it came from and its head.
pub type FindClient = dyn Fn(IpAddr, &HeaderMap) -> IpAddr + Send + Sync;

/// Where a request comes from, as an extension of it.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What the admin API works with.
pub struct Api {
    /// Who may use it.
    pub tokens: Arc<Tokens>,
    /// Wrong tokens of late, of the API and the dashboard together.
    pub tries: Tries,
    /// Keys and teams.
    pub callers: Arc<Callers>,
    /// Where acts are recorded.
    pub audit: Arc<Audit>,
    /// Where the ledger is, for reports.
    pub state_dir: PathBuf,
    /// When the process began to serve, in microseconds since 1970.
    pub begun_us: u64,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Records of requests.
    pub records: Records,
    /// What the other stages show.
    pub views: Views,
    /// What takes targets out and puts them back.
    pub switch: Box<dyn Switch>,
    /// Held while something is changed.
    pub acting: parking_lot::Mutex<()>,
}

/// What the other stages show; each is asked anew for each answer.
pub struct Views {
    /// Limits and what is used of them.
    pub limits: Box<dyn Fn() -> Vec<LimitView> + Send + Sync>,
    /// Budgets and what is used of them.
    pub budgets: Box<dyn Fn() -> Vec<BudgetView> + Send + Sync>,
    /// What each target costs.
    pub prices: Box<dyn Fn() -> Vec<PriceView> + Send + Sync>,
    /// What clients may ask for.
    pub models: Box<dyn Fn() -> Vec<ModelView> + Send + Sync>,
    /// How targets stand.
    pub targets: Box<dyn Fn() -> Vec<TargetHealth> + Send + Sync>,
    /// The kept answers.
    pub cache: Box<dyn Fn() -> CacheView + Send + Sync>,
    /// Drops kept answers; how many.
    pub purge: Box<dyn Fn(&Purge) -> u64 + Send + Sync>,
    /// How the gateway is.
    pub health: Box<dyn Fn() -> HealthView + Send + Sync>,
    /// Tells what would become of a request.
    pub explain: Box<dyn Explain>,
    /// Tries guardrails.
    pub guard_test: Box<dyn GuardTest>,
    /// Reads the configuration anew.
    pub reload: Arc<dyn Reload>,
}

#[cfg(test)]
mod tests;
