//! What the ledger promises, with real files.
#![allow(clippy::unwrap_used)]

mod budgets;
mod corrections;
mod damage;
mod findings;
pub(crate) mod fixture;
mod folding;
mod full_disk;
mod handing;
mod recovery;
mod killed;
mod late;
mod latest;
mod longer;
mod migration;
mod refused;
mod reports;
mod retention;
mod running;
mod saved;
