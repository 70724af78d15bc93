//! Folding: settled attempts from the journal into rows, roll-ups and totals.

use crate::ledger::LedgerError;
use crate::ledger::journal::cursor::{Cursor, Damage};
use crate::ledger::journal::segment::{Position, SegmentId};
use crate::ledger::row::Row;
use crate::ledger::store::query::{Folded, insert, positions, set_position, signed};
use crate::ledger::store::sums::{self, Table};
use crate::ledger::store::{retention, schema};
use crate::ledger::totals::{Group, Sums, Totals};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Microseconds of an hour.
pub(crate) const HOUR_US: u64 = 3_600_000_000;
/// Rows of one transaction.
const BATCH_ROWS: usize = 1_000;

/// What one batch did.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Attempts that were read.
    pub rows: u64,
    /// Whether the end of the epoch's files was reached.
    pub at_end: bool,
    /// Damage that was met.
    pub damage: Vec<Damage>,
}

/// Writes the store. One at a time in a process.
#[derive(Debug)]
pub(crate) struct Folder {
    journal: PathBuf,
    conn: Connection,
    epochs: HashMap<u64, (Cursor, Folded)>,
}

impl Folder {
    /// Opens the store of a state directory.
    ///
    /// # Errors
    ///
    /// `Schema`, `Store`.
    pub(crate) fn open(dir: &Path) -> Result<Self, LedgerError> {
        Ok(Self { journal: dir.join("journal"), conn: schema::open(dir)?, epochs: HashMap::new() })
    }

    /// How far all epochs are folded.
    ///
    /// # Errors
    ///
    /// `Store`.
    pub(crate) fn positions(&self) -> Result<BTreeMap<u64, Folded>, LedgerError> {
        positions(&self.conn)
    }

    /// Sums over all rows ever.
    ///
    /// # Errors
    ///
    /// `Store`.
    pub(crate) fn totals(&self) -> Result<Totals, LedgerError> {
        Ok(sums::read(&self.conn, Table::Total)?)
    }

    /// Folds at most a batch of `epoch`, up to `limit` (default: the end of its files).
    ///
    /// # Errors
    ///
    /// Nothing is folded then, and the next call begins at the same place.
    pub(crate) fn fold(&mut self, epoch: u64, limit: Option<Position>) -> Result<Batch, LedgerError> {
        let (mut cursor, before) = match self.epochs.remove(&epoch) {
            Some(known) => known,
            None => {
                let folded = self.positions()?.remove(&epoch).unwrap_or(Folded::NOTHING);
                (Cursor::resume(&self.journal, epoch, folded.scan, folded.position)?, folded)
            }
        };
        if before.sealed {
            return Ok(Batch { at_end: true, ..Batch::default() });
        }
        let mut rows = Vec::new();
        while rows.len() < BATCH_ROWS {
            match cursor.next(limit)? {
                Some(row) => rows.push(row),
                None => break,
            }
        }
        let after = self.commit(epoch, &cursor, before, &rows)?;
        let at_end = rows.len() < BATCH_ROWS;
        let mut damage = std::mem::take(&mut cursor.damage);
        damage.extend(std::mem::take(&mut cursor.unknown).into_iter().map(|(id, _, at)| Damage {
            path: SegmentId { epoch, number: at.number }.path(&self.journal),
            offset: at.offset,
            what: format!("attempt `{id}` is settled, but its beginning is not in the journal"),
        }));
        if !after.sealed {
            self.epochs.insert(epoch, (cursor, after));
        }
        Ok(Batch { rows: rows.len() as u64, at_end, damage })
    }

    fn commit(&mut self, epoch: u64, cursor: &Cursor, before: Folded, rows: &[Row]) -> Result<Folded, LedgerError> {
        let mut after =
            Folded { position: cursor.position(), scan: cursor.scan_from(), sealed: cursor.sealed, ..before };
        if after == before {
            return Ok(after);
        }
        let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut hours: BTreeMap<u64, Totals> = BTreeMap::new();
        for row in rows {
            after.folded += 1;
            if !insert(&transaction, row)? {
                after.repeated += 1;
                continue;
            }
            let sums = Sums::of(&row.opening, &row.settlement);
            let group = Group::of(&row.opening, row.settlement.origin);
            hours.entry(row.opening.opened_us / HOUR_US).or_default().add(group, &sums);
        }
        let mut total = Totals::default();
        for (hour, hour_sums) in &hours {
            sums::add_rollup(&transaction, signed(*hour), hour_sums)?;
            hour_sums.0.iter().for_each(|(group, sums)| total.add(group.clone(), sums));
        }
        sums::add(&transaction, Table::Total, &total)?;
        set_position(&transaction, epoch, &after)?;
        transaction.commit()?;
        Ok(after)
    }

    /// Drops what is too old or too much.
    ///
    /// # Errors
    ///
    /// `Store`, `Io`; the next call goes on.
    pub(crate) fn retain(&mut self, policy: &retention::Policy) -> Result<retention::Dropped, LedgerError> {
        retention::apply(&mut self.conn, &self.journal, policy)
    }
}
