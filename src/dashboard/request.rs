//! One request's life: where its time went, its attempts, what guardrails said, usage and cost; and its texts, if they are
//! kept, for administrators only and not without a line in the audit log.

use super::page::{Canvas, Drawn, Refusal};
use super::requests::unreadable;
use super::table::{Cell, Table};
use super::{Desk, requests, show};
use crate::{
    admin::audit::Act,
    ledger::latest::attempts_of,
    ledger::{Opening, Row},
    model::RequestId,
    records::{Attempt, Content, Record},
};
use axum::http::StatusCode;
use maud::{Markup, html};
use serde_json::Map;

/// The page of `?id=`; with `&content=1` its texts too.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let id = canvas.get("id");
    let request: RequestId =
        id.parse().map_err(|why: String| Refusal::new(StatusCode::BAD_REQUEST, "Unreadable", why))?;
    let (rows, open) = attempts_of(&desk.board.api.state_dir, request)?;
    let record = desk.board.api.records.one(id).map_err(unreadable)?;
    let first = rows.first().map(|row| &row.opening).or(open.first());
    if first.is_none() && record.is_none() {
        let why = "there is no record of this request, and no attempt of it in the ledger";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "Not found", why));
    }
    let main = html! {
        dl class="facts" {
            div { dt { "Id" } dd { code { (request) } } }
            @if let Some(first) = first { (facts(first)) }
            @if let Some(record) = &record { (facts_of(record, first.is_none())) }
        }
        @if let Some(record) = &record {
            (canvas.table(&life(record)))
            (canvas.table(&tried(&record.attempts)))
            (canvas.table(&verdicts(record)))
        }
        (canvas.table(&attempts(&rows)))
        (canvas.table(&usage(&rows)))
        (texts(desk, canvas, request, record.as_ref())?)
    };
    Ok(Drawn { title: "Request".to_owned(), main })
}

fn facts(opening: &Opening) -> Markup {
    html! {
        div { dt { "Label" } dd { code { bdi { (opening.request_label) } } } }
        div { dt { "Began" } dd { (show::exact_time(opening.opened_us)) } }
        div { dt { "Team" } dd { a href=(show::link("/dashboard/team", &[("name", &opening.team)])) { bdi { (opening.team) } } } }
        div { dt { "Key" } dd { a href=(show::link("/dashboard/key", &[("name", &opening.key)])) { bdi { (opening.key) } } } }
        div { dt { "User" } dd { bdi { (opening.user.as_deref().unwrap_or("–")) } } }
        div { dt { "Model" } dd { a href=(show::link("/dashboard/models", &[("name", &opening.model)])) { bdi { (opening.model) } } } }
        div { dt { "Call" } dd { (opening.api) @if opening.stream { ", as a stream" } } }
    }
}

/// What only the record tells; of a request that was refused, also who sent it.
fn facts_of(record: &Record, refused: bool) -> Markup {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    html! {
        @if refused {
            div { dt { "Began" } dd { (record.time) } }
            div { dt { "Team" } dd { bdi { (known(&record.team)) } } }
            div { dt { "Key" } dd { bdi { (known(&record.key)) } } }
            div { dt { "Model" } dd { bdi { (known(&record.model)) } } }
        }
        div { dt { "The client got" } dd {
            span class={ "badge " (if record.status < 400 { "good" } else { "bad" }) } {
                (record.status) @if let Some(code) = &record.code { " " (code) }
            }
        } }
        div { dt { "Client" } dd { bdi { (known(&record.client)) } } }
        div { dt { "Routed by" } dd { bdi { (known(&record.routed)) } } }
        div { dt { "Bytes" } dd { (show::count(record.bytes_in)) " in, " (show::count(record.bytes_out)) " out" } }
        @if let Some(of) = &record.mirror_of {
            div { dt { "Copy of" } dd { a href=(show::link("/dashboard/request", &[("id", of)])) { code { (of) } } } }
        }
    }
}

