//! What a request has to do with the cache, and an answer on its way there: its bytes as they go out.

use crate::{
    cache::{Answer, CacheRule, Key, Meaning, NotKept},
    model::NanoUsd,
    proxy::{bounds::Share, exchange::Exchange, finish::Local, respond},
    telemetry::AccessRecord,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// What a request has to do with the cache. Default: nothing.
#[derive(Default)]
pub struct Cached {
    word: Option<&'static str>,
    /// What was saved, and whether the answer was a stream.
    given: Option<(NanoUsd, bool)>,
    /// How much alike the request is to the one that the answer was made for, where it is not the same.
    similarity: Option<f32>,
    /// How long a vector was waited for.
    waited: Duration,
    filling: Option<Box<Filling>>,
}

impl Cached {
    /// It is not looked up, though its model or team has a cache.
    pub(super) fn bypassed() -> Self {
        Self { word: Some("bypass"), ..Self::default() }
    }

    /// It was looked up, and there was nothing; the answer may be kept.
    pub(super) fn missed(filling: Option<Filling>) -> Self {
        Self { word: Some("miss"), filling: filling.map(Box::new), ..Self::default() }
    }

    /// It is answered out of the cache; by meaning, where there is a `similarity`.
    pub(super) fn hit(saved: NanoUsd, stream: bool, similarity: Option<f32>) -> Self {
        Self { word: Some(word_of(similarity)), given: Some((saved, stream)), similarity, ..Self::default() }
    }

    /// A vector of its last message was waited for.
    pub(super) fn having_waited(self, waited: Duration) -> Self {
        Self { waited, ..self }
    }

    /// How long a vector was waited for: that is not the gateway's own time.
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// `hit`, `semantic`, `miss` or `bypass`; `None`: its model and team have no cache.
    pub const fn word(&self) -> Option<&'static str> {
        self.word
    }

    /// Tells the record.
    pub fn note(&self, line: &mut AccessRecord) {
        line.cache = self.word;
        line.similarity = self.similarity;
        if let Some((saved, stream)) = self.given {
            line.saved = Some(saved);
            line.stream = stream;
        }
    }

    /// The attempt failed: what came of it, and was perhaps never written, is no part of another one's answer.
    pub fn begin_anew(&mut self) {
        if let Some(filling) = &mut self.filling {
            filling.bytes = Vec::new();
            filling.share.shrink_to(0);
            filling.lost = None;
        }
    }

    /// These bytes of the answer go out.
    pub fn take(&mut self, bytes: &[u8]) {
        if let Some(filling) = &mut self.filling {
            filling.take(bytes);
        }
    }
}

impl Local {
    /// What was waited for while a request was opened, `body` for its bytes: that is not the gateway's own time.
    pub fn elsewhere(&self, body: Duration) -> Duration {
        body + self.queued + self.cached.waited
    }
}

/// What clients and records are told of a hit.
pub(super) const fn word_of(similarity: Option<f32>) -> &'static str {
    if similarity.is_some() { "semantic" } else { "hit" }
}

/// An answer on its way into the cache.
pub(super) struct Filling {
    key: Key,
    rule: CacheRule,
    /// How often answers had been dropped by hand when it was looked up.
    purges: u64,
    bytes: Vec<u8>,
    share: Share,
    /// Why it is not kept.
    lost: Option<NotKept>,
    /// What its request means.
    meaning: Option<Meaning>,
}

impl Filling {
    /// Nothing of it came yet; it holds `share` of the gateway's memory.
    pub(super) const fn new(key: Key, rule: CacheRule, purges: u64, share: Share) -> Self {
        Self { key, rule, purges, bytes: Vec::new(), share, lost: None, meaning: None }
    }

