//! `/admin/v1/cache`: the kept answers, and dropping them.

use super::{
    Api,
    acts::{act_on, blocking},
    answer::{ApiError, Params, Refused},
    audit::Actor,
};
use crate::{
    auth::{Change, KeysError},
    cache::Purge,
    model::{CacheView, Refusal},
};
use axum::{Extension, Json, Router, extract::State, routing::get};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/cache", get(show).delete(purge))
}

/// Which answers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only this team's.
    team: Option<String>,
    /// Only this model's.
    model: Option<String>,
}

/// What was dropped.
#[derive(Serialize, ToSchema)]
pub(super) struct Purged {
    /// How many answers.
    purged: u64,
}

/// The kept answers by team and model, their memory, and what came of them since the start.
#[utoipa::path(get, path = "/cache", tag = "state", responses((status = 200, body = CacheView), Refused))]
pub(super) async fn show(State(api): State<Arc<Api>>) -> Result<Json<CacheView>, ApiError> {
    blocking(move || (api.views.cache)()).await.map(Json)
}

/// Drops kept answers: all, or those of a team, of a model, or of both. None of them is given again from now on; answers
/// that are under way are not kept.
#[utoipa::path(delete, path = "/cache", tag = "state", params(Which), responses((status = 200, body = Purged), Refused))]
pub(super) async fn purge(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Params(Which { team, model }): Params<Which>,
) -> Result<Json<Purged>, ApiError> {
    act_on(api, actor, "cache.purge", "cache".to_owned(), move |api, witness| {
        let shown = |name: &Option<String>| name.as_deref().map(|name| name.chars().take(160).collect::<String>());
        let fields = [("team", shown(&team)), ("model", shown(&model))].into_iter();
        let fields = fields.filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect::<Map<_, _>>();
        if !witness(&Change { object: "cache".to_owned(), fields }) {
            let error = KeysError::Unrecorded;
            return Err(Refusal { status: error.status(), code: error.code().to_owned(), message: error.to_string() });
        }
        Ok(Purged { purged: (api.views.purge)(&Purge { team, model }) })
    })
    .await
    .map(Json)
}
