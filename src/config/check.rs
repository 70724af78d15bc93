//! Do the parts fit together? From what is written to what is run, one section a file.

use super::error::hint;
use super::file::ConfigFile;
use super::tree::{Node, Places, Scalar, Value};
use super::{Config, ConfigError, Health, Scope, Written};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod accounts;
mod alerts;
mod attempts;
mod auth;
mod cache;
mod callers;
mod guardrails;
mod health;
mod models;
mod oidc;
mod records;
mod routes;
mod rules;
mod server;
mod telemetry;
mod uplink;

pub(super) use server::STATE_DIR;

/// Collects mistakes while it builds the configuration. Where something is wrong it goes on with what is left.
pub(super) struct Checker<'a> {
    /// What a name may refer to, by top-level section, whether or not what stands there is right.
    names: BTreeMap<&'static str, BTreeSet<&'a str>>,
    /// Keys and teams may be made at run time: the file does not know all their names.
    open: bool,
    /// The file without its flaws.
    tree: &'a Node,
    places: Arc<Places>,
    base: &'a Path,
    pub(super) errors: Vec<ConfigError>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        written: &'a Node,
        tree: &'a Node,
        places: Arc<Places>,
        base: &'a Path,
        errors: Vec<ConfigError>,
    ) -> Self {
        let names_of = |section| written.get(section).map(Node::entries).unwrap_or_default().iter();
        let names = ["providers", "models", "teams", "guardrails"].map(|section| {
            let names = names_of(section).map(|(name, _)| name.as_str());
            (section, names.collect())
        });
        let mut names = BTreeMap::from(names);
        names.extend(key_names(written).map(|keys| ("keys", keys)));
        let open = |admin: &Node| admin.get("token").is_some() || admin.get("oidc").is_some();
        let open = written.get("admin").is_some_and(open);
        Self { names, open, tree, places, base, errors }
    }

    /// The checked configuration; it counts only if no errors were found. `None` where not even a part can be built.
    pub(super) fn config(&mut self, mut file: ConfigFile) -> Option<Config> {
        let guardrails = self.guardrail_lists(&mut file);
        let server = self.server(file.server);
        let admin = self.admin(file.admin, &server.as_ref().map(|s| s.listen.clone()).unwrap_or_default());
        let state = self.state(file.state);
        let budgeting = self.budgeting(file.budgeting);
        let health = self.health("health", &file.health, &Health::default());
        let providers = self.providers(&budgeting.zone, &health);
        let models = self.models(file.models, &budgeting.zone);
        let defaults = self.defaults(&file.defaults, &budgeting.zone);
        let files = self.files(&file.files, &file.teams);
        let records = self.records(file.records, &file.teams, state.as_ref());
        let cache = self.cache(file.cache);
        let teams = self.teams(file.teams, &file.defaults.teams, &budgeting.zone);
        let keys = self.keys(file.keys, &file.defaults.keys, &teams, &budgeting.zone);
        let auth = self.auth(file.auth, &teams);
        let prices = self.prices(file.prices);
        let (webhook, alert_bounds) = self.alerts(file.alerts);
        let telemetry = self.telemetry(file.telemetry, &records, &providers);
        let rules = self.rules("", &Scope::Gateway, file.limits, file.budgets, &budgeting.zone);
        Some(Config {
            server: server?,
            admin: admin?,
            auth,
            defaults,
            state: state?,
            providers,
            models,
            teams,
            keys,
            prices,
            records,
            cache,
            rules,
            budgeting,
            webhook,
            alert_bounds,
            telemetry,
            files,
            guardrails,
            watch: file.watch,
            written: Written::default(),
        })
    }

    fn flag(&mut self, path: &str, message: impl Into<String>) {
        self.errors.push(self.places.error(path, message));
    }

    /// `value` as it may be shown: not if it came out of a reference.
    fn shown(&self, path: &str, value: &str) -> String {
        match self.tree.find(path).map(|node| &node.value) {
            Some(Value::Scalar(Scalar { reference: Some(reference), .. })) => format!("`{reference}`"),
            _ => format!("`{value}`"),
        }
    }

    /// Whether `section` defines `name`.
    fn defines(&self, section: &str, name: &str) -> bool {
        let written = self.names.get(section).is_some_and(|names| names.contains(name));
        let of = name.split_once(Scope::ACCOUNT).filter(|_| section == "providers").map(|(provider, _)| provider);
        written || of.is_some_and(|provider| self.account_names(provider).iter().any(|one| one == name))
    }

    /// Flags `name`, which stands at `path`, if `section` does not define it.
    fn refers(&mut self, path: &str, name: &str, section: &str, what: &str) {
        if self.defines(section, name) {
            return;
        }
        let names = self.names.get(section).into_iter().flatten().copied();
        let hint = match names.clone().next() {
            Some(_) => hint(name, names),
            None => format!("; none is defined under `{section}`"),
        };
        let shown = self.shown(path, name);
        self.flag(path, format!("there is no {what} {shown}{hint}"));
    }

    /// Flags a name that cannot stand in labels, headers and records as it is.
    fn named(&mut self, path: &str, name: &str) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(fits) {
            self.flag(path, "a name has 1 to 128 of `A-Z a-z 0-9 . _ : / @ -`");
        }
    }

    /// `path` of the file system, from the directory of the file if it is relative.
    fn located(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }
}

/// The names of the keys of the file; `None` where one comes out of a reference, and must not be shown.
fn key_names(written: &Node) -> Option<BTreeSet<&str>> {
    let Some(keys) = written.get("keys") else { return Some(BTreeSet::new()) };
    let Value::List(keys) = &keys.value else { return None };
    let mut names = BTreeSet::new();
    for key in keys {
        let Value::Scalar(Scalar { text, reference: None, .. }) = &key.get("name")?.value else { return None };
        names.insert(text.as_str());
    }
    Some(names)
}
