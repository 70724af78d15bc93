//! `weighbridge budgets`: what is spent and held of budgets now, by the admin API of a running gateway.

use super::CliError;
use super::client::{Admin, AdminArgs, Format, cell, table};
use super::keys::raw;
use crate::config::moment;
use crate::model::NanoUsd;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;
use std::io::Write;

/// Budgets of a running gateway
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Budgets {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    what: What,
}

/// What can be asked of budgets.
#[derive(Debug, Subcommand)]
enum What {
    /// Lists budgets with what is spent and held of them
    #[command(after_help = EXAMPLES)]
    List,
}

impl Budgets {
    /// Does it, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let What::List = self.what;
        let told = Admin::find(&self.admin)?.call(Method::GET, "/budgets", None)?;
        let budgets = &told["budgets"];
        if self.admin.format == Format::Json {
            return raw(budgets, out);
        }
        let rows: Vec<Vec<String>> = budgets.as_array().into_iter().flatten().map(row).collect();
        let headings = ["budget", "for", "unit", "limit", "spent", "held", "left", "resets", "mode"];
        write!(out, "{}", table(&headings, &rows))?;
        Ok(out.flush()?)
    }
}

fn row(budget: &Value) -> Vec<String> {
    let usd = budget["unit"] == "usd";
    let amount = |value: i64| if usd { NanoUsd(value).to_string() } else { value.to_string() };
    let member = |name: &str| budget[name].as_i64().unwrap_or(0);
    let (limit, settled, reserved) = (member("limit"), member("settled"), member("reserved"));
    let left = limit.saturating_sub(settled).saturating_sub(reserved);
    let resets = budget["period_end_us"].as_u64().map_or_else(|| "never".to_owned(), moment::show);
    let entity = budget["entity"].as_str().filter(|entity| !entity.is_empty()).unwrap_or("-").to_owned();
    vec![
        cell(&budget["id"]),
        entity,
        cell(&budget["unit"]),
        amount(limit),
        amount(settled),
        amount(reserved),
        amount(left),
        resets,
        cell(&budget["mode"]),
    ]
}

const EXAMPLES: &str = "\
Examples:
  weighbridge budgets list
  weighbridge budgets list --format json";
