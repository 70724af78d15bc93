//! How keys and teams are shown, those of the file and those made at run time alike. Never a key itself.

use super::callers::{Book, Callers};
use super::edit::KeysError;
use super::record::{KeyRecord, KeyState, KeyView, SecretView, Source, TeamRecord, TeamView};
use crate::config::{Allowed, moment, nearest};

impl Callers {
    /// All keys by name, those of the file included.
    pub fn keys(&self) -> Vec<KeyView> {
        let now_us = self.clock.now_us();
        let book = self.book.lock();
        let mut views: Vec<KeyView> =
            book.stored.keys.values().map(|record| self.view(&book, record, now_us)).collect();
        drop(book);
        let written = self.written.load();
        views.extend(written.keys.iter().map(|key| KeyView {
            name: key.name.to_string(),
            team: key.team.to_string(),
            source: Source::File,
            state: if key.term.ended(now_us) { KeyState::Expired } else { KeyState::Active },
            models: names(&key.models),
            expires: key.expires_us.map(moment::show),
            limits: None,
            budgets: None,
            tags: Default::default(),
            allowed_ips:
                (!key.allowed_ips.is_empty()).then(|| key.allowed_ips.iter().map(ToString::to_string).collect()),
            priority: key.priority.map(|priority| priority.name().to_owned()),
            guardrails: written.guardrails.keys.get(&key.name).map(|names| shown(names)),
            created: None,
            updated: None,
            revoked: None,
            problem: None,
            secrets: vec![SecretView::of(&key.hash, None)],
        }));
        // The file's first where a name stands twice.
        views.sort_by(|a, b| a.name.cmp(&b.name).then((a.source == Source::State).cmp(&(b.source == Source::State))));
        views
    }

    /// One key.
    ///
    /// # Errors
    ///
    /// [`KeysError::NotFound`].
    pub fn key(&self, name: &str) -> Result<KeyView, KeysError> {
        let keys = self.keys();
        let found = keys.iter().find(|key| key.name == name).cloned();
        found.ok_or_else(|| not_found("key", name, keys.iter().map(|key| &*key.name)))
    }

    /// All teams by name, those of the file included.
    pub fn teams(&self) -> Vec<TeamView> {
        let book = self.book.lock();
        let written = self.written.load();
        let own = book.stored.teams.values().filter(|team| !written.teams.contains_key(&team.name));
        let mut views: Vec<TeamView> = own.map(|record| self.team_view(&book, record)).collect();
        views.extend(written.teams.iter().map(|(name, team)| TeamView {
            name: name.to_string(),
            source: Source::File,
            models: names(&team.models),
            limits: None,
            budgets: None,
            tags: Default::default(),
            priority: Some(team.priority.name().to_owned()),
            guardrails: written.guardrails.teams.get(name).map(|names| shown(names)),
            keys: self.keys_of(&book, name),
            created: None,
            updated: None,
            problem: None,
        }));
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// One team.
    ///
    /// # Errors
    ///
    /// [`KeysError::NotFound`].
    pub fn team(&self, name: &str) -> Result<TeamView, KeysError> {
        let teams = self.teams();
        let found = teams.iter().find(|team| team.name == name).cloned();
        found.ok_or_else(|| not_found("team", name, teams.iter().map(|team| &*team.name)))
    }

    pub(super) fn keys_of(&self, book: &Book, team: &str) -> usize {
        let written = self.written.load().keys.iter().filter(|key| &*key.team == team).count();
        let own = book.stored.keys.values().filter(|key| &*key.team == team && key.revoked_us.is_none()).count();
        written + own
    }

    pub(super) fn view(&self, book: &Book, record: &KeyRecord, now_us: u64) -> KeyView {
        let problem = book.stored.problem(&record.name, &record.team);
        let state = if self.written.load().has_key(&record.name) {
            KeyState::Shadowed
        } else if record.revoked_us.is_some() {
            KeyState::Revoked
        } else if record.expires_us.is_some_and(|at| now_us >= at) {
            KeyState::Expired
        } else if problem.is_some() {
            KeyState::Unreadable
        } else {
            KeyState::Active
        };
        KeyView {
            name: record.name.to_string(),
            team: record.team.to_string(),
            source: Source::State,
            state,
            models: record.grants.models.clone(),
            expires: record.expires_us.map(moment::show),
            limits: record.grants.limits.clone(),
            budgets: record.grants.budgets.clone(),
            tags: record.grants.tags.clone(),
            allowed_ips: record.grants.allowed_ips.clone(),
            priority: record.grants.priority.clone(),
            guardrails: record.grants.guardrails.clone(),
            created: Some(moment::show(record.created_us)),
            updated: Some(moment::show(record.updated_us)),
            revoked: record.revoked_us.map(moment::show),
            problem: problem.filter(|_| state == KeyState::Unreadable),
            secrets: record.secrets.iter().map(|secret| SecretView::of(&secret.hash, secret.until_us)).collect(),
        }
    }

    pub(super) fn team_view(&self, book: &Book, record: &TeamRecord) -> TeamView {
        TeamView {
            name: record.name.to_string(),
            source: Source::State,
            models: record.grants.models.clone(),
            limits: record.grants.limits.clone(),
            budgets: record.grants.budgets.clone(),
            tags: record.grants.tags.clone(),
            priority: record.grants.priority.clone(),
            guardrails: record.grants.guardrails.clone(),
            keys: self.keys_of(book, &record.name),
            created: Some(moment::show(record.created_us)),
            updated: Some(moment::show(record.updated_us)),
            problem: book.stored.unfit_teams.get(&record.name).cloned(),
        }
    }
}

/// With a name that is near it.
pub(super) fn not_found<'a>(what: &'static str, name: &str, names: impl Iterator<Item = &'a str>) -> KeysError {
    let hint = nearest(name, names).map(str::to_owned);
    KeysError::NotFound { what, name: name.chars().filter(|c| !c.is_control()).take(128).collect(), hint }
}

fn names(models: &Allowed) -> Option<Vec<String>> {
    match models {
        Allowed::All => None,
        Allowed::Only(names) => Some(shown(names)),
    }
}

fn shown(names: &[std::sync::Arc<str>]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}
