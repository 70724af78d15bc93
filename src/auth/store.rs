//! Keys and teams that are made at run time, on disk: `keys.sqlite` in the state directory. Hashes only.
//!
//! One process writes it, by its admin API. What is answered is on disk: each write is one transaction, synchronous.

use super::record::{Grants, KeyRecord, SecretRecord, TeamRecord};
use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior, params};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Why keys cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A newer version wrote it.
    #[error("`{}` has schema version {found}, this program knows versions up to {known}: run the newer program", path.display())]
    Schema {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// SQLite refused.
    #[error("key store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A copy of an older store cannot be kept.
    #[error("key store: cannot replace `{}`: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// What stands there makes no sense.
    #[error("key store: {0}")]
    Damaged(String),
}

/// `user_version` of a database that this program writes.
const VERSION: i64 = 2;

/// Version 1.
const TABLES: &str = "
    CREATE TABLE team (name TEXT PRIMARY KEY, models TEXT, limits TEXT, budgets TEXT, tags TEXT NOT NULL,
      created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE key (name TEXT PRIMARY KEY, models TEXT, limits TEXT, budgets TEXT, tags TEXT NOT NULL,
      created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL, team TEXT NOT NULL, expires_us INTEGER,
      revoked_us INTEGER) WITHOUT ROWID;
    CREATE TABLE secret (hash BLOB PRIMARY KEY, key TEXT NOT NULL, created_us INTEGER NOT NULL, until_us INTEGER)
      WITHOUT ROWID;
    CREATE INDEX secret_key ON secret (key);";

/// Version 2: where a key may be used, who is served first, and guardrails. SQLite adds columns without writing a row.
const TABLES_2: &str = "
    ALTER TABLE key ADD COLUMN allowed_ips TEXT;
    ALTER TABLE key ADD COLUMN priority TEXT;
    ALTER TABLE key ADD COLUMN guardrails TEXT;
    ALTER TABLE team ADD COLUMN priority TEXT;
    ALTER TABLE team ADD COLUMN guardrails TEXT;";

/// What each version adds to the one before.
const STEPS: [&str; VERSION as usize] = [TABLES, TABLES_2];

/// The database.
pub(super) struct Store {
    conn: Connection,
    /// The tables' version: an older one only where it is opened to read.
    version: i64,
}

impl Store {
    /// Opens it, and makes its tables.
    ///
    /// # Errors
    ///
    /// `Schema` when a newer program wrote it; `Sqlite`.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("keys.sqlite");
        let mut conn = Connection::open(&path)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        let found = version_of(&conn)?;
        if found > VERSION {
            return Err(StoreError::Schema { path, found, known: VERSION });
        }
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        if found < VERSION {
            migrate(&mut conn, dir, found)?;
        }
        Ok(Self { conn, version: VERSION })
    }

    /// Opens it to read only; `None` if there is none. No file is made: where nobody has it open, its write-ahead log is
    /// empty and not needed, and a log that this process (perhaps another user's) made would stand in the gateway's way.
    ///
    /// # Errors
    ///
    /// `Schema` when a newer program wrote it; `Sqlite`.
    pub fn open_read_only(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join("keys.sqlite");
        if !path.is_file() {
            return Ok(None);
        }
        let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let way = if dir.join("keys.sqlite-wal").exists() { "mode=ro" } else { "immutable=1" };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(format!("file:{escaped}?{way}"), flags)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        match version_of(&conn)? {
            0 => Ok(None), // killed before its tables were made
            found if found > VERSION => Err(StoreError::Schema { path, found, known: VERSION }),
            version => Ok(Some(Self { conn, version })),
        }
    }

    /// A number that is another one when another process has written.
    pub fn changes(&self) -> Result<i64, StoreError> {
        Ok(self.conn.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// The columns of [`grants_at`] behind the name.
    fn granted(&self, allowed_ips: &str) -> String {
        let added = if self.version < 2 { "NULL, NULL, NULL" } else { &format!("{allowed_ips}, priority, guardrails") };
        format!("models, limits, budgets, tags, {added}")
    }

    /// All teams.
    pub fn teams(&self) -> Result<Vec<TeamRecord>, StoreError> {
        let granted = self.granted("NULL");
        let mut statement = self.conn.prepare(&format!("SELECT name, {granted}, created_us, updated_us FROM team"))?;
        let mut rows = statement.query([])?;
        let mut teams = Vec::new();
        while let Some(row) = rows.next()? {
            teams.push(TeamRecord {
                name: name_at(row, 0)?,
                grants: grants_at(row)?,
                created_us: moment_at(row, 8)?,
                updated_us: moment_at(row, 9)?,
            });
        }
        Ok(teams)
    }

    /// All keys with their secrets.
    pub fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let mut secrets = self.secrets()?;
        let granted = self.granted("allowed_ips");
        let mut statement = self.conn.prepare(&format!(
            "SELECT name, {granted}, created_us, updated_us, team, expires_us, revoked_us FROM key"
        ))?;
        let mut rows = statement.query([])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            let name = name_at(row, 0)?;
            keys.push(KeyRecord {
                grants: grants_at(row)?,
                created_us: moment_at(row, 8)?,
                updated_us: moment_at(row, 9)?,
                team: name_at(row, 10)?,
                expires_us: some_moment_at(row, 11)?,
                revoked_us: some_moment_at(row, 12)?,
                secrets: secrets.remove(&name).unwrap_or_default(),
                name,
            });
        }
        Ok(keys)
    }

    fn secrets(&self) -> Result<BTreeMap<Arc<str>, Vec<SecretRecord>>, StoreError> {
        let mut statement = self
            .conn
            .prepare("SELECT hash, key, created_us, until_us FROM secret ORDER BY created_us, until_us DESC")?;
        let mut rows = statement.query([])?;
        let mut secrets: BTreeMap<Arc<str>, Vec<SecretRecord>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let hash = row.get::<_, [u8; 32]>(0)?;
            let secret = SecretRecord { hash, created_us: moment_at(row, 2)?, until_us: some_moment_at(row, 3)? };
            secrets.entry(name_at(row, 1)?).or_default().push(secret);
        }
        Ok(secrets)
    }

    /// Begins a change; dropped without a commit it has not happened.
    pub fn change(&mut self) -> Result<Pending<'_>, StoreError> {
        Ok(Pending(self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?))
    }
}

