//! `weighbridge guard`: what a guardrail would do about a text, by the configuration alone.

use super::{CliError, ConfigArgs};
use crate::app::trial;
use crate::config::{Hook, nearest};
use clap::ValueEnum;
use std::io::{Read as _, Write};

/// Tries guardrails
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
        let Command::Test(Test { config, guard: name, on }) = self.command;
        let (_, snapshot) = trial::load(&config.path()?).map_err(CliError::Config)?;
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
