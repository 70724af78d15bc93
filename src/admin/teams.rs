//! `/admin/v1/teams`: who pays.

use super::Api;
use super::acts::{act, blocking, refused};
use super::answer::{ApiError, Body, Named, Params, Refused};
use super::audit::Actor;
use crate::auth::{Callers, NewTeam, TeamPatch, TeamView, Witness};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/teams", get(list).post(create)).route("/teams/{name}", get(show).patch(update).delete(remove))
}

/// One page of teams.
#[derive(Serialize, ToSchema)]
pub(super) struct TeamList {
    /// By name.
    teams: Vec<TeamView>,
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
}

/// Lists teams, those of the file included.
#[utoipa::path(
    get, path = "/teams", tag = "teams", params(ListParams), responses((status = 200, body = TeamList), Refused)
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Params(params): Params<ListParams>,
) -> Result<Json<TeamList>, ApiError> {
    let limit = params.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(ApiError::invalid("`limit` is 1 to 1000"));
    }
    let mut teams = blocking(move || api.callers.teams()).await?;
    teams.retain(|team| params.after.as_deref().is_none_or(|after| team.name.as_str() > after));
    let more = teams.len() > limit;
    teams.truncate(limit);
    let next = teams.last().filter(|_| more).map(|team| team.name.clone());
    Ok(Json(TeamList { teams, next }))
}

/// Shows one team.
#[utoipa::path(
    get, path = "/teams/{name}", tag = "teams", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = TeamView), Refused)
)]
pub(super) async fn show(State(api): State<Arc<Api>>, Named(name): Named) -> Result<Json<TeamView>, ApiError> {
    blocking(move || api.callers.team(&name)).await?.map(Json).map_err(refused)
}

/// Makes a team.
#[utoipa::path(
    post, path = "/teams", tag = "teams", request_body = NewTeam,
    responses((status = 201, body = TeamView), Refused)
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Body(new): Body<NewTeam>,
) -> Result<(StatusCode, Json<TeamView>), ApiError> {
    let object = format!("team/{}", new.name);
    let work = move |callers: &Callers, witness: &Witness<'_>| callers.create_team(new, witness);
    act(api, actor, "teams.create", object, work).await.map(|team| (StatusCode::CREATED, Json(team)))
}

/// Changes a team: what is left out stays, `null` resets.
#[utoipa::path(
    patch, path = "/teams/{name}", tag = "teams", params(("name" = String, Path, description = "Its name")),
    request_body = TeamPatch, responses((status = 200, body = TeamView), Refused)
)]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Named(name): Named,
    Body(patch): Body<TeamPatch>,
) -> Result<Json<TeamView>, ApiError> {
    let object = format!("team/{name}");
    let work = move |callers: &Callers, witness: &Witness<'_>| callers.update_team(&name, patch, witness);
    act(api, actor, "teams.update", object, work).await.map(Json)
}

/// Takes a team out that has no keys but revoked ones.
#[utoipa::path(
    delete, path = "/teams/{name}", tag = "teams", params(("name" = String, Path, description = "Its name")),
    responses((status = 204, description = "It is gone"), Refused)
)]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Named(name): Named,
) -> Result<StatusCode, ApiError> {
    let object = format!("team/{name}");
    let work = move |callers: &Callers, witness: &Witness<'_>| callers.delete_team(&name, witness);
    act(api, actor, "teams.delete", object, work).await.map(|()| StatusCode::NO_CONTENT)
}
