//! Everybody who may call: the keys of the file, those made at run time, and JWT callers.
//!
//! The look-up takes no lock: it reads a snapshot that each change swaps. Changes come one at a time, are on disk before
//! they are answered, and are told to a witness (the audit log) before they become effective; they block, and belong on
//! a thread for that.

use super::edit::{self, Checks, KeysError, invalid};
use super::grants::{changed, fields_of, grant_fields};
use super::jwt::Jwt;
use super::keyring::{Keyring, Stored, Written};
use super::record::{
    KeyPatch, KeyRecord, KeyView, NewKey, NewTeam, Rotation, SecretRecord, SecretView, TeamPatch, TeamRecord, TeamView,
};
use super::show::not_found;
use super::store::{Pending, Store, StoreError};
use super::{AuthError, Caller, PlainKey, Presented, hash_of, new_key};
use crate::config::{Config, Rules, Scope, moment};
use crate::model::Clock;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What is about to change; never a secret.
#[derive(Debug, Clone)]
pub struct Change {
    /// `key/search-ci`, `team/search`.
    pub object: String,
    /// Members and what they are from now on.
    pub fields: Map<String, Value>,
}

/// Told of a change that is about to be made; when it says no, nothing is changed.
pub type Witness<'a> = dyn Fn(&Change) -> bool + 'a;

/// Everybody who may call.
pub struct Callers {
    pub(super) written: ArcSwap<Written>,
    pub(super) ring: ArcSwap<Keyring>,
    pub(super) book: Mutex<Book>,
    pub(super) jwt: Option<Jwt>,
    pub(super) clock: Arc<dyn Clock>,
    on_rules: OnceLock<Box<OnRules>>,
}

/// Told of the limits and budgets of a key or team before the first request is under them.
pub type OnRules = dyn Fn(&Scope, &Rules) + Send + Sync;

/// What only one may write.
pub(super) struct Book {
    pub(super) store: Store,
    pub(super) stored: Stored,
    pub(super) generation: u64,
    /// How often others had written to the store at the last look.
    pub(super) seen: Option<i64>,
}

impl Callers {
    /// Reads the key store of `dir` beside the keys of `config`.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or a newer version wrote it.
    pub fn open(config: &Config, dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let written = Written::of(config);
        let store = Store::open(dir)?;
        let mut stored = Stored::read(&store, &written)?;
        stored.tell_what_does_not_work(&written);
        let ring = Keyring::join(&written, &mut stored, 1);
        let jwt = config.auth.jwt.clone().map(|jwt| Jwt::new(jwt, &config.defaults.keys));
        let book = Mutex::new(Book { store, stored, generation: 1, seen: None });
        let written = ArcSwap::from_pointee(written);
        Ok(Self { written, ring: ArcSwap::from_pointee(ring), book, jwt, clock, on_rules: OnceLock::new() })
    }

    /// Who presents this key or token. Waits only where the issuer's keys have to be asked for first.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: nobody.
    pub async fn authenticate(&self, presented: Presented<'_>, now_us: u64) -> Result<Arc<Caller>, AuthError> {
        let hash = hash_of(presented.bytes());
        match self.ring.load().find(&hash, now_us) {
            Err(AuthError::Unknown) => {}
            found => return found,
        }
        match (&self.jwt, presented.token()) {
            (Some(jwt), Some(token)) => {
                let ring = self.ring.load_full();
                ring.fit(jwt.caller(token, hash, &ring, now_us).await?)
            }
            _ => Err(AuthError::Unknown),
        }
    }

    /// The same without work that a stranger can cause: one look-up by the hash. A token counts only if it was verified
    /// before.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: nobody who is known already.
    pub fn known(&self, presented: Presented<'_>, now_us: u64) -> Result<Arc<Caller>, AuthError> {
        let hash = hash_of(presented.bytes());
        let ring = self.ring.load();
        match (ring.find(&hash, now_us), &self.jwt) {
            (Err(AuthError::Unknown), Some(jwt)) => {
                ring.fit(jwt.remembered(&hash, &ring, now_us).ok_or(AuthError::Unknown)??)
            }
            (found, _) => found,
        }
    }

