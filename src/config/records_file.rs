//! What the file says of records, as written.

use super::Content;
use super::quantity::{Size, Time};
use serde::Deserialize;

/// Records of requests, prompts and answers.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RecordsFile {
    pub(super) content: Content,
    pub(super) content_max_bytes: Option<Size>,
    /// `stdout`, `off` or a path.
    pub(super) access_log: Option<String>,
    /// `off` or a path.
    pub(super) dir: Option<String>,
    pub(super) file_bytes: Option<Size>,
    pub(super) file_age: Option<Time>,
    pub(super) keep_for: Option<Time>,
    pub(super) keep_bytes: Option<Size>,
}

/// The same, of one team.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamRecordsFile {
    pub(super) content: Content,
}
