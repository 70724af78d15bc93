//! What the key store gives that does not fit the configuration file any more: a guardrail or a model that was fallen back
//! to is gone, or a newer version reads a member more strictly.
//!
//! Such a key is not served without its rules, and it stops nobody else: it alone is answered 503 until a change mends
//! it (or the file has again what it names).

use super::edit;
use super::keyring::{Stored, Written};
use super::store::{Store, StoreError};
use crate::config::{Config, Scope};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A key or team of the store with what does not fit the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Which: `key/search-ci`, `team/search`.
    pub object: Scope,
    /// What does not fit.
    pub why: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} `{}`: {}", self.object.kind(), self.object.name(), self.why)
    }
}

/// The keys and teams of the store in `dir` with what does not fit `config`; none if there is no store.
/// Nothing is written, and no file is made.
///
/// # Errors
///
/// When the store cannot be read, or a newer version wrote it.
pub fn misfits(config: &Config, dir: &Path) -> Result<Vec<Misfit>, StoreError> {
    let Some(store) = Store::open_read_only(dir)? else { return Ok(Vec::new()) };
    Ok(Stored::read(&store, &Written::of(config))?.misfits())
}

impl Stored {
    /// Reads the store. What does not work now (a revoked key, a name that the file has too) needs no rules.
    pub fn read(store: &Store, written: &Written) -> Result<Self, StoreError> {
        let mut stored = Self::default();
        for team in store.teams()? {
            let name = Arc::clone(&team.name);
            if !written.teams.contains_key(&name) {
                match edit::fit(written, &Scope::Team(Arc::clone(&name)), &team.grants) {
                    Ok(rules) => drop(stored.team_rules.insert(Arc::clone(&name), rules)),
                    Err(error) => drop(stored.unfit_teams.insert(Arc::clone(&name), error.to_string())),
                }
            }
            stored.teams.insert(name, team);
        }
        for key in store.keys()? {
            let name = Arc::clone(&key.name);
            if key.revoked_us.is_none() && !written.has_key(&name) {
                let team_is_gone = !written.teams.contains_key(&key.team) && !stored.teams.contains_key(&key.team);
                match edit::fit(written, &Scope::Key(Arc::clone(&name)), &key.grants) {
                    // Its team's limits, budgets and guardrails would not hold it.
                    Ok(_) if team_is_gone => {
                        let why = format!("its team `{}` is gone from the file", key.team);
                        drop(stored.unfit_keys.insert(Arc::clone(&name), why));
                    }
                    Ok(rules) => drop(stored.key_rules.insert(Arc::clone(&name), rules)),
                    Err(error) => drop(stored.unfit_keys.insert(Arc::clone(&name), error.to_string())),
                }
            }
            stored.keys.insert(name, key);
        }
        Ok(stored)
    }

    /// What does not fit the file: teams, then keys, by name.
    pub fn misfits(&self) -> Vec<Misfit> {
        let teams = self.unfit_teams.iter().map(|(name, why)| (Scope::Team(Arc::clone(name)), why));
        let keys = self.unfit_keys.iter().map(|(name, why)| (Scope::Key(Arc::clone(name)), why));
        teams.chain(keys).map(|(object, why)| Misfit { object, why: why.clone() }).collect()
    }

    /// Logs which keys and teams do not work beside what the file says.
    pub fn tell_what_does_not_work(&self, written: &Written) {
        for name in self.keys.keys().filter(|name| written.has_key(name)) {
            tracing::error!(
                key = &**name,
                "the file has a key of the same name as one of the key store, which does not work now"
            );
        }
        for misfit in self.misfits() {
            tracing::error!(
                object = %misfit.object,
                why = misfit.why,
                "limits, budgets or guardrails of the key store do not fit the file; until they are mended this is answered with 503"
            );
        }
    }

    /// Why a key of `team` is answered 503, if it is.
    pub fn problem(&self, key: &str, team: &str) -> Option<String> {
        let own = self.unfit_keys.get(key).cloned();
        own.or_else(|| self.unfit_teams.get(team).map(|why| format!("its team `{team}`: {why}")))
    }
}
