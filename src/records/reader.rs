//! The search: over the file that is written to and the closed ones, from the newest line on, as far as it is asked.

use super::blocks::Blocks;
use super::files::{Family, Listed, list};
use super::find::{Find, Found, Needle, Place};
use super::record::{Content, Record};
use crate::model::RequestId;
use memchr::memmem::Finder;
use std::io;
use std::path::PathBuf;

/// Reads a directory of records. It takes no lock and may read while the gateway writes, in another process too.
#[derive(Debug, Clone)]
pub struct Reader {
    dir: PathBuf,
    budget: u64,
}

impl Reader {
    /// Of this directory, which need not be there.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, budget: BUDGET }
    }

    /// So many bytes of text are read by one search; the rest is left for the next one.
    #[must_use]
    pub fn reading_at_most(mut self, bytes: u64) -> Self {
        self.budget = bytes;
        self
    }

    /// What `find` looks for, the newest first. Blocking: reads files.
    ///
    /// # Errors
    ///
    /// The directory cannot be read. A single file that cannot is counted in [`Found::damaged`].
    pub fn search(&self, find: &Find) -> io::Result<Found> {
        let needle = Needle::of(find);
        let mut found = Found::default();
        if find.limit == 0 {
            return Ok(found);
        }
        let mut walk = Walk::new(self, Family::Requests, find.before)?;
        while let Some((file, block)) = walk.next(|first, last| find.may_hold(first, last)) {
            if !needle.may_be_in(&block.text) {
                continue;
            }
            for (offset, line) in block.lines() {
                let place = Place { file, offset };
                if find.before.is_some_and(|before| place >= before) {
                    continue;
                }
                let Some(mut record) = needle.read(line) else { continue };
                record.place = Some(place);
                found.records.push(record);
                if found.records.len() == find.limit {
                    found.next = Some(place);
                    found.damaged = walk.damaged;
                    return Ok(found);
                }
            }
        }
        (found.next, found.damaged) = (walk.stopped, walk.damaged);
        found.unfinished = found.next.is_some();
        Ok(found)
    }

    /// The record of the request with this id; `None`: there is none (any more). Blocking.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn one(&self, id: RequestId) -> io::Result<Option<Record>> {
        let record = |line: &[u8]| Record::parse(std::str::from_utf8(line).ok()?);
        self.line_of(Family::Requests, id, |line| record(line).filter(|record| record.id == id.to_string()))
    }

    /// What is kept of the texts of the request with this id. Blocking.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn content(&self, id: RequestId) -> io::Result<Option<Content>> {
        let content = |line: &[u8]| Content::parse(std::str::from_utf8(line).ok()?);
        self.line_of(Family::Contents, id, |line| content(line).filter(|content| content.id == id.to_string()))
    }

    /// The id has the time at which its request arrived, so that few frames are read.
    fn line_of<T>(&self, family: Family, id: RequestId, read: impl Fn(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
        let name = Finder::new(&format!("\"id\":\"{id}\"")).into_owned();
        let ms = id.unix_ms();
        let mut walk = Walk::new(&Self { budget: u64::MAX, ..self.clone() }, family, None)?;
        while let Some((_, block)) = walk.next(|first, last| first / 1_000 <= ms && ms <= last / 1_000) {
            if name.find(&block.text).is_none() {
                continue;
            }
            let lines = block.lines().filter(|(_, line)| name.find(line).is_some());
            if let Some(found) = lines.filter_map(|(_, line)| read(line)).next() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// The blocks of all files of a family, the newest first.
struct Walk {
    /// The newest last.
    files: Vec<Listed>,
    open: Option<(u64, Blocks)>,
    before: Option<Place>,
    budget: u64,
    /// Where it stopped because the budget was used up.
    stopped: Option<Place>,
    damaged: u64,
}

impl Walk {
    fn new(reader: &Reader, family: Family, before: Option<Place>) -> io::Result<Self> {
        let mut files = list(&reader.dir, family)?;
        files.retain(|file| before.is_none_or(|before| file.number <= before.file));
        Ok(Self { files, open: None, before, budget: reader.budget, stopped: None, damaged: 0 })
    }

    fn next(&mut self, wanted: impl Fn(u64, u64) -> bool) -> Option<(u64, super::blocks::Block)> {
        loop {
            let Some((number, blocks)) = &mut self.open else {
                let file = self.files.pop()?;
                let end = self.before.filter(|before| before.file == file.number).map(|before| before.offset);
                match Blocks::open(&file, end) {
                    Ok(blocks) => self.open = Some((file.number, blocks)),
                    // Removed by its age since it was listed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => self.unreadable(file.number, &error),
                }
                continue;
            };
            let number = *number;
            match blocks.before(&wanted) {
                Ok(Some(block)) => {
                    let size = block.text.len() as u64;
                    if self.budget == 0 {
                        self.stopped = Some(Place { file: number, offset: block.offset + size });
                        return None;
                    }
                    self.budget = self.budget.saturating_sub(size);
                    return Some((number, block));
                }
                Ok(None) => self.open = None,
                Err(error) => {
                    self.open = None;
                    self.unreadable(number, &error);
                }
            }
        }
    }

    fn unreadable(&mut self, number: u64, error: &io::Error) {
        self.damaged += 1;
        tracing::warn!(number, %error, "a file of records cannot be read");
    }
}

/// Bytes of text that one search reads: about a second's work.
const BUDGET: u64 = 1 << 30;
