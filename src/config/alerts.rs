//! What people are told of.

use std::time::Duration;

/// When something is told to people, in the log and to the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertBounds {
    /// Counters are looked at over so long.
    pub within: Duration,
    /// So many requests past one kind of limits, or refused for overload; `None`: never told.
    pub refusals: Option<u64>,
    /// So many finds of one guardrail; `None`: never told.
    pub finds: Option<u64>,
    /// Rows that waited so long for the ledger's store.
    pub lag: Duration,
}

impl Default for AlertBounds {
    fn default() -> Self {
        Self { within: Duration::from_secs(60), refusals: Some(100), finds: Some(20), lag: Duration::from_secs(30) }
    }
}
