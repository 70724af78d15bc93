//! What an attempt is charged to, as its row keeps it.

use crate::config::Unit;
use crate::ledger::link::Held;
use crate::ledger::row::Settlement;
use crate::model::NanoUsd;
use std::fmt;
use std::sync::Arc;

/// One balance that an attempt is charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// Id of the budget.
    pub budget: Arc<str>,
    /// The value of its `each`; empty without.
    pub entity: Arc<str>,
    /// Beginning of the period in which the attempt was admitted, in microseconds since the Unix epoch; 0 for life.
    pub period_us: u64,
    /// What the budget is counted in.
    pub unit: Unit,
    /// What was held for it, in that unit; charged where the cost stays unknown.
    pub held: i64,
}

/// What comes to a balance. In the store both are kept, whatever the budget is counted in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    pub nano: i64,
    pub tokens: i64,
    pub attempts: i64,
}

impl Charged {
    pub(crate) fn key(&self) -> (Arc<str>, Arc<str>, u64) {
        (Arc::clone(&self.budget), Arc::clone(&self.entity), self.period_us)
    }

    /// What an attempt under way holds.
    pub(crate) fn as_held(&self) -> Held {
        Held {
            budget: Arc::clone(&self.budget),
            entity: Arc::clone(&self.entity),
            period_us: self.period_us,
            tokens: self.unit == Unit::Tokens,
            amount: self.held,
        }
    }

    /// Nano-dollars of an attempt that cost `cost`: where that is not known, what a money budget held.
    pub(crate) fn nano(&self, cost: Option<i64>) -> i64 {
        match (cost, self.unit) {
            (Some(cost), _) => cost.max(0),
            (None, Unit::Usd) => self.held.max(0),
            (None, Unit::Tokens) => 0,
        }
    }

    /// What a settled attempt comes to.
    pub(crate) fn amount(&self, settlement: &Settlement) -> Amount {
        let nano = self.nano(settlement.cost.map(|cost| cost.0));
        Amount { nano, tokens: settlement.tokens(), attempts: 1 }
    }

    /// What changes when a cost is corrected.
    pub(crate) fn correction(&self, before: Option<i64>, after: i64) -> Amount {
        let nano = self.nano(Some(after)).saturating_sub(self.nano(before));
        Amount { nano, ..Amount::default() }
    }
}

/// `12 attempts, 345 tokens, 0.000006789 USD`
impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} attempts, {} tokens, {} USD", self.attempts, self.tokens, NanoUsd(self.nano))
    }
}

impl Amount {
    /// Adds, and stays within 64 bits.
    pub(crate) fn add(&mut self, other: Self) {
        self.nano = self.nano.saturating_add(other.nano);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.attempts = self.attempts.saturating_add(other.attempts);
    }
}
