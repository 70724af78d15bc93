//! Stage 2: who calls. A presented key becomes a [`Caller`], or a refusal.
//!
//! Keys are known by their SHA-256 only. A [`Keyring`] is one immutable snapshot of the keys of the file and of those
//! that were made at run time; each change makes a new one and swaps it in, and a request keeps the caller that it was
//! admitted as. A bearer that is a JWT is verified against its issuer's keys. Nothing of a key or token gets into an
//! error, a log line or `Debug`.

mod presented;
mod callers;
mod keyring;
mod jwt;
mod oidc;
mod key;
mod record;
mod edit;
mod grants;
mod show;
mod reload;
mod store;
mod unfit;

pub use callers::{Callers, Change, OnRules, Witness};
pub use edit::KeysError;
pub use jwt::JwtError;
pub use key::{PlainKey, hash_of, hash_text, new_key};
pub use keyring::Keyring;
pub use oidc::{Begun, Entered, Facts, Person, Returned, SignIn, SignInError};
pub use presented::Presented;
pub use record::{KeyPatch, KeyState, KeyView, NewKey, NewTeam, Rotation, SecretView, Source, TeamPatch, TeamView};
pub use store::StoreError;
pub use unfit::{Misfit, misfits};

use crate::config::{Allowed, Networks, Priority, Rules};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a request has no caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No header carries a key.
    #[error(
        "no api key was sent; send one as `Authorization: Bearer KEY`, `x-api-key: KEY`, `api-key: KEY` or \
         `x-goog-api-key: KEY` (a key in the url is not read)"
    )]
    Missing,
    /// A header that carries a key cannot be read.
    #[error("the header `{header}` cannot be read: {why}")]
    Malformed {
        /// Its name.
        header: &'static str,
        /// What is wrong, and what is expected; never the value.
        why: &'static str,
    },
    /// Two headers carry different keys.
    #[error("two different api keys were sent, in `{first}` and `{second}`; send one")]
    Conflicting {
        /// The header of the first key.
        first: &'static str,
        /// The header of the other key.
        second: &'static str,
    },
    /// No such key.
    #[error(
        "the api key is not known here; ask the operator of this gateway for one (a provider's own key does not work)"
    )]
    Unknown,
    /// The key was valid once.
    #[error("the api key `{key}` has expired; ask the operator of this gateway for a new one")]
    Expired {
        /// The key's name.
        key: Arc<str>,
    },
    /// The key was valid once, and somebody ended that.
    #[error("the api key `{key}` was revoked; ask the operator of this gateway for a new one")]
    Revoked {
        /// The key's name.
        key: Arc<str>,
    },
    /// It is known who calls, but not what limits them.
    #[error(
        "limits, budgets or guardrails of the api key `{key}` or of its team `{team}` do not fit this gateway's \
         configuration any more; ask its operator to mend them"
    )]
    Unreadable {
        /// The key's name.
        key: Arc<str>,
        /// Its team's.
        team: Arc<str>,
    },
    /// A token that does not make a caller.
    #[error(transparent)]
    Jwt(#[from] JwtError),
}

impl AuthError {
    /// Stable: a metric label, and the `code` of an error body.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing_api_key",
            Self::Malformed { .. } => "malformed_api_key",
            Self::Conflicting { .. } => "conflicting_api_keys",
            Self::Unknown => "invalid_api_key",
            Self::Expired { .. } => "expired_api_key",
            Self::Revoked { .. } => "revoked_api_key",
            Self::Unreadable { .. } => "key_rules_unreadable",
            Self::Jwt(error) => error.code(),
        }
    }

    /// How it is answered: 401, 403 where it is known who calls, 503 where that cannot be found out now.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Jwt(error) => error.status(),
            Self::Unreadable { .. } => 503,
            Self::Missing
            | Self::Malformed { .. }
            | Self::Conflicting { .. }
            | Self::Unknown
            | Self::Expired { .. }
            | Self::Revoked { .. } => 401,
        }
    }
}

/// Who calls, as the snapshot at admission says: kept by the request until it is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's name (never the key).
    pub key: Arc<str>,
    /// The team that pays.
    pub team: Arc<str>,
    /// The end user, if the caller's own credential vouches for it.
    pub user: Option<Arc<str>>,
    /// What limits the caller.
    pub rules: CallerRules,
    /// Until when the credential holds.
    pub term: Term,
    /// Who is served first under overload: the key's, else the team's.
    pub priority: Priority,
    /// Guardrails that key and team were given at run time; those of the file are found by their names.
    pub guardrails: Arc<[Arc<str>]>,
    /// The generation of the file that the credential was looked up under.
    pub file: u64,
    models: Callable,
    /// None: from everywhere.
    allowed_ips: Networks,
}

/// Limits and budgets of a caller.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CallerRules {
    /// Of the key.
    pub key: Arc<Rules>,
    /// Of the team.
    pub team: Arc<Rules>,
}

impl Caller {
    /// The gateway itself, under the name `key`, which nobody else can have: paid by `rules`, and no other model answers it.
    pub fn of_gateway(key: &str, rules: Rules) -> Self {
        Self {
            key: key.into(),
            team: key.into(),
            user: None,
            rules: CallerRules { key: Arc::new(rules), team: Arc::default() },
            term: Term::until(u64::MAX),
            priority: Priority::default(),
            guardrails: Arc::default(),
            file: 0,
            models: Callable::Only(HashSet::new()),
            allowed_ips: Networks::default(),
        }
    }

    /// Whether the key may be used from `address`; one that is not known is none of those that are named.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        self.allowed_ips.is_empty() || address.is_some_and(|address| self.allowed_ips.contain(address))
    }

    /// Whether both team and key allow `model`. Says nothing of whether the model exists.
    pub fn may_call(&self, model: &str) -> bool {
        match &self.models {
            Callable::All => true,
            Callable::Only(names) => names.contains(model),
        }
    }
}

/// Until when a credential holds: shared by all requests that it admitted, so that a revocation reaches them.
#[derive(Debug, Clone)]
pub struct Term(Arc<AtomicU64>);

impl Term {
    /// Ends at this microsecond; `u64::MAX`: never.
    pub fn until(ends_us: u64) -> Self {
        Self(Arc::new(AtomicU64::new(ends_us)))
    }

    /// Whether it is over.
    pub fn ended(&self, now_us: u64) -> bool {
        now_us >= self.0.load(Ordering::Relaxed)
    }

    /// Ends at another moment; 0: now.
    fn set(&self, ends_us: u64) {
        self.0.store(ends_us, Ordering::Relaxed);
    }
}

/// Two terms are the same when they end at the same moment.
impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.0.load(Ordering::Relaxed) == other.0.load(Ordering::Relaxed)
    }
}

impl Eq for Term {}

/// What team and key allow together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Callable {
    All,
    Only(HashSet<Arc<str>>),
}

impl Callable {
    fn both(team: &Allowed, key: &Allowed) -> Self {
        match (team, key) {
            (Allowed::All, Allowed::All) => Self::All,
            (Allowed::All, Allowed::Only(names)) | (Allowed::Only(names), Allowed::All) => {
                Self::Only(names.iter().cloned().collect())
            }
            (Allowed::Only(_), Allowed::Only(names)) => {
                Self::Only(names.iter().filter(|name| team.contains(name)).cloned().collect())
            }
        }
    }
}

#[cfg(test)]
mod tests;
