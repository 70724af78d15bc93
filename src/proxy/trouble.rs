//! How an attempt can fail, and what follows from it.

use super::reject::UpstreamFault;
use crate::config::Failure;
use crate::guard::Refused;
use crate::providers::SignFault;
use crate::routing::Ended;
use std::time::Duration;

/// Why one attempt did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The provider's name has no address.
    #[error("its host could not be resolved")]
    Unresolved,
    /// The gateway has nothing to prove with that it may call the provider; nothing was sent.
    #[error("not sent: {0}")]
    NoCredentials(SignFault),
    /// No TCP connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// No connection in time.
    #[error("no connection within `connect`")]
    ConnectTimeout,
    /// The TLS handshake failed.
    #[error("TLS handshake failed")]
    Tls,
    /// The request could not be uploaded in time.
    #[error("the request could not be sent within `send`")]
    SendTimeout,
    /// A status that another target may do better than.
    #[error("status {status}")]
    Status {
        /// The status.
        status: u16,
        /// What the provider asked to wait.
        retry_after: Option<Duration>,
        /// What the provider says of trying again (`x-should-retry`).
        again: Option<bool>,
    },
    /// The provider refuses the request itself; its answer is kept.
    #[error("status {status}: {}", .about.name())]
    Refused {
        /// The status.
        status: u16,
        /// What it is about.
        about: Failure,
    },
    /// An error inside a 200.
    #[error("error inside the answer (status {status})")]
    InBand {
        /// The status that it stands for.
        status: u16,
        /// The provider's message, secrets masked.
        message: String,
    },
    /// A stream without output in time.
    #[error("no output within `first_token`")]
    FirstToken,
    /// A stream that fell silent.
    #[error("silent for longer than `idle`")]
    Idle,
    /// An answer that was not whole in time.
    #[error("no whole answer within `response`")]
    Response,
    /// The request as a whole took too long.
    #[error("not done within `total`")]
    Total,
    /// The connection broke while the request was being sent: it did not arrive whole.
    #[error("the connection broke before the request was sent: {0}")]
    SendBroken(String),
    /// The connection broke before the answer was whole.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer ended without the dialect's end marker.
    #[error("the answer was cut off")]
    Cut,
    /// A success without content.
    #[error("an empty answer")]
    Empty,
    /// No answer of this API.
    #[error("garbage: {0}")]
    Garbage(String),
    /// The provider goes on past the output cap, and past what budgets hold for it.
    #[error("it went on past its output cap, for which the budgets hold")]
    PastCap,
    /// More is held than the gateway may hold.
    #[error("the gateway's buffers are full")]
    BuffersFull,
    /// A guardrail does not let the answer pass.
    #[error("guardrail `{}` refuses the answer: `{}` in its {}", .0.guard, .0.entity, .0.hook.name())]
    Blocked(Box<Refused>),
    /// The client left.
    #[error("the client left")]
    ClientGone,
    /// The key or token that the stream was admitted with holds no longer.
    #[error("its key or token was revoked or has expired")]
    Revoked,
    /// The gateway stopped while the request was on its way.
    #[error("the gateway stopped")]
    Stopped,
    /// The gateway itself failed.
    #[error("internal: {0}")]
    Internal(String),
}

