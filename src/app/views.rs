//! What the admin API shows of the stages behind it.

use crate::admin::Views;
use crate::ledger::LedgerMetrics;
use crate::model::{BudgetView, HealthView};
use crate::proxy::{Explainer, Services, Snapshot};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Joins them.
pub(super) fn views(
    services: &Arc<Services>,
    snapshot: &Arc<Snapshot>,
    ready: &Arc<AtomicBool>,
    ledger: LedgerMetrics,
) -> Views {
    let (prices, models) = (Arc::clone(snapshot), Arc::clone(snapshot));
    let (ready, of_health) = (Arc::clone(ready), Arc::clone(services));
    let of_targets = Arc::clone(services);
    let (of_limits, of_budgets) = (Arc::clone(services), Arc::clone(services));
    let explainer = || Explainer { services: Arc::clone(services), snapshot: Arc::clone(snapshot) };
    Views {
        limits: Box::new(move || of_limits.limits.view()),
        budgets: Box::new(move || {
            let views = of_budgets.ledger.budgets().view(of_budgets.clock.now_us());
            views.into_iter().map(BudgetView::from).collect()
        }),
        prices: Box::new(move || prices.prices()),
        models: Box::new(move || models.models()),
        targets: Box::new(move || of_targets.targets()),
        health: Box::new(move || {
            let ready = ready.load(Ordering::Relaxed);
            HealthView {
                ready,
                reason: (!ready).then(|| "the gateway is starting or draining".to_owned()),
                open_requests: of_health.places.used() as u64,
                ledger_lag_rows: ledger.lag_rows.get(),
                ledger_lag_seconds: ledger.lag_seconds.get(),
                buffered_bytes: of_health.buffers.used() as u64,
            }
        }),
        explain: Box::new(explainer()),
        guard_test: Box::new(explainer()),
    }
}
