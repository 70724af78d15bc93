//! `/v1/files` and `/v1/batches`: passed through to the one provider whose account keeps a team's files, and told apart by
//! whose they are.
//!
//! No model answers here, and nothing is tried elsewhere: what is asked for is at one place. So there is no exchange and no
//! replay session; the call is made from within `request_filter` ([`upstream`]), and what the provider answers is written
//! down ([`crate::files`]) before the client gets it. What batches used is booked when they are seen at their end
//! ([`meter`]), by a client or by the [`watch`].

mod account;
mod call;
mod create;
mod lines;
mod meter;
mod objects;
mod open;
mod pass;
mod place;
mod requests;
mod results;
mod upload;
mod upstream;
mod watch;

pub use account::{Account, Accounts};
pub use place::Place;
pub use watch::Watch;

use crate::files::Shelf;
use std::sync::Arc;
use upstream::Upstream;

/// What calls for files and batches share.
#[derive(Debug)]
pub struct Files {
    /// Whose everything is.
    pub shelf: Arc<Shelf>,
    upstream: Upstream,
}

impl Files {
    /// With the table of a state directory.
    pub fn new(shelf: Shelf) -> Self {
        Self { shelf: Arc::new(shelf), upstream: Upstream::default() }
    }
}
