//! The audit log: one JSON line for each act by the admin API, appended to `audit.jsonl` in the state directory, each
//! with the SHA-256 of the line before it.
//!
//! A line is on disk before its act is made so, and an act that cannot be recorded is not done. Whoever changes, takes
//! out or moves a line breaks the chain; `audit.head` holds the number and hash of the last one, so that lines that are
//! missing at the end are found too. Who can write the directory can forge both: ship the lines elsewhere against that.

use crate::config::moment;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use utoipa::ToSchema;

/// One act, as a line has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// From 1, without gaps.
    pub seq: u64,
    /// RFC 3339, UTC.
    pub time: String,
    /// Who acted.
    pub actor: Actor,
    /// `keys.create`, `teams.update` …
    pub action: String,
    /// `key/search-ci`, `team/search`.
    pub object: String,
    /// `done`, or the stable code of the refusal.
    pub outcome: String,
    /// What is from now on otherwise; never a secret.
    #[schema(value_type = Object)]
    pub changed: Map<String, Value>,
    /// SHA-256 of the line before, without its line end; 64 zeros before the first.
    pub previous: String,
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// `admin` or `viewer`.
    pub role: String,
    /// The first twelve digits of the token's SHA-256; empty where there is none.
    pub token: String,
    /// Who signed in to the dashboard at an issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
}

/// Somebody as an issuer of OpenID Connect knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// Who knows them: `admin.oidc.issuer`.
    pub issuer: String,
    /// `sub`: never given to somebody else there.
    pub sub: String,
    /// E-mail address, or what they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Actor {
    /// For people: the role, and who. `admin:0123456789ab`, `viewer:ann@example.com (248289761001)`.
    pub fn shown(&self) -> String {
        let who = match &self.person {
            None => self.token.clone(),
            Some(Person { sub, name: None, .. }) => sub.clone(),
            Some(Person { sub, name: Some(name), .. }) => format!("{name} ({sub})"),
        };
        format!("{}:{who}", self.role)
    }
}

/// What an act was.
#[derive(Debug)]
pub struct Act<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What.
    pub action: &'a str,
    /// On what.
    pub object: &'a str,
    /// How it ended.
    pub outcome: &'a str,
    /// What changed.
    pub changed: Map<String, Value>,
}

/// The log of a running gateway.
pub struct Audit {
    path: PathBuf,
    /// `None`: it cannot be continued.
    end: parking_lot::Mutex<Option<End>>,
    /// Another process goes on with it.
    elsewhere: AtomicBool,
}

struct End {
    file: File,
    bytes: u64,
    seq: u64,
    hash: String,
}

impl Audit {
    /// Opens the log of a state directory and goes on behind its last line. A piece of a line that a crash left behind
    /// is cut off: its act was not done. A log that cannot be continued refuses all acts, and does not keep the gateway
    /// from serving.
    pub fn open(dir: &Path) -> Self {
        let path = dir.join(FILE);
        let end = match End::find(&path) {
            Ok(end) => Some(end),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the audit log cannot be continued: admin acts are refused");
                None
            }
        };
        Self { path, end: parking_lot::Mutex::new(end), elsewhere: AtomicBool::new(false) }
    }

    /// The log of a state directory on which another process works: it is looked at before the first act.
    pub fn later(dir: &Path) -> Self {
        Self { path: dir.join(FILE), end: parking_lot::Mutex::new(None), elsewhere: AtomicBool::new(false) }
    }

    /// From now on another process goes on with the log, or this one again. No act is being recorded when this returns.
    pub fn hand_over(&self, over: bool) {
        let mut held = self.end.lock();
        self.elsewhere.store(over, Ordering::Relaxed);
        // It may have been continued there.
        *held = None;
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends an act; it is on disk when this returns.
    ///
    /// # Errors
    ///
    /// When it cannot be written: then nothing of it stays, or no further act is taken.
    pub fn record(&self, act: Act<'_>, now_us: u64) -> io::Result<()> {
        let mut held = self.end.lock();
        if self.elsewhere.load(Ordering::Relaxed) {
            return Err(io::Error::other("another process has taken over from this one: ask that one"));
        }
        // After a failure it is looked anew: the disk may have room again.
        let mut end = match held.take() {
            Some(end) => end,
            None => End::find(&self.path)?,
        };
        let line = Line {
            seq: end.seq + 1,
            time: moment::show(now_us),
            actor: act.actor.clone(),
            action: act.action.to_owned(),
            object: act.object.to_owned(),
            outcome: act.outcome.to_owned(),
            changed: act.changed,
            previous: end.hash.clone(),
        };
        let text = serde_json::to_string(&line).map_err(io::Error::from)?;
        if let Err(error) = end.append(&text) {
            tracing::error!(%error, path = %self.path.display(), "an act cannot be recorded");
            return Err(error);
        }
        if let Err(error) = end.write_head(&self.path) {
            // The chain itself is whole: only the end of it is not vouched for.
            tracing::warn!(%error, "`{HEAD}` cannot be written");
        }
        *held = Some(end);
        Ok(())
    }
}

