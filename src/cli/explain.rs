//! `weighbridge explain`: what would become of a request, by the admin API of a running gateway.

use super::CliError;
use super::client::{Admin, AdminArgs, Format, cell};
use super::keys::raw;
use crate::model::NanoUsd;
use http::Method;
use serde_json::{Map, Value, json};
use std::io::{Read as _, Write};
use std::path::PathBuf;

/// Says what would become of a request, without making it
///
/// Limits, budgets, prices, guardrails, the targets in their order with reasons, and the output cap.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    admin: AdminArgs,
    /// The name of the key (never the key) that would call
    #[arg(long, value_name = "NAME")]
    key: String,
    /// The model that it would ask for
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// The call: chat_completions, completions, embeddings, responses, messages, rerank
    #[arg(long, value_name = "API")]
    api: Option<String>,
    /// The end user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The session, as `x-weighbridge-session` names it
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// The request's body, a file of JSON; `-`: standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// As the API tells it
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Asks, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let mut ask = Map::from_iter([("key".to_owned(), json!(self.key)), ("model".to_owned(), json!(self.model))]);
        for (name, value) in [("api", self.api), ("user", self.user), ("session", self.session)] {
            if let Some(value) = value {
                ask.insert(name.to_owned(), json!(value));
            }
        }
        if let Some(path) = &self.body {
            let mut text = String::new();
            if path.as_os_str() == "-" {
                std::io::stdin().read_to_string(&mut text)?;
            } else {
                let told = |error: std::io::Error| CliError::Failed(format!("`{}`: {error}", path.display()));
                text = std::fs::read_to_string(path).map_err(told)?;
            }
            let told = |error: serde_json::Error| CliError::Failed(format!("the body is no JSON: {error}"));
            ask.insert("body".to_owned(), serde_json::from_str(&text).map_err(told)?);
        }
        let explained = Admin::find(&self.admin)?.call(Method::POST, "/explain", Some(&ask.into()))?;
        if self.json || self.admin.format == Format::Json {
            return raw(&explained, out);
        }
        write!(out, "{}", words(&explained))?;
        Ok(out.flush()?)
    }
}

/// For people.
fn words(told: &Value) -> String {
    let member = |name: &str| cell(&told[name]);
    let mut lines =
        vec![format!("key {} of team {} asks for model {}", member("key"), member("team"), member("model"))];
    lines.push(match &told["refusal"] {
        Value::Null => "it would be sent".to_owned(),
        refusal => format!(
            "it would be REFUSED with {} {}: {}",
            cell(&refusal["status"]),
            cell(&refusal["code"]),
            cell(&refusal["message"])
        ),
    });
    let list = |name: &str| told[name].as_array().cloned().unwrap_or_default();
    for limit in list("limits") {
        let (used, most) = (cell(&limit["used"]), cell(&limit["limit"]));
        lines.push(format!(
            "  limit {}{}: {used} of {most} used, {}",
            cell(&limit["id"]),
            of(&limit),
            cell(&limit["mode"])
        ));
    }
    for budget in list("budgets") {
        let amount = |name: &str| {
            let value = budget[name].as_i64().unwrap_or(0);
            if budget["unit"] == "usd" { format!("{} USD", NanoUsd(value)) } else { format!("{value} tokens") }
        };
        let resets = budget["period_end_us"].as_u64().map_or_else(|| "never".to_owned(), crate::config::moment::show);
        lines.push(format!(
            "  budget {}{}: {} spent and {} held of {}, resets {resets}, {}",
            cell(&budget["id"]),
            of(&budget),
            amount("settled"),
            amount("reserved"),
            amount("limit"),
            cell(&budget["mode"])
        ));
    }
    for guard in list("guardrails") {
        let audit = if guard["mode"] == "audit" { "audit:" } else { "" };
        let unless = guard["unless"].as_str().map(|what| format!("; does not apply: its `when.{what}` does not hold"));
        lines.push(format!(
            "  guardrail {} ({}): {}{audit}{} on {}, from {}{}{}",
            cell(&guard["name"]),
            cell(&guard["kind"]),
            if guard["turn"] == "service" { "asks a service, " } else { "" },
            cell(&guard["action"]),
            cell(&guard["on"]),
            cell(&guard["from"]),
            if guard["mandatory"] == true { ", mandatory" } else { "" },
            unless.unwrap_or_default()
        ));
    }
    for (at, candidate) in list("candidates").iter().enumerate() {
        let mark = if candidate["usable"] == true { "" } else { "not usable: " };
        let price = candidate["price"].as_str().unwrap_or("unpriced");
        let worst = candidate["worst_nano_usd"].as_i64().map(|nano| format!(", at most {} USD", NanoUsd(nano)));
        let cap = candidate["output_cap"].as_u64().map(|cap| format!(", output cap {cap}"));
        lines.push(format!(
            "  {}. {}/{}: {mark}{}; {price}{}{}",
            at + 1,
            cell(&candidate["provider"]),
            cell(&candidate["model"]),
            cell(&candidate["reason"]),
            worst.unwrap_or_default(),
            cap.unwrap_or_default()
        ));
    }
    lines.extend(list("notes").iter().map(|note| format!("  {}", cell(note))));
    let clean = |line: &String| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>() + "\n";
    lines.iter().map(clean).collect()
}

/// For whom, where it is counted apart.
fn of(rule: &Value) -> String {
    match rule["entity"].as_str() {
        None | Some("") => String::new(),
        Some(entity) => format!(" for {entity}"),
    }
}

const EXAMPLES: &str = "\
Examples:
  weighbridge explain --key search-ci --model fast
  weighbridge explain --key search-ci --model fast --body request.json --json";
