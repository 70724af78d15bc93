//! `weighbridge import-litellm`: our configuration made of another gateway's.

use super::CliError;
use crate::{
    catalogue::Catalogue,
    import::{Input, litellm},
};
use std::fs::{OpenOptions, read_dir, read_to_string};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Turns a LiteLLM proxy's configuration, and its keys and teams, into one of Weighbridge
///
/// What cannot be carried over is listed on standard error and at the head of the file, with its path and what to do.
/// Secrets are never printed: one that stands in the file becomes `${env:NAME}`, and the name is told. Clients keep their
/// keys: LiteLLM stores their SHA-256, as Weighbridge does.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The proxy's config.yaml
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An export of its database's tables: JSON, JSON lines or CSV, named after the table, or a directory of such files; may
    /// be given several times
    #[arg(long, value_name = "EXPORT")]
    database: Vec<PathBuf>,
    /// Where the configuration goes; a file that is there already is left alone [default: standard output]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  weighbridge import-litellm config.yaml -o weighbridge.yaml
  weighbridge import-litellm config.yaml --database export/ -o weighbridge.yaml && weighbridge check -c weighbridge.yaml

The keys, with psql, one file a table:
  for t in VerificationToken TeamTable BudgetTable UserTable; do
    psql \"$DATABASE_URL\" -c \"\\copy \\\"LiteLLM_$t\\\" to 'export/LiteLLM_$t.csv' csv header\"
  done

Exit code 0: a configuration was made, whether or not something is left to do; 1: the input cannot be read.";

/// Larger inputs are a mistake.
const MAX_FILE: u64 = 1 << 30;

impl Args {
    /// Reads, makes and writes; the notes go to `err`.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written, or holds something else.
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), CliError> {
        let config = read(&self.file)?;
        let mut tables = Vec::new();
        for export in &self.database {
            for path in files(export)? {
                tables.push((name(&path), read(&path)?));
            }
        }
        let input = Input { config: &config, config_name: &name(&self.file), tables: &tables, known: &known };
        let made = litellm(input).map_err(CliError::failed)?;
        match &self.output {
            None => out.write_all(made.yaml.as_bytes())?,
            Some(path) => {
                // Never over a file that somebody may have worked on.
                let file = OpenOptions::new().write(true).create_new(true).open(path);
                let mut file =
                    file.map_err(|error| CliError::Failed(format!("cannot make `{}`: {error}", path.display())))?;
                file.write_all(made.yaml.as_bytes())?;
            }
        }
        for told in &made.told {
            writeln!(err, "{told}")?;
        }
        let written = self.output.as_ref().map_or_else(|| "FILE".to_owned(), |path| path.display().to_string());
        let count = made.told.len();
        writeln!(
            err,
            "{count} things to look at; set {} variables, then: weighbridge check -c {written}",
            made.variables.len()
        )?;
        Ok(())
    }
}

/// The models that the built-in catalogue has a price of.
fn known(provider: &str) -> Vec<String> {
    let catalogue = Catalogue::builtin();
    let all = (0..).map_while(|index| catalogue.name(index)).filter(|(of, _)| *of == provider);
    let all = all.filter(|(of, model)| catalogue.find(of, model).is_some_and(|price| price.is_priced()));
    let mut names: Vec<String> = all.map(|(_, model)| model.to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The file, or the files of the directory that are exports by their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let unread = |error: std::io::Error| CliError::Failed(format!("cannot read `{}`: {error}", path.display()));
    let mut found = Vec::new();
    for entry in read_dir(path).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_some_and(|end| end == "csv" || end == "json" || end == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String, CliError> {
    let unread = |error: std::io::Error| CliError::Failed(format!("cannot read `{}`: {error}", path.display()));
    if std::fs::metadata(path).map_err(unread)?.len() > MAX_FILE {
        return Err(CliError::Failed(format!("`{}` has more than 1 GiB", path.display())));
    }
    read_to_string(path).map_err(unread)
}
