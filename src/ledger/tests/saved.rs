//! Answers that were given again: rows that cost nothing and tell what was saved.

use super::budgets::whole;
use super::fixture::{NOW_US, as_if_killed, open, opening, settlement};
use crate::ledger::export::{Filter, export};
use crate::ledger::row::Settlement;
use crate::ledger::store::schema::downgrade;
use crate::ledger::usage::{Dimension, report};
use crate::model::{NanoUsd, Usage, UsageOrigin};
use std::path::Path;

fn given_again(saved: i64) -> Settlement {
    let (usage, origin, cost) = (Usage::ZERO, UsageOrigin::None, Some(NanoUsd::ZERO));
    Settlement { usage, origin, cost, saved: NanoUsd(saved), price_version: None, ..settlement(0) }
}

/// Requests, cost and savings, as reports tell them, and the savings of each row that has some.
fn told(dir: &Path) -> (u64, i64, i64, Vec<i64>) {
    let total = report(dir, &[Dimension::Model], 0, NOW_US).expect("a report").total;
    let mut out = Vec::new();
    export(dir, &Filter::default(), &mut out).expect("the ledger can be read");
    let lines = String::from_utf8(out).expect("text");
    let saved = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["saved_nano_usd"].as_i64().filter(|saved| *saved != 0)
    };
    (total.requests, total.cost.0, total.saved.0, lines.lines().filter_map(saved).collect())
}

#[test]
fn what_was_saved_is_told_from_the_journal_and_from_the_store_and_after_a_crash() {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = open(dir.path());
    ledger.begin(opening(0)).expect("room").settle(settlement(0));
    downgrade_beside(&ledger, dir.path());
    let ledger = open(dir.path());
    for (n, saved) in [(1, 1_000), (2, 0), (3, -5), (4, i64::MAX)] {
        ledger.begin(opening(n)).expect("room").settle(given_again(saved));
    }
    let want = (5, 1_000, i64::MAX, vec![1_000, i64::MAX]);
    assert_eq!(told(dir.path()), want, "sums stay at the largest amount, and nothing is saved below 0");
    let copy = as_if_killed(dir.path());
    let again = open(copy.path());
    again.close();
    assert_eq!(told(copy.path()), want);
    whole(copy.path());
    ledger.flush().expect("the store takes it");
    assert_eq!(told(dir.path()), want);
    ledger.close();
    whole(dir.path());
}

/// Closes `ledger` and makes its store one of the version before.
fn downgrade_beside(ledger: &crate::ledger::Ledger, dir: &Path) {
    ledger.close();
    downgrade(dir, 4);
}