impl End {
    fn find(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path)?;
        let length = file.metadata()?.len();
        let (last, whole) = last_line(&mut file, length)?;
        if whole < length {
            tracing::warn!(bytes = length - whole, "a piece of a line that a crash left in the audit log is cut off");
            file.set_len(whole)?;
            file.sync_all()?;
        }
        let (seq, hash) = match last {
            Some(text) => {
                let line: Line = serde_json::from_str(&text).map_err(io::Error::from)?;
                (line.seq, hash_of(&text))
            }
            None => (0, FIRST.to_owned()),
        };
        file.seek(SeekFrom::Start(whole))?;
        Ok(Self { file, bytes: whole, seq, hash })
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        let written = self.file.write_all(format!("{text}\n").as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Nothing of it stays, as far as that can be done; else the next look cuts it off or goes on behind it.
            self.file.set_len(self.bytes).ok();
            return Err(error);
        }
        self.bytes += text.len() as u64 + 1;
        self.seq += 1;
        self.hash = hash_of(text);
        Ok(())
    }

    fn write_head(&self, path: &Path) -> io::Result<()> {
        let (target, draft) = (path.with_file_name(HEAD), path.with_file_name("audit.head.new"));
        std::fs::write(&draft, format!("{} {}\n", self.seq, self.hash))?;
        std::fs::rename(draft, target)
    }
}

/// The last whole line, and up to where lines are whole.
fn last_line(file: &mut File, length: u64) -> io::Result<(Option<String>, u64)> {
    let mut window = 64 * 1024;
    loop {
        let from = length.saturating_sub(window);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.take(length - from).read_to_end(&mut tail)?;
        let Some(end) = memchr::memrchr(b'\n', &tail) else {
            if from == 0 {
                return Ok((None, 0));
            }
            window *= 2;
            continue;
        };
        let body = tail.get(..end).unwrap_or_default();
        match memchr::memrchr(b'\n', body) {
            None if from > 0 => window *= 2,
            before => {
                let begin = before.map_or(0, |at| at + 1);
                let text = body.get(begin..).unwrap_or_default().to_vec();
                let text =
                    String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                return Ok((Some(text), from + end as u64 + 1));
            }
        }
    }
}

fn hash_of(line: &str) -> String {
    hex::encode(Sha256::digest(line.as_bytes()))
}

