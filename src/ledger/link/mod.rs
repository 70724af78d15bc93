//! Two processes on one state directory during an upgrade: one admits, the others finish what they have begun.
//!
//! The process that holds `authority.lock` keeps the balances. One that handed it over keeps its journal and settles there; what
//! it holds it tells the new one (`Follower`), and what it still must admit (a request on a connection that it has, the next
//! attempt of one, the next response of a session) it asks of the new one. The new one (`serve`) reads the old one's journal
//! before it takes in a snapshot of its holds: so what is settled is never missing in both.

mod follower;
mod serve;
mod wire;

pub(crate) use follower::Follower;
pub(crate) use wire::Stand;
pub use wire::{Held, HeldBy, receive, send};