    /// The caller that a key of this name makes, for questions about it; `None` if there is none that works.
    pub fn named(&self, key: &str, now_us: u64) -> Option<Arc<Caller>> {
        let hash = match self.written.load().keys.iter().find(|one| &*one.name == key) {
            Some(written) => written.hash,
            None => self.book.lock().stored.keys.get(key)?.secrets.last()?.hash,
        };
        self.ring.load().find(&hash, now_us).ok()
    }

    /// Limits and budgets of keys and teams that were made at run time, and of JWT callers.
    pub fn rules(&self) -> Vec<Arc<Rules>> {
        self.rules_in(&self.book.lock().stored).into_iter().map(|(_, rules)| rules).collect()
    }

    pub(super) fn rules_in(&self, Stored { key_rules, team_rules, .. }: &Stored) -> Vec<(Scope, Arc<Rules>)> {
        let keys = key_rules.iter().map(|(name, rules)| (Scope::Key(Arc::clone(name)), Arc::clone(rules)));
        let teams = team_rules.iter().map(|(name, rules)| (Scope::Team(Arc::clone(name)), Arc::clone(rules)));
        let of_jwt = self.jwt.iter().map(|jwt| (Scope::Key(Arc::clone(jwt.name())), jwt.rules()));
        keys.chain(teams).chain(of_jwt).collect()
    }

    /// Tells `prepare` of the rules that there are, and of those that come, each before a request is under them. It runs
    /// on the thread of the act, which may block. `false`: another one is told already.
    pub fn on_rules(&self, prepare: Box<OnRules>) -> bool {
        // No act comes between.
        let book = self.book.lock();
        self.rules_in(&book.stored).iter().for_each(|(scope, rules)| prepare(scope, rules));
        self.on_rules.set(prepare).is_ok()
    }

    pub(super) fn prepare(&self, scope: &Scope, rules: &Rules) {
        if let Some(prepare) = self.on_rules.get() {
            prepare(scope, rules);
        }
    }

    /// Keeps the keys of JWT issuers fresh; never returns.
    pub async fn maintain(&self) {
        match &self.jwt {
            Some(jwt) => jwt.maintain().await,
            None => std::future::pending().await,
        }
    }

    /// Makes a key. The key itself is in the answer and nowhere else.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: nothing was made.
    pub fn create_key(&self, new: NewKey, witness: &Witness<'_>) -> Result<(PlainKey, KeyView), KeysError> {
        let mut book = self.book.lock();
        let now_us = self.clock.now_us();
        let ring = self.ring.load();
        let written = self.written.load();
        let checks = Checks { written: &written, ring: &ring };
        checks.name(&new.name)?;
        if self.written.load().has_key(&new.name) || book.stored.keys.contains_key(&*new.name) {
            return Err(KeysError::Exists { what: "key", name: new.name });
        }
        checks.team(&new.team)?;
        let (name, team, expires, grants) = new.parts();
        let scope = Scope::Key(Arc::clone(&name));
        let rules = checks.grants(&scope, &grants, Some(&team))?;
        let expires_us = edit::expiry(expires.as_deref(), now_us)?;
        let (plain, hash) = new_key().map_err(|_| KeysError::Randomness)?;
        let record = KeyRecord {
            name: Arc::clone(&name),
            team,
            grants,
            expires_us,
            created_us: now_us,
            updated_us: now_us,
            revoked_us: None,
            secrets: vec![SecretRecord { hash, created_us: now_us, until_us: None }],
        };
        let change = Change { object: format!("key/{name}"), fields: fields_of(&record) };
        book.commit(&change, witness, |pending| pending.put_key(&record))?;
        self.prepare(&scope, &rules);
        book.stored.key_rules.insert(Arc::clone(&name), rules);
        book.stored.keys.insert(name, record.clone());
        self.swap(&mut book);
        Ok((plain, self.view(&book, &record, now_us)))
    }

