//! Folding: settled attempts from the journal into rows, roll-ups and totals.

use crate::config::Budget;
use crate::ledger::LedgerError;
use crate::ledger::budget::{Amount, Balances, Key};
use crate::ledger::journal::cursor::{Cursor, Damage, Entry};
use crate::ledger::journal::segment::{Position, SegmentId};
use crate::ledger::row::{Names, Row};
use crate::ledger::store::query::{Folded, insert, positions, row, set_position};
use crate::ledger::store::sums::{self, Table};
use crate::ledger::store::{backfill, balances, corrections, findings, refusals, retention, rollups, schema};
use crate::ledger::totals::{Group, Sums, Totals};
use crate::model::AttemptId;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Microseconds of an hour.
pub(crate) const HOUR_US: u64 = 3_600_000_000;
/// Rows of one transaction.
const BATCH_ROWS: usize = 1_000;
/// After so many changed rows the write-ahead log is written back.
const CHECKPOINT_CHANGES: u64 = 4_000;

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
    balances: Arc<Balances>,
    /// Epochs that other processes fold too: what they settled stands in the balances by its place.
    others: HashSet<u64>,
    /// Rows changed until the write-ahead log was written back last.
    written_back: u64,
}

impl Folder {
    /// Opens the store of a state directory.
    #[cfg(test)]
    pub(crate) fn open(dir: &Path) -> Result<Self, LedgerError> {
        Self::over(dir, Arc::new(Balances::new(Some(dir))))
    }

    /// Opens the store of a state directory, whose balances are looked up meanwhile.
    ///
    /// # Errors
    ///
    /// `Schema`, `Store`.
    pub(crate) fn over(dir: &Path, balances: Arc<Balances>) -> Result<Self, LedgerError> {
        let (journal, conn) = (dir.join("journal"), schema::open(dir)?);
        // Not within a commit, during which no balance is looked up: see `write_back`.
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(Self { journal, conn, epochs: HashMap::new(), balances, others: HashSet::new(), written_back: 0 })
    }

    /// Leaves it to the place of what was settled in `epoch` whether it is folded.
    pub(crate) fn leave_to_others(&mut self, epoch: u64) {
        self.others.insert(epoch);
    }

    /// A row, by its id.
    ///
    /// # Errors
    ///
    /// `Store`.
    pub(crate) fn row(&self, id: AttemptId) -> Result<Option<Row>, LedgerError> {
        Ok(row(&self.conn, id, &mut Names::default())?)
    }

