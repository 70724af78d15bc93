//! What was spent: usage reports, the ledger's rows, and the audit log.

use super::Api;
use super::acts::blocking;
use super::answer::{ApiError, Params, Refused};
use super::audit;
use crate::ledger::export::{Filter, export};
use crate::ledger::render::{self, Format};
use crate::ledger::usage::{Dimension, Query, answer, since};
use crate::ledger::{LedgerError, within};
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::io::{self, BufWriter, Write};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/usage", get(usage)).route("/ledger/export", get(rows)).route("/audit", get(acts))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageParams {
    /// Split by, with commas: `team` (the default), `key`, `model`, `provider`, `target_model`, `user`, `day`, `hour`.
    #[param(example = "team,model")]
    by: Option<String>,
    /// From when on, rounded down to the hour: an age (`24h`, `7d`; the default), a date or an RFC 3339 time.
    #[param(example = "7d")]
    since: Option<String>,
    /// Up to when, rounded down to the hour, written likewise; default: now.
    until: Option<String>,
    /// Adds a column of time: `hour` or `day`, UTC.
    bucket: Option<String>,
    /// Only this team.
    team: Option<String>,
    /// Only this key.
    key: Option<String>,
    /// Only this model, as clients asked for it.
    model: Option<String>,
    /// Only this provider.
    provider: Option<String>,
    /// Only this model of a provider.
    target_model: Option<String>,
    /// Only this end user.
    user: Option<String>,
    /// `json` (the default) or `csv`.
    format: Option<String>,
}

impl UsageParams {
    fn query(self, now_us: u64) -> Result<(Query, Format), ApiError> {
        let by =
            split(self.by.as_deref().unwrap_or("team"), self.bucket.as_deref(), (Dimension::Day, Dimension::Hour))?;
        let format = format_of(self.format.as_deref())?;
        let only = [
            (Dimension::Team, self.team),
            (Dimension::Key, self.key),
            (Dimension::Model, self.model),
            (Dimension::Provider, self.provider),
            (Dimension::TargetModel, self.target_model),
            (Dimension::User, self.user),
        ];
        let only = only.into_iter().filter_map(|(dimension, value)| Some((dimension, value?))).collect();
        let since_us = moment("since", self.since.as_deref().unwrap_or("7d"), now_us)?;
        let until_us = self.until.map(|text| moment("until", &text, now_us)).transpose()?;
        Ok((Query { by, since_us, until_us, only }, format))
    }
}

/// What a report is split by: each once, time first where a `bucket` asks for it.
pub(super) fn split<D: FromStr<Err = String> + PartialEq>(
    by: &str,
    bucket: Option<&str>,
    (day, hour): (D, D),
) -> Result<Vec<D>, ApiError> {
    let time = match bucket {
        None => None,
        Some("day") => Some(day),
        Some("hour") => Some(hour),
        Some(_) => return Err(ApiError::invalid("`bucket` is `hour` or `day`")),
    };
    let dimension = |text: &str| D::from_str(text.trim()).map_err(|why| ApiError::invalid(format!("`by`: {why}")));
    let by = by.split(',').map(dimension).collect::<Result<Vec<_>, _>>()?;
    let mut once = Vec::new();
    for one in time.into_iter().chain(by) {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    Ok(once)
}

/// The format of a report.
pub(super) fn format_of(text: Option<&str>) -> Result<Format, ApiError> {
    match text {
        None | Some("json") => Ok(Format::Json),
        Some("csv") => Ok(Format::Csv),
        Some(_) => Err(ApiError::invalid("`format` is `json` or `csv`")),
    }
}

/// Has a report written on a thread that may block, and answers with it.
pub(super) async fn written(
    format: Format,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), LedgerError> + Send + 'static,
) -> Result<Response, ApiError> {
    let written = blocking(move || {
        let mut out = Vec::new();
        within(MOST_TIME, || write(&mut out)).map(|()| out)
    });
    let out = written.await?.map_err(|error| unreadable(&error))?;
    let kind = if format == Format::Csv { "text/csv; charset=utf-8" } else { "application/json" };
    Ok(([(header::CONTENT_TYPE, kind)], out).into_response())
}

pub(super) fn moment(name: &str, text: &str, now_us: u64) -> Result<u64, ApiError> {
    since(text, now_us).map_err(|error| ApiError::invalid(format!("`{name}`: {error}")))
}

/// A usage report: what the figures are is told by their names. Complete to the last settled attempt.
#[derive(Serialize, ToSchema)]
pub(super) struct UsageReport {
    /// From the beginning of this hour.
    since: String,
    /// Up to here.
    until: String,
    /// Attempts under way, in no line.
    open_attempts: u64,
    /// Attempts that are in the lines and were read from the journal.
    unfolded_attempts: u64,
    /// Places of the journal that cannot be read.
    damaged: u64,
    /// One object a line: a member for each dimension, and the figures.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<serde_json::Value>,
    /// The figures of all lines together.
    #[schema(value_type = Object)]
    total: serde_json::Value,
}

