//! One request's life: its attempts with their times, usage and cost.

use super::page::{Canvas, Drawn, Refusal};
use super::table::{Cell, Table};
use super::{Desk, requests, show};
use crate::ledger::latest::attempts_of;
use crate::ledger::{Opening, Row};
use crate::model::RequestId;
use axum::http::StatusCode;
use maud::{Markup, html};

/// The page of `?id=`.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let id = canvas.get("id");
    let request: RequestId =
        id.parse().map_err(|why: String| Refusal::new(StatusCode::BAD_REQUEST, "Unreadable", why))?;
    let (rows, open) = attempts_of(&desk.board.api.state_dir, request)?;
    let first = rows.first().map(|row| &row.opening).or(open.first());
    let main = html! {
        @match first {
            Some(first) => (facts(first)),
            None => p class="hint" { "No attempt of this request is in the ledger: it was refused before one was made." },
        }
        (canvas.table(&attempts(&rows)))
        (canvas.table(&usage(&rows)))
    };
    Ok(Drawn { title: "Request".to_owned(), main })
}

fn facts(opening: &Opening) -> Markup {
    html! {
        dl class="facts" {
            div { dt { "Id" } dd { code { (opening.id.request) } } }
            div { dt { "Label" } dd { code { bdi { (opening.request_label) } } } }
            div { dt { "Began" } dd { (show::exact_time(opening.opened_us)) } }
            div { dt { "Team" } dd { a href=(show::link("/dashboard/team", &[("name", &opening.team)])) { bdi { (opening.team) } } } }
            div { dt { "Key" } dd { a href=(show::link("/dashboard/key", &[("name", &opening.key)])) { bdi { (opening.key) } } } }
            div { dt { "User" } dd { bdi { (opening.user.as_deref().unwrap_or("–")) } } }
            div { dt { "Model" } dd { a href=(show::link("/dashboard/models", &[("name", &opening.model)])) { bdi { (opening.model) } } } }
            div { dt { "Call" } dd { (opening.api) @if opening.stream { ", as a stream" } } }
        }
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
    Table { id: "attempts", caption: "Attempts".to_owned(), columns, rows, empty: "There is no attempt that is over." }
}

/// What each attempt used, by class.
fn usage(rows: &[Row]) -> Table {
    let columns = vec![("Attempt", true), ("Class", false), ("Used", true), ("Told by", false)];
    let of = |row: &Row| {
        let (attempt, origin) = (row.opening.id.attempt, row.settlement.origin.name());
        let used = row.settlement.usage.classes().into_iter().filter(|(_, used)| *used > 0);
        let cells = used.map(move |(class, used)| {
            vec![Cell::count(attempt.into()), Cell::text(class.replace('_', " ")), Cell::count(used), Cell::text(origin)]
        });
        cells.collect::<Vec<_>>()
    };
    let rows = rows.iter().flat_map(of).collect();
    Table { id: "usage", caption: "Usage".to_owned(), columns, rows, empty: "Nothing was used." }
}
