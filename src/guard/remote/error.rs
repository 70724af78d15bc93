//! Why an outside guard said nothing that counts. No text of a request, nothing of an answer, and no secret stands
//! here.

use http::StatusCode;
use std::time::Duration;

/// The guard did not decide.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// All of its places are taken.
    #[error("guard `{guard}`: {concurrent} calls are open, and none ended within {wait:?}; raise its `concurrent`")]
    Busy {
        /// The guard's name.
        guard: String,
        /// Its places.
        concurrent: usize,
        /// How long was waited for one.
        wait: Duration,
    },
    /// No connection; with TLS, no handshake.
    #[error("guard `{guard}`: no connection to {host}")]
    Unreachable {
        /// The guard's name.
        guard: String,
        /// Where to.
        host: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("guard `{guard}`: {host} did not answer")]
    Broken {
        /// The guard's name.
        guard: String,
        /// Where to.
        host: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No whole answer in time.
    #[error("guard `{guard}`: {host} did not answer within {within:?}")]
    Slow {
        /// The guard's name.
        guard: String,
        /// Where to.
        host: String,
        /// The guard's `timeout`.
        within: Duration,
    },
    /// A status that is no answer.
    #[error("guard `{guard}`: {host} answered with status {status}")]
    Status {
        /// The guard's name.
        guard: String,
        /// Where to.
        host: String,
        /// The status.
        status: StatusCode,
    },
    /// An answer that is longer than any answer to such texts.
    #[error("guard `{guard}`: the answer of {host} is longer than {most} bytes")]
    TooLong {
        /// The guard's name.
        guard: String,
        /// Where to.
        host: String,
        /// The bound.
        most: usize,
    },
    /// An answer that is none by the guard's contract.
    #[error("guard `{guard}`: the answer of {host} makes no sense: {flaw}")]
    Nonsense {
        /// The guard's name.
        guard: String,
        /// Where to.
        host: String,
        /// What is wrong with it; never what stands in it.
        flaw: Flaw,
    },
}

impl RemoteError {
    /// The name in metric labels and records.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Unreachable { .. } => "unreachable",
            Self::Broken { .. } => "broken",
            Self::Slow { .. } => "timeout",
            Self::Status { .. } => "status",
            Self::TooLong { .. } => "too_long",
            Self::Nonsense { .. } => "nonsense",
        }
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No JSON, or not of the contract's shape.
    #[error("it is no JSON of the contract's shape (line {line}, column {column})")]
    Shape {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Texts that were not asked, or twice the same.
    #[error("it names a text that was not asked for, or one of them twice")]
    Text,
    /// Not as many results as texts.
    #[error("it has {found} results for {asked} texts")]
    Count {
        /// Results.
        found: usize,
        /// Texts.
        asked: usize,
    },
    /// A place that is none.
    #[error("it names a place that is not in the text")]
    Place,
    /// A score that is no number from 0 to 1.
    #[error("it has a score that is no number from 0 to 1")]
    Score,
    /// Its parts do not go together.
    #[error("{0}")]
    Contradiction(&'static str),
}

impl From<serde_json::Error> for Flaw {
    /// What serde says may quote the answer; where it is does not.
    fn from(error: serde_json::Error) -> Self {
        Self::Shape { line: error.line(), column: error.column() }
    }
}
