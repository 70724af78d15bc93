//! What guardrails found: a row a record, and roll-ups of hours, days and 32 days.
//!
//! Unlike those of attempts all lengths are written with each fold: few requests have findings.

use crate::{
    ledger::{
        findings::{Cell, Figures, Findings, Level, Tally, Who},
        row::{Names, api_name},
        store::query::signed,
        store::rollups,
    },
    model::{AttemptId, RequestId},
};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params, types::Type};
use std::ops::Range;
use std::sync::Arc;

/// Most rows that go in one transaction.
const BATCH_ROWS: i64 = 5_000;
/// The fact that tells since when all rows are there.
const FROM: &str = "findings_from_us";
const COLUMNS: &str = "request, attempt, part, time_us, key, team, user, model, api, findings";

/// Writes the records that are new and adds them to the roll-ups. What is there already is passed over: it was folded before
/// the store was set back.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn add<'a>(conn: &Connection, records: impl Iterator<Item = &'a Findings>) -> Result<(), rusqlite::Error> {
    let mut tally = Tally::default();
    for found in records {
        if is_there(conn, found)? {
            continue;
        }
        // Those of this batch are in the tally, once it knows the request.
        tally.add(found, || of_request(conn, found.id.request))?;
        insert(conn, found)?;
    }
    for ((hour, who, cell), figures) in &tally.sums {
        for length in rollups::ALL_LENGTHS {
            add_to(conn, length, hour / length * length, (who, cell), figures)?;
        }
    }
    Ok(())
}

fn is_there(conn: &Connection, found: &Findings) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM findings WHERE request = ? AND attempt = ? AND part = ?)";
    let key = params![found.id.request.0.to_be_bytes(), found.id.attempt, found.part];
    conn.prepare_cached(sql)?.query_row(key, |row| row.get(0))
}

fn insert(conn: &Connection, found: &Findings) -> Result<(), rusqlite::Error> {
    let told = serde_json::to_string(&found.findings)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    conn.prepare_cached("INSERT INTO findings VALUES (?,?,?,?,?,?,?,?,?,?)")?.execute(params![
        found.id.request.0.to_be_bytes(),
        found.id.attempt,
        found.part,
        signed(found.time_us),
        found.key,
        found.team,
        found.user,
        found.model,
        found.api,
        told,
    ])?;
    Ok(())
}

fn add_to(
    conn: &Connection,
    length: u64,
    hour: u64,
    (who, cell): (&Who, &Cell),
    figures: &Figures,
) -> Result<(), rusqlite::Error> {
    let mut upsert = conn.prepare_cached(
        "INSERT INTO findings_rollup VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET \
         requests = requests + excluded.requests, acted = acted + excluded.acted, \
         findings = findings + excluded.findings",
    )?;
    upsert.execute(params![
        signed(length),
        cell.level as i64,
        signed(hour),
        who.key,
        who.team,
        who.model,
        cell.guardrail,
        cell.kind,
        cell.entity,
        cell.side,
        cell.action,
        signed(figures.requests),
        signed(figures.acted),
        signed(figures.findings),
    ])?;
    Ok(())
}

/// Whether there is any record.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn any(conn: &Connection) -> Result<bool, rusqlite::Error> {
    conn.query_row("SELECT EXISTS (SELECT 1 FROM findings)", [], |row| row.get(0))
}

/// All records of a request, in order.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn of_request(conn: &Connection, request: RequestId) -> Result<Vec<Findings>, rusqlite::Error> {
    let sql = format!("SELECT {COLUMNS} FROM findings WHERE request = ? ORDER BY attempt, part");
    let mut names = Names::default();
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_map([request.0.to_be_bytes()], |row| record_at(row, &mut names))?.collect()
}

/// Tells all records of requests that came within `times_us`, those of one request one behind the other.
///
/// # Errors
///
/// SQLite's, or those of `tell`.
pub(crate) fn each_record<E: From<rusqlite::Error>>(
    conn: &Connection,
    times_us: Range<u64>,
    mut tell: impl FnMut(Findings) -> Result<(), E>,
) -> Result<(), E> {
    // By the moment: records of a request have the same one.
    let sql = format!(
        "SELECT {COLUMNS} FROM findings WHERE time_us >= ? AND time_us <= ? ORDER BY time_us, request, attempt, part"
    );
    let mut names = Names::default();
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([signed(times_us.start), signed(times_us.end.saturating_sub(1))])?;
    while let Some(row) = rows.next()? {
        tell(record_at(row, &mut names)?)?;
    }
    Ok(())
}

