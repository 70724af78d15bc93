//! A report of findings as a table for people, as CSV and as JSON for programs.

use super::{Figures, report::Report};
use crate::ledger::{
    LedgerError,
    export::rfc3339,
    render::{Format, aligned, cell, minute, printable},
};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

const fn figures(figures: &Figures) -> [(&'static str, u64); 3] {
    [("requests", figures.requests), ("acted_requests", figures.acted), ("findings", figures.findings)]
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
        return writeln!(out, "no guardrail was triggered since {since} UTC");
    }
    let values = |sums: &Figures| figures(sums).map(|(_, value)| value.to_string());
    let headings = report.by.iter().map(|dimension| dimension.name().to_owned());
    let mut rows: Vec<Vec<String>> =
        vec![headings.chain(["requests", "acted", "findings"].map(str::to_owned)).collect()];
    for line in &report.lines {
        rows.push(line.labels.iter().map(|label| printable(label)).chain(values(&line.figures)).collect());
    }
    if report.lines.len() > 1 && !report.by.is_empty() {
        let labels = (0..report.by.len()).map(|at| if at == 0 { "total" } else { "" }.to_owned());
        rows.push(labels.chain(values(&report.total)).collect());
    }
    for row in &rows {
        writeln!(out, "{}", aligned(row, &rows, report.by.len()))?;
    }
    writeln!(
        out,
        "\nfrom {since} to {until} UTC; acted: requests that were refused or changed, not audited or flagged"
    )?;
    if report.damaged > 0 {
        writeln!(out, "{} places of the journal are damaged: run `weighbridge ledger verify`", report.damaged)?;
    }
    Ok(())
}

fn csv_lines(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let names = report.by.iter().map(|dimension| dimension.name());
    csv.write_record(names.chain(figures(&report.total).map(|(name, _)| name)))?;
    for line in &report.lines {
        let values = figures(&line.figures).map(|(_, value)| value.to_string());
        csv.write_record(line.labels.iter().map(|label| cell(label).into_owned()).chain(values))?;
    }
    csv.flush()
}

fn json_object(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let object = |sums: &Figures| figures(sums).into_iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    let lines: Vec<Value> = report
        .lines
        .iter()
        .map(|line| {
            let names = report.by.iter().map(|dimension| dimension.name().to_owned());
            let labels = names.zip(line.labels.iter().cloned().map(Value::from));
            Value::from(labels.chain(object(&line.figures)).collect::<Map<_, _>>())
        })
        .collect();
    let whole = json!({
        "since": rfc3339(report.since_us),
        "until": rfc3339(report.until_us),
        "damaged": report.damaged,
        "lines": lines,
        "total": object(&report.total).collect::<Map<_, _>>(),
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    out.write_all(b"\n")
}
