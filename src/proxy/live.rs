//! The snapshot that requests are admitted under now. A reload swaps it; whoever was admitted keeps the old one.

use super::gateway::Snapshot;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;

/// The snapshot of the configuration that holds now.
pub struct Live(ArcSwap<Snapshot>);

impl Live {
    /// Begins with `snapshot`.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self(ArcSwap::new(snapshot))
    }

    /// The one that holds now; it is kept for as long as a request needs it. Takes no lock.
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// The snapshot for a caller of the keys of generation `file`, which are swapped just before it: `known`, unless a
    /// reload came between.
    pub async fn fitting(&self, mut known: Arc<Snapshot>, file: u64) -> Arc<Snapshot> {
        while known.generation < file {
            tokio::task::yield_now().await;
            known = self.load();
        }
        known
    }

    /// From now on requests are admitted under `snapshot`. Returns the one before.
    pub fn swap(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        self.0.swap(snapshot)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Live").field(&self.0.load().generation).finish()
    }
}
