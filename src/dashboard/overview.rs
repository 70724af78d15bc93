//! The first page: what the gateway does, at one look.

use super::figures::{Figures, spans};
use super::page::{Canvas, Drawn, Refusal};
use super::{Desk, show};
use crate::ledger::usage::Dimension;
use maud::{Markup, html};

/// Spend, tokens, requests, errors, latency; and who used most.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let figures = Figures::read(desk, canvas, Vec::new())?;
    let main = html! {
        (spans(canvas, &figures.span))
        div data-live="5" id="live-overview" {
            (health(desk, &figures))
            (figures.charts())
            div class="columns" {
                (canvas.table(&figures.top(Dimension::Team, Some(TOP))))
                (canvas.table(&figures.top(Dimension::Key, Some(TOP))))
                (canvas.table(&figures.top(Dimension::Model, Some(TOP))))
            }
        }
        (canvas.table(&figures.over_time()))
        p class="hint" { "Latencies are of the latest 250 attempts of each bar. Times are UTC." }
    };
    Ok(Drawn { title: "Overview".to_owned(), main })
}

fn health(desk: &Desk, figures: &Figures) -> Markup {
    let views = &desk.board.api.views;
    let health = (views.health)();
    let targets = (views.targets)();
    let shut = targets.iter().filter(|target| target.state != "open").count();
    html! {
        ul class="strip" {
            li {
                @if health.ready { span class="badge good" { "ready" } }
                @else { span class="badge bad" { (health.reason.as_deref().unwrap_or("not ready")) } }
            }
            li { a href="/dashboard/requests" { b { (show::count(health.open_requests)) } " requests open now" } }
            li { a href="/dashboard/models" {
                b { (targets.len() - shut) } " of " (targets.len()) " targets open"
                @if shut > 0 { " " span class="badge bad" { (shut) " shut" } }
            } }
            li { b { (show::count(figures.open)) } " attempts under way" }
            @if health.ledger_lag_rows > 0 {
                li { b { (show::signed(health.ledger_lag_rows)) } " rows on their way to the store" }
            }
        }
    }
}

/// Lines of each list.
const TOP: usize = 6;
