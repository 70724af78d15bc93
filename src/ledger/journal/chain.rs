//! The hash chain over finished segments.

use super::segment::{Link, SegmentId, SegmentReader, list};
use crate::ledger::LedgerError;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What is read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// The hash of a file that still grows.
#[derive(Debug, Default, Clone)]
pub(crate) struct RunningHash {
    hasher: Sha256,
    offset: u64,
}

impl RunningHash {
    /// Takes in the bytes up to `end`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is shorter.
    pub(crate) fn advance(&mut self, file: &File, end: u64) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK_BYTES];
        while self.offset < end {
            let want = usize::try_from(end - self.offset).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            let part = buffer.get_mut(..want).unwrap_or_default();
            file.read_exact_at(part, self.offset)?;
            self.hasher.update(&*part);
            self.offset += want as u64;
        }
        Ok(())
    }

    /// The hash of what was taken in.
    pub(crate) fn finish(self) -> [u8; 32] {
        self.hasher.finalize().into()
    }
}

/// The hash of a whole segment.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn hash(journal: &Path, id: SegmentId) -> Result<[u8; 32], LedgerError> {
    let path = id.path(journal);
    let hashed = File::open(&path).and_then(|file| {
        let mut hash = RunningHash::default();
        hash.advance(&file, file.metadata()?.len())?;
        Ok(hash.finish())
    });
    hashed.map_err(|e| LedgerError::io("read", &path, e))
}

/// The last segments of `sealed` epochs that no segment continues yet: a new epoch names them.
///
/// # Errors
///
/// When segments cannot be read; one with a damaged header is passed over.
pub(crate) fn tips(journal: &Path, sealed: &HashSet<u64>) -> Result<Vec<Link>, LedgerError> {
    let mut last: BTreeMap<u64, SegmentId> = BTreeMap::new();
    let mut continued = HashSet::new();
    for id in list(journal)? {
        last.insert(id.epoch, id);
        if let Ok(reader) = SegmentReader::open(journal, id, None) {
            continued.extend(reader.header.previous.iter().map(|link| link.id));
        }
    }
    let tips = last.into_values().filter(|id| sealed.contains(&id.epoch) && !continued.contains(id));
    tips.map(|id| Ok(Link { id, sha256: hash(journal, id)? })).collect()
}