    /// It may be given to requests that mean the same.
    pub(super) fn meaning(self, meaning: Option<Meaning>) -> Self {
        Self { meaning, ..self }
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.lost.is_some() {
            return;
        }
        let length = self.bytes.len().saturating_add(bytes.len());
        let lost = match length {
            _ if length > self.rule.most => Some(NotKept::TooLong),
            _ if !self.share.grow_to(length) => Some(NotKept::NoRoom),
            _ => None,
        };
        if lost.is_some() {
            self.bytes = Vec::new();
            self.share.shrink_to(0);
            self.lost = lost;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

impl Exchange {
    /// Keeps the answer, which is over and settled, if it may be given again: before the last of it goes out, so that
    /// whoever has it and asks again gets it. `marker`: the length of its end marker.
    pub fn keep_answer(&mut self, marker: usize) {
        let Some(mut filling) = self.record.cached.filling.take() else { return };
        let cache = &self.services().cache;
        let bytes = Bytes::from(std::mem::take(&mut filling.bytes));
        let answer = filling.lost.map_or_else(|| self.to_keep(&mut filling, bytes, marker), Err);
        let kept = answer.and_then(|answer| match cache.keep(filling.key, answer, filling.purges) {
            true => Ok(()),
            false => Err(NotKept::NoRoom),
        });
        if let Err(why) = kept {
            cache.metrics().not_kept(why);
        }
    }

    fn to_keep(&self, filling: &mut Filling, bytes: Bytes, marker: usize) -> Result<Answer, NotKept> {
        let attempt = self.attempt().ok_or(NotKept::NotWhole)?;
        let (answer, opened) = (&attempt.answer, &self.opened);
        let whole = answer.status() == 200 && answer.ended() && answer.failed().is_none() && !answer.is_refusal();
        if !whole || bytes.is_empty() || answer.opaque().is_some() {
            return Err(NotKept::NotWhole);
        }
        let shared = opened.guarding.as_ref().is_none_or(|guarding| guarding.shareable().is_some());
        // A budget's doing is not the next request's, nor is what another model said in place of this one.
        if attempt.spending.lowered || opened.plan.route().name != opened.model || !shared || is_filtered(&bytes) {
            return Err(NotKept::NotTypical);
        }
        Ok(Answer {
            team: Arc::clone(&opened.caller.team),
            model: Arc::clone(&opened.model),
            kind: answer.content_type().cloned().unwrap_or(respond::JSON),
            stream: answer.is_stream(),
            marker_at: bytes.len().saturating_sub(marker),
            // Its own, as long as it is: a piece of a larger buffer would hold all of that.
            body: Bytes::from(bytes.as_ref().to_vec().into_boxed_slice()),
            target: attempt.target.label.clone(),
            dropped: respond::dropped_of(attempt),
            cost: self.record.cost().unwrap_or_default(),
            kept_us: self.now_us(),
            ttl: filling.rule.ttl,
            meaning: filling.meaning.take(),
        })
    }
}

/// Whether a provider says that it held something back, or did not come to the end. Such words stand in quotes of JSON; in
/// what a model says quotes are escaped, so that it cannot be taken for them.
fn is_filtered(bytes: &[u8]) -> bool {
    const WORDS: [&[u8]; 12] = [
        b"\"content_filter\"",
        b"\"SAFETY\"",
        b"\"RECITATION\"",
        b"\"BLOCKLIST\"",
        b"\"PROHIBITED_CONTENT\"",
        b"\"SPII\"",
        b"\"IMAGE_SAFETY\"",
        b"\"guardrail_intervened\"",
        b"\"incomplete\"",
        b"\"failed\"",
        b"\"stop_reason\":\"refusal\"",
        b"\"stop_reason\": \"refusal\"",
    ];
    WORDS.iter().any(|word| memchr::memmem::find(bytes, word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::CacheScope, proxy::bounds::Buffers};
    use std::time::Duration;

    fn filling(buffers: &Buffers, most: usize) -> Filling {
        let rule =
            CacheRule { asked: false, ttl: Duration::from_secs(1), scope: CacheScope::Team, most, semantic: false };
        Filling::new([0; 32], rule, 0, buffers.take(0).expect("room"))
    }

    #[test]
    fn what_is_too_long_is_let_go_at_once_and_nothing_is_held_for_it() {
        let buffers = Buffers::new(100);
        let mut long = filling(&buffers, 10);
        long.take(b"12345678");
        assert_eq!((buffers.used(), long.lost), (8, None));
        long.take(b"901");
        long.take(b"2");
        assert_eq!((buffers.used(), long.lost, long.bytes.len()), (0, Some(NotKept::TooLong), 0));
        let mut other = filling(&buffers, 1_000);
        other.take(&[0; 101]);
        assert_eq!((buffers.used(), other.lost), (0, Some(NotKept::NoRoom)));
    }

    #[test]
    fn a_providers_filter_is_told_from_what_a_model_says_about_it() {
        assert!(is_filtered(br#"{"choices":[{"finish_reason":"content_filter"}]}"#));
        assert!(is_filtered(br#"{"candidates":[{"finishReason": "SAFETY"}]}"#));
        assert!(is_filtered(br#"{"type":"response.incomplete","response":{"status":"incomplete"}}"#));
        assert!(!is_filtered(br#"{"prompt_filter_results":[{"content_filter_results":{"hate":{"filtered":false}}}]}"#));
        assert!(!is_filtered(br#"{"content":"it says \"content_filter\" and \"failed\""}"#));
    }
}
