//! The ledger: every attempt recorded once, exactly, before its bytes leave and after.
//!
//! An attempt is begun with one `write(2)` to the journal and settled with another; a thread folds settled
//! attempts into SQLite, from where reports are answered. What a crash leaves open is settled at the next start as
//! estimated. The ledger takes figures and adds them up; it knows no prices, requests or providers.

mod attempt;
mod book;
pub mod budget;
mod clerk;
mod correction;
mod deadline;
mod desk;
mod error;
mod handing;
pub mod export;
pub mod findings;
mod journal;
pub mod latest;
pub mod link;
mod lock;
mod metrics;
pub mod pace;
mod refused;
mod recent;
pub mod render;
pub mod rerate;
mod row;
mod store;
mod totals;
pub mod usage;
pub mod verify;
mod view;
#[cfg(test)]
mod tests;

pub use attempt::OpenAttempt;
pub use book::Ledger;
pub use deadline::within;
pub use error::LedgerError;
pub use handing::Handed;
pub use metrics::LedgerMetrics;
pub use recent::{Recent, recent};
pub use refused::Refused;
pub use row::{OpenPrice, Opening, Row, Settlement};
pub use totals::{Group, Sums, Totals};
