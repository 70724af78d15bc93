//! A request that was refused: kept for reporting, without a cost. It is never counted as an attempt.

use crate::ledger::journal::frame::{Frame, RefuseFrame, bounded};
use crate::ledger::row::{Names, api_name};
use crate::model::RequestId;
use std::sync::Arc;

/// A refused request. What is not known of it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The gateway's own id.
    pub id: RequestId,
    /// When, in microseconds since the Unix epoch.
    pub time_us: u64,
    /// The virtual key's name; empty before a caller was recognized.
    pub key: Arc<str>,
    /// Who would have paid.
    pub team: Arc<str>,
    /// The end user, as the client says.
    pub user: Option<Arc<str>>,
    /// The name that the client asked for; empty where its body was not read.
    pub model: Arc<str>,
    /// `Api::name()`.
    pub api: &'static str,
    /// The refusal's stable code.
    pub code: Arc<str>,
    /// The status of the answer.
    pub status: u16,
}

impl Refused {
    /// As a record of the journal.
    pub(crate) fn record(&self) -> Frame<'_> {
        Frame::Refuse(RefuseFrame {
            id: self.id,
            time_us: self.time_us,
            key: bounded(&self.key),
            team: bounded(&self.team),
            user: self.user.as_deref().map(bounded),
            model: bounded(&self.model),
            api: self.api,
            code: bounded(&self.code),
            status: self.status,
        })
    }

    /// From a record of the journal.
    pub(crate) fn from_frame(frame: &RefuseFrame<'_>, names: &mut Names) -> Self {
        Self {
            id: frame.id,
            time_us: frame.time_us,
            key: names.intern(frame.key),
            team: names.intern(frame.team),
            user: frame.user.map(Arc::from),
            model: names.intern(frame.model),
            api: api_name(frame.api),
            code: names.intern(frame.code),
            status: frame.status,
        }
    }
}
