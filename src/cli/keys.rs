//! `weighbridge keys`: virtual keys, by the admin API of a running gateway; or a key for the configuration file.

use super::CliError;
use super::client::{Admin, AdminArgs, Format, cell, segment, table};
use crate::auth::{hash_text, new_key};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Virtual keys
///
/// Talks to the admin API of the running gateway; `create --offline` makes a key for the configuration file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Keys {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    what: What,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
enum What {
    /// Makes a key: prints it once; it works at once
    #[command(after_help = EXAMPLES)]
    Create(Box<Create>),
    /// Lists keys, those of the file included
    #[command(after_help = EXAMPLES)]
    List {
        /// Only keys of this team
        #[arg(long, value_name = "TEAM", value_parser = name)]
        team: Option<String>,
    },
    /// Shows one key
    #[command(after_help = EXAMPLES)]
    Show {
        /// Its name
        name: String,
    },
    /// Changes a key; what is not named stays
    #[command(after_help = EXAMPLES)]
    Update(Box<Update>),
    /// Gives a key a new secret and prints it once; the old one works on for the grace period
    #[command(after_help = EXAMPLES)]
    Rotate {
        /// Its name
        name: String,
        /// How long the old secret works on, as in `24h`
        #[arg(long, value_name = "TIME", default_value = "0s")]
        grace: String,
    },
    /// Ends a key, for ever
    #[command(after_help = EXAMPLES)]
    Revoke {
        /// Its name
        name: String,
    },
}

/// Arguments of `keys create`.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// The key's name in records, metrics and reports; unique
    #[arg(long, value_name = "NAME", value_parser = name, required_unless_present = "offline")]
    name: Option<String>,
    /// The team that pays
    #[arg(long, value_name = "TEAM", value_parser = name, required_unless_present = "offline")]
    team: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Tells no gateway: prints a key and the line for the configuration file
    #[arg(long, conflicts_with_all = ["model", "expires", "allow_ip", "limits", "budgets", "tag", "priority", "guardrail"])]
    offline: bool,
}

/// Arguments of `keys update`.
#[derive(Debug, Args)]
struct Update {
    /// Its name
    name: String,
    /// The team that pays from now on
    #[arg(long, value_name = "TEAM", value_parser = name)]
    team: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Takes back: models, expires, allowed_ips, limits, budgets, tags, priority, guardrails
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = KEY_MEMBERS)]
    reset: Vec<String>,
}

/// What a key is given.
#[derive(Debug, Default, Args)]
pub(super) struct Given {
    /// A model that it may call, more than once for several [default: all of the team's]
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// Refused from then on: a day such as 2030-01-31 (UTC), or a moment
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// An address or network from which it may be used, more than once for several [default: from everywhere]
    #[arg(long, value_name = "NETWORK")]
    allow_ip: Vec<String>,
    #[command(flatten)]
    rules: RulesArgs,
}

/// What `keys update --reset` takes back.
const KEY_MEMBERS: [&str; 8] =
    ["models", "expires", "allowed_ips", "limits", "budgets", "tags", "priority", "guardrails"];

/// Limits, budgets, tags, priority and guardrails.
#[derive(Debug, Default, Args)]
pub(super) struct RulesArgs {
    /// Limits as JSON of the file's shape, as in '[{"requests":60,"per":"minute"}]'
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    pub limits: Option<Value>,
    /// Budgets as JSON of the file's shape, as in '[{"usd":50,"per":"month"}]'
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    pub budgets: Option<Value>,
    /// A word of your own, as in owner=ann; more than once for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = tag)]
    pub tag: Vec<(String, String)>,
    /// Who is served first under overload: low, normal or high
    #[arg(long, value_name = "PRIORITY", value_parser = ["low", "normal", "high"])]
    pub priority: Option<String>,
    /// A guardrail of the configuration file, more than once for several; beside those that hold anyway
    #[arg(long, value_name = "NAME")]
    pub guardrail: Vec<String>,
}

