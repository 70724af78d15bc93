//! Everything that is folded: this process's epoch, and those that others left behind.

use crate::ledger::LedgerError;
use crate::ledger::journal::cursor::{Cursor, Damage};
use crate::ledger::journal::recover::{Recovered, recover};
use crate::ledger::journal::segment::Position;
use crate::ledger::lock;
use crate::ledger::metrics::LedgerMetrics;
use crate::ledger::store::fold::Folder;
use crate::ledger::store::query::Folded;
use crate::ledger::store::retention::{Dropped, Policy};
use crate::ledger::totals::{LiveTotals, Totals};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The folder and its work.
#[derive(Debug)]
pub(crate) struct Desk {
    journal: PathBuf,
    folder: Folder,
    metrics: LedgerMetrics,
    /// Epochs that are over and not yet folded, and whether [`Start::tail_rows`] counts their rows.
    dead: Vec<(u64, bool)>,
    /// Epochs whose processes live (during an upgrade), read up to where the totals know them.
    alive: Vec<(u64, Cursor)>,
}

/// What opening found.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// The youngest epoch so far.
    pub last_epoch: u64,
    /// Epochs that are over.
    pub sealed: HashSet<u64>,
    /// Sums over everything that is settled.
    pub totals: Totals,
    /// Settled attempts of dead epochs that are not in the store yet.
    pub tail_rows: u64,
}

impl Desk {
    /// Opens the store, finishes dead epochs, and sums up: from the store's totals and the journal's tail, never
    /// from all rows.
    ///
    /// # Errors
    ///
    /// As [`crate::ledger::Ledger::open`].
    pub(crate) fn open(dir: &Path, metrics: &LedgerMetrics) -> Result<(Self, Start), LedgerError> {
        let journal = dir.join("journal");
        let folder = Folder::open(dir)?;
        let positions = folder.positions()?;
        let mut start = Start { totals: folder.totals()?, ..Start::default() };
        start.last_epoch = positions.keys().last().copied().unwrap_or(0);
        let mut desk = Self { journal, folder, metrics: metrics.clone(), dead: Vec::new(), alive: Vec::new() };
        for epoch in lock::epochs(&desk.journal)? {
            start.last_epoch = start.last_epoch.max(epoch);
            let folded = positions.get(&epoch).copied().unwrap_or(Folded::NOTHING);
            if folded.sealed {
                start.sealed.insert(epoch);
                continue;
            }
            desk.take_over(epoch, folded, &mut start)?;
        }
        Ok((desk, start))
    }

    fn take_over(&mut self, epoch: u64, folded: Folded, start: &mut Start) -> Result<(), LedgerError> {
        let dead = lock::dead_epoch(&self.journal, epoch)?;
        if dead.is_some() {
            self.finish(epoch, folded)?;
            start.sealed.insert(epoch);
            self.dead.push((epoch, true));
        }
        let mut cursor = Cursor::resume(&self.journal, epoch, folded.scan, folded.position)?;
        while let Some(row) = cursor.next(None)? {
            start.totals.add_row(&row);
            start.tail_rows += u64::from(dead.is_some());
        }
        if dead.is_none() {
            self.alive.push((epoch, cursor));
        }
        Ok(())
    }

    /// Settles what the dead process of `epoch` left open.
    fn finish(&self, epoch: u64, folded: Folded) -> Result<(), LedgerError> {
        let Recovered { attempts, cut_bytes, released_nano, damage } =
            recover(&self.journal, epoch, folded.scan, folded.position)?;
        self.metrics.recovered.inc_by(attempts);
        self.metrics.released.inc_by(released_nano);
        if attempts > 0 || cut_bytes > 0 {
            tracing::warn!(epoch, attempts, cut_bytes, "attempts that a crash left open were settled as estimated");
        }
        // Told when it is folded, once.
        drop(damage);
        Ok(())
    }

    /// Folds everything that is settled: dead epochs to their end, `own` up to `end`. Returns the rows folded, without
    /// those that another process settled meanwhile.
    ///
    /// # Errors
    ///
    /// The next call goes on where this one failed.
    pub(crate) fn fold(&mut self, own: u64, end: Position, totals: &LiveTotals) -> Result<u64, LedgerError> {
        self.look_after_the_living(totals)?;
        let mut rows = 0;
        while let Some((epoch, counted)) = self.dead.last().copied() {
            let folded = self.fold_epoch(epoch, None)?;
            rows += if counted { folded } else { 0 };
            self.dead.pop();
        }
        Ok(rows + self.fold_epoch(own, Some(end))?)
    }

    /// Whether epochs of other processes are waited for.
    pub(crate) fn waits_for_others(&self) -> bool {
        !self.alive.is_empty()
    }

    fn look_after_the_living(&mut self, totals: &LiveTotals) -> Result<(), LedgerError> {
        for (epoch, mut cursor) in std::mem::take(&mut self.alive) {
            if lock::is_alive(&self.journal, epoch) {
                self.alive.push((epoch, cursor));
                continue;
            }
            let Some(_dead) = lock::dead_epoch(&self.journal, epoch)? else {
                self.alive.push((epoch, cursor));
                continue;
            };
            let folded = self.folder.positions()?.remove(&epoch).unwrap_or(Folded::NOTHING);
            if !folded.sealed {
                self.finish(epoch, folded)?;
            }
            while let Some(row) = cursor.next(None)? {
                totals.add(&row.opening, &row.settlement);
            }
            self.dead.push((epoch, false));
        }
        Ok(())
    }

    fn fold_epoch(&mut self, epoch: u64, limit: Option<Position>) -> Result<u64, LedgerError> {
        let mut rows = 0;
        loop {
            let batch = self.folder.fold(epoch, limit)?;
            rows += batch.rows;
            self.tell(&batch.damage);
            if batch.at_end {
                return Ok(rows);
            }
        }
    }

    fn tell(&self, damage: &[Damage]) {
        for place in damage {
            self.metrics.damaged.inc();
            tracing::error!(file = %place.path.display(), offset = place.offset, "journal damage: {}", place.what);
        }
    }

    /// Drops what is too old or too much.
    ///
    /// # Errors
    ///
    /// `Store`, `Io`.
    pub(crate) fn retain(&mut self, policy: &Policy) -> Result<Dropped, LedgerError> {
        self.folder.retain(policy)
    }
}
