//! The files of a directory: how they are named, which there are.
//!
//! `requests-000000012.jsonl` is written to, or was when its process ended; closed, it is compressed and its name is
//! `requests-000000012.jsonl.zst`. Numbers only grow.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What kind of lines a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Access records.
    Requests,
    /// Prompts and answers.
    Contents,
}

impl Family {
    /// What the names of its files begin with; a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Contents => "contents",
        }
    }
}

/// Where files lie, when they are closed and how long they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The directory; it is made if it is missing.
    pub dir: PathBuf,
    /// A file is closed when it has so many bytes.
    pub file_bytes: u64,
    /// And when it is so old.
    pub file_age: Duration,
    /// A closed file is removed when nothing was written to it for so long.
    pub keep_for: Duration,
    /// The oldest closed files are removed where all of a family have more bytes, as they lie on the disk.
    pub keep_bytes: u64,
}

/// A file that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its number: what is newer has a higher one.
    pub number: u64,
    pub path: PathBuf,
    /// It is compressed, and nobody writes to it any more.
    pub closed: bool,
}

/// The files of `family` in `dir`, the oldest first; none where there is no directory. Of a file that is there in both
/// forms (a crash between the two) the compressed one is taken.
pub(super) fn list(dir: &Path, family: Family) -> io::Result<Vec<Listed>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files: Vec<Listed> = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if let Some((number, closed)) = name.to_str().and_then(|name| read_name(name, family)) {
            files.push(Listed { number, path: entry.path(), closed });
        }
    }
    files.sort_by_key(|file| (file.number, !file.closed));
    files.dedup_by_key(|file| file.number);
    Ok(files)
}

/// Plain files that are there compressed, too: their process ended between the two.
pub(super) fn doubled(dir: &Path, family: Family) -> io::Result<Vec<PathBuf>> {
    let mut doubled = Vec::new();
    for file in list(dir, family)?.into_iter().filter(|file| file.closed) {
        let plain = file.path.with_extension("");
        if plain.exists() {
            doubled.push(plain);
        }
    }
    Ok(doubled)
}

/// The number of a file, and whether it is closed.
fn read_name(name: &str, family: Family) -> Option<(u64, bool)> {
    let rest = name.strip_prefix(family.name())?.strip_prefix('-')?;
    let (rest, closed) = match rest.strip_suffix(".jsonl.zst") {
        Some(rest) => (rest, true),
        None => (rest.strip_suffix(".jsonl")?, false),
    };
    if rest.len() < 9 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((rest.parse().ok()?, closed))
}

/// The name of a file that is written to.
pub(super) fn name(family: Family, number: u64) -> String {
    format!("{}-{number:09}.jsonl", family.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_nothing_else_is_taken_for_one() {
        let written = name(Family::Requests, 12);
        assert_eq!(written, "requests-000000012.jsonl");
        assert_eq!(read_name(&written, Family::Requests), Some((12, false)));
        assert_eq!(read_name(&format!("{written}.zst"), Family::Requests), Some((12, true)));
        assert_eq!(read_name(&written, Family::Contents), None);
        for other in ["requests-12.jsonl", "requests-000000012.jsonl.zst.part", "requests-+00000012.jsonl", "x"] {
            assert_eq!(read_name(other, Family::Requests), None, "{other}");
        }
    }
}
