//! A period that is rated anew: rows stay, differences are added, everything still adds up.

use super::budgets::{LIMIT, begin, charges, settled, whole};
use super::fixture::{HandClock, NOW_US, as_if_killed, metrics, open, opening, settlement, state};
use crate::ledger::budget::left;
use crate::ledger::export::{Filter, export};
use crate::ledger::rerate::{Period, Rated, Rerating, preview};
use crate::ledger::usage::{Dimension, report};
use crate::ledger::verify::verify;
use crate::ledger::{Ledger, Settlement};
use crate::model::{NanoUsd, Usage};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn all() -> Period {
    Period { since_us: 0, until_us: u64::MAX, target: None }
}

/// A hundred nano-dollars an output token, reasoning included.
fn hundred(rated: Rated<'_>) -> Option<(NanoUsd, Arc<str>)> {
    let output = i64::try_from(rated.usage.output_total()).unwrap();
    Some((NanoUsd(output * 100), Arc::from("later")))
}

fn cost(dir: &Path, by: &[Dimension]) -> i64 {
    let found = report(dir, by, 0, NOW_US).unwrap();
    assert_eq!(found.total.unpriced, 0);
    found.total.cost.0
}

#[test]
fn a_row_with_units_is_rated_anew_by_all_that_it_used() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut usage = Usage::ZERO;
    usage.classes_mut().into_iter().zip(1_u64..).for_each(|(class, n)| *class = n);
    let rows = [usage, Usage { searches: 1, ..Usage::ZERO }, Usage::ZERO];
    (0..).zip(rows).for_each(|(n, usage)| begin(&ledger, n).settle(Settlement { usage, ..settlement(0) }));
    ledger.flush().unwrap();
    let seen = std::cell::RefCell::new(Vec::new());
    let look = |rated: Rated<'_>| {
        seen.borrow_mut().push(*rated.usage);
        Some((NanoUsd(7), Arc::from("later")))
    };
    let told = preview(dir.path(), &all(), &look, NOW_US).unwrap();
    assert_eq!((told.attempts, told.corrected), (3, 2), "what used nothing stays as it is");
    assert_eq!(seen.into_inner(), rows[..2]);
    ledger.close();
    whole(dir.path());
}

#[test]
fn a_period_rated_anew_adds_up_everywhere_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..30).for_each(|n| begin(&ledger, n).settle(settlement(n)));
    // A balance that is in memory, and some that are not.
    let on = charges(&ledger, 0);
    ledger.flush().unwrap();
    let told = preview(dir.path(), &all(), &hundred, NOW_US).unwrap();
    assert_eq!((told.attempts, told.corrected), (30, 30));
    let found = ledger.rerate(&all(), &hundred).unwrap();
    assert_eq!(found, told, "what was told is what is done");

    assert_eq!(ledger.totals().sum().cost, NanoUsd(30 * 900));
    assert_eq!(ledger.totals().sum().attempts, 30, "a correction is no attempt");
    assert_eq!(left(&on[..1], NOW_US).nano, Some(LIMIT - 30 * 900));
    let (balances, totals) = (settled(&ledger), ledger.totals());
    let killed = as_if_killed(dir.path());
    ledger.close();
    for dir in [dir.path(), killed.path()] {
        let again = open(dir);
        assert_eq!(again.totals(), totals);
        assert_eq!(settled(&again), balances);
        again.close();
        whole(dir);
        assert_eq!(verify(dir).unwrap().corrections, 30);
        assert_eq!(cost(dir, &[Dimension::Team]), 30 * 900);
        assert_eq!(cost(dir, &[Dimension::User]), 30 * 900);
    }
    let mut lines = Vec::new();
    assert_eq!(export(dir.path(), &Filter::default(), &mut lines).unwrap(), 60);
    let text = String::from_utf8(lines).unwrap();
    let sum: i64 = text.lines().map(|line| cost_of(line).unwrap_or(0)).sum();
    assert_eq!(sum, 30 * 900, "the lines of an export add up");
}

fn cost_of(line: &str) -> Option<i64> {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["cost_nano_usd"].as_i64()
}

#[test]
fn rating_anew_twice_stands_on_the_first_and_the_same_price_corrects_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..5).for_each(|n| begin(&ledger, n).settle(settlement(n)));
    ledger.rerate(&all(), &hundred).unwrap();
    assert_eq!(ledger.rerate(&all(), &hundred).unwrap().corrected, 0);
    let free = |_: Rated<'_>| Some((NanoUsd(0), Arc::from("free")));
    let one = Period { since_us: NOW_US + 1_000_000, until_us: NOW_US + 2_000_000, target: None };
    assert_eq!(ledger.rerate(&one, &free).unwrap().corrected, 1);
    assert_eq!(ledger.totals().sum().cost, NanoUsd(4 * 900));
    ledger.close();
    whole(dir.path());
}

#[test]
fn only_what_was_used_at_the_target_and_has_a_price_is_rated_anew() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.begin(opening(0)).unwrap().settle(settlement(0));
    ledger.begin(opening(1)).unwrap().settle(opening(1).unsent("gone", 0));
    let target = Some(("openai".to_owned(), "another".to_owned()));
    assert_eq!(ledger.rerate(&Period { target, ..all() }, &hundred).unwrap(), Rerating::default());
    let found = ledger.rerate(&all(), &|_| None).unwrap();
    assert_eq!((found.attempts, found.corrected, found.unpriced), (2, 0, 1));
}

#[test]
fn corrections_go_with_their_rows_and_what_they_added_stays() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(clock.clone()), metrics()).unwrap();
    (0..10).for_each(|n| begin(&ledger, n).settle(settlement(n)));
    ledger.rerate(&all(), &hundred).unwrap();
    clock.advance(Duration::from_secs(500 * 86_400));
    ledger.retain();
    assert_eq!(left(&charges(&ledger, 0)[..1], NOW_US).nano, Some(LIMIT - 10 * 900));
    ledger.close();
    let found = verify(dir.path()).unwrap();
    assert_eq!((found.problems, found.rows, found.corrections), (vec![], 0, 0));
    assert_eq!(cost(dir.path(), &[Dimension::Team]), 10 * 900);
}

#[test]
fn a_lost_store_is_rebuilt_with_its_corrections_from_several_epochs() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..4).for_each(|n| begin(&ledger, n).settle(Settlement { cost: None, ..settlement(n) }));
    drop(ledger);
    let ledger = open(dir.path());
    ledger.rerate(&all(), &hundred).unwrap();
    let balances = settled(&ledger);
    drop(ledger);
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        drop(std::fs::remove_file(dir.path().join(file)));
    }
    let again = open(dir.path());
    again.flush().unwrap();
    assert_eq!(again.totals().sum().cost, NanoUsd(4 * 900));
    assert_eq!(settled(&again), balances);
    again.close();
    whole(dir.path());
    assert_eq!(cost(dir.path(), &[Dimension::Team]), 4 * 900);
}
