//! Tables, their version, and opening the database.

use crate::ledger::{LedgerError, deadline};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `user_version` of a database that this program writes.
const VERSION: i64 = 5;
/// How long a write waits for another process's (an upgrade's old process, a report).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Columns of [`crate::ledger::Sums::cells`], as versions 1 and 2 had them.
macro_rules! sum_columns {
    () => {
        "attempts INTEGER NOT NULL, requests INTEGER NOT NULL, errors INTEGER NOT NULL, unpriced INTEGER NOT NULL, \
         input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL, \
         cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL, \
         audio_input INTEGER NOT NULL, audio_output INTEGER NOT NULL, cost_nano INTEGER NOT NULL"
    };
}
/// Columns of [`crate::ledger::Group`].
macro_rules! group_columns {
    () => {
        "key TEXT NOT NULL, team TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, \
         target_model TEXT NOT NULL, origin TEXT NOT NULL"
    };
}

/// Version 1. `total` = sums of all rows ever; `dropped` = sums of the rows that retention removed, the
/// checkpoint from which `verify` starts.
const TABLES: &str = concat!(
    "CREATE TABLE attempt (
       request BLOB NOT NULL, attempt INTEGER NOT NULL, opened_us INTEGER NOT NULL, label TEXT NOT NULL,
       key TEXT NOT NULL, team TEXT NOT NULL, user TEXT, model TEXT NOT NULL, api TEXT NOT NULL,
       stream INTEGER NOT NULL, provider TEXT NOT NULL, target_model TEXT NOT NULL, status INTEGER NOT NULL,
       input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL,
       cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
       audio_input INTEGER NOT NULL, audio_output INTEGER NOT NULL, origin TEXT NOT NULL, cost_nano INTEGER,
       price_version TEXT, tier TEXT NOT NULL, latency_us INTEGER NOT NULL, first_token_us INTEGER,
       overhead_us INTEGER, error TEXT, PRIMARY KEY (request, attempt)) WITHOUT ROWID;
     CREATE INDEX attempt_opened ON attempt (opened_us);
     CREATE TABLE rollup (hour INTEGER NOT NULL, ",
    group_columns!(),
    ", ",
    sum_columns!(),
    ", PRIMARY KEY (hour, key, team, model, provider, target_model, origin)) WITHOUT ROWID;
     CREATE TABLE total (",
    group_columns!(),
    ", ",
    sum_columns!(),
    ", PRIMARY KEY (key, team, model, provider, target_model, origin)) WITHOUT ROWID;
     CREATE TABLE dropped (",
    group_columns!(),
    ", ",
    sum_columns!(),
    ", PRIMARY KEY (key, team, model, provider, target_model, origin)) WITHOUT ROWID;
     CREATE TABLE position (epoch INTEGER PRIMARY KEY, number INTEGER NOT NULL, \"offset\" INTEGER NOT NULL,
       scan_number INTEGER NOT NULL, scan_offset INTEGER NOT NULL, sealed INTEGER NOT NULL,
       folded INTEGER NOT NULL, repeated INTEGER NOT NULL);
     CREATE TABLE dropped_segment (epoch INTEGER NOT NULL, number INTEGER NOT NULL, sha256 BLOB NOT NULL,
       PRIMARY KEY (epoch, number)) WITHOUT ROWID;
     CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
);

/// Version 2. `attempt.charges` = what a row is charged to, as JSON; `balance` = sums of what was ever charged;
/// `balance_base` = what of them no row tells: of rows that retention removed, and from before the budget was made.
/// `budget` = budgets that were ever made, as they were counted last, and since when. `correction` = what a later price
/// made of a row's cost. `longer_rollup` = hours of `rollup` added up, from `hour` on for `length` hours.
const TABLES_2: &str = concat!(
    "ALTER TABLE attempt ADD COLUMN charges TEXT;
     CREATE TABLE balance (budget TEXT NOT NULL, entity TEXT NOT NULL, period_us INTEGER NOT NULL,
       nano INTEGER NOT NULL, tokens INTEGER NOT NULL, attempts INTEGER NOT NULL,
       PRIMARY KEY (budget, entity, period_us)) WITHOUT ROWID;
     CREATE TABLE balance_base (budget TEXT NOT NULL, entity TEXT NOT NULL, period_us INTEGER NOT NULL,
       nano INTEGER NOT NULL, tokens INTEGER NOT NULL, attempts INTEGER NOT NULL,
       PRIMARY KEY (budget, entity, period_us)) WITHOUT ROWID;
     CREATE TABLE budget (id TEXT PRIMARY KEY, unit TEXT NOT NULL, per TEXT NOT NULL, zone TEXT NOT NULL,
       made_us INTEGER NOT NULL) WITHOUT ROWID;
     CREATE TABLE correction (request BLOB NOT NULL, attempt INTEGER NOT NULL, number INTEGER NOT NULL,
       corrected_us INTEGER NOT NULL, before_nano INTEGER, after_nano INTEGER NOT NULL, price_version TEXT NOT NULL,
       PRIMARY KEY (request, attempt, number)) WITHOUT ROWID;
     CREATE TABLE refused (id BLOB PRIMARY KEY, time_us INTEGER NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL,
       user TEXT, model TEXT NOT NULL, api TEXT NOT NULL, code TEXT NOT NULL, status INTEGER NOT NULL) WITHOUT ROWID;
     CREATE INDEX refused_time ON refused (time_us);
     CREATE TABLE refused_rollup (hour INTEGER NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL, model TEXT NOT NULL,
       code TEXT NOT NULL, requests INTEGER NOT NULL, PRIMARY KEY (hour, key, team, model, code)) WITHOUT ROWID;
     CREATE TABLE longer_rollup (length INTEGER NOT NULL, hour INTEGER NOT NULL, ",
    group_columns!(),
    ", ",
    sum_columns!(),
    ", PRIMARY KEY (length, hour, key, team, model, provider, target_model, origin)) WITHOUT ROWID;"
);

/// Columns of version 3 for one table: what is used beside text and sound. SQLite adds them without writing a row.
macro_rules! unit_columns {
    ($table:literal) => {
        concat!(
            "ALTER TABLE ",
            $table,
            " ADD COLUMN image_input INTEGER NOT NULL DEFAULT 0; ",
            "ALTER TABLE ",
            $table,
            " ADD COLUMN image_output INTEGER NOT NULL DEFAULT 0; ",
            "ALTER TABLE ",
            $table,
            " ADD COLUMN images INTEGER NOT NULL DEFAULT 0; ",
            "ALTER TABLE ",
            $table,
            " ADD COLUMN audio_ms INTEGER NOT NULL DEFAULT 0; ",
            "ALTER TABLE ",
            $table,
            " ADD COLUMN characters INTEGER NOT NULL DEFAULT 0; ",
            "ALTER TABLE ",
            $table,
            " ADD COLUMN searches INTEGER NOT NULL DEFAULT 0; ",
        )
    };
}

/// Version 3: tokens of pictures, pictures, milliseconds of sound, characters and searches.
const TABLES_3: &str = concat!(
    unit_columns!("attempt"),
    unit_columns!("rollup"),
    unit_columns!("longer_rollup"),
    unit_columns!("total"),
    unit_columns!("dropped"),
);

/// Version 4: what guardrails found. `length` is in hours, `level` that of `findings::Level`.
const TABLES_4: &str = "\
     CREATE TABLE findings (request BLOB NOT NULL, attempt INTEGER NOT NULL, part INTEGER NOT NULL,
       time_us INTEGER NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL, user TEXT, model TEXT NOT NULL,
       api TEXT NOT NULL, findings TEXT NOT NULL, PRIMARY KEY (request, attempt, part)) WITHOUT ROWID;
     CREATE INDEX findings_time ON findings (time_us);
     CREATE TABLE findings_rollup (length INTEGER NOT NULL, level INTEGER NOT NULL, hour INTEGER NOT NULL,
       key TEXT NOT NULL, team TEXT NOT NULL, model TEXT NOT NULL, guardrail TEXT NOT NULL, kind TEXT NOT NULL,
       entity TEXT NOT NULL, side TEXT NOT NULL, action TEXT NOT NULL, requests INTEGER NOT NULL,
       acted INTEGER NOT NULL, findings INTEGER NOT NULL,
       PRIMARY KEY (length, level, hour, key, team, model, guardrail, kind, entity, side, action)) WITHOUT ROWID;";

/// Version 5: what answers had cost that were given again out of memory.
const TABLES_5: &str = "\
     ALTER TABLE attempt ADD COLUMN saved_nano INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE rollup ADD COLUMN saved_nano INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE longer_rollup ADD COLUMN saved_nano INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE total ADD COLUMN saved_nano INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE dropped ADD COLUMN saved_nano INTEGER NOT NULL DEFAULT 0;";

/// What each version adds to the one before.
const STEPS: [&str; VERSION as usize] = [TABLES, TABLES_2, TABLES_3, TABLES_4, TABLES_5];

/// Where the database of a state directory lies.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("ledger.sqlite")
}

/// Opens the database for folding, and makes or migrates its tables.
///
/// # Errors
///
/// `Schema` when a newer program wrote it; `Store`.
pub(crate) fn open(dir: &Path) -> Result<Connection, LedgerError> {
    let mut conn = Connection::open(path(dir))?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    let found = version(&conn)?;
    if found > VERSION {
        return Err(LedgerError::Schema { path: path(dir), found, known: VERSION });
    }
    if found == 0 {
        // Has effect only before the first table.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.set_prepared_statement_cache_capacity(32);
    if found < VERSION {
        migrate(&mut conn, dir, found)?;
    }
    Ok(conn)
}

/// Whether the database of a state directory has this program's tables, which no other process then has open in vain.
///
/// # Errors
///
/// `Argument` when it is older; `Schema` when a newer program wrote it; `Store`.
pub(crate) fn must_be_current(dir: &Path) -> Result<(), LedgerError> {
    let found = version(&read_only(&path(dir))?)?;
    match found {
        VERSION => Ok(()),
        found if found < VERSION => Err(LedgerError::Argument(format!(
            "the ledger's store has schema version {found} and this program brings it to {VERSION}: not while another \
             process has it open; stop the gateway and start this one"
        ))),
        found => Err(LedgerError::Schema { path: path(dir), found, known: VERSION }),
    }
}

/// Brings the tables to this program's version, forward only. What was there before stays beside it as a file.
fn migrate(conn: &mut Connection, dir: &Path, found: i64) -> Result<(), LedgerError> {
    if found > 0 {
        keep_backup(conn, &backup_path(dir, found))?;
    }
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have been here meanwhile.
    let found = version(&transaction)?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        transaction.execute_batch(step)?;
    }
    if found < VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    if found > 0 {
        tracing::info!(from = found, to = VERSION, "the ledger's store was migrated; a copy of the old one was kept");
    }
    Ok(())
}

/// Where the database of an older version is kept.
pub(crate) fn backup_path(dir: &Path, version: i64) -> PathBuf {
    dir.join(format!("ledger.v{version}.sqlite"))
}

fn keep_backup(conn: &Connection, path: &Path) -> Result<(), LedgerError> {
    // Left over by a migration that did not come to its end.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(LedgerError::io("replace", path, e)),
        _ => {}
    }
    conn.execute("VACUUM INTO ?", [path.to_string_lossy()])?;
    Ok(())
}

