//! `weighbridge reload`: a running gateway reads its configuration file anew, by its admin API.

use super::CliError;
use super::client::{Admin, AdminArgs, Format, cell, table};
use super::keys::raw;
use clap::Args;
use http::Method;
use serde_json::Value;
use std::io::Write;

/// Has a running gateway read its configuration file anew, and tells what changed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Reload {
    #[command(flatten)]
    admin: AdminArgs,
    /// Only tell what would change
    #[arg(long)]
    dry_run: bool,
}

impl Reload {
    /// Does it, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let path = if self.dry_run { "/reload?dry_run=true" } else { "/reload" };
        let told = Admin::find(&self.admin)?.call(Method::POST, path, None)?;
        if self.admin.format == Format::Json {
            return raw(&told, out);
        }
        let generation = cell(&told["generation"]);
        match self.dry_run {
            true => writeln!(out, "the file is right; nothing was reloaded (generation {generation} holds)")?,
            false => writeln!(out, "reloaded: generation {generation} holds")?,
        }
        let rows: Vec<Vec<String>> = told["changes"].as_array().into_iter().flatten().map(row).collect();
        if rows.is_empty() {
            writeln!(out, "no value of the file is otherwise")?;
        } else {
            write!(out, "{}", table(&["key", "is", "from", "to", "effect"], &rows))?;
        }
        for (member, what) in
            [("certificates", "another certificate at"), ("needs_restart", "takes effect with a restart:")]
        {
            for one in told[member].as_array().into_iter().flatten() {
                writeln!(out, "{what} {}", cell(one))?;
            }
        }
        Ok(out.flush()?)
    }
}

fn row(change: &Value) -> Vec<String> {
    let effect = if change["needs_restart"] == true { "with a restart" } else { "now" };
    let cells = ["path", "kind", "from", "to"].map(|member| cell(&change[member]));
    cells.into_iter().chain([effect.to_owned()]).collect()
}

const EXAMPLES: &str = "\
Examples:
  weighbridge reload
  weighbridge reload --dry-run -c /etc/weighbridge/weighbridge.yaml
  weighbridge reload --format json | jq '.changes[].path'";
