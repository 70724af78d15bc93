//! Dropping what is too old or too much, and keeping its sums and hashes.
//!
//! Segments go first: what they hold is folded. Rows go next, oldest first; their sums go to the table `dropped`,
//! and `verify` starts from there. Roll-ups and totals stay.

use crate::ledger::LedgerError;
use crate::ledger::journal::chain;
use crate::ledger::journal::segment::{SegmentId, list};
use crate::ledger::lock;
use crate::ledger::row::Names;
use crate::ledger::store::query::{Folded, ROW_COLUMNS, positions, row_at, signed};
use crate::ledger::store::sums::{self, Table};
use crate::ledger::store::{balances, corrections, findings, refusals};
use crate::ledger::totals::Totals;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Rows dropped in one transaction: so long a report or a fold waits.
const BATCH_ROWS: usize = 5_000;
/// Batches of one pass: so long the folder does nothing else.
const PASS_BATCHES: u32 = 20;
/// Pages given back to the file system in one step.
const VACUUM_PAGES: i64 = 2_000;

/// What may be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Now, in microseconds.
    pub now_us: u64,
    /// Rows and segments older than this go.
    pub retention: Duration,
    /// Store and journal together are kept below.
    pub max_bytes: u64,
}

/// What went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub segments: u64,
    pub rows: u64,
    /// Whether there is more to drop.
    pub more: bool,
}

/// Drops segments, then rows.
///
/// # Errors
///
/// `Store`, `Io`.
pub(crate) fn apply(conn: &mut Connection, journal: &Path, policy: &Policy) -> Result<Dropped, LedgerError> {
    let age = u64::try_from(policy.retention.as_micros()).unwrap_or(u64::MAX);
    let oldest_us = policy.now_us.saturating_sub(age);
    let mut dropped = Dropped::default();
    let journal_bytes = drop_segments(conn, journal, policy.max_bytes, oldest_us, &mut dropped)?;
    for _ in 0..PASS_BATCHES {
        let too_much = store_bytes(conn)?.saturating_add(journal_bytes) > policy.max_bytes;
        let before_us = if too_much { u64::MAX } else { oldest_us };
        // Those without a cost first.
        let refused = refusals::drop_before(conn, before_us, oldest_us)?;
        let mut rows = refused + if too_much && refused > 0 { 0 } else { drop_rows(conn, before_us)? };
        // What guardrails found stays as long as the attempts' rows do.
        let edge_us = if too_much { rows_from_us(conn)?.max(oldest_us) } else { oldest_us };
        rows += findings::drop_before(conn, edge_us)?;
        if too_much && rows == 0 {
            rows = findings::drop_before(conn, before_us)?;
        }
        if rows == 0 {
            return Ok(dropped);
        }
        dropped.rows += rows;
        vacuum(conn)?;
    }
    dropped.more = true;
    Ok(dropped)
}

/// Drops folded segments that are too old, then, while all is too large, the oldest ones. Returns the bytes left.
fn drop_segments(
    conn: &mut Connection,
    journal: &Path,
    max_bytes: u64,
    oldest_us: u64,
    dropped: &mut Dropped,
) -> Result<u64, LedgerError> {
    let folded = positions(conn)?;
    let ids = list(journal)?;
    let sizes: Vec<(SegmentId, u64, u64)> = ids.into_iter().filter_map(|id| measure(journal, id)).collect();
    let mut bytes: u64 = sizes.iter().map(|(_, size, _)| size).sum();
    for (id, size, modified_us) in sizes {
        let too_much = store_bytes(conn)?.saturating_add(bytes) > max_bytes;
        if !is_done(&folded, id) || !(too_much || modified_us < oldest_us) {
            continue;
        }
        let sha256 = chain::hash(journal, id)?;
        // First the memory of it: dying in between leaves a segment that is dropped again.
        conn.execute(
            "INSERT OR REPLACE INTO dropped_segment VALUES (?,?,?)",
            params![signed(id.epoch), signed(id.number), sha256],
        )?;
        let path = id.path(journal);
        std::fs::remove_file(&path).map_err(|e| LedgerError::io("remove", &path, e))?;
        bytes = bytes.saturating_sub(size);
        dropped.segments += 1;
        forget_if_empty(journal, id.epoch)?;
    }
    Ok(bytes)
}

