//! `weighbridge completions` and `weighbridge man`: what a package brings along, made of the command line itself.

use super::{Cli, CliError};
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::fs::create_dir_all;
use std::io::Write;
use std::path::PathBuf;

/// Prints the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(super) struct Completions {
    /// Whose
    shell: Shell,
}

/// Writes the manual pages, one a command
#[derive(Debug, clap::Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(super) struct Man {
    /// Where they go; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  weighbridge completions bash > /usr/share/bash-completion/completions/weighbridge
  weighbridge completions zsh > /usr/share/zsh/vendor-completions/_weighbridge
  weighbridge completions fish > /usr/share/fish/vendor_completions.d/weighbridge.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  weighbridge man --out /usr/share/man/man1 && man weighbridge-usage";

impl Completions {
    /// Prints to `out`.
    ///
    /// # Errors
    ///
    /// When `out` takes nothing more.
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "weighbridge", &mut text);
        Ok(out.write_all(&text)?)
    }
}

impl Man {
    /// Writes `weighbridge.1`, `weighbridge-run.1` … into the directory.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub(super) fn run(&self) -> Result<(), CliError> {
        let unwritten = |error| CliError::Failed(format!("cannot write into `{}`: {error}", self.out.display()));
        create_dir_all(&self.out).map_err(unwritten)?;
        clap_mangen::generate_to(Cli::command(), &self.out).map_err(unwritten)
    }
}

#[cfg(test)]
mod tests {
    use super::{Completions, Man, Shell};

    #[test]
    fn each_shell_gets_completions_that_know_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut out = Vec::new();
            Completions { shell }.run(&mut out).expect("a Vec takes all");
            let text = String::from_utf8(out).expect("text");
            assert!(text.contains("weighbridge") && text.contains("simulate"), "{shell}");
        }
    }

    #[test]
    fn there_is_a_page_for_each_command_with_its_examples() {
        let dir = tempfile::tempdir().expect("a directory");
        Man { out: dir.path().join("man1") }.run().expect("written");
        for page in ["weighbridge.1", "weighbridge-run.1", "weighbridge-keys-create.1"] {
            let text = std::fs::read_to_string(dir.path().join("man1").join(page)).expect(page);
            assert!(text.contains("Examples:"), "{page}: {text}");
        }
    }
}
