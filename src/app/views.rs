//! What the admin API shows of the stages behind it.

use super::reload::Reloader;
use crate::admin::Views;
use crate::ledger::LedgerMetrics;
use crate::model::{BudgetView, HealthView};
use crate::proxy::{Explainer, Live, Services};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Joins them.
pub(super) fn views(
    services: &Arc<Services>,
    live: &Arc<Live>,
    ready: &Arc<AtomicBool>,
    ledger: LedgerMetrics,
    reloader: &Arc<Reloader>,
) -> Views {
    let (prices, models) = (Arc::clone(live), Arc::clone(live));
    let (ready, of_health) = (Arc::clone(ready), Arc::clone(services));
    let of_targets = Arc::clone(services);
    let (of_limits, of_budgets) = (Arc::clone(services), Arc::clone(services));
    let (of_cache, of_purges) = (Arc::clone(services), Arc::clone(services));
    let explainer = || Explainer { services: Arc::clone(services), live: Arc::clone(live) };
    Views {
        limits: Box::new(move || of_limits.limits.view()),
        budgets: Box::new(move || {
            let views = of_budgets.ledger.budgets().view(of_budgets.clock.now_us());
            views.into_iter().map(BudgetView::from).collect()
        }),
        prices: Box::new(move || prices.load().prices()),
        models: Box::new(move || models.load().models()),
        targets: Box::new(move || of_targets.targets()),
        cache: Box::new(move || of_cache.cache.view()),
        purge: Box::new(move |which| of_purges.cache.purge(which)),
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
        reload: Arc::clone(reloader) as _,
    }
}
