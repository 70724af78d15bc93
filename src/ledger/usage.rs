//! What was spent, by whom: from the roll-ups and the journal's tail.
//!
//! Hours are the finest grain: `since` is rounded down to the hour. Days that are over are read as days or longer. Only `user` is answered from the rows.

use crate::ledger::LedgerError;
use crate::ledger::correction::Correction;
use crate::ledger::export::rfc3339;
use crate::ledger::findings::{Level, report as findings};
use crate::ledger::row::{Names, Row};
use crate::ledger::store::corrections;
use crate::ledger::store::fold::HOUR_US;
use crate::ledger::store::query::{ROW_COLUMNS, row_at, signed};
use crate::ledger::store::refusals::{self, Count};
use crate::ledger::store::rollups;
use crate::ledger::totals::{Group, Sums};
use crate::ledger::view::View;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// What a report is split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// Who pays.
    Team,
    /// The virtual key.
    Key,
    /// The name that was asked for.
    Model,
    /// Who answered.
    Provider,
    /// With which model.
    TargetModel,
    /// The end user; `-` where none was named.
    User,
    /// Calendar day, UTC.
    Day,
    /// Hour, UTC.
    Hour,
}

impl Dimension {
    const ALL: [Self; 8] =
        [Self::Team, Self::Key, Self::Model, Self::Provider, Self::TargetModel, Self::User, Self::Day, Self::Hour];

    /// Its name in `--by` and as a column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Key => "key",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::TargetModel => "target_model",
            Self::User => "user",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }

    fn value(self, entry: &Entry<'_>) -> String {
        let group = entry.group;
        match self {
            Self::Team => group.team.to_string(),
            Self::Key => group.key.to_string(),
            Self::Model => group.model.to_string(),
            Self::Provider => group.provider.to_string(),
            Self::TargetModel => group.target_model.to_string(),
            Self::User => entry.user.unwrap_or("-").to_owned(),
            Self::Day => day(entry.hour),
            Self::Hour => hour(entry.hour),
        }
    }
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(&Self::ALL, Self::name, text)
    }
}

/// The dimension of this name.
pub(crate) fn named<D: Copy>(all: &[D], name: impl Fn(D) -> &'static str, text: &str) -> Result<D, String> {
    all.iter().copied().find(|dimension| name(*dimension) == text).ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|dimension| format!("`{}`", name(*dimension))).collect();
        format!("`{text}` is nothing to split by; there are {}", names.join(", "))
    })
}

/// The label of the day in which an hour is, UTC: `2026-11-28`.
pub(crate) fn day(hour: u64) -> String {
    rfc3339(hour * HOUR_US).chars().take(10).collect()
}

/// The label of an hour, UTC: `2026-11-28T08:00Z`.
pub(crate) fn hour(hour: u64) -> String {
    rfc3339(hour * HOUR_US).chars().take(13).chain(":00Z".chars()).collect()
}

/// Reads a moment: an age such as `7d`, `24h`, `30m`, `2w`, or a date, or an RFC 3339 time.
///
/// # Errors
///
/// What is wrong, and what can be written.
pub fn since(text: &str, now_us: u64) -> Result<u64, LedgerError> {
    let wrong = || {
        LedgerError::Argument(format!("`{text}` is no time: write `7d`, `24h`, `2026-11-01` or `2026-11-01T08:00:00Z`"))
    };
    let seconds = match text.chars().last() {
        Some('m') => Some(60_u64),
        Some('h') => Some(3_600),
        Some('d') => Some(86_400),
        Some('w') => Some(604_800),
        _ => None,
    };
    if let (Some(seconds), Some(count)) = (seconds, text.get(..text.len().saturating_sub(1))) {
        let count: u64 = count.parse().map_err(|_| wrong())?;
        let age_us = count.checked_mul(seconds).and_then(|age| age.checked_mul(1_000_000)).ok_or_else(wrong)?;
        return Ok(now_us.saturating_sub(age_us));
    }
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let date: Date = text.parse().map_err(|_| wrong())?;
            TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| wrong())?
        }
    };
    Ok(u64::try_from(time.as_microsecond()).unwrap_or(0))
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// A value for each dimension asked for.
    pub labels: Vec<String>,
    /// What it comes to.
    pub sums: Sums,
    /// Requests that were refused; none of them is an attempt.
    pub refused: u64,
    /// Requests that triggered guardrails: something in them or in their answers was refused or changed. Audited and flagged
    /// ones do not count. As refused ones they stand at no provider.
    pub guardrails: u64,
}

