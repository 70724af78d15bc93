//! Everything that is folded: this process's epoch, and those that others left behind.

use crate::config::Budget;
use crate::ledger::LedgerError;
use crate::ledger::budget::{Budgets, Charged, Place};
use crate::ledger::correction::Correction;
use crate::ledger::journal::cursor::{Cursor, Damage, Entry};
use crate::ledger::journal::recover::{Recovered, recover};
use crate::ledger::journal::segment::Position;
use crate::ledger::link::HeldBy;
use crate::ledger::lock;
use crate::ledger::metrics::LedgerMetrics;
use crate::ledger::row::Row;
use crate::ledger::store::fold::Folder;
use crate::ledger::store::query::Folded;
use crate::ledger::store::retention::{Dropped, Policy};
use crate::ledger::totals::{LiveTotals, Totals};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder and its work.
#[derive(Debug)]
pub(crate) struct Desk {
    journal: PathBuf,
    folder: Folder,
    metrics: LedgerMetrics,
    budgets: Arc<Budgets>,
    /// Epochs that are over and not yet folded, and whether [`Start::tail_rows`] counts their rows.
    dead: Vec<(u64, bool)>,
    /// Epochs whose processes live (during an upgrade), read up to where the totals know them.
    alive: Vec<(u64, Cursor)>,
    /// Whether dead epochs of others are this process's to finish and fold: of the one that admits.
    tends: bool,
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
    /// Whether costs are corrected of rows that the store does not have.
    is_behind: bool,
    /// What attempts hold that processes which live have open, by their epochs.
    pub held: Vec<HeldBy>,
}

impl Desk {
    /// Opens the store, finishes dead epochs, and sums up: from the store's totals and the journal's tail, never
    /// from all rows. Where it does not `tend`, dead epochs are left as they are until [`Self::tend`].
    ///
    /// # Errors
    ///
    /// As [`crate::ledger::Ledger::open`].
    pub(crate) fn open(
        dir: &Path,
        budgets: Arc<Budgets>,
        metrics: &LedgerMetrics,
        tends: bool,
    ) -> Result<(Self, Start), LedgerError> {
        let journal = dir.join("journal");
        let folder = Folder::over(dir, Arc::clone(budgets.balances()))?;
        let positions = folder.positions()?;
        let mut start = Start { totals: folder.totals()?, ..Start::default() };
        start.last_epoch = positions.keys().last().copied().unwrap_or(0);
        let (metrics, dead, alive) = (metrics.clone(), Vec::new(), Vec::new());
        let mut desk = Self { journal, folder, metrics, budgets, dead, alive, tends };
        for epoch in lock::epochs(&desk.journal)? {
            start.last_epoch = start.last_epoch.max(epoch);
            let folded = positions.get(&epoch).copied().unwrap_or(Folded::NOTHING);
            if folded.sealed {
                start.sealed.insert(epoch);
                continue;
            }
            desk.take_over(epoch, folded, &mut start)?;
        }
        if start.is_behind && desk.alive.is_empty() {
            desk.catch_up(&mut start)?;
        }
        Ok((desk, start))
    }

    /// Folds all dead epochs at once: corrections are there of rows that the store does not have, because it was lost.
    fn catch_up(&mut self, start: &mut Start) -> Result<(), LedgerError> {
        self.dead.sort_unstable();
        for (epoch, _) in std::mem::take(&mut self.dead) {
            self.fold_epoch(epoch, None)?;
        }
        (start.totals, start.tail_rows) = (self.folder.totals()?, 0);
        Ok(())
    }

