//! Which answers are compared by meaning: those of requests that differ in their last message only.
//!
//! Plain lists: within one there are few, and all are looked at. A list is read without the lock, which is taken only for
//! answers that have a vector.

use super::{Answer, Key, meaning::Meaning};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Answers that a request is compared with: the newest ones. With vectors of 1536 numbers it takes 0.1 ms, with 3072 up to 0.5.
const MOST_COMPARED: usize = 512;

/// The answers that have vectors, by everything else of their requests.
#[derive(Default)]
pub(super) struct Nearby(Mutex<HashMap<Key, Arc<Vec<Near>>>>);

/// An answer, and what it is kept by.
#[derive(Clone)]
pub(super) struct Near {
    pub(super) key: Key,
    pub(super) answer: Arc<Answer>,
}

impl Nearby {
    /// `answer`, which is about to be kept by `key`, is compared from now on, if it has a vector.
    pub(super) fn add(&self, key: Key, answer: &Arc<Answer>) {
        let Some(Meaning { bucket, .. }) = &answer.meaning else { return };
        let mut lists = self.0.lock();
        let list = Arc::make_mut(lists.entry(*bucket).or_default());
        if list.len() >= MOST_COMPARED {
            list.remove(0); // it is still given to the same request
        }
        list.push(Near { key, answer: Arc::clone(answer) });
    }

    /// `answer` is not kept any more.
    pub(super) fn remove(&self, answer: &Arc<Answer>) {
        let Some(Meaning { bucket, .. }) = &answer.meaning else { return };
        let mut lists = self.0.lock();
        let Some(list) = lists.get_mut(bucket) else { return };
        Arc::make_mut(list).retain(|near| !Arc::ptr_eq(&near.answer, answer));
        if list.is_empty() {
            lists.remove(bucket);
        }
    }

    /// The answers that `takes` takes whose requests are at least as much alike as `least`; the most alike first, of those
    /// the newest.
    pub(super) fn like(&self, meaning: &Meaning, least: f32, takes: impl Fn(&Answer) -> bool) -> Vec<(f32, Near)> {
        /// What is lost where numbers are rounded.
        const ROUNDING: f32 = 1e-6;
        let Some(list) = self.0.lock().get(&meaning.bucket).map(Arc::clone) else { return Vec::new() };
        let near = list.iter().rev().filter(|near| takes(&near.answer)).filter_map(|near| {
            let likeness = near.answer.meaning.as_ref()?.vector.likeness(&meaning.vector);
            (likeness + ROUNDING >= least).then(|| (likeness, near.clone()))
        });
        let mut near: Vec<_> = near.collect();
        near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        near
    }
}

#[cfg(test)]
impl Nearby {
    /// Answers that stand in any list.
    pub(super) fn len(&self) -> usize {
        self.0.lock().values().map(|list| list.len()).sum()
    }
}
