//! What a later price made of a settled attempt's cost: a row of its own, linked to the attempt.
//!
//! The attempt's row stays as it is. Corrections of one attempt are numbered from 1; the last one tells its cost.

use crate::ledger::budget::{Amount, Charged};
use crate::ledger::journal::frame::{CorrectFrame, Frame, bounded};
use crate::model::AttemptId;
use std::fmt;

/// One correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Correction {
    pub id: AttemptId,
    /// From 1, for each attempt.
    pub number: u16,
    /// When, in microseconds since the Unix epoch.
    pub corrected_us: u64,
    /// What the attempt cost until then; `None`: its price was not known.
    pub before_nano: Option<i64>,
    /// What it costs from then on.
    pub after_nano: i64,
    /// Version of the price data.
    pub price_version: String,
}

impl Correction {
    /// What it adds to sums of cost.
    pub(crate) fn difference(&self) -> i64 {
        self.after_nano.saturating_sub(self.before_nano.unwrap_or(0))
    }

    /// What it adds to a balance.
    pub(crate) fn of(&self, charge: &Charged) -> Amount {
        charge.correction(self.before_nano, self.after_nano)
    }

    /// As a record of the journal.
    pub(crate) fn record(&self) -> Frame<'_> {
        Frame::Correct(CorrectFrame {
            id: self.id,
            number: self.number,
            corrected_us: self.corrected_us,
            before_nano: self.before_nano,
            after_nano: self.after_nano,
            price_version: bounded(&self.price_version),
        })
    }

    /// From a record of the journal.
    pub(crate) fn from_frame(frame: &CorrectFrame<'_>) -> Self {
        Self {
            id: frame.id,
            number: frame.number,
            corrected_us: frame.corrected_us,
            before_nano: frame.before_nano,
            after_nano: frame.after_nano,
            price_version: frame.price_version.to_owned(),
        }
    }
}

/// `<attempt id>-c<number>`.
impl fmt::Display for Correction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-c{}", self.id, self.number)
    }
}
