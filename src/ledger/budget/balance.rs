//! What was spent before an account came into memory: the store's balance, and what the journal has beyond it.
//!
//! Whatever is settled and not folded yet stands in a small table here: added when it is settled (or read from the
//! journal's tail at the start), taken off in the moment in which the fold that holds it is committed. So the
//! balance of an account can be told at any time with one look-up, without reading rows.

use super::charge::{Amount, Charged};
use crate::config::Unit;
use crate::ledger::LedgerError;
use crate::ledger::journal::segment::Position;
use crate::ledger::store::query::positions;
use crate::ledger::store::{balances, schema};
use parking_lot::{Mutex, RwLock, RwLockWriteGuard};
use rusqlite::Connection;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many connections are kept for the next look-ups.
const MAX_IDLE: usize = 8;

/// Names a balance: budget, entity, beginning of the period.
pub(crate) type Key = (Arc<str>, Arc<str>, u64);

/// What is settled under one key and not folded. 128 bits: taken off exactly as it was added.
#[derive(Debug, Default, Clone, Copy)]
struct Unfolded {
    entries: u64,
    nano: i128,
    tokens: i128,
}

/// The balances of one state directory.
pub(crate) struct Balances {
    dir: Option<PathBuf>,
    /// Connections that no look-up uses at the moment: one does not wait for another.
    idle: Mutex<Vec<Connection>>,
    /// Written while a fold is committed and what it holds is taken off.
    gate: RwLock<()>,
    unfolded: Mutex<HashMap<Key, Unfolded>>,
    /// What another process settles while this one runs (during an upgrade), until its epoch is folded. It folds by
    /// itself, so that each look-up must ask the store how far.
    foreign: Mutex<Vec<Foreign>>,
    /// What is charged to an account though no row says so, until the next fold writes it. What a killed process did
    /// not write of it is forgotten.
    moved: Mutex<Vec<(Charged, Amount)>>,
}

#[derive(Debug)]
struct Foreign {
    place: Place,
    key: Key,
    amount: Amount,
}

/// Where in the journal something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub epoch: u64,
    pub at: Position,
}

/// How far other processes' epochs were folded when an account was loaded; mostly empty.
pub(crate) type Known = Vec<Place>;

impl Balances {
    /// Of the store in `dir`; `None`: nothing was ever spent.
    pub(crate) fn new(dir: Option<&Path>) -> Self {
        let dir = dir.map(Path::to_owned);
        let (idle, gate) = (Mutex::default(), RwLock::default());
        Self { dir, idle, gate, unfolded: Mutex::default(), foreign: Mutex::default(), moved: Mutex::default() }
    }

    /// What was settled under a key, in `unit`, handed to `with` together with how far other processes are folded.
    pub(crate) fn load<T>(
        &self,
        budget: &Arc<str>,
        entity: &Arc<str>,
        start_us: u64,
        unit: Unit,
        with: impl FnOnce(i64, Known) -> T,
    ) -> Result<T, LedgerError> {
        let _folding = self.gate.read();
        let (stored, folded) = self.stored(budget, entity, start_us)?;
        let key = (Arc::clone(budget), Arc::clone(entity), start_us);
        let mut beyond = self.unfolded.lock().get(&key).copied().unwrap_or_default();
        for foreign in self.foreign.lock().iter().filter(|foreign| foreign.key == key && !knows(&folded, foreign.place))
        {
            beyond.nano += i128::from(foreign.amount.nano);
            beyond.tokens += i128::from(foreign.amount.tokens);
        }
        let settled = match unit {
            Unit::Usd => i128::from(stored.nano).saturating_add(beyond.nano),
            Unit::Tokens => i128::from(stored.tokens).saturating_add(beyond.tokens),
        };
        Ok(with(i64::try_from(settled.max(0)).unwrap_or(i64::MAX), folded))
    }

    /// Whether what is forgotten here is found again.
    pub(crate) fn are_stored(&self) -> bool {
        self.dir.is_some()
    }

    fn stored(&self, budget: &str, entity: &str, start_us: u64) -> Result<(Amount, Known), LedgerError> {
        let Some(conn) = self.connection()? else { return Ok((Amount::default(), Vec::new())) };
        // Both at one moment.
        let moment = conn.unchecked_transaction()?;
        let folded = if self.foreign.lock().is_empty() { BTreeMap::new() } else { positions(&moment)? };
        let folded = folded.into_iter().map(|(epoch, folded)| Place { epoch, at: folded.position }).collect();
        let amount = balances::of(&moment, budget, entity, start_us)?;
        drop(moment);
        // One that failed is not used again.
        self.give_back(conn);
        Ok((amount, folded))
    }

