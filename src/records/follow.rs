//! Follows a directory of records as it grows: for a terminal, also where no gateway runs.

use super::blocks::{Block, Blocks};
use super::files::{Family, list};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Where each file was read up to.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    /// By the file's number, the bytes of its text that were read.
    read: BTreeMap<u64, u64>,
}

impl Follow {
    /// From now on: what is there already is not told.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn from_now(dir: PathBuf) -> io::Result<Self> {
        let mut follow = Self { dir, read: BTreeMap::new() };
        follow.more()?;
        Ok(follow)
    }

    /// The lines that came since the last call, the oldest first. Blocking; does not wait for any.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn more(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        let files = list(&self.dir, Family::Requests)?;
        let first = files.first().map_or(0, |file| file.number);
        self.read.retain(|number, _| *number >= first);
        for file in files {
            let from = self.read.get(&file.number).copied();
            // A closed file that was never looked at is older than this; one that was may have grown before it was closed.
            if file.closed && from.is_none() && self.read.keys().next_back().is_none_or(|last| file.number < *last) {
                continue;
            }
            let from = from.unwrap_or(0);
            if from == ALL || (!file.closed && std::fs::metadata(&file.path).is_ok_and(|data| data.len() <= from)) {
                continue;
            }
            let mut blocks = match Blocks::open(&file, None) {
                Ok(blocks) => blocks,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut newer: Vec<Block> = Vec::new();
            while let Some(block) = blocks.before(|_, _| true)? {
                let begin = block.offset;
                newer.push(block);
                if begin <= from {
                    break;
                }
            }
            let mut end = from;
            for block in newer.iter().rev() {
                let mut of_block: Vec<_> = block.lines().filter(|(offset, _)| *offset >= from).collect();
                of_block.reverse();
                for (offset, line) in of_block {
                    lines.push(String::from_utf8_lossy(line).into_owned());
                    end = end.max(offset + line.len() as u64 + 1);
                }
            }
            self.read.insert(file.number, if file.closed { ALL } else { end });
        }
        Ok(lines)
    }
}

/// Of a closed file that was read to its end.
const ALL: u64 = u64::MAX;