/// Lines behind number `after`, at most `most`.
///
/// # Errors
///
/// When the log cannot be read; a line that is none ends the answer.
pub fn read(dir: &Path, after: u64, most: usize) -> io::Result<Vec<Line>> {
    let file = match File::open(dir.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut lines = Vec::new();
    for text in BufReader::new(file).lines() {
        let Ok(line) = serde_json::from_str::<Line>(&text?) else { break };
        if line.seq > after {
            lines.push(line);
            if lines.len() >= most {
                break;
            }
        }
    }
    Ok(lines)
}

/// The last lines, in their order, at most `most`.
///
/// # Errors
///
/// As [`read`].
pub fn last(dir: &Path, most: usize) -> io::Result<Vec<Line>> {
    let file = match File::open(dir.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut kept = VecDeque::with_capacity(most);
    for text in BufReader::new(file).lines() {
        if kept.len() == most {
            kept.pop_front();
        }
        kept.push_back(text?);
    }
    Ok(kept.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

/// What a proof of the log found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Whole lines.
    pub lines: u64,
    /// Bytes behind the last one: a crash cut it off, its act was not done.
    pub torn_bytes: u64,
    /// What is wrong, in order.
    pub problems: Vec<String>,
}

/// Proves that no line was changed, moved or taken out.
///
/// # Errors
///
/// When the log cannot be read.
pub fn verify(dir: &Path) -> io::Result<Proof> {
    let mut proof = Proof::default();
    let bytes = match std::fs::read(dir.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let (mut seq, mut previous) = (0, FIRST.to_owned());
    for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
        let Some(text) = piece.strip_suffix(b"\n") else {
            proof.torn_bytes = piece.len() as u64;
            break;
        };
        proof.lines += 1;
        let text = String::from_utf8_lossy(text);
        let number = proof.lines;
        match serde_json::from_str::<Line>(&text) {
            Err(_) => proof.problems.push(format!("line {number} cannot be read")),
            Ok(line) => {
                if line.seq != seq + 1 {
                    proof.problems.push(format!("line {number} has number {}, expected {}", line.seq, seq + 1));
                }
                if line.previous != previous {
                    proof
                        .problems
                        .push(format!("line {number} (number {}) does not follow from the line before it", line.seq));
                }
                seq = line.seq;
            }
        }
        previous = hash_of(&text);
    }
    if let Ok(head) = std::fs::read_to_string(dir.join(HEAD)) {
        let (last, hash) = head.trim().split_once(' ').unwrap_or_default();
        match last.parse::<u64>() {
            Ok(last) if last > seq => {
                proof.problems.push(format!("lines {} to {last} are missing at the end", seq + 1));
            }
            Ok(last) if last == seq && hash != previous => {
                proof.problems.push(format!("the last line (number {last}) is not the one that was written"));
            }
            // A crash between the two writes leaves the head one behind.
            Ok(_) => {}
            Err(_) => proof.problems.push(format!("`{HEAD}` cannot be read")),
        }
    } else if seq > 0 {
        proof.problems.push(format!("`{HEAD}` is missing"));
    }
    Ok(proof)
}

/// The log in a state directory.
const FILE: &str = "audit.jsonl";
/// Number and hash of its last line.
const HEAD: &str = "audit.head";
/// Stands for the line before the first.
const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn actor() -> Actor {
        Actor { role: "admin".to_owned(), token: "0123456789ab".to_owned(), person: None }
    }

    fn log(dir: &Path, from: usize, to: usize) {
        let audit = Audit::open(dir);
        let actor = actor();
        for number in from..to {
            let object = format!("key/k{number}");
            let changed = Map::from_iter([("team".to_owned(), Value::from("search"))]);
            let act = Act { actor: &actor, action: "keys.create", object: &object, outcome: "done", changed };
            audit.record(act, 1_700_000_000_000_000).expect("a directory that can be written");
        }
    }

    #[test]
    fn a_log_that_nobody_touched_is_whole_also_over_restarts() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(verify(dir.path()).expect("readable"), Proof::default(), "none yet");
        log(dir.path(), 0, 3);
        log(dir.path(), 3, 5);
        let proof = verify(dir.path()).expect("readable");
        assert_eq!((proof.lines, proof.problems), (5, Vec::new()));
        let read = read(dir.path(), 3, 10).expect("readable");
        assert_eq!(read.iter().map(|line| line.seq).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn a_line_that_was_changed_moved_or_taken_out_is_found() {
        type Tamper = fn(Vec<String>) -> Vec<String>;
        let cases: [(&str, Tamper); 5] = [
            ("changed", |mut lines| {
                lines[1] = lines[1].replace("search", "other");
                lines
            }),
            ("changed last", |mut lines| {
                lines[3] = lines[3].replace("search", "other");
                lines
            }),
            ("taken out", |mut lines| {
                lines.remove(1);
                lines
            }),
            ("taken out at the end", |mut lines| {
                lines.pop();
                lines
            }),
            ("moved", |mut lines| {
                lines.swap(1, 2);
                lines
            }),
        ];
        for (name, tamper) in cases {
            let dir = tempfile::tempdir().expect("a directory");
            log(dir.path(), 0, 4);
            let path = dir.path().join(FILE);
            let lines = fs::read_to_string(&path).expect("a log").lines().map(str::to_owned).collect();
            fs::write(&path, tamper(lines).join("\n") + "\n").expect("writable");
            let proof = verify(dir.path()).expect("readable");
            assert!(!proof.problems.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_torn_last_line_is_no_act_and_is_cut_off_by_the_next_start() {
        let dir = tempfile::tempdir().expect("a directory");
        log(dir.path(), 0, 2);
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).expect("a log");
        fs::write(&path, [&whole[..], b"{\"seq\":3,\"ti"].concat()).expect("writable");
        let proof = verify(dir.path()).expect("readable");
        assert_eq!((proof.lines, proof.torn_bytes, proof.problems.len()), (2, 12, 0));
        log(dir.path(), 2, 3);
        let proof = verify(dir.path()).expect("readable");
        assert_eq!((proof.lines, proof.torn_bytes, proof.problems.len()), (3, 0, 0));
    }

    #[test]
    fn an_act_that_cannot_be_recorded_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join(FILE)).expect("in its place");
        let audit = Audit::open(dir.path());
        let actor = actor();
        let act = || Act { actor: &actor, action: "a", object: "o", outcome: "done", changed: Map::new() };
        assert!(audit.record(act(), 1).is_err());
        fs::remove_dir(dir.path().join(FILE)).expect("empty");
        assert!(audit.record(act(), 1).is_ok(), "it recovers by itself");
    }
}
