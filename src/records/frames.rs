//! Closed files: zstd frames of some hundred KiB of whole lines each, and behind them a frame that decoders skip and that
//! tells of each where it stands and what times it holds. `zstdcat` reads such a file as any other; a search reads only
//! the frames that it needs, from the end.

use super::record::{micros, time_of};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// What is told of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes of the file before it.
    pub at: u64,
    pub packed: u32,
    /// Bytes of plain text before it.
    pub offset: u64,
    pub plain: u32,
    /// When the first and the last of its requests arrived.
    pub times: (u64, u64),
}

/// Compresses `plain` beside itself and removes it: there is one of the two at any time, and what is there is whole.
pub(super) fn close(plain: &Path) -> io::Result<()> {
    let closed = plain.with_added_extension("zst");
    let part = closed.with_added_extension("part");
    let result = pack(plain, &part).and_then(|()| std::fs::rename(&part, &closed));
    if let Err(error) = result {
        drop(std::fs::remove_file(&part));
        return Err(error);
    }
    if let Some(dir) = plain.parent() {
        File::open(dir)?.sync_all()?; // the new name is on disk before the old one goes
    }
    std::fs::remove_file(plain)
}

fn pack(plain: &Path, part: &Path) -> io::Result<()> {
    let mut lines = BufReader::with_capacity(FRAME, File::open(plain)?);
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(part)?;
    let mut packer = zstd::bulk::Compressor::new(LEVEL)?;
    packer.include_checksum(true)?;
    let mut index: Vec<u8> = Vec::new();
    let mut frames = 0_u32;
    let mut block = Vec::with_capacity(2 * FRAME);
    loop {
        let read = lines.read_until(b'\n', &mut block)?;
        if block.len() < FRAME && read > 0 {
            continue;
        }
        if !block.is_empty() {
            let packed = packer.compress(&block)?;
            out.write_all(&packed)?;
            entry(&mut index, packed.len(), &block)?;
            frames += 1;
            block.clear();
        }
        if read == 0 {
            break;
        }
    }
    index.extend_from_slice(&frames.to_le_bytes());
    index.extend_from_slice(&MARK.to_le_bytes());
    out.write_all(&SKIPPED.to_le_bytes())?;
    out.write_all(&small(index.len())?.to_le_bytes())?;
    out.write_all(&index)?;
    // Its age is that of its last line.
    out.set_modified(lines.get_ref().metadata()?.modified()?)?;
    out.sync_all()
}

/// What the index has of a frame.
fn entry(index: &mut Vec<u8>, packed: usize, block: &[u8]) -> io::Result<()> {
    index.extend_from_slice(&small(packed)?.to_le_bytes());
    index.extend_from_slice(&small(block.len())?.to_le_bytes());
    let times = block.split(|&byte| byte == b'\n').filter_map(time_of);
    let (mut first, mut last) = (None::<&str>, None::<&str>);
    for time in times {
        first = Some(first.map_or(time, |first| first.min(time)));
        last = Some(last.map_or(time, |last| last.max(time)));
    }
    let first = first.and_then(micros).unwrap_or(0);
    let last = last.and_then(micros).unwrap_or(u64::MAX);
    index.extend_from_slice(&first.to_le_bytes());
    index.extend_from_slice(&last.to_le_bytes());
    Ok(())
}

fn small(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(|_| io::Error::other("a line is longer than 4 GiB"))
}

/// The frames of a closed file, the first one first.
pub(super) fn index(file: &mut File) -> io::Result<Vec<Frame>> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the index at the end of the file is damaged");
    let all = file.metadata()?.len();
    let mut tail = [0_u8; 8];
    file.seek(SeekFrom::Start(all.checked_sub(8).ok_or_else(damaged)?))?;
    file.read_exact(&mut tail)?;
    let (frames, mark) = (number(&tail, 0), number(&tail, 4));
    let size = u64::from(frames).saturating_mul(ENTRY as u64).saturating_add(8);
    let begin = all.checked_sub(size.saturating_add(8)).filter(|_| mark == MARK).ok_or_else(damaged)?;
    let mut bytes = vec![0_u8; usize::try_from(size + 8).map_err(|_| damaged())?];
    file.seek(SeekFrom::Start(begin))?;
    file.read_exact(&mut bytes)?;
    if number(&bytes, 0) != SKIPPED || u64::from(number(&bytes, 4)) != size {
        return Err(damaged());
    }
    let (mut at, mut offset) = (0, 0);
    let mut list = Vec::new();
    for entry in bytes[8..].chunks_exact(ENTRY).take(frames as usize) {
        let (packed, plain) = (number(entry, 0), number(entry, 4));
        list.push(Frame { at, packed, offset, plain, times: (long(entry, 8), long(entry, 16)) });
        (at, offset) = (at + u64::from(packed), offset + u64::from(plain));
    }
    if at == begin { Ok(list) } else { Err(damaged()) }
}

/// The plain text of a frame.
pub(super) fn unpack(file: &File, frame: &Frame) -> io::Result<Vec<u8>> {
    let mut packed = vec![0_u8; frame.packed as usize];
    file.read_exact_at(&mut packed, frame.at)?;
    let plain = zstd::bulk::decompress(&packed, frame.plain as usize)?;
    match plain.len() == frame.plain as usize {
        true => Ok(plain),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is shorter than the index says")),
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Plain bytes of a frame, and as much more as its last line has.
const FRAME: usize = 256 * 1024;

/// Of zstd: about a tenth of the bytes remains, at some 300 MB/s.
const LEVEL: i32 = 3;

/// A frame that decoders skip (RFC 8878, 3.1.2).
const SKIPPED: u32 = 0x184D_2A5B;

/// `WBR1`: the index is ours, and of this form.
const MARK: u32 = u32::from_le_bytes(*b"WBR1");

/// Bytes of a frame's entry: packed and plain length, the first and the last time.
const ENTRY: usize = 24;
