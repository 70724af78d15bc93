//! The clerk while another process is on the same state directory.

use super::Clerk;
use crate::ledger::LedgerError;

impl Clerk {
    /// Counts what other processes have settled up to now.
    ///
    /// # Errors
    ///
    /// When their journals cannot be read.
    pub(crate) fn count_others(&self) -> Result<(), LedgerError> {
        self.desk.lock().look_after_the_living(&self.totals)
    }

    /// From now on what other processes leave behind is this one's to finish, or no more.
    pub(crate) fn tend(&self, tends: bool) {
        self.desk.lock().tend(tends);
    }
}
