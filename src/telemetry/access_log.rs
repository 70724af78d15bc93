//! The access log: one thread of its own puts records into words and writes them.
//!
//! A request hands its record over and never waits. When the queue is full the record is lost; the loss is counted, and
//! the next line that is written says how many are missing before it. The thread is ours, not a runtime's task, so that
//! it outlives the data plane's runtimes and gets what `Drop` guards send at the end.

use super::access_record::{AccessRecord, Line};
use super::registered;
use crate::config;
use prometheus::{IntCounter, Registry};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, Thread};
use std::time::Duration;

/// What the access log tells of itself.
#[derive(Debug, Clone)]
pub struct AccessLogMetrics {
    /// Lines written.
    pub written: IntCounter,
    /// Records lost: the queue was full, or the file did not take them.
    pub dropped: IntCounter,
}

impl AccessLogMetrics {
    /// Registers the log's metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help));
        Ok(Self {
            written: counter("weighbridge_access_log_lines_total", "Access records written")?,
            dropped: counter(
                "weighbridge_access_log_dropped_total",
                "Access records lost: the queue was full, or the file did not take them",
            )?,
        })
    }
}

/// Takes records and writes one JSON line each. Dropping it lets the thread write what it has, without waiting for it;
/// [`AccessLog::close`] waits.
#[derive(Debug)]
pub struct AccessLog {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    queue: SyncSender<Box<AccessRecord>>,
    done: parking_lot::Mutex<Receiver<()>>,
    thread: Thread,
    shared: Arc<Shared>,
    metrics: AccessLogMetrics,
}

/// What callers and the thread tell each other beside the queue.
#[derive(Debug, Default)]
struct Shared {
    /// Records in the queue.
    queued: AtomicUsize,
    /// Records lost since the last line.
    dropped: AtomicU64,
    /// The thread sleeps until it is woken.
    asleep: AtomicBool,
    reopen: AtomicBool,
    /// Where lines go from now on.
    next: parking_lot::Mutex<Option<Sink>>,
    closing: AtomicBool,
}

impl AccessLog {
    /// Opens where `to` says and starts the thread; for `Off` there is none, unless somebody else wants the lines.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for appending, or the system gives no thread.
    pub fn start(to: &config::AccessLog, tap: Option<Box<dyn Tap>>, metrics: AccessLogMetrics) -> io::Result<Self> {
        let sink = match to {
            config::AccessLog::Off if tap.is_none() => return Ok(Self { running: None }),
            config::AccessLog::Off => Sink::Nowhere,
            config::AccessLog::Stdout => Sink::Other(Box::new(io::stdout())),
            config::AccessLog::File(path) => Sink::File { file: open(path)?, path: path.clone() },
        };
        Self::tapped(sink, tap, QUEUE, metrics)
    }

    #[cfg(test)]
    pub(super) fn spawn(sink: Sink, queue: usize, metrics: AccessLogMetrics) -> io::Result<Self> {
        Self::tapped(sink, None, queue, metrics)
    }

