//! `weighbridge status`: what is going on in a running gateway, by its admin API.

use super::CliError;
use super::client::{Admin, AdminArgs, Format, cell, table};
use super::keys::raw;
use crate::config::moment;
use clap::Args;
use http::Method;
use serde_json::{Value, json};
use std::io::Write;

/// What is going on in a running gateway now
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Status {
    #[command(flatten)]
    admin: AdminArgs,
}

impl Status {
    /// Does it, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let admin = Admin::find(&self.admin)?;
        let told = admin.call(Method::GET, "/status", None)?;
        let targets = admin.call(Method::GET, "/targets", None)?;
        let targets = &targets["targets"];
        if self.admin.format == Format::Json {
            return raw(&json!({ "status": told, "targets": targets }), out);
        }
        write!(out, "{}", words(&told))?;
        let rows: Vec<Vec<String>> = targets.as_array().into_iter().flatten().map(row).collect();
        write!(out, "\n{}", table(&["provider", "model", "state", "reason", "open", "failures", "until"], &rows))?;
        Ok(out.flush()?)
    }
}

fn words(told: &Value) -> String {
    let (health, reload) = (&told["health"], &told["reload"]);
    let ready = match health["ready"].as_bool() {
        Some(true) => "yes".to_owned(),
        _ => format!("no: {}", cell(&health["reason"])),
    };
    let uptime = told["uptime_seconds"].as_u64().map(uptime).unwrap_or_default();
    let last = match &reload["last"] {
        Value::Null => "never".to_owned(),
        last => {
            let message = last["message"].as_str().map_or_else(String::new, |message| format!(": {message}"));
            format!("{} at {} by {}{message}", cell(&last["outcome"]), cell(&last["time"]), cell(&last["cause"]))
        }
    };
    let lag = format!("{} rows, {} s", cell(&health["ledger_lag_rows"]), cell(&health["ledger_lag_seconds"]));
    let counts = ["keys", "teams", "models"].map(|member| format!("{} {member}", cell(&told[member]))).join(", ");
    let file = reload["file"].as_str().unwrap_or("embedded");
    let mut lines = vec![
        ("version", cell(&told["version"])),
        ("process", format!("{}, up {uptime}", cell(&told["pid"]))),
        ("ready", ready),
        ("open requests", cell(&health["open_requests"])),
        ("buffered", format!("{} bytes", cell(&health["buffered_bytes"]))),
        ("ledger lag", lag),
        ("serves", counts),
        (
            "configuration",
            format!("{file}, generation {}, read {}", cell(&reload["generation"]), cell(&reload["loaded"])),
        ),
        ("last reload", last),
    ];
    if reload["needs_restart"].as_array().is_some_and(|waiting| !waiting.is_empty()) {
        lines.push(("waits for a restart", cell(&reload["needs_restart"])));
    }
    lines.iter().map(|(name, text)| format!("{name:<20}{text}\n")).collect()
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

fn row(target: &Value) -> Vec<String> {
    let until = target["until_us"].as_u64().map_or_else(|| "-".to_owned(), moment::show);
    let cells = ["provider", "model", "state", "reason", "in_flight", "failures"].map(|member| cell(&target[member]));
    cells.into_iter().chain([until]).collect()
}

const EXAMPLES: &str = "\
Examples:
  weighbridge status
  weighbridge status --format json | jq .status.reload.last";

#[cfg(test)]
mod tests {
    use super::{uptime, words};
    use serde_json::json;

    #[test]
    fn how_long_it_runs_is_told_in_two_units_at_most() {
        let cases = [(59, "59 s"), (60, "1 min"), (3_661, "1 h 1 min"), (90_000, "1 d 1 h")];
        for (seconds, want) in cases {
            assert_eq!(uptime(seconds), want);
        }
    }

    #[test]
    fn a_refused_reload_is_told_with_its_reason() {
        let last = json!({ "outcome": "refused", "time": "T", "cause": "signal", "message": "w.yaml:3: models.m: no" });
        let told = json!({ "health": { "ready": true }, "reload": { "last": last, "generation": 4, "needs_restart": ["server.threads"] } });
        let text = words(&told);
        assert!(text.contains("refused at T by signal: w.yaml:3: models.m: no\n"), "{text}");
        assert!(text.contains("waits for a restart server.threads\n"), "{text}");
    }
}
