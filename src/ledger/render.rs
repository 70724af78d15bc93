//! A usage report as a table for people, as CSV and as JSON for programs.

use crate::ledger::LedgerError;
use crate::ledger::export::{rfc3339, seconds};
use crate::ledger::totals::Sums;
use crate::ledger::usage::Report;
use crate::model::{NanoUsd, Usage};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

/// How a report is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// One header, one line each; for spreadsheets.
    Csv,
    /// One object.
    Json,
}

/// A text as a cell of CSV: what a spreadsheet would take for a formula stands behind an apostrophe.
pub fn cell(text: &str) -> Cow<'_, str> {
    let risky = text.starts_with(['=', '+', '-', '@', ';', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    // A single `-` stands for nobody.
    if risky && text != "-" { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// A figure: name, table heading, value.
type Figure = (&'static str, &'static str, Amount);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Count(u64),
    /// Milliseconds, told in seconds.
    Millis(u64),
    /// Told in USD.
    Nano(NanoUsd),
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(out, "{count}"),
            Self::Millis(millis) => write!(out, "{}.{:03}", millis / 1_000, millis % 1_000),
            Self::Nano(nano) => nano.fmt(out),
        }
    }
}

impl From<Amount> for Value {
    fn from(amount: Amount) -> Self {
        match amount {
            Amount::Count(count) => Self::from(count),
            Amount::Millis(millis) => Self::from(seconds(millis)),
            Amount::Nano(nano) => Self::from(nano.to_string()),
        }
    }
}

/// Requests that were refused, and those that triggered guardrails: counted beside attempts.
type Beside = (u64, u64);

/// The figures of a line. Inclusive at the edges: input holds cached tokens, output holds reasoning. A refused request is
/// no attempt.
fn figures(sums: &Sums, (refused, guardrails): Beside) -> [Figure; 19] {
    let usage = &sums.usage;
    let [image_input, image_output, images, seconds, characters, searches] = units(&sums.usage);
    [
        ("requests", "requests", Amount::Count(sums.requests)),
        ("attempts", "attempts", Amount::Count(sums.attempts)),
        ("errors", "errors", Amount::Count(sums.errors)),
        ("input_tokens", "input", Amount::Count(usage.input_total())),
        ("cache_read_tokens", "cached", Amount::Count(usage.cache_read)),
        ("cache_write_5m_tokens", "write 5m", Amount::Count(usage.cache_write_5m)),
        ("cache_write_1h_tokens", "write 1h", Amount::Count(usage.cache_write_1h)),
        ("output_tokens", "output", Amount::Count(usage.output_total())),
        ("reasoning_tokens", "reasoning", Amount::Count(usage.reasoning)),
        ("unpriced_attempts", "unpriced", Amount::Count(sums.unpriced)),
        ("refused_requests", "refused", Amount::Count(refused)),
        ("guardrails", "guardrails", Amount::Count(guardrails)),
        image_input,
        image_output,
        images,
        seconds,
        characters,
        searches,
        ("saved_usd", "saved usd", Amount::Nano(sums.saved)),
    ]
}

/// What is used beside text: the last of the figures.
fn units(usage: &Usage) -> [Figure; 6] {
    [
        ("image_input_tokens", "image in", Amount::Count(usage.image_input)),
        ("image_output_tokens", "image out", Amount::Count(usage.image_output)),
        ("images", "images", Amount::Count(usage.images)),
        ("audio_seconds", "seconds", Amount::Millis(usage.audio_ms)),
        ("characters", "characters", Amount::Count(usage.characters)),
        ("searches", "searches", Amount::Count(usage.searches)),
    ]
}

/// Writes a report.
///
/// # Errors
///
/// `Output`.
pub fn write(report: &Report, format: Format, out: &mut dyn Write) -> Result<(), LedgerError> {
    match format {
        Format::Table => table(report, out),
        Format::Csv => csv_lines(report, out),
        Format::Json => json_object(report, out),
    }
    .map_err(LedgerError::Output)
}

