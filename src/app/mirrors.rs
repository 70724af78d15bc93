//! Makes the copies of requests that models mirror, for as long as the process serves.

use crate::proxy::{MirrorRunner, Services};
use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use std::sync::Arc;

/// Mirrored requests, as a service of the server.
pub(super) struct Mirroring {
    /// What makes them.
    pub(super) runner: MirrorRunner,
    /// What all requests share.
    pub(super) services: Arc<Services>,
}

#[async_trait]
impl BackgroundService for Mirroring {
    /// No client waits for a copy: at the word to stop those under way are dropped, which settles them with what was seen.
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = self.runner.run(&self.services) => {}
            _ = shutdown.changed() => {}
        }
    }
}
