//! What guardrails found, as records of the journal hold it.

use crate::model::AttemptId;
use serde::{Deserialize, Serialize};

/// What guardrails found since the record before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindFrame<'a> {
    /// Attempt 0: it was found in the request.
    pub id: AttemptId,
    pub part: u16,
    pub time_us: u64,
    pub key: &'a str,
    pub team: &'a str,
    pub user: Option<&'a str>,
    pub model: &'a str,
    pub api: &'a str,
    #[serde(borrow)]
    pub findings: Vec<FindingFrame<'a>>,
}

/// What one guardrail did about one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindingFrame<'a> {
    pub guardrail: &'a str,
    pub kind: &'a str,
    pub entity: &'a str,
    pub foreign: bool,
    pub hook: &'a str,
    pub action: &'a str,
    pub audited: bool,
    pub count: u32,
}
