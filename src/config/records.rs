//! What is recorded of requests, and how long.

use super::AccessLog;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is recorded of requests.
#[derive(Debug)]
pub struct Records {
    /// Where one JSON line a request goes beside the files.
    pub access_log: AccessLog,
    /// Files of records that can be searched; `None`: there are none.
    pub files: Option<RecordFiles>,
    /// Whether prompts and answers are kept, of teams that are not in `teams`.
    pub content: Content,
    /// Teams that say so themselves.
    pub teams: BTreeMap<Arc<str>, Content>,
    /// So much is kept of a request, and so much of its answer.
    pub content_max_bytes: usize,
}

impl Records {
    /// Whether prompts and answers of any team are kept in this way.
    pub fn has(&self, content: Content) -> bool {
        self.content == content || self.teams.values().any(|team| *team == content)
    }

    /// Whether prompts and answers of any team are kept.
    pub fn keeps_content(&self) -> bool {
        self.has(Content::Redacted) || self.has(Content::Full)
    }
}

/// Where files of records lie and how long they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFiles {
    /// The directory.
    pub dir: PathBuf,
    /// A file is closed when it has so many bytes.
    pub file_bytes: u64,
    /// And when it is so old.
    pub file_age: Duration,
    /// A closed file is removed when its last line is so old.
    pub keep_for: Duration,
    /// The oldest closed files are removed where all have more bytes: those of records, and those of contents.
    pub keep_bytes: u64,
}

/// Whether prompts and answers are kept.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// They are not.
    #[default]
    None,
    /// With what is personal or secret replaced.
    Redacted,
    /// As they are.
    Full,
}

impl Content {
    /// The word of the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Redacted => "redacted",
            Self::Full => "full",
        }
    }
}
