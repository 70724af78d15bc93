//! The journal: append-only segments of CRC-framed records, one chain an epoch.
//!
//! An *epoch* is one run of one process; it appends to its own segments only, so that two processes may write at
//! once during an upgrade. Every frame of an attempt lies in the attempt's epoch; what a crash left open is settled
//! by appending to the dead epoch's last segment, after which that epoch is sealed and never written again.
//!
//! After a crash, bytes at the very end that are no whole record are a write that was cut: they are removed and their
//! number is told. Bytes that are no record with records *behind* them are damage: they are left as they are, told in
//! the log and in `weighbridge_ledger_damaged_total`, named by `verify`, and everything behind them is read. Starting
//! is not refused for it: the gateway's next rows are worth more than a stop. A segment of a newer format version does
//! refuse the start.
//!
//! Knows files and frames; knows nothing of SQLite, budgets or threads.

pub(crate) mod chain;
pub(crate) mod cursor;
pub(crate) mod found;
pub(crate) mod frame;
pub(crate) mod recover;
pub(crate) mod segment;
pub(crate) mod used;
pub(crate) mod writer;