    fn take_over(&mut self, epoch: u64, folded: Folded, start: &mut Start) -> Result<(), LedgerError> {
        let dead = if self.tends { lock::dead_epoch(&self.journal, epoch)? } else { None };
        if dead.is_some() {
            self.finish(epoch, folded)?;
            start.sealed.insert(epoch);
            self.dead.push((epoch, true));
        }
        let mut cursor = Cursor::resume(&self.journal, epoch, folded.scan, folded.position)?;
        while let Some(entry) = cursor.entry(None)? {
            let place = dead.is_none().then(|| Place { epoch, at: cursor.position() });
            match entry {
                Entry::Row(row) => {
                    start.totals.add_row(&row);
                    start.tail_rows += u64::from(dead.is_some());
                    self.charge(&row, place);
                }
                Entry::Corrected(correction) => {
                    if let Some(row) = self.folder.row(correction.id)? {
                        start.totals.correct(&row, &correction);
                        self.charge_correction(&row, &correction, place);
                    } else {
                        start.is_behind = true;
                    }
                }
                Entry::Refused(_) | Entry::Found(_) => {}
            }
        }
        if dead.is_none() {
            self.folder.leave_to_others(epoch);
            let open = cursor.pending.values().flat_map(|pending| &pending.opening.charges);
            start.held.push((epoch, open.map(Charged::as_held).collect()));
            self.alive.push((epoch, cursor));
        }
        Ok(())
    }

    /// From now on this process finishes what others leave behind, or no more.
    pub(crate) fn tend(&mut self, tends: bool) {
        self.tends = tends;
        if !tends {
            // Whoever admits now follows them.
            self.alive.clear();
        }
    }

    /// Adds to balances what no hold of this process settles.
    fn charge(&self, row: &Row, place: Option<Place>) {
        self.budgets.add(&row.opening.charges, place, |charge| charge.amount(&row.settlement));
    }

    fn charge_correction(&self, row: &Row, correction: &Correction, place: Option<Place>) {
        self.budgets.add(&row.opening.charges, place, |charge| correction.of(charge));
    }

    /// Makes a budget known.
    ///
    /// # Errors
    ///
    /// `Store`.
    pub(crate) fn prepare(&mut self, budget: &Budget, now_us: u64) -> Result<(), LedgerError> {
        let spent = self.folder.prepare(budget, now_us)?;
        self.budgets.found(spent);
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
        // Oldest first: a correction comes after what it corrects.
        self.dead.sort_unstable();
        while let Some((epoch, counted)) = self.dead.first().copied() {
            let folded = self.fold_epoch(epoch, None)?;
            rows += if counted { folded } else { 0 };
            self.budgets.balances().forget_foreign(epoch);
            self.dead.remove(0);
        }
        Ok(rows + self.fold_epoch(own, Some(end))?)
    }

    /// Whether epochs of other processes are waited for.
    pub(crate) fn waits_for_others(&self) -> bool {
        !self.alive.is_empty()
    }

    /// Counts what other processes settled, and finishes those that died.
    ///
    /// # Errors
    ///
    /// The next call goes on where this one failed.
    pub(crate) fn look_after_the_living(&mut self, totals: &LiveTotals) -> Result<(), LedgerError> {
        for (epoch, mut cursor) in std::mem::take(&mut self.alive) {
            if !self.tends || lock::is_alive(&self.journal, epoch) {
                let read = self.count_foreign(epoch, &mut cursor, totals);
                self.alive.push((epoch, cursor));
                read?;
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
            self.count_foreign(epoch, &mut cursor, totals)?;
            // It holds nothing any more.
            self.budgets.lent_is(epoch, &[]);
            self.dead.push((epoch, false));
        }
        Ok(())
    }

    /// Adds to totals and balances what another process settled since the last look.
    fn count_foreign(&self, epoch: u64, cursor: &mut Cursor, totals: &LiveTotals) -> Result<(), LedgerError> {
        while let Some(row) = cursor.next(None)? {
            totals.add(&row.opening, &row.settlement);
            self.charge(&row, Some(Place { epoch, at: cursor.position() }));
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
        // Who admits does it, and one process is enough for it.
        if !self.tends {
            return Ok(Dropped::default());
        }
        self.folder.retain(policy)
    }
}
