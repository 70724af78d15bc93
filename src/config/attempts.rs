//! What follows from an attempt that failed: the table of failures and actions of a model, its pauses and its fallbacks.

use std::sync::Arc;
use std::time::Duration;

/// Why an attempt failed: a closed set of names, which the table of actions is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The provider's host could not be resolved.
    Unresolved,
    /// No TCP connection.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// The TLS handshake failed.
    Tls,
    /// The request could not be uploaded in time.
    SendTimeout,
    /// The connection broke while the request was being sent.
    SendBroken,
    /// The connection broke before the answer was whole.
    Broken,
    /// The provider does not take our credentials, or the account is not paid: 401, 402, 403, 407.
    Credentials,
    /// The provider knows no such model or path: 404, 405, 410.
    NoSuchModel,
    /// 408.
    RequestTimeout,
    /// 409, 423, 425.
    Conflict,
    /// 429, also inside of a 200.
    RateLimited,
    /// 503 and 529, also inside of a 200.
    Overloaded,
    /// Any other 5xx.
    ServerError,
    /// An error inside of a 200.
    InBandError,
    /// A status that says nothing about the request: what is none of the others.
    Unexpected,
    /// A stream without output in time.
    FirstToken,
    /// The provider fell silent.
    Idle,
    /// An answer that was not whole in time.
    Response,
    /// A stream that ended without its end marker.
    CutOff,
    /// A success without content.
    Empty,
    /// No answer of the API.
    Garbage,
    /// The prompt is longer than the model takes.
    ContextWindow,
    /// The provider refuses the content.
    ContentPolicy,
    /// The provider refuses the request itself: 400, 413, 422.
    Refused,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The client is told at once.
    Fail,
    /// The next target is tried, and this one not again.
    Next,
    /// The next target is tried; when no other is left, this one again after a pause.
    Retry,
}

impl Action {
    /// Its word in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Next => "next",
            Self::Retry => "retry",
        }
    }
}

impl Failure {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 25] = [
        Self::Unresolved,
        Self::Connect,
        Self::ConnectTimeout,
        Self::Tls,
        Self::SendTimeout,
        Self::SendBroken,
        Self::Broken,
        Self::Credentials,
        Self::NoSuchModel,
        Self::RequestTimeout,
        Self::Conflict,
        Self::RateLimited,
        Self::Overloaded,
        Self::ServerError,
        Self::InBandError,
        Self::Unexpected,
        Self::FirstToken,
        Self::Idle,
        Self::Response,
        Self::CutOff,
        Self::Empty,
        Self::Garbage,
        Self::ContextWindow,
        Self::ContentPolicy,
        Self::Refused,
    ];

    /// Its name in the file, in records and in labels; never renamed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::SendTimeout => "send_timeout",
            Self::SendBroken => "send_broken",
            Self::Broken => "broken",
            Self::Credentials => "credentials",
            Self::NoSuchModel => "no_such_model",
            Self::RequestTimeout => "request_timeout",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::InBandError => "in_band_error",
            Self::Unexpected => "unexpected",
            Self::FirstToken => "first_token",
            Self::Idle => "idle",
            Self::Response => "response",
            Self::CutOff => "cut_off",
            Self::Empty => "empty",
            Self::Garbage => "garbage",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::Refused => "refused",
        }
    }

    /// What `status`, which is no success, means without a look at the body.
    pub const fn of_status(status: u16) -> Self {
        match status {
            400 | 413 | 422 => Self::Refused,
            401..=403 | 407 => Self::Credentials,
            404 | 405 | 410 => Self::NoSuchModel,
            408 => Self::RequestTimeout,
            409 | 423 | 425 => Self::Conflict,
            429 => Self::RateLimited,
            503 | 529 => Self::Overloaded,
            500..=599 => Self::ServerError,
            _ => Self::Unexpected,
        }
    }

    /// What follows from it where the file says nothing.
    pub const fn default_action(self) -> Action {
        match self {
            // It may be over in a moment.
            Self::RequestTimeout | Self::Conflict | Self::RateLimited | Self::Overloaded | Self::ServerError => {
                Action::Retry
            }
            // Broken, too slow or not ours: the same target would most likely do the same again.
            Self::Unresolved
            | Self::Connect
            | Self::ConnectTimeout
            | Self::Tls
            | Self::SendTimeout
            | Self::SendBroken
            | Self::Broken
            | Self::Credentials
            | Self::NoSuchModel
            | Self::InBandError
            | Self::Unexpected
            | Self::FirstToken
            | Self::Idle
            | Self::Response
            | Self::CutOff
            | Self::Empty
            | Self::Garbage => Action::Next,
            // About the request itself.
            Self::ContextWindow | Self::ContentPolicy | Self::Refused => Action::Fail,
        }
    }

    /// Why the same target cannot do better with the same request; `None`: it may.
    pub const fn never_retried(self) -> Option<&'static str> {
        match self {
            Self::Credentials => Some("the same credentials are refused again"),
            Self::NoSuchModel => Some("the same model is missing again"),
            Self::ContextWindow | Self::ContentPolicy | Self::Refused => {
                Some("the same request is refused again by the same target")
            }
            Self::Unresolved
            | Self::Connect
            | Self::ConnectTimeout
            | Self::Tls
            | Self::SendTimeout
            | Self::SendBroken
            | Self::Broken
            | Self::RequestTimeout
            | Self::Conflict
            | Self::RateLimited
            | Self::Overloaded
            | Self::ServerError
            | Self::InBandError
            | Self::Unexpected
            | Self::FirstToken
            | Self::Idle
            | Self::Response
            | Self::CutOff
            | Self::Empty
            | Self::Garbage => None,
        }
    }
}

