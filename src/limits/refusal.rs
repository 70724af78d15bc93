//! Why a request is refused: the rule that decided, and when it is worth trying again.

use crate::config::LimitWhat;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One rule's refusal; where several refuse, that of the one which takes longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule's id.
    pub rule: Arc<str>,
    /// What it limits.
    pub what: LimitWhat,
    /// How much was asked for.
    pub asked: u64,
    /// When the same request passes this rule if nobody else asks meanwhile; `None`: never.
    pub wait: Option<Duration>,
}

/// For the client.
impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, what, asked, wait } = self;
        let Some(wait) = wait else {
            let reserved = format!("the request reserves {asked} tokens");
            return write!(
                out,
                "{reserved}, more than the limit `{rule}` of {} ever admits; send less, or set a lower output cap",
                Named(what)
            );
        };
        write!(out, "the limit `{rule}` of {} is reached; try again ", Named(what))?;
        match what {
            LimitWhat::Concurrent { .. } => out.write_str("when another request has ended"),
            LimitWhat::Requests { .. } | LimitWhat::Tokens { .. } => write!(out, "in {:.3} s", wait.as_secs_f64()),
        }
    }
}

/// `600 requests per minute`.
struct Named<'a>(&'a LimitWhat);

impl fmt::Display for Named<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LimitWhat::Requests { most, per } => write!(out, "{most} requests per {}", per.name()),
            LimitWhat::Tokens { most, per } => write!(out, "{most} tokens per {}", per.name()),
            LimitWhat::Concurrent { most } => write!(out, "{most} requests at once"),
        }
    }
}
