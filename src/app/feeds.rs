//! Fetches the credentials of providers that have none of their own, for as long as the process serves.

use crate::{
    outbound::Client,
    providers::feed::{Feed, keep},
    telemetry::CredentialMetrics,
};
use async_trait::async_trait;
use futures::future::join_all;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use std::sync::Arc;

/// The feeds of one snapshot, as a service of the server. A reload would drop these and run those of the new snapshot.
pub(super) struct Feeds {
    feeds: Vec<Arc<dyn Feed>>,
    http: Client,
    metrics: CredentialMetrics,
}

impl Feeds {
    /// Of `feeds`; one client serves all, so that the system's authorities are read once.
    pub(super) fn new(feeds: Vec<Arc<dyn Feed>>, metrics: CredentialMetrics) -> Self {
        Self { feeds, http: Client::default(), metrics }
    }
}

#[async_trait]
impl BackgroundService for Feeds {
    /// Requests that are drained may still need credentials: this ends with the runtime, when the last of them is done.
    async fn start(&self, _shutdown: ShutdownWatch) {
        join_all(self.feeds.iter().map(|feed| keep(&**feed, &self.http, &self.metrics))).await;
    }
}
