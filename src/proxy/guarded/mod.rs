//! Where guardrails meet requests and answers: which hold, what a request may say before it is planned and paid for, and
//! what of an answer goes out.
//!
//! A request is looked at once, in the words of its client, and goes on as its guardrails leave it: so whatever target
//! it is sent to, and whatever copies are made of it, nothing else leaves. An answer is looked at in the words of the
//! client too, as the last thing before it is written; it was metered before.

mod input;
mod lines;
mod output;
mod outside;
mod remote;
mod stream;

pub use input::{Looked, guards_of, mask, unless_closed, unless_not_looked, unless_unseen};
pub use lines::{Line, Party};
pub use output::{Ends, told_by};
pub use remote::{Asking, Who};

use super::{
    reject::{Fault, Reject},
    trouble::Trouble,
};
use crate::{
    config::Hook,
    dialect::view::NoView,
    guard::{Desk, Direction, FAILED, Mask, Refused, Verdicts},
    model::Api,
    telemetry::ProxyMetrics,
};
use bytes::Bytes;
use outside::Outside;
use remote::Asker;
use std::sync::Arc;
use stream::Streamed;

/// The guardrails of one request, from its body to the end of its answer.
pub struct Guarding {
    desk: Desk,
    /// Those that hold: another model's are not added on the way.
    mask: Mask,
    api: Api,
    /// The attempt's stream, where answers are looked at.
    stream: Option<Box<Streamed>>,
    /// The length of what ended the answer, if the end was looked at.
    marker: Option<usize>,
    /// Who asks services about the answer; `None`: nobody does, for nobody gets the answer.
    asker: Option<Arc<Asker>>,
    /// The services that look at the attempt's answer.
    outside: Option<Box<Outside>>,
    /// Somebody gets the answer, and comes for what of it waits.
    read: bool,
    /// A long answer that is looked at on another thread.
    long: Long,
}

/// A long answer that came whole.
#[derive(Default)]
enum Long {
    /// There is none.
    #[default]
    None,
    /// It was not looked at.
    Waits(Bytes),
    /// It may go out.
    Looked(Bytes),
}

impl Guarding {
    /// What was said so far.
    pub fn verdicts(&self) -> &Verdicts {
        self.desk.verdicts()
    }

    /// The guardrails that hold, if an answer that they let out may be given to others who say the same; `None`: it may not.
    /// Placeholders in the request stand for what this client said, and services may say otherwise the next time.
    pub fn shareable(&self) -> Option<Mask> {
        let asks = self.asker.is_some() && self.desk.set().remotes(Direction::Answer).next().is_some();
        (!asks && !self.desk.hides()).then_some(self.mask)
    }

    /// Whether all of `mask` hold already.
    pub const fn has(&self, mask: Mask) -> bool {
        mask & !self.mask == 0
    }
}

/// Counts what was said about a request.
pub fn count(metrics: &ProxyMetrics, verdicts: &Verdicts) {
    for said in verdicts.all() {
        let action = if said.audited { "audit" } else { said.action.name() };
        let entity = if said.foreign { "other" } else { &said.entity };
        metrics.guarded(&said.guard, said.hook.name(), action, entity, said.count);
    }
}

/// A request that was refused, and what was said about it.
pub struct Stopped {
    /// Why.
    pub reject: Reject,
    /// What was said.
    pub verdicts: Box<Verdicts>,
}

/// Before anything was said.
impl From<Reject> for Stopped {
    fn from(reject: Reject) -> Self {
        Self { reject, verdicts: Box::default() }
    }
}