/// What was spent.
#[derive(Debug)]
pub struct Report {
    /// What it is split by.
    pub by: Vec<Dimension>,
    /// From here on, in microseconds: the beginning of an hour.
    pub since_us: u64,
    /// Up to here.
    pub until_us: u64,
    /// Sorted by their labels.
    pub lines: Vec<Line>,
    /// All lines together.
    pub total: Sums,
    /// Refused requests of all lines.
    pub refused: u64,
    /// Requests of all lines that triggered guardrails.
    pub guardrails: u64,
    /// Attempts under way, in no line.
    pub open: u64,
    /// Attempts in the lines that were read from the journal, because the store does not have them yet.
    pub unfolded: u64,
    /// Places of the journal's tail that cannot be read: figures may be missing.
    pub damaged: u64,
}

/// Something that is added up.
struct Entry<'a> {
    hour: u64,
    group: &'a Group,
    user: Option<&'a str>,
    sums: Sums,
    refused: u64,
    guardrails: u64,
}

/// What is asked.
#[derive(Debug, Default, Clone)]
pub struct Query {
    /// What it is split by.
    pub by: Vec<Dimension>,
    /// From the beginning of this moment's hour on.
    pub since_us: u64,
    /// Before the hour in which this moment is; `None`: up to now.
    pub until_us: Option<u64>,
    /// Only what has these values; all of them.
    pub only: Vec<(Dimension, String)>,
}

impl Query {
    fn needs_rows(&self) -> bool {
        self.by.contains(&Dimension::User) || self.only.iter().any(|(dimension, _)| *dimension == Dimension::User)
    }

    fn until_hour(&self) -> u64 {
        self.until_us.map_or(u64::MAX, |until_us| until_us / HOUR_US)
    }

    /// The longest roll-up that tells what is asked, in hours.
    fn longest(&self) -> u64 {
        let about = |asked| self.by.iter().chain(self.only.iter().map(|(by, _)| by)).any(|by| *by == asked);
        rollups::longest(about(Dimension::Hour), about(Dimension::Day))
    }

    fn takes(&self, entry: &Entry<'_>) -> bool {
        entry.hour < self.until_hour() && self.only.iter().all(|(dimension, value)| dimension.value(entry) == *value)
    }
}

/// Adds up what was spent in a state directory since the hour of `since_us`.
///
/// # Errors
///
/// When the ledger cannot be read.
pub fn report(dir: &Path, by: &[Dimension], since_us: u64, now_us: u64) -> Result<Report, LedgerError> {
    answer(dir, &Query { by: by.to_vec(), since_us, ..Query::default() }, now_us)
}

/// Adds up what a query asks for.
///
/// # Errors
///
/// When the ledger cannot be read; `Argument` past [`MOST_LINES`].
pub fn answer(dir: &Path, query: &Query, now_us: u64) -> Result<Report, LedgerError> {
    answer_in(dir, query, now_us, MOST_LINES)
}

/// Lines of a report: many more than anybody reads, few enough to be held and written at once.
pub const MOST_LINES: usize = 50_000;

/// The refusal of a report of more lines than that.
pub(crate) fn too_many(most: usize) -> LedgerError {
    LedgerError::Argument(format!(
        "the report has more than {most} lines: split it by less (`by`, `bucket`), or ask for less time (`since`, `until`) \
         or for one team, key or model"
    ))
}

