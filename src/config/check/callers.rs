//! Teams and keys.

use super::Checker;
use crate::config::{
    Allowed, Defaults, Files, Given, JWT_PREFIX, Key, Rules, Scope, Team,
    file::{DefaultFile, DefaultsFile, FilesFile, KeyFile, Names, TeamFile},
    moment,
    tree::join,
};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

impl Checker<'_> {
    /// Where files are kept: of the gateway, and of teams that say so themselves.
    pub(super) fn files(&mut self, all: &FilesFile, teams: &BTreeMap<String, TeamFile>) -> Files {
        let mut named = |path: &str, provider: &str| {
            self.refers(path, provider, "providers", "provider");
            self.one_account(path, provider);
            Arc::<str>::from(provider)
        };
        let provider = all.provider.as_deref().map(|provider| named("files.provider", provider));
        let own = teams.iter().filter_map(|(team, file)| Some((team, &*file.files.as_ref()?.provider)));
        let own = own.map(|(team, provider)| {
            let path = join(&join(&join("teams", team), "files"), "provider");
            (Arc::from(&**team), named(&path, provider))
        });
        let teams = own.collect();
        Files { provider, teams, look: self.time("files.look", all.look, Duration::from_secs(300)) }
    }

    pub(super) fn teams(
        &mut self,
        written: BTreeMap<String, TeamFile>,
        default: &DefaultFile,
        zone: &TimeZone,
    ) -> BTreeMap<Arc<str>, Team> {
        let teams = written.into_iter().map(|(name, file)| {
            let path = join("teams", &name);
            self.named(&path, &name);
            let priority = file.priority.unwrap_or_default();
            let own = DefaultFile { models: file.models, limits: file.limits, budgets: file.budgets, guardrails: None };
            let cache = self.caching(&path, file.cache);
            let scope = Scope::Team((*name).into());
            let (models, rules) = self.own_or_default(&path, &scope, own, ("defaults.teams", default), zone);
            let name: Arc<str> = name.into();
            (Arc::clone(&name), Team { name, models, priority, cache, rules })
        });
        teams.collect()
    }

    /// What a scope says itself, else what the defaults say: list by list.
    fn own_or_default(
        &mut self,
        path: &str,
        scope: &Scope,
        own: DefaultFile,
        (default_path, default): (&str, &DefaultFile),
        zone: &TimeZone,
    ) -> (Allowed, Arc<Rules>) {
        let models = match own.models {
            Some(models) => self.allowed(&join(path, "models"), Some(models)),
            None => self.allowed(&join(default_path, "models"), default.models.clone()),
        };
        let (has_limits, has_budgets) = (own.limits.is_some(), own.budgets.is_some());
        let of_own = self.rules(path, scope, own.limits, own.budgets, zone);
        if has_limits && has_budgets {
            return (models, of_own);
        }
        let of_default = self.rules(default_path, scope, default.limits.clone(), default.budgets.clone(), zone);
        let limits = if has_limits { &of_own.limits } else { &of_default.limits };
        let budgets = if has_budgets { &of_own.budgets } else { &of_default.budgets };
        (models, Arc::new(Rules { limits: limits.clone(), budgets: budgets.clone() }))
    }

    /// Checks what stands under `defaults:`, also where no team or key takes it.
    pub(super) fn defaults(&mut self, file: &DefaultsFile, zone: &TimeZone) -> Defaults {
        let mut of = |path: &str, scope: Scope, default: &DefaultFile| {
            let models = self.allowed(&join(path, "models"), default.models.clone());
            let rules = self.rules(path, &scope, default.limits.clone(), default.budgets.clone(), zone);
            Given { models, rules }
        };
        Defaults {
            teams: of("defaults.teams", Scope::Team("".into()), &file.teams),
            keys: of("defaults.keys", Scope::Key("".into()), &file.keys),
        }
    }

    pub(super) fn keys(
        &mut self,
        written: Vec<Option<KeyFile>>,
        default: &DefaultFile,
        teams: &BTreeMap<Arc<str>, Team>,
        zone: &TimeZone,
    ) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        let (mut names, mut hashes) = (HashMap::new(), HashMap::new());
        for (index, file) in written.into_iter().enumerate() {
            let Some(file) = file else { continue };
            let path = format!("keys[{index}]");
            let Some(key) = self.key(&path, file, default, teams, zone) else { continue };
            if let Some(other) = names.insert(Arc::clone(&key.name), path.clone()) {
                self.flag(&join(&path, "name"), format!("`{other}` has the same name; each key has its own"));
            }
            if let Some(other) = hashes.insert(key.hash, path.clone()) {
                self.flag(&join(&path, "hash"), format!("`{other}` has the same hash; each key has its own"));
            }
            keys.push(key);
        }
        keys
    }

    fn key(
        &mut self,
        path: &str,
        file: KeyFile,
        default: &DefaultFile,
        teams: &BTreeMap<Arc<str>, Team>,
        zone: &TimeZone,
    ) -> Option<Key> {
        let of_team = join(path, "team");
        self.named(&join(path, "name"), &file.name);
        if file.name.starts_with(JWT_PREFIX) {
            self.flag(&join(path, "name"), format!("names that begin with `{JWT_PREFIX}` are those of JWT callers"));
        }
        self.refers(&of_team, &file.team, "teams", "team");
        let of_models = join(path, "models");
        let priority = file.priority;
        let own = DefaultFile { models: file.models, limits: file.limits, budgets: file.budgets, guardrails: None };
        let scope = Scope::Key((*file.name).into());
        let written = own.models.is_some();
        let (models, rules) = self.own_or_default(path, &scope, own, ("defaults.keys", default), zone);
        if let (Allowed::Only(models), Some(team), true) = (&models, teams.get(&*file.team), written) {
            for (index, model) in models.iter().enumerate() {
                if self.defines("models", model) && !team.models.contains(model) {
                    let path = format!("{of_models}[{index}]");
                    let (team, model) = (self.shown(&of_team, &file.team), self.shown(&path, model));
                    let message = format!("the key's team {team} may not call {model}; a key only narrows its team");
                    self.flag(&path, message);
                }
            }
        }
        let expires_us = file.expires.and_then(|text| self.expires(&join(path, "expires"), &text));
        let of_ips = join(path, "allowed_ips");
        if file.allowed_ips.as_ref().is_some_and(Vec::is_empty) {
            self.flag(&of_ips, "names no address; leave it out for all");
        }
        let allowed_ips = self.networks(&of_ips, file.allowed_ips, &|_| None);
        let hash = hash_of(&file.hash);
        if hash.is_none() {
            let like = "`sha256:` and 64 hexadecimal digits, as `weighbridge keys create --offline` prints them";
            self.flag(&join(path, "hash"), format!("expected {like}; never the key itself"));
        }
        let (name, team, hash) = (file.name.into(), file.team.into(), hash?);
        Some(Key { name, team, hash, models, priority, expires_us, allowed_ips, rules })
    }

    fn allowed(&mut self, path: &str, written: Option<Names>) -> Allowed {
        let Some(Names::Only(names)) = written else { return Allowed::All };
        if names.is_empty() {
            self.flag(path, "names no model; leave it out for all");
        }
        let mut models = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            if let Some(name) = name {
                self.refers(&format!("{path}[{index}]"), &name, "models", "model");
                models.push(Arc::from(name));
            }
        }
        Allowed::Only(models)
    }

    /// A moment, or the beginning of a day in UTC, in microseconds since 1970.
    fn expires(&mut self, path: &str, text: &str) -> Option<u64> {
        let micros = moment::read(text);
        if micros.is_none() {
            let shown = self.shown(path, text);
            self.flag(path, format!("{shown} is no time after 1970; {}", moment::LIKE));
        }
        micros
    }
}

fn hash_of(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text.strip_prefix("sha256:")?, &mut hash).ok()?;
    Some(hash)
}
