//! The latest requests, filtered: attempts under way, attempts that are over, and refusals.

use super::page::{Canvas, Drawn, Refusal};
use super::table::{Cell, Table};
use super::{Desk, show};
use crate::{
    ledger::latest::{Latest, Wanted, latest},
    ledger::usage::since,
    ledger::{Opening, Refused, Row},
    records::{Find, Place, Record},
};
use axum::http::StatusCode;
use maud::{Markup, html};

/// The list, as the address filters it.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let (api, now_us) = (&desk.board.api, desk.board.api.clock.now_us());
    let wanted = wanted(canvas, now_us)?;
    let (table, older) = match canvas.get("guardrail") {
        "" => {
            let (table, older) = table(latest(&api.state_dir, &wanted, MOST + 1)?, now_us);
            (table, older.map(|at| ("until", show::exact_time(at))))
        }
        guardrail => {
            let before = canvas.get("before");
            let before = if before.is_empty() { None } else { Some(before.parse().map_err(unreadable_place)?) };
            let (table, older) = guarded(desk, &wanted, (guardrail, before))?;
            (table, older.map(|place| ("before", place.to_string())))
        }
    };
    let main = html! {
        (filter(canvas))
        div data-live="2" id="live-requests" {
            (canvas.table(&table))
        }
        @if let Some((name, at)) = older {
            p class="acts" { a class="button plain" href=(canvas.here(&[(name, &at)])) { "Older" } }
        }
    };
    Ok(Drawn { title: "Requests".to_owned(), main })
}

fn wanted(canvas: &Canvas, now_us: u64) -> Result<Wanted, Refusal> {
    let given = |name: &str| Some(canvas.get(name).trim().to_owned()).filter(|value| !value.is_empty());
    let since_us = match given("since") {
        None => now_us.saturating_sub(DAY_US),
        Some(text) => since(&text, now_us)?,
    };
    let until_us = given("until").map(|text| since(&text, now_us)).transpose()?;
    Ok(Wanted {
        since_us,
        until_us,
        team: given("team"),
        key: given("key"),
        model: given("model"),
        provider: given("provider"),
        target_model: given("target_model"),
        label: given("id"),
        failed: given("failed").is_some(),
        again: given("again").is_some(),
    })
}

fn filter(canvas: &Canvas) -> Markup {
    let texts = [
        ("team", "Team"),
        ("key", "Key"),
        ("model", "Model"),
        ("provider", "Provider"),
        ("guardrail", "Guardrail"),
        ("id", "Request id"),
        ("since", "Since"),
        ("until", "Until"),
    ];
    html! {
        form class="filter" method="get" action="/dashboard/requests" role="search" aria-label="Requests" {
            @for (name, words) in texts {
                label { (words) input name=(name) value=(canvas.get(name)) placeholder=[(name == "since").then_some("24h")]; }
            }
            @if !canvas.get("target_model").is_empty() {
                label { "Model there" input name="target_model" value=(canvas.get("target_model")); }
            }
            label class="check" { input type="checkbox" name="failed" value="1" checked[!canvas.get("failed").is_empty()]; "Failed or refused" }
            label class="check" { input type="checkbox" name="again" value="1" checked[!canvas.get("again").is_empty()]; "Fallbacks" }
            button type="submit" { "Show" }
            a class="button plain" href="/dashboard/requests" { "All" }
        }
    }
}

/// A line of the list.
enum Line {
    Open(Opening),
    Row(Box<Row>),
    Refused(Refused),
}

impl Line {
    fn at_us(&self) -> u64 {
        match self {
            Self::Open(opening) => opening.opened_us,
            Self::Row(row) => row.opening.opened_us,
            Self::Refused(refused) => refused.time_us,
        }
    }
}

