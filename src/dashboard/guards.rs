//! Guardrails: what they found, by kind, team and time, and whether they acted.

use super::chart::{Bar, Chart};
use super::figures::spans;
use super::page::{Canvas, Drawn, Refusal};
use super::span::Span;
use super::table::{Cell, Table};
use super::{Desk, show};
use crate::{
    ledger::findings::Figures,
    ledger::findings::report::{Dimension, Line, Query, Report, answer},
    ledger::usage,
};
use maud::html;

/// Finds over time, by guardrail, by thing and by team; of `?team=`, `?key=`, `?model=` only.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let span = Span::read(canvas.get("since"), canvas.get("until"), desk.board.api.clock.now_us())?;
    let named = [("team", Dimension::Team), ("key", Dimension::Key), ("model", Dimension::Model)];
    let only: Vec<_> = named.into_iter().filter(|(name, _)| !canvas.get(name).is_empty()).collect();
    let only: Vec<(Dimension, String)> = only.into_iter().map(|(name, by)| (by, canvas.get(name).to_owned())).collect();
    let ask = |by: &[Dimension]| report(desk, &span, by, &only);
    let by = if span.by == usage::Dimension::Hour { Dimension::Hour } else { Dimension::Day };
    let over_time = ask(&[by])?;
    let by_guardrail = ask(&[Dimension::Guardrail, Dimension::Kind])?;
    let things = ask(&[Dimension::Guardrail, Dimension::Entity, Dimension::Side, Dimension::Action])?;
    let by_team = ask(&[Dimension::Team])?;
    let main = html! {
        (spans(canvas, &span))
        @if !only.is_empty() {
            p { "Of " @for (at, (by, value)) in only.iter().enumerate() { @if at > 0 { ", " } (by.name()) " " b { bdi { (value) } } } " only; "
                a href=(canvas.here(&[("team", ""), ("key", ""), ("model", "")])) { "show all" } "." }
        }
        div data-live="5" id="live-guards" {
            div class="charts" { (chart(canvas, &span, &over_time).html()) }
            div class="columns" {
                (canvas.table(&guardrails(canvas, &span, by_guardrail)))
                (canvas.table(&teams(&span, by_team)))
            }
            (canvas.table(&entities(things)))
        }
        p class="hint" { "A request counts once for each guardrail that found something in it. What is only flagged or audited did not act." }
    };
    Ok(Drawn { title: "Guardrails".to_owned(), main })
}

fn report(desk: &Desk, span: &Span, by: &[Dimension], only: &[(Dimension, String)]) -> Result<Report, Refusal> {
    let until_us = (!span.until.is_empty()).then_some(span.to_us);
    let query = Query { by: by.to_vec(), since_us: span.from_us, until_us, only: only.to_vec() };
    Ok(answer(&desk.board.api.state_dir, &query, desk.board.api.clock.now_us())?)
}

/// In how many requests of a team guardrails found something.
pub(super) fn found_by(desk: &Desk, span: &Span, team: &str) -> Result<u64, Refusal> {
    Ok(report(desk, span, &[], &[(Dimension::Team, team.to_owned())])?.total.requests)
}

fn chart(canvas: &Canvas, span: &Span, over_time: &Report) -> Chart {
    let mut sums = vec![Figures::default(); span.buckets().len()];
    let places = span.places();
    for line in &over_time.lines {
        let place = line.labels.first().and_then(|label| places.get(label));
        if let Some(sum) = place.and_then(|at| sums.get_mut(*at)) {
            sum.add(&line.figures);
        }
    }
    let bars = span.buckets().into_iter().zip(sums).map(|((from, to), figures)| {
        let told = figures.requests.saturating_sub(figures.acted);
        let (since, until) = (show::moment_in_link(from), show::moment_in_link(to));
        Bar {
            parts: vec![("bad", figures.acted as f64), ("two", told as f64)],
            title: format!("{}: found in {} requests, acted in {}", span.short(from), figures.requests, figures.acted),
            href: canvas.here(&[("since", &since), ("until", &until)]),
        }
    });
    let bars: Vec<Bar> = bars.collect();
    let end = |bucket: Option<(u64, u64)>| bucket.map(|(from, _)| span.short(from)).unwrap_or_default();
    let buckets = span.buckets();
    let total = &over_time.total;
    Chart {
        name: "Requests in which something was found",
        figure: show::count(total.requests),
        href: "#guardrails".to_owned(),
        note: format!("acted in {}; {} things found", show::count(total.acted), show::count(total.findings)),
        bars,
        ends: (end(buckets.first().copied()), end(buckets.last().copied())),
    }
}

/// Requests, acts and things, as every line has them.
const COUNTED: [(&str, bool); 3] = [("Requests", true), ("Acted in", true), ("Found", true)];

fn counted(line: &Line, rows: Option<String>) -> [Cell; 3] {
    let requests = Cell::count(line.figures.requests);
    let requests = match rows {
        Some(rows) => requests.to(rows),
        None => requests,
    };
    [requests, Cell::count(line.figures.acted), Cell::count(line.figures.findings)]
}

fn guardrails(canvas: &Canvas, span: &Span, report: Report) -> Table {
    let mut lines = report.lines;
    lines.sort_by_key(|line| std::cmp::Reverse(line.figures.requests));
    let rows = lines.iter().map(|line| {
        let name = line.labels.first().map(String::as_str).unwrap_or_default();
        let (team, key, model) = (canvas.get("team"), canvas.get("key"), canvas.get("model"));
        let parts = [
            ("guardrail", name),
            ("team", team),
            ("key", key),
            ("model", model),
            ("since", &span.since),
            ("until", &span.until),
        ];
        let rows = show::link("/dashboard/requests", &parts);
        line.labels.iter().map(|label| Cell::text(label.clone())).chain(counted(line, Some(rows))).collect()
    });
    let columns = [("Guardrail", false), ("Kind", false)].into_iter().chain(COUNTED).collect();
    let empty = "Guardrails found nothing in this time.";
    Table { id: "guardrails", caption: "Guardrails".to_owned(), columns, rows: rows.collect(), empty }
}

fn teams(span: &Span, report: Report) -> Table {
    let mut lines = report.lines;
    lines.sort_by_key(|line| std::cmp::Reverse(line.figures.requests));
    let rows = lines.iter().map(|line| {
        let name = line.labels.first().map(String::as_str).unwrap_or_default();
        let link = |path, of| show::link(path, &[(of, name), ("since", &span.since), ("until", &span.until)]);
        let cell = Cell::text(name).to(link("/dashboard/team", "name"));
        [cell].into_iter().chain(counted(line, Some(link("/dashboard/guardrails", "team")))).collect()
    });
    let columns = [("Team", false)].into_iter().chain(COUNTED).collect();
    let empty = "Nothing was found in what teams sent or got.";
    Table { id: "guard-teams", caption: "Teams".to_owned(), columns, rows: rows.collect(), empty }
}

fn entities(report: Report) -> Table {
    let mut lines = report.lines;
    lines.sort_by_key(|line| std::cmp::Reverse(line.figures.findings));
    let cells =
        |line: &Line| line.labels.iter().map(|label| Cell::text(label.clone())).chain(counted(line, None)).collect();
    let rows = lines.iter().take(MOST).map(cells).collect();
    let columns = [("Guardrail", false), ("What", false), ("Where", false), ("Did", false)];
    let columns = columns.into_iter().chain(COUNTED).collect();
    Table { id: "things", caption: "What was found".to_owned(), columns, rows, empty: "Nothing was found." }
}

/// Kinds of things on one page.
const MOST: usize = 100;
