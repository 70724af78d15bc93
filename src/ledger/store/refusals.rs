//! Rows of refused requests, and their hourly roll-ups.

use crate::ledger::refused::Refused;
use crate::ledger::store::fold::HOUR_US;
use crate::ledger::store::query::signed;
use rusqlite::{Connection, params};

/// Most rows that go in one transaction.
const BATCH_ROWS: i64 = 5_000;

/// Writes a row and counts it in its hour.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn add(conn: &Connection, refused: &Refused) -> Result<(), rusqlite::Error> {
    let mut insert = conn.prepare_cached("INSERT OR IGNORE INTO refused VALUES (?,?,?,?,?,?,?,?,?)")?;
    let is_new = insert.execute(params![
        refused.id.0.to_be_bytes(),
        signed(refused.time_us),
        refused.key,
        refused.team,
        refused.user,
        refused.model,
        refused.api,
        refused.code,
        refused.status,
    ])? > 0;
    if is_new {
        let hour = signed(refused.time_us / HOUR_US);
        conn.prepare_cached(
            "INSERT INTO refused_rollup VALUES (?,?,?,?,?,1) \
             ON CONFLICT (hour, key, team, model, code) DO UPDATE SET requests = requests + 1",
        )?
        .execute(params![hour, refused.key, refused.team, refused.model, refused.code])?;
    }
    Ok(())
}

/// Drops a batch of rows before `before_us`, oldest first, and the roll-ups of whole hours before `oldest_us`; returns
/// the rows dropped.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn drop_before(conn: &Connection, before_us: u64, oldest_us: u64) -> Result<u64, rusqlite::Error> {
    // Models are named by clients: unlike those of attempts, these roll-ups do not stay for ever.
    conn.execute("DELETE FROM refused_rollup WHERE hour < ?", [signed(oldest_us / HOUR_US)])?;
    let rows = conn.execute(
        "DELETE FROM refused WHERE id IN (SELECT id FROM refused WHERE time_us < ? ORDER BY time_us LIMIT ?)",
        params![signed(before_us), BATCH_ROWS],
    )?;
    Ok(rows as u64)
}

/// One line of [`count`].
pub(crate) struct Count {
    pub hour: u64,
    pub key: String,
    pub team: String,
    pub model: String,
    /// Only where rows are counted.
    pub user: Option<String>,
    pub requests: u64,
}

/// Refused requests from an hour on, from the roll-ups, or with `by_user` from the rows.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn count(conn: &Connection, first_hour: u64, by_user: bool) -> Result<Vec<Count>, rusqlite::Error> {
    let (sql, from) = if by_user {
        let hour = HOUR_US;
        let sql = format!(
            "SELECT time_us / {hour}, key, team, model, user, count(*) FROM refused WHERE time_us >= ? \
             GROUP BY 1, 2, 3, 4, 5"
        );
        (sql, first_hour.saturating_mul(HOUR_US))
    } else {
        let sql = "SELECT hour, key, team, model, NULL, sum(requests) FROM refused_rollup WHERE hour >= ? \
                   GROUP BY 1, 2, 3, 4";
        (sql.to_owned(), first_hour)
    };
    let mut statement = conn.prepare(&sql)?;
    let unsigned = |n: i64| u64::try_from(n).unwrap_or_default();
    let rows = statement.query_map([signed(from)], |row| {
        let (hour, requests) = (unsigned(row.get(0)?), unsigned(row.get(5)?));
        Ok(Count { hour, key: row.get(1)?, team: row.get(2)?, model: row.get(3)?, user: row.get(4)?, requests })
    })?;
    rows.collect()
}
