//! What goes on beside requests for the snapshot that holds: credentials are fetched, providers are probed. A reload
//! hands in what the next snapshot needs.

use super::probes::Probes;
use crate::{
    model::Clock,
    outbound::Client,
    providers::feed::{Feed, keep},
    proxy::{Generator, Probing, Services},
    routing::HealthMetrics,
    telemetry::CredentialMetrics,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{AbortHandle, JoinSet};

/// What one snapshot needs.
pub(super) struct Tended {
    /// What fetches its providers' credentials.
    pub(super) feeds: Vec<Arc<dyn Feed>>,
    /// What is looked at without a request.
    pub(super) probings: Vec<Probing>,
}

/// Tends, as a service of the server.
pub(super) struct Tending {
    next: Mutex<Option<Receiver<Tended>>>,
    clock: Arc<dyn Clock>,
    health: HealthMetrics,
    credentials: CredentialMetrics,
    services: Arc<Services>,
}

impl Tending {
    /// The service, and where snapshots' needs are handed in.
    pub(super) fn new(
        services: Arc<Services>,
        health: HealthMetrics,
        credentials: CredentialMetrics,
    ) -> (Self, Sender<Tended>) {
        let (sender, next) = channel(MOST_WAITING);
        let clock = Arc::clone(&services.clock);
        (Self { next: Mutex::new(Some(next)), clock, health, credentials, services }, sender)
    }
}

#[async_trait]
impl BackgroundService for Tending {
    /// Requests that are drained may still need credentials: those are kept until the runtime ends, when the last of them is
    /// done. Probes end at the word to stop.
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Some(mut next) = self.next.lock().take() else { return };
        let mut feeds = Feeds { running: JoinSet::new(), known: Vec::new(), http: Client::default() };
        let generator = Arc::new(Generator::new(Arc::clone(&self.services)));
        let probes_of =
            |probings| Probes::new(probings, Arc::clone(&self.clock), self.health.clone(), Arc::clone(&generator));
        let mut probes = probes_of(Vec::new());
        let mut stopping = false;
        loop {
            tokio::select! {
                Some(Tended { feeds: wanted, probings }) = next.recv() => {
                    // The snapshot that the old ones hold has feeds, too.
                    probes = probes_of(probings);
                    feeds.keep(wanted, &self.credentials);
                }
                _ = shutdown.changed(), if !stopping => stopping = true,
                () = probes.run(), if !stopping => {}
                else => std::future::pending().await,
            }
        }
    }
}

/// Feeds that run.
struct Feeds {
    running: JoinSet<()>,
    known: Vec<(Arc<dyn Feed>, AbortHandle)>,
    /// One client serves all, so that the system's authorities are read once.
    http: Client,
}

impl Feeds {
    /// Runs those of `wanted` that do not run yet, and ends those that nobody but us has any more.
    fn keep(&mut self, wanted: Vec<Arc<dyn Feed>>, metrics: &CredentialMetrics) {
        for feed in wanted {
            if self.known.iter().any(|(known, _)| Arc::ptr_eq(known, &feed)) {
                continue;
            }
            let (ours, http, metrics) = (Arc::clone(&feed), self.http.clone(), metrics.clone());
            let handle = self.running.spawn(async move { keep(&*ours, &http, &metrics).await });
            self.known.push((feed, handle));
        }
        self.known.retain(|(feed, handle)| {
            let is_used = Arc::strong_count(feed) > OURS;
            if !is_used {
                handle.abort();
            }
            is_used
        });
        while self.running.try_join_next().is_some() {}
    }
}

/// A feed that runs here is held twice: by its task and by the list.
const OURS: usize = 2;
/// Reloads come one at a time.
const MOST_WAITING: usize = 4;