fn table(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (since, until) = (minute(report.since_us), minute(report.until_us));
    if report.lines.is_empty() {
        writeln!(out, "nothing was used since {since} UTC")?;
        return note(report, out);
    }
    let mut rows: Vec<Vec<String>> = Vec::with_capacity(report.lines.len() + 2);
    let headings = report.by.iter().map(|dimension| dimension.name().replace('_', " "));
    // For people: a column of what nobody used is left out, which keeps the usual table narrow.
    let [.., guardrails, a, b, c, d, e, f, saved] = figures(&report.total, (report.refused, report.guardrails));
    let used = [guardrails, a, b, c, d, e, f, saved];
    let used =
        used.map(|(_, _, used)| !matches!(used, Amount::Count(0) | Amount::Millis(0) | Amount::Nano(NanoUsd::ZERO)));
    let cells = |sums: &Sums, beside: Beside, cell: &dyn Fn(Figure) -> String, cost: &str| {
        let mut cells = cells(sums, beside, cell, cost);
        let units = cells.split_off(cells.len().saturating_sub(used.len()));
        cells.extend(units.into_iter().zip(used).filter(|(_, used)| *used).map(|(cell, _)| cell));
        cells
    };
    rows.push(
        headings.chain(cells(&Sums::default(), (0, 0), &|(_, heading, _)| heading.to_owned(), "cost usd")).collect(),
    );
    let value = &|(_, _, value): Figure| value.to_string();
    for line in &report.lines {
        let labels = line.labels.iter().map(|label| printable(label));
        rows.push(
            labels
                .chain(cells(&line.sums, (line.refused, line.guardrails), value, &line.sums.cost.to_string()))
                .collect(),
        );
    }
    if report.lines.len() > 1 && !report.by.is_empty() {
        let labels = (0..report.by.len()).map(|at| if at == 0 { "total" } else { "" }.to_owned());
        rows.push(
            labels
                .chain(cells(&report.total, (report.refused, report.guardrails), value, &report.total.cost.to_string()))
                .collect(),
        );
    }
    for row in &rows {
        writeln!(out, "{}", aligned(row, &rows, report.by.len()))?;
    }
    writeln!(out, "\nfrom {since} to {until} UTC")?;
    note(report, out)
}

/// The cells of a line behind its labels; the cost stands before what is unpriced.
fn cells(sums: &Sums, beside: Beside, cell: impl Fn(Figure) -> String, cost: &str) -> Vec<String> {
    let figures = figures(sums, beside);
    let unpriced = figures.iter().position(|(name, ..)| *name == "unpriced_attempts").unwrap_or_default();
    let mut cells: Vec<String> = figures.into_iter().map(cell).collect();
    cells.insert(unpriced, cost.to_owned());
    cells
}

/// Users are named by clients: nothing they write may reach the terminal as a command.
pub(crate) fn printable(label: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    label.chars().map(escaped).collect()
}

/// One line: the first `labels` cells to the left, figures to the right.
pub(crate) fn aligned(row: &[String], rows: &[Vec<String>], labels: usize) -> String {
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let cells = row.iter().enumerate().map(|(at, cell)| {
        let width = width(at).unwrap_or(0);
        if at < labels { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// How fresh and how whole the figures are.
fn note(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "complete to the last settled attempt; {} still under way", report.open)?;
    if report.total.unpriced > 0 {
        writeln!(out, "{} attempts have no known price: their cost is in no figure", report.total.unpriced)?;
    }
    if report.damaged > 0 {
        writeln!(out, "{} places of the journal are damaged: run `weighbridge ledger verify`", report.damaged)?;
    }
    Ok(())
}

fn csv_lines(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let names = report.by.iter().map(|dimension| dimension.name().to_owned());
    let header = names.chain(cells(&Sums::default(), (0, 0), |(name, _, _)| name.to_owned(), "cost_usd"));
    csv.write_record(header.collect::<Vec<_>>())?;
    for line in &report.lines {
        let figures = cells(
            &line.sums,
            (line.refused, line.guardrails),
            |(_, _, value)| value.to_string(),
            &line.sums.cost.to_string(),
        );
        csv.write_record(line.labels.iter().map(|label| cell(label).into_owned()).chain(figures).collect::<Vec<_>>())?;
    }
    csv.flush()
}

fn json_object(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let lines: Vec<Value> = report
        .lines
        .iter()
        .map(|line| {
            let names = report.by.iter().map(|dimension| dimension.name().to_owned());
            let mut object: Map<String, Value> = names.zip(line.labels.iter().cloned().map(Value::from)).collect();
            object.extend(sums_object(&line.sums, (line.refused, line.guardrails)));
            Value::from(object)
        })
        .collect();
    let whole = json!({
        "since": rfc3339(report.since_us),
        "until": rfc3339(report.until_us),
        "open_attempts": report.open,
        "unfolded_attempts": report.unfolded,
        "damaged": report.damaged,
        "lines": lines,
        "total": sums_object(&report.total, (report.refused, report.guardrails)),
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    out.write_all(b"\n")
}

fn sums_object(sums: &Sums, beside: Beside) -> Map<String, Value> {
    let mut object: Map<String, Value> =
        figures(sums, beside).into_iter().map(|(name, _, value)| (name.to_owned(), Value::from(value))).collect();
    object.insert("cost_usd".to_owned(), Value::from(sums.cost.to_string()));
    object.insert("cost_nano_usd".to_owned(), Value::from(sums.cost.0));
    object.insert("saved_nano_usd".to_owned(), Value::from(sums.saved.0));
    object
}

/// `2026-11-01 08:00`
pub(crate) fn minute(time_us: u64) -> String {
    rfc3339(time_us).chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
