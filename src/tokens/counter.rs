//! The thread that counts: one, of our own, with a bounded queue.

use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// Work for the counting thread: counts, and settles with what it counted.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs one after the other, off the hot path. Dropping it without [`Counter::close`] lets the thread finish what
/// is queued, without waiting for it.
pub struct Counter {
    queue: Mutex<Option<SyncSender<Queued>>>,
    done: Mutex<Receiver<()>>,
    shared: Arc<Shared>,
    max_held_bytes: usize,
}

/// What callers and the thread tell each other beside the queue.
#[derive(Default)]
struct Shared {
    /// Of the jobs that wait and the one that runs.
    held_bytes: AtomicUsize,
    /// No further job is run.
    hurry: AtomicBool,
}

struct Queued {
    job: Job,
    bytes: usize,
}

impl Counter {
    /// Starts the thread. At most `max_jobs` wait, holding at most `max_held_bytes` of bodies and answers together.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(max_jobs: usize, max_held_bytes: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(max_jobs);
        let (done_sender, done) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("token-counter".to_owned()).spawn(move || {
            run(&receiver, &theirs);
            let _ = done_sender.send(());
        })?;
        Ok(Self { queue: Mutex::new(Some(sender)), done: Mutex::new(done), shared, max_held_bytes })
    }

    /// Hands over a job that keeps `bytes` bytes alive until it has run. Never waits.
    ///
    /// # Errors
    ///
    /// The job itself, when there is no room or the counter is closed: the caller settles by estimate. (It may as well
    /// count nothing itself: that would hold up its thread.)
    pub fn submit(&self, job: Job, bytes: usize) -> Result<(), Job> {
        let held = self.shared.held_bytes.fetch_add(bytes, Ordering::AcqRel);
        let room = held.checked_add(bytes).is_some_and(|sum| sum <= self.max_held_bytes);
        let sent = match &*self.queue.lock() {
            Some(queue) if room => queue.try_send(Queued { job, bytes }).map_err(|refused| match refused {
                TrySendError::Full(queued) | TrySendError::Disconnected(queued) => queued.job,
            }),
            _ => Err(job),
        };
        if sent.is_err() {
            self.shared.held_bytes.fetch_sub(bytes, Ordering::AcqRel);
        }
        sent
    }

    /// Bytes that waiting jobs and the running one keep alive.
    pub fn held_bytes(&self) -> usize {
        self.shared.held_bytes.load(Ordering::Acquire)
    }

    /// Takes no more, runs what is queued and waits for it, for at most `patience`; then what still waits is dropped
    /// unrun (what a job owns settles by its own `Drop`). Returns whether all was run. Not for use by a job.
    pub fn close(&self, patience: Duration) -> bool {
        drop(self.queue.lock().take());
        let done = self.done.lock();
        // Disconnected: closed before.
        let in_time = !matches!(done.recv_timeout(patience), Err(RecvTimeoutError::Timeout));
        if !in_time {
            self.shared.hurry.store(true, Ordering::Release);
            // The job that runs cannot be stopped; it is one text long.
            let _ = done.recv();
        }
        in_time
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Counter").field("held_bytes", &self.held_bytes()).finish_non_exhaustive()
    }
}

fn run(queue: &Receiver<Queued>, shared: &Shared) {
    while let Ok(Queued { job, bytes }) = queue.recv() {
        if shared.hurry.load(Ordering::Acquire) {
            drop(job);
        } else {
            // A job that panics must not end the counting of all others; what it owned settles by its own `Drop`.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
        shared.held_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn close_runs_what_is_queued() {
        let counter = Counter::start(16, 1_000).expect("a thread");
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let ran = Arc::clone(&ran);
            let job: Job = Box::new(move || {
                let _ = ran.fetch_add(1, Ordering::SeqCst);
            });
            assert!(counter.submit(job, 10).is_ok());
        }
        assert!(counter.close(PATIENCE));
        assert_eq!((ran.load(Ordering::SeqCst), counter.held_bytes()), (10, 0));
        assert!(counter.submit(Box::new(|| {}), 0).is_err(), "closed");
        assert!(counter.close(PATIENCE));
    }

    #[test]
    fn a_job_without_room_comes_back_to_its_owner() {
        let counter = Counter::start(1, 100).expect("a thread");
        let (started, is_started) = channel();
        let (release, released) = channel::<()>();
        let first: Job = Box::new(move || {
            started.send(()).expect("the test listens");
            let _ = released.recv();
        });
        assert!(counter.submit(first, 60).is_ok());
        is_started.recv().expect("the first job runs");
        assert!(counter.submit(Box::new(|| {}), 50).is_err(), "too many bytes");
        assert!(counter.submit(Box::new(|| {}), usize::MAX).is_err(), "far too many bytes");
        assert!(counter.submit(Box::new(|| {}), 40).is_ok(), "just fits");
        let (run, has_run) = channel();
        let back = counter.submit(Box::new(move || run.send(()).expect("the test listens")), 0);
        back.map_err(|job| job()).expect_err("too many jobs");
        has_run.recv().expect("the owner ran it");
        release.send(()).expect("the first job waits");
        assert!(counter.close(PATIENCE));
        assert_eq!(counter.held_bytes(), 0);
    }

    #[test]
    fn a_job_that_panics_harms_no_other() {
        let counter = Counter::start(4, 100).expect("a thread");
        let (done, is_done) = channel();
        assert!(counter.submit(Box::new(|| panic!("planted")), 10).is_ok());
        assert!(counter.submit(Box::new(move || done.send(()).expect("the test listens")), 10).is_ok());
        is_done.recv().expect("the second job ran");
        assert!(counter.close(PATIENCE));
        assert_eq!(counter.held_bytes(), 0);
    }

    #[test]
    fn past_patience_what_waits_is_dropped_unrun() {
        /// Tells when it is dropped, as a reservation settles.
        struct Guard(std::sync::mpsc::Sender<&'static str>);
        impl Drop for Guard {
            fn drop(&mut self) {
                let _ = self.0.send("dropped");
            }
        }
        let counter = Arc::new(Counter::start(4, 100).expect("a thread"));
        let (started, is_started) = channel();
        let (release, released) = channel::<()>();
        let (tell, told) = channel();
        let first: Job = Box::new(move || {
            started.send(()).expect("the test listens");
            let _ = released.recv();
        });
        assert!(counter.submit(first, 10).is_ok());
        is_started.recv().expect("the first job runs");
        let guard = Guard(tell.clone());
        let second: Job = Box::new(move || {
            let _ = guard.0.send("ran");
        });
        assert!(counter.submit(second, 10).is_ok());
        let shared = Arc::clone(&counter.shared);
        let releaser = thread::spawn(move || {
            while !shared.hurry.load(Ordering::Acquire) {
                thread::yield_now();
            }
            release.send(()).expect("the first job waits");
        });
        assert!(!counter.close(Duration::from_millis(1)));
        releaser.join().expect("no panic");
        assert_eq!((told.recv(), counter.held_bytes()), (Ok("dropped"), 0));
    }
}
