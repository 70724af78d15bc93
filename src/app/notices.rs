//! What goes to the webhook: alerts of budgets.

use super::{AppError, system};
use crate::alerts::{AlertMetrics, Messenger, Notice, messenger};
use crate::config::Secret;
use crate::ledger::budget::Alert;
use crate::model::NanoUsd;
use crate::outbound::Client;
use crate::proxy::Services;
use crate::telemetry::Metrics;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use serde_json::json;

/// Lets every alert of a budget ring.
///
/// # Errors
///
/// When the metrics cannot be registered.
pub(super) fn to_webhook(webhook: &Secret, metrics: &Metrics, services: &Services) -> Result<Messenger, AppError> {
    let counts = AlertMetrics::register(&metrics.registry).map_err(|error| system("alert metrics", &error))?;
    let (bell, messenger) = messenger(webhook.clone(), Client::default(), counts);
    services.ledger.budgets().on_alert(Box::new(move |alert| bell.ring(notice(&alert))));
    Ok(messenger)
}

fn notice(alert: &Alert) -> Notice {
    let Alert { budget, entity, percent, used, limit, period_us, .. } = alert;
    let shown = |amount: i64| match alert.in_dollars() {
        true => format!("{} USD", NanoUsd(amount)),
        false => format!("{amount} tokens"),
    };
    let of = if entity.is_empty() { String::new() } else { format!(" of `{entity}`") };
    let text =
        format!("Weighbridge: budget `{budget}`{of} has passed {percent} %: {} of {}", shown(*used), shown(*limit));
    let unit = if alert.in_dollars() { "nano_usd" } else { "tokens" };
    let facts = json!({
        "kind": "budget", "budget": &**budget, "entity": &**entity, "percent": percent, "unit": unit,
        "used": used, "limit": limit, "period_start_us": period_us,
    });
    Notice { text, facts }
}

/// Delivers notices, as a service of the server.
pub(super) struct Post(pub(super) Mutex<Option<Messenger>>);

#[async_trait]
impl BackgroundService for Post {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Some(messenger) = self.0.lock().take() else { return };
        tokio::select! {
            () = messenger.run() => {}
            // What waits then stands in the log.
            _ = shutdown.changed() => {}
        }
    }
}