/// Whether nothing that is still to be folded or still open needs the segment.
fn is_done(folded: &BTreeMap<u64, Folded>, id: SegmentId) -> bool {
    folded.get(&id.epoch).is_some_and(|folded| folded.sealed || id.number < folded.scan.number)
}

/// The lock file of an epoch goes with its last segment, unless it is the youngest: epochs never repeat.
fn forget_if_empty(journal: &Path, epoch: u64) -> Result<(), LedgerError> {
    let left = list(journal)?.iter().any(|id| id.epoch == epoch);
    if !left && lock::epochs(journal)?.last().is_some_and(|last| *last > epoch) {
        lock::forget_epoch(journal, epoch);
    }
    Ok(())
}

/// Size and last write of a segment; `None` if it went meanwhile.
fn measure(journal: &Path, id: SegmentId) -> Option<(SegmentId, u64, u64)> {
    let found = std::fs::metadata(id.path(journal)).ok()?;
    let since = found.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some((id, found.len(), u64::try_from(since.as_micros()).unwrap_or(u64::MAX)))
}

/// Bytes of the database that hold something.
fn store_bytes(conn: &Connection) -> Result<u64, LedgerError> {
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(pragma("page_size")?)).unwrap_or_default())
}

/// Drops a batch of the oldest rows, if they began before `before_us`; returns how many.
fn drop_rows(conn: &mut Connection, before_us: u64) -> Result<u64, LedgerError> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let edge: Option<i64> = transaction
        .query_row(
            "SELECT opened_us FROM (SELECT opened_us FROM attempt WHERE opened_us < ? ORDER BY opened_us LIMIT ?) \
             ORDER BY opened_us DESC LIMIT 1",
            params![signed(before_us), signed(BATCH_ROWS as u64)],
            |row| row.get(0),
        )
        .optional()?;
    let Some(edge) = edge else { return Ok(0) };
    let mut sums = Totals::default();
    let mut charged = BTreeMap::new();
    let corrections = corrections::between(&transaction, i64::MIN, edge)?;
    {
        let sql = format!("SELECT {ROW_COLUMNS} FROM attempt WHERE opened_us <= ?");
        let mut statement = transaction.prepare_cached(&sql)?;
        let mut names = Names::default();
        let rows = statement.query_map([edge], |row| row_at(row, &mut names))?;
        for row in rows {
            let row = row?;
            sums.add_row(&row);
            for correction in corrections::of(&corrections, row.opening.id) {
                sums.correct(&row, correction);
            }
            balances::add_charges(&row, &corrections, &mut charged);
        }
    }
    sums::add(&transaction, Table::Dropped, &sums)?;
    balances::add(&transaction, balances::Table::Base, &charged)?;
    corrections::forget(&transaction, edge)?;
    let rows = transaction.execute("DELETE FROM attempt WHERE opened_us <= ?", [edge])?;
    transaction.execute(
        "INSERT INTO fact VALUES ('rows_from_us', ?1) ON CONFLICT (name) DO UPDATE SET value = max(value, ?1)",
        [edge.saturating_add(1)],
    )?;
    transaction.commit()?;
    Ok(rows as u64)
}

/// Rows of attempts that began before were dropped.
fn rows_from_us(conn: &Connection) -> Result<u64, LedgerError> {
    let from = "SELECT value FROM fact WHERE name = 'rows_from_us'";
    let from: Option<i64> = conn.query_row(from, [], |row| row.get(0)).optional()?;
    Ok(from.and_then(|from| u64::try_from(from).ok()).unwrap_or(0))
}

fn vacuum(conn: &Connection) -> Result<(), LedgerError> {
    let mut statement = conn.prepare_cached(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    Ok(())
}
