//! The time that a page is about, as its address says.

use super::show;
use crate::{
    ledger::LedgerError,
    ledger::usage::{Dimension, since},
};
use std::collections::BTreeMap;

/// From when to when, and how finely it is told.
#[derive(Debug, Clone)]
pub(super) struct Span {
    /// As it was written: `24h`, `7d`, a moment.
    pub since: String,
    /// As it was written; empty: up to now.
    pub until: String,
    /// In microseconds, at the beginning of a bucket.
    pub from_us: u64,
    /// In microseconds.
    pub to_us: u64,
    /// What reports tell apart: hours or days.
    pub by: Dimension,
    /// The length of what reports tell apart: an hour or a day.
    unit_us: u64,
    /// The length of one bar: one or more of them.
    pub step_us: u64,
}

impl Span {
    /// Reads `since` and `until`; 24 hours if there is none.
    ///
    /// # Errors
    ///
    /// What can be written instead.
    pub fn read(from: &str, until: &str, now_us: u64) -> Result<Self, LedgerError> {
        let written = if from.is_empty() { "24h" } else { from };
        let from_us = since(written, now_us)?;
        let to_us = if until.is_empty() { now_us } else { since(until, now_us)?.min(now_us) };
        let from_us = from_us.min(to_us);
        let (by, unit_us) =
            if to_us - from_us <= 49 * HOUR_US { (Dimension::Hour, HOUR_US) } else { (Dimension::Day, 24 * HOUR_US) };
        let from_us = from_us / unit_us * unit_us;
        // No more bars than can be told apart; so a page stays light, too.
        let step_us = ((to_us - from_us) / unit_us + 1).div_ceil(MOST_BARS) * unit_us;
        Ok(Self { since: written.to_owned(), until: until.to_owned(), from_us, to_us, by, unit_us, step_us })
    }

    /// Beginning and end of each bucket.
    pub fn buckets(&self) -> Vec<(u64, u64)> {
        let begins = (0..MOST_BARS).map(|at| self.from_us + at * self.step_us).take_while(|begin| *begin <= self.to_us);
        begins.map(|begin| (begin, begin + self.step_us)).collect()
    }

    /// In which bucket an hour or a day is, by its name in reports.
    pub fn places(&self) -> BTreeMap<String, usize> {
        let each = self.buckets().into_iter().enumerate();
        let units = each.flat_map(|(at, (from, to))| {
            (from..to).step_by(usize::try_from(self.unit_us).unwrap_or(usize::MAX)).map(move |unit| (unit, at))
        });
        units.map(|(unit, at)| (self.label(unit), at)).collect()
    }

    /// One bar in words: `hour`, `day`, `3 days`.
    pub fn bar(&self) -> String {
        match self.step_us / self.unit_us {
            1 => self.by.name().to_owned(),
            n => format!("{n} {}s", self.by.name()),
        }
    }

    /// How reports name the bucket that begins then.
    fn label(&self, at_us: u64) -> String {
        let time = show::exact_time(at_us);
        match self.by {
            Dimension::Hour => time.chars().take(13).chain(":00Z".chars()).collect(),
            _ => time.chars().take(10).collect(),
        }
    }

    /// How people read it: `05:00`, `28 Nov` is written as `11-28`.
    pub fn short(&self, at_us: u64) -> String {
        let time = show::time(at_us);
        match self.by {
            Dimension::Hour => time.chars().skip(5).take(11).collect(),
            _ => time.chars().take(10).collect(),
        }
    }
}

const HOUR_US: u64 = 3_600_000_000;
/// Bars of one picture.
const MOST_BARS: u64 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_the_span_and_are_named_as_reports_name_them() {
        let now_us = 1_764_308_645_000_000;
        let day = Span::read("", "", now_us).expect("the default");
        let buckets = day.buckets();
        assert_eq!((buckets.len(), day.by), (25, Dimension::Hour));
        assert!(buckets[0].0 <= now_us - 86_400_000_000 && buckets[24].1 > now_us);
        assert_eq!(day.label(buckets[24].0), "2025-11-28T05:00Z");
        let month = Span::read("30d", "", now_us).expect("a month");
        assert_eq!((month.by, month.buckets().len()), (Dimension::Day, 31));
        assert_eq!(month.label(month.buckets()[30].0), "2025-11-28");
        let quarter = Span::read("90d", "", now_us).expect("long");
        assert_eq!((quarter.bar().as_str(), quarter.buckets().len()), ("3 days", 31));
        let places = quarter.places();
        assert_eq!((places["2025-11-28"], places.len()), (30, 93));
        assert!(Span::read("99999d", "", now_us).expect("longer than time").buckets().len() <= 31);
        assert_eq!(Span::read("1h", "30d", now_us).expect("turned around").buckets().len(), 1);
        assert!(Span::read("yesterday", "", now_us).is_err());
    }
}
