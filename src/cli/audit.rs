//! `weighbridge audit`: the log of acts by the admin API. Reads the state directory only.

use super::CliError;
use super::client::table;
use crate::admin::audit::{read, verify};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The log of acts by the admin API
///
/// Reads the state directory only; works while the gateway runs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The state directory; default: `state.dir` of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config", global = true)]
    pub state: Option<PathBuf>,
    /// The configuration that names the state directory
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Prove that no line was changed, moved or taken out; exit status 1 and each discrepancy if not
    #[command(after_help = EXAMPLES)]
    Verify,
    /// Show acts, oldest first
    #[command(after_help = EXAMPLES)]
    Show {
        /// Only lines behind this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 1000)]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Does it on `state_dir`.
pub(super) fn run(args: &Args, state_dir: &Path, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let unreadable = |error: std::io::Error| CliError::Failed(format!("the audit log cannot be read: {error}"));
    match &args.what {
        What::Verify => {
            let proof = verify(state_dir).map_err(unreadable)?;
            writeln!(out, "audit    {} lines", proof.lines)?;
            if proof.torn_bytes > 0 {
                let torn = proof.torn_bytes;
                writeln!(out, "         {torn} bytes that a crash cut off; the next start removes them")?;
            }
            for problem in &proof.problems {
                writeln!(out, "WRONG    {problem}")?;
            }
            let whole = proof.problems.is_empty();
            writeln!(out, "the audit log is {}", if whole { "whole" } else { "NOT whole" })?;
            out.flush()?;
            Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        What::Show { after, limit, json } => {
            let lines = read(state_dir, *after, *limit).map_err(unreadable)?;
            if *json {
                for line in &lines {
                    serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
                    writeln!(out)?;
                }
            } else {
                let row = |line: &crate::admin::audit::Line| {
                    let changed = if line.changed.is_empty() {
                        String::new()
                    } else {
                        serde_json::json!(line.changed).to_string()
                    };
                    let cells = [line.seq.to_string(), line.time.clone(), line.actor.shown(), line.action.clone()];
                    cells.into_iter().chain([line.object.clone(), line.outcome.clone(), changed]).collect()
                };
                let headings = ["seq", "time", "actor", "action", "object", "outcome", "changed"];
                write!(out, "{}", table(&headings, &lines.iter().map(row).collect::<Vec<_>>()))?;
            }
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  weighbridge audit verify
  weighbridge audit show --after 100 --json";
