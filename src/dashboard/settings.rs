//! What runs here, with which settings, and who changed what by the admin API and the dashboard.

use super::Desk;
use super::page::{Canvas, Drawn, Refusal};
use super::table::{Cell, Table};
use crate::admin::audit;
use maud::html;
use serde_json::Value;

/// Version, resolved configuration, the latest acts.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let api = &desk.board.api;
    let health = (api.views.health)();
    let reload = api.views.reload.status();
    let main = html! {
        dl class="facts" {
            div { dt { "Version" } dd { (env!("CARGO_PKG_VERSION")) } }
            div { dt { "State" } dd {
                @if health.ready { span class="badge good" { "ready" } }
                @else { span class="badge bad" { (health.reason.as_deref().unwrap_or("not ready")) } }
            } }
            div { dt { "State directory" } dd { code { bdi { (api.state_dir.display().to_string()) } } } }
            div { dt { "Configuration" } dd {
                "read at " (reload.loaded)
                @if let Some(file) = &reload.file { " from " code { bdi { (file) } } }
                ", generation " (reload.generation)
            } }
            @if let Some(last) = &reload.last {
                div { dt { "Last reload" } dd {
                    span class=(if last.outcome == "reloaded" { "badge good" } else { "badge bad" }) { (last.outcome) }
                    " " (last.time) " by " (last.cause) ", " (last.changes) " values"
                    @if let Some(why) = &last.message { pre { bdi { (why) } } }
                } }
            }
            @if !reload.needs_restart.is_empty() {
                div { dt { "Waits for a restart" } dd { @for path in &reload.needs_restart { code { bdi { (path) } } " " } } }
            }
            div { dt { "API" } dd { a href="/admin/v1/openapi.json" { "OpenAPI document" } } }
            div { dt { "Metrics" } dd { a href="/metrics" { "/metrics" } } }
        }
        section class="card" {
            div class="head" { h2 { "What the configuration resolved to at the start" } }
            p class="hint" { "Without secrets." }
            pre class="wide" tabindex="0" role="region" aria-label="Resolved configuration" { ((desk.board.settings)()) }
        }
        (canvas.table(&acts(desk)))
    };
    Ok(Drawn { title: "Settings".to_owned(), main })
}

fn acts(desk: &Desk) -> Table {
    let columns = vec![
        ("Time (UTC)", false),
        ("Who", false),
        ("Did", false),
        ("What", false),
        ("Outcome", false),
        ("Changed", false),
    ];
    // The log is short: each line is an act of a person or their program.
    let lines = audit::last(&desk.board.api.state_dir, MOST).unwrap_or_else(|error| {
        tracing::error!(%error, "the audit log cannot be read");
        Vec::new()
    });
    let row = |line: audit::Line| {
        vec![
            Cell::text(line.time.chars().take(19).collect::<String>().replace('T', " ")).exactly(line.time),
            Cell::text(line.actor.shown()),
            Cell::text(line.action),
            Cell::text(line.object),
            Cell::badge(line.outcome.clone(), if line.outcome == "done" { "good" } else { "plain" }),
            Cell::text(Value::Object(line.changed).to_string()),
        ]
    };
    let rows = lines.into_iter().rev().map(row).collect();
    Table { id: "acts", caption: "Latest acts".to_owned(), columns, rows, empty: "Nobody changed anything yet." }
}

/// Acts that are shown.
const MOST: usize = 50;
