//! What guardrails found in requests and answers: names, places, actions and counts, never a text.
//!
//! A record is journaled with one `write(2)`: what was found in a request before anything of it is sent or refused, what
//! was found in an answer at once, then at most once a second, and before its attempt is settled. It is keyed by the
//! request, so that a request that was refused counts too, though no attempt was made for it. Each record holds what is
//! new since the one before it; sums are in `cells`, reports in [`report`].

mod cells;
pub mod export;
pub(crate) mod proof;
pub mod render;
pub mod report;

pub use cells::Figures;
pub(crate) use cells::{Cell, Level, Tally, Who};

use crate::{
    ledger::{
        journal::found::{FindFrame, FindingFrame},
        journal::frame::{Frame, bounded},
        row::{Names, api_name},
    },
    model::{AttemptId, RequestId},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest name that a record holds.
const MAX_NAME_BYTES: usize = 128;

/// What guardrails found in a request, or in the answer to one of its attempts, since the record before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The gateway's own id, and whose answer it was found in; attempt 0: it was found in the request.
    pub id: AttemptId,
    /// From 1 on, for each request and attempt: records of one `id` are told apart by it.
    pub part: u16,
    /// When the request came, in microseconds since the Unix epoch: the same in all records of a request.
    pub time_us: u64,
    /// The virtual key's name.
    pub key: Arc<str>,
    /// Who pays.
    pub team: Arc<str>,
    /// The end user, as the client says.
    pub user: Option<Arc<str>>,
    /// The name that the client asked for.
    pub model: Arc<str>,
    /// `Api::name()`.
    pub api: &'static str,
    /// What was found; at most 64 kinds of things.
    pub findings: Vec<Finding>,
}

/// What one guardrail did about one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The guardrail's name.
    pub guardrail: Arc<str>,
    /// Its kind: `pii`, `secrets` …
    pub kind: Arc<str>,
    /// What it found: `email`, `word` …; `failed`: it could not say.
    pub entity: Arc<str>,
    /// The entity was named by a service: of no closed set.
    pub foreign: bool,
    /// What it looked at: `input`, `output`, `tool_call`, `tool_result`.
    pub hook: Arc<str>,
    /// What it did, or would have done: `block`, `redact`, `mask`, `hash`, `tokenize`, `flag`.
    pub action: Arc<str>,
    /// It only tells: nothing was done.
    pub audited: bool,
    /// How often.
    pub count: u32,
}

impl Finding {
    /// Whether the guardrail did something: it refused or changed a text. What is audited or only flagged did not act.
    pub fn acted(&self) -> bool {
        !self.audited && &*self.action != "flag"
    }

    fn frame(&self) -> FindingFrame<'_> {
        FindingFrame {
            guardrail: named(&self.guardrail),
            kind: named(&self.kind),
            entity: named(&self.entity),
            foreign: self.foreign,
            hook: named(&self.hook),
            action: named(&self.action),
            audited: self.audited,
            count: self.count,
        }
    }

    /// What it did in one word: `redact`, or `audit:redact` where it only tells.
    pub(crate) fn deed(&self) -> Arc<str> {
        if self.audited { format!("audit:{}", self.action).into() } else { Arc::clone(&self.action) }
    }
}

/// Cuts a name to what a record holds, at a character.
fn named(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME_BYTES)]
}

impl Findings {
    /// `input`: found in the request; `output`: found in an answer.
    pub const fn side(&self) -> &'static str {
        if self.id.attempt == 0 { "input" } else { "output" }
    }

    /// As a record of the journal.
    pub(crate) fn record(&self) -> Frame<'_> {
        Frame::Find(FindFrame {
            id: self.id,
            part: self.part,
            time_us: self.time_us,
            key: bounded(&self.key),
            team: bounded(&self.team),
            user: self.user.as_deref().map(bounded),
            model: bounded(&self.model),
            api: self.api,
            findings: self.findings.iter().map(Finding::frame).collect(),
        })
    }

    /// From a record of the journal.
    pub(crate) fn from_frame(frame: &FindFrame<'_>, names: &mut Names) -> Self {
        let finding = |finding: &FindingFrame<'_>, names: &mut Names| Finding {
            guardrail: names.intern(finding.guardrail),
            kind: names.intern(finding.kind),
            entity: names.intern(finding.entity),
            foreign: finding.foreign,
            hook: names.intern(finding.hook),
            action: names.intern(finding.action),
            audited: finding.audited,
            count: finding.count,
        };
        Self {
            id: frame.id,
            part: frame.part,
            time_us: frame.time_us.min(i64::MAX as u64),
            key: names.intern(frame.key),
            team: names.intern(frame.team),
            user: frame.user.map(Arc::from),
            model: names.intern(frame.model),
            api: api_name(frame.api),
            findings: frame.findings.iter().map(|one| finding(one, names)).collect(),
        }
    }

    /// The request.
    pub(crate) const fn request(&self) -> RequestId {
        self.id.request
    }
}
