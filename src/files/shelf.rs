//! The table.

use super::{FilesError, Kept, Kind, Metering};
use crate::model::Api;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// `user_version` of a database that this program writes.
const VERSION: i64 = 2;

const TABLES: &str = "
    CREATE TABLE kept (provider TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, team TEXT NOT NULL,
      key TEXT NOT NULL, user TEXT, purpose TEXT NOT NULL, model TEXT, batch TEXT, created_us INTEGER NOT NULL,
      charges TEXT NOT NULL, metering INTEGER NOT NULL, PRIMARY KEY (provider, kind, id)) WITHOUT ROWID;
    CREATE INDEX unmetered ON kept (created_us) WHERE kind = 'batch' AND metering = 0;";

/// From version 1 on; nothing is known of what was put there before.
const GUARDED: &str =
    "ALTER TABLE kept ADD COLUMN api TEXT; ALTER TABLE kept ADD COLUMN guards TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE kept ADD COLUMN looked TEXT NOT NULL DEFAULT '[]';";

const COLUMNS: &str =
    "provider, kind, id, team, key, user, purpose, model, batch, created_us, charges, metering, api, guards, looked";

/// The table of one state directory. Each call is one transaction, on disk when it returns.
#[derive(Debug)]
pub struct Shelf {
    conn: Mutex<Connection>,
}

impl Shelf {
    /// Opens it, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// `Schema` when a newer program wrote it; `Sqlite`.
    pub fn open(dir: &Path) -> Result<Self, FilesError> {
        let path = dir.join("files.sqlite");
        let mut conn = Connection::open(&path)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        let found = version_of(&conn)?;
        if found > VERSION {
            return Err(FilesError::Schema { path, found, known: VERSION });
        }
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        if found < VERSION {
            migrate(&mut conn, dir, found)?;
        }
        Ok(Self { conn: Mutex::new(conn) })
    }

    /// Asks on a thread that may block.
    ///
    /// # Errors
    ///
    /// As `question`; `Ended` when the process ends meanwhile.
    pub async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Self) -> Result<T, FilesError> + Send + 'static,
    ) -> Result<T, FilesError> {
        let shelf = Arc::clone(self);
        tokio::task::spawn_blocking(move || question(&shelf)).await.unwrap_or(Err(FilesError::Ended))
    }

    /// Remembers `kept`; returns whether it is its team's: an id that another team's thing has stays theirs.
    ///
    /// # Errors
    ///
    /// `Sqlite`.
    pub fn keep(&self, kept: &Kept) -> Result<bool, FilesError> {
        let conn = self.conn.lock();
        let damaged = |error: serde_json::Error| FilesError::Damaged(error.to_string());
        let charges = serde_json::to_string(&kept.charges).map_err(damaged)?;
        let names = |names: &[Arc<str>]| {
            serde_json::to_string(&names.iter().map(|name| &**name).collect::<Vec<_>>()).map_err(damaged)
        };
        let (guards, looked) = (names(&kept.guards)?, names(&kept.looked)?);
        conn.prepare_cached(&format!(
            "INSERT INTO kept ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
        ))?
        .execute(params![
            kept.provider,
            kept.kind.name(),
            kept.id,
            kept.team,
            kept.key,
            kept.user,
            kept.purpose,
            kept.model,
            kept.batch,
            i64::try_from(kept.created_us).unwrap_or(i64::MAX),
            charges,
            kept.metering as i64,
            kept.api.map(Api::name),
            guards,
            looked,
        ])?;
        let found = find(&conn, &kept.provider, kept.kind, &kept.id)?;
        Ok(found.is_some_and(|found| found.team == kept.team))
    }

    /// What is known of a thing.
    ///
    /// # Errors
    ///
    /// `Sqlite`, `Damaged`.
    pub fn find(&self, provider: &str, kind: Kind, id: &str) -> Result<Option<Kept>, FilesError> {
        find(&self.conn.lock(), provider, kind, id)
    }

    /// Which of `ids` are `team`'s.
    ///
    /// # Errors
    ///
    /// `Sqlite`.
    pub fn owned(&self, provider: &str, kind: Kind, team: &str, ids: &[String]) -> Result<HashSet<String>, FilesError> {
        let conn = self.conn.lock();
        let mut statement =
            conn.prepare_cached("SELECT 1 FROM kept WHERE provider = ? AND kind = ? AND id = ? AND team = ?")?;
        let mut owned = HashSet::new();
        for id in ids {
            if statement.exists(params![provider, kind.name(), id, team])? {
                owned.insert(id.clone());
            }
        }
        Ok(owned)
    }

    /// Forgets a thing that its owner deleted.
    ///
    /// # Errors
    ///
    /// `Sqlite`.
    pub fn forget(&self, provider: &str, kind: Kind, id: &str) -> Result<(), FilesError> {
        let sql = "DELETE FROM kept WHERE provider = ? AND kind = ? AND id = ?";
        self.conn.lock().execute(sql, params![provider, kind.name(), id])?;
        Ok(())
    }

    /// Batches that were not seen at their end yet, oldest first, made after `since_us`; at most `most`.
    ///
    /// # Errors
    ///
    /// `Sqlite`, `Damaged`.
    pub fn unmetered(&self, since_us: u64, most: u32) -> Result<Vec<Kept>, FilesError> {
        let conn = self.conn.lock();
        let sql = format!(
            "SELECT {COLUMNS} FROM kept WHERE kind = 'batch' AND metering = 0 AND created_us > ? ORDER BY created_us LIMIT ?"
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![i64::try_from(since_us).unwrap_or(i64::MAX), most])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(kept_at(row)?);
        }
        Ok(found)
    }

    /// Sets how far the metering of a batch is; what is done stays done.
    ///
    /// # Errors
    ///
    /// `Sqlite`.
    pub fn metered(&self, provider: &str, batch: &str, metering: Metering) -> Result<(), FilesError> {
        let sql = "UPDATE kept SET metering = max(metering, ?) WHERE provider = ? AND kind = 'batch' AND id = ?";
        self.conn.lock().execute(sql, params![metering as i64, provider, batch])?;
        Ok(())
    }
}

