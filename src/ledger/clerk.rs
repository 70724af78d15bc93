//! The journal's writer as all threads share it, and the two threads of the ledger.
//!
//! Nobody is woken for an attempt: the journal thread looks every 10 ms while there is traffic, and parks when there
//! was none for a second. The folder thread is woken by the journal thread.

mod beside;
mod note;
use crate::config::{Budget, State};
use crate::ledger::LedgerError;
use crate::ledger::desk::Desk;
use crate::ledger::journal::chain::RunningHash;
use crate::ledger::journal::frame::Counts;
use crate::ledger::journal::segment::Position;
use crate::ledger::journal::writer::Writer;
use crate::ledger::metrics::LedgerMetrics;
use crate::ledger::store::retention::Policy;
use crate::ledger::totals::LiveTotals;
use crate::model::Clock;
use parking_lot::Mutex;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Between two flushes to disk.
const TICK: Duration = Duration::from_millis(10);
/// The journal thread parks after so many ticks without anything new.
const IDLE_TICKS: u32 = 100;
/// After a failed write, ticks until the next try.
const RETRY_TICKS: u32 = 10;
/// After a segment could not be begun, ticks until the next try.
const ROTATE_TICKS: u32 = 500;
/// Rows wait so many ticks for the folder, unless there are [`FOLD_ROWS`].
const FOLD_TICKS: u32 = 20;
/// So many rows are folded at once.
const FOLD_ROWS: u64 = 1_000;
/// How long a folder that failed waits, and between two looks at another process's epoch.
const FOLD_PAUSE: Duration = Duration::from_secs(1);
/// Rows of refused requests are not kept while so much waits for the next write.
const MAX_QUEUED_BYTES: usize = 1 << 20;
/// Between two looks at what is too old or too much.
const RETENTION_PAUSE: Duration = Duration::from_secs(600);

/// What a flush to disk has covered.
#[derive(Debug, Clone, Copy)]
struct Flushed {
    /// Everything up to this sequence is on disk.
    upto: u64,
    /// Where that ends: nothing beyond is folded, so that the store never knows more than the journal.
    end: Position,
    /// A flush up to this sequence failed.
    failed: u64,
}

/// What is written to, under one short lock.
#[derive(Debug)]
struct Pen {
    writer: Writer,
    /// Attempts begun and not settled.
    open: u64,
    closed: bool,
    /// Whether the journal thread is parked and must be woken.
    asleep: bool,
    /// Whether the last write failed.
    failing: bool,
    /// Rows that are no attempt's wait for the folder.
    refused: bool,
}

/// What all threads share.
pub(crate) struct Clerk {
    epoch: u64,
    segment_bytes: u64,
    retention: Duration,
    max_bytes: u64,
    pen: Mutex<Pen>,
    desk: Mutex<Desk>,
    totals: Arc<LiveTotals>,
    flushed: watch::Sender<Flushed>,
    /// Settled attempts in the journal, and those of them in the store.
    settled: AtomicU64,
    folded: AtomicU64,
    /// When the last fold that succeeded began.
    fold_began: Mutex<Instant>,
    stop: AtomicBool,
    journal_thread: OnceLock<Thread>,
    folder_thread: OnceLock<Thread>,
    clock: Arc<dyn Clock>,
    metrics: LedgerMetrics,
}

/// Starts the journal thread and the folder thread.
///
/// # Errors
///
/// When the system gives no thread.
pub(crate) fn start(clerk: &Arc<Clerk>) -> io::Result<Vec<JoinHandle<()>>> {
    let spawn = |name: &str, run: fn(&Clerk)| {
        let clerk = Arc::clone(clerk);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&clerk))
    };
    let journal = spawn("ledger-journal", Clerk::keep_journal)?;
    let folder = match spawn("ledger-folder", Clerk::keep_store) {
        Ok(folder) => folder,
        Err(e) => {
            clerk.stop.store(true, Ordering::Release);
            journal.thread().unpark();
            return Err(e);
        }
    };
    // Set once: `start` is called once.
    drop(clerk.journal_thread.set(journal.thread().clone()));
    drop(clerk.folder_thread.set(folder.thread().clone()));
    folder.thread().unpark();
    Ok(vec![journal, folder])
}

