//! `weighbridge usage`: what was spent.

use crate::ledger::LedgerError;
use crate::ledger::render::{self, Format};
use crate::ledger::usage::{Dimension, report, since};
use crate::model::{Clock, SystemClock};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What was spent, by whom and on what.
///
/// Reads the state directory; works while the gateway runs and after a crash. Requests are counted at their first
/// attempt, attempts at each target. Input tokens include cached ones, output tokens include reasoning. `guardrails` are the
/// requests in which, or in whose answers, a guardrail refused or changed something: see `weighbridge guard report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  weighbridge usage                                   by team, the last 7 days
  weighbridge usage --by team,model --since 24h
  weighbridge usage --by day,key --since 2026-11-01 --format csv > november.csv")]
pub struct Args {
    /// The state directory; default: `state.dir` of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub state: Option<PathBuf>,
    /// The configuration that names the state directory
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Split by: team, key, model, provider, target_model, user, day, hour
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "team")]
    pub by: Vec<Dimension>,
    /// From when on: an age (`24h`, `7d`, `4w`), a date or an RFC 3339 time; rounded down to the hour, UTC
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub since: String,
    /// How to write it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Writes the report of `state_dir` to `out`.
///
/// # Errors
///
/// When the ledger cannot be read, or an argument means nothing (`LedgerError::Argument`: exit status 2).
pub fn run(args: &Args, state_dir: &Path, out: &mut dyn Write) -> Result<ExitCode, LedgerError> {
    let now_us = SystemClock.now_us();
    let report = report(state_dir, &args.by, since(&args.since, now_us)?, now_us)?;
    match render::write(&report, args.format, out) {
        // The reader has seen enough (`| head`).
        Err(LedgerError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.map(|()| ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, run};
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn what_cannot_be_split_by_is_refused_with_what_can() {
        let refused = Program::try_parse_from(["usage", "--by", "team,mode"]).err().expect("`mode` is nothing");
        assert!(refused.to_string().contains("`model`"), "{refused}");
    }

    #[test]
    fn an_empty_ledger_says_that_nothing_was_used() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("journal")).expect("a directory");
        let program = Program::try_parse_from(["usage", "--by", "team,day"]).expect("a valid command line");
        let mut out = Vec::new();
        run(&program.args, dir.path(), &mut out).expect("readable");
        assert!(String::from_utf8(out).expect("text").starts_with("nothing was used since "));
    }
}
