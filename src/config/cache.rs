//! Answers that are kept for requests that are the same: whose, for how long, and how many bytes of them.

use super::quantity::show_time;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What holds for all kept answers.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheBounds {
    /// Memory of all kept answers together, in bytes; bound to the process. Default 256 MiB.
    pub max_bytes: u64,
    /// A longer answer is not kept, in bytes. Default 1 MiB.
    pub max_entry_bytes: usize,
    /// How long an answer is given again where neither model nor team say. Default 5m.
    pub ttl: Duration,
    /// Who shares answers where neither model nor team say. Default: the team.
    pub scope: CacheScope,
    /// How requests are compared by meaning; `None`: they are not.
    pub semantic: Option<Arc<Semantic>>,
}

/// How the last messages of two requests are compared by meaning, for models and teams that want that.
#[derive(Debug, Clone, PartialEq)]
pub struct Semantic {
    /// The model of the file that makes vectors of texts.
    pub model: Arc<str>,
    /// The least cosine of the angle between two vectors that are taken for the same: 0.5 to 1. Default 0.95.
    pub threshold: f32,
    /// A vector is waited for no longer. Default 1s.
    pub timeout: Duration,
    /// A longer text is not compared, in bytes. Default 4 KiB.
    pub max_text_bytes: usize,
    /// Who shares such answers at most: who asks something near need not know what the answer holds. Default: the user.
    pub scope: CacheScope,
}

impl Default for CacheBounds {
    fn default() -> Self {
        let (max_bytes, max_entry_bytes) = (256 << 20, 1 << 20);
        Self { max_bytes, max_entry_bytes, ttl: Duration::from_secs(300), scope: CacheScope::Team, semantic: None }
    }
}

/// What a model or a team says of answers that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caching {
    /// For which requests.
    pub used: CacheUse,
    /// How long; `None`: [`CacheBounds::ttl`].
    pub ttl: Option<Duration>,
    /// Who shares; `None`: [`CacheBounds::scope`].
    pub scope: Option<CacheScope>,
    /// Whether answers are given to requests that mean the same, too; `None`: nothing is said.
    pub semantic: Option<bool>,
}

/// For which requests answers are kept and given again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheUse {
    /// For all that do not refuse it.
    #[default]
    Always,
    /// For those that ask for it: `x-weighbridge-cache: use`.
    Asked,
    /// For none.
    Never,
}

/// Who gets answers that somebody else was given. Nothing is ever shared between teams.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheScope {
    /// All keys and end users of a team.
    #[default]
    Team,
    /// The same key of the same team.
    Key,
    /// The same end user of the same key.
    User,
}

impl CacheScope {
    /// The word of the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Key => "key",
            Self::User => "user",
        }
    }
}

/// As `weighbridge check` tells it.
impl fmt::Display for Caching {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.used {
            CacheUse::Always => "answers are kept",
            CacheUse::Asked => "answers are kept if asked for",
            CacheUse::Never => return out.write_str("answers are not kept"),
        })?;
        if let Some(ttl) = self.ttl {
            write!(out, ", for {}", show_time(ttl))?;
        }
        if let Some(scope) = self.scope {
            write!(out, ", shared by {}", scope.name())?;
        }
        match self.semantic {
            Some(true) => out.write_str(", also by meaning"),
            Some(false) => out.write_str(", never by meaning"),
            None => Ok(()),
        }
    }
}

/// As `weighbridge check` tells it.
impl fmt::Display for Semantic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, threshold, timeout, max_text_bytes, scope } = self;
        let timeout = show_time(*timeout);
        write!(out, "vectors of model {model}, cosine at least {threshold}, within {timeout}, ")?;
        write!(out, "of texts up to {max_text_bytes} bytes, shared by a {}", scope.name())
    }
}
