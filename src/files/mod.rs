//! Who put which file and which batch into a provider's account: `files.sqlite` in the state directory.
//!
//! One account holds what all teams put there, so the gateway remembers whose each thing is; and of a batch what it is to be
//! charged to, and whether that was done. It knows ids, names and moments, never contents, and no provider. Its calls block:
//! [`Shelf::ask`] makes them on a thread for that.

mod shelf;
#[cfg(test)]
mod tests;

pub use shelf::Shelf;

use crate::model::Api;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the table cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A newer version wrote it.
    #[error("`{}` has schema version {found}, this program knows versions up to {known}: run the newer program", path.display())]
    Schema {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// SQLite refused.
    #[error("table of files: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// What stands there makes no sense.
    #[error("table of files: {0}")]
    Damaged(String),
    /// The thread that was asked ended.
    #[error("table of files: the thread that was asked ended")]
    Ended,
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A file.
    File,
    /// A batch.
    Batch,
}

impl Kind {
    /// The word for it, in the table and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Batch => "batch",
        }
    }
}

/// How far the metering of a batch is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Metering {
    /// It was not seen at its end yet; also of files, which are not metered.
    #[default]
    Open,
    /// It is over, and its provider does not report what it used: its output file will tell.
    Unreported,
    /// Its row is in the ledger.
    Done,
}

/// A balance that a batch is charged to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Charge {
    /// Id of the budget.
    pub budget: Arc<str>,
    /// The value of its `each`; empty without.
    pub entity: Arc<str>,
    /// Beginning of the period in which the batch was made, in microseconds since the Unix epoch; 0 for life.
    pub period_us: u64,
    /// Counted in tokens, not in dollars.
    pub tokens: bool,
}

/// A thing in a provider's account, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The provider's name in the configuration.
    pub provider: Arc<str>,
    /// What it is.
    pub kind: Kind,
    /// The provider's id of it.
    pub id: String,
    /// Who put it there.
    pub team: Arc<str>,
    /// The name of their key.
    pub key: Arc<str>,
    /// The end user, if one was told.
    pub user: Option<Arc<str>>,
    /// A file's purpose; empty for batches.
    pub purpose: String,
    /// The model of the configuration: of a batch, and of a file of requests that was checked.
    pub model: Option<Arc<str>>,
    /// The batch that made a file of answers.
    pub batch: Option<String>,
    /// When it was put there, in microseconds since the Unix epoch.
    pub created_us: u64,
    /// What a batch is charged to.
    pub charges: Vec<Charge>,
    /// How far the metering of a batch is.
    pub metering: Metering,
    /// The call that its requests make: of a file of requests that was checked, of a batch, and of what that made.
    pub api: Option<Api>,
    /// Names of guardrails that whoever put it there was under: the answers to its requests are looked at by them.
    pub guards: Vec<Arc<str>>,
    /// Of a file of requests: those among them that looked at every line, and would have refused or edited it.
    pub looked: Vec<Arc<str>>,
}