impl Clerk {
    pub(crate) fn new(
        state: &State,
        epoch: u64,
        writer: Writer,
        desk: Desk,
        totals: Arc<LiveTotals>,
        clock: Arc<dyn Clock>,
        metrics: LedgerMetrics,
    ) -> Self {
        Self {
            epoch,
            segment_bytes: state.segment_bytes.get(),
            retention: state.retention,
            max_bytes: state.max_bytes.get(),
            pen: Mutex::new(Pen { writer, open: 0, closed: false, asleep: false, failing: false, refused: false }),
            desk: Mutex::new(desk),
            totals,
            flushed: watch::Sender::new(Flushed { upto: 0, end: Position::START, failed: 0 }),
            settled: AtomicU64::new(0),
            folded: AtomicU64::new(0),
            fold_began: Mutex::new(Instant::now()),
            stop: AtomicBool::new(false),
            journal_thread: OnceLock::new(),
            folder_thread: OnceLock::new(),
            clock,
            metrics,
        }
    }

    /// Counts rows of earlier epochs that wait for the store.
    pub(crate) fn add_unfolded(&self, rows: u64) {
        self.settled.fetch_add(rows, Ordering::Relaxed);
    }

    /// Writes the beginning of an attempt; returns what must be flushed for it to be on disk.
    pub(crate) fn begin(&self, frame: &[u8]) -> Result<u64, LedgerError> {
        let mut pen = self.pen.lock();
        if pen.closed {
            return Err(LedgerError::Closed);
        }
        if let Err(e) = pen.writer.append(frame) {
            self.metrics.write_errors.inc();
            return Err(LedgerError::io("write", &pen.writer.path(), e));
        }
        pen.open += 1;
        pen.writer.count(|counts| counts.opened += 1);
        let sequence = pen.writer.sequence();
        self.wake(pen);
        Ok(sequence)
    }

    /// Writes the end of an attempt, or keeps it for the journal thread to write.
    pub(crate) fn settle(&self, frame: &[u8], cost_nano: i64) {
        let mut pen = self.pen.lock();
        pen.open = pen.open.saturating_sub(1);
        if pen.writer.append(frame).is_err() {
            self.metrics.write_errors.inc();
            pen.writer.queue(frame);
        }
        pen.writer.count(|counts| {
            counts.settled += 1;
            counts.cost_nano = counts.cost_nano.saturating_add(cost_nano);
        });
        self.settled.fetch_add(1, Ordering::Relaxed);
        self.wake(pen);
    }

    /// Leaves a record to the next write.
    pub(crate) fn queue(&self, frame: &[u8]) {
        let mut pen = self.pen.lock();
        // On a full disk only what must not be lost is kept in memory.
        if !pen.failing {
            pen.writer.queue(frame);
            self.wake(pen);
        }
    }

    /// Leaves a record to the next write, unless too much waits for it; tells whether it is kept.
    pub(crate) fn queue_if_room(&self, frame: &[u8]) -> bool {
        let mut pen = self.pen.lock();
        let room = !pen.failing && !pen.closed && pen.writer.queued_bytes() < MAX_QUEUED_BYTES;
        if room {
            pen.writer.queue(frame);
            pen.refused = true;
            self.wake(pen);
        }
        room
    }

    /// Writes records that belong together, of which `counted` tells how many, and does `then` before any is folded.
    ///
    /// # Errors
    ///
    /// `Io`, `Closed`; nothing is written then.
    pub(crate) fn write(&self, frames: &[u8], counted: &Counts, then: impl FnOnce()) -> Result<(), LedgerError> {
        // Held to the end: nothing is folded meanwhile.
        let _desk = self.desk.lock();
        let mut pen = self.pen.lock();
        if pen.closed {
            return Err(LedgerError::Closed);
        }
        pen.writer.append(frames).map_err(|e| LedgerError::io("write", &pen.writer.path(), e))?;
        pen.writer.count(|counts| counts.add(counted));
        self.wake(pen);
        then();
        Ok(())
    }

    /// Makes a budget known to the store; one that it never saw, or saw counted otherwise, starts with what the rows
    /// know of its period.
    pub(crate) fn prepare(&self, budget: &Budget) {
        let now_us = self.clock.now_us();
        // What is settled and not folded would be missing in the rows.
        if let Err(error) = self.flush().and_then(|()| self.desk.lock().prepare(budget, now_us)) {
            self.metrics.balance_errors.inc();
            tracing::error!(budget = &*budget.id, %error, "what was spent before the budget was made is not known");
        }
    }

    /// Wakes the journal thread if it sleeps, without the lock.
    fn wake(&self, mut pen: parking_lot::MutexGuard<'_, Pen>) {
        let asleep = std::mem::replace(&mut pen.asleep, false);
        drop(pen);
        if asleep && let Some(thread) = self.journal_thread.get() {
            thread.unpark();
        }
    }

