//! Corrections of rows: what a later price made of their cost.

use crate::ledger::correction::Correction;
use crate::ledger::row::{Names, Row};
use crate::ledger::store::balances::{self, Table};
use crate::ledger::store::fold::HOUR_US;
use crate::ledger::store::query::{row, signed};
use crate::ledger::store::rollups;
use crate::ledger::totals::Group;
use crate::model::{AttemptId, RequestId};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, HashMap};

/// The corrections of rows, in order.
pub(crate) type Corrections = HashMap<AttemptId, Vec<Correction>>;

/// Writes a correction and corrects roll-ups, totals and balances; returns the row, unless it is not there any more.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn apply(conn: &Connection, correction: &Correction) -> Result<Option<Row>, rusqlite::Error> {
    let Some(row) = row(conn, correction.id, &mut Names::default())? else {
        tracing::warn!(%correction, "a correction of a row that is not there any more was passed over");
        return Ok(None);
    };
    let mut insert = conn.prepare_cached("INSERT OR IGNORE INTO correction VALUES (?,?,?,?,?,?,?)")?;
    let is_new = insert.execute(params![
        correction.id.request.0.to_be_bytes(),
        correction.id.attempt,
        correction.number,
        signed(correction.corrected_us),
        correction.before_nano,
        correction.after_nano,
        correction.price_version,
    ])? > 0;
    if is_new {
        let group = Group::of(&row.opening, row.settlement.origin);
        rollups::correct(conn, row.opening.opened_us / HOUR_US, &group, correction)?;
        let change = row.opening.charges.iter().map(|charge| (charge.key(), correction.of(charge)));
        balances::add(conn, Table::Balance, &change.collect::<BTreeMap<_, _>>())?;
    }
    Ok(Some(row))
}

/// The corrections of rows that were opened from `from_us` up to and including `to_us`.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn between(conn: &Connection, from_us: i64, to_us: i64) -> Result<Corrections, rusqlite::Error> {
    let mut statement = conn.prepare_cached(
        "SELECT c.request, c.attempt, c.number, c.corrected_us, c.before_nano, c.after_nano, c.price_version \
         FROM correction c JOIN attempt a ON a.request = c.request AND a.attempt = c.attempt \
         WHERE a.opened_us >= ? AND a.opened_us <= ? ORDER BY c.request, c.attempt, c.number",
    )?;
    let mut rows = statement.query([from_us, to_us])?;
    let mut found = Corrections::new();
    while let Some(row) = rows.next()? {
        let id = AttemptId { request: RequestId(u128::from_be_bytes(row.get(0)?)), attempt: row.get(1)? };
        found.entry(id).or_default().push(Correction {
            id,
            number: row.get(2)?,
            corrected_us: u64::try_from(row.get::<_, i64>(3)?).unwrap_or_default(),
            before_nano: row.get(4)?,
            after_nano: row.get(5)?,
            price_version: row.get(6)?,
        });
    }
    Ok(found)
}

/// The corrections of one row.
pub(crate) fn of(corrections: &Corrections, id: AttemptId) -> &[Correction] {
    corrections.get(&id).map(Vec::as_slice).unwrap_or_default()
}

/// Forgets the corrections of rows up to and including `to_us`, before the rows go.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn forget(conn: &Connection, to_us: i64) -> Result<(), rusqlite::Error> {
    let any: bool = conn.query_row("SELECT EXISTS (SELECT 1 FROM correction)", [], |row| row.get(0))?;
    if any {
        conn.execute(
            "DELETE FROM correction WHERE EXISTS (SELECT 1 FROM attempt a WHERE a.request = correction.request \
             AND a.attempt = correction.attempt AND a.opened_us <= ?)",
            [to_us],
        )?;
    }
    Ok(())
}
