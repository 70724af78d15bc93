//! Days and longer spans tell what the hours and the rows tell, whenever they were added up.

use super::budgets::whole;
use super::fixture::{HandClock, NOW_US, id, metrics, opening, settlement, state};
use crate::ledger::Ledger;
use crate::ledger::rerate::{Period, Rated};
use crate::ledger::store::rollups::{LONGEST, upto};
use crate::ledger::usage::{Dimension, Line, Query, answer};
use crate::ledger::verify::verify;
use crate::model::NanoUsd;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const HOUR_US: u64 = 3_600_000_000;
const HOURS: u64 = 3 * LONGEST;

/// One attempt every five hours, from `from` hours on, before `to`.
fn fill(ledger: &Arc<Ledger>, from: u64, to: u64) {
    for hour in (from..to).filter(|hour| hour % 5 == 0) {
        let n = hour + to * 1_000;
        let opening = crate::ledger::Opening { id: id(n), opened_us: NOW_US + hour * HOUR_US + 7, ..opening(hour) };
        ledger.begin(opening).unwrap().settle(settlement(hour));
    }
    ledger.flush().unwrap();
}

/// What is told of several periods, by several dimensions.
fn told(dir: &Path) -> Vec<Vec<Line>> {
    let mut all = Vec::new();
    for since in [0, 11, LONGEST + 30, HOURS - 40] {
        for until in [None, Some(LONGEST * 2 + 13), Some(HOURS - 24)] {
            for by in [&[Dimension::Team][..], &[Dimension::Day, Dimension::Key], &[Dimension::Hour]] {
                let at = |hour: u64| NOW_US + hour * HOUR_US;
                let query = Query { by: by.to_vec(), since_us: at(since), until_us: until.map(at), only: Vec::new() };
                all.push(answer(dir, &query, at(HOURS)).unwrap().lines);
            }
        }
    }
    all
}

/// Up to which hour the store of a directory is added up.
fn added_up(dir: &Path) -> u64 {
    upto(&Connection::open(dir.join("ledger.sqlite")).unwrap()).unwrap()
}

#[test]
fn reports_say_the_same_before_and_after_days_are_added_up_and_what_comes_late_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(clock.clone()), metrics()).unwrap();
    fill(&ledger, 0, HOURS);
    let hourly = told(dir.path());
    assert_eq!(added_up(dir.path()), 0, "by the clock, all of it is still to come");

    clock.advance(Duration::from_secs(HOURS * 3_600));
    ledger.retain();
    assert_eq!(
        added_up(dir.path()),
        (NOW_US / HOUR_US + HOURS) / 24 * 24 - 24,
        "today and the day that just ended wait"
    );
    assert_eq!(told(dir.path()), hourly);
    whole(dir.path());

    // Attempts of long ago that end now, and a price that was wrong.
    fill(&ledger, 0, LONGEST + 50);
    let hundred = |rated: Rated<'_>| {
        let output = i64::try_from(rated.usage.output_total()).unwrap();
        Some((NanoUsd(output * 100), Arc::from("later")))
    };
    let period = Period { since_us: NOW_US, until_us: NOW_US + 900 * HOUR_US, target: None };
    assert!(ledger.rerate(&period, &hundred).unwrap().corrected > 0);
    whole(dir.path());
    let rows = Query { by: vec![Dimension::User], ..Query::default() };
    let by_rows = answer(dir.path(), &rows, NOW_US).unwrap().total;
    assert_eq!(answer(dir.path(), &Query::default(), NOW_US).unwrap().total, by_rows);
    assert_eq!(ledger.totals().sum(), by_rows);
    ledger.close();
}

#[test]
fn a_longer_roll_up_that_was_changed_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(clock.clone()), metrics()).unwrap();
    fill(&ledger, 0, 50);
    clock.advance(Duration::from_secs(10 * 86_400));
    ledger.retain();
    ledger.close();
    whole(dir.path());
    let store = Connection::open(dir.path().join("ledger.sqlite")).unwrap();
    store.execute("UPDATE longer_rollup SET output = output + 1 WHERE length = 24", []).unwrap();
    let problems = verify(dir.path()).unwrap().problems.join("\n");
    assert!(problems.contains("24 hours from 2026-11-01") && problems.contains("longer roll-up"), "{problems}");
}
