//! `weighbridge targets`: how targets stand, and taking them out and putting them back by hand, by the admin API.

use super::{
    CliError,
    client::{Admin, AdminArgs, Format, cell, segment, table},
    keys::{one, raw},
};
use crate::config::{moment, nearest};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Targets of a running gateway
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Targets {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    what: What,
}

/// What can be done with targets.
#[derive(Debug, Subcommand)]
enum What {
    /// Lists targets: whether they take requests, and if not, why and until when
    #[command(after_help = EXAMPLES)]
    List,
    /// Takes a target out: no request goes there, whatever else is left, until it is opened; also after a restart
    #[command(after_help = EXAMPLES)]
    Shut {
        /// Its name, PROVIDER/MODEL as `list` shows it
        target: String,
        /// Why, for those who find it shut
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// For how long, as in `90m` [default: until it is opened]
        #[arg(long = "for", value_name = "TIME")]
        lasts: Option<String>,
    },
    /// Puts a target back that was taken out
    #[command(after_help = EXAMPLES)]
    Open {
        /// Its name, PROVIDER/MODEL as `list` shows it
        target: String,
    },
}

impl Targets {
    /// Does it, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let format = self.admin.format;
        let admin = Admin::find(&self.admin)?;
        match self.what {
            What::List => list(&admin, format, out),
            What::Shut { target, reason, lasts } => {
                let mut order = Map::from_iter([("reason".to_owned(), json!(reason))]);
                order.extend(lasts.map(|lasts| ("for".to_owned(), json!(lasts))));
                let path = format!("{}/shut", path(&admin, &target)?);
                shown(admin.call(Method::POST, &path, Some(&order.into()))?, format, out)
            }
            What::Open { target } => {
                let path = format!("{}/open", path(&admin, &target)?);
                shown(admin.call(Method::POST, &path, None)?, format, out)
            }
        }
    }
}

/// Where a target is told something. Names of models have slashes too: the gateway knows where its provider's ends.
fn path(admin: &Admin, target: &str) -> Result<String, CliError> {
    let told = admin.call(Method::GET, "/targets", None)?;
    let names = told["targets"].as_array().into_iter().flatten();
    let names: Vec<(&str, &str)> =
        names.filter_map(|one| Some((one["provider"].as_str()?, one["model"].as_str()?))).collect();
    if let Some((provider, model)) = names.iter().find(|(provider, model)| format!("{provider}/{model}") == target) {
        return Ok(format!("/targets/{}/{}", segment(provider), segment(model)));
    }
    let all: Vec<String> = names.iter().map(|(provider, model)| format!("{provider}/{model}")).collect();
    let near = nearest(target, all.iter().map(String::as_str)).map(|near| format!("; did you mean `{near}`?"));
    let hint = near.unwrap_or_else(|| "; `weighbridge targets list` shows them".to_owned());
    Err(CliError::Failed(format!("there is no target `{target}`{hint}")))
}

fn list(admin: &Admin, format: Format, out: &mut impl Write) -> Result<(), CliError> {
    let told = admin.call(Method::GET, "/targets", None)?;
    if format == Format::Json {
        return raw(&told["targets"], out);
    }
    let columns = ["provider", "model", "state", "reason", "until", "in_flight", "note"];
    let row = |target: &Value| {
        let target = in_words(target.clone());
        columns.iter().map(|column| cell(&target[*column])).collect::<Vec<_>>()
    };
    let rows: Vec<_> = told["targets"].as_array().into_iter().flatten().map(row).collect();
    write!(out, "{}", table(&columns, &rows))?;
    Ok(out.flush()?)
}

fn shown(target: Value, format: Format, out: &mut impl Write) -> Result<(), CliError> {
    let target = if format == Format::Json { target } else { in_words(target) };
    one(&target, format, out)
}

/// Moments as people read them.
fn in_words(mut target: Value) -> Value {
    if let Value::Object(members) = &mut target {
        for name in ["since", "until"] {
            let at = members.remove(&format!("{name}_us")).and_then(|micros| micros.as_u64());
            members.insert(name.to_owned(), json!(at.map(moment::show)));
        }
    }
    target
}

const EXAMPLES: &str = "\
Examples:
  weighbridge targets list
  weighbridge targets shut openai/gpt-4o-mini --reason 'wrong answers since noon' --for 2h
  weighbridge targets open openai/gpt-4o-mini";