    /// Waits until a flush covers `sequence`.
    pub(crate) async fn flushed(&self, sequence: u64) -> Result<(), LedgerError> {
        let mut flushed = self.flushed.subscribe();
        let seen = flushed.wait_for(|now| now.upto >= sequence || now.failed >= sequence).await;
        match seen {
            // After a failed flush the kernel forgets what it could not write: a later success proves nothing.
            Ok(now) if now.failed < sequence => Ok(()),
            _ => Err(LedgerError::NotDurable),
        }
    }

    /// Writes what waits, flushes it to disk, folds it.
    pub(crate) fn flush(&self) -> Result<(), LedgerError> {
        self.write_queued()?;
        self.sync()?;
        self.fold().map(drop)
    }

    /// Lets nothing begin any more, flushes, seals the epoch if no attempt is open, and ends the threads.
    pub(crate) fn close(&self) {
        self.pen.lock().closed = true;
        let ended = self.flush().and_then(|()| {
            let sealed = {
                let mut pen = self.pen.lock();
                pen.open == 0 && pen.writer.seal(true).map(|()| true)?
            };
            if sealed { self.flush() } else { Ok(()) }
        });
        if let Err(error) = ended {
            tracing::error!(%error, "the ledger could not be closed cleanly: the next start recovers it");
        }
        self.stop.store(true, Ordering::Release);
        for thread in [&self.journal_thread, &self.folder_thread].into_iter().filter_map(OnceLock::get) {
            thread.unpark();
        }
    }

    // The journal thread.
    fn keep_journal(&self) {
        let (mut idle, mut retry, mut waited, mut patience) = (0, 0_u32, 0_u32, 0_u32);
        while !self.stop.load(Ordering::Acquire) {
            retry = retry.saturating_sub(1);
            if retry == 0 && self.write_queued().is_err() {
                retry = RETRY_TICKS;
            }
            // Errors are counted and told where they happen; the next tick tries again.
            let busy = self.sync().unwrap_or(true) || retry > 0;
            patience = patience.saturating_sub(1);
            if patience == 0 && self.rotate_if_full().is_err() {
                patience = ROTATE_TICKS;
            }
            idle = if busy { 0 } else { idle + 1 };
            waited = self.hurry_folder(waited + 1);
            if idle > IDLE_TICKS && self.fall_asleep() {
                std::thread::park();
                idle = 0;
            } else {
                std::thread::park_timeout(TICK);
            }
        }
    }

    /// Marks the thread as sleeping, unless something came.
    fn fall_asleep(&self) -> bool {
        let mut pen = self.pen.lock();
        let nothing = !pen.writer.has_queued() && pen.writer.sequence() <= self.flushed.borrow().upto;
        // While rows wait for the store, the lag is watched.
        pen.asleep = nothing && self.lag_rows() == 0 && !pen.refused && !self.stop.load(Ordering::Acquire);
        pen.asleep
    }

    /// Wakes the folder when there is enough to do, or it was long ago; returns the ticks since then.
    fn hurry_folder(&self, waited: u32) -> u32 {
        let rows = self.lag_rows();
        self.metrics.lag_rows.set(i64::try_from(rows).unwrap_or(i64::MAX));
        if rows == 0 {
            self.metrics.lag_seconds.set(0.0);
            if !self.pen.lock().refused {
                return 0;
            }
        } else {
            // The oldest of them came after the last fold began, and after there was none.
            let oldest = (TICK * waited).min(self.fold_began.lock().elapsed());
            self.metrics.lag_seconds.set(oldest.as_secs_f64());
        }
        if (waited.is_multiple_of(FOLD_TICKS) || rows >= FOLD_ROWS)
            && let Some(thread) = self.folder_thread.get()
        {
            thread.unpark();
        }
        waited
    }

    fn lag_rows(&self) -> u64 {
        self.settled.load(Ordering::Relaxed).saturating_sub(self.folded.load(Ordering::Relaxed))
    }

    pub(crate) fn write_queued(&self) -> Result<(), LedgerError> {
        let mut pen = self.pen.lock();
        if !pen.writer.has_queued() {
            return Ok(());
        }
        let written = pen.writer.append(&[]).map_err(|e| LedgerError::io("write", &pen.writer.path(), e));
        let failing = std::mem::replace(&mut pen.failing, written.is_err());
        drop(pen);
        if let Err(error) = &written {
            self.metrics.write_errors.inc();
            if !failing {
                tracing::error!(%error, "the journal cannot be written; settlements are kept in memory");
            }
        } else if failing {
            tracing::info!("the journal can be written again");
        }
        written
    }

