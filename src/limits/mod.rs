//! Stage 3: how much may pass. Rate windows and concurrency of every rule that governs a request.
//!
//! All rules that match must let a request pass, and a request that one of them refuses takes nothing from any. Counters
//! are found by a rule's id, so that they live through a reload. Nothing here knows a request, a provider or a price: it is
//! given names and amounts, and tells who refused and when it is worth trying again.

mod window;
mod entities;
mod rule;
mod admit;
mod refusal;
mod share;
mod address;
mod connections;
mod metrics;
mod steady;
mod view;
mod queue;
mod pace;

pub use address::{AddressFull, Addresses};
pub use admit::{Permit, Phase, Subject, Tokens};
pub use connections::{Connection, Connections, ConnectionsFull};
pub use metrics::LimitMetrics;
pub use pace::{Pace, Turnover};
pub use queue::{Claim, FairQueue, Standing};
pub use refusal::Refusal;
pub use rule::{Limits, Past, Rule, RuleSet};
pub use share::{Share, Shares, reset_text};
pub use steady::Steady;
pub use window::{Full, Ticket, Window};

#[cfg(test)]
mod tests;