/// The newest first; and where older ones begin, if there are any.
fn table(found: Latest, now_us: u64) -> (Table, Option<u64>) {
    let rows = found.rows.into_iter().map(|row| Line::Row(Box::new(row)));
    let rest = found.open.into_iter().map(Line::Open).chain(found.refused.into_iter().map(Line::Refused));
    let mut lines: Vec<Line> = rows.chain(rest).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.at_us()));
    let more = lines.len() > MOST;
    lines.truncate(MOST);
    // Of those of one microsecond none is left out: the last ones stand on both pages.
    let older = lines.last().filter(|_| more).map(|line| line.at_us() + 1);
    let columns = vec![
        ("Time (UTC)", false),
        ("Team", false),
        ("Key", false),
        ("Model", false),
        ("Target", false),
        ("Status", false),
        ("Tokens in", true),
        ("Out", true),
        ("Cost", true),
        ("Latency", true),
        ("First token", true),
        ("Added", true),
    ];
    let caption = if more { format!("The latest {MOST}") } else { format!("{} found", lines.len()) };
    let rows = lines.into_iter().map(|line| cells(line, now_us)).collect();
    (Table { id: "requests", caption, columns, rows, empty: "There is no such request." }, older)
}

fn cells(line: Line, now_us: u64) -> Vec<Cell> {
    match line {
        Line::Row(row) => attempt(&row.opening, Some(&row), now_us),
        Line::Open(opening) => attempt(&opening, None, now_us),
        Line::Refused(refused) => {
            let link = show::link("/dashboard/request", &[("id", &refused.id.to_string())]);
            let name = |name: &str| if name.is_empty() { Cell::none() } else { Cell::text(name) };
            vec![
                Cell::time(refused.time_us).to(link),
                name(&refused.team),
                name(&refused.key),
                name(&refused.model),
                Cell::none(),
                Cell::badge(format!("{} {}", refused.status, refused.code), "warn"),
                Cell::none(),
                Cell::none(),
                Cell::none(),
                Cell::none(),
                Cell::none(),
                Cell::none(),
            ]
        }
    }
}

/// An attempt's cells, under way or over.
fn attempt(opening: &Opening, row: Option<&Row>, now_us: u64) -> Vec<Cell> {
    let settled = row.map(|row| &row.settlement);
    let link = show::link("/dashboard/request", &[("id", &opening.id.request.to_string())]);
    let again = if opening.id.attempt > 1 { format!(" · attempt {}", opening.id.attempt) } else { String::new() };
    vec![
        Cell::time(opening.opened_us).to(link),
        Cell::text(&*opening.team).to(show::link("/dashboard/team", &[("name", &opening.team)])),
        Cell::text(&*opening.key).to(show::link("/dashboard/key", &[("name", &opening.key)])),
        Cell::text(&*opening.model),
        Cell::text(format!("{}/{}{again}", opening.provider, opening.target_model)),
        status(row),
        settled.map_or_else(Cell::none, |end| Cell::count(end.usage.input_total())),
        settled.map_or_else(Cell::none, |end| Cell::count(end.usage.output_total())),
        settled.map_or_else(Cell::none, |end| Cell::price(end.cost.map(|cost| cost.0))),
        Cell::micros(Some(settled.map_or(now_us.saturating_sub(opening.opened_us), |end| end.latency_us))),
        Cell::micros(settled.and_then(|end| end.first_token_us)),
        Cell::micros(settled.and_then(|end| end.overhead_us)),
    ]
}

/// How an attempt ended, as a badge.
pub(super) fn status(row: Option<&Row>) -> Cell {
    let Some(row) = row else { return Cell::badge("under way", "plain") };
    let end = &row.settlement;
    let number = if end.status == 0 { "no answer".to_owned() } else { end.status.to_string() };
    match &end.error {
        Some(error) => Cell::badge(format!("{number} {error}"), "bad"),
        None if end.status == 0 || end.status >= 400 => Cell::badge(number, "bad"),
        None => Cell::badge(number, "good"),
    }
}

/// The place that an address names is none.
fn unreadable_place(why: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "Unreadable", format!("`before`: {why}"))
}

/// What was found of records: the newest first, where to go on, and whether the page is not full because too much was to be read.
struct Searched {
    found: Vec<Record>,
    next: Option<Place>,
    unfinished: bool,
}

