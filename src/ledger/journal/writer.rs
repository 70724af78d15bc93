//! Appending to an epoch's own segments.
//!
//! The writer never leaves half a frame behind: after a write that failed, the file is cut back to its last whole
//! frame before anything else is written. It does no locking, no waiting and no flushing to disk of its own.

use super::frame::{Counts, Frame, SealFrame, encode};
use super::segment::{Header, Link, Position, SegmentId, create, open_append};
use crate::ledger::LedgerError;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The end of an epoch's chain.
#[derive(Debug)]
pub(crate) struct Writer {
    journal: PathBuf,
    id: SegmentId,
    file: Arc<File>,
    /// Length of the whole frames in the file.
    written: u64,
    /// Whether the file may be longer than `written`.
    torn: bool,
    /// Frames that wait for the next write.
    queued: Vec<u8>,
    /// Bytes written to all segments of the epoch: tells what a flush to disk has covered.
    sequence: u64,
    counts: Counts,
}

impl Writer {
    /// Begins an epoch with its first segment.
    ///
    /// # Errors
    ///
    /// When the segment cannot be made.
    pub(crate) fn begin(journal: &Path, epoch: u64, previous: Vec<Link>, now_us: u64) -> Result<Self, LedgerError> {
        Self::create(journal, SegmentId { epoch, number: 1 }, previous, now_us)
    }

    /// Begins a segment of an epoch.
    ///
    /// # Errors
    ///
    /// When the segment cannot be made.
    pub(crate) fn create(journal: &Path, id: SegmentId, previous: Vec<Link>, now_us: u64) -> Result<Self, LedgerError> {
        let (file, written) = create(journal, &Header { id, created_us: now_us, previous })?;
        Ok(Self::at(journal, id, file, written))
    }

    /// Continues a segment of a dead epoch after its last whole frame, which ends at `written`.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or cut.
    pub(crate) fn resume(journal: &Path, id: SegmentId, written: u64) -> Result<Self, LedgerError> {
        let path = id.path(journal);
        let file = open_append(&path)?;
        // Never beyond its end: that would fill the file with zeros.
        let length = file.metadata().map_err(|e| LedgerError::io("read", &path, e))?.len();
        let mut writer = Self::at(journal, id, file, written.min(length));
        writer.torn = true;
        writer.cut().map_err(|e| LedgerError::io("cut", &path, e))?;
        Ok(writer)
    }

    fn at(journal: &Path, id: SegmentId, file: File, written: u64) -> Self {
        let journal = journal.to_owned();
        let (queued, counts) = (Vec::new(), Counts::default());
        Self { journal, id, file: Arc::new(file), written, torn: false, queued, sequence: written, counts }
    }

    /// Where the next frame will lie.
    pub(crate) fn end(&self) -> Position {
        Position { number: self.id.number, offset: self.written }
    }

    /// Bytes written to all segments of this epoch.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The segment that is written to, for flushing it without holding the writer.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// The segment's file name.
    pub(crate) fn path(&self) -> PathBuf {
        self.id.path(&self.journal)
    }

    /// Counts what is written with the next frames; it goes into the next segment's checkpoint.
    pub(crate) fn count(&mut self, counted: impl FnOnce(&mut Counts)) {
        counted(&mut self.counts);
    }

    /// Leaves `frame` to the next write.
    pub(crate) fn queue(&mut self, frame: &[u8]) {
        self.queued.extend_from_slice(frame);
    }

    /// Bytes that wait for the next write.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued.len()
    }

    /// Whether frames wait.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Writes what waits and then `frame`, with one `write(2)`: both or neither.
    ///
    /// # Errors
    ///
    /// Disk full, read-only: `frame` is not in the journal, what waits goes on waiting.
    pub(crate) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.cut()?;
        let total = self.queued.len() + frame.len();
        if let Err(e) = write_both(&self.file, &self.queued, frame) {
            self.torn = true;
            // If this fails too, it is tried again before the next write.
            drop(self.cut());
            return Err(e);
        }
        self.written += total as u64;
        self.sequence += total as u64;
        self.queued.clear();
        Ok(())
    }

    /// Removes what a failed write left behind the last whole frame.
    fn cut(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.written)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Ends the segment and begins the next. If that cannot be done, the writer goes on as before.
    ///
    /// `sha256` is asked for the hash of a file up to an offset; the caller may have read most of it before.
    ///
    /// # Errors
    ///
    /// Disk full, read-only.
    pub(crate) fn rotate(
        &mut self,
        now_us: u64,
        sha256: impl FnOnce(&File, u64) -> io::Result<[u8; 32]>,
    ) -> Result<(), LedgerError> {
        let before = (self.written, self.sequence);
        self.seal(false)?;
        match self.next_segment(now_us, sha256) {
            Ok(()) => Ok(()),
            Err(e) => {
                (self.written, self.sequence) = before;
                self.torn = true;
                drop(self.cut());
                Err(e)
            }
        }
    }

    fn next_segment(
        &mut self,
        now_us: u64,
        sha256: impl FnOnce(&File, u64) -> io::Result<[u8; 32]>,
    ) -> Result<(), LedgerError> {
        let fail = |what, e| LedgerError::io(what, &self.path(), e);
        self.file.sync_data().map_err(|e| fail("flush", e))?;
        let link = Link { id: self.id, sha256: sha256(&self.file, self.written).map_err(|e| fail("read", e))? };
        let id = SegmentId { number: self.id.number + 1, ..self.id };
        let mut checkpoint = Vec::new();
        encode(&Frame::Checkpoint(self.counts), &mut checkpoint)?;
        let (file, written) = create(&self.journal, &Header { id, created_us: now_us, previous: vec![link] })?;
        self.id = id;
        self.file = Arc::new(file);
        self.written = written;
        self.torn = false;
        // Not fatal: a segment without its checkpoint is only checked less strictly.
        drop(self.append(&checkpoint));
        Ok(())
    }

    /// Writes what waits and the seal.
    ///
    /// # Errors
    ///
    /// Disk full, read-only.
    pub(crate) fn seal(&mut self, last: bool) -> Result<(), LedgerError> {
        let mut frame = Vec::new();
        encode(&Frame::Seal(SealFrame { last }), &mut frame)?;
        self.append(&frame).map_err(|e| LedgerError::io("write", &self.path(), e))
    }
}

/// One system call unless the kernel takes less than all.
fn write_both(mut file: &File, queued: &[u8], frame: &[u8]) -> io::Result<()> {
    if queued.is_empty() {
        return file.write_all(frame);
    }
    let parts = [IoSlice::new(queued), IoSlice::new(frame)];
    let done = loop {
        match file.write_vectored(&parts) {
            Ok(done) => break done,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    };
    match queued.get(done..) {
        Some(rest) => {
            file.write_all(rest)?;
            file.write_all(frame)
        }
        None => file.write_all(frame.get(done - queued.len()..).unwrap_or_default()),
    }
}

#[cfg(test)]
impl Writer {
    /// Lets every write fail after half a record while `with` runs, as a full disk does.
    pub(crate) fn break_with(&mut self, with: impl FnOnce(&mut Self)) {
        (&*self.file).write_all(b"\x40\x00\x00\xb7half a rec").expect("the disk is not really full");
        self.torn = true;
        let read_only = Arc::new(File::open(self.path()).expect("the segment is there"));
        let healthy = std::mem::replace(&mut self.file, read_only);
        with(self);
        self.file = healthy;
    }
}
