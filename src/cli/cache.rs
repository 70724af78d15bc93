//! `weighbridge cache`: the kept answers of a running gateway, and dropping them, by the admin API.

use super::{
    CliError,
    client::{Admin, AdminArgs, Format, cell, segment, table},
    keys::{one, raw},
};
use crate::model::NanoUsd;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;
use std::io::Write;

/// Answers that a running gateway keeps
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Kept {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    what: What,
}

/// What can be done with them.
#[derive(Debug, Subcommand)]
enum What {
    /// Shows what is kept, by team and model, and what came of it since the gateway's start
    #[command(after_help = EXAMPLES)]
    Show,
    /// Drops answers: all, or those of a team, of a model, or of both
    #[command(after_help = EXAMPLES)]
    Purge {
        /// Only this team's
        #[arg(long, value_name = "NAME")]
        team: Option<String>,
        /// Only this model's
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
    },
}

impl Kept {
    /// Does it, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let format = self.admin.format;
        let admin = Admin::find(&self.admin)?;
        match self.what {
            What::Show => show(&admin.call(Method::GET, "/cache", None)?, format, out),
            What::Purge { team, model } => {
                let only = [("team", team), ("model", model)].into_iter();
                let only = only.filter_map(|(name, value)| Some(format!("{name}={}", segment(&value?))));
                let path = format!("/cache?{}", only.collect::<Vec<_>>().join("&"));
                one(&admin.call(Method::DELETE, path.trim_end_matches('?'), None)?, format, out)
            }
        }
    }
}

fn show(told: &Value, format: Format, out: &mut impl Write) -> Result<(), CliError> {
    if format == Format::Json {
        return raw(told, out);
    }
    let figure = |name: &str| cell(&told[name]);
    let saved = NanoUsd(told["saved_nano_usd"].as_i64().unwrap_or(i64::MAX));
    writeln!(out, "{} answers, {} of {} bytes", figure("answers"), figure("bytes"), figure("max_bytes"))?;
    let (hits, misses, bypassed) = (figure("hits"), figure("misses"), figure("bypassed"));
    writeln!(out, "{hits} hits saved {saved} USD, {misses} misses, {bypassed} not looked up")?;
    if told["compared"].as_u64() > Some(0) || told["semantic_hits"].as_u64() > Some(0) {
        let (compared, alike) = (figure("compared"), figure("semantic_hits"));
        writeln!(out, "by meaning: {compared} answers compared, {alike} of the hits")?;
    }
    let columns = ["team", "model", "answers", "bytes"];
    let row = |share: &Value| columns.iter().map(|column| cell(&share[*column])).collect::<Vec<_>>();
    let rows: Vec<_> = told["held"].as_array().into_iter().flatten().map(row).collect();
    if !rows.is_empty() {
        write!(out, "\n{}", table(&columns, &rows))?;
    }
    Ok(out.flush()?)
}

const EXAMPLES: &str = "\
Examples:
  weighbridge cache show
  weighbridge cache purge --team search --model fast";
