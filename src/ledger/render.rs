//! A usage report as a table for people, as CSV and as JSON for programs.

use crate::ledger::LedgerError;
use crate::ledger::export::rfc3339;
use crate::ledger::totals::Sums;
use crate::ledger::usage::Report;
use serde_json::{Map, Value, json};
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

/// The figures of a line: name, table heading, value. Inclusive at the edges: input holds cached tokens, output
/// holds reasoning. A refused request is no attempt.
fn figures(sums: &Sums, refused: u64) -> [(&'static str, &'static str, u64); 11] {
    let usage = &sums.usage;
    [
        ("requests", "requests", sums.requests),
        ("attempts", "attempts", sums.attempts),
        ("errors", "errors", sums.errors),
        ("input_tokens", "input", usage.input_total()),
        ("cache_read_tokens", "cached", usage.cache_read),
        ("cache_write_5m_tokens", "write 5m", usage.cache_write_5m),
        ("cache_write_1h_tokens", "write 1h", usage.cache_write_1h),
        ("output_tokens", "output", usage.output_total()),
        ("reasoning_tokens", "reasoning", usage.reasoning),
        ("unpriced_attempts", "unpriced", sums.unpriced),
        ("refused_requests", "refused", refused),
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
    rows.push(headings.chain(cells(&Sums::default(), 0, |(_, heading, _)| heading.to_owned(), "cost usd")).collect());
    let value = |(_, _, value): (&str, &str, u64)| value.to_string();
    for line in &report.lines {
        let labels = line.labels.iter().map(|label| printable(label));
        rows.push(labels.chain(cells(&line.sums, line.refused, value, &line.sums.cost.to_string())).collect());
    }
    if report.lines.len() > 1 && !report.by.is_empty() {
        let labels = (0..report.by.len()).map(|at| if at == 0 { "total" } else { "" }.to_owned());
        rows.push(labels.chain(cells(&report.total, report.refused, value, &report.total.cost.to_string())).collect());
    }
    for row in &rows {
        writeln!(out, "{}", aligned(row, &rows, report.by.len()))?;
    }
    writeln!(out, "\nfrom {since} to {until} UTC")?;
    note(report, out)
}

/// The cells of a line behind its labels; the cost stands before what is unpriced.
fn cells(
    sums: &Sums,
    refused: u64,
    cell: impl Fn((&'static str, &'static str, u64)) -> String,
    cost: &str,
) -> Vec<String> {
    let mut cells: Vec<String> = figures(sums, refused).into_iter().map(cell).collect();
    cells.insert(cells.len().saturating_sub(2), cost.to_owned());
    cells
}

/// Users are named by clients: nothing they write may reach the terminal as a command.
fn printable(label: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    label.chars().map(escaped).collect()
}

/// One line: the first `labels` cells to the left, figures to the right.
fn aligned(row: &[String], rows: &[Vec<String>], labels: usize) -> String {
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
    let header = names.chain(cells(&Sums::default(), 0, |(name, _, _)| name.to_owned(), "cost_usd"));
    csv.write_record(header.collect::<Vec<_>>())?;
    for line in &report.lines {
        let figures = cells(&line.sums, line.refused, |(_, _, value)| value.to_string(), &line.sums.cost.to_string());
        csv.write_record(line.labels.iter().cloned().chain(figures).collect::<Vec<_>>())?;
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
            object.extend(sums_object(&line.sums, line.refused));
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
        "total": sums_object(&report.total, report.refused),
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    out.write_all(b"\n")
}

fn sums_object(sums: &Sums, refused: u64) -> Map<String, Value> {
    let mut object: Map<String, Value> =
        figures(sums, refused).into_iter().map(|(name, _, value)| (name.to_owned(), Value::from(value))).collect();
    object.insert("cost_usd".to_owned(), Value::from(sums.cost.to_string()));
    object.insert("cost_nano_usd".to_owned(), Value::from(sums.cost.0));
    object
}

/// `2026-11-01 08:00`
fn minute(time_us: u64) -> String {
    rfc3339(time_us).chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
