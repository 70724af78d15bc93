//! Which guardrails were triggered, by whom: from the roll-ups and the journal's tail.
//!
//! What is counted: `requests` = requests in which something was found, `acted` = those of them that a guardrail refused or
//! changed (not: audited, only flagged), `findings` = things found. In a line, a request counts once where the report is not
//! split by guardrail and the like; where it is, once for each guardrail, and for each entity, side and action if those
//! are asked for. The total counts each request once as far as the filters let it.

use super::{Cell, Figures, Findings, Level, Tally, Who};
use crate::ledger::{LedgerError, store::findings, store::fold::HOUR_US, store::rollups, usage, view::View};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

/// What a report is split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The guardrail's name.
    Guardrail,
    /// Its kind: `pii`, `secrets` …
    Kind,
    /// What was found: `email` …; `other`: what only a service has a name for; `failed`: it could not say.
    Entity,
    /// `input` (in the request) or `output` (in an answer).
    Side,
    /// What it did; `audit:redact` where it only tells.
    Action,
    /// Who pays.
    Team,
    /// The virtual key.
    Key,
    /// The name that was asked for.
    Model,
    /// The end user; `-` where none was named.
    User,
    /// Calendar day, UTC.
    Day,
    /// Hour, UTC.
    Hour,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Guardrail,
        Self::Kind,
        Self::Entity,
        Self::Side,
        Self::Action,
        Self::Team,
        Self::Key,
        Self::Model,
        Self::User,
        Self::Day,
        Self::Hour,
    ];

    /// Its name in `--by` and as a column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guardrail => "guardrail",
            Self::Kind => "kind",
            Self::Entity => "entity",
            Self::Side => "side",
            Self::Action => "action",
            Self::Team => "team",
            Self::Key => "key",
            Self::Model => "model",
            Self::User => "user",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }

    /// The coarsest level that tells it.
    const fn level(self) -> Level {
        match self {
            Self::Guardrail | Self::Kind => Level::Guardrail,
            Self::Action => Level::Deed,
            Self::Entity | Self::Side => Level::Thing,
            Self::Team | Self::Key | Self::Model | Self::User | Self::Day | Self::Hour => Level::Any,
        }
    }

    fn value(self, entry: &Entry<'_>) -> String {
        let Entry { hour, who, cell, user, .. } = entry;
        match self {
            Self::Guardrail => cell.guardrail.to_string(),
            Self::Kind => cell.kind.to_string(),
            Self::Entity => cell.entity.to_string(),
            Self::Side => cell.side.to_string(),
            Self::Action => cell.action.to_string(),
            Self::Team => who.team.to_string(),
            Self::Key => who.key.to_string(),
            Self::Model => who.model.to_string(),
            Self::User => user.unwrap_or("-").to_owned(),
            Self::Day => usage::day(*hour),
            Self::Hour => usage::hour(*hour),
        }
    }
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        usage::named(&Self::ALL, Self::name, text)
    }
}

/// What is asked.
#[derive(Debug, Default, Clone)]
pub struct Query {
    /// What it is split by.
    pub by: Vec<Dimension>,
    /// From the beginning of this moment's hour on, in microseconds since the Unix epoch.
    pub since_us: u64,
    /// Before the hour in which this moment is; `None`: up to now.
    pub until_us: Option<u64>,
    /// Only what has these values; all of them.
    pub only: Vec<(Dimension, String)>,
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// A value for each dimension asked for.
    pub labels: Vec<String>,
    /// What it comes to.
    pub figures: Figures,
}

/// Which guardrails were triggered.
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
    /// All together: unlike in the sum of the lines, a request of several guardrails counts once.
    pub total: Figures,
    /// Places of the journal's tail that cannot be read: figures may be missing.
    pub damaged: u64,
}

/// Something that is added up.
pub(crate) struct Entry<'a> {
    pub hour: u64,
    pub who: &'a Who,
    pub user: Option<&'a str>,
    pub cell: &'a Cell,
    pub figures: Figures,
}

impl Query {
    fn about(&self, dimension: Dimension) -> bool {
        self.by.iter().chain(self.only.iter().map(|(by, _)| by)).any(|by| *by == dimension)
    }