    fn tapped(sink: Sink, tap: Option<Box<dyn Tap>>, queue: usize, metrics: AccessLogMetrics) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let (done_sender, done) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            queue: receiver,
            shared: Arc::clone(&shared),
            metrics: metrics.clone(),
            sink,
            tap,
            lines: Vec::with_capacity(2 * FLUSH_BYTES),
            count: 0,
            torn: false,
            failing: false,
        };
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run();
            let _ = done_sender.send(());
        })?;
        let thread = thread.thread().clone();
        Ok(Self {
            running: Some(Running { queue: sender, done: parking_lot::Mutex::new(done), thread, shared, metrics }),
        })
    }

    /// Whether records are written at all; if not, none need be made.
    pub const fn enabled(&self) -> bool {
        self.running.is_some()
    }

    /// Hands a record over. Never waits, and makes a system call only when the thread had nothing to do.
    pub fn write(&self, record: Box<AccessRecord>) {
        let Some(Running { queue, shared, metrics, thread, .. }) = &self.running else { return };
        let queued = shared.queued.fetch_add(1, Ordering::Relaxed);
        if queue.try_send(record).is_err() {
            shared.queued.fetch_sub(1, Ordering::Relaxed);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            metrics.dropped.inc();
            return;
        }
        // Pairs with the fence in `Writer::rest`: either we see that it sleeps, or it sees our record.
        fence(Ordering::SeqCst);
        let sleeping = shared.asleep.load(Ordering::Relaxed) && shared.asleep.swap(false, Ordering::AcqRel);
        if sleeping || queued == QUEUE / 2 {
            thread.unpark();
        }
    }

    /// Opens the file anew, after it was renamed by a log rotation. A file that cannot be opened leaves the old one in
    /// use and says so in the log.
    pub fn reopen(&self) {
        if let Some(Running { shared, thread, .. }) = &self.running {
            shared.reopen.store(true, Ordering::Release);
            thread.unpark();
        }
    }

    /// Opens where lines go from now on, without going there yet. `None`: the log has to be started or ended, which takes
    /// a restart.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for appending.
    pub fn open(&self, to: &config::AccessLog) -> io::Result<Option<Place>> {
        match to {
            config::AccessLog::File(path) if self.enabled() => {
                Ok(Some(Place(Sink::File { file: open(path)?, path: path.clone() })))
            }
            config::AccessLog::Stdout if self.enabled() => Ok(Some(Place(Sink::Other(Box::new(io::stdout()))))),
            config::AccessLog::Off if self.enabled() => Ok(Some(Place(Sink::Nowhere))),
            _ => Ok(None),
        }
    }

    /// Goes to `place`, behind the lines that were handed over before.
    pub fn go_on_at(&self, Place(sink): Place) {
        if let Some(Running { shared, .. }) = &self.running {
            *shared.next.lock() = Some(sink);
        }
        self.reopen();
    }

    /// Writes what is queued and waits for it, for at most `patience` (a pipe that nobody reads never takes it).
    /// Returns whether all was written. Records handed over later are lost.
    pub fn close(&self, patience: Duration) -> bool {
        let Some(Running { shared, thread, done, .. }) = &self.running else { return true };
        shared.closing.store(true, Ordering::Release);
        thread.unpark();
        !matches!(done.lock().recv_timeout(patience), Err(RecvTimeoutError::Timeout))
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        if let Some(Running { shared, thread, .. }) = &self.running {
            shared.closing.store(true, Ordering::Release);
            thread.unpark();
        }
    }
}

/// What gets the lines beside the log, on its thread: so that a record is put into words once.
pub trait Tap: Send {
    /// One record, before its line.
    fn record(&mut self, _record: &AccessRecord) {}

    /// Whether lines are wanted at all.
    fn wants_lines(&self) -> bool {
        true
    }

    /// One line, without its line feed.
    fn line(&mut self, line: &str);

    /// So many lines have come together that they are written, or none is left for now. Called each few seconds at least.
    fn flush(&mut self);
}

/// Where lines can go.
#[derive(Debug)]
pub struct Place(Sink);

/// Where lines go.
pub(super) enum Sink {
    File { file: File, path: PathBuf },
    Other(Box<dyn Write + Send>),
    Nowhere,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, .. } => out.debug_tuple("File").field(path).finish(),
            Self::Other(_) => out.write_str("Other"),
            Self::Nowhere => out.write_str("Nowhere"),
        }
    }
}

impl Sink {
    /// `None`: there is nobody to write to.
    fn writer(&mut self) -> Option<&mut dyn Write> {
        match self {
            Self::File { file, .. } => Some(file),
            Self::Other(writer) => Some(writer),
            Self::Nowhere => None,
        }
    }
}

/// The thread's side.
struct Writer {
    queue: Receiver<Box<AccessRecord>>,
    shared: Arc<Shared>,
    metrics: AccessLogMetrics,
    sink: Sink,
    tap: Option<Box<dyn Tap>>,
    /// Whole lines, not written yet.
    lines: Vec<u8>,
    /// How many.
    count: u64,
    /// The last write stopped inside a line.
    torn: bool,
    /// The last write failed; that is logged once, not a million times.
    failing: bool,
}

impl Writer {
    fn run(mut self) {
        let mut quiet = false;
        loop {
            // Read before the queue is emptied: what was sent before closing is written.
            let closing = self.shared.closing.load(Ordering::Acquire);
            if self.shared.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            let (took, disconnected) = self.drain();
            self.flush();
            if disconnected || (closing && took < QUEUE) {
                return;
            }
            if took < QUEUE {
                self.rest(took == 0 && quiet);
            }
            quiet = took == 0;
        }
    }

    /// Puts what is queued into words, at most a whole queue of it, so that a busy queue does not keep the thread from
    /// its other duties; returns how many, and whether nobody can send any more.
    fn drain(&mut self) -> (usize, bool) {
        let mut took = 0;
        while took < QUEUE {
            match self.queue.try_recv() {
                Ok(record) => {
                    self.shared.queued.fetch_sub(1, Ordering::Relaxed);
                    took += 1;
                    self.push(&record);
                }
                Err(TryRecvError::Empty) => return (took, false),
                Err(TryRecvError::Disconnected) => return (took, true),
            }
        }
        (took, false)
    }

