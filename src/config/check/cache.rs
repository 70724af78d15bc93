//! Answers that are kept.

use super::Checker;
use crate::config::{
    CacheBounds, Caching,
    cache_file::{CacheFile, CachingFile},
    quantity::{Time, show_time},
    tree::join,
};
use std::time::Duration;

/// Less room holds no answer worth keeping.
const LEAST_BYTES: u64 = 64 << 10;
/// A longer answer would be copied for longer than it takes to make many others.
const MOST_ENTRY: u64 = 64 << 20;
/// Nothing is given again for longer.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
const SHORTEST: Duration = Duration::from_millis(100);

impl Checker<'_> {
    pub(super) fn cache(&mut self, file: CacheFile) -> CacheBounds {
        let default = CacheBounds::default();
        let max_bytes = self.size("cache.max_bytes", file.max_bytes, default.max_bytes).get();
        if max_bytes < LEAST_BYTES {
            self.flag("cache.max_bytes", format!("`{max_bytes}` must be at least 64KiB"));
        }
        let most_entry = self.size("cache.max_entry_bytes", file.max_entry_bytes, default.max_entry_bytes as u64).get();
        if most_entry > MOST_ENTRY {
            self.flag("cache.max_entry_bytes", format!("`{most_entry}` must be at most 64MiB"));
        }
        let ttl = self.cache_time("cache.ttl", file.ttl).unwrap_or(default.ttl);
        CacheBounds {
            max_bytes,
            max_entry_bytes: usize::try_from(most_entry).unwrap_or(usize::MAX),
            ttl,
            scope: file.scope.unwrap_or(default.scope),
        }
    }

    /// What stands at `path`.`cache`.
    pub(super) fn caching(&mut self, path: &str, file: Option<CachingFile>) -> Option<Caching> {
        let file = file?;
        let ttl = self.cache_time(&join(&join(path, "cache"), "ttl"), file.ttl);
        Some(Caching { used: file.used, ttl, scope: file.scope })
    }

    fn cache_time(&mut self, path: &str, written: Option<Time>) -> Option<Duration> {
        let Time(ttl) = written?;
        if !(SHORTEST..=LONGEST).contains(&ttl) {
            self.flag(path, format!("must be at least {} and at most {}", show_time(SHORTEST), show_time(LONGEST)));
        }
        Some(ttl)
    }
}