    /// Changes a key.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: nothing was changed.
    pub fn update_key(&self, name: &str, patch: KeyPatch, witness: &Witness<'_>) -> Result<KeyView, KeysError> {
        let mut book = self.book.lock();
        let now_us = self.clock.now_us();
        let mut record = self.living_key(&book, name)?;
        let before = fields_of(&record);
        let ring = self.ring.load();
        let written = self.written.load();
        let checks = Checks { written: &written, ring: &ring };
        if let Some(team) = &patch.team {
            checks.team(team)?;
            record.team = Arc::from(&**team);
        }
        let expires = patch.put(&mut record.grants);
        if let Some(expires) = expires {
            record.expires_us = edit::expiry(expires.as_deref(), now_us)?;
        }
        let scope = Scope::Key(Arc::clone(&record.name));
        let rules = checks.grants(&scope, &record.grants, Some(&record.team))?;
        record.updated_us = now_us;
        let change = Change { object: format!("key/{name}"), fields: changed(&before, fields_of(&record)) };
        book.commit(&change, witness, |pending| pending.put_key(&record))?;
        self.prepare(&scope, &rules);
        book.stored.key_rules.insert(Arc::clone(&record.name), rules);
        book.stored.unfit_keys.remove(&record.name);
        book.stored.keys.insert(Arc::clone(&record.name), record.clone());
        self.swap(&mut book);
        Ok(self.view(&book, &record, now_us))
    }

    /// Gives a key a new secret. The old one goes on working for the grace period; older ones end now.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: nothing was changed.
    pub fn rotate_key(
        &self,
        name: &str,
        rotation: &Rotation,
        witness: &Witness<'_>,
    ) -> Result<(PlainKey, KeyView), KeysError> {
        let grace = match &rotation.grace {
            Some(text) => moment::duration(text).map_err(|why| invalid("grace", why))?,
            None => Duration::ZERO,
        };
        let mut book = self.book.lock();
        let now_us = self.clock.now_us();
        let mut record = self.living_key(&book, name)?;
        let until_us = now_us.saturating_add(u64::try_from(grace.as_micros()).unwrap_or(u64::MAX));
        let (plain, hash) = new_key().map_err(|_| KeysError::Randomness)?;
        let gone: Vec<_> = record.secrets.iter().rev().skip(1).map(|secret| secret.hash).collect();
        let last = record.secrets.pop();
        let old = last.map(|secret| SecretRecord { until_us: Some(until_us), ..secret });
        record.secrets = old.into_iter().collect();
        record.secrets.push(SecretRecord { hash, created_us: now_us, until_us: None });
        record.updated_us = now_us;
        let mut fields = Map::new();
        fields.insert("secret".to_owned(), json!(SecretView::of(&hash, None).sha256_begins));
        fields.insert("old_secret_until".to_owned(), json!(moment::show(until_us)));
        let change = Change { object: format!("key/{name}"), fields };
        book.commit(&change, witness, |pending| pending.put_key(&record))?;
        for hash in gone {
            if let Some(term) = book.stored.terms.get(&hash) {
                term.set(0);
            }
        }
        book.stored.keys.insert(Arc::clone(&record.name), record.clone());
        self.swap(&mut book);
        Ok((plain, self.view(&book, &record, now_us)))
    }

    /// Ends a key, for ever. A key that was revoked before stays so.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: nothing was changed.
    pub fn revoke_key(&self, name: &str, witness: &Witness<'_>) -> Result<KeyView, KeysError> {
        let mut book = self.book.lock();
        let now_us = self.clock.now_us();
        let mut record = self.own_key(&book, name)?;
        if record.revoked_us.is_some() {
            return Ok(self.view(&book, &record, now_us));
        }
        (record.revoked_us, record.updated_us) = (Some(now_us), now_us);
        let fields = Map::from_iter([("revoked".to_owned(), json!(moment::show(now_us)))]);
        let change = Change { object: format!("key/{name}"), fields };
        book.commit(&change, witness, |pending| pending.put_key(&record))?;
        book.stored.unfit_keys.remove(&record.name);
        book.stored.keys.insert(Arc::clone(&record.name), record.clone());
        self.swap(&mut book);
        Ok(self.view(&book, &record, now_us))
    }

    /// Makes a team.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: nothing was made.
    pub fn create_team(&self, new: NewTeam, witness: &Witness<'_>) -> Result<TeamView, KeysError> {
        let mut book = self.book.lock();
        let now_us = self.clock.now_us();
        let ring = self.ring.load();
        let written = self.written.load();
        let checks = Checks { written: &written, ring: &ring };
        checks.name(&new.name)?;
        if ring.has_team(&new.name) {
            return Err(KeysError::Exists { what: "team", name: new.name });
        }
        let (name, grants) = new.parts();
        let scope = Scope::Team(Arc::clone(&name));
        let rules = checks.grants(&scope, &grants, None)?;
        let record = TeamRecord { name: Arc::clone(&name), grants, created_us: now_us, updated_us: now_us };
        let change = Change { object: format!("team/{name}"), fields: grant_fields(&record.grants) };
        book.commit(&change, witness, |pending| pending.put_team(&record))?;
        self.prepare(&scope, &rules);
        book.stored.team_rules.insert(Arc::clone(&name), rules);
        book.stored.teams.insert(name, record.clone());
        self.swap(&mut book);
        Ok(self.team_view(&book, &record))
    }

