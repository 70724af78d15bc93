//! Acts: what changes something. Each is recorded before it is made so.

use super::Api;
use super::answer::ApiError;
use super::audit::{Act, Actor};
use crate::auth::{Callers, Change, KeysError, Witness};
use crate::model::Refusal;
use axum::http::StatusCode;
use serde_json::Map;
use std::cell::Cell;
use std::sync::Arc;

/// Does `work` on keys and teams, as [`act_on`] does.
pub(super) async fn act<T: Send + 'static>(
    api: Arc<Api>,
    actor: Actor,
    action: &'static str,
    object: String,
    work: impl FnOnce(&Callers, &Witness<'_>) -> Result<T, KeysError> + Send + 'static,
) -> Result<T, ApiError> {
    act_on(api, actor, action, object, |api, witness| work(&api.callers, witness)).await
}

/// Why an act was not done.
pub(super) trait Undone: Send + 'static {
    /// The outcome in the audit log.
    fn code(&self) -> &str;
    /// It could not be recorded.
    fn unrecorded() -> Self;
    /// Whether it could not be recorded.
    fn is_unrecorded(&self) -> bool;
    /// What it is answered with.
    fn answer(self) -> ApiError;
}

impl Undone for KeysError {
    fn code(&self) -> &str {
        Self::code(self)
    }

    fn unrecorded() -> Self {
        Self::Unrecorded
    }

    fn is_unrecorded(&self) -> bool {
        matches!(self, Self::Unrecorded)
    }

    fn answer(self) -> ApiError {
        refused(self)
    }
}

impl Undone for Refusal {
    fn code(&self) -> &str {
        &self.code
    }

    fn unrecorded() -> Self {
        let error = KeysError::Unrecorded;
        Self { status: error.status(), code: error.code().to_owned(), message: error.to_string() }
    }

    fn is_unrecorded(&self) -> bool {
        self.code == KeysError::Unrecorded.code()
    }

    fn answer(self) -> ApiError {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = match self.status {
            404 => "not_found",
            422 => "invalid_request",
            _ if self.is_unrecorded() => "audit_unavailable",
            _ => "store_unavailable",
        };
        ApiError::new(status, code, self.message)
    }
}

/// Does `work` on a thread that may block. What changes is in the audit log before it is so; a refusal is recorded too.
pub(super) async fn act_on<T: Send + 'static, E: Undone>(
    api: Arc<Api>,
    actor: Actor,
    action: &'static str,
    object: String,
    work: impl FnOnce(&Api, &Witness<'_>) -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError> {
    // It goes on to its end also when the client leaves.
    blocking(move || api.act_on(&actor, action, &object, work)).await?.map_err(E::answer)
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
        self.act_on(actor, action, object, |api, witness| work(&api.callers, witness))
    }

    fn act_on<T, E: Undone>(
        &self,
        actor: &Actor,
        action: &'static str,
        object: &str,
        work: impl FnOnce(&Self, &Witness<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
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
        let done = work(self, &witness);
        let told = match &done {
            Ok(_) => recorded.get() || record("unchanged", Map::new()),
            Err(error) if error.is_unrecorded() => true,
            Err(error) => record(error.code(), Map::new()),
        };
        if told { done } else { Err(E::unrecorded()) }
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
