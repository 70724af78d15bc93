//! Records of requests: searched, followed, one of them; and what is kept of its texts, which only the role `admin` may
//! read, and of which each reading stands in the audit log first.

use super::Api;
use super::acts::blocking;
use super::answer::{ApiError, Named, Params, Refused};
use super::audit::{Act, Actor};
use crate::{
    ledger::usage::since,
    model::RequestId,
    records::{Content, Find, Found, Live, Place, Reader, Record, StatusIs},
};
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use serde_json::value::RawValue;
use std::io;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, ToSchema};

/// Where records are found.
pub struct Records {
    /// In files; `None`: only the last ones are in memory.
    pub reader: Option<Reader>,
    /// The last ones, and those that come.
    pub live: Arc<Live>,
}

impl Records {
    /// The record of a request, by the gateway's id of it or, as the last one, by the client's label. Blocking.
    ///
    /// # Errors
    ///
    /// When files cannot be read.
    pub fn one(&self, id: &str) -> io::Result<Option<Record>> {
        one(self, id)
    }
}

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/requests", get(search)).route("/requests/tail", get(tail)).route("/requests/{id}", get(show))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FindParams {
    /// The gateway's id of the request, or the client's `x-request-id`.
    id: Option<String>,
    /// Only of this key.
    key: Option<String>,
    /// Only of this team.
    team: Option<String>,
    /// Only of this end user.
    user: Option<String>,
    /// Only of this model, as clients asked for it.
    model: Option<String>,
    /// Only where this provider answered or was tried.
    provider: Option<String>,
    /// Only with this status: `429`, `5xx`, or `error` for all from 400 on.
    #[param(example = "5xx")]
    status: Option<String>,
    /// Only with this code of the gateway's own.
    code: Option<String>,
    /// Only where this guardrail said something.
    guardrail: Option<String>,
    /// Arrived at or after: an age (`15m`, `24h`, `7d`), a date or an RFC 3339 time.
    since: Option<String>,
    /// Arrived before, written likewise.
    until: Option<String>,
    /// At most so many, 1 to 1000; default 100. Not for `tail`.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only what is older than this: `next` of the answer before. Not for `tail`.
    before: Option<String>,
}

impl FindParams {
    fn find(self, now_us: u64) -> Result<Find, ApiError> {
        let limit = self.limit.unwrap_or(100);
        if !(1..=1000).contains(&limit) {
            return Err(ApiError::invalid("`limit` is 1 to 1000"));
        }
        let moment = |name: &str, text: Option<String>| {
            let read = text.map(|text| since(&text, now_us)).transpose();
            read.map_err(|error| ApiError::invalid(format!("`{name}`: {error}")))
        };
        let status = self.status.map(|text| text.parse::<StatusIs>()).transpose();
        let before = self.before.map(|text| text.parse::<Place>()).transpose();
        Ok(Find {
            id: self.id,
            key: self.key,
            team: self.team,
            user: self.user,
            model: self.model,
            provider: self.provider,
            status: status.map_err(|error| ApiError::invalid(format!("`status`: {error}")))?,
            code: self.code,
            guardrail: self.guardrail,
            since_us: moment("since", self.since)?,
            until_us: moment("until", self.until)?,
            limit,
            before: before.map_err(|error| ApiError::invalid(format!("`before`: {error}")))?,
        })
    }
}

/// Records of requests.
#[derive(Serialize, ToSchema)]
pub(super) struct RequestList {
    /// The newest first, each as its line is written.
    #[schema(value_type = Vec<Object>)]
    requests: Vec<Box<RawValue>>,
    /// `before` of the next page; `null`: there is none.
    next: Option<String>,
    /// The search stopped because it has read enough; `next` goes on.
    unfinished: bool,
    /// Files that could not be read; the gateway's log has the reason.
    damaged: u64,
    /// Whether only the last requests in memory were looked at, because `records.dir` is `off`.
    memory_only: bool,
}

/// Requests, the newest first: in the order in which they ended.
#[utoipa::path(
    get, path = "/requests", tag = "requests", params(FindParams), responses((status = 200, body = RequestList), Refused)
)]
pub(super) async fn search(
    State(api): State<Arc<Api>>,
    Params(params): Params<FindParams>,
) -> Result<Json<RequestList>, ApiError> {
    let find = params.find(api.clock.now_us())?;
    let (found, memory_only) = match api.records.reader.clone() {
        Some(reader) => (blocking(move || reader.search(&find)).await?.map_err(|error| unreadable(&error))?, false),
        None => (Found { records: api.records.live.recent(&find), ..Found::default() }, true),
    };
    let requests = found.records.into_iter().filter_map(|record| RawValue::from_string(record.raw).ok()).collect();
    let next = found.next.map(|place| place.to_string());
    Ok(Json(RequestList { requests, next, unfinished: found.unfinished, damaged: found.damaged, memory_only }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ShowParams {
    /// `true`: with what is kept of its texts. Takes `admin.token`, and is written to the audit log.
    content: Option<bool>,
}

/// One request.
#[derive(Serialize, ToSchema)]
pub(super) struct RequestShown {
    /// As its line is written; its `content` says whether its texts are kept.
    #[schema(value_type = Object)]
    request: Box<RawValue>,
    /// Its texts, where they were asked for; `null`: they are not kept, or not any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    content: Option<Option<Box<RawValue>>>,
}

/// What became of a request, by the gateway's id of it or, as the last one, by the client's `x-request-id`.
#[utoipa::path(
    get, path = "/requests/{id}", tag = "requests", params(("id" = String, Path), ShowParams),
    responses((status = 200, body = RequestShown), Refused)
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(actor): Extension<Actor>,
    Named(id): Named,
    Params(params): Params<ShowParams>,
) -> Result<Json<RequestShown>, ApiError> {
    let with_content = params.content == Some(true);
    if with_content && actor.role != ADMIN {
        let message = "prompts and answers are not for the viewer's token; this takes `admin.token`";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "viewer_may_not_read_content", message));
    }
    blocking(move || shown(&api, &actor, &id, with_content)).await?
}

