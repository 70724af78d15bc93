//! `weighbridge upgrade`: lets the running gateway start its successor and hand over to it.

use super::CliError;
use crate::app::upgrade::{self, Order, Told};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Hand over to a new process, of a new binary or with what a reload cannot change, and drop nothing
///
/// The running gateway checks the configuration with the new binary, starts it, and gives it its sockets. Once the new process
/// is ready, it serves; the old one finishes what it has begun and ends. Where anything fails before that, the running gateway
/// goes on as it was, and this says why.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Upgrade {
    /// The state directory of the gateway; default: `state.dir` of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    state: Option<PathBuf>,
    /// The configuration that names the state directory
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The new binary; default: the file from which the running gateway was started, as it is now
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// The new process is ended if it is not ready within so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    within: u64,
}

impl Upgrade {
    /// Does it, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let dir = super::state_dir(self.state.as_deref(), self.config.as_deref())?;
        // The gateway has a directory of its own that the path is not relative to.
        let binary = self.binary.map(std::path::absolute).transpose()?;
        let mut ended = Ok(());
        let order = Order { binary, within: self.within };
        let asked = upgrade::order(&dir, &order, |told| {
            let written = match told {
                Told::Step(step) => writeln!(out, "{step}"),
                Told::Done(pid) => writeln!(out, "process {pid} serves; the one before finishes what it has begun"),
                Told::Refused(why) => {
                    ended = Err(CliError::Failed(format!("the gateway goes on as it was: {why}")));
                    Ok(())
                }
            };
            // Whoever does not read on does not stop it.
            drop(written.and_then(|()| out.flush()));
        });
        asked.map_err(|error| {
            CliError::Failed(format!("the gateway on `{}` cannot be asked: {error}", dir.display()))
        })?;
        ended
    }
}

const EXAMPLES: &str = "\
Examples:
  weighbridge upgrade -c /etc/weighbridge/weighbridge.yaml
  weighbridge upgrade --binary /opt/weighbridge-0.2.0/weighbridge

As root or as the user of the gateway, on its machine: it is told over a socket in the state directory.
Exit code 0: the new process serves; 1: the old one goes on, and the reason is told.";