fn version_of(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the table to this program's version, forward only. What was there before stays beside it as a file.
fn migrate(conn: &mut Connection, dir: &Path, found: i64) -> Result<(), FilesError> {
    if found > 0 {
        keep_copy(conn, dir, found)?;
    }
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been here meanwhile.
    let found = version_of(&transaction)?;
    if found < 1 {
        transaction.execute_batch(TABLES)?;
    }
    if found < 2 {
        transaction.execute_batch(GUARDED)?;
    }
    if found < VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    if found > 0 {
        tracing::info!(from = found, to = VERSION, "the table of files was migrated; a copy of the old one was kept");
    }
    Ok(())
}

/// Keeps a copy of version `found` beside the table, unless another process migrated it meanwhile.
fn keep_copy(conn: &Connection, dir: &Path, found: i64) -> Result<(), FilesError> {
    let failed = |path: &Path, error: std::io::Error| FilesError::Damaged(format!("{}: {error}", path.display()));
    let copy = dir.join(format!("files.copy-{}.sqlite", std::process::id()));
    // Left over by a migration that did not come to its end.
    if copy.exists() {
        std::fs::remove_file(&copy).map_err(|error| failed(&copy, error))?;
    }
    conn.execute("VACUUM INTO ?", [copy.to_string_lossy()])?;
    let copied = version_of(&Connection::open(&copy)?)?;
    match copied == found {
        true => std::fs::rename(&copy, dir.join(format!("files.v{found}.sqlite"))),
        false => std::fs::remove_file(&copy),
    }
    .map_err(|error| failed(&copy, error))
}

fn find(conn: &Connection, provider: &str, kind: Kind, id: &str) -> Result<Option<Kept>, FilesError> {
    let sql = format!("SELECT {COLUMNS} FROM kept WHERE provider = ? AND kind = ? AND id = ?");
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement.query_row(params![provider, kind.name(), id], |row| Ok(kept_at(row))).optional()?;
    found.transpose()
}

/// Reads a row of [`COLUMNS`].
fn kept_at(row: &Row<'_>) -> Result<Kept, FilesError> {
    let damaged = |what: &str| FilesError::Damaged(what.to_owned());
    let name = |at: usize| row.get::<_, Option<String>>(at).map(|text| text.map(Arc::<str>::from));
    let kind = match row.get_ref(1)?.as_str() {
        Ok("file") => Kind::File,
        Ok("batch") => Kind::Batch,
        _ => return Err(damaged("a thing that is neither file nor batch")),
    };
    let charges = row.get::<_, String>(10)?;
    let names = |at: usize| -> Result<Vec<Arc<str>>, FilesError> {
        let names = serde_json::from_str::<Vec<String>>(&row.get::<_, String>(at)?);
        Ok(names.map_err(|_| damaged("guardrails that cannot be read"))?.into_iter().map(Arc::from).collect())
    };
    Ok(Kept {
        provider: name(0)?.unwrap_or_default(),
        kind,
        id: row.get(2)?,
        team: name(3)?.unwrap_or_default(),
        key: name(4)?.unwrap_or_default(),
        user: name(5)?,
        purpose: row.get(6)?,
        model: name(7)?,
        batch: row.get(8)?,
        created_us: u64::try_from(row.get::<_, i64>(9)?).unwrap_or(0),
        charges: serde_json::from_str(&charges).map_err(|_| damaged("charges that cannot be read"))?,
        metering: match row.get::<_, i64>(11)? {
            0 => Metering::Open,
            1 => Metering::Unreported,
            _ => Metering::Done,
        },
        api: row.get::<_, Option<String>>(12)?.and_then(|api| Api::ALL.into_iter().find(|one| one.name() == api)),
        guards: names(13)?,
        looked: names(14)?,
    })
}
