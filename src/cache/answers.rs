//! The kept answers.

use super::{
    CacheMetrics, Key, Meaning,
    nearby::{Near, Nearby},
};
use crate::model::{CacheShare, CacheView, NanoUsd};
use bytes::Bytes;
use http::header::HeaderValue;
use moka::Expiry;
use moka::notification::RemovalCause;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// An answer as its client got it.
#[derive(Debug)]
pub struct Answer {
    /// Whose request it was made for.
    pub team: Arc<str>,
    /// The model that was asked for.
    pub model: Arc<str>,
    /// Its content type.
    pub kind: HeaderValue,
    /// Whether it is a stream of events.
    pub stream: bool,
    /// All of its body.
    pub body: Bytes,
    /// Of a stream: where its end marker begins.
    pub marker_at: usize,
    /// Who answered: `provider/model`.
    pub target: HeaderValue,
    /// What of the request its target could not be told, as the client is told it.
    pub dropped: Option<HeaderValue>,
    /// What it had cost; 0 where that is not known.
    pub cost: NanoUsd,
    /// When it was kept, in microseconds since the Unix epoch.
    pub kept_us: u64,
    /// How long it may be given again.
    pub ttl: Duration,
    /// What its request means, where it may be given to others that mean the same.
    pub meaning: Option<Meaning>,
}

impl Answer {
    /// How old it is.
    pub fn age(&self, now_us: u64) -> Duration {
        Duration::from_micros(now_us.saturating_sub(self.kept_us))
    }

    /// Memory that it takes, in bytes: what is not its body is about as much for all.
    fn weight(&self) -> u32 {
        let meaning = self.meaning.as_ref().map_or(0, Meaning::weight);
        u32::try_from(self.body.len().saturating_add(meaning).saturating_add(ABOUT)).unwrap_or(u32::MAX)
    }
}

/// What an answer takes beside its body: the key, its names and headers, and what the table itself needs for it.
const ABOUT: usize = 512;

/// All kept answers: bounded by their bytes, each for its own time. Requests only read it; it has no lock of its own, but for
/// answers that are given by meaning.
pub struct Cache {
    answers: moka::sync::Cache<Key, Arc<Answer>>,
    nearby: Arc<Nearby>,
    max_bytes: u64,
    /// How often answers were dropped by hand.
    purges: AtomicU64,
    metrics: CacheMetrics,
}

/// Which answers are dropped; what is not said holds for all.
#[derive(Debug, Default, Clone)]
pub struct Purge {
    /// Those of this team.
    pub team: Option<String>,
    /// Those of this model.
    pub model: Option<String>,
}

impl Purge {
    fn takes(&self, answer: &Answer) -> bool {
        self.team.as_deref().is_none_or(|team| team == &*answer.team)
            && self.model.as_deref().is_none_or(|model| model == &*answer.model)
    }
}

/// Each answer has its own time.
struct OwnTime;

#[expect(clippy::disallowed_types, reason = "it is the table's own clock")]
impl Expiry<Key, Arc<Answer>> for OwnTime {
    fn expire_after_create(&self, _key: &Key, answer: &Arc<Answer>, _now: std::time::Instant) -> Option<Duration> {
        Some(answer.ttl)
    }

    fn expire_after_update(
        &self,
        _key: &Key,
        answer: &Arc<Answer>,
        _now: std::time::Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(answer.ttl)
    }
}