/// Where its time went.
fn life(record: &Record) -> Table {
    let mut stages = vec![("Waited for a place".to_owned(), Some(record.queued_us))];
    for (at, attempt) in record.attempts.iter().enumerate() {
        if attempt.pause_us > 0 {
            stages.push((format!("Pause before attempt {}", at + 1), Some(attempt.pause_us)));
        }
        stages.push((
            format!("Attempt {} at {}/{}", at + 1, attempt.provider, attempt.target_model),
            Some(attempt.time_us),
        ));
    }
    stages.push(("First output after".to_owned(), record.first_token_us));
    stages.push(("Of it all, the gateway's own part".to_owned(), record.overhead_us));
    stages.push(("All together".to_owned(), Some(record.latency_us)));
    let all = record.latency_us.max(1) as f64;
    let row = |(name, us): (String, Option<u64>)| {
        let share = us.map_or(0.0, |us| us as f64 / all);
        vec![Cell::text(name).with(super::chart::part(share, "of the whole time")), Cell::micros(us)]
    };
    let rows = stages.into_iter().map(row).collect();
    Table {
        id: "life",
        caption: "Where its time went".to_owned(),
        columns: vec![("Stage", false), ("Time", true)],
        rows,
        empty: "",
    }
}

/// What was tried, and what followed from it.
fn tried(attempts: &[Attempt]) -> Table {
    let columns = vec![
        ("Attempt", true),
        ("Target", false),
        ("Answer", false),
        ("Ended", false),
        ("Why", false),
        ("Then", false),
    ];
    let text = |text: &Option<String>| text.clone().map_or_else(Cell::none, Cell::text);
    let row = |(at, attempt): (usize, &Attempt)| {
        let well = attempt.status.is_some_and(|status| status < 400);
        let status = attempt.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        vec![
            Cell::count(at as u64 + 1),
            Cell::text(format!("{}/{}", attempt.provider, attempt.target_model)),
            Cell::badge(status, if well { "good" } else { "bad" }),
            Cell::text(attempt.outcome.clone()),
            text(&attempt.reason),
            text(&attempt.action),
        ]
    };
    let rows = attempts.iter().enumerate().map(row).collect();
    Table { id: "tried", caption: "What was tried".to_owned(), columns, rows, empty: "Nothing was sent to a provider." }
}

/// What guardrails said: `name;hook;action;what=count`, with `, ` between.
fn verdicts(record: &Record) -> Table {
    let said = record.guardrails.as_deref().unwrap_or_default();
    let row = |one: &str| {
        let mut parts = one.splitn(4, ';').map(Cell::text);
        (0..4).map(|_| parts.next().unwrap_or_else(Cell::none)).collect()
    };
    let rows = said.split(", ").filter(|one| !one.is_empty()).map(row).collect();
    let columns = vec![("Guardrail", false), ("Where", false), ("Did", false), ("Found", false)];
    Table {
        id: "verdicts",
        caption: "What guardrails said".to_owned(),
        columns,
        rows,
        empty: "Guardrails said nothing.",
    }
}

fn attempts(rows: &[Row]) -> Table {
    let columns = vec![
        ("Attempt", true),
        ("Target", false),
        ("Status", false),
        ("Began (UTC)", false),
        ("Latency", true),
        ("First token", true),
        ("Added", true),
        ("Cost", true),
        ("Price data", false),
    ];
    let row = |row: &Row| {
        let (opening, end) = (&row.opening, &row.settlement);
        vec![
            Cell::count(opening.id.attempt.into()),
            Cell::text(format!("{}/{}", opening.provider, opening.target_model)),
            requests::status(Some(row)),
            Cell::time(opening.opened_us),
            Cell::micros(Some(end.latency_us)),
            Cell::micros(end.first_token_us),
            Cell::micros(end.overhead_us),
            Cell::price(end.cost.map(|cost| cost.0)),
            end.price_version.as_deref().map_or_else(Cell::none, Cell::text),
        ]
    };
    let rows = rows.iter().map(row).collect();
    let empty = "The ledger has no attempt that is over.";
    Table { id: "attempts", caption: "In the ledger".to_owned(), columns, rows, empty }
}

