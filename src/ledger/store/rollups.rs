//! Roll-ups: hours, and the longer ones that are made of them.
//!
//! A fold writes hours only. Days, and spans of 32 days, are added up from the hours later, up to one hour that is kept
//! as a fact; what is folded or corrected behind it comes to both. So a report over a year reads a few rows of each
//! group, and not thousands.

use crate::ledger::correction::Correction;
use crate::ledger::store::query::signed;
use crate::ledger::store::sums::{self, GROUP_COLUMNS, SUM_COLUMNS, sums_at};
use crate::ledger::totals::{Group, Sums, Totals};
use crate::model::UsageOrigin;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Hours of a day.
pub(crate) const DAY: u64 = 24;
/// The longest roll-ups, in hours. They begin anywhere in a calendar's month.
pub(crate) const LONGEST: u64 = 32 * DAY;

/// The longest of them, in hours, that tells what is asked about hours or days.
pub(crate) const fn longest(hours: bool, days: bool) -> u64 {
    match (hours, days) {
        (true, _) => 1,
        (false, true) => DAY,
        (false, false) => LONGEST,
    }
}
/// Lengths of the longer roll-ups.
const LENGTHS: [u64; 2] = [LONGEST, DAY];
/// Of those that have all lengths.
pub(crate) const ALL_LENGTHS: [u64; 3] = [LONGEST, DAY, 1];
/// A day is added up when it has been over for so many hours: most attempts that began in it are folded by then.
const GRACE: u64 = 2;
/// Days that are added up in one go: so long the folder does nothing else.
const PASS_DAYS: u32 = 8;

/// Sums by length in hours, first hour and group.
pub(crate) type Longer = BTreeMap<(u64, u64, Group), Sums>;

/// Before this hour, everything is in the longer roll-ups too; the beginning of a day, or 0.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn upto(conn: &Connection) -> Result<u64, rusqlite::Error> {
    let mut statement = conn.prepare_cached("SELECT value FROM fact WHERE name = 'longer_upto'")?;
    let hour: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(hour.and_then(|hour| u64::try_from(hour).ok()).unwrap_or(0))
}

/// Adds what an hour's attempts come to.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn add(conn: &Connection, hour: u64, sums: &Totals) -> Result<(), rusqlite::Error> {
    sums::add_rollup(conn, signed(hour), sums)?;
    if hour < upto(conn)? { add_longer(conn, hour, sums) } else { Ok(()) }
}

/// Corrects the cost of an attempt in all sums.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn correct(
    conn: &Connection,
    hour: u64,
    group: &Group,
    correction: &Correction,
) -> Result<(), rusqlite::Error> {
    let longer = LENGTHS.map(|length| [signed(length), signed(hour / length * length)]);
    let longer = if hour < upto(conn)? { &longer[..] } else { &[] };
    sums::correct(conn, signed(hour), longer, group, correction)
}

fn add_longer(conn: &Connection, hour: u64, sums: &Totals) -> Result<(), rusqlite::Error> {
    LENGTHS
        .into_iter()
        .try_for_each(|length| sums::add_longer(conn, signed(length), signed(hour / length * length), sums))
}

/// Adds days that are over to the longer roll-ups; tells whether there are more of them.
///
/// # Errors
///
/// SQLite's; the next call goes on.
pub(crate) fn lengthen(conn: &mut Connection, now_hour: u64) -> Result<bool, rusqlite::Error> {
    let end = now_hour.saturating_sub(GRACE) / DAY * DAY;
    for _ in 0..PASS_DAYS {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let first = "SELECT min(hour) FROM rollup WHERE hour >= ?";
        let first: Option<i64> = transaction.query_row(first, [signed(upto(&transaction)?)], |row| row.get(0))?;
        let Some(day) = first.and_then(|hour| u64::try_from(hour).ok()).map(|hour| hour / DAY * DAY) else {
            return Ok(false);
        };
        if day >= end {
            return Ok(false);
        }
        let mut totals = Totals::default();
        read(&transaction, 1, &(day..day + DAY), |_, group, sums| totals.add(group.clone(), sums))?;
        add_longer(&transaction, day, &totals)?;
        transaction.execute("INSERT OR REPLACE INTO fact VALUES ('longer_upto', ?)", [signed(day + DAY)])?;
        transaction.commit()?;
    }
    Ok(true)
}

/// Tells all sums of `hours`, each in as long a roll-up as there is, but of at most `longest` hours: with its first hour.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn each(
    conn: &Connection,
    hours: Range<u64>,
    longest: u64,
    mut tell: impl FnMut(u64, &Group, &Sums),
) -> Result<(), rusqlite::Error> {
    parts(hours, longest, upto(conn)?).iter().try_for_each(|(length, part)| read(conn, *length, part, &mut tell))
}

/// Cuts `hours` into spans of at most `longest` hours that were added up `upto` an hour: length and hours of each.
pub(crate) fn parts(hours: Range<u64>, longest: u64, upto: u64) -> Vec<(u64, Range<u64>)> {
    let mut parts = Vec::new();
    let first = LENGTHS.iter().position(|length| *length <= longest).unwrap_or(LENGTHS.len());
    split(hours, &LENGTHS[first..], upto, &mut parts);
    parts
}

