//! Acts: what changes something. Each is recorded before it is made so.

use super::Api;
use super::answer::ApiError;
use super::audit::{Act, Actor};
use crate::auth::{Callers, Change, KeysError, Witness};
use axum::http::StatusCode;
use serde_json::Map;
use std::cell::Cell;
use std::sync::Arc;

/// Does `work` on a thread that may block. What changes is in the audit log before it is so; a refusal is recorded too.
pub(super) async fn act<T: Send + 'static>(
    api: Arc<Api>,
    actor: Actor,
    action: &'static str,
    object: String,
    work: impl FnOnce(&Callers, &Witness<'_>) -> Result<T, KeysError> + Send + 'static,
) -> Result<T, ApiError> {
    // It goes on to its end also when the client leaves.
    blocking(move || api.act(&actor, action, &object, work)).await?.map_err(refused)
}

impl Api {
    /// Does `work` on the thread at hand, which may block; one act after the other, so that what `work` looks at before
    /// it changes something stays as it is. What changes is in the audit log before it is so; a refusal is recorded too.
    ///
    /// # Errors
    ///
    /// What `work` says, or [`KeysError::Unrecorded`]: nothing was changed.
    pub fn act<T>(
        &self,
        actor: &Actor,
        action: &'static str,
        object: &str,
        work: impl FnOnce(&Callers, &Witness<'_>) -> Result<T, KeysError>,
    ) -> Result<T, KeysError> {
        let _one = self.acting.lock();
        let object: String = object.chars().take(MOST_SHOWN).collect();
        let record = |outcome: &str, changed| {
            let act = Act { actor, action, object: &object, outcome, changed };
            self.audit.record(act, self.clock.now_us()).is_ok()
        };
        let recorded = Cell::new(false);
        let witness = |change: &Change| {
            recorded.set(record("done", change.fields.clone()));
            recorded.get()
        };
        let done = work(&self.callers, &witness);
        let told = match &done {
            Ok(_) => recorded.get() || record("unchanged", Map::new()),
            Err(KeysError::Unrecorded) => true,
            Err(error) => record(error.code(), Map::new()),
        };
        if told { done } else { Err(KeysError::Unrecorded) }
    }
}

/// Runs what reads or writes disks.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "an admin call failed");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the call failed; the gateway's log has the reason",
        )
    })
}

/// What a refusal of keys and teams is answered with.
pub(super) fn refused(error: KeysError) -> ApiError {
    if let KeysError::Store(source) = &error {
        tracing::error!(%source, "the key store failed");
    }
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    ApiError::new(status, error.code(), error.to_string())
}

/// Of a name that a client made up, this much is recorded.
const MOST_SHOWN: usize = 160;