impl RulesArgs {
    /// Adds what is given.
    pub fn put(&self, body: &mut Map<String, Value>) {
        if let Some(limits) = &self.limits {
            body.insert("limits".to_owned(), limits.clone());
        }
        if let Some(budgets) = &self.budgets {
            body.insert("budgets".to_owned(), budgets.clone());
        }
        if !self.tag.is_empty() {
            let tags: Map<String, Value> = self.tag.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            body.insert("tags".to_owned(), Value::from(tags));
        }
        if let Some(priority) = &self.priority {
            body.insert("priority".to_owned(), json!(priority));
        }
        if !self.guardrail.is_empty() {
            body.insert("guardrails".to_owned(), json!(self.guardrail));
        }
    }
}

impl Given {
    fn put(&self, body: &mut Map<String, Value>) {
        if !self.model.is_empty() {
            body.insert("models".to_owned(), json!(self.model));
        }
        if let Some(expires) = &self.expires {
            body.insert("expires".to_owned(), json!(expires));
        }
        if !self.allow_ip.is_empty() {
            body.insert("allowed_ips".to_owned(), json!(self.allow_ip));
        }
        self.rules.put(body);
    }
}

impl Keys {
    /// Does it, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let Self { admin, what } = self;
        if let What::Create(create) = &what
            && create.offline
        {
            return create.offline(out);
        }
        let format = admin.format;
        let admin = Admin::find(&admin)?;
        match what {
            What::Create(create) => {
                let mut body = Map::new();
                body.insert("name".to_owned(), json!(create.name));
                body.insert("team".to_owned(), json!(create.team));
                create.given.put(&mut body);
                let made = admin.call(Method::POST, "/keys", Some(&body.into()))?;
                secret(&made, format, out)
            }
            What::List { team } => list(&admin, team.as_deref(), format, out),
            What::Show { name } => {
                one(&admin.call(Method::GET, &format!("/keys/{}", segment(&name)), None)?, format, out)
            }
            What::Update(update) => {
                let mut body = Map::new();
                if let Some(team) = &update.team {
                    body.insert("team".to_owned(), json!(team));
                }
                update.given.put(&mut body);
                body.extend(update.reset.iter().map(|name| (name.clone(), Value::Null)));
                let path = format!("/keys/{}", segment(&update.name));
                one(&admin.call(Method::PATCH, &path, Some(&body.into()))?, format, out)
            }
            What::Rotate { name, grace } => {
                let path = format!("/keys/{}/rotate", segment(&name));
                secret(&admin.call(Method::POST, &path, Some(&json!({ "grace": grace })))?, format, out)
            }
            What::Revoke { name } => {
                one(&admin.call(Method::DELETE, &format!("/keys/{}", segment(&name)), None)?, format, out)
            }
        }
    }
}

impl Create {
    fn offline(&self, out: &mut impl Write) -> Result<(), CliError> {
        let (key, hash) = new_key().map_err(CliError::Randomness)?;
        let hash = hash_text(&hash);
        let name = self.name.as_deref().unwrap_or("my-key");
        let team = self.team.as_deref().unwrap_or("my-team");
        writeln!(out, "key:  {}", key.expose())?;
        writeln!(out, "hash: {hash}")?;
        writeln!(out)?;
        writeln!(out, "The key is shown this once and stored nowhere: give it to the application.")?;
        writeln!(out, "Put this line under `keys:` in the configuration and restart the gateway:")?;
        writeln!(out)?;
        writeln!(out, "  - {{ name: \"{name}\", team: \"{team}\", hash: \"{hash}\" }}")?;
        Ok(out.flush()?)
    }
}

/// A key that was just made or rotated.
fn secret(made: &Value, format: Format, out: &mut impl Write) -> Result<(), CliError> {
    if format == Format::Json {
        return raw(made, out);
    }
    writeln!(out, "key: {}", made["secret"].as_str().unwrap_or_default())?;
    writeln!(out)?;
    writeln!(out, "The key is shown this once: give it to the application. It works already.")?;
    writeln!(out)?;
    one(&made["key"], format, out)
}

