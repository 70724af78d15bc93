//! What is looked for, and what was found.

use super::record::Record;
use memchr::memmem::Finder;
use std::fmt;
use std::str::FromStr;

/// What is looked for: all that is given must hold. The default is everything, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// The gateway's id, or the client's label.
    pub id: Option<String>,
    /// Name of the key.
    pub key: Option<String>,
    /// The team.
    pub team: Option<String>,
    /// The end user.
    pub user: Option<String>,
    /// The model that the client named.
    pub model: Option<String>,
    /// The provider that answered, or of an attempt.
    pub provider: Option<String>,
    /// What the client got.
    pub status: Option<StatusIs>,
    /// The gateway's own code.
    pub code: Option<String>,
    /// A guardrail that said something.
    pub guardrail: Option<String>,
    /// Arrived at or after; microseconds since the Unix epoch.
    pub since_us: Option<u64>,
    /// Arrived before.
    pub until_us: Option<u64>,
    /// At most so many are found.
    pub limit: usize,
    /// Only what stands before this place: [`Found::next`] of the page before.
    pub before: Option<Place>,
}

impl Default for Find {
    fn default() -> Self {
        Self {
            id: None,
            key: None,
            team: None,
            user: None,
            model: None,
            provider: None,
            status: None,
            code: None,
            guardrail: None,
            since_us: None,
            until_us: None,
            limit: 100,
            before: None,
        }
    }
}

/// Statuses: one (`429`), a class (`5xx`), or `error` for all from 400 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusIs {
    least: u16,
    most: u16,
}

impl StatusIs {
    /// Whether `status` is one of them.
    pub const fn holds(self, status: u16) -> bool {
        self.least <= status && status <= self.most
    }
}

impl FromStr for StatusIs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a status is written as `429`, `5xx` or `error`".to_owned();
        if text == "error" {
            return Ok(Self { least: 400, most: 999 });
        }
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().map_err(|_| wrong())?;
            return if (1..=5).contains(&class) {
                Ok(Self { least: class * 100, most: class * 100 + 99 })
            } else {
                Err(wrong())
            };
        }
        match text.parse() {
            Ok(status) if (100..=999).contains(&status) => Ok(Self { least: status, most: status }),
            _ => Err(wrong()),
        }
    }
}

/// Where a line stands: the number of its file, and its offset in the file's plain text. Both stay when the file is
/// compressed. Written `12-3456`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file's number.
    pub file: u64,
    /// Bytes before it.
    pub offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.file, self.offset)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (file, offset) = text.split_once('-')?;
            Some(Self { file: file.parse().ok()?, offset: offset.parse().ok()? })
        };
        read().ok_or_else(|| "a place is written as the `next` of an answer before, such as `12-3456`".to_owned())
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The newest first: in the order in which requests ended.
    pub records: Vec<Record>,
    /// Where to go on, as [`Find::before`]; `None`: there is nothing more.
    pub next: Option<Place>,
    /// The search stopped after so much text that the rest is left for another call; then `next` is set.
    pub unfinished: bool,
    /// Files that could not be read.
    pub damaged: u64,
}

/// A [`Find`] that is ready to look at many lines.
pub(super) struct Needle<'a> {
    find: &'a Find,
    /// Each stands in a line that matches: what is quick to look for before a line is read.
    parts: Vec<Finder<'static>>,
}

impl<'a> Needle<'a> {
    pub(super) fn of(find: &'a Find) -> Self {
        let member = |name: &str, value: &Option<String>| {
            let value = serde_json::to_string(value.as_deref()?).ok()?;
            Some(format!("\"{name}\":{value}"))
        };
        let text = |value: &Option<String>| serde_json::to_string(value.as_deref()?).ok();
        let parts = [
            text(&find.id),
            member("key", &find.key),
            member("team", &find.team),
            member("user", &find.user),
            member("model", &find.model),
            member("provider", &find.provider),
            member("code", &find.code),
            find.guardrail.is_some().then(|| "\"guardrails\":\"".to_owned()),
        ];
        let parts = parts.into_iter().flatten().map(|part| Finder::new(part.as_bytes()).into_owned());
        Self { find, parts: parts.collect() }
    }

    /// Whether some line of `block` may match.
    pub(super) fn may_be_in(&self, block: &[u8]) -> bool {
        self.parts.iter().all(|part| part.find(block).is_some())
    }

    /// Reads `line` if it matches.
    pub(super) fn read(&self, line: &[u8]) -> Option<Record> {
        if !self.may_be_in(line) {
            return None;
        }
        let record = Record::parse(std::str::from_utf8(line).ok()?)?;
        self.find.holds(&record).then_some(record)
    }
}

impl Find {
    /// Whether `record` is one of those that are looked for; its place and the limit are not asked.
    pub fn holds(&self, record: &Record) -> bool {
        let same = |want: &Option<String>, is: Option<&str>| want.is_none() || want.as_deref() == is;
        let id = self.id.as_deref();
        let by_id = id.is_none_or(|id| record.id == id || record.request_id.as_deref() == Some(id));
        let provider = self.provider.as_deref().is_none_or(|name| {
            record.provider.as_deref() == Some(name) || record.attempts.iter().any(|attempt| attempt.provider == name)
        });
        let guarded = self.guardrail.as_deref().is_none_or(|name| {
            let said = record.guardrails.as_deref().unwrap_or_default();
            said.split(", ").any(|one| one.split(';').next() == Some(name))
        });
        by_id
            && same(&self.key, record.key.as_deref())
            && same(&self.team, record.team.as_deref())
            && same(&self.user, record.user.as_deref())
            && same(&self.model, record.model.as_deref())
            && same(&self.code, record.code.as_deref())
            && provider
            && guarded
            && self.status.is_none_or(|status| status.holds(record.status))
            && self.in_time(record)
    }

    fn in_time(&self, record: &Record) -> bool {
        if self.since_us.is_none() && self.until_us.is_none() {
            return true;
        }
        let at = record.time_us();
        self.since_us.is_none_or(|since| at >= since) && self.until_us.is_none_or(|until| at < until)
    }

    /// Whether something that arrived from `first` to `last` may be looked for.
    pub(super) fn may_hold(&self, first: u64, last: u64) -> bool {
        self.since_us.is_none_or(|since| last >= since) && self.until_us.is_none_or(|until| first < until)
    }
}