impl Trouble {
    /// A name from a closed set, for labels and rows.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::NoCredentials(_) => "no_credentials",
            Self::Connect(_) => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::SendTimeout => "send_timeout",
            Self::Status { status: 429, .. } => "rate_limited",
            Self::Status { .. } => "status",
            Self::Refused { .. } => "refused",
            Self::InBand { .. } => "in_band_error",
            Self::FirstToken => "first_token_timeout",
            Self::Idle => "idle_timeout",
            Self::Response => "response_timeout",
            Self::Total => "total_timeout",
            Self::SendBroken(_) => "send_broken",
            Self::Broken(_) => "broken",
            Self::Cut => "cut_off",
            Self::Empty => "empty",
            Self::Garbage(_) => "garbage",
            Self::PastCap => "output_cap_passed",
            Self::BuffersFull => "buffers_full",
            Self::Blocked(_) => "guardrail_blocked",
            Self::ClientGone => "client_gone",
            Self::Revoked => "caller_revoked",
            Self::Stopped => "gateway_stopped",
            Self::Internal(_) => "internal",
        }
    }

    /// What it is in the table of actions; `None`: no other attempt could mend it.
    pub const fn failure(&self) -> Option<Failure> {
        Some(match self {
            Self::Unresolved => Failure::Unresolved,
            Self::NoCredentials(_) => Failure::Credentials,
            Self::Connect(_) => Failure::Connect,
            Self::ConnectTimeout => Failure::ConnectTimeout,
            Self::Tls => Failure::Tls,
            Self::SendTimeout => Failure::SendTimeout,
            Self::Status { status, .. } => Failure::of_status(*status),
            Self::Refused { about, .. } => *about,
            Self::InBand { status: 429, .. } => Failure::RateLimited,
            Self::InBand { status: 503 | 529, .. } => Failure::Overloaded,
            Self::InBand { .. } => Failure::InBandError,
            Self::FirstToken => Failure::FirstToken,
            Self::Idle => Failure::Idle,
            Self::Response => Failure::Response,
            Self::SendBroken(_) => Failure::SendBroken,
            Self::Broken(_) => Failure::Broken,
            Self::Cut => Failure::CutOff,
            Self::Empty => Failure::Empty,
            Self::Garbage(_) => Failure::Garbage,
            Self::Total
            | Self::PastCap
            | Self::BuffersFull
            | Self::Blocked(_)
            | Self::ClientGone
            | Self::Revoked
            | Self::Stopped
            | Self::Internal(_) => return None,
        })
    }

    /// What the provider says of trying again.
    pub const fn again(&self) -> Option<bool> {
        match self {
            Self::Status { again, .. } => *again,
            _ => None,
        }
    }

    /// Whether it is known that the provider got no whole request, or refused it by its status: nothing is billed.
    pub const fn is_free(&self) -> bool {
        matches!(
            self,
            Self::Unresolved
                | Self::NoCredentials(_)
                | Self::Connect(_)
                | Self::ConnectTimeout
                | Self::Tls
                | Self::SendTimeout
                | Self::SendBroken(_)
                | Self::Status { .. }
                | Self::Refused { status: 400..=599, .. }
        )
    }

    /// What it says of the target's standing.
    pub const fn ended(&self) -> Ended {
        match self {
            Self::Status { status: 429, retry_after, .. }
            | Self::Status { status: 503 | 529, retry_after: retry_after @ Some(_), .. } => {
                Ended::Limited(*retry_after)
            }
            Self::InBand { status: 429, .. } => Ended::Limited(None),
            Self::InBand { status: 400..=428, .. }
            | Self::Refused { .. }
            // Nothing was sent.
            | Self::NoCredentials(_)
            | Self::PastCap
            | Self::BuffersFull
            | Self::Blocked(_)
            | Self::ClientGone
            | Self::Revoked
            | Self::Stopped
            | Self::Internal(_) => Ended::Neither,
            Self::Status { status: 401 | 403, .. } => Ended::Credentials,
            Self::Status { status: 404, .. } => Ended::NoSuchModel,
            Self::ConnectTimeout | Self::SendTimeout | Self::FirstToken | Self::Idle | Self::Response | Self::Total => {
                Ended::Stalled
            }
            Self::Unresolved
            | Self::Connect(_)
            | Self::Tls
            | Self::Status { .. }
            | Self::InBand { .. }
            | Self::SendBroken(_)
            | Self::Broken(_)
            | Self::Cut
            | Self::Empty
            | Self::Garbage(_) => Ended::Failed,
        }
    }

    /// The status that the provider gave, 0 if none.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Status { status, .. } | Self::InBand { status, .. } | Self::Refused { status, .. } => *status,
            _ => 0,
        }
    }

    /// How a request fails whose last attempt failed so.
    pub const fn fault(&self) -> UpstreamFault {
        match self {
            Self::Status { status: 429, .. } | Self::InBand { status: 429, .. } => UpstreamFault::RateLimited,
            Self::NoCredentials(_) => UpstreamFault::NoCredentials,
            Self::Status { status: 401 | 403, .. } => UpstreamFault::Credentials,
            Self::Status { status: 404, .. } => UpstreamFault::NoSuchModel,
            Self::ConnectTimeout | Self::SendTimeout | Self::FirstToken | Self::Idle | Self::Response | Self::Total => {
                UpstreamFault::TimedOut
            }
            Self::Unresolved
            | Self::Connect(_)
            | Self::Tls
            | Self::Status { .. }
            | Self::Refused { .. }
            | Self::InBand { .. }
            | Self::SendBroken(_)
            | Self::Broken(_)
            | Self::Cut
            | Self::Empty
            | Self::Garbage(_)
            | Self::PastCap
            | Self::BuffersFull
            | Self::Blocked(_)
            | Self::ClientGone
            | Self::Revoked
            | Self::Stopped
            | Self::Internal(_) => UpstreamFault::Failed,
        }
    }

    /// What the provider asked to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "trouble_tests.rs"]
mod tests;
