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

impl Refusal {
    /// Whether it is over earlier than `other`.
    pub fn is_over_before(&self, other: &Self) -> bool {
        match (self.wait, other.wait) {
            (Some(wait), Some(other)) => wait < other,
            (wait, None) => wait.is_some(),
            (None, Some(_)) => false,
        }
    }

    /// Something else may let the request pass after `wait`.
    #[must_use]
    pub fn within(mut self, wait: Option<Duration>) -> Self {
        if let Some(wait) = wait {
            self.wait = Some(self.wait.map_or(wait, |own| own.min(wait)));
        }
        self
    }
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