/// Opens the database for a report; `None` when there is none yet.
///
/// # Errors
///
/// `Schema`, `Store`.
pub(crate) fn open_read_only(dir: &Path) -> Result<Option<Connection>, LedgerError> {
    let path = path(dir);
    if !path.exists() {
        return Ok(None);
    }
    let mut conn = read_only(&path)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    match version(&conn)? {
        // Killed before the tables were made.
        0 => Ok(None),
        VERSION => {
            deadline::watch(&mut conn)?;
            Ok(Some(conn))
        }
        found if found < VERSION => Err(LedgerError::Argument(format!(
            "`{}` was written by an older version: start the gateway on it once, which migrates it",
            path.display()
        ))),
        found => Err(LedgerError::Schema { path, found, known: VERSION }),
    }
}

/// Without write access to the directory the write-ahead log cannot be read; the database without it is older, and
/// the journal holds the rest.
fn read_only(path: &Path) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let plain = Connection::open_with_flags(path, flags)?;
    if version(&plain).is_ok() {
        return Ok(plain);
    }
    let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    Ok(Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)?)
}

fn version(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Makes a database as `version` left it: 1 to 4.
#[cfg(test)]
pub(crate) fn downgrade(dir: &Path, version: i64) {
    let conn = Connection::open(path(dir)).expect("a database");
    let columns = ["image_input", "image_output", "images", "audio_ms", "characters", "searches"];
    let tables = ["attempt", "rollup", "longer_rollup", "total", "dropped"];
    let all = tables.iter().flat_map(|table| columns.map(|column| (table, column)));
    let units: String = all.map(|(table, column)| format!("ALTER TABLE {table} DROP COLUMN {column};")).collect();
    let saved = tables.map(|table| format!("ALTER TABLE {table} DROP COLUMN saved_nano;"));
    let mut back: String = saved.concat();
    if version < 4 {
        back.push_str("DROP TABLE findings; DROP TABLE findings_rollup;");
    }
    if version < 3 {
        back.push_str(&units);
    }
    if version < 2 {
        let tables = ["balance", "balance_base", "budget", "correction", "refused", "refused_rollup", "longer_rollup"];
        back.extend(tables.iter().map(|table| format!("DROP TABLE {table};")));
        back.push_str("ALTER TABLE attempt DROP COLUMN charges;");
    }
    conn.execute_batch(&format!("{back} PRAGMA user_version = {version};")).expect("version 5");
}
