//! Reading and adding to the tables of sums.
//!
//! Sums are added here and not in SQL, where an overflow would silently become a float.

use crate::ledger::correction::Correction;
use crate::ledger::totals::{Group, Sums, Totals};
use crate::model::UsageOrigin;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params_from_iter};
use std::sync::Arc;

/// The figures, in the order of `Sums::cells`.
pub(crate) const SUM_COLUMNS: &str = "attempts, requests, errors, unpriced, input, cache_read, cache_write_5m, \
     cache_write_1h, output, reasoning, audio_input, audio_output, image_input, image_output, images, audio_ms, \
     characters, searches, cost_nano, saved_nano";
/// The dimensions, in the order of `Group`.
pub(crate) const GROUP_COLUMNS: &str = "key, team, model, provider, target_model, origin";
/// Number of columns of [`SUM_COLUMNS`].
const SUMS: usize = Sums::CELLS;

/// A table of sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// All rows ever.
    Total,
    /// Rows that retention removed.
    Dropped,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Dropped => "dropped",
        }
    }
}

/// All of a table.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn read(conn: &Connection, table: Table) -> Result<Totals, rusqlite::Error> {
    let sql = format!("SELECT {GROUP_COLUMNS}, {SUM_COLUMNS} FROM {}", table.name());
    let mut statement = conn.prepare(&sql)?;
    let rows = statement.query_map([], |row| Ok((group_at(row, 0)?, sums_at(row, 6)?)))?;
    Ok(Totals(rows.collect::<Result<_, _>>()?))
}

/// Adds `sums` to a table.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn add(conn: &Connection, table: Table, sums: &Totals) -> Result<(), rusqlite::Error> {
    let filter = "key = ? AND team = ? AND model = ? AND provider = ? AND target_model = ? AND origin = ?";
    let select = format!("SELECT {SUM_COLUMNS} FROM {} WHERE {filter}", table.name());
    let replace = format!(
        "INSERT OR REPLACE INTO {} ({GROUP_COLUMNS}, {SUM_COLUMNS}) VALUES (?,?,?,?,?,?, {MARKS})",
        table.name()
    );
    sums.0.iter().try_for_each(|(group, sums)| add_one(conn, &select, &replace, &[], group, sums))
}

/// Adds `sums` to the roll-ups of an hour.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn add_rollup(conn: &Connection, hour: i64, sums: &Totals) -> Result<(), rusqlite::Error> {
    let filter = "hour = ? AND key = ? AND team = ? AND model = ? AND provider = ? AND target_model = ? AND origin = ?";
    let select = format!("SELECT {SUM_COLUMNS} FROM rollup WHERE {filter}");
    let replace =
        format!("INSERT OR REPLACE INTO rollup (hour, {GROUP_COLUMNS}, {SUM_COLUMNS}) VALUES (?,?,?,?,?,?,?, {MARKS})");
    sums.0.iter().try_for_each(|(group, sums)| add_one(conn, &select, &replace, &[hour], group, sums))
}

/// Adds `sums` to a longer roll-up: the one of `length` hours from `hour` on.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn add_longer(conn: &Connection, length: i64, hour: i64, sums: &Totals) -> Result<(), rusqlite::Error> {
    let filter = "length = ? AND hour = ? AND key = ? AND team = ? AND model = ? AND provider = ? \
         AND target_model = ? AND origin = ?";
    let select = format!("SELECT {SUM_COLUMNS} FROM longer_rollup WHERE {filter}");
    let replace = format!(
        "INSERT OR REPLACE INTO longer_rollup (length, hour, {GROUP_COLUMNS}, {SUM_COLUMNS}) \
         VALUES (?,?,?,?,?,?,?,?, {MARKS})"
    );
    sums.0.iter().try_for_each(|(group, sums)| add_one(conn, &select, &replace, &[length, hour], group, sums))
}

/// Corrects the cost of an attempt of `group` in the roll-up of its hour, in the `longer` ones (length and hour), and in
/// the totals.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn correct(
    conn: &Connection,
    hour: i64,
    longer: &[[i64; 2]],
    group: &Group,
    correction: &Correction,
) -> Result<(), rusqlite::Error> {
    let filter = "key = ?1 AND team = ?2 AND model = ?3 AND provider = ?4 AND target_model = ?5 AND origin = ?6";
    let names = [&*group.key, &*group.team, &*group.model, &*group.provider, &*group.target_model, group.origin];
    let hour = [hour];
    let tables: [(_, _, &[i64]); 2] = [("total", "", &[]), ("rollup", " AND hour = ?7", &hour)];
    let longer = longer.iter().map(|place| ("longer_rollup", " AND length = ?7 AND hour = ?8", &place[..]));
    for (table, more, place) in tables.into_iter().chain(longer) {
        let filter = format!("{filter}{more}");
        let mut values: Vec<Value> = names.map(|name| Value::from(name.to_owned())).into();
        values.extend(place.iter().copied().map(Value::from));
        let select = format!("SELECT {SUM_COLUMNS} FROM {table} WHERE {filter}");
        let had =
            conn.prepare_cached(&select)?.query_row(params_from_iter(&values), |row| sums_at(row, 0)).optional()?;
        let mut now = had.unwrap_or_default();
        now.correct(correction);
        values.push(Value::from(now.cost.0));
        values.push(Value::from(i64::try_from(now.unpriced).unwrap_or(i64::MAX)));
        let (cost, unpriced) = (values.len() - 1, values.len());
        let update = format!("UPDATE {table} SET cost_nano = ?{cost}, unpriced = ?{unpriced} WHERE {filter}");
        conn.prepare_cached(&update)?.execute(params_from_iter(&values))?;
    }
    Ok(())
}

const MARKS: &str = "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?";

fn add_one(
    conn: &Connection,
    select: &str,
    replace: &str,
    place: &[i64],
    group: &Group,
    sums: &Sums,
) -> Result<(), rusqlite::Error> {
    let names = [&*group.key, &*group.team, &*group.model, &*group.provider, &*group.target_model, group.origin];
    let mut values: Vec<Value> = place.iter().copied().map(Value::from).collect();
    values.extend(names.map(|name| Value::from(name.to_owned())));
    let had = conn
        .prepare_cached(select)?
        .query_row(params_from_iter(&values), |row| sums_at(row, 0))
        .optional()?
        .unwrap_or_default();
    let mut now = had;
    now.add(sums);
    values.extend(now.cells().map(Value::from));
    conn.prepare_cached(replace)?.execute(params_from_iter(&values)).map(drop)
}

/// Reads a group from six columns.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn group_at(row: &SqlRow<'_>, at: usize) -> Result<Group, rusqlite::Error> {
    let name = |column: usize| row.get::<_, Arc<str>>(at + column);
    let origin: String = row.get(at + 5)?;
    Ok(Group {
        key: name(0)?,
        team: name(1)?,
        model: name(2)?,
        provider: name(3)?,
        target_model: name(4)?,
        origin: origin.parse::<UsageOrigin>().map_or("unknown", UsageOrigin::name),
    })
}

/// Reads the figures.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn sums_at(row: &SqlRow<'_>, at: usize) -> Result<Sums, rusqlite::Error> {
    let mut cells = [0_i64; SUMS];
    for (column, cell) in cells.iter_mut().enumerate() {
        *cell = row.get(at + column)?;
    }
    Ok(Sums::from_cells(&cells))
}
