//! What the admin listener answers.

use super::{
    AdminState, Api, access, cache, guardrails, keys, openapi, reload, reports, requests, targets, teams, views,
};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder as _, TextEncoder};
use std::sync::Arc;

/// The routes. `HEAD` is answered as `GET` without a body; any other method is 405.
pub(super) fn router(state: AdminState) -> Router {
    let pages = state.pages.clone();
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .nest("/admin/v1", api(Arc::clone(&state.api)))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(state)
        .merge(pages)
}

/// The API: all of it but its own description asks for a token.
fn api(api: Arc<Api>) -> Router<AdminState> {
    let inner = Router::new()
        .merge(keys::router())
        .merge(teams::router())
        .merge(reports::router())
        .merge(views::router())
        .merge(targets::router())
        .merge(cache::router())
        .merge(guardrails::router())
        .merge(requests::router())
        .merge(reload::router());
    inner
        .layer(from_fn_with_state(Arc::clone(&api), access::admit))
        .merge(openapi::router())
        .method_not_allowed_fallback(method_not_taken)
        .with_state(api)
}

async fn method_not_taken() -> Response {
    let message = "this path takes other methods: see `allow`, and `/admin/v1/openapi.json`";
    refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

async fn metrics(State(state): State<AdminState>) -> Response {
    (state.refresh)();
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&state.registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be put into words");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the metrics cannot be put into words")
        }
    }
}

/// The process lives and its admin listener answers: nothing more.
async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(state): State<AdminState>) -> Response {
    match (state.ready)() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

/// What took longer than an answer may.
pub(super) fn too_slow() -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "too_slow", "the answer took too long; ask for less at once")
}

async fn not_found() -> Response {
    refusal(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is no such page; there are `/dashboard`, `/metrics`, `/healthz`, `/readyz` and `/admin/v1/openapi.json`",
    )
}

async fn method_not_allowed() -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "only `GET` and `HEAD` are answered here")
}

fn refusal(status: StatusCode, code: &'static str, message: &'static str) -> Response {
    let body = serde_json::json!({ "error": { "message": message, "code": code } });
    (status, axum::Json(body)).into_response()
}