fn record_at(row: &SqlRow<'_>, names: &mut Names) -> Result<Findings, rusqlite::Error> {
    let request: [u8; 16] = row.get(0)?;
    let mut name = |column: usize| Ok::<_, rusqlite::Error>(names.intern(row.get_ref(column)?.as_str()?));
    let (key, team, model) = (name(4)?, name(5)?, name(7)?);
    let findings = serde_json::from_str(row.get_ref(9)?.as_str()?);
    Ok(Findings {
        id: AttemptId { request: RequestId(u128::from_be_bytes(request)), attempt: row.get(1)? },
        part: row.get(2)?,
        time_us: count(row, 3)?,
        key,
        team,
        user: row.get(6)?,
        model,
        api: api_name(row.get_ref(8)?.as_str()?),
        findings: findings
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(9, Type::Text, Box::new(error)))?,
    })
}

/// Tells the roll-ups of a level in `hours`, each in as long a one as there is, but of at most `longest` hours.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn each_sum(
    conn: &Connection,
    hours: Range<u64>,
    longest: u64,
    level: Level,
    mut tell: impl FnMut(u64, &Who, &Cell, &Figures),
) -> Result<(), rusqlite::Error> {
    for (length, part) in rollups::parts(hours, longest, u64::MAX) {
        read(conn, (length, level), &part, &mut tell)?;
    }
    Ok(())
}

fn read(
    conn: &Connection,
    (length, level): (u64, Level),
    hours: &Range<u64>,
    tell: &mut impl FnMut(u64, &Who, &Cell, &Figures),
) -> Result<(), rusqlite::Error> {
    let mut statement = conn.prepare_cached(
        "SELECT hour, key, team, model, guardrail, kind, entity, side, action, requests, acted, findings \
         FROM findings_rollup WHERE length = ? AND level = ? AND hour >= ? AND hour < ?",
    )?;
    let mut rows = statement.query(params![signed(length), level as i64, signed(hours.start), signed(hours.end)])?;
    let none: Arc<str> = Arc::from("");
    let none = || Arc::clone(&none);
    let mut who = Who { key: none(), team: none(), model: none() };
    let mut cell = Cell { level, guardrail: none(), kind: none(), entity: none(), side: none(), action: none() };
    while let Some(row) = rows.next()? {
        let Who { key, team, model } = &mut who;
        let Cell { guardrail, kind, entity, side, action, .. } = &mut cell;
        // Most names are those of the row before: they are kept.
        for (column, name) in (1_usize..).zip([key, team, model, guardrail, kind, entity, side, action]) {
            let text = row.get_ref(column)?.as_str()?;
            if **name != *text {
                *name = Arc::from(text);
            }
        }
        let figures = Figures { requests: count(row, 9)?, acted: count(row, 10)?, findings: count(row, 11)? };
        tell(count(row, 0)?, &who, &cell, &figures);
    }
    Ok(())
}

/// The roll-ups of one length, all levels.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn sums_of(
    conn: &Connection,
    length: u64,
) -> Result<std::collections::BTreeMap<(u64, Who, Cell), Figures>, rusqlite::Error> {
    let mut sums = std::collections::BTreeMap::new();
    for level in Level::ALL {
        read(conn, (length, level), &(0..u64::MAX), &mut |hour, who, cell, figures| {
            sums.insert((hour, who.clone(), cell.clone()), *figures);
        })?;
    }
    Ok(sums)
}

/// Since when all rows are there.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn complete_from_us(conn: &Connection) -> Result<u64, rusqlite::Error> {
    let from =
        conn.query_row("SELECT value FROM fact WHERE name = ?", [FROM], |row| row.get::<_, i64>(0)).optional()?;
    Ok(from.and_then(|from| u64::try_from(from).ok()).unwrap_or(0))
}

/// Drops a batch of rows before `before_us`, oldest first; the roll-ups stay. Returns the rows dropped.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn drop_before(conn: &mut Connection, before_us: u64) -> Result<u64, rusqlite::Error> {
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let edge: Option<i64> = transaction
        .query_row(
            "SELECT time_us FROM (SELECT time_us FROM findings WHERE time_us < ? ORDER BY time_us LIMIT ?) \
             ORDER BY time_us DESC LIMIT 1",
            params![signed(before_us), BATCH_ROWS],
            |row| row.get(0),
        )
        .optional()?;
    let Some(edge) = edge else { return Ok(0) };
    let rows = transaction.execute("DELETE FROM findings WHERE time_us <= ?", [edge])?;
    transaction.execute(
        "INSERT INTO fact VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = max(value, ?2)",
        params![FROM, edge.saturating_add(1)],
    )?;
    transaction.commit()?;
    Ok(rows as u64)
}

/// A number that is never negative, from a column.
fn count(row: &SqlRow<'_>, at: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or_default())
}