fn shown(api: &Api, actor: &Actor, id: &str, with_content: bool) -> Result<Json<RequestShown>, ApiError> {
    let missing = || {
        let message =
            "there is no record of such a request: it has not ended yet, it is too old, or the id is another's";
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    };
    let record = one(&api.records, id).map_err(|error| unreadable(&error))?.ok_or_else(missing)?;
    let raw = |text: String| RawValue::from_string(text).map_err(|_| missing());
    let content = match (with_content, record.id.parse::<RequestId>(), &api.records.reader) {
        (true, Ok(id), Some(reader)) => {
            let object = format!("request/{id}");
            let act =
                Act { actor, action: "requests.read_content", object: &object, outcome: "done", changed: Map::new() };
            api.audit.record(act, api.clock.now_us()).map_err(|_| {
                let message = "the audit log cannot be written, and contents are not shown without it";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", message)
            })?;
            let kept: Option<Content> = reader.content(id).map_err(|error| unreadable(&error))?;
            Some(kept.map(|content| raw(content.raw)).transpose()?)
        }
        (true, ..) => Some(None),
        (false, ..) => None,
    };
    Ok(Json(RequestShown { request: raw(record.raw)?, content }))
}

/// By the gateway's id first: a client may have chosen the same as its label.
fn one(records: &Records, id: &str) -> io::Result<Option<Record>> {
    let find = Find { id: Some(id.to_owned()), limit: 1, ..Find::default() };
    let labelled = || records.live.recent(&find).pop();
    let recent = records.live.recent(&Find { limit: usize::MAX, ..find.clone() });
    if let Some(record) = recent.into_iter().find(|record| record.id == id) {
        return Ok(Some(record));
    }
    let Some(reader) = &records.reader else { return Ok(labelled()) };
    if let Ok(id) = id.parse::<RequestId>()
        && let Some(record) = reader.one(id)?
    {
        return Ok(Some(record));
    }
    match labelled() {
        Some(record) => Ok(Some(record)),
        None => Ok(reader.search(&find)?.records.pop()),
    }
}

fn unreadable(error: &io::Error) -> ApiError {
    tracing::error!(%error, "records cannot be read");
    let message = "the records cannot be read; the gateway's log has the reason";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "records_unavailable", message)
}

/// Requests as they end, one JSON object a line, for as long as the client reads: at most ten minutes. A line
/// `{"missed": N}` stands where the client was too slow for N of them; an empty one is a sign of life.
#[utoipa::path(
    get, path = "/requests/tail", tag = "requests", params(FindParams),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), Refused)
)]
pub(super) async fn tail(
    State(api): State<Arc<Api>>,
    Params(params): Params<FindParams>,
) -> Result<Response, ApiError> {
    if params.limit.is_some() || params.before.is_some() {
        return Err(ApiError::invalid("`limit` and `before` mean nothing for what is yet to come"));
    }
    let find = params.find(api.clock.now_us())?;
    if api.records.live.followers() >= FOLLOWERS {
        let message = "so many follow the requests already that one more has to wait";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_followers", message));
    }
    let coming = api.records.live.subscribe();
    let stream = futures::stream::unfold((coming, find), |(mut coming, find)| async move {
        loop {
            let line = match tokio::time::timeout(SIGN, coming.recv()).await {
                Err(_) => "\n".to_owned(),
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(missed))) => format!("{{\"missed\":{missed}}}\n"),
                Ok(Ok(line)) => match Record::parse(&line).is_some_and(|record| find.holds(&record)) {
                    true => format!("{line}\n"),
                    false => continue,
                },
            };
            return Some((Ok::<_, io::Error>(Bytes::from(line)), (coming, find)));
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream)).into_response())
}

/// Who may read prompts and answers.
const ADMIN: &str = "admin";
/// Each holds a connection of the admin listener.
const FOLLOWERS: usize = 16;
/// A client that is gone is noticed when it is written to.
const SIGN: std::time::Duration = std::time::Duration::from_secs(15);
