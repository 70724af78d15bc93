//! Telling people: notices go to a webhook, one at a time, from a short queue. Whoever has a notice never waits.
//!
//! A notice that cannot be delivered is tried three times and then given up: it stands in the log and the metrics too.

mod watch;

pub use watch::Watch;

use crate::config::Secret;
use crate::outbound::Client;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

/// Something that people should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// One sentence.
    pub text: String,
    /// The same for programs: a JSON object with a `kind`.
    pub facts: Value,
}

/// What became of notices.
#[derive(Debug, Clone)]
pub struct AlertMetrics {
    notices: IntCounterVec,
    lasting: IntGaugeVec,
}

impl AlertMetrics {
    /// Registers the stage's metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = Opts::new("weighbridge_alerts_notices_total", "Notices to the webhook, by what became of them");
        let notices = IntCounterVec::new(opts, &["outcome"])?;
        registry.register(Box::new(notices.clone()))?;
        for outcome in ["delivered", "given_up", "dropped"] {
            notices.with_label_values(&[outcome]).inc_by(0);
        }
        let opts =
            Opts::new("weighbridge_alerts_lasting", "Things that people were told of and that are not over, by kind");
        let lasting = IntGaugeVec::new(opts, &["kind"])?;
        registry.register(Box::new(lasting.clone()))?;
        Ok(Self { notices, lasting })
    }

    /// Shows how many things last.
    pub fn shows(&self, watch: &Watch) {
        for (kind, many) in watch.lasting() {
            self.lasting.with_label_values(&[kind]).set(i64::try_from(many).unwrap_or(i64::MAX));
        }
    }

    fn count(&self, outcome: &'static str) {
        self.notices.with_label_values(&[outcome]).inc();
    }
}

/// Where notices are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bell {
    queue: Sender<Notice>,
    metrics: AlertMetrics,
}

impl Bell {
    /// Hands `notice` in; past the queue's length it is dropped and counted.
    pub fn ring(&self, notice: Notice) {
        if self.queue.try_send(notice).is_err() {
            self.metrics.count("dropped");
            tracing::warn!("a notice for the webhook was dropped: too many wait");
        }
    }
}

/// Delivers what is handed in.
pub struct Messenger {
    webhook: Secret,
    client: Client,
    queue: Receiver<Notice>,
    metrics: AlertMetrics,
}

/// A bell, and who must be run for it.
pub fn messenger(webhook: Secret, client: Client, metrics: AlertMetrics) -> (Bell, Messenger) {
    let (sender, queue) = channel(MOST_WAITING);
    let bell = Bell { queue: sender, metrics: metrics.clone() };
    (bell, Messenger { webhook, client, queue, metrics })
}

impl Messenger {
    /// Delivers until every bell is gone.
    pub async fn run(mut self) {
        while let Some(notice) = self.queue.recv().await {
            let body = body(&notice);
            let mut pause = FIRST_PAUSE;
            let mut delivered = false;
            for turn in 0..TRIES {
                if turn > 0 {
                    sleep(pause).await;
                    pause *= 4;
                }
                match self.deliver(body.clone()).await {
                    Ok(()) => {
                        delivered = true;
                        break;
                    }
                    Err(error) => tracing::warn!(%error, turn, "a notice was not delivered to `alerts.webhook`"),
                }
            }
            self.metrics.count(if delivered { "delivered" } else { "given_up" });
        }
    }

    async fn deliver(&self, body: Bytes) -> Result<(), String> {
        // Checked when the file was read. The address may hold a token: it is not shown.
        let uri: Uri = self.webhook.expose().parse().map_err(|_| "the address is no URL".to_owned())?;
        let request = Request::post(uri).header(header::CONTENT_TYPE, "application/json").body(body);
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.client.send(request, WITHIN, MOST_BYTES).await.map_err(|error| error.to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::TOO_MANY_REQUESTS => Err("it is busy (status 429)".to_owned()),
            status => Err(format!("status {status}")),
        }
    }
}

/// What Slack and its kin read is `text`; the facts stand beside it.
fn body(notice: &Notice) -> Bytes {
    json!({ "text": notice.text, "weighbridge": notice.facts }).to_string().into()
}

/// Past it notices are dropped.
const MOST_WAITING: usize = 256;
/// Tries of one notice.
const TRIES: u32 = 3;
/// Before the second try; four times as long before the third.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for the webhook.
const WITHIN: Duration = Duration::from_secs(10);
/// Most that is read of its answer.
const MOST_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
