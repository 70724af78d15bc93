//! From another gateway's configuration to ours: LiteLLM's proxy, its file and its database's tables.
//!
//! Text in, text out: it reads and writes no file, and knows our configuration by its names only; that what it writes is
//! right is what `weighbridge check` says (tests/it/import_litellm.rs). What cannot be carried over is told with its path and
//! what to do, and never left out in silence. No value of the input is ever told: it may be a secret. A secret in the
//! input becomes `${env:NAME}`, and the name is told.
//!
//! Facts about LiteLLM are from its public documentation, cited where they are used; read in November 2026.

mod amount;
mod callers;
mod database;
mod desk;
mod guards;
mod kinds;
mod models;
mod provider;
mod read;
mod rules;
mod settings;
mod wildcards;
mod write;

use desk::Desk;
use read::{Fields, Node, Tables};
use std::fmt::Write as _;
use write::{Out, comment, section};

/// Why nothing could be made. The text holds no value of the input.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input is not what it should be.
    #[error("{0}")]
    Input(String),
}

/// The models of a provider.
pub type Listed<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// What is read.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The proxy's configuration, YAML.
    pub config: &'a str,
    /// Its file's name, for messages.
    pub config_name: &'a str,
    /// Exports of database tables: name of the file, and its text.
    pub tables: &'a [(String, String)],
    /// The models that have a price, by our catalogue's name of the provider: what a wildcard stands for.
    pub known: Listed<'a>,
}

/// What was made.
#[derive(Debug)]
pub struct Imported {
    /// Our configuration, with what was not carried over as comments at its head.
    pub yaml: String,
    /// The same as lines for a terminal.
    pub told: Vec<String>,
    /// Variables of the environment that the configuration names.
    pub variables: Vec<String>,
}

/// Makes our configuration of LiteLLM's.
///
/// The file's sections are those of <https://docs.litellm.ai/docs/proxy/configs>, its settings those of
/// <https://docs.litellm.ai/docs/proxy/config_settings>; the tables are those of its Prisma schema (`schema.prisma` of
/// `BerriAI/litellm`), in which keys stand as SHA-256 of the whole `sk-…`, in hexadecimal, as ours do: clients keep them.
///
/// # Errors
///
/// When the input is no YAML, JSON or CSV, or names no table that is known.
pub fn litellm(input: Input<'_>) -> Result<Imported, ImportError> {
    let root = read::yaml(input.config, input.config_name)?;
    let mut tables = Tables::new();
    for (name, text) in input.tables {
        read::tables(text, name, &mut tables)?;
    }
    let money = is_money(&root) || tables.values().flatten().any(is_money);
    let mut desk = Desk::new(&root);
    let file = Fields::of(&root);
    let settings = settings::read(&file, &mut desk);
    let mut models = models::read(&file, &settings, (input.known, money), &mut desk);
    let mentioned = callers::mentioned(&tables, &settings);
    wildcards::expand(&mut models, &mentioned, input.known, &mut desk);
    models.finish(&settings, &mut desk);
    let guards = guards::read(&file, &mut desk);
    let callers = database::read(&tables, &models, &guards, &mut desk);
    settings::leftovers(&file, &mut desk);

    let mut yaml = String::new();
    head(&input, &desk, &mut yaml);
    section("server", &settings.server, &mut yaml);
    section("admin", &settings.admin, &mut yaml);
    section("providers", &models.providers(), &mut yaml);
    section("models", &models.models(&settings), &mut yaml);
    section("prices", &models.prices(), &mut yaml);
    section("health", &settings.health, &mut yaml);
    section("guardrails", &guards.written, &mut yaml);
    section("teams", &callers.teams, &mut yaml);
    section("keys", &callers.keys, &mut yaml);
    section("limits", &Out::List(settings.limits.clone()), &mut yaml);
    section("budgets", &Out::List(settings.budgets.clone()), &mut yaml);
    section("defaults", &guards.defaults, &mut yaml);
    section("budgeting", &settings.budgeting, &mut yaml);
    section("alerts", &settings.alerts, &mut yaml);
    let told = desk.notes.iter().map(ToString::to_string).collect();
    Ok(Imported { yaml, told, variables: desk.variables() })
}

/// Whether a budget in dollars stands anywhere.
fn is_money(node: &Node) -> bool {
    let budget = |key: &str, node: &Node| matches!(key, "max_budget" | "max_end_user_budget") && !node.is_null();
    node.items().iter().any(is_money) || node.entries().iter().any(|(key, node)| budget(key, node) || is_money(node))
}

/// Where it comes from, and what is left to do.
fn head(input: &Input<'_>, desk: &Desk, out: &mut String) {
    comment(&format!("Made by `weighbridge import-litellm` of {}.", input.config_name), out);
    let variables = desk.variables();
    if !variables.is_empty() {
        let _ = writeln!(out, "#\n# Variables of the environment that must be set:");
        variables.iter().for_each(|name| comment(&format!("  {name}"), out));
    }
    if !desk.notes.is_empty() {
        let _ = writeln!(
            out,
            "#\n# What is left to do, or is not as it was (path in LiteLLM's configuration: what to do):"
        );
        desk.notes.iter().for_each(|note| comment(&format!("  {note}"), out));
    }
}

#[cfg(test)]
mod tests;