fn list(admin: &Admin, team: Option<&str>, format: Format, out: &mut impl Write) -> Result<(), CliError> {
    let mut keys = Vec::new();
    let mut after = String::new();
    loop {
        let team = team.map(|team| format!("&team={}", segment(team))).unwrap_or_default();
        let page = admin.call(Method::GET, &format!("/keys?limit=1000&after={}{team}", segment(&after)), None)?;
        keys.extend(page["keys"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    if format == Format::Json {
        return raw(&Value::from(keys), out);
    }
    let columns = ["name", "team", "state", "source", "models", "expires"];
    let row = |key: &Value| columns.iter().map(|column| cell(&key[*column])).collect();
    write!(out, "{}", table(&columns, &keys.iter().map(row).collect::<Vec<_>>()))?;
    Ok(out.flush()?)
}

/// One thing, a member a line.
pub(super) fn one(thing: &Value, format: Format, out: &mut impl Write) -> Result<(), CliError> {
    if format == Format::Json {
        return raw(thing, out);
    }
    let shown = |value: &&Value| !value.is_null() && value.as_object().is_none_or(|object| !object.is_empty());
    let members = thing.as_object().into_iter().flatten().filter(|(_, value)| shown(value));
    let rows: Vec<Vec<String>> = members.map(|(name, value)| vec![name.clone(), cell(value)]).collect();
    write!(out, "{}", table(&["", ""], &rows).trim_start_matches('\n'))?;
    Ok(out.flush()?)
}

/// As the API told it.
pub(super) fn raw(value: &Value, out: &mut impl Write) -> Result<(), CliError> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// A name that needs no escaping, neither in YAML's quotes nor in a metric's label.
pub(super) fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-/@".contains(&byte);
    if text.is_empty() || text.len() > 128 || !text.bytes().all(allowed) {
        return Err("a name has 1 to 128 of the characters `A-Za-z0-9._:/@-`".to_owned());
    }
    Ok(text.to_owned())
}

fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

const EXAMPLES: &str = "\
Examples:
  weighbridge keys create --name search-ci --team search
  weighbridge keys create --name ci --team search --model fast --expires 2030-01-31 --budgets '[{\"usd\":50,\"per\":\"month\"}]'
  weighbridge keys create --name batch --team search --allow-ip 10.0.0.0/8 --priority low --guardrail no-pii
  weighbridge keys create --offline --name search-ci --team search
  weighbridge keys update batch --reset allowed_ips,guardrails
  weighbridge keys list --team search
  weighbridge keys rotate search-ci --grace 24h
  weighbridge keys revoke search-ci";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::hash_of;

    #[test]
    fn a_new_key_is_printed_once_with_its_hash_and_the_line_for_the_file() {
        let mut out = Vec::new();
        let create = Create {
            name: Some("search-ci".to_owned()),
            team: Some("search".to_owned()),
            given: Given::default(),
            offline: true,
        };
        create.offline(&mut out).expect("a buffer takes it");
        let text = String::from_utf8(out).expect("text");
        let key = text.lines().find_map(|line| line.strip_prefix("key:  ")).expect("the key");
        assert_eq!(text.matches(key).count(), 1, "{text}");
        let hash = hash_text(&hash_of(key.as_bytes()));
        assert!(text.contains(&format!("hash: {hash}\n")), "{text}");
        let line = text.lines().find(|line| line.starts_with("  - ")).expect("the line");
        let rows: Vec<std::collections::BTreeMap<String, String>> = serde_yaml::from_str(line).expect("yaml");
        let row = rows.first().expect("one row");
        assert_eq!((&*row["name"], &*row["team"], &row["hash"]), ("search-ci", "search", &hash));
    }

    #[test]
    fn a_name_that_would_break_the_line_is_refused() {
        for bad in ["", "a b", "a\"b", "a\nb", "a{b", "a+b", &"n".repeat(129)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert!(name("search-ci.v2@eu").is_ok());
    }
}
