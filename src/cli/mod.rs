//! The command line: what the subcommands are called, what they take, and their exit codes. One file a subcommand.
//!
//! Exit codes: 0 done; 1 failed, with the reason on standard error; 2 not understood (clap's).

mod audit;
mod budgets;
mod check;
mod client;
mod completions;
mod demo;
mod explain;
mod guard;
mod import;
mod keys;
mod ledger;
mod records;
mod run;
mod simulate;
mod cache;
mod targets;
mod reload;
mod status;
mod teams;
mod upgrade;
mod usage;

use crate::app::trial;
use crate::config::ConfigErrors;
use crate::ledger::LedgerError;
use clap::{Args, Parser, Subcommand};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Why a command failed. The text is for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Neither of the default files is there.
    #[error(
        "there is no configuration: neither `{}` nor `{}` exists; name one with `-c FILE`, or try `weighbridge demo`, \
         which needs none",
        DEFAULT_CONFIGS[0],
        DEFAULT_CONFIGS[1]
    )]
    NoConfig,
    /// The operating system has no randomness to give.
    #[error("no key can be made: the operating system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The terminal or pipe did not take the output.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
    /// The configuration has mistakes.
    #[error("the configuration has mistakes:\n{0}")]
    Config(ConfigErrors),
    /// It was said already: only the exit code is left to give.
    #[error("failed")]
    Said,
    /// Anything else, in its own words.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

/// An AI gateway: one binary between applications and their model providers, exact about money.
#[derive(Debug, Parser)]
#[command(name = "weighbridge", version, arg_required_else_help = true, after_help = MAIN_EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves
    #[command(after_help = RUN_EXAMPLES)]
    Run(run::Args),
    /// Serves with an embedded configuration and a simulated provider: needs no credentials and no files
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(demo::Args),
    /// Validates a configuration completely and prints what it resolves to, secrets masked
    #[command(after_help = CHECK_EXAMPLES)]
    Check(ConfigArgs),
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(simulate::Args),
    #[command(after_help = USAGE_EXAMPLES)]
    Usage(usage::Args),
    Keys(keys::Keys),
    Teams(teams::Teams),
    Budgets(budgets::Budgets),
    Targets(targets::Targets),
    Cache(cache::Kept),
    Explain(explain::Args),
    Guard(guard::Guard),
    Records(records::Records),
    Status(status::Status),
    Reload(reload::Reload),
    Upgrade(upgrade::Upgrade),
    Audit(audit::Args),
    ImportLitellm(import::Args),
    Completions(completions::Completions),
    Man(completions::Man),
    #[command(after_help = LEDGER_EXAMPLES)]
    Ledger(ledger::Args),
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// Configuration file [default: conf/weighbridge.yaml, else /etc/weighbridge/weighbridge.yaml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file that was named (whether or not it is there: the loader says so better), else the first default that
    /// exists.
    ///
    /// # Errors
    ///
    /// [`CliError::NoConfig`], naming both defaults.
    pub fn path(&self) -> Result<PathBuf, CliError> {
        self.path_among(&DEFAULT_CONFIGS.map(Path::new))
    }

    fn path_among(&self, defaults: &[&Path]) -> Result<PathBuf, CliError> {
        if let Some(named) = &self.config {
            return Ok(named.clone());
        }
        let found = defaults.iter().find(|path| path.exists());
        found.map(|path| path.to_path_buf()).ok_or(CliError::NoConfig)
    }
}

/// Runs the command that the process was started with. The binary's `main` calls this and nothing else.
pub fn main() -> ExitCode {
    // Prints usage errors and help itself, and leaves with 2 or 0.
    let cli = Cli::parse();
    match execute(cli.command) {
        Ok(code) => code,
        // `weighbridge usage | head`: nobody reads on, which is no failure to report.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(CliError::Said) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("weighbridge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Run(args) => done(run::run(&args)),
        Command::Demo(args) => done(demo::run(args)),
        Command::Check(args) => done(run::check(&args.path()?)),
        Command::Simulate(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            done(runtime.block_on(simulate::run(args)).map_err(|error| CliError::Failed(with_causes(&error))))
        }
        Command::Usage(args) => {
            let state = state_dir(args.state.as_deref(), args.config.as_deref())?;
            leave_with(usage::run(&args, &state, &mut io::stdout().lock()))
        }
        Command::Keys(keys) => done(keys.run(&mut io::stdout().lock())),
        Command::Teams(teams) => done(teams.run(&mut io::stdout().lock())),
        Command::Budgets(budgets) => done(budgets.run(&mut io::stdout().lock())),
        Command::Targets(targets) => done(targets.run(&mut io::stdout().lock())),
        Command::Cache(cache) => done(cache.run(&mut io::stdout().lock())),
        Command::Explain(explain) => done(explain.run(&mut io::stdout().lock())),
        Command::Status(status) => done(status.run(&mut io::stdout().lock())),
        Command::Upgrade(upgrade) => done(upgrade.run(&mut io::stdout().lock())),
        Command::Reload(reload) => done(reload.run(&mut io::stdout().lock())),
        Command::Guard(guard) => done(guard.run(&mut io::stdout().lock(), &mut io::stderr().lock())),
        Command::Records(records) => done(records.run(&mut io::stdout().lock(), &mut io::stderr().lock())),
        Command::Audit(args) => {
            let state = state_dir(args.state.as_deref(), args.config.as_deref())?;
            audit::run(&args, &state, &mut io::stdout().lock())
        }
        Command::Completions(args) => done(args.run(&mut io::stdout().lock())),
        Command::Man(args) => done(args.run()),
        Command::ImportLitellm(args) => done(args.run(&mut io::stdout().lock(), &mut io::stderr().lock())),
        Command::Ledger(ledger::Args { state: None, config, what: ledger::What::Rerate(rerate) }) => {
            let path = ConfigArgs { config }.path()?;
            let (config, snapshot) = trial::load(&path).map_err(CliError::Config)?;
            leave_with(ledger::rerate(&rerate, (&config, &snapshot), &mut io::stdout().lock()))
        }
        Command::Ledger(args) => {
            let state = state_dir(args.state.as_deref(), args.config.as_deref())?;
            leave_with(ledger::run(&args, &state, &mut io::stdout().lock()))
        }
    }
}

