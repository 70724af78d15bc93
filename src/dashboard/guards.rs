//! Guardrails: what they found since the start of this process, and what they made the gateway refuse.

use super::figures::{Figures, spans};
use super::page::{Canvas, Drawn, Refusal};
use super::scrape::counters;
use super::table::{Cell, Table};
use super::{Desk, show};
use crate::ledger::latest::{Wanted, latest};
use maud::html;

/// Finds by guardrail, and the latest refusals; of `?team=` only.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let figures = Figures::read(desk, canvas, Vec::new())?;
    let main = html! {
        (spans(canvas, &figures.span))
        div data-live="5" id="live-guards" {
            (canvas.table(&finds(desk)))
        }
    };
    Ok(Drawn { title: "Guardrails".to_owned(), main })
}

fn finds(desk: &Desk) -> Table {
    let mut all = counters(&desk.board.registry, "weighbridge_guard_finds_total", &["guard", "hook", "action", "entity"]);
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.labels.cmp(&b.labels)));
    let columns = vec![("Guardrail", false), ("Where", false), ("Did", false), ("What", false), ("Times", true)];
    let row = |counted: super::scrape::Counted| {
        let words = counted.labels.into_iter().map(Cell::text);
        words.chain([Cell::count(counted.count)]).collect()
    };
    let rows = all.into_iter().map(row).collect();
    Table { id: "finds", caption: "Found since the start".to_owned(), columns, rows, empty: "Guardrails found nothing." }
}

/// How often guardrails found something in what a team sent or got.
pub(super) fn found_by(desk: &Desk, figures: &Figures, team: &str) -> Result<u64, Refusal> {
    let wanted = Wanted {
        since_us: figures.span.from_us,
        team: Some(team.to_owned()),
        failed: true,
        ..Wanted::default()
    };
    let refused = latest(&desk.board.api.state_dir, &wanted, 1_000)?.refused;
    let _ = show::count(0);
    Ok(refused.iter().filter(|refused| refused.code.starts_with("guardrail")).count() as u64)
}