impl Cache {
    /// An empty one of at most so many bytes.
    pub fn new(max_bytes: u64, metrics: CacheMetrics) -> Self {
        let gone = ["expired", "size", "purged"].map(|reason| metrics.gone.with_label_values(&[reason]));
        let nearby = Arc::<Nearby>::default();
        let compared = Arc::clone(&nearby);
        let told = move |_: Arc<Key>, answer: Arc<Answer>, cause| {
            compared.remove(&answer);
            let [expired, size, purged] = &gone;
            match cause {
                RemovalCause::Expired => expired.inc(),
                RemovalCause::Size => size.inc(),
                RemovalCause::Explicit => purged.inc(),
                RemovalCause::Replaced => {}
            }
        };
        let answers = moka::sync::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|_: &Key, answer: &Arc<Answer>| answer.weight())
            .expire_after(OwnTime)
            .eviction_listener(told)
            .build();
        Self { answers, nearby, max_bytes, purges: AtomicU64::new(0), metrics }
    }

    /// The counters.
    pub const fn metrics(&self) -> &CacheMetrics {
        &self.metrics
    }

    /// How often answers were dropped by hand: an answer that was begun before the last time is not to be kept.
    pub fn purges(&self) -> u64 {
        self.purges.load(Ordering::Acquire)
    }

    /// The answer that is kept of `key`. Counts nothing.
    pub fn look(&self, key: &Key) -> Option<Arc<Answer>> {
        self.answers.get(key)
    }

    /// The answer whose request is most like one of this meaning, at least as much as `least`, of those that `takes` takes;
    /// and how much. Counts nothing.
    pub fn nearest(
        &self,
        meaning: &Meaning,
        least: f32,
        takes: impl Fn(&Answer) -> bool,
    ) -> Option<(Arc<Answer>, f32)> {
        let near = self.nearby.like(meaning, least, takes);
        // What was dropped may still stand in the list for a moment.
        let held = |near: &Near| self.look(&near.key).is_some_and(|held| Arc::ptr_eq(&held, &near.answer));
        let found = near.into_iter().find(|(_, near)| held(near));
        found.map(|(likeness, near)| (near.answer, likeness))
    }

    /// An answer was given again; `alike`: to a request that only means the same.
    pub fn hit(&self, answer: &Answer, alike: bool) {
        let hits = if alike { &self.metrics.alike } else { &self.metrics.hits };
        hits.inc();
        self.metrics.saved.inc_by(u64::try_from(answer.cost.0).unwrap_or_default());
    }

    /// An answer was looked for, and there was none.
    pub fn missed(&self) {
        self.metrics.misses.inc();
    }

    /// A request was not looked up.
    pub fn bypassed(&self) {
        self.metrics.bypassed.inc();
    }

    /// Keeps `answer`, whose request was looked up when answers had been dropped `purges` times. Tells whether it is kept.
    pub fn keep(&self, key: Key, answer: Answer, purges: u64) -> bool {
        if self.purges() != purges {
            return false;
        }
        let answer = Arc::new(answer);
        // First: whenever it is dropped from the table, it is found here and dropped, too.
        self.nearby.add(key, &answer);
        self.answers.insert(key, answer);
        if self.purges() != purges {
            // Dropped meanwhile: it may not have been seen.
            self.answers.invalidate(&key);
            return false;
        }
        self.metrics.kept.inc();
        true
    }

    /// Drops answers; returns how many. None that was made before is given from now on, those under way included.
    pub fn purge(&self, which: &Purge) -> u64 {
        self.purges.fetch_add(1, Ordering::AcqRel);
        let found: Vec<Arc<Key>> =
            self.answers.iter().filter(|(_, answer)| which.takes(answer)).map(|(key, _)| key).collect();
        found.iter().for_each(|key| self.answers.invalidate(&**key));
        self.answers.run_pending_tasks();
        found.len() as u64
    }

    /// Brings the gauges up to date.
    pub fn refresh(&self) {
        self.answers.run_pending_tasks();
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.entries.set(gauge(self.answers.entry_count()));
        self.metrics.bytes.set(gauge(self.answers.weighted_size()));
    }

    /// What it holds, and what came of it since the start of the process.
    pub fn view(&self) -> CacheView {
        self.answers.run_pending_tasks();
        let mut compared = 0;
        let mut held: BTreeMap<(Arc<str>, Arc<str>), CacheShare> = BTreeMap::new();
        for (_, answer) in &self.answers {
            let share = held.entry((Arc::clone(&answer.team), Arc::clone(&answer.model))).or_insert_with(|| {
                CacheShare { team: answer.team.to_string(), model: answer.model.to_string(), ..CacheShare::default() }
            });
            share.answers += 1;
            compared += u64::from(answer.meaning.is_some());
            share.bytes += u64::from(answer.weight());
        }
        let CacheMetrics { hits, alike, misses, bypassed, kept, saved, .. } = &self.metrics;
        CacheView {
            answers: self.answers.entry_count(),
            bytes: self.answers.weighted_size(),
            max_bytes: self.max_bytes,
            hits: hits.get() + alike.get(),
            semantic_hits: alike.get(),
            compared,
            misses: misses.get(),
            bypassed: bypassed.get(),
            kept: kept.get(),
            saved_nano_usd: saved.get(),
            held: held.into_values().collect(),
        }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cache").field("answers", &self.answers.entry_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
