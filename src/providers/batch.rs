//! What a batch says of itself, and a line of its answers.

use crate::model::Usage;

/// A batch as its provider describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchReading {
    /// Its id.
    pub id: String,
    /// Nothing more is done for it: it is completed, has expired or failed, or was cancelled.
    pub over: bool,
    /// The file of its answers, if there are any yet.
    pub output: Option<String>,
    /// The file of what went wrong, if anything did.
    pub errors: Option<String>,
    /// What all its answers used; `None`: its provider does not say, or not yet.
    pub usage: Option<Usage>,
}
