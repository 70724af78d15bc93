//! Batches that nobody asks for are looked at from time to time, so that they are booked all the same.

use super::account::Account;
use super::meter;
use super::place::Place;
use super::upstream::{Length, Wanted};
use crate::{
    files::{Kept, Metering, Shelf},
    model::Api,
    proxy::{
        gateway::{Services, Snapshot},
        live::Live,
        trouble::Trouble,
    },
};
use http::{HeaderMap, Method, StatusCode};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Batches that are looked at in one round.
const MOST: u32 = 1_000;
/// A batch that was not over after so long is not looked at any more: it lives a day, and its answers a month.
const LONGEST_US: u64 = 40 * 24 * 3600 * 1_000_000;
/// Longest look at one batch.
const LOOK: Duration = Duration::from_secs(60);
/// A provider at which a look failed after so long is left alone for the rest of the round, so that the batches of others do
/// not wait for it.
const SLOW: Duration = Duration::from_secs(5);
/// Most bytes of a batch.
const MOST_BYTES: usize = 1 << 20;

/// Looks at unfinished batches.
pub struct Watch {
    /// What all requests share.
    pub services: Arc<Services>,
    /// Models, prices and accounts.
    pub live: Arc<Live>,
}

impl Watch {
    /// Never returns.
    pub async fn keep(&self) {
        loop {
            // By a name of its own: in the call, the snapshot would be held for as long as the sleep takes.
            let look = self.live.load().look;
            tokio::time::sleep(look).await;
            self.round().await;
        }
    }

    async fn round(&self) {
        let since_us = self.services.clock.now_us().saturating_sub(LONGEST_US);
        let open = self.services.files.shelf.ask(move |shelf| shelf.unmetered(since_us, MOST)).await;
        let open = open.unwrap_or_else(|error| {
            tracing::error!(%error, "unfinished batches cannot be looked up");
            Vec::new()
        });
        let mut patience = Patience::default();
        let snapshot = self.live.load();
        for kept in open {
            let Some(account) = snapshot.accounts.at(&kept.provider) else { continue };
            if let Err(trouble) = patience.with(&kept.provider, self.look(&snapshot, account, &kept)).await {
                tracing::warn!(provider = %kept.provider, batch = %kept.id, %trouble, "a batch could not be looked at");
            }
        }
    }

    async fn look(&self, snapshot: &Arc<Snapshot>, account: &Account, kept: &Kept) -> Result<(), Trouble> {
        let Some(place) = Place::find(&format!("batches/{}", kept.id)) else { return Ok(()) };
        let wanted = Wanted {
            api: Api::Batches,
            method: Method::GET,
            path: place.below(&account.provider.path(Api::Batches, "", false), ""),
            content_type: None,
            length: Length::None,
            client: &HeaderMap::new(),
            now_us: self.services.clock.now_us(),
        };
        let mut sent = self.services.files.upstream.begin(account, wanted).await?;
        sent.finish().await?;
        let (status, _) = sent.head().await?;
        if status == StatusCode::NOT_FOUND {
            tracing::warn!(provider = %kept.provider, batch = %kept.id, "a batch is gone before it was booked");
            let (provider, id) = (Arc::clone(&kept.provider), kept.id.clone());
            let gone = move |shelf: &Shelf| shelf.metered(&provider, &id, Metering::Done);
            return self.services.files.shelf.ask(gone).await.map_err(|error| Trouble::Internal(error.to_string()));
        }
        if !status.is_success() {
            return Err(Trouble::Status { status: status.as_u16(), retry_after: None, again: None });
        }
        let body = sent.whole(MOST_BYTES).await?;
        let batch = account.provider.read_batch(&body).filter(|batch| batch.id == kept.id);
        let batch = batch.ok_or_else(super::open::garbage)?;
        let noted = meter::seen(&self.services, snapshot, &account.name, vec![batch]).await;
        noted.map_err(|reject| Trouble::Internal(reject.code().to_owned()))
    }
}

/// What one round has left for each provider: the batches of one do not wait for another.
#[derive(Default)]
struct Patience {
    spent: BTreeSet<Arc<str>>,
}

impl Patience {
    /// What comes of `look` within [`LOOK`]; nothing is looked at any more where it took too long before.
    async fn with(
        &mut self,
        provider: &Arc<str>,
        look: impl Future<Output = Result<(), Trouble>>,
    ) -> Result<(), Trouble> {
        if self.spent.contains(provider) {
            return Ok(());
        }
        let begun = Instant::now();
        let looked = timeout(LOOK, look).await.unwrap_or(Err(Trouble::Total));
        if looked.is_err() && begun.elapsed() >= SLOW {
            self.spent.insert(Arc::clone(provider));
        }
        looked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_does_not_answer_holds_the_batches_of_others_up_once_in_a_round() {
        let (mut patience, silent, other) = (Patience::default(), Arc::from("silent"), Arc::from("other"));
        let begun = Instant::now();
        let mut seen = Vec::new();
        for _ in 0..100 {
            seen.push(patience.with(&silent, pending()).await.is_ok());
            assert_eq!(patience.with(&other, ready(Ok(()))).await, Ok(()));
        }
        assert_eq!(begun.elapsed(), LOOK);
        assert_eq!((seen[0], seen[1..].iter().all(|skipped| *skipped)), (false, true));
        // What fails at once is asked for each of its batches.
        for _ in 0..3 {
            assert_eq!(patience.with(&other, ready(Err(Trouble::Empty))).await, Err(Trouble::Empty));
        }
    }
}