/// Why a guardrail does not let a request pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Guarded {
    /// It refuses what is said, or asked for.
    #[error("guardrail `{guard}` refuses the {}: it found `{entity}`{}", said_in(*.hook), because(.why.as_deref()))]
    Blocked {
        /// The guardrail's name.
        guard: Arc<str>,
        /// What it looked at.
        hook: Hook,
        /// What it found.
        entity: Arc<str>,
        /// More about it; never the text.
        why: Option<String>,
    },
    /// It could not say, and nothing passes without its word.
    #[error("guardrail `{guard}` could not look at the {}, which does not pass without its word; try again", said_in(*.hook))]
    Failed {
        /// The guardrail's name.
        guard: Arc<str>,
        /// What it looked at.
        hook: Hook,
    },
    /// It has no view of such calls, and nothing passes without its word.
    #[error("guardrail `{guard}` must look at this call, and cannot: {why}")]
    NoView {
        /// The guardrail's name.
        guard: Arc<str>,
        /// Why not.
        why: NoView,
    },
    /// It is about a line of a file of requests.
    #[error("line {line} (`{custom_id}`): {why}")]
    Line {
        /// From 1.
        line: usize,
        /// The client's name of the line.
        custom_id: String,
        /// What is wrong with it.
        why: Box<Guarded>,
    },
    /// Placeholders would stand in requests whose answers come when nobody has their values any more.
    #[error(
        "guardrail `{guard}` puts placeholders into requests (`tokenize`), and the values that they stand for are not kept for \
         as long as a batch takes: send these requests one by one, or ask the operator for a guardrail that redacts, masks or \
         hashes"
    )]
    Tokenizes {
        /// The guardrail's name.
        guard: Arc<str>,
    },
    /// A file was put there before this guardrail was there to look at it.
    #[error("guardrail `{guard}` did not look at file `{file}` when it was uploaded: upload it again")]
    NotLooked {
        /// The guardrail's name.
        guard: Arc<str>,
        /// The file.
        file: String,
    },
    /// The client asks for one that there is not.
    #[error("there is no guardrail `{name}`, which `x-weighbridge-guardrails` asks for")]
    Unknown {
        /// What it asks for.
        name: String,
    },
}

impl Guarded {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Blocked { .. }
            | Self::NoView { .. }
            | Self::Tokenizes { .. }
            | Self::NotLooked { .. }
            | Self::Unknown { .. } => 400,
            Self::Failed { .. } => 503,
            Self::Line { why, .. } => why.status(),
        }
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Blocked { .. } => "guardrail_blocked",
            Self::Failed { .. } => "guardrail_failed",
            Self::NoView { .. } | Self::Tokenizes { .. } | Self::NotLooked { .. } => "guardrail_without_view",
            Self::Line { why, .. } => why.code(),
            Self::Unknown { .. } => "guardrail_not_found",
        }
    }

    /// Who has to act.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Blocked { .. }
            | Self::NoView { .. }
            | Self::Tokenizes { .. }
            | Self::NotLooked { .. }
            | Self::Unknown { .. } => Fault::Client,
            Self::Failed { .. } => Fault::Gateway,
            Self::Line { why, .. } => why.fault(),
        }
    }
}

const fn said_in(hook: Hook) -> &'static str {
    match hook {
        Hook::Input => "request",
        Hook::Output => "answer",
        Hook::ToolCall => "call of a tool",
        Hook::ToolResult => "result of a tool",
    }
}

fn because(why: Option<&str>) -> String {
    why.map_or_else(String::new, |why| format!(" ({why})"))
}

/// A request that its guardrails do not let pass.
pub fn refuse(refused: Refused) -> Reject {
    let Refused { guard, hook, entity, why } = refused;
    Reject::Guard(match &*entity {
        FAILED => Guarded::Failed { guard, hook },
        _ => Guarded::Blocked { guard, hook, entity, why },
    })
}

/// An answer that its guardrails do not let pass.
fn blocked(refused: Refused) -> Trouble {
    Trouble::Blocked(Box::new(refused))
}

fn unseen(guard: &Arc<str>, why: NoView) -> Reject {
    Reject::Guard(Guarded::NoView { guard: Arc::clone(guard), why })
}
