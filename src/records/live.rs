//! The last lines, in memory, and those that come: for a live list.

use super::find::{Find, Needle};
use super::record::Record;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::broadcast;

/// The last records and whoever follows them. Pushed to by the log's thread; a follower that is too slow misses lines
/// and is told how many ([`broadcast::error::RecvError::Lagged`]), and nobody waits for it.
#[derive(Debug)]
pub struct Live {
    ring: Mutex<VecDeque<Arc<str>>>,
    followers: broadcast::Sender<Arc<str>>,
}

impl Default for Live {
    fn default() -> Self {
        let (followers, _) = broadcast::channel(WAITING);
        Self { ring: Mutex::default(), followers }
    }
}

impl Live {
    /// Takes a line, without its line feed.
    pub fn push(&self, line: &str) {
        let line: Arc<str> = line.into();
        if self.followers.receiver_count() > 0 {
            drop(self.followers.send(Arc::clone(&line)));
        }
        let mut ring = self.ring.lock();
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(line);
    }

    /// The lines from now on, each as [`Record::parse`] reads it.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<str>> {
        self.followers.subscribe()
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.followers.receiver_count()
    }

    /// The last records that `find` looks for, the newest first, at most its limit.
    pub fn recent(&self, find: &Find) -> Vec<Record> {
        let lines: Vec<Arc<str>> = self.ring.lock().iter().rev().cloned().collect();
        let needle = Needle::of(find);
        lines.iter().filter_map(|line| needle.read(line.as_bytes())).take(find.limit).collect()
    }
}

/// Lines that are kept: a screen or two of a dashboard, about 1 MiB.
const KEPT: usize = 1000;

/// Lines that wait for a slow follower.
const WAITING: usize = 1024;
