//! Who may do what in a state directory: advisory locks that end with the process that holds them.
//!
//! `authority.lock` is held by the process that admits requests. `journal/<epoch>.lock` is held by the process whose
//! epoch it is: an epoch whose lock is free is dead.

use crate::ledger::LedgerError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// How often a lock is tried again: a report holds it for some microseconds when it asks who is alive.
const TRIES: u32 = 5;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(5);

impl Lock {
    /// Takes the lock, or tells that another process has it.
    fn take(path: &Path, create: bool) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create(create).mode(0o600).open(path)?;
        for _ in 0..TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(rustix::io::Errno::WOULDBLOCK) => std::thread::park_timeout(PAUSE),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(None)
    }
}

/// Takes the lock of the process that admits requests on `dir`.
///
/// # Errors
///
/// `Locked` with the holder's process id; `Io`.
pub(crate) fn authority(dir: &Path) -> Result<Lock, LedgerError> {
    let path = dir.join("authority.lock");
    let Some(mut lock) = Lock::take(&path, true).map_err(|e| LedgerError::io("lock", &path, e))? else {
        let pid = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
        return Err(LedgerError::Locked { dir: dir.to_owned(), pid });
    };
    let pid = format!("{}\n", std::process::id());
    // The id is for people; the lock does not depend on it.
    drop(lock._file.set_len(0).and_then(|()| lock._file.write_all(pid.as_bytes())));
    Ok(lock)
}

/// Takes a new epoch, later than every other and than `after`.
///
/// # Errors
///
/// `Io`.
pub(crate) fn new_epoch(journal: &Path, after: u64) -> Result<(u64, Lock), LedgerError> {
    let mut epoch = epochs(journal)?.into_iter().max().unwrap_or(0).max(after);
    loop {
        epoch += 1;
        let path = epoch_path(journal, epoch);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(LedgerError::io("create", &path, e)),
        }
        if let Some(lock) = Lock::take(&path, false).map_err(|e| LedgerError::io("lock", &path, e))? {
            return Ok((epoch, lock));
        }
    }
}

/// Takes the lock of a dead epoch, so that nobody else settles it; `None` if its process is alive.
///
/// # Errors
///
/// `Io`.
pub(crate) fn dead_epoch(journal: &Path, epoch: u64) -> Result<Option<Lock>, LedgerError> {
    let path = epoch_path(journal, epoch);
    Lock::take(&path, true).map_err(|e| LedgerError::io("lock", &path, e))
}

/// Whether the process of an epoch is alive. Creates nothing.
pub(crate) fn is_alive(journal: &Path, epoch: u64) -> bool {
    let Ok(file) = File::open(epoch_path(journal, epoch)) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

/// Forgets an epoch of which nothing is left.
pub(crate) fn forget_epoch(journal: &Path, epoch: u64) {
    drop(std::fs::remove_file(epoch_path(journal, epoch)));
}

/// The epochs that have a lock file or a segment, in order.
///
/// # Errors
///
/// `Io`.
pub(crate) fn epochs(journal: &Path) -> Result<Vec<u64>, LedgerError> {
    let mut found: Vec<u64> = super::journal::segment::list(journal)?.into_iter().map(|id| id.epoch).collect();
    if let Ok(entries) = std::fs::read_dir(journal) {
        let names = entries.flatten().map(|entry| entry.file_name());
        found.extend(names.filter_map(|name| name.to_str()?.strip_suffix(".lock")?.parse::<u64>().ok()));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn epoch_path(journal: &Path, epoch: u64) -> PathBuf {
    journal.join(format!("{epoch:08}.lock"))
}
