//! The file was read anew: its keys and teams in place of those before, beside the same key store.

use super::callers::{Book, Callers};
use super::keyring::{Keyring, Stored, Written};
use super::store::StoreError;
use crate::config::{Config, Rules, Scope};
use std::sync::Arc;

impl Callers {
    /// Limits and budgets of the key store and of JWT callers, as they would be under `config`.
    ///
    /// # Errors
    ///
    /// When the key store cannot be read.
    pub fn rules_under(&self, config: &Config) -> Result<Vec<Arc<Rules>>, StoreError> {
        let stored = Stored::read(&self.book.lock().store, &Written::of(config))?;
        let of_jwt = self.jwt.iter().map(|jwt| jwt.rules_under(&config.defaults.keys));
        Ok(stored.key_rules.into_values().chain(stored.team_rules.into_values()).chain(of_jwt).collect())
    }

    /// Takes over what `config` says of keys, teams and defaults, as generation `generation` of the file. No change of a key
    /// comes between. `prepare` is told of the limits and budgets of the key store and of JWT callers, as they are under
    /// `config`, before a request is under them; `swap` is called once the new keys hold. Keys that are gone end now, also
    /// for requests under way.
    ///
    /// # Errors
    ///
    /// When the key store cannot be read: nothing has changed then, and neither was called.
    pub fn reload(
        &self,
        config: &Config,
        generation: u64,
        prepare: impl Fn(&Scope, &Rules),
        swap: impl FnOnce(),
    ) -> Result<(), StoreError> {
        let mut book = self.book.lock();
        let before = self.written.load_full();
        let written = Written::of(config).after(&before, generation);
        let mut stored = Stored::read(&book.store, &written)?;
        stored.tell_what_does_not_work(&written);
        stored.terms = std::mem::take(&mut book.stored.terms);
        if let Some(jwt) = &self.jwt {
            jwt.give(&config.defaults.keys);
        }
        self.rules_in(&stored).iter().for_each(|(scope, rules)| prepare(scope, rules));
        book.generation += 1;
        let ring = Keyring::join(&written, &mut stored, book.generation);
        written.set_terms(&before);
        book.stored = stored;
        self.written.store(Arc::new(written));
        self.ring.store(Arc::new(ring));
        swap();
        Ok(())
    }

    /// Takes over what another process wrote to the key store, during an upgrade. Keys that are gone end now, also for requests
    /// under way.
    ///
    /// # Errors
    ///
    /// When the key store cannot be read: nothing has changed then.
    pub fn reread(&self) -> Result<(), StoreError> {
        let mut book = self.book.lock();
        self.reread_into(&mut book)
    }

    /// The same, if another process has written to it since the last look.
    ///
    /// # Errors
    ///
    /// When the key store cannot be read; the next call tries again.
    pub fn reread_if_changed(&self) -> Result<(), StoreError> {
        let mut book = self.book.lock();
        let seen = book.store.changes()?;
        if book.seen == Some(seen) {
            return Ok(());
        }
        self.reread_into(&mut book)?;
        book.seen = Some(seen);
        Ok(())
    }

    fn reread_into(&self, book: &mut Book) -> Result<(), StoreError> {
        let written = self.written.load_full();
        let mut stored = Stored::read(&book.store, &written)?;
        stored.terms = std::mem::take(&mut book.stored.terms);
        self.rules_in(&stored).iter().for_each(|(scope, rules)| self.prepare(scope, rules));
        book.generation += 1;
        let ring = Keyring::join(&written, &mut stored, book.generation);
        book.stored = stored;
        self.ring.store(Arc::new(ring));
        Ok(())
    }
}
