//! A file's text in blocks of whole lines, from its end: the same for files that are written to and for closed ones.

use super::files::Listed;
use super::frames::{self, Frame};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Whole lines, and where they stand in the file's plain text.
pub(super) struct Block {
    pub offset: u64,
    pub text: Vec<u8>,
}

/// A file that is read from its end.
pub(super) enum Blocks {
    /// What is left of it is its first `end` bytes.
    Plain {
        file: File,
        end: u64,
    },
    Closed {
        file: File,
        frames: Vec<Frame>,
    },
}

impl Blocks {
    /// Opens `listed`, also if it was closed since it was listed. Only what stands before `end` is read.
    pub fn open(listed: &Listed, end: Option<u64>) -> io::Result<Self> {
        let end = end.unwrap_or(u64::MAX);
        let closed = |path: &std::path::Path| {
            let mut file = File::open(path)?;
            let mut frames = frames::index(&mut file)?;
            frames.retain(|frame| frame.offset < end);
            Ok(Self::Closed { file, frames })
        };
        if listed.closed {
            return closed(&listed.path);
        }
        match File::open(&listed.path) {
            Ok(file) => {
                let end = file.metadata()?.len().min(end);
                Ok(Self::Plain { file, end })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => closed(&listed.path.with_added_extension("zst")),
            Err(error) => Err(error),
        }
    }

    /// The block before those that were read; `wanted` says whether one that holds these times is. `None`: that was all.
    pub fn before(&mut self, wanted: impl Fn(u64, u64) -> bool) -> io::Result<Option<Block>> {
        match self {
            Self::Closed { file, frames } => {
                while let Some(frame) = frames.pop() {
                    if wanted(frame.times.0, frame.times.1) {
                        return Ok(Some(Block { offset: frame.offset, text: frames::unpack(file, &frame)? }));
                    }
                }
                Ok(None)
            }
            Self::Plain { file, end } => plain(file, end),
        }
    }
}

/// The last lines of the first `end` bytes. A line that is longer than a block makes the block longer.
fn plain(file: &File, end: &mut u64) -> io::Result<Option<Block>> {
    let mut size = BLOCK;
    while *end > 0 {
        let begin = end.saturating_sub(size);
        let mut text = vec![0_u8; usize::try_from(*end - begin).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut text, begin)?;
        if begin == 0 {
            *end = 0;
            return Ok(Some(Block { offset: 0, text }));
        }
        // The first line may be the end of one: it is read with what is before it.
        match memchr::memchr(b'\n', &text) {
            Some(at) if at + 1 < text.len() => {
                let offset = begin + at as u64 + 1;
                *end = offset;
                return Ok(Some(Block { offset, text: text.split_off(at + 1) }));
            }
            _ => size = size.saturating_mul(2),
        }
    }
    Ok(None)
}

impl Block {
    /// Its lines and their offsets, the last one first. What has no line feed yet is being written: it is left out.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut end = memchr::memrchr(b'\n', &self.text).unwrap_or(0);
        std::iter::from_fn(move || {
            while end > 0 {
                let begin = memchr::memrchr(b'\n', &self.text[..end]).map_or(0, |at| at + 1);
                let line = &self.text[begin..end];
                end = begin.saturating_sub(1);
                if !line.is_empty() {
                    return Some((self.offset + begin as u64, line));
                }
            }
            None
        })
    }
}

/// Bytes that are read at once of a file that is written to.
const BLOCK: u64 = 256 * 1024;
