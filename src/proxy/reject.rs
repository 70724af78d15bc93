//! Why a request gets an error, in one place: status, stable code, fault, and whether a retry helps.

use super::admission::Overload;
use super::edge::framing::Framing;
use super::guarded::Guarded;
use crate::ledger::budget::{Exhausted, Why};
use crate::limits::{AddressFull, Refusal};
use std::time::Duration;

/// A refusal that the client sees. `Display` is for the client; what is behind it goes to the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The head is not one that the gateway passes on.
    #[error("{0}")]
    Framing(Framing),
    /// No such path.
    #[error("there is no route `{method} {path}`; see GET /v1/models and the README for what is served")]
    NoRoute {
        /// The method.
        method: String,
        /// The path, shortened.
        path: String,
    },
    /// The path exists for another method.
    #[error("`{path}` takes {allow}, not `{method}`")]
    Method {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// What it takes.
        allow: &'static str,
    },
    /// The path is a websocket, and this is no handshake.
    #[error("{0}")]
    Upgrade(String),
    /// No key, or one that is not accepted.
    #[error("{message}")]
    Unauthenticated {
        /// A stable code: `missing_api_key`, `invalid_api_key` …
        code: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
    /// A rate or concurrency limit does not let it pass.
    #[error("{0}")]
    LimitReached(Refusal),
    /// The client's address has done too much.
    #[error("{}", address_text(*.0))]
    Address(AddressFull),
    /// It is known who calls, but nobody pays for them, or not where they call from.
    #[error("{message}")]
    NotAdmitted {
        /// A stable code: `jwt_unknown_team`, `address_not_allowed`.
        code: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
    /// Who calls cannot be found out now.
    #[error("{message}")]
    AuthUnavailable {
        /// A stable code: `auth_unavailable`, `key_rules_unreadable`.
        code: &'static str,
        /// What is missing.
        message: String,
    },
    /// No candidate can be paid.
    #[error("{}", budget_text(exhausted))]
    BudgetExhausted {
        /// The status, as the operator chose it.
        status: u16,
        /// When it was refused, in microseconds since the Unix epoch.
        now_us: u64,
        /// Which budget, and how it stands.
        exhausted: Box<Exhausted>,
    },
    /// What the request may cost has no bound, and a budget enforces.
    #[error(
        "budget `{budget}` cannot hold what `{field}` may cost, for nothing bounds it; leave it out, or ask the operator to \
         set `max_input_tokens` (for realtime `max_output_tokens` too) for the model"
    )]
    Unbounded {
        /// The budget's id.
        budget: String,
        /// The member of the body.
        field: String,
    },
    /// The body is no JSON, or ambiguous, or lacks what is needed.
    #[error("{message}")]
    BadRequest {
        /// What is wrong, with its place.
        message: String,
        /// The member that it is about.
        param: Option<String>,
    },
    /// Longer than `max_body_bytes`.
    #[error("the request body is longer than `server.max_body_bytes` ({limit} bytes) allows")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body did not come in time.
    #[error("the request body came too slowly: `server.body_timeout` ({} s), and no faster than `server.body_min_rate` behind it", limit.as_secs_f32())]
    BodyTimeout {
        /// The limit.
        limit: Duration,
    },
    /// No such model in the configuration.
    #[error("there is no model `{model}`; GET /v1/models lists what this key may call")]
    NoModel {
        /// What was asked for.
        model: String,
    },
    /// The key's or the team's list does not have it.
    #[error("key `{key}` of team `{team}` may not call model `{model}`; GET /v1/models lists what it may call")]
    ModelNotAllowed {
        /// The model.
        model: String,
        /// The key's name.
        key: String,
        /// The team's name.
        team: String,
    },
    /// None of the model's targets speaks the client's dialect.
    #[error(
        "model `{model}` cannot be called with {api} ({dialect} dialect): its targets speak {speak} only; \
         only conversations, embeddings and reranking are translated"
    )]
    Dialect {
        /// The model.
        model: String,
        /// The call.
        api: &'static str,
        /// The client's dialect.
        dialect: &'static str,
        /// What the targets speak.
        speak: String,
    },
    /// No target of the model is for this request: which conditions do not hold.
    #[error("{0}")]
    NoTarget(String),
    /// The targets speak other APIs, which cannot say what is asked.
    #[error(
        "`{field}` ({what}) cannot be told to {target}, which speaks {api}; leave it out, or ask the operator to set \
         `models.{model}.translation.unsupported` to `drop`"
    )]
    Untranslatable {
        /// The model.
        model: String,
        /// Provider and model.
        target: String,
        /// What it speaks.
        api: &'static str,
        /// What cannot be said.
        what: &'static str,
        /// Where it stands in the body.
        field: String,
    },
    /// A guardrail does not let it pass.
    #[error("{0}")]
    Guard(Guarded),
    /// What was asked for is not kept for the caller's team, or nothing is.
    #[error("{message}")]
    NotKept {
        /// 404, or 403 where teams keep nothing at all.
        status: u16,
        /// A stable code: `file_not_found`, `batch_not_found`, `files_not_configured`.
        code: &'static str,
        /// What is missing and what to do.
        message: String,
    },
    /// The table of files cannot be read or written.
    #[error("the gateway cannot read or write its table of files; its operator finds the reason in the log")]
    FilesUnavailable,
    /// Too much is held in memory.
    #[error("the gateway holds as many bytes as `server.max_buffered_bytes` allows; try again in a moment")]
    BuffersFull,
    /// Too many requests are open, and too many wait.
    #[error("{0}")]
    Overloaded(Overload),
    /// The ledger cannot be written: nothing is sent unbooked.
    #[error("the gateway cannot write its ledger and sends nothing unbooked; its operator finds the reason in the log")]
    LedgerUnavailable,
    /// All targets failed.
    #[error("{message}")]
    Upstream {
        /// What happened.
        kind: UpstreamFault,
        /// Which targets, and how they failed.
        message: String,
        /// How long to wait, when the providers said so.
        retry_after: Option<Duration>,
    },
}

