//! Guardrails: which were triggered, and what they would do about a text.

use super::{
    Api,
    acts::blocking,
    answer::{ApiError, Body, Params, Refused},
    reports::{format_of, moment, split, written},
};
use crate::{
    ledger::{
        findings::{
            render,
            report::{Dimension, Query, answer},
        },
        render::Format,
    },
    model::{GuardTestRequest, GuardTested},
};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/guardrails", get(report)).route("/guard/test", post(test))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GuardrailParams {
    /// Split by, with commas: `guardrail` (the default), `kind`, `entity`, `side`, `action`, `team`, `key`, `model`, `user`,
    /// `day`, `hour`.
    #[param(example = "guardrail,action,team")]
    by: Option<String>,
    /// From when on, rounded down to the hour: an age (`24h`, `7d`; the default), a date or an RFC 3339 time.
    #[param(example = "7d")]
    since: Option<String>,
    /// Up to when, rounded down to the hour, written likewise; default: now.
    until: Option<String>,
    /// Adds a column of time: `hour` or `day`, UTC.
    bucket: Option<String>,
    /// Only this guardrail.
    guardrail: Option<String>,
    /// Only guardrails of this kind: `pii`, `secrets` …
    kind: Option<String>,
    /// Only what was found of this: `email` …
    entity: Option<String>,
    /// Only what was found in requests (`input`) or answers (`output`).
    side: Option<String>,
    /// Only where this was done: `redact` …; `audit:redact` where it was only told.
    action: Option<String>,
    /// Only this team.
    team: Option<String>,
    /// Only this key.
    key: Option<String>,
    /// Only this model, as clients asked for it.
    model: Option<String>,
    /// Only this end user.
    user: Option<String>,
    /// `json` (the default) or `csv`.
    format: Option<String>,
}

impl GuardrailParams {
    fn query(self, now_us: u64) -> Result<(Query, Format), ApiError> {
        let by = self.by.as_deref().unwrap_or("guardrail");
        let by = split(by, self.bucket.as_deref(), (Dimension::Day, Dimension::Hour))?;
        let format = format_of(self.format.as_deref())?;
        let only = [
            (Dimension::Guardrail, self.guardrail),
            (Dimension::Kind, self.kind),
            (Dimension::Entity, self.entity),
            (Dimension::Side, self.side),
            (Dimension::Action, self.action),
            (Dimension::Team, self.team),
            (Dimension::Key, self.key),
            (Dimension::Model, self.model),
            (Dimension::User, self.user),
        ];
        let only = only.into_iter().filter_map(|(dimension, value)| Some((dimension, value?))).collect();
        let since_us = moment("since", self.since.as_deref().unwrap_or("7d"), now_us)?;
        let until_us = self.until.map(|text| moment("until", &text, now_us)).transpose()?;
        Ok((Query { by, since_us, until_us, only }, format))
    }
}

/// Which guardrails were triggered.
#[derive(Serialize, ToSchema)]
pub(super) struct GuardrailReport {
    /// From the beginning of this hour.
    since: String,
    /// Up to here.
    until: String,
    /// Places of the journal that cannot be read.
    damaged: u64,
    /// One object a line: a member for each dimension, and the figures. `requests`: in which something was found, also where it
    /// was only audited or flagged; `acted_requests`: of them, those that were refused or changed; `findings`: things found.
    /// A request counts once a line; where lines put several guardrails together, once for each of them.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<serde_json::Value>,
    /// The figures of all lines together, in which a request counts once whatever guardrails found in it.
    #[schema(value_type = Object)]
    total: serde_json::Value,
}

/// Which guardrails were triggered, by whom, and what they did; requests that were refused included.
#[utoipa::path(
    get, path = "/guardrails", tag = "reports", operation_id = "guardrails", params(GuardrailParams),
    responses((status = 200, content((GuardrailReport = "application/json"), (String = "text/csv"))), Refused)
)]
pub(super) async fn report(
    State(api): State<Arc<Api>>,
    Params(params): Params<GuardrailParams>,
) -> Result<Response, ApiError> {
    let now_us = api.clock.now_us();
    let (query, format) = params.query(now_us)?;
    written(format, move |out| {
        let report = answer(&api.state_dir, &query, now_us)?;
        render::write(&report, format, out)
    })
    .await
}

/// Tries a text or the body of a request on guardrails. Nothing of it is kept, sent or recorded; takes the admin's token.
#[utoipa::path(
    post, path = "/guard/test", tag = "state", operation_id = "guard_test", request_body = GuardTestRequest,
    responses((status = 200, body = GuardTested), Refused)
)]
pub(super) async fn test(
    State(api): State<Arc<Api>>,
    Body(request): Body<GuardTestRequest>,
) -> Result<Json<GuardTested>, ApiError> {
    let told = blocking(move || api.views.guard_test.test(&request)).await?;
    told.map(Json).map_err(|refusal| {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let code = if status == StatusCode::NOT_FOUND { "not_found" } else { "invalid_request" };
        ApiError::new(status, code, refusal.message)
    })
}