/// The same, of at most `most` lines.
///
/// # Errors
///
/// When the ledger cannot be read; `Argument` past `most` lines.
pub fn answer_in(dir: &Path, query: &Query, now_us: u64, most: usize) -> Result<Report, LedgerError> {
    let by = &*query.by;
    let first_hour = query.since_us / HOUR_US;
    let view = View::read(dir)?;
    let mut lines: BTreeMap<Vec<String>, (Sums, u64, u64)> = BTreeMap::new();
    let (mut total, mut refused, mut guardrails) = (Sums::default(), 0_u64, 0_u64);
    let mut is_too_long = false;
    let mut add = |entry: &Entry<'_>| {
        if !query.takes(entry) {
            return;
        }
        let labels: Vec<String> = by.iter().map(|dimension| dimension.value(entry)).collect();
        if lines.len() >= most && !lines.contains_key(&labels) {
            is_too_long = true;
            return;
        }
        let line = lines.entry(labels).or_default();
        line.0.add(&entry.sums);
        line.1 = line.1.saturating_add(entry.refused);
        line.2 = line.2.saturating_add(entry.guardrails);
        total.add(&entry.sums);
        refused = refused.saturating_add(entry.refused);
        guardrails = guardrails.saturating_add(entry.guardrails);
    };
    if let Some(store) = &view.store {
        if query.needs_rows() {
            add_rows(store, first_hour, &mut add)?;
        } else {
            rollups::each(store, first_hour..query.until_hour(), query.longest(), |hour, group, sums| {
                add(&Entry { hour, group, user: None, sums: *sums, refused: 0, guardrails: 0 });
            })?;
        }
        for count in refusals::count(store, first_hour, by.contains(&Dimension::User))? {
            add_refused(&count, &mut add);
        }
    }
    add_triggered(&view, query, first_hour, &mut add)?;
    let mut unfolded = 0;
    for row in view.tail.iter().filter(|row| row.opening.opened_us / HOUR_US >= first_hour) {
        add_row(row, &mut add);
        unfolded += 1;
    }
    if is_too_long {
        return Err(too_many(most));
    }
    Ok(Report {
        by: by.to_vec(),
        since_us: first_hour * HOUR_US,
        until_us: query.until_us.map_or(now_us, |until_us| until_us / HOUR_US * HOUR_US),
        lines: lines
            .into_iter()
            .map(|(labels, (sums, refused, guardrails))| Line { labels, sums, refused, guardrails })
            .collect(),
        total,
        refused,
        guardrails,
        open: view.open.len() as u64,
        unfolded,
        damaged: view.damage.len() as u64,
    })
}

fn add_rows(store: &Connection, first_hour: u64, add: &mut impl FnMut(&Entry<'_>)) -> Result<(), LedgerError> {
    let corrections = corrections::between(store, signed(first_hour * HOUR_US), i64::MAX)?;
    let sql = format!("SELECT {ROW_COLUMNS} FROM attempt WHERE opened_us >= ?");
    let mut statement = store.prepare(&sql)?;
    let mut names = Names::default();
    let mut rows = statement.query([signed(first_hour * HOUR_US)])?;
    while let Some(row) = rows.next()? {
        let row = row_at(row, &mut names)?;
        add_corrected(&row, corrections::of(&corrections, row.opening.id), add);
    }
    Ok(())
}

fn add_row(row: &Row, add: &mut impl FnMut(&Entry<'_>)) {
    add_corrected(row, &[], add);
}

fn add_corrected(row: &Row, corrections: &[Correction], add: &mut impl FnMut(&Entry<'_>)) {
    let group = Group::of(&row.opening, row.settlement.origin);
    let mut sums = Sums::of(&row.opening, &row.settlement);
    corrections.iter().for_each(|correction| sums.correct(correction));
    let (hour, user) = (row.opening.opened_us / HOUR_US, row.opening.user.as_deref());
    add(&Entry { hour, group: &group, user, sums, refused: 0, guardrails: 0 });
}

/// Nobody answered a refused request: its provider and target are `-`, as is what is not known of its sender.
fn add_refused(count: &Count, add: &mut impl FnMut(&Entry<'_>)) {
    let known = |name: &str| Arc::from(if name.is_empty() { "-" } else { name });
    let group = Group {
        key: known(&count.key),
        team: known(&count.team),
        model: known(&count.model),
        provider: known(""),
        target_model: known(""),
        origin: "none",
    };
    let (user, sums) = (count.user.as_deref(), Sums::default());
    add(&Entry { hour: count.hour, group: &group, user, sums, refused: count.requests, guardrails: 0 });
}

/// Requests that triggered guardrails: by who asked for what, for it is the request that triggers them, not an attempt.
fn add_triggered(
    view: &View,
    query: &Query,
    first_hour: u64,
    add: &mut impl FnMut(&Entry<'_>),
) -> Result<(), LedgerError> {
    let none: Arc<str> = Arc::from("-");
    let hours = first_hour..query.until_hour();
    findings::each(view, hours, (query.longest(), Level::Any), query.needs_rows(), &mut |found| {
        let (who, none) = (found.who, || Arc::clone(&none));
        let group = Group {
            key: Arc::clone(&who.key),
            team: Arc::clone(&who.team),
            model: Arc::clone(&who.model),
            provider: none(),
            target_model: none(),
            origin: "none",
        };
        // What acted in no request that was not counted before makes no line of its own.
        if found.figures.acted > 0 {
            let (hour, user, sums) = (found.hour, found.user, Sums::default());
            add(&Entry { hour, group: &group, user, sums, refused: 0, guardrails: found.figures.acted });
        }
    })
}
