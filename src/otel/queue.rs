//! What waits to be sent: items of one signal, already in words, bounded in number and bytes. What does not fit is dropped
//! at once, so that nobody waits for a collector.

use parking_lot::Mutex;
use std::collections::VecDeque;
use tokio::sync::Notify;

/// Items that go together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Items of the signal's scope message, one behind the other.
    pub bytes: Vec<u8>,
    /// How many.
    pub items: usize,
}

/// The queue of one signal.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// A whole batch waits.
    pub full: Notify,
    most_items: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    items: usize,
    bytes: usize,
}

/// Items in one call: at about 1 KiB a span it stays below the 4 MiB that receivers of gRPC take by default.
pub(super) const BATCH_ITEMS: usize = 1_024;
/// Bytes in one call, if it is not a single item.
pub(super) const BATCH_BYTES: usize = 2 << 20;

impl Queue {
    /// Of at most so many items and bytes.
    pub fn new(most_items: usize, most_bytes: usize) -> Self {
        Self { waiting: Mutex::default(), full: Notify::new(), most_items, most_bytes }
    }

    /// Adds a batch, which is emptied. False: it does not fit, and is lost.
    pub fn push(&self, batch: &mut Batch) -> bool {
        let (items, bytes) = (batch.items, batch.bytes.len());
        let mut waiting = self.waiting.lock();
        let fits = waiting.items + items <= self.most_items && waiting.bytes + bytes <= self.most_bytes;
        if fits {
            waiting.items += items;
            waiting.bytes += bytes;
            match waiting.batches.back_mut() {
                Some(last) if last.items + items <= BATCH_ITEMS && last.bytes.len() + bytes <= BATCH_BYTES => {
                    last.items += items;
                    last.bytes.extend_from_slice(&batch.bytes);
                }
                _ => waiting.batches.push_back(Batch { bytes: batch.bytes.clone(), items }),
            }
            if waiting.items >= BATCH_ITEMS {
                self.full.notify_one();
            }
        }
        drop(waiting);
        batch.bytes.clear();
        batch.items = 0;
        fits
    }

    /// The oldest batch.
    pub fn take(&self) -> Option<Batch> {
        let mut waiting = self.waiting.lock();
        let batch = waiting.batches.pop_front()?;
        waiting.items -= batch.items;
        waiting.bytes -= batch.bytes.len();
        Some(batch)
    }

    /// Items that wait.
    pub fn len(&self) -> usize {
        self.waiting.lock().items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_goes_together_and_what_does_not_is_dropped() {
        let batch = |items: usize, bytes: usize| Batch { bytes: vec![0; bytes], items };
        let queue = Queue::new(2_000, 1_000);
        assert!(queue.push(&mut batch(600, 100)) && queue.push(&mut batch(400, 100)));
        assert!(queue.push(&mut batch(100, 100)), "the next one");
        assert!(!queue.push(&mut batch(901, 1)), "too many items");
        assert!(!queue.push(&mut batch(1, 701)), "too many bytes");
        let taken: Vec<_> = std::iter::from_fn(|| queue.take()).map(|batch| (batch.items, batch.bytes.len())).collect();
        assert_eq!((taken, queue.len()), (vec![(1_000, 200), (100, 100)], 0));
        let mut filled = batch(1, 1);
        assert!(queue.push(&mut filled) && filled.items == 0 && filled.bytes.is_empty());
    }
}
