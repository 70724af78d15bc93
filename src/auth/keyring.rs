//! The snapshot in which a presented key is looked up.

use super::edit;
use super::record::{KeyRecord, TeamRecord};
use super::{AuthError, Callable, Caller, CallerRules, Presented, Term, hash_of};
use crate::config::{Allowed, Config, Given, Networks, Priority, Rules};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Every key and team at one moment.
pub struct Keyring {
    entries: HashMap<[u8; 32], Entry>,
    teams: HashMap<Arc<str>, TeamEntry>,
    /// Those whose rules do not fit the file.
    unfit_teams: HashSet<Arc<str>>,
    /// Counts the snapshots: what was worked out from an older one is stale.
    pub(super) generation: u64,
    /// The generation of the file.
    file: u64,
}

struct Entry {
    hash: [u8; 32],
    revoked: bool,
    /// Its rules, or its team's, do not fit the file.
    unfit: bool,
    caller: Arc<Caller>,
}

/// A team as callers need it.
#[derive(Clone)]
pub(super) struct TeamEntry {
    pub models: Allowed,
    pub priority: Priority,
    pub rules: Arc<Rules>,
    /// Those that the store gives; the file's are found by the team's name.
    pub guardrails: Arc<[Arc<str>]>,
}

/// What the file says of keys, teams and models.
pub(super) struct Written {
    pub keys: Vec<WrittenKey>,
    pub teams: BTreeMap<Arc<str>, TeamEntry>,
    pub models: BTreeSet<Arc<str>>,
    pub guardrails: WrittenGuardrails,
    pub defaults: Defaults,
    /// Which reading of the file this is: 0 at the start.
    pub generation: u64,
}

/// Which guardrails the file has, and those that it names for its own teams and keys.
pub(super) struct WrittenGuardrails {
    pub names: BTreeSet<Arc<str>>,
    pub teams: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    pub keys: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

/// What keys and teams have that say nothing of their own.
pub(super) struct Defaults {
    pub keys: Given,
    pub teams: Given,
    /// Where the days of budgets begin that do not say.
    pub zone: TimeZone,
}

/// A key of the file.
pub(super) struct WrittenKey {
    pub name: Arc<str>,
    pub team: Arc<str>,
    pub hash: [u8; 32],
    pub models: Allowed,
    pub priority: Option<Priority>,
    pub rules: Arc<Rules>,
    pub expires_us: Option<u64>,
    pub allowed_ips: Networks,
    pub term: Term,
}

impl Written {
    /// Takes from `config` what callers are made of.
    pub fn of(config: &Config) -> Self {
        let keys = config.keys.iter().map(|key| WrittenKey {
            name: Arc::clone(&key.name),
            team: Arc::clone(&key.team),
            hash: key.hash,
            models: key.models.clone(),
            priority: key.priority,
            rules: Arc::clone(&key.rules),
            expires_us: key.expires_us,
            allowed_ips: key.allowed_ips.clone(),
            term: Term::until(key.expires_us.unwrap_or(u64::MAX)),
        });
        let team = |team: &crate::config::Team| TeamEntry {
            models: team.models.clone(),
            priority: team.priority,
            rules: Arc::clone(&team.rules),
            guardrails: Arc::default(),
        };
        Self {
            keys: keys.collect(),
            teams: config.teams.iter().map(|(name, one)| (Arc::clone(name), team(one))).collect(),
            models: config.models.keys().cloned().collect(),
            guardrails: WrittenGuardrails {
                names: config.guardrails.all.keys().cloned().collect(),
                teams: config.guardrails.teams.clone(),
                keys: config.guardrails.keys.clone(),
            },
            defaults: Defaults {
                keys: config.defaults.keys.clone(),
                teams: config.defaults.teams.clone(),
                zone: config.budgeting.zone.clone(),
            },
            generation: 0,
        }
    }

    /// The same keys by the same terms as `before`, so that whoever holds one learns of its end.
    pub fn after(mut self, before: &Self, generation: u64) -> Self {
        for key in &mut self.keys {
            if let Some(old) = before.keys.iter().find(|old| old.hash == key.hash) {
                key.term = old.term.clone();
            }
        }
        self.generation = generation;
        self
    }

    /// Sets when each key's requests end; those of keys that are only in `before`, now.
    pub fn set_terms(&self, before: &Self) {
        for key in &self.keys {
            key.term.set(key.expires_us.unwrap_or(u64::MAX));
        }
        for gone in before.keys.iter().filter(|old| !self.keys.iter().any(|key| key.hash == old.hash)) {
            gone.term.set(0);
        }
    }