    /// Flushes what was written since the last flush; tells whether there was anything.
    fn sync(&self) -> Result<bool, LedgerError> {
        let (file, sequence, end, path) = {
            let pen = self.pen.lock();
            if pen.writer.sequence() <= self.flushed.borrow().upto {
                return Ok(false);
            }
            (pen.writer.file(), pen.writer.sequence(), pen.writer.end(), pen.writer.path())
        };
        let began = Instant::now();
        let done = file.sync_data();
        self.metrics.fsync_seconds.observe(began.elapsed().as_secs_f64());
        let mut news = true;
        self.flushed.send_modify(|flushed| match &done {
            Ok(()) => {
                flushed.upto = flushed.upto.max(sequence);
                flushed.end = flushed.end.max(end);
            }
            Err(_) => {
                news = flushed.failed < sequence;
                flushed.failed = flushed.failed.max(sequence);
            }
        });
        if let Err(error) = done {
            self.metrics.write_errors.inc();
            if news {
                tracing::error!(%error, file = %path.display(), "the journal cannot be flushed to disk");
            }
            return Err(LedgerError::io("flush", &path, error));
        }
        Ok(true)
    }

    /// Begins the next segment when the current one is full. Most of the hashing is done before anybody waits.
    fn rotate_if_full(&self) -> Result<(), LedgerError> {
        let (file, end) = {
            let pen = self.pen.lock();
            (pen.writer.file(), pen.writer.end())
        };
        if end.offset < self.segment_bytes {
            return Ok(());
        }
        let mut hash = RunningHash::default();
        hash.advance(&file, end.offset).map_err(|e| self.told("read", e))?;
        let rest = |file: &File, end: u64| {
            hash.advance(file, end)?;
            Ok(hash.finish())
        };
        let mut pen = self.pen.lock();
        if pen.closed {
            return Ok(());
        }
        let rotated = pen.writer.rotate(self.clock.now_us(), rest);
        drop(pen);
        rotated.inspect_err(|error| {
            self.metrics.write_errors.inc();
            tracing::error!(%error, "no new journal segment could be begun; the old one goes on");
        })
    }

    fn told(&self, what: &'static str, error: io::Error) -> LedgerError {
        self.metrics.write_errors.inc();
        LedgerError::io(what, &self.pen.lock().writer.path(), error)
    }

    // The folder thread.

    fn keep_store(&self) {
        let mut retained: Option<Instant> = None;
        while !self.stop.load(Ordering::Acquire) {
            let mut pause = match self.fold() {
                Ok(true) => FOLD_PAUSE,
                Ok(false) => RETENTION_PAUSE,
                Err(error) => {
                    self.metrics.write_errors.inc();
                    tracing::error!(%error, "rows could not be folded into the store; they wait in the journal");
                    FOLD_PAUSE
                }
            };
            if retained.is_none_or(|at| at.elapsed() >= RETENTION_PAUSE) {
                if self.retain() {
                    pause = TICK;
                } else {
                    retained = Some(Instant::now());
                }
            }
            if !self.stop.load(Ordering::Acquire) {
                std::thread::park_timeout(pause);
            }
        }
    }

    /// Folds everything that is in the journal; tells whether another process's epoch is waited for.
    fn fold(&self) -> Result<bool, LedgerError> {
        let mut desk = self.desk.lock();
        let began = Instant::now();
        let end = {
            let mut pen = self.pen.lock();
            let flushed = *self.flushed.borrow();
            // What is not flushed yet still waits.
            pen.refused &= pen.writer.has_queued() || pen.writer.sequence() > flushed.upto;
            flushed.end
        };
        let rows = desk.fold(self.epoch, end, &self.totals)?;
        self.folded.fetch_add(rows, Ordering::Relaxed);
        *self.fold_began.lock() = began;
        Ok(desk.waits_for_others())
    }

    /// Drops what is too old or too much; tells whether there is more to drop.
    pub(crate) fn retain(&self) -> bool {
        let (now_us, retention, max_bytes) = (self.clock.now_us(), self.retention, self.max_bytes);
        match self.desk.lock().retain(&Policy { now_us, retention, max_bytes }) {
            Ok(dropped) => {
                if dropped.rows > 0 || dropped.segments > 0 {
                    tracing::info!(dropped.rows, dropped.segments, "old rows were dropped");
                }
                dropped.more
            }
            Err(error) => {
                self.metrics.write_errors.inc();
                tracing::error!(%error, "old rows could not be dropped");
                false
            }
        }
    }
}

impl fmt::Debug for Clerk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Clerk").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
