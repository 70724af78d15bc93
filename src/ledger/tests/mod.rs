//! What the ledger promises, with real files.
#![allow(clippy::unwrap_used)]

mod fixture;
mod running;
