//! An attempt that is under way, as a value: dropping it settles it.

use crate::ledger::LedgerError;
use crate::ledger::book::Ledger;
use crate::ledger::budget::Hold;
use crate::ledger::journal::frame::{Frame, ProgressFrame};
use crate::ledger::row::{Opening, Settlement};
use crate::model::AttemptId;
use std::fmt;
use std::sync::Arc;

/// Least time between two records of progress.
const PROGRESS_US: u64 = 1_000_000;

/// One attempt that was begun; owned by the exchange.
///
/// Dropped unsettled, it is settled as abandoned: status 0, error `abandoned`; charged with the estimated input and
/// the progress so far if it was sent whole, else with nothing.
#[must_use = "dropping it settles the attempt as abandoned"]
pub struct OpenAttempt {
    ledger: Arc<Ledger>,
    id: AttemptId,
    /// `None` once it is settled.
    opening: Option<Opening>,
    /// What is held for it, settled with it.
    hold: Option<Hold>,
    /// What must be on disk for the attempt to be durable.
    sequence: u64,
    sent: bool,
    output_tokens: u64,
    journaled_us: u64,
}

impl OpenAttempt {
    pub(crate) fn new(ledger: Arc<Ledger>, opening: Opening, sequence: u64) -> Self {
        let (id, journaled_us) = (opening.id, opening.opened_us);
        Self { ledger, id, opening: Some(opening), hold: None, sequence, sent: false, output_tokens: 0, journaled_us }
    }

    /// The attempt's id.
    pub fn id(&self) -> AttemptId {
        self.id
    }

    /// Waits until the attempt survives what the configuration says it must: nothing to wait for with
    /// `durability: process`, the grouped flush to disk with `power`.
    ///
    /// # Errors
    ///
    /// `NotDurable` when the flush failed: the attempt must not be sent.
    pub async fn durable(&self) -> Result<(), LedgerError> {
        self.ledger.durable(self.sequence).await
    }

    /// As [`Self::durable`], for a caller that cannot hold the attempt while it waits; `None`: there is nothing to
    /// wait for.
    pub fn durability(&self) -> Option<impl Future<Output = Result<(), LedgerError>> + Send + 'static> {
        let (ledger, sequence) = (Arc::clone(&self.ledger), self.sequence);
        self.ledger.waits_for_flush().then_some(async move { ledger.durable(sequence).await })
    }

    /// Tells how many output tokens were seen so far. Cheap: journaled at most once a second, with the next write
    /// or within 10 ms.
    pub fn progress(&mut self, output_tokens_estimate: u64) {
        self.output_tokens = self.output_tokens.max(output_tokens_estimate);
        let now_us = self.ledger.now_us();
        // `abs_diff`: a clock that was set back must not silence it.
        if now_us.abs_diff(self.journaled_us) >= PROGRESS_US {
            self.journaled_us = now_us;
            let progress = ProgressFrame { id: self.id, output_tokens: self.output_tokens };
            self.ledger.journal_later(&Frame::Progress(progress));
        }
    }

    /// The request left whole: from now on an abandoned attempt is charged.
    pub fn mark_sent(&mut self) {
        self.sent = true;
    }

    /// Gives the attempt what is held for it, whose [`Hold::charged`] its opening had: it is settled with the same
    /// figures as the row, whatever way the attempt ends.
    pub fn carry(&mut self, hold: Hold) {
        self.hold = Some(hold);
    }

    /// What is held for it, if it carries a hold.
    pub fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// Ends the attempt. Never waits for more than one `write(2)` and never loses: what cannot be written now is
    /// kept and written later.
    pub fn settle(mut self, settlement: Settlement) {
        if let Some(opening) = self.opening.take() {
            self.ledger.settle(&opening, settlement, self.hold.take());
        }
    }
}

impl Drop for OpenAttempt {
    fn drop(&mut self) {
        let Some(opening) = self.opening.take() else { return };
        let latency_us = self.ledger.now_us().saturating_sub(opening.opened_us);
        let settlement = if self.sent {
            opening.estimated(self.output_tokens, "abandoned", latency_us)
        } else {
            opening.unsent("abandoned", latency_us)
        };
        self.ledger.settle(&opening, settlement, self.hold.take());
    }
}

impl fmt::Debug for OpenAttempt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OpenAttempt").field("id", &self.id).field("sent", &self.sent).finish_non_exhaustive()
    }
}