    /// Changes a team.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: nothing was changed.
    pub fn update_team(&self, name: &str, patch: TeamPatch, witness: &Witness<'_>) -> Result<TeamView, KeysError> {
        let mut book = self.book.lock();
        let now_us = self.clock.now_us();
        let mut record = self.own_team(&book, name)?;
        let before = grant_fields(&record.grants);
        patch.put(&mut record.grants);
        let ring = self.ring.load();
        let written = self.written.load();
        let checks = Checks { written: &written, ring: &ring };
        let scope = Scope::Team(Arc::clone(&record.name));
        let rules = checks.grants(&scope, &record.grants, None)?;
        record.updated_us = now_us;
        let fields = changed(&before, grant_fields(&record.grants));
        let change = Change { object: format!("team/{name}"), fields };
        book.commit(&change, witness, |pending| pending.put_team(&record))?;
        self.prepare(&scope, &rules);
        book.stored.team_rules.insert(Arc::clone(&record.name), rules);
        book.stored.unfit_teams.remove(&record.name);
        book.stored.teams.insert(Arc::clone(&record.name), record.clone());
        self.swap(&mut book);
        Ok(self.team_view(&book, &record))
    }

    /// Takes a team out that has no keys but revoked ones.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: nothing was changed.
    pub fn delete_team(&self, name: &str, witness: &Witness<'_>) -> Result<(), KeysError> {
        let mut book = self.book.lock();
        let record = self.own_team(&book, name)?;
        let keys = self.keys_of(&book, name);
        if keys > 0 {
            return Err(KeysError::TeamInUse { name: name.to_owned(), keys });
        }
        let change = Change { object: format!("team/{name}"), fields: Map::new() };
        book.commit(&change, witness, |pending| pending.drop_team(name))?;
        book.stored.team_rules.remove(&record.name);
        book.stored.unfit_teams.remove(&record.name);
        book.stored.teams.remove(&record.name);
        self.swap(&mut book);
        Ok(())
    }

    /// From now on requests are looked up in what `book` says.
    fn swap(&self, book: &mut Book) {
        book.generation += 1;
        let living: std::collections::HashSet<[u8; 32]> =
            book.stored.keys.values().flat_map(|key| &key.secrets).map(|secret| secret.hash).collect();
        book.stored.terms.retain(|hash, _| living.contains(hash));
        self.ring.store(Arc::new(Keyring::join(&self.written.load(), &mut book.stored, book.generation)));
    }

    fn own_key(&self, book: &Book, name: &str) -> Result<KeyRecord, KeysError> {
        if self.written.load().has_key(name) {
            return Err(KeysError::ReadOnly { what: "key", name: name.to_owned() });
        }
        let keys = &book.stored.keys;
        keys.get(name).cloned().ok_or_else(|| not_found("key", name, keys.keys().map(|name| &**name)))
    }

    fn living_key(&self, book: &Book, name: &str) -> Result<KeyRecord, KeysError> {
        let record = self.own_key(book, name)?;
        if record.revoked_us.is_some() {
            return Err(KeysError::Revoked { name: name.to_owned() });
        }
        Ok(record)
    }

    fn own_team(&self, book: &Book, name: &str) -> Result<TeamRecord, KeysError> {
        if self.written.load().teams.contains_key(name) {
            return Err(KeysError::ReadOnly { what: "team", name: name.to_owned() });
        }
        let teams = &book.stored.teams;
        teams.get(name).cloned().ok_or_else(|| not_found("team", name, teams.keys().map(|name| &**name)))
    }
}

impl Book {
    /// Writes a change, has it witnessed, and only then makes it so.
    fn commit(
        &mut self,
        change: &Change,
        witness: &Witness<'_>,
        write: impl FnOnce(&Pending<'_>) -> Result<(), StoreError>,
    ) -> Result<(), KeysError> {
        let pending = self.store.change()?;
        write(&pending)?;
        if !witness(change) {
            return Err(KeysError::Unrecorded);
        }
        Ok(pending.commit()?)
    }
}
