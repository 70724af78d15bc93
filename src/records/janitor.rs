//! Closes files that nobody writes to any more and removes those that are too old or too many. A thread of its own, of
//! the lowest priority: compressing takes a second or so, and nobody waits for it.

use super::files::{Family, Listed, Terms, doubled, list};
use super::frames;
use super::keeper::locked;
use super::metrics::{FamilyMetrics, RecordsMetrics};
use crate::model::Clock;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

/// Says that there is something to close.
#[derive(Debug, Clone)]
pub struct Waker(SyncSender<()>);

impl Waker {
    /// Never waits.
    pub fn wake(&self) {
        let _ = self.0.try_send(());
    }
}

/// The thread; it ends when all its [`Waker`]s and this are dropped.
#[derive(Debug)]
pub struct Janitor {
    waker: Waker,
}

impl Janitor {
    /// Starts it; it looks after both families, also where one is not written to any more. Its first round waits for the
    /// first [`Waker::wake`].
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start(terms: Terms, clock: Arc<dyn Clock>, metrics: &RecordsMetrics) -> io::Result<Self> {
        let (sender, woken) = sync_channel(1);
        let families = [Family::Requests, Family::Contents].map(|family| (family, metrics.of(family)));
        let round = Round { terms, clock, families };
        thread::Builder::new().name("records-janitor".to_owned()).spawn(move || {
            // Of this thread only, as Linux has it; it does its work without, too.
            let _ = rustix::process::setpriority_process(None, 19);
            round.go_on(&woken);
        })?;
        Ok(Self { waker: Waker(sender) })
    }

    /// For whoever writes.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

struct Round {
    terms: Terms,
    clock: Arc<dyn Clock>,
    families: [(Family, FamilyMetrics); 2],
}

impl Round {
    fn go_on(&self, woken: &Receiver<()>) {
        let mut said = false;
        // First whoever writes takes the files that it goes on with.
        while woken.recv_timeout(EACH) != Err(RecvTimeoutError::Disconnected) {
            let mut failed = false;
            for (family, metrics) in &self.families {
                if let Err(error) = self.tidy(*family, metrics) {
                    failed = true;
                    if !said {
                        let (family, dir) = (family.name(), self.terms.dir.display());
                        tracing::error!(family, %dir, %error, "files of records cannot be closed or removed");
                    }
                }
            }
            said = failed;
        }
    }

    fn tidy(&self, family: Family, metrics: &FamilyMetrics) -> io::Result<()> {
        let dir = &self.terms.dir;
        for plain in doubled(dir, family)? {
            fs::remove_file(plain)?;
        }
        // What is too old is not compressed first; what is removed first makes room for the rest.
        let (files, now_us) = (list(dir, family)?, self.clock.now_us());
        let mut result = self.remove(&files, &[], now_us, metrics);
        let mut left = Vec::new();
        for file in files.into_iter().filter(|file| !file.closed) {
            if let Err(error) = close(&file) {
                left.push(file.number);
                result = result.and(Err(error));
            }
        }
        result.and(self.remove(&list(dir, family)?, &left, now_us, metrics))
    }

    /// Removes the oldest closed files, as many as must go, and of `left` those that could not be closed because the disk
    /// is full.
    fn remove(&self, files: &[Listed], left: &[u64], now_us: u64, metrics: &FamilyMetrics) -> io::Result<()> {
        let mut sizes = Vec::new();
        let mut written_to = 0;
        for file in files {
            let metadata = match fs::metadata(&file.path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if !file.closed && !left.contains(&file.number) {
                written_to += metadata.len();
                continue;
            }
            let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let age = Duration::from_micros(now_us).saturating_sub(written);
            sizes.push((file, metadata.len(), age));
        }
        let mut all: u64 = sizes.iter().map(|(_, size, _)| size).sum();
        for (file, size, age) in &sizes {
            let goes = *age > self.terms.keep_for || all > self.terms.keep_bytes;
            if goes && (file.closed || free(file)?.is_some()) {
                fs::remove_file(&file.path)?;
                all = all.saturating_sub(*size);
            }
        }
        metrics.bytes.set(i64::try_from(all.saturating_add(written_to)).unwrap_or(i64::MAX));
        Ok(())
    }
}

/// A plain file with its lock, if nobody writes to it.
fn free(file: &Listed) -> io::Result<Option<File>> {
    match File::open(&file.path) {
        Ok(plain) => Ok(if locked(&plain)? { Some(plain) } else { None }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Closes a file if nobody writes to it.
fn close(file: &Listed) -> io::Result<()> {
    let Some(plain) = free(file)? else { return Ok(()) };
    if plain.metadata()?.len() == 0 {
        return fs::remove_file(&file.path);
    }
    frames::close(&file.path)
}

/// How often it is looked what is too old.
const EACH: Duration = Duration::from_secs(30);
