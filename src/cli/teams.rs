//! `weighbridge teams`: who pays, by the admin API of a running gateway.

use super::CliError;
use super::client::{Admin, AdminArgs, Format, cell, segment, table};
use super::keys::{RulesArgs, name, one, raw};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Teams of a running gateway
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Teams {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    what: What,
}

/// What can be done with teams.
#[derive(Debug, Subcommand)]
enum What {
    /// Makes a team
    #[command(after_help = EXAMPLES)]
    Create {
        /// Its name, unique
        #[arg(long, value_name = "NAME", value_parser = name)]
        name: String,
        /// A model that its keys may call, more than once for several [default: all]
        #[arg(long, value_name = "MODEL")]
        model: Vec<String>,
        #[command(flatten)]
        rules: RulesArgs,
    },
    /// Lists teams, those of the file included
    #[command(after_help = EXAMPLES)]
    List,
    /// Shows one team
    #[command(after_help = EXAMPLES)]
    Show {
        /// Its name
        name: String,
    },
    /// Changes a team; what is not named stays
    #[command(after_help = EXAMPLES)]
    Update {
        /// Its name
        name: String,
        /// A model that its keys may call, more than once for several
        #[arg(long, value_name = "MODEL")]
        model: Vec<String>,
        #[command(flatten)]
        rules: RulesArgs,
        /// Takes back: models, limits, budgets, tags, priority, guardrails
        #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = TEAM_MEMBERS)]
        reset: Vec<String>,
    },
    /// Takes a team out that has no keys but revoked ones
    #[command(after_help = EXAMPLES)]
    Delete {
        /// Its name
        name: String,
    },
}

/// What `teams update --reset` takes back.
const TEAM_MEMBERS: [&str; 6] = ["models", "limits", "budgets", "tags", "priority", "guardrails"];

impl Teams {
    /// Does it, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let format = self.admin.format;
        let admin = Admin::find(&self.admin)?;
        match self.what {
            What::Create { name, model, rules } => {
                let mut body = Map::from_iter([("name".to_owned(), json!(name))]);
                put(&model, &rules, &mut body);
                one(&admin.call(Method::POST, "/teams", Some(&body.into()))?, format, out)
            }
            What::List => list(&admin, format, out),
            What::Show { name } => {
                one(&admin.call(Method::GET, &format!("/teams/{}", segment(&name)), None)?, format, out)
            }
            What::Update { name, model, rules, reset } => {
                let mut body = Map::new();
                put(&model, &rules, &mut body);
                body.extend(reset.into_iter().map(|name| (name, Value::Null)));
                let path = format!("/teams/{}", segment(&name));
                one(&admin.call(Method::PATCH, &path, Some(&body.into()))?, format, out)
            }
            What::Delete { name } => {
                admin.call(Method::DELETE, &format!("/teams/{}", segment(&name)), None)?;
                writeln!(out, "team {name} is gone")?;
                Ok(out.flush()?)
            }
        }
    }
}

fn put(models: &[String], rules: &RulesArgs, body: &mut Map<String, Value>) {
    if !models.is_empty() {
        body.insert("models".to_owned(), json!(models));
    }
    rules.put(body);
}

fn list(admin: &Admin, format: Format, out: &mut impl Write) -> Result<(), CliError> {
    let mut teams = Vec::new();
    let mut after = String::new();
    loop {
        let page = admin.call(Method::GET, &format!("/teams?limit=1000&after={}", segment(&after)), None)?;
        teams.extend(page["teams"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    if format == Format::Json {
        return raw(&Value::from(teams), out);
    }
    let columns = ["name", "source", "keys", "models"];
    let row = |team: &Value| columns.iter().map(|column| cell(&team[*column])).collect();
    write!(out, "{}", table(&columns, &teams.iter().map(row).collect::<Vec<_>>()))?;
    Ok(out.flush()?)
}

const EXAMPLES: &str = "\
Examples:
  weighbridge teams create --name research --model fast --budgets '[{\"usd\":500,\"per\":\"month\"}]'
  weighbridge teams list
  weighbridge teams update research --priority high --guardrail no-pii
  weighbridge teams update research --reset budgets,guardrails
  weighbridge teams delete research";