/// A change that is not yet on disk.
pub(super) struct Pending<'a>(Transaction<'a>);

impl Pending<'_> {
    /// Writes a key as it is from now on, with its secrets.
    pub fn put_key(&self, key: &KeyRecord) -> Result<(), StoreError> {
        let Grants { models, limits, budgets, tags, allowed_ips, priority, guardrails } = &key.grants;
        self.0.execute(
            "INSERT OR REPLACE INTO key (name, models, limits, budgets, tags, created_us, updated_us, team, expires_us,
             revoked_us, allowed_ips, priority, guardrails) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                key.name,
                json(models.as_ref()),
                json(limits.as_ref()),
                json(budgets.as_ref()),
                json(Some(tags)),
                signed(key.created_us),
                signed(key.updated_us),
                key.team,
                key.expires_us.map(signed),
                key.revoked_us.map(signed),
                json(allowed_ips.as_ref()),
                priority,
                json(guardrails.as_ref()),
            ],
        )?;
        self.0.execute("DELETE FROM secret WHERE key = ?", [&key.name])?;
        for secret in &key.secrets {
            self.0.execute(
                "INSERT INTO secret (hash, key, created_us, until_us) VALUES (?, ?, ?, ?)",
                params![secret.hash, key.name, signed(secret.created_us), secret.until_us.map(signed)],
            )?;
        }
        Ok(())
    }

    /// Writes a team as it is from now on.
    pub fn put_team(&self, team: &TeamRecord) -> Result<(), StoreError> {
        let Grants { models, limits, budgets, tags, allowed_ips: _, priority, guardrails } = &team.grants;
        self.0.execute(
            "INSERT OR REPLACE INTO team (name, models, limits, budgets, tags, created_us, updated_us, priority,
             guardrails) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                team.name,
                json(models.as_ref()),
                json(limits.as_ref()),
                json(budgets.as_ref()),
                json(Some(tags)),
                signed(team.created_us),
                signed(team.updated_us),
                priority,
                json(guardrails.as_ref()),
            ],
        )?;
        Ok(())
    }

    /// Takes a team out.
    pub fn drop_team(&self, name: &str) -> Result<(), StoreError> {
        self.0.execute("DELETE FROM team WHERE name = ?", [name])?;
        Ok(())
    }

    /// It is on disk when this returns.
    pub fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit()?)
    }
}

fn version_of(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the tables to this program's version, forward only. What was there before stays beside it as a file.
fn migrate(conn: &mut Connection, dir: &Path, found: i64) -> Result<(), StoreError> {
    if found > 0 {
        let old = dir.join(format!("keys.v{found}.sqlite"));
        // Left over by a migration that did not come to its end.
        if old.exists() {
            std::fs::remove_file(&old).map_err(|error| StoreError::Io { path: old.clone(), error })?;
        }
        conn.execute("VACUUM INTO ?", [old.to_string_lossy()])?;
    }
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been here meanwhile.
    let found = version_of(&transaction)?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        transaction.execute_batch(step)?;
    }
    if found < VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    if found > 0 {
        tracing::info!(from = found, to = VERSION, "the key store was migrated; a copy of the old one was kept");
    }
    Ok(())
}

fn json<T: serde::Serialize>(value: Option<&T>) -> Option<String> {
    value.map(|value| serde_json::to_string(value).expect("names and JSON always serialize"))
}

fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}

fn name_at(row: &Row<'_>, at: usize) -> Result<Arc<str>, StoreError> {
    Ok(row.get::<_, String>(at)?.into())
}

fn moment_at(row: &Row<'_>, at: usize) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
}

fn some_moment_at(row: &Row<'_>, at: usize) -> Result<Option<u64>, StoreError> {
    Ok(row.get::<_, Option<i64>>(at)?.map(|micros| u64::try_from(micros).unwrap_or(0)))
}

/// Columns 1 to 7.
fn grants_at(row: &Row<'_>) -> Result<Grants, StoreError> {
    fn read<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> Result<Option<T>, StoreError> {
        let text: Option<String> = row.get(at)?;
        let damaged = |error: serde_json::Error| StoreError::Damaged(error.to_string());
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(damaged)
    }
    Ok(Grants {
        models: read::<Vec<String>>(row, 1)?,
        limits: read::<Value>(row, 2)?,
        budgets: read::<Value>(row, 3)?,
        tags: read(row, 4)?.unwrap_or_default(),
        allowed_ips: read::<Vec<String>>(row, 5)?,
        priority: row.get(6)?,
        guardrails: read::<Vec<String>>(row, 7)?,
    })
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
