//! `/admin/v1/keys`: virtual keys that are made, changed and ended while the gateway runs.

use super::Api;
use super::acts::{act, blocking, refused};
use super::answer::{ApiError, Body, Named, Params, Refused};
use super::audit::Actor;
use crate::auth::{KeyPatch, KeyState, KeyView, NewKey, PlainKey, Rotation};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/keys", get(list).post(create))
        .route("/keys/{name}", get(show).patch(update).delete(revoke))
        .route("/keys/{name}/rotate", post(rotate))
}

/// A key that was just made: the only answer that holds it.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedKey {
    /// The key itself, shown this once.
    #[schema(example = "wb-…")]
    secret: String,
    /// How it is shown from now on.
    key: KeyView,
}

impl CreatedKey {
    fn of((secret, key): (PlainKey, KeyView)) -> Self {
        Self { secret: secret.expose().to_owned(), key }
    }
}

/// One page of keys.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyList {
    /// By name.
    keys: Vec<KeyView>,
    /// The `after` of the next page; `null` behind the last one.
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// At most so many, 1 to 1000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only names behind this one.
    after: Option<String>,
    /// Only keys of this team.
    team: Option<String>,
    /// Only keys in this state: `active`, `expired`, `revoked`, `shadowed` or `unreadable`.
    state: Option<String>,
}

/// Lists keys, those of the file included. Never a key itself.
#[utoipa::path(get, path = "/keys", tag = "keys", params(ListParams), responses((status = 200, body = KeyList), Refused))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Params(params): Params<ListParams>,
) -> Result<Json<KeyList>, ApiError> {
    let limit = params.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(ApiError::invalid("`limit` is 1 to 1000"));
    }
    let state = match params.state.as_deref() {
        None => None,
        Some("active") => Some(KeyState::Active),
        Some("expired") => Some(KeyState::Expired),
        Some("revoked") => Some(KeyState::Revoked),
        Some("shadowed") => Some(KeyState::Shadowed),
        Some("unreadable") => Some(KeyState::Unreadable),
        Some(_) => {
            return Err(ApiError::invalid("`state` is `active`, `expired`, `revoked`, `shadowed` or `unreadable`"));
        }
    };
    let mut keys = blocking(move || api.callers.keys()).await?;
    keys.retain(|key| {
        params.after.as_deref().is_none_or(|after| key.name.as_str() > after)
            && params.team.as_deref().is_none_or(|team| key.team == team)
            && state.is_none_or(|state| key.state == state)
    });
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|key| key.name.clone());
    Ok(Json(KeyList { keys, next }))
}

/// Shows one key.
#[utoipa::path(
    get, path = "/keys/{name}", tag = "keys", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = KeyView), Refused)
)]
pub(super) async fn show(State(api): State<Arc<Api>>, Named(name): Named) -> Result<Json<KeyView>, ApiError> {
    blocking(move || api.callers.key(&name)).await?.map(Json).map_err(refused)
}

/// Makes a key. It works at once; the answer is the only place where it is shown.
#[utoipa::path(
    post, path = "/keys", tag = "keys", request_body = NewKey,
    responses((status = 201, body = CreatedKey), Refused)
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Body(new): Body<NewKey>,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    let object = format!("key/{}", new.name);
    let made = act(api, actor, "keys.create", object, move |callers, witness| callers.create_key(new, witness)).await?;
    Ok((StatusCode::CREATED, Json(CreatedKey::of(made))))
}

/// Changes a key: what is left out stays, `null` resets.
#[utoipa::path(
    patch, path = "/keys/{name}", tag = "keys", params(("name" = String, Path, description = "Its name")),
    request_body = KeyPatch, responses((status = 200, body = KeyView), Refused)
)]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Named(name): Named,
    Body(patch): Body<KeyPatch>,
) -> Result<Json<KeyView>, ApiError> {
    let object = format!("key/{name}");
    let work = move |callers: &crate::auth::Callers, witness: &crate::auth::Witness<'_>| {
        callers.update_key(&name, patch, witness)
    };
    act(api, actor, "keys.update", object, work).await.map(Json)
}

/// Revokes a key, for ever: new requests are refused at once, streams end as `auth.on_revoke` says.
#[utoipa::path(
    delete, path = "/keys/{name}", tag = "keys", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = KeyView), Refused)
)]
pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Named(name): Named,
) -> Result<Json<KeyView>, ApiError> {
    let object = format!("key/{name}");
    act(api, actor, "keys.revoke", object, move |callers, witness| callers.revoke_key(&name, witness)).await.map(Json)
}

/// Gives a key a new secret; the old one works on for the grace period.
#[utoipa::path(
    post, path = "/keys/{name}/rotate", tag = "keys", params(("name" = String, Path, description = "Its name")),
    request_body = Option<Rotation>, responses((status = 200, body = CreatedKey), Refused)
)]
pub(super) async fn rotate(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Named(name): Named,
    Body(rotation): Body<Rotation>,
) -> Result<Json<CreatedKey>, ApiError> {
    let object = format!("key/{name}");
    let work = move |callers: &crate::auth::Callers, witness: &crate::auth::Witness<'_>| {
        callers.rotate_key(&name, &rotation, witness)
    };
    act(api, actor, "keys.rotate", object, work).await.map(|made| Json(CreatedKey::of(made)))
}