    /// A connection for one look-up; `None`: there is no store yet.
    fn connection(&self) -> Result<Option<Connection>, LedgerError> {
        let idle = self.idle.lock().pop();
        match (idle, &self.dir) {
            (Some(idle), _) => Ok(Some(idle)),
            (None, Some(dir)) => schema::open_read_only(dir),
            (None, None) => Ok(None),
        }
    }

    fn give_back(&self, conn: Connection) {
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push(conn);
        }
    }

    /// Adds what was settled and is not folded.
    pub(crate) fn add(&self, charges: &[Charged], amount: impl Fn(&Charged) -> Amount) {
        if charges.is_empty() {
            return;
        }
        let mut unfolded = self.unfolded.lock();
        for charge in charges {
            let amount = amount(charge);
            let sum = unfolded.entry(charge.key()).or_default();
            sum.entries += 1;
            sum.nano = sum.nano.saturating_add(i128::from(amount.nano));
            sum.tokens = sum.tokens.saturating_add(i128::from(amount.tokens));
        }
    }

    /// Adds what no row is charged with.
    pub(crate) fn add_moved(&self, charge: &Charged, amount: Amount) {
        self.add(std::slice::from_ref(charge), |_| amount);
        self.moved.lock().push((charge.clone(), amount));
    }

    /// All of that which is not in the store.
    pub(crate) fn moved(&self) -> Vec<(Charged, Amount)> {
        self.moved.lock().clone()
    }

    /// Nothing is loaded as long as this is held: for committing a fold.
    pub(crate) fn fold(&self) -> Folding<'_> {
        Folding { balances: self, _gate: self.gate.write() }
    }

    /// Adds what another process settled and may have folded.
    pub(crate) fn add_foreign(&self, place: Place, charge: &Charged, amount: Amount) {
        self.foreign.lock().push(Foreign { place, key: charge.key(), amount });
    }

    /// Forgets what another process settled: all of it is in the store, for good.
    pub(crate) fn forget_foreign(&self, epoch: u64) {
        self.foreign.lock().retain(|foreign| foreign.place.epoch != epoch);
    }
}

/// Whether what ends at `place` was folded then.
pub(crate) fn knows(folded: &Known, place: Place) -> bool {
    folded.iter().any(|known| known.epoch == place.epoch && place.at <= known.at)
}

/// A fold that is being committed.
pub(crate) struct Folding<'a> {
    balances: &'a Balances,
    _gate: RwLockWriteGuard<'a, ()>,
}

impl Folding<'_> {
    /// Takes off the first of [`Balances::moved`], which the store has now.
    pub(crate) fn take_off_moved(&self, moved: &[(Charged, Amount)]) {
        drop(self.balances.moved.lock().drain(..moved.len()));
        moved.iter().for_each(|(charge, amount)| self.take_off(std::slice::from_ref(charge), |_| *amount));
    }

    /// Takes off what the store has now.
    pub(crate) fn take_off(&self, charges: &[Charged], amount: impl Fn(&Charged) -> Amount) {
        if charges.is_empty() {
            return;
        }
        let mut unfolded = self.balances.unfolded.lock();
        for charge in charges {
            let (key, amount) = (charge.key(), amount(charge));
            let Some(sum) = unfolded.get_mut(&key) else { continue };
            sum.entries = sum.entries.saturating_sub(1);
            sum.nano = sum.nano.saturating_sub(i128::from(amount.nano));
            sum.tokens = sum.tokens.saturating_sub(i128::from(amount.tokens));
            if sum.entries == 0 {
                unfolded.remove(&key);
            }
        }
    }
}

impl fmt::Debug for Balances {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Balances").field("dir", &self.dir).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_look_up_does_not_wait_for_another() {
        let dir = tempfile::tempdir().unwrap();
        drop(schema::open(dir.path()).unwrap());
        let balances = Balances::new(Some(dir.path()));
        let busy: Vec<_> = (0..2 * MAX_IDLE).map(|_| balances.connection().unwrap().unwrap()).collect();
        let look = || balances.load(&Arc::from("a"), &Arc::from(""), 0, Unit::Usd, |settled, _| settled).unwrap();
        assert_eq!((look(), balances.idle.lock().len()), (0, 1));
        busy.into_iter().for_each(|conn| balances.give_back(conn));
        assert_eq!((look(), balances.idle.lock().len()), (0, MAX_IDLE));
    }
}
