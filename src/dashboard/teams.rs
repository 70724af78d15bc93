//! Teams, budgets and limits: who may spend how much, and what is left of it.

use super::chart;
use super::figures::{Figures, spans};
use super::page::{Canvas, Drawn, Refusal};
use super::table::{Cell, Table};
use super::{Desk, show};
use crate::{
    auth::Source,
    ledger::usage::Dimension,
    model::{BudgetView, LimitView},
};
use maud::html;

/// All teams, and all budgets and limits.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let figures = Figures::read(desk, canvas, Vec::new())?;
    let views = &desk.board.api.views;
    let main = html! {
        @if canvas.visitor.is_admin() {
            p class="acts" { a class="button" href="/dashboard/team/new" { "New team" } }
        }
        (spans(canvas, &figures.span))
        (canvas.table(&list(desk, &figures)))
        div data-live="5" id="live-budgets" {
            (canvas.table(&budgets(desk, &(views.budgets)())))
            (canvas.table(&limits(&(views.limits)())))
        }
    };
    Ok(Drawn { title: "Teams".to_owned(), main })
}

fn list(desk: &Desk, figures: &Figures) -> Table {
    let sums = figures.by(Dimension::Team);
    let (since, until) = (&*figures.span.since, &*figures.span.until);
    let columns = vec![
        ("Team", false),
        ("Keys", true),
        ("May call", false),
        ("Spend", true),
        ("Tokens", true),
        ("Requests", true),
        ("Failed", true),
        ("Made", false),
    ];
    let row = |team: crate::auth::TeamView| {
        let (sums, refused) = sums.get(&team.name).copied().unwrap_or_default();
        let of =
            |path, more: &[(&str, &str)]| show::link(path, &[&[("since", since), ("until", until)], more].concat());
        let rows = |more: &[(&str, &str)]| of("/dashboard/requests", &[&[("team", &*team.name)], more].concat());
        vec![
            Cell::text(team.name.clone()).to(of("/dashboard/team", &[("name", &team.name)])),
            Cell::count(team.keys as u64).to(show::link("/dashboard/keys", &[("team", &team.name)])),
            may_call(team.models.as_deref()),
            Cell::usd(sums.cost.0).to(rows(&[])),
            Cell::count(super::figures::tokens(&sums)).to(rows(&[])),
            Cell::count(sums.requests + refused).to(rows(&[])),
            Cell::count(sums.errors + refused).to(rows(&[("failed", "1")])),
            match (&team.problem, team.source) {
                (Some(_), _) => Cell::badge("does not fit the file", "bad"),
                (None, Source::File) => Cell::text("in the file"),
                (None, Source::State) => Cell::text("here"),
            },
        ]
    };
    let rows = desk.board.api.callers.teams().into_iter().map(row).collect();
    Table { id: "teams", caption: "Teams".to_owned(), columns, rows, empty: "There is no team yet." }
}

/// An allow-list in a cell.
pub(super) fn may_call(models: Option<&[String]>) -> Cell {
    match models {
        None => Cell::text("all models"),
        Some(models) => Cell::text(models.join(", ")),
    }
}

/// What is used up most, so that a page stays a page, and what stands above it. All of it is in the API.
fn most<'a, T>(what: &str, all: &'a [T], part: impl Fn(&&'a T) -> f64) -> (Vec<&'a T>, String) {
    let mut shown: Vec<&T> = all.iter().collect();
    if shown.len() <= MOST_ROWS {
        return (shown, what.to_owned());
    }
    shown.sort_by(|one, other| part(other).total_cmp(&part(one)));
    shown.truncate(MOST_ROWS);
    (shown, format!("{what}: the {MOST_ROWS} that are used up most, of {}", all.len()))
}

/// Rows of a table that could have very many.
const MOST_ROWS: usize = 150;

/// Budgets as bars.
pub(super) fn budgets(desk: &Desk, budgets: &[BudgetView]) -> Table {
    let now_us = desk.board.api.clock.now_us();
    let columns = vec![
        ("Budget", false),
        ("For", false),
        ("Used", false),
        ("Spent", true),
        ("Held", true),
        ("Left", true),
        ("Limit", true),
        ("Resets", false),
        ("Mode", false),
    ];
    let row = |budget: &BudgetView| {
        let amount = |n: i64| if budget.unit == "usd" { Cell::usd(n) } else { Cell::number(show::signed(n), n) };
        let left = budget.limit.saturating_sub(budget.settled).saturating_sub(budget.reserved);
        let used = budget.settled.saturating_add(budget.reserved).max(0).unsigned_abs();
        let share = show::share(used, budget.limit.max(0).unsigned_abs());
        let words = format!("{share} of {} is used or held", budget.id);
        let bar = chart::share(budget.settled as f64, budget.reserved as f64, budget.limit as f64, &words);
        let since = show::exact_time(budget.period_start_us);
        let (what, name) = budget.scope.split_once('/').unwrap_or((&budget.scope, ""));
        let scope = if matches!(what, "team" | "key" | "model" | "provider") { (what, name) } else { ("", "") };
        vec![
            Cell::text(budget.id.clone()),
            if budget.entity.is_empty() { Cell::text("all together") } else { Cell::text(budget.entity.clone()) },
            Cell::text(share).with(bar),
            amount(budget.settled).to(show::link("/dashboard/requests", &[scope, ("since", &since)])),
            amount(budget.reserved),
            amount(left),
            amount(budget.limit),
            match budget.period_end_us {
                None => Cell::text("never"),
                Some(end) => Cell::text(format!("in {}", show::micros(end.saturating_sub(now_us))))
                    .exactly(show::exact_time(end)),
            },
            Cell::text(budget.mode.clone()),
        ]
    };
    let part = |budget: &&BudgetView| {
        let used = budget.settled.saturating_add(budget.reserved).max(0) as f64;
        used / (budget.limit.max(1) as f64)
    };
    let (shown, caption) = most("Budgets", budgets, part);
    let rows = shown.into_iter().map(row).collect();
    Table { id: "budgets", caption, columns, rows, empty: "There is no budget." }
}

/// Limits as bars.
pub(super) fn limits(limits: &[LimitView]) -> Table {
    let columns = vec![
        ("Limit", false),
        ("For", false),
        ("Used", false),
        ("Now", true),
        ("At most", true),
        ("Of", false),
        ("Mode", false),
    ];
    let row = |limit: &LimitView| {
        let share = show::share(limit.used, limit.limit);
        let words = format!("{share} of {} is used", limit.id);
        vec![
            Cell::text(limit.id.clone()),
            if limit.entity.is_empty() { Cell::text("all together") } else { Cell::text(limit.entity.clone()) },
            Cell::text(share).with(chart::share(limit.used as f64, 0.0, limit.limit as f64, &words)),
            Cell::count(limit.used),
            Cell::count(limit.limit),
            Cell::text(
                limit.per.as_ref().map_or_else(|| "at once".to_owned(), |per| format!("{} a {per}", limit.what)),
            ),
            Cell::text(limit.mode.clone()),
        ]
    };
    let part = |limit: &&LimitView| limit.used as f64 / (limit.limit.max(1) as f64);
    let (shown, caption) = most("Limits", limits, part);
    let rows = shown.into_iter().map(row).collect();
    Table { id: "limits", caption, columns, rows, empty: "There is no limit." }
}
