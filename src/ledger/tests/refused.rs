//! Refused requests are kept for reports and are never attempts.

use super::fixture::{HandClock, NOW_US, as_if_killed, metrics, open, opening, settlement, state};
use crate::ledger::usage::{Dimension, report};
use crate::ledger::verify::verify;
use crate::ledger::{Ledger, Refused};
use crate::model::RequestId;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn refused(n: u64) -> Refused {
    let key = if n.is_multiple_of(2) { "search-ci" } else { "" };
    Refused {
        id: RequestId(u128::from(n)),
        time_us: NOW_US + n,
        key: Arc::from(key),
        team: Arc::from(key.split('-').next().unwrap()),
        user: (n == 0).then(|| Arc::from("u1")),
        model: Arc::from("fast"),
        api: "chat_completions",
        code: Arc::from("budget_exhausted"),
        status: 402,
    }
}

/// Refused requests by the first label.
fn lines(dir: &Path, by: Dimension) -> Vec<(String, u64, u64)> {
    let found = report(dir, &[by], NOW_US, NOW_US).unwrap();
    assert_eq!(found.lines.iter().map(|line| line.refused).sum::<u64>(), found.refused);
    found.lines.into_iter().map(|line| (line.labels[0].clone(), line.sums.attempts, line.refused)).collect()
}

#[test]
fn refused_requests_are_reported_beside_attempts_and_survive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..5).for_each(|n| ledger.refused(&refused(n)));
    ledger.begin(opening(0)).unwrap().settle(settlement(0));
    let killed = as_if_killed(dir.path());
    ledger.close();
    drop(open(killed.path()));
    for dir in [dir.path(), killed.path()] {
        assert_eq!(lines(dir, Dimension::Team), [("-".to_owned(), 0, 2), ("search".to_owned(), 1, 3)]);
        assert_eq!(lines(dir, Dimension::User), [("-".to_owned(), 0, 4), ("u1".to_owned(), 1, 1)]);
        assert_eq!(lines(dir, Dimension::Provider), [("-".to_owned(), 0, 5), ("openai".to_owned(), 1, 0)]);
        assert_eq!(verify(dir).unwrap().problems, Vec::<String>::new());
    }
}

#[test]
fn refused_requests_grow_old() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(clock.clone()), metrics()).unwrap();
    (0..6_000).for_each(|n| ledger.refused(&refused(n)));
    ledger.flush().unwrap();
    clock.advance(Duration::from_secs(500 * 86_400));
    ledger.retain();
    assert_eq!(lines(dir.path(), Dimension::Team), []);
    assert_eq!(lines(dir.path(), Dimension::User), []);
}

#[test]
fn a_flood_of_refusals_is_cut_and_counted_not_kept_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = metrics();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(HandClock::new()), metrics.clone()).unwrap();
    ledger.close();
    ledger.refused(&refused(0));
    assert_eq!(metrics.refused_dropped.get(), 1, "nothing is kept that cannot be written");
}
