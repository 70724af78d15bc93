//! What the ledger promises, with real files.
#![allow(clippy::unwrap_used)]

mod damage;
mod fixture;
mod folding;
mod recovery;
mod reports;
mod retention;
mod running;