fn done(result: Result<(), CliError>) -> Result<ExitCode, CliError> {
    result.map(|()| ExitCode::SUCCESS)
}

/// The state directory: named itself, or by a configuration.
fn state_dir(state: Option<&Path>, config: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(state) = state {
        return Ok(state.to_path_buf());
    }
    let config = ConfigArgs { config: config.map(Path::to_path_buf) };
    crate::config::state_dir(&config.path()?).map_err(CliError::Config)
}

/// An argument that means nothing leaves with 2, as a usage error does.
fn leave_with(result: Result<ExitCode, LedgerError>) -> Result<ExitCode, CliError> {
    match result {
        Err(error @ LedgerError::Argument(_)) => {
            eprintln!("weighbridge: {error}");
            Ok(ExitCode::from(2))
        }
        other => other.map_err(|error| CliError::Failed(with_causes(&error))),
    }
}

/// An error and what is behind it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

/// Tried in this order.
const DEFAULT_CONFIGS: [&str; 2] = ["conf/weighbridge.yaml", "/etc/weighbridge/weighbridge.yaml"];

const MAIN_EXAMPLES: &str = "\
Examples:
  weighbridge demo                                  try it: no credentials, no files
  weighbridge keys create --offline                 make a key for the configuration file
  weighbridge check -c weighbridge.yaml             is the configuration right?
  weighbridge run -c weighbridge.yaml               serve
  weighbridge usage --by team --since 7d            who spent what?";

const RUN_EXAMPLES: &str = "\
Examples:
  weighbridge run
  weighbridge run -c /etc/weighbridge/weighbridge.yaml

WEIGHBRIDGE_LOG filters the log on standard error (default: info):
  WEIGHBRIDGE_LOG=debug weighbridge run";

const DEMO_EXAMPLES: &str = "\
Examples:
  weighbridge demo      prints a key and a ready-made curl; Ctrl-C ends it";

const CHECK_EXAMPLES: &str = "\
Examples:
  weighbridge check
  weighbridge check -c weighbridge.yaml && weighbridge reload -c weighbridge.yaml

Exit code 0: the file is right; 1: it is not, and every mistake is listed with its line.";

const SIMULATE_EXAMPLES: &str = "\
Examples:
  weighbridge simulate --listen 127.0.0.1:9999";

const USAGE_EXAMPLES: &str = "\
Examples:
  weighbridge usage --by team,model --since 7d
  weighbridge usage --by key --since 24h --format csv > usage.csv";

const LEDGER_EXAMPLES: &str = "\
Examples:
  weighbridge ledger verify
  weighbridge ledger export -c weighbridge.yaml > ledger.jsonl";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn usage_errors_leave_with_2_and_help_with_0() {
        let cases = [
            ("no command", vec!["weighbridge"], 2),
            ("no such command", vec!["weighbridge", "serve"], 2),
            ("no such option", vec!["weighbridge", "run", "--port", "1"], 2),
            ("an option without its value", vec!["weighbridge", "check", "-c"], 2),
            ("keys without a verb", vec!["weighbridge", "keys"], 2),
            ("help", vec!["weighbridge", "--help"], 0),
            ("version", vec!["weighbridge", "--version"], 0),
        ];
        for (name, args, want) in cases {
            let error = Cli::try_parse_from(args).expect_err(name);
            assert_eq!(error.exit_code(), want, "{name}");
        }
    }

    #[test]
    fn the_help_of_every_command_has_an_example() {
        fn walk(command: &mut clap::Command) {
            if command.get_name() == "help" {
                return;
            }
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:\n  weighbridge "), "{}: {help}", command.get_name());
            command.get_subcommands_mut().for_each(walk);
        }
        walk(&mut Cli::command());
    }

    #[test]
    fn a_named_file_is_taken_as_it_is() {
        let cli = Cli::try_parse_from(["weighbridge", "run", "-c", "no/such.yaml"]).expect("right usage");
        let Command::Run(args) = cli.command else { panic!("not run") };
        assert_eq!(args.config.path().expect("named"), Path::new("no/such.yaml"));
    }

    #[test]
    fn without_a_name_the_first_default_that_exists_is_taken() {
        let dir = tempfile::tempdir().expect("a directory");
        let (first, second) = (dir.path().join("first.yaml"), dir.path().join("second.yaml"));
        let args = ConfigArgs { config: None };
        let path = || args.path_among(&[&first, &second]);
        let text = path().expect_err("neither exists").to_string();
        assert!(text.contains("conf/weighbridge.yaml") && text.contains("/etc/weighbridge/weighbridge.yaml"), "{text}");
        std::fs::write(&second, "").expect("a file");
        assert_eq!(path().expect("the second"), second);
        std::fs::write(&first, "").expect("a file");
        assert_eq!(path().expect("the first"), first);
    }

    #[test]
    fn an_unknown_command_is_answered_with_the_nearest() {
        let error = Cli::try_parse_from(["weighbridge", "chekc"]).expect_err("no such command");
        assert_eq!(error.kind(), ErrorKind::InvalidSubcommand);
        assert!(error.to_string().contains("check"), "{error}");
    }
}
