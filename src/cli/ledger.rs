//! `weighbridge ledger verify` and `weighbridge ledger export`.

use crate::config::Config;
use crate::ledger::export::{Filter, export};
use crate::ledger::findings;
use crate::ledger::rerate::{Change, Period, Rated, Rerating, preview};
use crate::ledger::usage::since;
use crate::ledger::verify::{Verification, verify};
use crate::ledger::{Ledger, LedgerError, LedgerMetrics};
use crate::model::{Clock, NanoUsd, SystemClock};
use crate::proxy::Snapshot;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The ledger's proof and its rows.
///
/// All but `rerate --apply` read the state directory only; they work while the gateway runs and right after a crash.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The state directory; default: `state.dir` of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config", global = true)]
    pub state: Option<PathBuf>,
    /// The configuration that names the state directory
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with the ledger.
#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// Prove that the ledger is whole and that all its sums are equal; exit status 1 and each discrepancy if not
    #[command(after_help = "Examples:\n  weighbridge ledger verify -c /etc/weighbridge/weighbridge.yaml")]
    Verify,
    /// Write one JSON object a line and attempt, ordered by time
    #[command(after_help = "Examples:
  weighbridge ledger export > attempts.jsonl
  weighbridge ledger export --since 24h --team search | jq -s 'map(.cost_nano_usd) | add'
  weighbridge ledger export --findings --since 7d > findings.jsonl")]
    Export {
        /// From when on: an age (`24h`, `7d`), a date or an RFC 3339 time
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only this key
        #[arg(long, value_name = "NAME")]
        key: Option<String>,
        /// Only this team
        #[arg(long, value_name = "NAME")]
        team: Option<String>,
        /// In place of attempts, one object a record of what guardrails found, also in requests that they refused
        #[arg(long)]
        findings: bool,
    },
    /// Rate a period anew at the configured prices; without `--apply` it only tells what would change
    ///
    /// Attempts keep their rows: what a price made too much or too little is written as corrections of them, and
    /// totals, reports and budgets follow. With `--apply` the gateway must not run on the state directory.
    #[command(after_help = "Examples:
  weighbridge ledger rerate --since 2026-11-01 --until 2026-11-15 -c weighbridge.yaml
  weighbridge ledger rerate --since 7d --model openai/gpt-4o-mini --apply")]
    Rerate(Rerate),
}

/// Which attempts are rated anew.
#[derive(Debug, clap::Args)]
pub struct Rerate {
    /// From when on: an age (`24h`, `7d`), a date or an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    pub since: String,
    /// Until when; default: now
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only this model of this provider
    #[arg(long, value_name = "PROVIDER/MODEL")]
    pub model: Option<String>,
    /// Write the corrections
    #[arg(long)]
    pub apply: bool,
}

