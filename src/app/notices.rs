//! What people are told: alerts of budgets as they happen, and what the metrics say every ten seconds.

use super::{AppError, system};
use crate::alerts::{AlertMetrics, Bell, Messenger, Notice, Watch, messenger};
use crate::config::Config;
use crate::ledger::budget::Alert;
use crate::model::NanoUsd;
use crate::outbound::Client;
use crate::proxy::Services;
use crate::telemetry::Metrics;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::{Server, ShutdownWatch};
use pingora::services::background::{BackgroundService, background_service};
use prometheus::Registry;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the metrics are looked at.
const EVERY: Duration = Duration::from_secs(10);

/// Lets every alert of a budget ring, if there is a webhook; adds who delivers, and who watches.
///
/// # Errors
///
/// When the metrics cannot be registered.
pub(super) fn add(
    server: &mut Server,
    config: &Config,
    metrics: &Metrics,
    services: &Arc<Services>,
) -> Result<(), AppError> {
    let counts = AlertMetrics::register(&metrics.registry).map_err(|error| system("alert metrics", &error))?;
    let webhook = config.webhook.clone();
    let both = webhook.map(|webhook| messenger(webhook, Client::default(), counts.clone()));
    let (bell, post) = both.map(|(bell, messenger)| (bell, Post(Mutex::new(Some(messenger))))).unzip();
    if let Some(bell) = bell.clone() {
        services.ledger.budgets().on_alert(Box::new(move |alert| bell.ring(notice(&alert))));
    }
    if let Some(post) = post {
        server.add_service(background_service("alerts", post));
    }
    let watch = Mutex::new(Watch::new(config.alert_bounds));
    let watching = Watching { watch, registry: metrics.registry.clone(), services: Arc::clone(services), bell, counts };
    server.add_service(background_service("watch", watching));
    Ok(())
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
struct Post(Mutex<Option<Messenger>>);

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

/// Watches the metrics, as a service of the server.
struct Watching {
    watch: Mutex<Watch>,
    registry: Registry,
    services: Arc<Services>,
    bell: Option<Bell>,
    counts: AlertMetrics,
}

impl Watching {
    /// One look: what is new stands in the log, and goes to the webhook if there is one.
    fn look(&self, since: Duration) {
        // Else it is told when somebody asks for metrics.
        self.services.standings.refresh(self.services.clock.now_us());
        let families = self.registry.gather();
        let mut watch = self.watch.lock();
        for notice in watch.look(&families, since) {
            match notice.facts["state"] == "begun" {
                true => tracing::warn!(facts = %notice.facts, "{}", notice.text),
                false => tracing::info!(facts = %notice.facts, "{}", notice.text),
            }
            if let Some(bell) = &self.bell {
                bell.ring(notice);
            }
        }
        self.counts.shows(&watch);
    }
}

#[async_trait]
impl BackgroundService for Watching {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let begun = Instant::now();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.look(begun.elapsed()),
                _ = shutdown.changed() => return,
            }
        }
    }
}
