//! One segment file: its name, its header, reading it frame by frame.

use super::frame::{Frame, PREFIX_BYTES, Peek, encode, peek, resynchronize};
use crate::ledger::LedgerError;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// First bytes of a segment: the magic and the format's version.
const MAGIC: &[u8; 8] = b"WBJRNL\x00\x01";
/// Last byte of the magic.
const VERSION: u8 = MAGIC[7];
/// What is read from the file at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Largest header: room for a few hundred links.
const HEADER_BYTES: usize = MAGIC.len() + PREFIX_BYTES + super::frame::MAX_PAYLOAD_BYTES;

/// Names a segment: `<epoch>-<number>.wbj`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct SegmentId {
    /// The run of a process.
    pub epoch: u64,
    /// From 1.
    pub number: u64,
}

impl SegmentId {
    /// Where the segment lies in the journal directory.
    pub(crate) fn path(self, journal: &Path) -> PathBuf {
        journal.join(format!("{:08}-{:08}.wbj", self.epoch, self.number))
    }

    fn parse(name: &str) -> Option<Self> {
        let (epoch, number) = name.strip_suffix(".wbj")?.split_once('-')?;
        Some(Self { epoch: epoch.parse().ok()?, number: number.parse().ok()? })
    }
}

/// A place in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Segment.
    pub number: u64,
    /// Byte in it; 0 is the beginning of the file, before the header.
    pub offset: u64,
}

impl Position {
    /// Before everything.
    pub(crate) const START: Self = Self { number: 0, offset: 0 };
}

/// First record of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub id: SegmentId,
    pub created_us: u64,
    /// The segments that this one continues; several where an epoch follows several (after an upgrade).
    pub previous: Vec<Link>,
}

/// A finished segment and the hash of all its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub id: SegmentId,
    pub sha256: [u8; 32],
}