/// Does it on `state_dir`.
///
/// # Errors
///
/// When the ledger cannot be read, or an argument means nothing (`LedgerError::Argument`: exit status 2).
pub fn run(args: &Args, state_dir: &Path, out: &mut dyn Write) -> Result<ExitCode, LedgerError> {
    let done = match &args.what {
        What::Rerate(_) => {
            Err(LedgerError::Argument("rating anew needs the configuration: leave `--state` out".to_owned()))
        }
        What::Verify => {
            let found = verify(state_dir)?;
            let status = if found.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            summary(&found, out).map_err(LedgerError::Output).map(|()| status)
        }
        What::Export { since: from, key, team, findings: only_findings } => {
            let now_us = SystemClock.now_us();
            let since_us = from.as_deref().map(|text| since(text, now_us)).transpose()?;
            let filter = Filter { since_us, key: key.clone(), team: team.clone() };
            let mut out = io::BufWriter::with_capacity(64 * 1024, out);
            let export = if *only_findings { findings::export::export } else { export };
            let written = export(state_dir, &filter, &mut out);
            written.and_then(|_| out.flush().map_err(LedgerError::Output)).map(|()| ExitCode::SUCCESS)
        }
    };
    match done {
        // The reader has seen enough (`| head`).
        Err(LedgerError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        done => done,
    }
}

/// Rates a period of the configuration's ledger anew.
///
/// # Errors
///
/// As [`run`]; `Locked` when a gateway runs and `apply` is asked for.
pub fn rerate(
    args: &Rerate,
    (config, snapshot): (&Config, &Snapshot),
    out: &mut dyn Write,
) -> Result<ExitCode, LedgerError> {
    let clock = SystemClock;
    let now_us = clock.now_us();
    let until_us = args.until.as_deref().map_or(Ok(now_us), |text| since(text, now_us))?;
    let target = args.model.as_deref().map(|name| {
        let wrong = || LedgerError::Argument(format!("`{name}` is no target: write `provider/model`"));
        name.split_once('/').map(|(provider, model)| (provider.to_owned(), model.to_owned())).ok_or_else(wrong)
    });
    let period = Period { since_us: since(&args.since, now_us)?, until_us, target: target.transpose()? };
    let price = |rated: Rated<'_>| price_of(config, snapshot, rated);
    let found = if args.apply {
        let metrics = LedgerMetrics::register(&prometheus::Registry::new())
            .map_err(|error| LedgerError::Argument(error.to_string()))?;
        let ledger = Ledger::open(&config.state, Arc::new(clock), metrics)?;
        let found = ledger.rerate(&period, &price);
        ledger.close();
        found?
    } else {
        preview(&config.state.dir, &period, &price, now_us)?
    };
    changes(&found, args.apply, out).map_err(LedgerError::Output).map(|()| ExitCode::SUCCESS)
}

/// What an attempt costs today: at the target of the model that was asked for, else of any model.
fn price_of(config: &Config, snapshot: &Snapshot, rated: Rated<'_>) -> Option<(NanoUsd, Arc<str>)> {
    let first = [rated.model].into_iter();
    let mut names = first.chain(config.models.keys().map(|name| &**name));
    let target = names.find_map(|name| {
        let mut targets = snapshot.table.find(name)?.targets.iter();
        targets.find(|target| *target.provider_name == *rated.provider && *target.model == *rated.target_model)
    })?;
    let price = target.price.as_ref()?;
    let cost = price.cost(rated.usage, rated.tier).ok()?;
    Some((cost, Arc::clone(price.version())))
}

fn changes(found: &Rerating, applied: bool, out: &mut dyn Write) -> io::Result<()> {
    for ((provider, model), change) in &found.targets {
        let Change { attempts, before, after } = change;
        let difference = NanoUsd(after.0.saturating_sub(before.0));
        writeln!(out, "{provider}/{model}: {attempts} attempts, {before} -> {after} USD ({difference})")?;
    }
    let Rerating { attempts, corrected, unpriced, .. } = found;
    writeln!(out, "{attempts} attempts looked at, {corrected} with another cost, {unpriced} without a price today")?;
    match (applied, *corrected) {
        (_, 0) => writeln!(out, "nothing to correct"),
        (true, _) => writeln!(out, "corrected: the attempts' rows stay, the differences are rows of their own"),
        (false, _) => writeln!(out, "nothing was changed: `--apply` writes the corrections"),
    }
}

fn summary(found: &Verification, out: &mut dyn Write) -> io::Result<()> {
    let Verification { segments, frames, journaled, unfolded, open, rows, dropped, total, .. } = found;
    writeln!(
        out,
        "journal  {segments} segments, {frames} records, {journaled} settled attempts, {unfolded} not folded yet"
    )?;
    writeln!(out, "store    {rows} rows, {} dropped by retention", dropped.attempts)?;
    if found.dropped_segments > 0 {
        writeln!(out, "         {} segments dropped by retention, their hashes are kept", found.dropped_segments)?;
    }
    let (input, output) = (total.usage.input_total(), total.usage.output_total());
    writeln!(
        out,
        "sums     {} attempts, {input} input and {output} output tokens, {} USD",
        total.attempts, total.cost
    )?;
    if found.balances > 0 || found.corrections > 0 {
        writeln!(out, "budgets  {} balances; {} corrections of costs", found.balances, found.corrections)?;
    }
    if found.findings > 0 {
        writeln!(out, "guards   {} records of what guardrails found", found.findings)?;
    }
    writeln!(out, "open     {open} under way, {} left open by a crash", found.crashed)?;
    if found.torn_bytes > 0 {
        writeln!(out, "         {} bytes that a crash cut off; the next start removes them", found.torn_bytes)?;
    }
    for problem in &found.problems {
        writeln!(out, "WRONG    {problem}")?;
    }
    match (found.problems.len() as u64).saturating_add(found.more_problems) {
        0 => writeln!(out, "the ledger is whole"),
        count => writeln!(out, "the ledger is NOT whole: {count} discrepancies"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, run};
    use clap::{CommandFactory, FromArgMatches, Parser};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        let matches = Program::command().try_get_matches_from(line.split(' ')).expect("a valid command line");
        Program::from_arg_matches(&matches).expect("a valid command line").args
    }

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
        assert!(args("ledger export --since 24h --team search --state /tmp/x").state.is_some());
        assert!(args("ledger verify -c weighbridge.yaml").config.is_some());
    }

    #[test]
    fn an_empty_ledger_is_whole_and_a_directory_without_one_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut out = Vec::new();
        assert!(run(&args("ledger verify"), dir.path(), &mut out).is_err());
        std::fs::create_dir(dir.path().join("journal")).expect("a directory");
        run(&args("ledger verify"), dir.path(), &mut out).expect("readable");
        let told = String::from_utf8(out).expect("text");
        assert!(told.ends_with("the ledger is whole\n"), "{told}");
    }
}