    /// Whether the file has a key of this name.
    pub fn has_key(&self, name: &str) -> bool {
        self.keys.iter().any(|key| &*key.name == name)
    }
}

/// What the store says of keys and teams, with what was worked out from it.
#[derive(Default)]
pub(super) struct Stored {
    pub keys: BTreeMap<Arc<str>, KeyRecord>,
    pub teams: BTreeMap<Arc<str>, TeamRecord>,
    /// Limits and budgets of keys and of teams.
    pub key_rules: HashMap<Arc<str>, Arc<Rules>>,
    pub team_rules: HashMap<Arc<str>, Arc<Rules>>,
    /// Why rules do not fit the file, of those that do not.
    pub unfit_keys: BTreeMap<Arc<str>, String>,
    pub unfit_teams: BTreeMap<Arc<str>, String>,
    /// Kept from snapshot to snapshot: open requests look at them.
    pub terms: HashMap<[u8; 32], Term>,
}

impl Stored {
    /// The term of a secret, which ends at `ends_us` from now on.
    fn term(&mut self, hash: [u8; 32], ends_us: u64) -> Term {
        let term = self.terms.entry(hash).or_insert_with(|| Term::until(ends_us));
        term.set(ends_us);
        term.clone()
    }
}

impl Keyring {
    /// Resolves what each key of the file may call. A key whose team is not in `config` (which the loader refuses) may
    /// call nothing; of two keys with the same hash (which the loader refuses too) the first counts.
    pub fn build(config: &Config) -> Self {
        Self::join(&Written::of(config), &mut Stored::default(), 0)
    }

    /// Joins file and store; where both have a name, the file's counts.
    pub(super) fn join(written: &Written, stored: &mut Stored, generation: u64) -> Self {
        let unfit_teams = stored.unfit_teams.keys().cloned().collect();
        let mut ring =
            Self { entries: HashMap::new(), teams: HashMap::new(), unfit_teams, generation, file: written.generation };
        for (name, team) in &written.teams {
            ring.teams.insert(Arc::clone(name), team.clone());
        }
        for (name, team) in &stored.teams {
            let rules = stored.team_rules.get(name).cloned().unwrap_or_default();
            let models = allowed(team.grants.models.as_deref(), &written.defaults.teams);
            // What does not fit is refused before any of this is asked.
            let priority = edit::priority(&team.grants).ok().flatten().unwrap_or_default();
            let guardrails = edit::guardrails(written, &team.grants).unwrap_or_default().into();
            let entry = || TeamEntry { models, priority, rules, guardrails };
            ring.teams.entry(Arc::clone(name)).or_insert_with(entry);
        }
        for key in &written.keys {
            let given = (&key.models, &key.rules, key.priority);
            let caller = ring.caller(&key.name, &key.team, given, key.term.clone());
            let caller = Caller { allowed_ips: key.allowed_ips.clone(), ..caller };
            ring.add(key.hash, (false, false), caller);
        }
        let keys: Vec<KeyRecord> = stored.keys.values().filter(|key| !written.has_key(&key.name)).cloned().collect();
        for key in keys {
            let rules = stored.key_rules.get(&key.name).cloned().unwrap_or_default();
            let models = allowed(key.grants.models.as_deref(), &written.defaults.keys);
            let unfit = stored.problem(&key.name, &key.team).is_some();
            let priority = edit::priority(&key.grants).ok().flatten();
            let allowed_ips = edit::networks(&key.grants).unwrap_or_default();
            let own = edit::guardrails(written, &key.grants).unwrap_or_default();
            for secret in &key.secrets {
                let term = stored.term(secret.hash, key.ends_us(secret));
                let caller = ring.caller(&key.name, &key.team, (&models, &rules, priority), term);
                let guardrails = own.iter().chain(&*caller.guardrails).cloned().collect();
                let caller = Caller { allowed_ips: allowed_ips.clone(), guardrails, ..caller };
                ring.add(secret.hash, (key.revoked_us.is_some(), unfit), caller);
            }
        }
        ring
    }

    fn add(&mut self, hash: [u8; 32], (revoked, unfit): (bool, bool), caller: Caller) {
        self.entries.entry(hash).or_insert_with(|| Entry { hash, revoked, unfit, caller: Arc::new(caller) });
    }

