//! What the simulated provider keeps in memory: files, and batches. Bounded; what is past the bound is refused.

use super::refusal::Refusal;
use super::services::Batch;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A file.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub id: String,
    pub filename: String,
    pub purpose: String,
    /// Seconds since the Unix epoch.
    pub created: u64,
    /// See `created`.
    pub expires: Option<u64>,
    pub bytes: Arc<[u8]>,
}

/// Files and batches, by number.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    files: Mutex<BTreeMap<u64, Kept>>,
    batches: Mutex<BTreeMap<u64, Batch>>,
}

/// Most files, and batches.
const MOST: usize = 1_000;

/// Most bytes of all files.
const MOST_BYTES: usize = 256 * 1024 * 1024;

impl Shelf {
    /// Takes a file, whose id is made of the number.
    ///
    /// # Errors
    ///
    /// When the shelf is full.
    pub fn keep(&self, make: impl FnOnce(u64) -> Kept) -> Result<Kept, Refusal> {
        let mut files = self.files.lock();
        let number = files.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        let file = make(number);
        let bytes: usize = files.values().map(|file| file.bytes.len()).sum();
        if files.len() >= MOST || bytes.saturating_add(file.bytes.len()) > MOST_BYTES {
            let told = format!("the simulated provider keeps {MOST} files of {MOST_BYTES} bytes in all; delete some");
            return Err(Refusal::bad(told, Some("file")));
        }
        files.insert(number, file.clone());
        Ok(file)
    }

    pub fn file(&self, id: &str) -> Option<Kept> {
        self.files.lock().values().find(|file| file.id == id).cloned()
    }

    /// All, oldest first.
    pub fn files(&self) -> Vec<Kept> {
        self.files.lock().values().cloned().collect()
    }

    /// Whether it was there.
    pub fn remove(&self, id: &str) -> bool {
        let mut files = self.files.lock();
        let number = files.iter().find(|(_, file)| file.id == id).map(|(number, _)| *number);
        number.is_some_and(|number| files.remove(&number).is_some())
    }

    /// Takes a batch, whose id is made of the number.
    ///
    /// # Errors
    ///
    /// When the shelf is full.
    pub fn begin(&self, make: impl FnOnce(u64) -> Batch) -> Result<Batch, Refusal> {
        let mut batches = self.batches.lock();
        if batches.len() >= MOST {
            return Err(Refusal::bad(format!("the simulated provider keeps {MOST} batches"), None));
        }
        let number = batches.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        let batch = make(number);
        batches.insert(number, batch.clone());
        Ok(batch)
    }

    /// A batch, after `change` had its hand at it.
    pub fn batch(&self, id: &str, change: impl FnOnce(&mut Batch)) -> Option<Batch> {
        let mut batches = self.batches.lock();
        let batch = batches.values_mut().find(|batch| batch.id == id)?;
        change(batch);
        Some(batch.clone())
    }

    /// All, oldest first.
    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().values().cloned().collect()
    }
}