    fn push(&mut self, record: &AccessRecord) {
        if let Some(tap) = &mut self.tap {
            tap.record(record);
            if !tap.wants_lines() && matches!(self.sink, Sink::Nowhere) {
                return;
            }
        }
        let dropped_before = self.shared.dropped.swap(0, Ordering::Relaxed);
        let start = self.lines.len();
        if serde_json::to_writer(&mut self.lines, &Line { record, dropped_before }).is_err() {
            self.lines.truncate(start);
            self.lost(dropped_before.saturating_add(1), 1);
            return;
        }
        if let Some((tap, line)) = self.tap.as_mut().zip(self.lines.get(start..)) {
            tap.line(std::str::from_utf8(line).expect("JSON is text"));
        }
        self.lines.push(b'\n');
        self.count += 1;
        if self.lines.len() >= FLUSH_BYTES {
            self.flush();
        }
    }

    /// Writes the lines; what the file does not take is lost and counted, so that memory stays bounded.
    fn flush(&mut self) {
        // First: whoever reads the log may be slower than a disk.
        if let Some(tap) = &mut self.tap {
            tap.flush();
        }
        let Some(writer) = self.sink.writer().filter(|_| !self.lines.is_empty()) else {
            self.lines.clear();
            self.count = 0;
            return;
        };
        let prefix: &[u8] = if self.torn { b"\n" } else { b"" };
        match write_some(writer, prefix).and_then(|()| write_some(writer, &self.lines)) {
            Ok(()) => {
                self.metrics.written.inc_by(self.count);
                (self.torn, self.failing) = (false, false);
            }
            Err(Stopped { at, error }) => {
                let whole = self.lines.get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
                let whole = u64::try_from(whole).unwrap_or(u64::MAX);
                self.metrics.written.inc_by(whole);
                let lost = self.count.saturating_sub(whole);
                self.lost(lost, lost);
                self.torn |= at > 0 && self.lines.get(at - 1) != Some(&b'\n');
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the access log cannot be written; records are being lost");
                }
            }
        }
        self.lines.clear();
        self.count = 0;
    }

    /// `for_next_line` includes drops that a lost line would have told of.
    fn lost(&self, for_next_line: u64, now: u64) {
        self.shared.dropped.fetch_add(for_next_line, Ordering::Relaxed);
        self.metrics.dropped.inc_by(now);
    }

    fn reopen(&mut self) {
        self.flush();
        if let Some(sink) = self.shared.next.lock().take() {
            (self.sink, self.torn) = (sink, false);
            return;
        }
        if let Sink::File { file, path } = &mut self.sink {
            match open(path) {
                Ok(new) => (*file, self.torn) = (new, false),
                Err(error) => tracing::error!(%error, "the access log cannot be reopened; the old file is used on"),
            }
        }
    }

    /// Waits for more. Under load that is a nap, from which no request has to wake the thread (a wake costs more than
    /// the whole record); after a nap without a record it sleeps until it is woken.
    fn rest(&self, sleep: bool) {
        if !sleep {
            return thread::park_timeout(NAP);
        }
        self.shared.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.shared.queued.load(Ordering::Relaxed) == 0 {
            thread::park_timeout(SLEEP);
        }
        self.shared.asleep.store(false, Ordering::Relaxed);
    }
}

/// Why a write stopped, and behind how many bytes.
struct Stopped {
    at: usize,
    error: io::Error,
}

fn write_some(writer: &mut dyn Write, bytes: &[u8]) -> Result<(), Stopped> {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match writer.write(rest) {
            Ok(0) => return Err(Stopped { at, error: io::ErrorKind::WriteZero.into() }),
            Ok(written) => at += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Stopped { at, error }),
        }
    }
    writer.flush().map_err(|error| Stopped { at, error })
}

/// For its owner and group only: records name users and addresses.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// Records that may wait; the rest is dropped and counted. At 100,000 a second this is a stall of 80 ms.
const QUEUE: usize = 8192;

/// Lines are written out when so many bytes have come together, or when the queue is empty.
const FLUSH_BYTES: usize = 64 * 1024;

/// How old a line gets under load before it is written.
const NAP: Duration = Duration::from_millis(50);

/// The longest sleep without being woken: a belt beside the braces of `Shared::asleep`.
const SLEEP: Duration = Duration::from_secs(5);
