//! What the ledger tells Prometheus.

use crate::config::Unit;
use crate::ledger::budget::BudgetView;
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use std::fmt;
use std::sync::Arc;

/// Handles of the ledger's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct LedgerMetrics {
    /// Attempts settled in the journal.
    pub(crate) rows: IntCounter,
    /// Attempts that are settled in the journal and not yet in the store.
    pub(crate) lag_rows: IntGauge,
    /// Age of the oldest of them.
    pub(crate) lag_seconds: Gauge,
    /// Attempts begun and not settled.
    pub(crate) open_attempts: IntGauge,
    /// Attempts that a crash left open and that were settled as estimated.
    pub(crate) recovered: IntCounter,
    /// Damage found in the journal.
    pub(crate) damaged: IntCounter,
    /// Writes to journal or store that failed.
    pub(crate) write_errors: IntCounter,
    /// Duration of the grouped flush to disk.
    pub(crate) fsync_seconds: Histogram,
    /// Shares of budgets that were told.
    pub(crate) alerts: IntCounter,
    /// What was charged beyond what was held, by unit.
    pub(crate) debt: IntCounterVec,
    /// Attempts of unknown cost that a money budget was charged for as held.
    pub(crate) unpriced_settlements: IntCounter,
    /// Requests of an entity that a budget had no room for.
    pub(crate) entities_refused: IntCounter,
    /// Balances that could not be read.
    pub(crate) balance_errors: IntCounter,
    /// What attempts that a crash left open held beyond what they are charged.
    pub(crate) released: IntCounter,
    /// Rows of refused requests that were not written, because the journal could not keep up.
    pub(crate) refused_dropped: IntCounter,
    /// Findings of guardrails that were not recorded.
    pub(crate) findings_dropped: IntCounter,
    /// Limit and use of budgets, told when asked.
    pub(crate) budgets: BudgetGauges,
}

impl LedgerMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let fsync = HistogramOpts::new("weighbridge_ledger_fsync_seconds", "Duration of the grouped journal flush")
            .buckets(prometheus::exponential_buckets(0.000_1, 2.0, 14)?);
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let metrics = Self {
            rows: counter("weighbridge_ledger_rows_total", "Attempts settled in the journal")?,
            lag_rows: gauge("weighbridge_ledger_lag_rows", "Attempts settled in the journal, not yet in the store")?,
            lag_seconds: Gauge::new("weighbridge_ledger_lag_seconds", "How long rows have waited for the store")?,
            open_attempts: gauge("weighbridge_ledger_open_attempts", "Attempts begun and not settled")?,
            recovered: counter("weighbridge_ledger_recovered_total", "Attempts left open by a crash and settled")?,
            damaged: counter("weighbridge_ledger_damaged_total", "Damaged places found in the journal")?,
            write_errors: counter("weighbridge_ledger_write_errors_total", "Failed writes to journal or store")?,
            fsync_seconds: Histogram::with_opts(fsync)?,
            alerts: counter("weighbridge_ledger_budget_alerts_total", "Shares of budgets that were told")?,
            debt: IntCounterVec::new(
                Opts::new(
                    "weighbridge_ledger_budget_debt_total",
                    "Charged to budgets beyond what was held: nano-dollars or tokens",
                ),
                &["unit"],
            )?,
            unpriced_settlements: counter(
                "weighbridge_ledger_budget_unpriced_total",
                "Attempts of unknown cost that a money budget was charged for as held",
            )?,
            entities_refused: counter(
                "weighbridge_ledger_budget_entities_refused_total",
                "Requests of an entity that a budget had no room for",
            )?,
            balance_errors: counter("weighbridge_ledger_balance_errors_total", "Balances that could not be read")?,
            released: counter(
                "weighbridge_ledger_released_nano_usd_total",
                "Held by attempts that a crash left open, beyond what they are charged",
            )?,
            refused_dropped: counter(
                "weighbridge_ledger_refused_dropped_total",
                "Rows of refused requests that were not written because the journal could not keep up",
            )?,
            findings_dropped: counter(
                "weighbridge_ledger_findings_dropped_total",
                "Records of what guardrails found that were not written because the journal could not be",
            )?,
            budgets: BudgetGauges::new()?,
        };
        registry.register(Box::new(metrics.debt.clone()))?;
        registry.register(Box::new(metrics.budgets.clone()))?;
        registry.register(Box::new(metrics.lag_seconds.clone()))?;
        registry.register(Box::new(metrics.fsync_seconds.clone()))?;
        Ok(metrics)
    }
}

/// At most so many budgets are shown.
const MAX_SHOWN: usize = 200;

/// Gauges of the budgets without `each`, read from their balances whenever they are asked for.
#[derive(Clone)]
pub(crate) struct BudgetGauges {
    source: Arc<Mutex<Option<Source>>>,
    /// Limit, used, reserved.
    gauges: [GaugeVec; 3],
}

type Source = Box<dyn Fn() -> Vec<BudgetView> + Send>;

impl BudgetGauges {
    fn new() -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| GaugeVec::new(Opts::new(name, help), &["budget", "unit"]);
        let gauges = [
            gauge("weighbridge_ledger_budget_limit", "Limit of a budget: dollars or tokens")?,
            gauge("weighbridge_ledger_budget_used", "Settled in the running period: dollars or tokens")?,
            gauge("weighbridge_ledger_budget_reserved", "Held by requests under way: dollars or tokens")?,
        ];
        Ok(Self { source: Arc::default(), gauges })
    }

    /// Sets where the balances are read.
    pub(crate) fn read_from(&self, source: Source) {
        *self.source.lock() = Some(source);
    }
}

impl Collector for BudgetGauges {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let source = self.source.lock();
        let views = source.as_ref().map(|source| source()).unwrap_or_default();
        self.gauges.iter().for_each(GaugeVec::reset);
        for view in views.iter().take(MAX_SHOWN) {
            // Dollars as floats are for charts only.
            let shown = |amount: i64| match view.unit {
                Unit::Usd => amount as f64 / 1e9,
                Unit::Tokens => amount as f64,
            };
            let amounts = [view.limit, view.settled, view.reserved];
            for (gauge, amount) in self.gauges.iter().zip(amounts) {
                gauge.with_label_values(&[&*view.id, view.unit.name()]).set(shown(amount));
            }
        }
        self.gauges.iter().flat_map(Collector::collect).collect()
    }
}

impl fmt::Debug for BudgetGauges {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("BudgetGauges").finish_non_exhaustive()
    }
}
