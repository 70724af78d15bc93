//! The tables of balances: what each account has spent in each period, and what a row is charged to.

use crate::config::Unit;
use crate::ledger::budget::{Amount, Charged, Key};
use crate::ledger::row::Row;
use crate::ledger::store::corrections::{self, Corrections};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A table of balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// All that was ever charged.
    Balance,
    /// What of it no row tells.
    Base,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Base => "balance_base",
        }
    }
}

/// What was folded to one balance.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn of(conn: &Connection, budget: &str, entity: &str, start_us: u64) -> Result<Amount, rusqlite::Error> {
    let start_us = i64::try_from(start_us).unwrap_or(i64::MAX);
    conn.prepare_cached("SELECT nano, tokens, attempts FROM balance WHERE budget = ? AND entity = ? AND period_us = ?")?
        .query_row(params![budget, entity, start_us], |row| {
            Ok(Amount { nano: row.get(0)?, tokens: row.get(1)?, attempts: row.get(2)? })
        })
        .optional()
        .map(Option::unwrap_or_default)
}

/// All of a table.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn read(conn: &Connection, table: Table) -> Result<BTreeMap<Key, Amount>, rusqlite::Error> {
    let sql = format!("SELECT budget, entity, period_us, nano, tokens, attempts FROM {}", table.name());
    let mut statement = conn.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        let key = (row.get(0)?, row.get(1)?, u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default());
        Ok((key, Amount { nano: row.get(3)?, tokens: row.get(4)?, attempts: row.get(5)? }))
    })?;
    rows.collect()
}

/// Adds to a table. Added here and not in SQL, where an overflow would silently become a float.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn add(conn: &Connection, table: Table, sums: &BTreeMap<Key, Amount>) -> Result<(), rusqlite::Error> {
    let name = table.name();
    let select = format!("SELECT nano, tokens, attempts FROM {name} WHERE budget = ? AND entity = ? AND period_us = ?");
    let replace = format!("INSERT OR REPLACE INTO {name} VALUES (?,?,?,?,?,?)");
    for ((budget, entity, start_us), sum) in sums {
        let start_us = i64::try_from(*start_us).unwrap_or(i64::MAX);
        let mut now = conn
            .prepare_cached(&select)?
            .query_row(params![budget, entity, start_us], |row| {
                Ok(Amount { nano: row.get(0)?, tokens: row.get(1)?, attempts: row.get(2)? })
            })
            .optional()?
            .unwrap_or_default();
        now.add(*sum);
        conn.prepare_cached(&replace)?.execute(params![
            budget,
            entity,
            start_us,
            now.nano,
            now.tokens,
            now.attempts
        ])?;
    }
    Ok(())
}

/// Adds what a row is charged with, at its corrected cost.
pub(crate) fn add_charges(row: &Row, corrections: &Corrections, sums: &mut BTreeMap<Key, Amount>) {
    for charge in &row.opening.charges {
        let sum = sums.entry(charge.key()).or_default();
        sum.add(charge.amount(&row.settlement));
        corrections::of(corrections, row.opening.id).iter().for_each(|correction| sum.add(correction.of(charge)));
    }
}

/// What a row is charged to, as its column holds it; nothing for nothing.
pub(crate) fn charges_text(charges: &[Charged]) -> Option<String> {
    if charges.is_empty() {
        return None;
    }
    let cells: Vec<(&str, &str, u64, &str, i64)> = charges
        .iter()
        .map(|charge| (&*charge.budget, &*charge.entity, charge.period_us, charge.unit.name(), charge.held))
        .collect();
    Some(serde_json::to_string(&cells).expect("texts and numbers are always JSON"))
}

/// Budget, entity, beginning of the period, unit, held.
type Cells = (Arc<str>, Arc<str>, u64, String, i64);

/// Reads what [`charges_text`] wrote.
///
/// # Errors
///
/// SQLite's, and for text that is nothing of the kind.
pub(crate) fn charges_at(row: &SqlRow<'_>, column: usize) -> Result<Vec<Charged>, rusqlite::Error> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(Vec::new()) };
    let cells: Vec<Cells> = serde_json::from_str(&text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))?;
    let charge = |(budget, entity, period_us, unit, held): Cells| {
        let unit = if unit == Unit::Tokens.name() { Unit::Tokens } else { Unit::Usd };
        Charged { budget, entity, period_us, unit, held }
    };
    Ok(cells.into_iter().map(charge).collect())
}
