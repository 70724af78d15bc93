//! A configuration file read and joined completely, with nothing kept of it: what `check` and a reload do first.

use crate::{
    config::{Config, ConfigError, ConfigErrors},
    guard::Safe,
    ledger::{LedgerMetrics, budget::Budgets},
    limits::{LimitMetrics, Limits, Steady},
    proxy::{Lasting, Snapshot, Standings},
    telemetry::{Metrics, SeriesTable},
};
use std::path::Path;
use std::sync::Arc;

/// The configuration in `path`, joined with its providers, guardrails and prices.
///
/// # Errors
///
/// Every mistake that can be found without the state directory.
pub fn load(path: &Path) -> Result<(Config, Snapshot), ConfigErrors> {
    let config = Config::load(path)?;
    let metrics = Metrics::new().map_err(|error| internal(&error))?;
    let series = SeriesTable::resolve(&metrics, &config);
    let limit_metrics = LimitMetrics::register(&metrics.registry).map_err(|error| internal(&error))?;
    let limits = Arc::new(Limits::new(limit_metrics, Steady::new(0)));
    let ledger_metrics = LedgerMetrics::register(&metrics.registry).map_err(|error| internal(&error))?;
    let budgets = Arc::new(Budgets::in_memory(ledger_metrics));
    let standings = Standings::default();
    let safe = Arc::new(Safe::new().map_err(|error| internal(&error))?);
    let lasting = Lasting { limits: &limits, budgets: &budgets, standings: &standings, safe: &safe, before: None };
    Snapshot::build(&config, series, lasting).map(|snapshot| (config, snapshot)).map_err(ConfigErrors)
}

fn internal(error: &dyn std::fmt::Display) -> ConfigErrors {
    let message = format!("the metrics could not be set up: {error}");
    ConfigErrors(vec![ConfigError { file: None, line: None, path: String::new(), message }])
}
