//! `/admin/v1/targets`: how targets stand, and taking them out and putting them back by hand.

use super::{
    Api,
    acts::act_on,
    answer::{ApiError, Body, Refused},
    audit::Actor,
};
use crate::{
    auth::Witness,
    config::nearest,
    model::{Refusal, ShutOrder, TargetHealth},
};
use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/targets", get(list))
        .route("/targets/{provider}/{model}/shut", post(shut))
        .route("/targets/{provider}/{model}/open", post(open))
}

/// Takes targets out and puts them back.
pub trait Switch: Send + Sync {
    /// Takes the target out, or with `None` puts it back. It is on disk and witnessed before it is so; what is so already
    /// is not witnessed.
    ///
    /// # Errors
    ///
    /// 404 without such a target, 422 for an order that makes no sense, 503 when it cannot be kept or recorded.
    fn turn(&self, name: (&str, &str), order: Option<ShutOrder>, witness: &Witness<'_>) -> Result<(), Refusal>;
}

/// All targets.
#[derive(Serialize, ToSchema)]
pub(super) struct TargetList {
    targets: Vec<TargetHealth>,
}

/// Whether targets take requests, and if not, why and until when.
#[utoipa::path(get, path = "/targets", tag = "state", responses((status = 200, body = TargetList), Refused))]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Json<TargetList> {
    Json(TargetList { targets: (api.views.targets)() })
}

/// Takes a target out: no request goes there from now on, whatever else is left, and no probe opens it. What is there
/// goes on to its end. It lasts over a restart.
#[utoipa::path(
    post, path = "/targets/{provider}/{model}/shut", tag = "state",
    params(
        ("provider" = String, Path, description = "Its provider, as `GET /targets` tells it"),
        ("model" = String, Path, description = "Its model there, with `/` as `%2F`"),
    ),
    request_body = ShutOrder, responses((status = 200, body = TargetHealth), Refused)
)]
pub(super) async fn shut(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<(String, String)>,
    Body(order): Body<ShutOrder>,
) -> Result<Json<TargetHealth>, ApiError> {
    turn(api, actor, "targets.shut", name, Some(order)).await
}

/// Puts a target back that was taken out by hand. What else has shut it goes on to hold.
#[utoipa::path(
    post, path = "/targets/{provider}/{model}/open", tag = "state",
    params(
        ("provider" = String, Path, description = "Its provider, as `GET /targets` tells it"),
        ("model" = String, Path, description = "Its model there, with `/` as `%2F`"),
    ),
    responses((status = 200, body = TargetHealth), Refused)
)]
pub(super) async fn open(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<(String, String)>,
) -> Result<Json<TargetHealth>, ApiError> {
    turn(api, actor, "targets.open", name, None).await
}

async fn turn(
    api: Arc<Api>,
    actor: Actor,
    action: &'static str,
    (provider, model): (String, String),
    order: Option<ShutOrder>,
) -> Result<Json<TargetHealth>, ApiError> {
    let object = format!("target/{provider}/{model}");
    act_on(api, actor, action, object, move |api, witness| {
        let find = || (api.views.targets)().into_iter().find(|one| one.provider == provider && one.model == model);
        let before = find().ok_or_else(|| not_found(api, &provider, &model))?;
        api.switch.turn((&provider, &model), order, witness)?;
        // One that is not in the file is shown only while it is shut.
        Ok::<_, Refusal>(find().unwrap_or_else(|| opened(before, api.clock.now_us())))
    })
    .await
    .map(Json)
}

/// What was shut as it is now that nothing is known of it any more.
fn opened(target: TargetHealth, now_us: u64) -> TargetHealth {
    TargetHealth {
        state: "open".to_owned(),
        reason: None,
        since_us: Some(now_us),
        until_us: None,
        note: None,
        ..target
    }
}

fn not_found(api: &Api, provider: &str, model: &str) -> Refusal {
    let all: Vec<String> = (api.views.targets)().iter().map(|one| format!("{}/{}", one.provider, one.model)).collect();
    let name = format!("{provider}/{model}");
    let hint = nearest(&name, all.iter().map(String::as_str)).map(|near| format!("; did you mean `{near}`?"));
    let shown: String = name.chars().filter(|c| !c.is_control()).take(256).collect();
    let message = format!("there is no target `{shown}`{}", hint.unwrap_or_default());
    Refusal { status: 404, code: "not_found".to_owned(), message }
}
