//! The rows of LiteLLM's tables, found by their ids; and what they name.

use super::read::{Fields, Node, Tables};
use super::settings::Settings;
use std::collections::BTreeSet;

/// All models that keys, teams, users, aliases and fallbacks name: what a wildcard must stand for.
pub(super) fn mentioned(tables: &Tables, settings: &Settings) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for table in ["LiteLLM_VerificationToken", "LiteLLM_TeamTable", "LiteLLM_UserTable", "LiteLLM_OrganizationTable"] {
        for row in tables.get(table).into_iter().flatten() {
            names.extend(Fields::of(row).texts("models"));
        }
    }
    for fallback in &settings.fallbacks {
        names.extend(fallback.to.iter().chain(&fallback.from).cloned());
    }
    names.extend(settings.aliases.iter().map(|(_, _, of)| of.clone()));
    names
}

/// The row of `table` whose `column` is `id`.
pub(super) fn row<'t>(tables: &'t Tables, table: &str, column: &str, id: Option<&str>) -> Option<&'t Node> {
    let id = id?;
    tables.get(table)?.iter().find(|row| row.get(column).and_then(Node::text) == Some(id))
}