/// What each attempt used, by class.
fn usage(rows: &[Row]) -> Table {
    let columns = vec![("Attempt", true), ("Class", false), ("Used", true), ("Told by", false)];
    let of = |row: &Row| {
        let (attempt, origin) = (row.opening.id.attempt, row.settlement.origin.name());
        let used = row.settlement.usage.classes().into_iter().filter(|(_, used)| *used > 0);
        let cells = used.map(move |(class, used)| {
            vec![
                Cell::count(attempt.into()),
                Cell::text(class.replace('_', " ")),
                Cell::count(used),
                Cell::text(origin),
            ]
        });
        cells.collect::<Vec<_>>()
    };
    let rows = rows.iter().flat_map(of).collect();
    Table { id: "usage", caption: "Usage".to_owned(), columns, rows, empty: "Nothing was used." }
}

/// Prompt and answer, where they are kept and asked for by an administrator.
fn texts(desk: &Desk, canvas: &Canvas, id: RequestId, record: Option<&Record>) -> Result<Markup, Refusal> {
    let kept = record.and_then(|record| record.content.as_deref());
    let (Some(kept), Some(reader)) = (kept, &desk.board.api.records.reader) else {
        return Ok(html! { p class="hint" { "Its texts are not kept." } });
    };
    if !canvas.visitor.is_admin() {
        return Ok(html! { p class="hint" { "Its texts are kept (" (kept) "); they are not for viewers." } });
    }
    if canvas.get("content").is_empty() {
        let link = canvas.here(&[("content", "1")]);
        return Ok(html! { p class="acts" { a class="button plain" href=(link) { "Show prompt and answer" }
        span class="hint" { "Kept: " (kept) ". That you read them is written to the audit log." } } });
    }
    let object = format!("request/{id}");
    let actor = &canvas.visitor.actor;
    let act = Act { actor, action: "requests.read_content", object: &object, outcome: "done", changed: Map::new() };
    desk.board.api.audit.record(act, desk.board.api.clock.now_us()).map_err(|_| {
        let why = "the audit log cannot be written, and texts are not shown without it";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Not now", why)
    })?;
    let content = reader.content(id).map_err(unreadable)?;
    Ok(content
        .map_or_else(|| html! { p class="hint" { "Its texts are not kept any more." } }, |content| shown(&content)))
}

fn shown(content: &Content) -> Markup {
    let part = |name: &str, text: Option<&str>, note: Option<&str>, cut: bool, bytes: u64| {
        html! {
            section class="card" {
                div class="head" { h2 { (name) } span class="hint" { (show::count(bytes)) " bytes" } }
                @match text {
                    Some(text) => {
                        @let long = text.len() > MOST_TEXT;
                        pre class="text" tabindex="0" role="region" aria-label=(name) { bdi { (text[..text.floor_char_boundary(MOST_TEXT)]) } }
                        @if cut || long { p class="hint" { "Only its beginning is " @if cut { "kept" } @else { "shown" } "." } }
                    }
                    None => p class="hint" { "Not kept" @if let Some(note) = note { ": " (note) } "." },
                }
            }
        }
    };
    let said = content.texts.as_ref().map(|texts| texts.join("\n"));
    html! {
        (part("What the client sent", content.request.as_deref(), content.request_note.as_deref(), content.request_truncated, content.request_bytes))
        @if let Some(said) = &said { (part("The answer's text", Some(said), None, false, said.len() as u64)) }
        (part("What the client was sent", content.answer.as_deref(), content.answer_note.as_deref(), content.answer_truncated, content.answer_bytes))
    }
}

/// Of each text so much is shown: a page stays light.
const MOST_TEXT: usize = 24 * 1024;