/// Looks for records of requests in which a guardrail said something, before a place.
fn search(desk: &Desk, wanted: &Wanted, (guardrail, before): (&str, Option<Place>)) -> Result<Searched, Refusal> {
    let mut find = Find {
        id: wanted.label.clone(),
        team: wanted.team.clone(),
        key: wanted.key.clone(),
        model: wanted.model.clone(),
        provider: wanted.provider.clone(),
        status: if wanted.failed { "error".parse().ok() } else { None },
        guardrail: Some(guardrail.to_owned()),
        since_us: Some(wanted.since_us),
        until_us: wanted.until_us,
        limit: MOST,
        before,
        ..Find::default()
    };
    // What a search cannot be asked for is looked for in what it finds.
    let fits = |record: &Record| {
        let there = wanted.target_model.as_deref().is_none_or(|model| {
            let answered = record.target_model.as_deref() == Some(model);
            answered || record.attempts.iter().any(|attempt| attempt.target_model == model)
        });
        there && (!wanted.again || record.attempts.len() > 1)
    };
    let records = &desk.board.api.records;
    let Some(reader) = &records.reader else {
        let found = records.live.recent(&find).into_iter().filter(fits).collect();
        return Ok(Searched { found, next: None, unfinished: false });
    };
    let mut found: Vec<Record> = Vec::new();
    for _ in 0..MOST_SEARCHES {
        let part = reader.search(&find).map_err(unreadable)?;
        found.extend(part.records.into_iter().filter(fits));
        find.before = part.next;
        if found.len() >= MOST || part.next.is_none() || part.unfinished {
            break;
        }
    }
    let unfinished = find.before.is_some() && found.len() < MOST;
    if found.len() > MOST {
        found.truncate(MOST);
        find.before = found.last().and_then(|record| record.place);
    }
    Ok(Searched { found, next: find.before, unfinished })
}

/// Requests in which a guardrail said something: those that have a record, before a place; and where to go on.
fn guarded(desk: &Desk, wanted: &Wanted, which: (&str, Option<Place>)) -> Result<(Table, Option<Place>), Refusal> {
    let guardrail = which.0;
    let Searched { found, next, unfinished } = search(desk, wanted, which)?;
    let columns = vec![
        ("Time (UTC)", false),
        ("Team", false),
        ("Key", false),
        ("Model", false),
        ("Status", false),
        ("Guardrails", false),
        ("Cost", true),
    ];
    let text = |text: Option<String>| text.map_or_else(Cell::none, Cell::text);
    let row = |record: Record| {
        let class = if record.status < 400 { "good" } else { "warn" };
        let code = record.code.as_deref().unwrap_or_default();
        vec![
            Cell::time(record.time_us()).to(show::link("/dashboard/request", &[("id", &record.id)])),
            text(record.team),
            text(record.key),
            text(record.model),
            Cell::badge(format!("{} {code}", record.status), class),
            text(record.guardrails),
            record.cost_nano_usd.map_or_else(Cell::none, Cell::usd),
        ]
    };
    let rest = if unfinished { ": not all of this time was looked through yet, see “Older”" } else { "" };
    let caption = format!("Requests of which guardrail {guardrail} said something{rest}");
    let empty = match unfinished {
        true => "There is no record of such a request in what was looked through so far.",
        false => "There is no record of such a request.",
    };
    Ok((Table { id: "requests", caption, columns, rows: found.into_iter().map(row).collect(), empty }, next))
}

/// The files of records cannot be read.
pub(super) fn unreadable(error: std::io::Error) -> Refusal {
    tracing::error!(%error, "records cannot be read");
    let why = "the records cannot be read; the gateway's log has the reason";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "No records", why)
}

/// Lines of one page.
const MOST: usize = 60;
/// Searches for one page, where few of what they find are shown.
const MOST_SEARCHES: usize = 8;
const DAY_US: u64 = 86_400_000_000;