    fn caller(
        &self,
        key: &Arc<str>,
        team: &Arc<str>,
        (models, rules, priority): (&Allowed, &Arc<Rules>, Option<Priority>),
        term: Term,
    ) -> Caller {
        let of_team = self.teams.get(team);
        let models = match of_team {
            Some(entry) => Callable::both(&entry.models, models),
            None => Callable::Only(HashSet::new()),
        };
        let team_rules = of_team.map(|entry| Arc::clone(&entry.rules)).unwrap_or_default();
        let rules = CallerRules { key: Arc::clone(rules), team: team_rules };
        let guardrails = of_team.map(|entry| Arc::clone(&entry.guardrails)).unwrap_or_default();
        let (key, team, allowed_ips) = (Arc::clone(key), Arc::clone(team), Networks::default());
        let priority = priority.or(of_team.map(|entry| entry.priority)).unwrap_or_default();
        Caller { key, team, user: None, rules, term, priority, guardrails, file: self.file, models, allowed_ips }
    }

    /// A caller that no key stands for; `None` if there is no such team.
    pub(super) fn bearer(
        &self,
        key: &Arc<str>,
        team: &str,
        user: Option<Arc<str>>,
        given: &Given,
        term: Term,
    ) -> Option<Caller> {
        let (team, _) = self.teams.get_key_value(team)?;
        let caller = self.caller(key, team, (&given.models, &given.rules, None), term);
        Some(Caller { user, ..caller })
    }

    /// The caller, unless its team's rules do not fit the file.
    pub(super) fn fit(&self, caller: Arc<Caller>) -> Result<Arc<Caller>, AuthError> {
        if self.unfit_teams.contains(&caller.team) { Err(unreadable(&caller)) } else { Ok(caller) }
    }

    /// Whether there is such a team.
    pub(super) fn has_team(&self, team: &str) -> bool {
        self.teams.contains_key(team)
    }

    /// The names of all teams.
    pub(super) fn team_names(&self) -> impl Iterator<Item = &str> {
        self.teams.keys().map(|name| &**name)
    }

    /// What a team may call.
    pub(super) fn team_models(&self, team: &str) -> Option<&Allowed> {
        self.teams.get(team).map(|entry| &entry.models)
    }

    /// The caller whose key was presented. Allocates nothing.
    ///
    /// The presented key is hashed first, and the table is searched by that digest: what the search's timing tells is
    /// about a SHA-256 that the client cannot steer, never about how much of a key was right.
    ///
    /// # Errors
    ///
    /// [`AuthError::Unknown`], [`AuthError::Revoked`], from the expiry's microsecond on [`AuthError::Expired`], and
    /// [`AuthError::Unreadable`].
    pub fn authenticate(&self, presented: Presented<'_>, now_us: u64) -> Result<Arc<Caller>, AuthError> {
        self.find(&hash_of(presented.bytes()), now_us)
    }

    /// The same by the hash.
    pub(super) fn find(&self, hash: &[u8; 32], now_us: u64) -> Result<Arc<Caller>, AuthError> {
        let entry = self.entries.get(hash).ok_or(AuthError::Unknown)?;
        if !bool::from(entry.hash.ct_eq(hash)) {
            return Err(AuthError::Unknown);
        }
        if entry.revoked {
            return Err(AuthError::Revoked { key: Arc::clone(&entry.caller.key) });
        }
        if entry.caller.term.ended(now_us) {
            return Err(AuthError::Expired { key: Arc::clone(&entry.caller.key) });
        }
        if entry.unfit {
            return Err(unreadable(&entry.caller));
        }
        Ok(Arc::clone(&entry.caller))
    }

    /// How many secrets there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody can call.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn unreadable(caller: &Caller) -> AuthError {
    AuthError::Unreadable { key: Arc::clone(&caller.key), team: Arc::clone(&caller.team) }
}

/// What a list of models allows; without one, what is given by default.
pub(super) fn allowed(models: Option<&[String]>, default: &Given) -> Allowed {
    let list = |names: &[String]| Allowed::Only(names.iter().map(|name| Arc::from(name.as_str())).collect());
    models.map_or_else(|| default.models.clone(), list)
}

/// Only how many keys there are: hashes are no secret, but they do not belong into logs.
impl fmt::Debug for Keyring {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Keyring").field("keys", &self.entries.len()).finish_non_exhaustive()
    }
}
