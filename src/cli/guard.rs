//! `weighbridge guard`: what a guardrail would do about a text, by the configuration alone.

use super::{CliError, ConfigArgs, run};
use crate::{
    config::{Hook, nearest},
    ledger::{
        LedgerError,
        findings::{
            render,
            report::{Dimension, Query, answer},
        },
        render::Format,
        usage::since,
    },
    model::{Clock as _, SystemClock},
};
use clap::ValueEnum;
use std::io::{Read as _, Write};
use std::path::PathBuf;

/// Tries guardrails, and tells which were triggered
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Guard {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Has a guardrail look at the text of standard input, and prints what would go out
    ///
    /// What was found is told on standard error. Exit 1: the text would be refused.
    #[command(after_help = EXAMPLES)]
    Test(Test),
    /// Which guardrails were triggered, by whom, and what they did
    ///
    /// Reads the state directory; works while the gateway runs and after a crash. `requests`: in which something was found;
    /// `acted`: of them, those that were refused or changed (not: audited, only flagged); `findings`: things found. A request
    /// counts once a line; where lines put several guardrails together, once for each of them.
    #[command(after_help = REPORT_EXAMPLES)]
    Report(Report),
}

#[derive(Debug, clap::Args)]
struct Report {
    /// The state directory; default: `state.dir` of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    state: Option<PathBuf>,
    /// The configuration that names the state directory
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Split by: guardrail, kind, entity, side, action, team, key, model, user, day, hour
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "guardrail,action")]
    by: Vec<Dimension>,
    /// From when on: an age (`24h`, `7d`, `4w`), a date or an RFC 3339 time; rounded down to the hour, UTC
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    /// Only this team
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Only this guardrail
    #[arg(long, value_name = "NAME")]
    guardrail: Option<String>,
    /// How to write it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Report {
    fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let dir = super::state_dir(self.state.as_deref(), self.config.as_deref())?;
        let now_us = SystemClock.now_us();
        let since_us = since(&self.since, now_us).map_err(CliError::failed)?;
        let only = [(Dimension::Team, self.team), (Dimension::Guardrail, self.guardrail)];
        let only = only.into_iter().filter_map(|(dimension, value)| Some((dimension, value?))).collect();
        let report = answer(&dir, &Query { by: self.by, since_us, until_us: None, only }, now_us);
        match report.and_then(|report| render::write(&report, self.format, out)) {
            Err(LedgerError::Output(error)) => Err(CliError::Output(error)),
            written => written.map_err(CliError::failed),
        }
    }
}

#[derive(Debug, clap::Args)]
struct Test {
    #[command(flatten)]
    config: ConfigArgs,
    /// The guardrail's name
    #[arg(long, value_name = "NAME")]
    guard: String,
    /// What the text is
    #[arg(long, value_enum, default_value_t = Place::Input)]
    on: Place,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Place {
    /// What a user says; for `model_policy` the body of a chat
    Input,
    /// What a model says
    Output,
    /// Arguments of a tool, which are JSON
    ToolCall,
    /// What a tool answered
    ToolResult,
}

impl Guard {
    /// Tries it, writing what would go out to `out` and the rest to `err`.
    pub(super) fn run(self, out: &mut impl Write, err: &mut impl Write) -> Result<(), CliError> {
        let Test { config, guard: name, on } = match self.command {
            Command::Test(test) => test,
            Command::Report(report) => return report.run(out),
        };
        let (_, snapshot) = run::load(&config.path()?).map_err(CliError::Config)?;
        let Some(guard) = snapshot.guards.named(&name) else {
            let names: Vec<&str> = snapshot.guards.all().iter().map(|guard| &*guard.name).collect();
            let hint = match nearest(&name, names.iter().copied()) {
                Some(meant) => format!("; did you mean `{meant}`?"),
                None if names.is_empty() => "; none is defined under `guardrails`".to_owned(),
                None => format!("; there are `{}`", names.join("`, `")),
            };
            return Err(CliError::Failed(format!("there is no guardrail `{name}`{hint}")));
        };
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        let hook = match on {
            Place::Input => Hook::Input,
            Place::Output => Hook::Output,
            Place::ToolCall => Hook::ToolCall,
            Place::ToolResult => Hook::ToolResult,
        };
        let trial = snapshot.guards.trial(guard, hook, &text).map_err(CliError::failed)?;
        let said = if trial.verdicts.is_empty() { "nothing found".to_owned() } else { trial.verdicts.line() };
        writeln!(err, "{said}")?;
        if let Some(refused) = trial.refused {
            let why = refused.why.map_or_else(String::new, |why| format!(" ({why})"));
            writeln!(err, "refused: guardrail `{}` found `{}`{why}", refused.guard, refused.entity)?;
            return Err(CliError::Said);
        }
        write!(out, "{}", trial.text.unwrap_or_default())?;
        Ok(())
    }
}

const EXAMPLES: &str = "\
Examples:
  weighbridge guard test --guard attacks --on tool_result < page.txt
  echo 'Write to ann.lee@example.com' | weighbridge guard test -c conf/examples/guardrails.yaml --guard no-pii";

const REPORT_EXAMPLES: &str = "\
Examples:
  weighbridge guard report                                      by guardrail and action, the last 7 days
  weighbridge guard report --by guardrail,entity,side --team search --since 24h
  weighbridge guard report --by day,team,guardrail --since 2026-11-01 --format csv > november.csv";
