//! What can go wrong with the ledger.

use std::io;
use std::path::{Path, PathBuf};

/// Why the ledger could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The operating system refused; `what` was being done to `path`.
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io {
        /// The verb: `write`, `open` …
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process admits requests on this state directory.
    #[error("state directory `{}` is in use by process {}: stop it, or give this one its own `state.dir`", dir.display(), pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    Locked {
        /// The state directory.
        dir: PathBuf,
        /// Who holds the lock, as far as the lock file says.
        pid: Option<u32>,
    },
    /// The store was written by a newer version.
    #[error("`{}` has schema version {found}, this program knows versions up to {known}: run the newer program", path.display())]
    Schema {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// A journal segment's header is damaged, or a newer version wrote it.
    #[error("`{}` is no journal segment that this program can read: {reason}", path.display())]
    Format {
        /// The segment.
        path: PathBuf,
        /// What is wrong with its header.
        reason: String,
        /// Whether a newer version wrote it: then nothing is read on, settled or cut.
        newer: bool,
    },
    /// SQLite refused.
    #[error("ledger store: {0}")]
    Store(#[source] rusqlite::Error),
    /// Reading took longer than it may: see [`super::within`].
    #[error(
        "it takes too long to read: ask for less time (`since`, `until`) or for one team or key; the commands on the \
         gateway's machine (`usage`, `guard report`, `ledger export`) have no such limit"
    )]
    TooLong,
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
    /// One record is larger than a frame may be.
    #[error("the record has {bytes} bytes, at most {max} fit")]
    TooLarge {
        /// Size of the record.
        bytes: usize,
        /// Largest frame.
        max: usize,
    },
    /// The grouped `fdatasync` that should have covered the row failed.
    #[error("the journal could not be flushed to disk")]
    NotDurable,
    /// The report could not be written to where it was asked for.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    /// An argument of a report cannot be read.
    #[error("{0}")]
    Argument(String),
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => Self::TooLong,
            _ => Self::Store(error),
        }
    }
}

impl LedgerError {
    /// Wraps an error of the operating system.
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}
