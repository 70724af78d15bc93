//! `weighbridge run`: serves a configuration file. And what `check` needs of it: the same parts, built and thrown away.

use super::{CliError, ConfigArgs};
use crate::app::{self, trial};
use crate::auth;
use crate::config::{Config, Notes};
use crate::telemetry::init_tracing;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// What is served.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Take over from the gateway that runs on the same state directory: `weighbridge upgrade` starts it so
    #[arg(long, hide = true)]
    take_over: bool,
}

/// Serves a configuration.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let path = &args.config.path()?;
    let take_over = args.take_over;
    let config = Config::load(path).map_err(CliError::Config)?;
    init_tracing(!io::stderr().is_terminal()).map_err(CliError::failed)?;
    let shown = path.display().to_string();
    app::run(&config, Some(path), take_over, || {
        let listen: Vec<_> = config.server.listen.iter().map(|listen| listen.address.to_string()).collect();
        let admin = config.admin.listen.map_or_else(|| "off".to_owned(), |address| address.to_string());
        tracing::info!(config = shown, listen = listen.join(", "), admin, "serving");
    })
    .map_err(CliError::failed)
}

/// Checks the configuration in `path` completely and prints what it resolves to.
pub(super) fn check(path: &Path) -> Result<(), CliError> {
    let name = path.display().to_string();
    match trial::load(path) {
        Ok((config, snapshot)) => {
            let target = |model: &crate::config::Model, target: &crate::config::Target| snapshot.notes(model, target);
            let provider = |provider: &crate::config::Provider| snapshot.endpoint(&config, provider);
            let guardrail = |guardrail: &crate::config::Guardrail| snapshot.guard_notes(guardrail);
            let notes = Notes { provider: &provider, target: &target, guardrail: &guardrail };
            // The store of another user's gateway cannot be read, and need not be.
            let misfits = auth::misfits(&config, &config.state.dir).unwrap_or_default();
            super::check::print_misfits(&misfits, &mut io::stderr().lock())?;
            super::check::print_descriptors(&config, &mut io::stderr().lock())?;
            Ok(super::check::print_valid(&name, &config, &notes, &mut io::stdout().lock())?)
        }
        Err(errors) => {
            super::check::print_mistakes(&name, &errors, &mut io::stderr().lock())?;
            io::stderr().flush()?;
            Err(CliError::Said)
        }
    }
}