/// All segments of a journal directory, sorted. A directory that does not exist has none.
///
/// # Errors
///
/// When the directory cannot be read.
pub(crate) fn list(journal: &Path) -> Result<Vec<SegmentId>, LedgerError> {
    let entries = match std::fs::read_dir(journal) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(LedgerError::io("read", journal, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| LedgerError::io("read", journal, e))?;
        found.extend(entry.file_name().to_str().and_then(SegmentId::parse));
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes a segment with its header and opens it for appending. It appears under its name only when the header is
/// on disk, and never replaces another.
///
/// # Errors
///
/// When it exists, or the disk is full or read-only.
pub(crate) fn create(journal: &Path, header: &Header) -> Result<(File, u64), LedgerError> {
    let path = header.id.path(journal);
    let draft = path.with_extension("new");
    let mut bytes = MAGIC.to_vec();
    encode(header, &mut bytes)?;
    let made = write_header(&draft, &bytes).and_then(|file| {
        let cwd = rustix::fs::CWD;
        rustix::fs::renameat_with(cwd, &draft, cwd, &path, rustix::fs::RenameFlags::NOREPLACE)?;
        // A name that may not last must not stay: the next attempt makes it anew.
        File::open(journal).and_then(|dir| dir.sync_all()).inspect_err(|_| drop(std::fs::remove_file(&path)))?;
        Ok(file)
    });
    match made {
        Ok(file) => Ok((file, bytes.len() as u64)),
        Err(e) => {
            // What is left of it means nothing to a reader; the next attempt writes it again.
            drop(std::fs::remove_file(&draft));
            Err(LedgerError::io("create", &path, e))
        }
    }
}

fn write_header(draft: &Path, bytes: &[u8]) -> io::Result<File> {
    drop(std::fs::remove_file(draft));
    let mut file = OpenOptions::new().append(true).read(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    Ok(file)
}

/// Opens a segment for appending and reading.
///
/// # Errors
///
/// When the system refuses.
pub(crate) fn open_append(path: &Path) -> Result<File, LedgerError> {
    OpenOptions::new().append(true).read(true).open(path).map_err(|e| LedgerError::io("open", path, e))
}

/// What comes next in a segment.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack for the length of one match")]
pub(crate) enum Step<'a> {
    /// A whole frame that begins at `at`; the next begins at `next`.
    Frame { at: u64, next: u64, frame: Frame<'a> },
    /// Nothing more.
    End,
    /// From `at` on nothing is whole: the end of a write that was cut.
    Torn { at: u64, bytes: u64 },
    /// The bytes from `at` to `resume` are no frames, but there are frames after them.
    Damaged { at: u64, resume: u64 },
}

/// Reads a segment from some offset to some end.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    path: PathBuf,
    file: File,
    /// Its header.
    pub header: Header,
    /// Where the first frame begins.
    body: u64,
    /// Bytes of the file from `start`.
    buffer: Vec<u8>,
    start: u64,
    /// The next byte to look at, relative to `start`.
    at: usize,
    /// No byte at or past this one is looked at.
    limit: u64,
}

impl SegmentReader {
    /// Opens a segment and reads its header. `limit` is the end of what may be read; default: the file's length now.
    ///
    /// # Errors
    ///
    /// `Io`; `Format` when the header is not one of ours.
    pub(crate) fn open(journal: &Path, id: SegmentId, limit: Option<u64>) -> Result<Self, LedgerError> {
        let path = id.path(journal);
        let file = File::open(&path).map_err(|e| LedgerError::io("open", &path, e))?;
        let length = file.metadata().map_err(|e| LedgerError::io("read", &path, e))?.len();
        let limit = limit.map_or(length, |limit| limit.min(length));
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(HEADER_BYTES)];
        let read = read_at(&file, &mut buffer, 0).map_err(|e| LedgerError::io("read", &path, e))?;
        buffer.truncate(read);
        let (header, body) = parse_header(&buffer, id).map_err(|reason| {
            let newer = buffer.strip_prefix(&MAGIC[..7]).and_then(<[u8]>::first).is_some_and(|found| *found > VERSION);
            LedgerError::Format { path: path.clone(), reason, newer }
        })?;
        Ok(Self { path, file, header, body, buffer: Vec::new(), start: body, at: 0, limit })
    }

    /// Goes to `offset`, but not before the first frame.
    pub(crate) fn seek(&mut self, offset: u64) {
        self.start = offset.max(self.body);
        self.buffer.clear();
        self.at = 0;
    }

    /// Lets the reader see bytes up to `limit`.
    pub(crate) fn extend_to(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// No byte at or past this one is looked at.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// The offset of the next frame.
    pub(crate) fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// The next frame, or why there is none.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(crate) fn step(&mut self) -> Result<Step<'_>, LedgerError> {
        let at = self.offset();
        let mut need = PREFIX_BYTES;
        let size = loop {
            let had = self.fill(need)?;
            match peek(self.rest()) {
                Peek::Whole(payload) => match postcard::from_bytes::<Frame<'_>>(payload) {
                    Ok(_) => break PREFIX_BYTES + payload.len(),
                    // Whole by its checksum and yet unreadable: a record of a newer version. Never cut away.
                    Err(_) => {
                        let size = PREFIX_BYTES + payload.len();
                        self.at += size;
                        return Ok(Step::Damaged { at, resume: at + size as u64 });
                    }
                },
                Peek::Short(_) if self.rest().is_empty() => return Ok(Step::End),
                Peek::Short(more) if had && more > need => need = more,
                Peek::Short(_) | Peek::Bad => return self.damage(at),
            }
        };
        let from = self.at + PREFIX_BYTES;
        self.at += size;
        let frame = postcard::from_bytes(self.buffer.get(from..self.at).unwrap_or_default())
            .map_err(|e| LedgerError::Format { path: self.path.clone(), reason: e.to_string(), newer: false })?;
        Ok(Step::Frame { at, next: at + size as u64, frame })
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Tells a torn tail from damage in the middle, and goes past the latter.
    fn damage(&mut self, at: u64) -> Result<Step<'_>, LedgerError> {
        let left = self.limit.saturating_sub(at);
        self.fill(usize::try_from(left).unwrap_or(usize::MAX))?;
        match resynchronize(self.rest()) {
            Some(skip) => {
                self.at += skip;
                Ok(Step::Damaged { at, resume: at + skip as u64 })
            }
            None => Ok(Step::Torn { at, bytes: left }),
        }
    }

    /// Makes `need` bytes available from the next frame on; tells whether there are so many.
    fn fill(&mut self, need: usize) -> Result<bool, LedgerError> {
        if self.rest().len() >= need {
            return Ok(true);
        }
        self.buffer.drain(..self.at);
        self.start += self.at as u64;
        self.at = 0;
        let have = self.buffer.len();
        let end = self.start + have as u64;
        let left = usize::try_from(self.limit.saturating_sub(end)).unwrap_or(usize::MAX);
        let want = need.saturating_sub(have).max(CHUNK_BYTES).min(left);
        self.buffer.resize(have + want, 0);
        let read =
            read_at(&self.file, &mut self.buffer[have..], end).map_err(|e| LedgerError::io("read", &self.path, e))?;
        self.buffer.truncate(have + read);
        Ok(self.buffer.len() >= need)
    }
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => break,
            Ok(n) => {
                read += n;
                offset += n as u64;
                buffer = &mut buffer[n..];
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(read)
}

fn parse_header(bytes: &[u8], id: SegmentId) -> Result<(Header, u64), String> {
    let Some(rest) = bytes.strip_prefix(MAGIC.as_slice()) else {
        return Err(match bytes.strip_prefix(&MAGIC[..7]) {
            Some([version, ..]) => format!("format version {version}, known is 1"),
            _ => "the first bytes are not `WBJRNL`".to_owned(),
        });
    };
    let Peek::Whole(payload) = peek(rest) else { return Err("its header is damaged".to_owned()) };
    let header: Header = postcard::from_bytes(payload).map_err(|e| format!("its header is damaged: {e}"))?;
    if header.id != id {
        return Err(format!("its header says epoch {} number {}", header.id.epoch, header.id.number));
    }
    Ok((header, (MAGIC.len() + PREFIX_BYTES + payload.len()) as u64))
}
