//! Answers that are kept.

use super::Checker;
use crate::config::{
    CacheBounds, CacheScope, Caching, Semantic,
    cache_file::{CacheFile, CachingFile, SemanticFile},
    quantity::{Time, show_time},
    tree::join,
};
use std::sync::Arc;
use std::time::Duration;

/// Less room holds no answer worth keeping.
const LEAST_BYTES: u64 = 64 << 10;
/// A longer answer would be copied for longer than it takes to make many others.
const MOST_ENTRY: u64 = 64 << 20;
/// Nothing is given again for longer.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
const SHORTEST: Duration = Duration::from_millis(100);
/// Vectors that are further apart mean different things by any model.
const LEAST_ALIKE: f32 = 0.5;
const ALIKE: f32 = 0.95;
/// No request waits for a vector for longer, nor is any model that fast.
const VECTOR_WITHIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(10));
/// What longer texts are about is told by no single vector.
const MOST_TEXT: u64 = 32 << 10;
const TEXT: u64 = 4 << 10;

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
            semantic: file.semantic.map(|file| Arc::new(self.semantic(file))),
        }
    }

    fn semantic(&mut self, file: SemanticFile) -> Semantic {
        self.refers("cache.semantic.model", &file.model, "models", "model");
        let threshold = file.threshold.unwrap_or(ALIKE);
        if !(LEAST_ALIKE..=1.0).contains(&threshold) {
            let message = format!("`{threshold}` must be at least {LEAST_ALIKE} and at most 1: it is a cosine");
            self.flag("cache.semantic.threshold", message);
        }
        let (least, most) = VECTOR_WITHIN;
        let timeout = file.timeout.map_or(Duration::from_secs(1), |Time(timeout)| timeout);
        if !(least..=most).contains(&timeout) {
            let message = format!("must be at least {} and at most {}", show_time(least), show_time(most));
            self.flag("cache.semantic.timeout", message);
        }
        let most = self.size("cache.semantic.max_text_bytes", file.max_text_bytes, TEXT).get();
        if most > MOST_TEXT {
            self.flag("cache.semantic.max_text_bytes", format!("`{most}` must be at most 32KiB"));
        }
        let max_text_bytes = usize::try_from(most).unwrap_or(usize::MAX);
        let scope = file.scope.unwrap_or(CacheScope::User);
        Semantic { model: file.model.into(), threshold, timeout, max_text_bytes, scope }
    }

    /// What stands at `path`.`cache`.
    pub(super) fn caching(&mut self, path: &str, file: Option<CachingFile>) -> Option<Caching> {
        let file = file?;
        let path = join(path, "cache");
        let ttl = self.cache_time(&join(&path, "ttl"), file.ttl);
        if file.semantic == Some(true) && self.tree.find("cache.semantic").is_none() {
            let message =
                "nothing says by which model; write `cache: { semantic: { model: … } }` at the top of the file";
            self.flag(&join(&path, "semantic"), message);
        }
        Some(Caching { used: file.used, ttl, scope: file.scope, semantic: file.semantic })
    }

    fn cache_time(&mut self, path: &str, written: Option<Time>) -> Option<Duration> {
        let Time(ttl) = written?;
        if !(SHORTEST..=LONGEST).contains(&ttl) {
            self.flag(path, format!("must be at least {} and at most {}", show_time(SHORTEST), show_time(LONGEST)));
        }
        Some(ttl)
    }
}
