//! The store: rows, roll-ups and totals in SQLite, folded from the journal.
//!
//! A fold's rows, sums and journal position are one transaction, so that it may be killed anywhere and done again.
//! The journal is the truth; what the store holds of it can be rebuilt as long as the segments are there.

pub(crate) mod backfill;
pub(crate) mod balances;
pub(crate) mod corrections;
pub(crate) mod findings;
pub(crate) mod fold;
pub(crate) mod query;
pub(crate) mod refusals;
pub(crate) mod retention;
pub(crate) mod rollups;
pub(crate) mod schema;
pub(crate) mod sums;