    /// The longest roll-up that tells what is asked, in hours.
    fn longest(&self) -> u64 {
        rollups::longest(self.about(Dimension::Hour), self.about(Dimension::Day))
    }

    fn level(&self, also: &[Dimension]) -> Level {
        let filters = self.only.iter().map(|(by, _)| *by);
        filters.chain(also.iter().copied()).map(Dimension::level).max().unwrap_or(Level::Any)
    }
}

/// Adds up what a query asks for in a state directory; works while the gateway runs and after a crash.
///
/// # Errors
///
/// When the ledger cannot be read.
pub fn answer(dir: &Path, query: &Query, now_us: u64) -> Result<Report, LedgerError> {
    let view = View::read(dir)?;
    let first_hour = query.since_us / HOUR_US;
    let hours = first_hour..query.until_us.map_or(u64::MAX, |until_us| until_us / HOUR_US);
    let by_rows = query.about(Dimension::User);
    let (fine, coarse) = (query.level(&query.by), query.level(&[]));
    let (mut lines, mut total) = (BTreeMap::<Vec<String>, Figures>::new(), Figures::default());
    let mut is_too_long = false;
    let mut levels = vec![fine];
    if coarse != fine {
        levels.push(coarse);
    }
    for level in levels {
        each(&view, hours.clone(), (query.longest(), level), by_rows, &mut |entry| {
            if !query.only.iter().all(|(dimension, value)| dimension.value(entry) == *value) {
                return;
            }
            if level == fine {
                let labels: Vec<String> = query.by.iter().map(|dimension| dimension.value(entry)).collect();
                if lines.len() >= usage::MOST_LINES && !lines.contains_key(&labels) {
                    is_too_long = true;
                    return;
                }
                lines.entry(labels).or_default().add(&entry.figures);
            }
            if level == coarse {
                total.add(&entry.figures);
            }
        })?;
    }
    if is_too_long {
        return Err(usage::too_many(usage::MOST_LINES));
    }
    Ok(Report {
        by: query.by.clone(),
        since_us: first_hour * HOUR_US,
        until_us: query.until_us.map_or(now_us, |until_us| until_us / HOUR_US * HOUR_US),
        lines: lines.into_iter().map(|(labels, figures)| Line { labels, figures }).collect(),
        total,
        damaged: view.damage.len() as u64,
    })
}

/// Tells all sums of a level in `hours`, by user only where they are counted from the rows.
///
/// # Errors
///
/// `Store`.
pub(crate) fn each(
    view: &View,
    hours: Range<u64>,
    (longest, level): (u64, Level),
    by_rows: bool,
    tell: &mut dyn FnMut(&Entry<'_>),
) -> Result<(), LedgerError> {
    let mut tally = Tally::default();
    match &view.store {
        Some(store) if by_rows => {
            let times = hours.start.saturating_mul(HOUR_US)..hours.end.saturating_mul(HOUR_US);
            let mut last = None;
            findings::each_record(store, times, |found| {
                if last.replace(found.request()) != Some(found.request()) {
                    tally = Tally::default();
                }
                one(&mut tally, &found, &[], level, tell);
                Ok::<_, LedgerError>(())
            })?;
        }
        Some(store) => findings::each_sum(store, hours.clone(), longest, level, |hour, who, cell, figures| {
            tell(&Entry { hour, who, user: None, cell, figures: *figures });
        })?,
        None => {}
    }
    let mut tally = Tally::default();
    for found in view.found.iter().filter(|found| hours.contains(&(found.time_us / HOUR_US))) {
        let earlier = match &view.store {
            Some(store) => findings::of_request(store, found.request())?,
            None => Vec::new(),
        };
        one(&mut tally, found, &earlier, level, tell);
    }
    Ok(())
}

/// Tells what one record changes.
fn one(tally: &mut Tally, found: &Findings, earlier: &[Findings], level: Level, tell: &mut dyn FnMut(&Entry<'_>)) {
    let Ok(()) = tally.add(found, || Ok::<_, std::convert::Infallible>(earlier.to_vec()));
    for ((hour, who, cell), figures) in std::mem::take(&mut tally.sums) {
        if cell.level == level {
            tell(&Entry { hour, who: &who, user: found.user.as_deref(), cell: &cell, figures });
        }
    }
}
