//! The subcommands.

pub mod ledger;
pub mod usage;