/// The code of [`Reject::Overloaded`].
pub const OVERLOADED: &str = "overloaded";

/// How the last hope failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFault {
    /// It broke: no connection, 5xx, garbage.
    Failed,
    /// It was too slow.
    TimedOut,
    /// Every target limited us.
    RateLimited,
    /// The provider does not take our credentials.
    Credentials,
    /// We have no credentials for it now.
    NoCredentials,
    /// The provider does not know the model.
    NoSuchModel,
    /// Somebody took every target out.
    ShutByHand,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller.
    Client,
    /// The provider.
    Upstream,
    /// The gateway or its operator.
    Gateway,
}

impl Reject {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Framing(framing) => framing.status(),
            Self::Guard(guarded) => guarded.status(),
            Self::BadRequest { .. }
            | Self::Dialect { .. }
            | Self::NoTarget(_)
            | Self::Unbounded { .. }
            | Self::Untranslatable { .. } => 400,
            Self::BudgetExhausted { status, exhausted, .. } => match exhausted.why {
                Why::Spent | Why::Unpriced => *status,
                Why::TooManyEntities | Why::Unreadable => 503,
            },
            Self::NotKept { status, .. } => *status,
            Self::Unauthenticated { .. } => 401,
            Self::ModelNotAllowed { .. } | Self::NotAdmitted { .. } => 403,
            Self::NoRoute { .. } | Self::NoModel { .. } => 404,
            Self::Method { .. } => 405,
            Self::Upgrade(_) => 426,
            Self::BodyTimeout { .. } => 408,
            Self::TooLarge { .. } => 413,
            Self::LimitReached(_) | Self::Address(_) => 429,
            Self::BuffersFull
            | Self::Overloaded(_)
            | Self::LedgerUnavailable
            | Self::FilesUnavailable
            | Self::AuthUnavailable { .. } => 503,
            Self::Upstream { kind, .. } => match kind {
                UpstreamFault::Failed | UpstreamFault::Credentials | UpstreamFault::NoSuchModel => 502,
                UpstreamFault::NoCredentials | UpstreamFault::ShutByHand => 503,
                UpstreamFault::TimedOut => 504,
                UpstreamFault::RateLimited => 429,
            },
        }
    }

    /// The stable code, for bodies, labels and records.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Framing(framing) => framing.code(),
            Self::Guard(guarded) => guarded.code(),
            Self::NoRoute { .. } => "route_not_found",
            Self::Method { .. } => "method_not_allowed",
            Self::Upgrade(_) => "upgrade_required",
            Self::Unauthenticated { code, .. }
            | Self::NotAdmitted { code, .. }
            | Self::NotKept { code, .. }
            | Self::AuthUnavailable { code, .. } => code,
            Self::Unbounded { .. } => "budget_unbounded",
            Self::BudgetExhausted { exhausted, .. } => match exhausted.why {
                Why::Spent => "budget_exhausted",
                Why::Unpriced => "budget_price_unknown",
                Why::TooManyEntities => "budget_full",
                Why::Unreadable => "budget_unavailable",
            },
            Self::LimitReached(Refusal { wait: None, .. }) => "larger_than_limit",
            Self::LimitReached(_) => "limit_reached",
            Self::Address(AddressFull::AuthFailures { .. }) => "too_many_auth_failures",
            Self::Address(AddressFull::Requests { .. }) => "too_many_requests_from_address",
            Self::BadRequest { .. } => "invalid_request",
            Self::TooLarge { .. } => "body_too_large",
            Self::BodyTimeout { .. } => "body_timeout",
            Self::NoModel { .. } => "model_not_found",
            Self::ModelNotAllowed { .. } => "model_not_allowed",
            Self::Dialect { .. } => "dialect_not_supported",
            Self::NoTarget(_) => "no_target_for_request",
            Self::Untranslatable { .. } => "not_translatable",
            Self::BuffersFull => "buffers_full",
            Self::Overloaded(_) => OVERLOADED,
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::FilesUnavailable => "files_unavailable",
            Self::Upstream { kind, .. } => match kind {
                UpstreamFault::Failed => "upstream_failed",
                UpstreamFault::TimedOut => "upstream_timeout",
                UpstreamFault::RateLimited => "upstream_rate_limited",
                UpstreamFault::Credentials => "upstream_rejected_credentials",
                UpstreamFault::NoCredentials => "upstream_no_credentials",
                UpstreamFault::NoSuchModel => "upstream_no_such_model",
                UpstreamFault::ShutByHand => "targets_shut_by_hand",
            },
        }
    }

    /// The member of the body that it is about.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::BadRequest { param, .. } => param.as_deref(),
            Self::Unbounded { field, .. } | Self::Untranslatable { field, .. } => Some(field),
            Self::NoModel { .. } | Self::ModelNotAllowed { .. } | Self::Dialect { .. } | Self::NoTarget(_) => {
                Some("model")
            }
            Self::Framing(_)
            | Self::NoRoute { .. }
            | Self::Method { .. }
            | Self::Upgrade(_)
            | Self::Unauthenticated { .. }
            | Self::LimitReached(_)
            | Self::Address(_)
            | Self::NotAdmitted { .. }
            | Self::BudgetExhausted { .. }
            | Self::AuthUnavailable { .. }
            | Self::TooLarge { .. }
            | Self::BodyTimeout { .. }
            | Self::BuffersFull
            | Self::Overloaded(_)
            | Self::LedgerUnavailable
            | Self::FilesUnavailable
            | Self::Guard(_)
            | Self::NotKept { .. }
            | Self::Upstream { .. } => None,
        }
    }

    /// Who has to act.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Framing(_)
            | Self::NoRoute { .. }
            | Self::Method { .. }
            | Self::Upgrade(_)
            | Self::Unauthenticated { .. }
            | Self::LimitReached(_)
            | Self::Address(_)
            | Self::NotAdmitted { .. }
            | Self::NotKept { .. }
            | Self::Unbounded { .. }
            | Self::BadRequest { .. }
            | Self::TooLarge { .. }
            | Self::BodyTimeout { .. }
            | Self::NoModel { .. }
            | Self::ModelNotAllowed { .. }
            | Self::Dialect { .. }
            | Self::NoTarget(_)
            | Self::Untranslatable { .. } => Fault::Client,
            Self::Guard(guarded) => guarded.fault(),
            Self::BudgetExhausted { exhausted, .. } => match exhausted.why {
                Why::Spent | Why::Unpriced => Fault::Client,
                Why::TooManyEntities | Why::Unreadable => Fault::Gateway,
            },
            Self::BuffersFull
            | Self::Overloaded(_)
            | Self::LedgerUnavailable
            | Self::FilesUnavailable
            | Self::AuthUnavailable { .. } => Fault::Gateway,
            Self::Upstream { kind: UpstreamFault::ShutByHand, .. } => Fault::Gateway,
            Self::Upstream { .. } => Fault::Upstream,
        }
    }

    /// Whether and when the same request may succeed.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Framing(_)
            | Self::NoRoute { .. }
            | Self::Method { .. }
            | Self::Upgrade(_)
            | Self::Unauthenticated { .. }
            | Self::NotAdmitted { .. }
            | Self::NotKept { .. }
            | Self::Unbounded { .. }
            | Self::BadRequest { .. }
            | Self::TooLarge { .. }
            | Self::NoModel { .. }
            | Self::ModelNotAllowed { .. }
            | Self::Dialect { .. }
            | Self::NoTarget(_)
            | Self::Untranslatable { .. } => Retry::Never,
            Self::Guard(Guarded::Failed { .. }) => Retry::After(Duration::from_secs(1)),
            Self::Guard(_) => Retry::Never,
            Self::BodyTimeout { .. } => Retry::Maybe,
            Self::BudgetExhausted { status, now_us, exhausted } => {
                match (exhausted.why, exhausted.resets_us, *status) {
                    // Who is told 429 takes it for a limit, and waits as long as it says.
                    (Why::Spent, Some(resets_us), 429) => {
                        Retry::After(Duration::from_micros(resets_us.saturating_sub(*now_us)))
                    }
                    (Why::Spent | Why::Unpriced, _, _) => Retry::Never,
                    (Why::TooManyEntities | Why::Unreadable, _, _) => Retry::After(Duration::from_secs(1)),
                }
            }
            Self::LimitReached(Refusal { wait: Some(wait), .. }) => Retry::After(*wait),
            Self::LimitReached(Refusal { wait: None, .. }) => Retry::Never,
            Self::Address(AddressFull::AuthFailures { wait } | AddressFull::Requests { wait }) => Retry::After(*wait),
            Self::Overloaded(Overload { wait, .. }) => Retry::After(*wait),
            Self::BuffersFull | Self::LedgerUnavailable | Self::FilesUnavailable | Self::AuthUnavailable { .. } => {
                Retry::After(Duration::from_secs(1))
            }
            Self::Upstream { kind, retry_after, .. } => match (kind, retry_after) {
                (UpstreamFault::Credentials | UpstreamFault::NoSuchModel, _) => Retry::Never,
                // They are fetched anew after a second, and then ever more seldom.
                (UpstreamFault::NoCredentials, _) => Retry::After(Duration::from_secs(2)),
                (_, Some(wait)) => Retry::After(*wait),
                (UpstreamFault::RateLimited, None) => Retry::After(Duration::from_secs(1)),
                (UpstreamFault::Failed | UpstreamFault::TimedOut | UpstreamFault::ShutByHand, None) => Retry::Maybe,
            },
        }
    }

    /// Whether the client's connection is closed behind the answer: what follows on it cannot be trusted.
    pub const fn closes(&self) -> bool {
        matches!(self, Self::Framing(_) | Self::BodyTimeout { .. } | Self::TooLarge { .. })
    }
}

