//! The configuration is read anew, on request; and what became of it the last time. Who can do that is handed in.

use super::Api;
use super::acts::blocking;
use super::answer::{ApiError, Params, Refused};
use super::audit::{Act, Actor};
use crate::config::ConfigChange;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Reads the configuration anew. `app` can, `admin` asks.
pub trait Reload: Send + Sync {
    /// Validates the file completely and, unless it is only tried, swaps it in once `witness` has recorded it. It blocks.
    ///
    /// # Errors
    ///
    /// Nothing has changed then.
    fn reload(&self, dry_run: bool, witness: &dyn Fn(&[ConfigChange]) -> bool) -> Result<Reloaded, ReloadError>;

    /// What holds, and what became of the last reload.
    fn status(&self) -> ReloadStatus;
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reloaded {
    /// `reloaded`, or `checked` where it was only tried.
    pub outcome: String,
    /// Which reading of the file holds now: 0 is that of the start.
    pub generation: u64,
    /// What is otherwise than in the file before, by key path.
    pub changes: Vec<ConfigChange>,
    /// Listeners that show another certificate now, or would.
    pub certificates: Vec<String>,
    /// Key paths that are otherwise than at the start and take effect with a restart.
    pub needs_restart: Vec<String>,
}

/// How the configuration that holds came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReloadStatus {
    /// Which reading of the file holds: 0 is that of the start.
    pub generation: u64,
    /// When it was read: RFC 3339, UTC.
    pub loaded: String,
    /// The file; `null`: none, the configuration is embedded.
    pub file: Option<String>,
    /// Whether the file is read anew when it changes.
    pub watch: bool,
    /// The last time that it was read anew; `null`: never.
    pub last: Option<LastReload>,
    /// Key paths that are otherwise than at the start and take effect with a restart.
    pub needs_restart: Vec<String>,
}

/// One reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastReload {
    /// When: RFC 3339, UTC.
    pub time: String,
    /// Who asked: `api`, `signal` or `watch`.
    pub cause: String,
    /// `reloaded` or `refused`.
    pub outcome: String,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// How many values were otherwise.
    pub changes: usize,
    /// Why it was refused.
    pub message: Option<String>,
}

/// Why nothing was reloaded.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The new file has mistakes.
    #[error("the file was refused, and the configuration stays as it is:\n{0}")]
    Refused(String),
    /// There is no file.
    #[error("this gateway runs an embedded configuration: there is no file to read anew")]
    NoFile,
    /// The audit log does not take it.
    #[error("the audit log cannot be written; nothing was reloaded")]
    Unrecorded,
    /// The key store cannot be read beside it.
    #[error("the state directory cannot be read, and the configuration stays as it is: {0}")]
    State(String),
}

impl ReloadError {
    /// Stable: what programs go by.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "configuration_refused",
            Self::NoFile => "no_file",
            Self::Unrecorded => "audit_unavailable",
            Self::State(_) => "store_unavailable",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoFile => StatusCode::CONFLICT,
            Self::Unrecorded | Self::State(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/reload", get(status).post(reload))
}

/// How a reload is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Only tell what would change: `dry_run`, `dry_run=true`.
    dry_run: Option<String>,
}

/// How the configuration that holds came to be.
#[utoipa::path(get, path = "/reload", tag = "state", responses((status = 200, body = ReloadStatus), Refused))]
pub(super) async fn status(State(api): State<Arc<Api>>) -> Result<Json<ReloadStatus>, ApiError> {
    blocking(move || Json(api.views.reload.status())).await
}

/// Reads the configuration file anew: validated first, swapped at once. Requests under way keep what they were admitted
/// under.
#[utoipa::path(
    post, path = "/reload", tag = "state", params(Asked),
    responses((status = 200, body = Reloaded), Refused)
)]
pub(super) async fn reload(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Params(asked): Params<Asked>,
) -> Result<Json<Reloaded>, ApiError> {
    let dry_run = match asked.dry_run.as_deref() {
        None | Some("false") => false,
        Some("" | "true") => true,
        Some(_) => return Err(ApiError::invalid("`dry_run` is `true` or `false`")),
    };
    // It goes on to its end also when the client leaves.
    let done = blocking(move || {
        let record = |outcome: &str, changes: &[ConfigChange]| {
            let act = Act { actor: &actor, action: ACTION, object: OBJECT, outcome, changed: told(changes) };
            api.audit.record(act, api.clock.now_us()).is_ok()
        };
        let done = api.views.reload.reload(dry_run, &|changes| record("done", changes));
        match &done {
            Err(ReloadError::Unrecorded) | Ok(_) => {}
            Err(error) if !dry_run => drop(record(error.code(), &[])),
            Err(_) => {}
        }
        done
    });
    done.await?.map(Json).map_err(|error| ApiError::new(error.status(), error.code(), error.to_string()))
}

/// A reload that nobody asked for by the API, as the audit log has it. `cause`: `signal` or `watch`.
pub fn act_of<'a>(actor: &'a Actor, outcome: &'a str, changes: &[ConfigChange]) -> Act<'a> {
    Act { actor, action: ACTION, object: OBJECT, outcome, changed: told(changes) }
}

/// Changes as a line of the audit log has them; of very many only the first.
fn told(changes: &[ConfigChange]) -> Map<String, Value> {
    let one = |change: &ConfigChange| {
        let what = json!({ "kind": change.kind, "from": change.from, "to": change.to });
        (change.path.clone(), what)
    };
    let mut told: Map<String, Value> = changes.iter().take(MOST_TOLD).map(one).collect();
    if changes.len() > MOST_TOLD {
        told.insert("further".to_owned(), json!(changes.len() - MOST_TOLD));
    }
    told
}

const ACTION: &str = "configuration.reload";
const OBJECT: &str = "configuration";
/// A line of the audit log stays readable.
const MOST_TOLD: usize = 100;
