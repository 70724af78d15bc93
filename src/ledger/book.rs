//! The ledger of a running gateway: opening, beginning and settling attempts, closing.

use crate::config::{Durability, State};
use crate::ledger::LedgerError;
use crate::ledger::attempt::OpenAttempt;
use crate::ledger::budget::{Balances, Budgets, Hold};
use crate::ledger::clerk::{self, Clerk};
use crate::ledger::desk::Desk;
use crate::ledger::findings::Findings;
use crate::ledger::handing::Beside;
use crate::ledger::journal::chain;
use crate::ledger::journal::frame::{Counts, Frame, encode};
use crate::ledger::journal::writer::Writer;
use crate::ledger::lock::{self, Lock};
use crate::ledger::metrics::LedgerMetrics;
use crate::ledger::refused::Refused;
use crate::ledger::rerate::{self, Rerating};
use crate::ledger::row::{Names, Opening, Settlement};
use crate::ledger::store::{query, schema};
use crate::ledger::totals::{LiveTotals, Totals};
use crate::model::Clock;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::fmt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

thread_local! {
    /// Where a thread encodes its records: one buffer, so that an attempt allocates none.
    static RECORD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The ledger: shared by all threads of the gateway.
pub struct Ledger {
    pub(super) clerk: Arc<Clerk>,
    durability: Durability,
    totals: Arc<LiveTotals>,
    pub(super) budgets: Arc<Budgets>,
    clock: Arc<dyn Clock>,
    metrics: LedgerMetrics,
    pub(super) dir: PathBuf,
    /// Held while a period is rated anew: one at a time, so that each correction stands on the one before.
    rerating: Mutex<()>,
    /// Held while something is booked late: it is looked for first.
    late: Mutex<()>,
    pub(super) authority: Mutex<Option<Lock>>,
    pub(super) beside: Beside,
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held as long as attempts of this epoch may be settled.
    epoch: Mutex<Option<Lock>>,
}

impl Ledger {
    /// Takes the state directory, settles what a crash left open, and starts the two threads of the ledger.
    ///
    /// # Errors
    ///
    /// `Locked` when another process admits requests on it; `Schema` and `Format` when a newer version wrote it;
    /// `Io` and `Store` when it cannot be read or written.
    pub fn open(state: &State, clock: Arc<dyn Clock>, metrics: LedgerMetrics) -> Result<Arc<Self>, LedgerError> {
        make_directory(&state.dir.join("journal"))?;
        let authority = lock::authority(&state.dir)?;
        Self::start(state, clock, metrics, Some(authority))
    }

    /// Opens the ledger beside a process that admits requests on it, to take over from it: see [`Self::take_over`]. Until then
    /// nothing may be begun, and what that process settles is followed.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], but `Locked`; `Argument` where the store must be migrated, which takes a stop.
    pub fn open_beside(state: &State, clock: Arc<dyn Clock>, metrics: LedgerMetrics) -> Result<Arc<Self>, LedgerError> {
        schema::must_be_current(&state.dir)?;
        Self::start(state, clock, metrics, None)
    }

    fn start(
        state: &State,
        clock: Arc<dyn Clock>,
        metrics: LedgerMetrics,
        authority: Option<Lock>,
    ) -> Result<Arc<Self>, LedgerError> {
        let dir = &state.dir;
        let journal = dir.join("journal");
        let budgets = Arc::new(Budgets::new(Arc::new(Balances::new(Some(dir))), metrics.clone()));
        let (desk, start) = Desk::open(dir, Arc::clone(&budgets), &metrics, authority.is_some())?;
        let (epoch, epoch_lock) = lock::new_epoch(&journal, start.last_epoch)?;
        let tips = chain::tips(&journal, &start.sealed)?;
        let writer = Writer::begin(&journal, epoch, tips, clock.now_us())?;
        let totals = Arc::new(LiveTotals::new(start.totals));
        let clerk = Clerk::new(state, epoch, writer, desk, Arc::clone(&totals), Arc::clone(&clock), metrics.clone());
        clerk.add_unfolded(start.tail_rows);
        let clerk = Arc::new(clerk);
        let (gauges, folder) = (Arc::downgrade(&budgets), Arc::downgrade(&clerk));
        let shown = Arc::clone(&clock);
        metrics.budgets.read_from(Box::new(move || {
            gauges.upgrade().map(|budgets| budgets.view_single(shown.now_us())).unwrap_or_default()
        }));
        budgets.before_first(Box::new(move |budget| {
            if let Some(folder) = folder.upgrade() {
                folder.prepare(budget);
            }
        }));
        let threads = clerk::start(&clerk).map_err(|e| LedgerError::io("start a thread for", dir, e))?;
        Ok(Arc::new(Self {
            clerk,
            durability: state.durability,
            totals,
            budgets,
            clock,
            metrics,
            dir: dir.clone(),
            rerating: Mutex::default(),
            late: Mutex::default(),
            authority: Mutex::new(authority),
            beside: Beside { epoch, before: Mutex::new(start.held), ..Beside::default() },
            threads: Mutex::new(threads),
            epoch: Mutex::new(Some(epoch_lock)),
        }))
    }

    /// Begins an attempt: its row is in the journal when this returns. One `write(2)` on the calling thread.
    ///
    /// # Errors
    ///
    /// The disk is full or read-only, or the ledger is closed: nothing may be sent. It recovers by itself.
    pub fn begin(self: &Arc<Self>, opening: Opening) -> Result<OpenAttempt, LedgerError> {
        let sequence = with_record(&opening.record(), |frame| self.clerk.begin(frame))??;
        self.metrics.open_attempts.inc();
        Ok(OpenAttempt::new(Arc::clone(self), opening, sequence))
    }

    /// Sums over all attempts that were ever settled here, also before this start.
    pub fn totals(&self) -> Totals {
        self.totals.snapshot()
    }

    /// What may be spent.
    pub fn budgets(&self) -> &Arc<Budgets> {
        &self.budgets
    }

    /// Makes everything that was settled durable and visible in the store. Blocks; not for the hot path.
    ///
    /// # Errors
    ///
    /// When journal or store cannot be written; nothing is lost by that.
    pub fn flush(&self) -> Result<(), LedgerError> {
        self.clerk.flush()
    }

    /// Books what was used long before it is known, with an id that is made of what it is about: beginning and end in one
    /// write, so that no crash leaves half of it, and only if the ledger does not have it yet; returns whether it was
    /// written. Nothing is held for it: it is debt of `opening.charges`. Blocks; not for the hot path.
    ///
    /// # Errors
    ///
    /// When journal or store cannot be read or written. Doing it again writes no second row.
    pub fn book_late(&self, opening: &Opening, settlement: Settlement) -> Result<bool, LedgerError> {
        let _one = self.late.lock();
        // What is settled and not folded would be missing in the rows.
        self.flush()?;
        let known = match schema::open_read_only(&self.dir)? {
            Some(store) => query::row(&store, opening.id, &mut Names::default())?.is_some(),
            None => false,
        };
        if known {
            return Ok(false);
        }
        let settlement = settlement.bounded();
        let mut frames = Vec::new();
        encode(&opening.record(), &mut frames)?;
        encode(&settlement.record(opening.id), &mut frames)?;
        let cost_nano = settlement.cost.unwrap_or_default().0;
        let counted = Counts { opened: 1, settled: 1, cost_nano };
        self.clerk.write(&frames, &counted, || {
            self.clerk.add_unfolded(1);
            self.totals.add(opening, &settlement);
            self.budgets.add(&opening.charges, None, |charge| charge.amount(&settlement));
        })?;
        self.metrics.rows.inc();
        Ok(true)
    }

    /// Rates a period anew at today's prices: the difference is written as corrections of its attempts, and totals and
    /// balances follow. Blocks; not for the hot path. What was rated before an error stays rated; doing it again
    /// goes on.
    ///
    /// # Errors
    ///
    /// When journal or store cannot be read or written.
    pub fn rerate(&self, period: &rerate::Period, price: &rerate::Price<'_>) -> Result<Rerating, LedgerError> {
        let _one = self.rerating.lock();
        self.flush()?;
        rerate::each_batch(&self.dir, period, price, self.now_us(), |changes| {
            let mut frames = Vec::new();
            for (_, correction) in changes {
                encode(&correction.record(), &mut frames)?;
            }
            self.clerk.write(&frames, &Counts::default(), || {
                for (row, correction) in changes {
                    self.totals.correct(row, correction);
                    self.budgets.add(&row.opening.charges, None, |charge| correction.of(charge));
                }
            })?;
            self.flush()
        })
    }

    /// Drops what is too old or too much now, instead of within ten minutes.
    #[cfg(test)]
    pub(crate) fn retain(&self) {
        while self.clerk.retain() {}
    }

    /// Gives up the epoch, as the end of the process does.
    #[cfg(test)]
    pub(crate) fn die(&self) {
        self.epoch.lock().take();
    }

    /// Lets another process admit requests on the state directory, while attempts of this one go on being settled.
    pub fn release_authority(&self) {
        self.authority.lock().take();
    }

    /// Ends the ledger: no attempt begins any more, all is flushed, the threads end. Attempts that are still open
    /// may be settled as long as the process lives; what is not, is settled by the next start. Idempotent.
    pub fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        if threads.is_empty() {
            return;
        }
        self.clerk.close();
        self.stop_following();
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the ledger panicked");
            }
        }
        self.release_authority();
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    pub(crate) async fn durable(&self, sequence: u64) -> Result<(), LedgerError> {
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Power => self.clerk.flushed(sequence).await,
        }
    }

    /// Whether an attempt waits for a flush before it is sent.
    pub(crate) const fn waits_for_flush(&self) -> bool {
        matches!(self.durability, Durability::Power)
    }

    /// Journals something that nobody waits for.
    pub(crate) fn journal_later(&self, frame: &Frame<'_>) {
        // Too large it cannot be, and there is nobody to tell.
        drop(with_record(frame, |bytes| self.clerk.queue(bytes)));
    }

    /// Keeps the row of a refused request, for reports. Nobody waits for it, and when the journal cannot keep up it is
    /// not kept; a metric counts those.
    pub fn refused(&self, refused: &Refused) {
        let queued = with_record(&refused.record(), |bytes| self.clerk.queue_if_room(bytes));
        if !queued.unwrap_or(false) {
            self.metrics.refused_dropped.inc();
        }
    }

    /// Records what guardrails found. It is in the journal when this returns, by one `write(2)` on the calling thread; what
    /// cannot be written now is kept and written later, up to 1 MiB, and a metric counts what is not kept.
    pub fn found(&self, found: &Findings) {
        if found.findings.is_empty() {
            return;
        }
        let kept = with_record(&found.record(), |bytes| self.clerk.note(bytes));
        if !kept.unwrap_or(false) {
            self.metrics.findings_dropped.inc();
            tracing::error!(request = %found.id, "what guardrails found could not be recorded");
        }
    }

    /// Journals the end of an attempt and adds it to totals and balances.
    pub(crate) fn settle(&self, opening: &Opening, settlement: Settlement, hold: Option<Hold>) {
        let settlement = settlement.bounded();
        self.totals.add(opening, &settlement);
        // Before the fold can see it, and before the hold is gone: an account is never loaded without it.
        self.budgets.balances().add(&opening.charges, |charge| charge.amount(&settlement));
        let cost_nano = settlement.cost.unwrap_or_default().0;
        let written = with_record(&settlement.record(opening.id), |bytes| {
            self.clerk.settle(bytes, cost_nano);
        });
        if let Err(error) = written {
            // Its texts are bounded, so that this does not happen; the next start would settle it.
            tracing::error!(attempt = %opening.id, %error, "a settlement could not be recorded");
        }
        if let Some(hold) = hold {
            hold.settle_as(&settlement);
        }
        self.metrics.rows.inc();
        self.metrics.open_attempts.dec();
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close();
        // Nothing can be settled any more: the epoch is dead.
        self.epoch.lock().take();
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ledger").field("clerk", &self.clerk).finish_non_exhaustive()
    }
}

/// Encodes `frame` into the thread's buffer.
fn with_record<T>(frame: &Frame<'_>, write: impl FnOnce(&[u8]) -> T) -> Result<T, LedgerError> {
    RECORD.with_borrow_mut(|buffer| {
        buffer.clear();
        encode(frame, buffer)?;
        Ok(write(buffer))
    })
}

fn make_directory(journal: &Path) -> Result<(), LedgerError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(journal).map_err(|e| LedgerError::io("create", journal, e))
}
