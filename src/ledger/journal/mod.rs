//! The journal: append-only segments of CRC-framed records, one chain an epoch.
//!
//! An *epoch* is one run of one process; it appends to its own segments only, so that two processes may write at
//! once during an upgrade. Every frame of an attempt lies in the attempt's epoch; what a crash left open is settled
//! by appending to the dead epoch's last segment, after which that epoch is sealed and never written again.
//!
//! Knows files and frames; knows nothing of SQLite, budgets or threads.

pub(crate) mod chain;
pub(crate) mod cursor;
pub(crate) mod frame;
pub(crate) mod recover;
pub(crate) mod segment;
pub(crate) mod writer;
