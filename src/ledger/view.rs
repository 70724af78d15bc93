//! Reading a state directory without writing to it: the store, and the journal's tail that is not folded yet.
//!
//! Works while a gateway runs on it, and right after a crash: what a dead process left open is shown as the next
//! start will settle it.

use crate::ledger::LedgerError;
use crate::ledger::findings::Findings;
use crate::ledger::journal::cursor::{Cursor, Damage, Entry, MISSING};
use crate::ledger::journal::segment::list;
use crate::ledger::lock;
use crate::ledger::row::{Opening, Row};
use crate::ledger::store::query::{Folded, positions};
use crate::ledger::store::schema;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;

/// How often the directory is read again when retention took a segment away meanwhile.
const TRIES: u32 = 3;

/// An attempt of a living process that is not settled.
#[derive(Debug)]
pub(crate) struct Unsettled {
    pub opening: Opening,
    /// Output tokens as last journaled.
    pub output_tokens: u64,
}

/// A state directory at one moment.
#[derive(Debug)]
pub(crate) struct View {
    /// The store, in a read transaction; `None` when there is none yet.
    pub store: Option<Connection>,
    /// Settled attempts that the store does not have; those that a crash left open are settled here as recovery
    /// will.
    pub tail: Vec<Row>,
    /// What guardrails found, and the store does not have.
    pub found: Vec<Findings>,
    /// How many of [`Self::tail`] a crash left open.
    pub crashed: u64,
    /// Attempts under way.
    pub open: Vec<Unsettled>,
    /// What is damaged in the tail.
    pub damage: Vec<Damage>,
}

impl View {
    /// Reads the store's positions, then the journal behind them.
    ///
    /// # Errors
    ///
    /// `Io`, `Store`, `Schema`; `Argument` when there is no ledger.
    pub(crate) fn read(dir: &Path) -> Result<Self, LedgerError> {
        let mut tries = 1;
        loop {
            let view = Self::read_once(dir)?;
            if tries >= TRIES || view.damage.iter().all(|damage| damage.what != MISSING) {
                return Ok(view);
            }
            tries += 1;
        }
    }

    fn read_once(dir: &Path) -> Result<Self, LedgerError> {
        let (store, folded) = snapshot(dir)?;
        let mut view =
            Self { store, tail: Vec::new(), found: Vec::new(), crashed: 0, open: Vec::new(), damage: Vec::new() };
        for epoch in epochs(&dir.join("journal"))? {
            let folded = folded.get(&epoch).copied().unwrap_or(Folded::NOTHING);
            if !folded.sealed {
                view.add_tail(&dir.join("journal"), epoch, folded)?;
            }
        }
        let moment = |opening: &Opening| (opening.opened_us, opening.id);
        view.tail.sort_unstable_by_key(|row| moment(&row.opening));
        view.open.sort_unstable_by_key(|open| moment(&open.opening));
        Ok(view)
    }

    fn add_tail(&mut self, journal: &Path, epoch: u64, folded: Folded) -> Result<(), LedgerError> {
        // Asked before reading: what is open when a living process was read, may be settled by it a moment later.
        let alive = lock::is_alive(journal, epoch);
        let mut cursor = Cursor::resume(journal, epoch, folded.scan, folded.position)?;
        while let Some(entry) = cursor.entry(None)? {
            match entry {
                Entry::Row(row) => self.tail.push(*row),
                Entry::Found(found) => self.found.push(*found),
                Entry::Corrected(_) | Entry::Refused(_) => {}
            }
        }
        self.damage.append(&mut cursor.damage);
        for pending in cursor.pending.into_values() {
            if alive {
                self.open.push(Unsettled { opening: pending.opening, output_tokens: pending.output_tokens });
            } else {
                let settlement = pending.opening.crashed(pending.output_tokens).bounded();
                self.tail.push(Row { opening: pending.opening, settlement });
                self.crashed += 1;
            }
        }
        Ok(())
    }
}

/// The store in a read transaction, and how far it knows the journal.
///
/// # Errors
///
/// `Store`, `Schema`; `Argument` when there is neither store nor journal.
pub(crate) fn snapshot(dir: &Path) -> Result<(Option<Connection>, BTreeMap<u64, Folded>), LedgerError> {
    if !dir.join("journal").is_dir() && !schema::path(dir).exists() {
        return Err(LedgerError::Argument(format!("there is no ledger in `{}`", dir.display())));
    }
    let Some(store) = schema::open_read_only(dir)? else { return Ok((None, BTreeMap::new())) };
    store.execute_batch("BEGIN")?;
    let folded = positions(&store)?;
    Ok((Some(store), folded))
}

/// The epochs that have segments.
///
/// # Errors
///
/// `Io`.
pub(crate) fn epochs(journal: &Path) -> Result<Vec<u64>, LedgerError> {
    let mut epochs: Vec<u64> = list(journal)?.into_iter().map(|id| id.epoch).collect();
    epochs.dedup();
    Ok(epochs)
}