    /// Makes a budget known; returns what was spent of it before: see [`backfill::prepare`].
    ///
    /// # Errors
    ///
    /// `Store`.
    pub(crate) fn prepare(&mut self, budget: &Budget, now_us: u64) -> Result<BTreeMap<Key, Amount>, LedgerError> {
        Ok(backfill::prepare(&mut self.conn, budget, now_us)?)
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
        let mut entries = Vec::new();
        while entries.len() < BATCH_ROWS {
            match cursor.entry(limit)? {
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        let after = self.commit(epoch, &cursor, before, &entries)?;
        let at_end = entries.len() < BATCH_ROWS;
        let rows = entries.iter().filter(|entry| matches!(entry, Entry::Row(_))).count() as u64;
        let mut damage = std::mem::take(&mut cursor.damage);
        damage.extend(std::mem::take(&mut cursor.unknown).into_iter().map(|(id, _, at)| Damage {
            path: SegmentId { epoch, number: at.number }.path(&self.journal),
            offset: at.offset,
            what: format!("attempt `{id}` is settled, but its beginning is not in the journal"),
        }));
        if !after.sealed {
            self.epochs.insert(epoch, (cursor, after));
        }
        Ok(Batch { rows, at_end, damage })
    }

    fn commit(
        &mut self,
        epoch: u64,
        cursor: &Cursor,
        before: Folded,
        entries: &[Entry],
    ) -> Result<Folded, LedgerError> {
        let mut after =
            Folded { position: cursor.position(), scan: cursor.scan_from(), sealed: cursor.sealed, ..before };
        let moved = self.balances.moved();
        if after == before && moved.is_empty() {
            return Ok(after);
        }
        let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut sums = BatchSums::default();
        for row in entries.iter().filter_map(Entry::row) {
            after.folded += 1;
            if insert(&transaction, row)? {
                sums.add(row);
            } else {
                after.repeated += 1;
            }
        }
        sums.write(&transaction)?;
        // After the sums of the rows, of which some may be corrected.
        let mut corrected = Vec::new();
        for entry in entries {
            match entry {
                Entry::Row(_) | Entry::Found(_) => {}
                Entry::Corrected(correction) => {
                    if let Some(row) = corrections::apply(&transaction, correction)? {
                        corrected.push((row, correction));
                    }
                }
                Entry::Refused(refused) => refusals::add(&transaction, refused)?,
            }
        }
        let found =
            entries.iter().filter_map(|entry| if let Entry::Found(found) = entry { Some(&**found) } else { None });
        findings::add(&transaction, found)?;
        let mut no_row_tells = BTreeMap::<Key, Amount>::new();
        moved.iter().for_each(|(charge, amount)| no_row_tells.entry(charge.key()).or_default().add(*amount));
        balances::add(&transaction, balances::Table::Balance, &no_row_tells)?;
        balances::add(&transaction, balances::Table::Base, &no_row_tells)?;
        set_position(&transaction, epoch, &after)?;
        let folding = self.balances.fold();
        transaction.commit()?;
        folding.take_off_moved(&moved);
        if !self.others.contains(&epoch) {
            for Row { opening, settlement } in entries.iter().filter_map(Entry::row) {
                folding.take_off(&opening.charges, |charge| charge.amount(settlement));
            }
            for (row, correction) in &corrected {
                folding.take_off(&row.opening.charges, |charge| correction.of(charge));
            }
        }
        drop(folding);
        self.write_back();
        Ok(after)
    }

    /// Writes the write-ahead log back when there is enough in it; balances are looked up meanwhile.
    fn write_back(&mut self) {
        let changes = self.conn.total_changes();
        if changes.saturating_sub(self.written_back) < CHECKPOINT_CHANGES {
            return;
        }
        match self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Ok(()) => self.written_back = changes,
            // What was folded is in the log; the next fold tries again.
            Err(error) => tracing::warn!(%error, "the store's write-ahead log could not be written back"),
        }
    }

    /// Adds up the days that are over, and drops what is too old or too much.
    ///
    /// # Errors
    ///
    /// `Store`, `Io`; the next call goes on.
    pub(crate) fn retain(&mut self, policy: &retention::Policy) -> Result<retention::Dropped, LedgerError> {
        let more_days = rollups::lengthen(&mut self.conn, policy.now_us / HOUR_US)?;
        let dropped = retention::apply(&mut self.conn, &self.journal, policy);
        self.write_back();
        let dropped = dropped?;
        Ok(retention::Dropped { more: dropped.more || more_days, ..dropped })
    }
}

/// What the rows of a batch come to.
#[derive(Default)]
struct BatchSums {
    hours: BTreeMap<u64, Totals>,
    balances: BTreeMap<Key, Amount>,
}

impl BatchSums {
    fn add(&mut self, row: &Row) {
        let (opening, settlement) = (&row.opening, &row.settlement);
        let (group, sums) = (Group::of(opening, settlement.origin), Sums::of(opening, settlement));
        self.hours.entry(opening.opened_us / HOUR_US).or_default().add(group, &sums);
        for charge in &opening.charges {
            self.balances.entry(charge.key()).or_default().add(charge.amount(settlement));
        }
    }

    fn write(&self, conn: &Connection) -> Result<(), rusqlite::Error> {
        let mut total = Totals::default();
        for (hour, hour_sums) in &self.hours {
            rollups::add(conn, *hour, hour_sums)?;
            hour_sums.0.iter().for_each(|(group, sums)| total.add(group.clone(), sums));
        }
        sums::add(conn, Table::Total, &total)?;
        balances::add(conn, balances::Table::Balance, &self.balances)
    }
}
