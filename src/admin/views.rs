//! How the gateway is and what it is run with: limits, budgets, prices, models, health; and what would become of a
//! request.

use super::Api;
use super::acts::blocking;
use super::answer::{ApiError, Body, Refused};
use super::reload::ReloadStatus;
use crate::model::{BudgetView, ExplainRequest, Explained, HealthView, LimitView, ModelView, PriceView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/status", get(status))
        .route("/health", get(health))
        .route("/limits", get(limits))
        .route("/budgets", get(budgets))
        .route("/prices", get(prices))
        .route("/models", get(models))
        .route("/explain", post(explain))
}

/// What runs here.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// Of the program.
    version: String,
    /// Of the process.
    pid: u32,
    /// Since it began to serve.
    uptime_seconds: u64,
    /// How it is.
    health: HealthView,
    /// How the configuration came to be that holds.
    reload: ReloadStatus,
    /// Keys that were not revoked.
    keys: usize,
    /// Teams.
    teams: usize,
    /// Models that clients may ask for.
    models: usize,
    /// The state directory.
    state_dir: String,
}

/// What runs here.
#[utoipa::path(get, path = "/status", tag = "state", responses((status = 200, body = Status), Refused))]
pub(super) async fn status(State(api): State<Arc<Api>>) -> Result<Json<Status>, ApiError> {
    blocking(move || {
        let living = |key: &crate::auth::KeyView| key.state != crate::auth::KeyState::Revoked;
        Json(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: api.clock.now_us().saturating_sub(api.begun_us) / 1_000_000,
            health: (api.views.health)(),
            reload: api.views.reload.status(),
            keys: api.callers.keys().iter().filter(|key| living(key)).count(),
            teams: api.callers.teams().len(),
            models: (api.views.models)().len(),
            state_dir: api.state_dir.display().to_string(),
        })
    })
    .await
}

/// How the gateway is.
#[utoipa::path(get, path = "/health", tag = "state", responses((status = 200, body = HealthView), Refused))]
pub(super) async fn health(State(api): State<Arc<Api>>) -> Json<HealthView> {
    Json((api.views.health)())
}

/// All limits.
#[derive(Serialize, ToSchema)]
pub(super) struct LimitList {
    limits: Vec<LimitView>,
}

/// Limits, and what is used of them now.
#[utoipa::path(get, path = "/limits", tag = "state", responses((status = 200, body = LimitList), Refused))]
pub(super) async fn limits(State(api): State<Arc<Api>>) -> Result<Json<LimitList>, ApiError> {
    blocking(move || Json(LimitList { limits: (api.views.limits)() })).await
}

/// All budgets.
#[derive(Serialize, ToSchema)]
pub(super) struct BudgetList {
    budgets: Vec<BudgetView>,
}

/// Budgets, and what is spent and held of them now.
#[utoipa::path(get, path = "/budgets", tag = "state", responses((status = 200, body = BudgetList), Refused))]
pub(super) async fn budgets(State(api): State<Arc<Api>>) -> Result<Json<BudgetList>, ApiError> {
    blocking(move || Json(BudgetList { budgets: (api.views.budgets)() })).await
}

/// What all targets cost.
#[derive(Serialize, ToSchema)]
pub(super) struct PriceList {
    prices: Vec<PriceView>,
}

/// What each target costs.
#[utoipa::path(get, path = "/prices", tag = "state", responses((status = 200, body = PriceList), Refused))]
pub(super) async fn prices(State(api): State<Arc<Api>>) -> Json<PriceList> {
    Json(PriceList { prices: (api.views.prices)() })
}

/// All models.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelList {
    models: Vec<ModelView>,
}

/// What clients may ask for, and what answers it.
#[utoipa::path(get, path = "/models", tag = "state", responses((status = 200, body = ModelList), Refused))]
pub(super) async fn models(State(api): State<Arc<Api>>) -> Json<ModelList> {
    Json(ModelList { models: (api.views.models)() })
}

/// Tells what would become of a request, and changes nothing.
#[utoipa::path(
    post, path = "/explain", tag = "state", request_body = ExplainRequest,
    responses((status = 200, body = Explained), Refused)
)]
pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    Body(request): Body<ExplainRequest>,
) -> Result<Json<Explained>, ApiError> {
    let long = |name: &str, text: &str, most: usize| {
        let longer = text.chars().count() > most;
        longer.then(|| ApiError::invalid(format!("`{name}` is longer than {most} characters")))
    };
    let (user, session) = (request.user.as_deref().unwrap_or_default(), request.session.as_deref().unwrap_or_default());
    let wrong = long("key", &request.key, 128).or_else(|| long("model", &request.model, 256));
    if let Some(error) = wrong.or_else(|| long("user", user, 256)).or_else(|| long("session", session, 256)) {
        return Err(error);
    }
    if request.body.as_ref().is_some_and(|body| !body.is_object()) {
        return Err(ApiError::invalid("`body` must be a JSON object"));
    }
    let told = blocking(move || api.views.explain.explain(&request)).await?;
    told.map(Json).map_err(|refusal| {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let code = match status {
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::SERVICE_UNAVAILABLE => "not_available",
            _ => "invalid_request",
        };
        ApiError::new(status, code, refusal.message)
    })
}