/// Cuts `hours` into whole spans of `lengths` as far as those were added up, and single hours.
fn split(hours: Range<u64>, lengths: &[u64], upto: u64, parts: &mut Vec<(u64, Range<u64>)>) {
    if hours.is_empty() {
        return;
    }
    let Some((length, shorter)) = lengths.split_first() else {
        parts.push((1, hours));
        return;
    };
    let from = hours.start.div_ceil(*length).saturating_mul(*length);
    let to = hours.end.min(upto) / length * length;
    if from >= to {
        return split(hours, shorter, upto, parts);
    }
    split(hours.start..from, shorter, upto, parts);
    parts.push((*length, from..to));
    split(to..hours.end, shorter, upto, parts);
}

/// Reads the roll-ups of one length.
fn read(
    conn: &Connection,
    length: u64,
    hours: &Range<u64>,
    mut tell: impl FnMut(u64, &Group, &Sums),
) -> Result<(), rusqlite::Error> {
    let table = if length == 1 { "rollup WHERE 1 = ?" } else { "longer_rollup WHERE length = ?" };
    let sql = format!("SELECT hour, {GROUP_COLUMNS}, {SUM_COLUMNS} FROM {table} AND hour >= ? AND hour < ?");
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query(params![signed(length), signed(hours.start), signed(hours.end)])?;
    let none: Arc<str> = Arc::from("");
    let mut group = Group {
        key: Arc::clone(&none),
        team: Arc::clone(&none),
        model: Arc::clone(&none),
        provider: Arc::clone(&none),
        target_model: none,
        origin: UsageOrigin::None.name(),
    };
    while let Some(row) = rows.next()? {
        renew(&mut group, row)?;
        tell(u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(), &group, &sums_at(row, 7)?);
    }
    Ok(())
}

/// Makes `group` the one of `row`. Most names are those of the row before: they are kept.
fn renew(group: &mut Group, row: &SqlRow<'_>) -> Result<(), rusqlite::Error> {
    let Group { key, team, model, provider, target_model, origin } = group;
    for (column, name) in (1_usize..).zip([key, team, model, provider, target_model]) {
        let text = row.get_ref(column)?.as_str()?;
        if **name != *text {
            *name = Arc::from(text);
        }
    }
    *origin = row.get_ref(6)?.as_str()?.parse::<UsageOrigin>().map_or("unknown", UsageOrigin::name);
    Ok(())
}

/// The longer roll-ups, as they are.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn longer(conn: &Connection) -> Result<Longer, rusqlite::Error> {
    let mut found = Longer::new();
    for length in LENGTHS {
        read(conn, length, &(0..u64::MAX), |hour, group, sums| {
            found.insert((length, hour, group.clone()), *sums);
        })?;
    }
    Ok(found)
}

/// The longer roll-ups, as they must be.
pub(crate) fn longer_of(hours: &BTreeMap<(u64, Group), Sums>, upto: u64) -> Longer {
    let mut sums = Longer::new();
    for ((hour, group), of_hour) in hours.iter().filter(|((hour, _), _)| *hour < upto) {
        for length in LENGTHS {
            sums.entry((length, hour / length * length, group.clone())).or_default().add(of_hour);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::{DAY, LENGTHS, LONGEST, split};

    #[test]
    fn each_hour_is_read_once_and_nothing_longer_before_it_was_added_up() {
        let start = 600 * LONGEST;
        let cases = [
            ("nothing was added up", start + 5..u64::MAX, 0),
            ("within an hour", start + 5..start + 6, start + LONGEST),
            ("within a day", start + 5..start + 20, start + LONGEST),
            ("over midnight", start + 5..start + 2 * DAY + 3, start + LONGEST),
            ("from a day's beginning on", start + DAY..u64::MAX, start + 9 * DAY),
            ("a year and a day", start + 7..u64::MAX, start + 13 * LONGEST + 4 * DAY),
            ("an end amid a day amid a span", start..start + 2 * LONGEST + 3 * DAY + 1, start + 4 * LONGEST),
            ("behind all that was added up", start + 99 * LONGEST..u64::MAX, start + LONGEST),
        ];
        for (name, hours, upto) in cases {
            let mut parts = Vec::new();
            split(hours.clone(), &LENGTHS, upto, &mut parts);
            assert_eq!(parts.first().map(|(_, part)| part.start), Some(hours.start), "{name}");
            assert_eq!(parts.last().map(|(_, part)| part.end), Some(hours.end), "{name}");
            assert!(parts.windows(2).all(|two| two[0].1.end == two[1].1.start), "{name}: {parts:?}");
            for (length, part) in &parts {
                let whole = part.start % length == 0 && (*length == 1 || part.end % length == 0);
                assert!(whole && !part.is_empty() && (*length == 1 || part.end <= upto), "{name}: {parts:?}");
            }
        }
    }
}
