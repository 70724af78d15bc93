//! Appends lines to the file of its family that is open, and begins a new one when that is big or old enough.
//!
//! A file belongs to the process that has its lock (`flock`, which ends with the process): two processes write to two
//! files. A file whose process was killed is gone on with; what stands at its end without a line feed is ended with one,
//! and no reader takes it for a record. Nothing here fails: what cannot be written is lost and counted, said once in the
//! log, and tried again with the next lines.

use super::files::{Family, Terms, list, name};
use super::janitor::Waker;
use super::metrics::{FamilyMetrics, RecordsMetrics};
use super::record::{micros, time_of};
use crate::model::Clock;
use rustix::fs::{FlockOperation, flock, fstat};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

/// The writer of one family.
pub struct Keeper {
    terms: Terms,
    family: Family,
    metrics: FamilyMetrics,
    clock: Arc<dyn Clock>,
    janitor: Waker,
    open: Option<Open>,
    /// The last write failed: that is said once, not a million times.
    failing: bool,
}

/// The file that is written to.
struct Open {
    file: File,
    /// Bytes of whole lines.
    len: u64,
    begun_us: u64,
    /// There may be more bytes than `len`.
    torn: bool,
}

impl Keeper {
    /// Goes on with the last file if nobody has it; the first line makes one else.
    pub fn new(terms: Terms, family: Family, clock: Arc<dyn Clock>, metrics: &RecordsMetrics, janitor: Waker) -> Self {
        let metrics = metrics.of(family);
        let mut keeper = Self { terms, family, metrics, clock, janitor, open: None, failing: false };
        match keeper.resume() {
            Ok(open) => keeper.open = open,
            Err(error) => keeper.failed(&error),
        }
        keeper
    }

    /// Writes whole lines, each with its line feed: `count` of them.
    pub fn write(&mut self, lines: &[u8], count: u64) {
        let stopped = match self.ready(lines.len() as u64) {
            Ok(open) => open.append(lines),
            Err(error) => Err(Stopped { whole: 0, error }),
        };
        match stopped {
            Ok(()) => {
                self.metrics.written.inc_by(count);
                self.metrics.failing.set(0);
                if std::mem::take(&mut self.failing) {
                    tracing::info!(family = self.family.name(), "records are written again");
                }
            }
            Err(Stopped { whole, error }) => {
                self.metrics.written.inc_by(whole);
                self.metrics.lost.inc_by(count.saturating_sub(whole));
                self.failed(&error);
            }
        }
    }

    /// Closes the file if it is old enough: called now and then, also when nothing is written.
    pub fn look(&mut self) {
        let now_us = self.clock.now_us();
        if self.open.as_ref().is_some_and(|open| open.len > 0 && self.is_old(open, now_us)) {
            self.shut();
        }
    }

    /// Lines that came to nothing before they were written.
    pub(super) fn lost(&self, count: u64) {
        self.metrics.lost.inc_by(count);
    }

    fn failed(&mut self, error: &io::Error) {
        self.metrics.failing.set(1);
        if !std::mem::replace(&mut self.failing, true) {
            let (family, dir) = (self.family.name(), self.terms.dir.display());
            tracing::error!(family, %dir, %error, "records cannot be written and are being lost; requests go on");
        }
    }

    fn is_old(&self, open: &Open, now_us: u64) -> bool {
        let age = u64::try_from(self.terms.file_age.as_micros()).unwrap_or(u64::MAX);
        now_us.saturating_sub(open.begun_us) >= age
    }

    /// The file that takes `more` bytes.
    fn ready(&mut self, more: u64) -> io::Result<&mut Open> {
        let now_us = self.clock.now_us();
        let full = |open: &Open| open.len > 0 && open.len.saturating_add(more) > self.terms.file_bytes;
        if self.open.as_ref().is_some_and(|open| full(open) || (open.len > 0 && self.is_old(open, now_us))) {
            self.shut();
        }
        match &mut self.open {
            // Whoever removed it wants a new one; what is written to it would be lost.
            Some(open) if fstat(&open.file)?.st_nlink == 0 => *open = begin(&self.terms.dir, self.family, now_us)?,
            Some(_) => {}
            None => self.open = Some(begin(&self.terms.dir, self.family, now_us)?),
        }
        self.open.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Gives the file up: its lock goes with it, and whoever compresses files finds it.
    fn shut(&mut self) {
        self.open = None;
        self.janitor.wake();
    }

    /// The last file, if nobody has it and it is neither big nor old enough to be closed.
    fn resume(&self) -> io::Result<Option<Open>> {
        let Some(last) = list(&self.terms.dir, self.family)?.pop().filter(|last| !last.closed) else {
            return Ok(None);
        };
        let file = OpenOptions::new().read(true).append(true).open(&last.path)?;
        if !locked(&file)? {
            return Ok(None);
        }
        let len = file.metadata()?.len();
        let mut first = Vec::new();
        BufReader::new(&file).read_until(b'\n', &mut first)?;
        let begun_us = time_of(&first).and_then(micros).unwrap_or(0);
        let mut open = Open { file, len, begun_us, torn: false };
        if len > 0 {
            let mut end = [0];
            open.file.read_exact_at(&mut end, len - 1)?;
            if end != *b"\n" {
                open.file.write_all(b"\n")?;
                open.len += 1;
            }
        }
        let fits = len < self.terms.file_bytes && !self.is_old(&open, self.clock.now_us());
        Ok(Some(open).filter(|_| fits))
    }
}

/// Makes a file and takes its lock.
fn begin(dir: &Path, family: Family, now_us: u64) -> io::Result<Open> {
    DirBuilder::new().recursive(true).mode(0o750).create(dir)?;
    let mut number = list(dir, family)?.last().map_or(0, |last| last.number);
    for _ in 0..ATTEMPTS {
        number += 1;
        let path = dir.join(name(family, number));
        // For its owner and group only: records name users and addresses.
        let file = match OpenOptions::new().append(true).create_new(true).mode(0o640).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue, // another process was quicker
            Err(error) => return Err(error),
        };
        if locked(&file)? {
            return Ok(Open { file, len: 0, begun_us: now_us, torn: false });
        }
    }
    Err(io::Error::other("no file could be begun: others took each of them"))
}

/// Whether `file` is ours now, and still has a name.
pub(super) fn locked(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(fstat(file)?.st_nlink > 0),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Why a write stopped, and how many of its lines are whole in the file.
struct Stopped {
    whole: u64,
    error: io::Error,
}

impl Open {
    /// Appends whole lines. What was written of a line that is not whole is taken back.
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        if self.torn {
            self.file.set_len(self.len).map_err(|error| Stopped { whole: 0, error })?;
            self.torn = false;
        }
        let mut at = 0;
        while let Some(rest) = lines.get(at..).filter(|rest| !rest.is_empty()) {
            let error = match self.file.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(written) => {
                    at += written;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let written = lines.get(..at).unwrap_or_default();
            let whole = memchr::memrchr(b'\n', written).map_or(0, |at| at + 1);
            self.len += whole as u64;
            self.torn = at > whole && self.file.set_len(self.len).is_err();
            let lines = written.iter().filter(|byte| **byte == b'\n').count();
            return Err(Stopped { whole: lines as u64, error });
        }
        self.len += lines.len() as u64;
        Ok(())
    }
}

/// Files that another process may begin at the same moment.
const ATTEMPTS: usize = 16;