/// Why a request goes on with another model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The prompt is longer than the model takes.
    ContextWindow,
    /// The provider refuses the content.
    ContentPolicy,
    /// No target of the model answered.
    Failed,
}

impl Turn {
    /// What a failure makes of a request, before all targets were tried.
    pub const fn of(failure: Failure) -> Option<Self> {
        match failure {
            Failure::ContextWindow => Some(Self::ContextWindow),
            Failure::ContentPolicy => Some(Self::ContentPolicy),
            _ => None,
        }
    }
}

/// Models that answer instead, in the order in which they are tried.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fallbacks {
    /// Where the prompt is longer than the model takes.
    pub context_window: Vec<Arc<str>>,
    /// Where the provider refuses the content.
    pub content_policy: Vec<Arc<str>>,
    /// Where no target answered.
    pub failed: Vec<Arc<str>>,
}

impl Fallbacks {
    /// Those for `turn`.
    pub fn of(&self, turn: Turn) -> &[Arc<str>] {
        match turn {
            Turn::ContextWindow => &self.context_window,
            Turn::ContentPolicy => &self.content_policy,
            Turn::Failed => &self.failed,
        }
    }
}

/// What follows from failures of one model's targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts {
    /// The pause before the same target is tried again is a random part of this at first, and of twice as much each time.
    /// Default 100ms.
    pub pause: Duration,
    /// It is a random part of no more than this, and a provider that asks for a longer one is not tried again. Default 2s.
    pub most_pause: Duration,
    /// What the file says of failures; all others follow their defaults.
    pub on: Vec<(Failure, Action)>,
    /// What the file says of statuses, before what it says of failures.
    pub on_status: Vec<(u16, Action)>,
    /// Models that answer instead.
    pub fallbacks: Fallbacks,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            pause: Duration::from_millis(100),
            most_pause: Duration::from_secs(2),
            on: Vec::new(),
            on_status: Vec::new(),
            fallbacks: Fallbacks::default(),
        }
    }
}

impl Attempts {
    /// What follows from `failure`, which came with `status` (0: none).
    pub fn action(&self, failure: Failure, status: u16) -> Action {
        self.written(failure, status).unwrap_or(failure.default_action())
    }

    /// What the file says of it.
    pub fn written(&self, failure: Failure, status: u16) -> Option<Action> {
        let of_status = self.on_status.iter().find(|(one, _)| *one == status).map(|(_, action)| *action);
        // What a body says is more than what its status does.
        let of_status = of_status.filter(|_| Turn::of(failure).is_none());
        of_status.or_else(|| self.on.iter().find(|(one, _)| *one == failure).map(|(_, action)| *action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the README.
    #[test]
    fn each_failure_has_its_default() {
        use Action::{Fail, Next, Retry};
        let table = [
            ("unresolved", Next),
            ("connect", Next),
            ("connect_timeout", Next),
            ("tls", Next),
            ("send_timeout", Next),
            ("send_broken", Next),
            ("broken", Next),
            ("credentials", Next),
            ("no_such_model", Next),
            ("request_timeout", Retry),
            ("conflict", Retry),
            ("rate_limited", Retry),
            ("overloaded", Retry),
            ("server_error", Retry),
            ("in_band_error", Next),
            ("unexpected", Next),
            ("first_token", Next),
            ("idle", Next),
            ("response", Next),
            ("cut_off", Next),
            ("empty", Next),
            ("garbage", Next),
            ("context_window", Fail),
            ("content_policy", Fail),
            ("refused", Fail),
        ];
        assert_eq!(Failure::ALL.map(|failure| (failure.name(), failure.default_action())), table);
        let absurd = Failure::ALL.iter().filter(|one| one.never_retried().is_some());
        assert!(
            absurd.clone().all(|failure| failure.default_action() != Retry),
            "no default that `check` would refuse"
        );
    }

    #[test]
    fn each_status_is_one_failure() {
        let cases = [
            (400, "refused"),
            (401, "credentials"),
            (402, "credentials"),
            (404, "no_such_model"),
            (408, "request_timeout"),
            (409, "conflict"),
            (422, "refused"),
            (429, "rate_limited"),
            (451, "unexpected"),
            (500, "server_error"),
            (501, "server_error"),
            (503, "overloaded"),
            (529, "overloaded"),
            (302, "unexpected"),
            (999, "unexpected"),
        ];
        for (status, name) in cases {
            assert_eq!(Failure::of_status(status).name(), name, "{status}");
        }
    }

    #[test]
    fn a_status_says_more_than_a_failure_and_a_body_more_than_a_status() {
        let attempts = Attempts {
            on: vec![(Failure::Overloaded, Action::Fail)],
            on_status: vec![(529, Action::Next), (400, Action::Next)],
            ..Attempts::default()
        };
        assert_eq!(attempts.action(Failure::Overloaded, 529), Action::Next);
        assert_eq!(attempts.action(Failure::Overloaded, 503), Action::Fail);
        assert_eq!(attempts.action(Failure::Refused, 400), Action::Next);
        assert_eq!(attempts.action(Failure::ContextWindow, 400), Action::Fail);
        assert_eq!(attempts.action(Failure::RateLimited, 429), Action::Retry);
    }
}
