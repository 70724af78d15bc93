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
        let (mut files, now_us) = (list(dir, family)?, self.clock.now_us());
        let mut result = self.remove(&mut files, now_us, metrics);
        for file in files.iter().filter(|file| !file.closed) {
            let closed = close(file);
            result = result.and(closed);
        }
        result.and(self.remove(&mut list(dir, family)?, now_us, metrics))
    }

    /// Removes the oldest closed files, as many as must go.
    fn remove(&self, files: &mut Vec<Listed>, now_us: u64, metrics: &FamilyMetrics) -> io::Result<()> {
        let mut sizes = Vec::new();
        for file in files.iter() {
            let metadata = match fs::metadata(&file.path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let age = Duration::from_micros(now_us).saturating_sub(written);
            sizes.push((file.clone(), metadata.len(), age));
        }
        let mut all: u64 = sizes.iter().map(|(_, size, _)| size).sum();
        for (file, size, age) in sizes.iter().filter(|(file, ..)| file.closed) {
            if *age > self.terms.keep_for || all > self.terms.keep_bytes {
                fs::remove_file(&file.path)?;
                files.retain(|other| other != file);
                all = all.saturating_sub(*size);
            }
        }
        metrics.bytes.set(i64::try_from(all).unwrap_or(i64::MAX));
        Ok(())
    }
}

/// Closes a file if nobody writes to it.
fn close(file: &Listed) -> io::Result<()> {
    let plain = match File::open(&file.path) {
        Ok(plain) => plain,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !locked(&plain)? {
        return Ok(());
    }
    if plain.metadata()?.len() == 0 {
        return fs::remove_file(&file.path);
    }
    frames::close(&file.path)
}

/// How often it is looked what is too old.
const EACH: Duration = Duration::from_secs(30);