/// What is exhausted, and until when.
fn budget_text(exhausted: &Exhausted) -> String {
    let resets = exhausted.resets_us.and_then(|us| jiff::Timestamp::from_microsecond(i64::try_from(us).ok()?).ok());
    match (exhausted.why, resets) {
        (Why::Spent, Some(resets)) => format!("{exhausted}; it resets at {resets}"),
        (Why::Spent, None) => format!("{exhausted}; it does not reset"),
        _ => exhausted.to_string(),
    }
}

/// What to tell a client about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail again: `x-should-retry: false`.
    Never,
    /// It may succeed.
    Maybe,
    /// It may succeed after this: `retry-after`.
    After(Duration),
}

impl From<Refusal> for Reject {
    fn from(refusal: Refusal) -> Self {
        Self::LimitReached(refusal)
    }
}

impl From<AddressFull> for Reject {
    fn from(full: AddressFull) -> Self {
        Self::Address(full)
    }
}

fn address_text(full: AddressFull) -> &'static str {
    match full {
        AddressFull::AuthFailures { .. } => {
            "too many requests from this address had no valid api key (`server.per_address.auth_failures`); \
             check the key and try again later"
        }
        AddressFull::Requests { .. } => {
            "too many requests come from this address (`server.per_address.requests`); try again in a moment"
        }
    }
}

/// Text of a client, shortened for a message.
pub fn shown(text: &str) -> String {
    const MOST: usize = 64;
    if text.len() <= MOST {
        return text.to_owned();
    }
    let cut = (0..=MOST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}…", &text[..cut])
}

#[cfg(test)]
#[path = "reject_tests.rs"]
mod tests;