/// What was spent, by whom and on what.
#[utoipa::path(
    get, path = "/usage", tag = "reports", params(UsageParams),
    responses((status = 200, content((UsageReport = "application/json"), (String = "text/csv"))), Refused)
)]
pub(super) async fn usage(
    State(api): State<Arc<Api>>,
    Params(params): Params<UsageParams>,
) -> Result<Response, ApiError> {
    let now_us = api.clock.now_us();
    let (query, format) = params.query(now_us)?;
    written(format, move |out| {
        let report = answer(&api.state_dir, &query, now_us)?;
        render::write(&report, format, out)
    })
    .await
}

fn unreadable(error: &LedgerError) -> ApiError {
    if matches!(error, LedgerError::TooLong) {
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "report_too_long", error.to_string());
    }
    if let LedgerError::Argument(why) = error {
        return ApiError::invalid(why.clone());
    }
    tracing::error!(%error, "a report cannot be made");
    let message = "the ledger cannot be read; the gateway's log has the reason";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", message)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportParams {
    /// From when on: an age (`24h`, `7d`), a date or an RFC 3339 time; default: all.
    since: Option<String>,
    /// Only this key.
    key: Option<String>,
    /// Only this team.
    team: Option<String>,
}

/// The ledger's rows, one JSON object a line and attempt, ordered by time; streamed.
#[utoipa::path(
    get, path = "/ledger/export", tag = "reports", params(ExportParams),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), Refused)
)]
pub(super) async fn rows(
    State(api): State<Arc<Api>>,
    Params(params): Params<ExportParams>,
) -> Result<Response, ApiError> {
    let now_us = api.clock.now_us();
    let since_us = params.since.map(|text| moment("since", &text, now_us)).transpose()?;
    let filter = Filter { since_us, key: params.key, team: params.team };
    let (pieces, mut sent) = mpsc::channel::<Result<Bytes, io::Error>>(PIECES);
    // It ends by itself when nobody reads on: the channel is closed then.
    drop(tokio::task::spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(PIECE, Pieces(pieces.clone()));
        let written = export(&api.state_dir, &filter, &mut out).and_then(|_| out.flush().map_err(LedgerError::Output));
        match written {
            Ok(()) | Err(LedgerError::Output(_)) => {}
            Err(error) => {
                tracing::error!(%error, "an export broke off");
                // The answer breaks off too, so that it is not taken for whole.
                drop(pieces.blocking_send(Err(io::Error::other("the ledger cannot be read"))));
            }
        }
    }));
    let first = match sent.recv().await {
        Some(Err(_)) => {
            let message = "the ledger cannot be read; the gateway's log has the reason";
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", message));
        }
        first => first,
    };
    let rest = futures::stream::poll_fn(move |context| sent.poll_recv(context));
    let all = futures::StreamExt::chain(futures::stream::iter(first), rest);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(all)).into_response())
}

/// Writes into a channel; waits while the client is slow.
struct Pieces(mpsc::Sender<Result<Bytes, io::Error>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Only lines behind this number; default 0.
    after: Option<u64>,
    /// At most so many, 1 to 1000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A part of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// In the order of the log.
    lines: Vec<audit::Line>,
}

/// Acts by the admin API, oldest first.
#[utoipa::path(
    get, path = "/audit", tag = "reports", params(AuditParams), responses((status = 200, body = AuditPage), Refused)
)]
pub(super) async fn acts(
    State(api): State<Arc<Api>>,
    Params(params): Params<AuditParams>,
) -> Result<Json<AuditPage>, ApiError> {
    let limit = params.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(ApiError::invalid("`limit` is 1 to 1000"));
    }
    let after = params.after.unwrap_or(0);
    if i64::try_from(after).is_err() {
        return Err(ApiError::invalid("`after` is a number of a line"));
    }
    let read = blocking(move || audit::read(&api.state_dir, after, limit)).await?;
    read.map(|lines| Json(AuditPage { lines })).map_err(|error| {
        tracing::error!(%error, "the audit log cannot be read");
        let message = "the audit log cannot be read; the gateway's log has the reason";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", message)
    })
}

/// A report that reads for longer is given up: whoever waits for it has left by then.
const MOST_TIME: Duration = Duration::from_secs(30);
/// Bytes of one piece of an export.
const PIECE: usize = 64 * 1024;
/// Pieces that wait for a slow client.
const PIECES: usize = 4;
