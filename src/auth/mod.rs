//! Stage 2: who calls. A presented key becomes a [`Caller`], or a refusal.
//!
//! Keys are known by their SHA-256 only. A [`Keyring`] is one immutable snapshot of the configuration; a reload builds
//! a new one and a request keeps the caller that it was admitted as. Nothing here reads a body, a URL or a socket, and
//! nothing of a key gets into an error, a log line or `Debug`.

mod key;
mod presented;

pub use key::{PlainKey, hash_of, hash_text, new_key};
pub use presented::Presented;

use crate::config::{Allowed, Config, Rules};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Why a request has no caller. All of them are answered with 401.
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
        /// The key's name, as the file has it.
        key: Arc<str>,
    },
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
    /// What governs its requests.
    pub rules: CallerRules,
    models: Callable,
}

/// The limits and budgets of a caller. A changed rule comes in another `Arc`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CallerRules {
    /// Of its key.
    pub key: Arc<Rules>,
    /// Of its team.
    pub team: Arc<Rules>,
}

impl Caller {
    /// Whether both team and key allow `model`. Says nothing of whether the model exists.
    pub fn may_call(&self, model: &str) -> bool {
        match &self.models {
            Callable::All => true,
            Callable::Only(names) => names.contains(model),
        }
    }
}

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

/// Every key of one configuration snapshot.
pub struct Keyring {
    entries: HashMap<[u8; 32], Entry>,
}

struct Entry {
    hash: [u8; 32],
    expires_us: Option<u64>,
    caller: Arc<Caller>,
}

impl Keyring {
    /// Resolves what each key may call. A key whose team is not in `config` (which the loader refuses) may call
    /// nothing; of two keys with the same hash (which the loader refuses too) the first counts.
    pub fn build(config: &Config) -> Self {
        let mut entries = HashMap::with_capacity(config.keys.len());
        for key in &config.keys {
            let team = config.teams.get(&key.team);
            let models = match team {
                Some(team) => Callable::both(&team.models, &key.models),
                None => Callable::Only(HashSet::new()),
            };
            let of_team = team.map(|team| Arc::clone(&team.rules)).unwrap_or_default();
            let rules = CallerRules { key: Arc::clone(&key.rules), team: of_team };
            let caller = Arc::new(Caller { key: Arc::clone(&key.name), team: Arc::clone(&key.team), rules, models });
            entries.entry(key.hash).or_insert(Entry { hash: key.hash, expires_us: key.expires_us, caller });
        }
        Self { entries }
    }

    /// The caller whose key was presented. Allocates nothing.
    ///
    /// The presented key is hashed first, and the table is searched by that digest: what the search's timing tells is
    /// about a SHA-256 that the client cannot steer, never about how much of a key was right.
    ///
    /// # Errors
    ///
    /// [`AuthError::Unknown`] and, from the expiry's microsecond on, [`AuthError::Expired`].
    pub fn authenticate(&self, presented: Presented<'_>, now_us: u64) -> Result<Arc<Caller>, AuthError> {
        let hash = hash_of(presented.bytes());
        let entry = self.entries.get(&hash).ok_or(AuthError::Unknown)?;
        if !bool::from(entry.hash.ct_eq(&hash)) {
            return Err(AuthError::Unknown);
        }
        if entry.expires_us.is_some_and(|expires_us| now_us >= expires_us) {
            return Err(AuthError::Expired { key: Arc::clone(&entry.caller.key) });
        }
        Ok(Arc::clone(&entry.caller))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody can call.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Only how many keys there are: hashes are no secret, but they do not belong into logs.
impl fmt::Debug for Keyring {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Keyring").field("keys", &self.entries.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
