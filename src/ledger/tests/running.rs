//! The ledger of a running gateway.

use super::fixture::{HandClock, as_if_killed, metrics, open, opening, settlement, state};
use crate::config::Durability;
use crate::ledger::export::{Filter, export};
use crate::ledger::verify::verify;
use crate::ledger::{Ledger, LedgerError};
use crate::model::{NanoUsd, UsageOrigin};
use std::collections::HashSet;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn totals_are_the_same_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for n in 0..2_500 {
        ledger.begin(opening(n)).unwrap().settle(settlement(n));
    }
    let before = ledger.totals();
    assert_eq!(before.sum().attempts, 2_500);
    assert_eq!(before.by(|group| group.team.clone())["search"].attempts, 1_250);
    ledger.close();
    let again = open(dir.path());
    assert_eq!(again.totals(), before);
}

#[test]
fn what_a_crash_left_open_is_settled_once_as_estimated() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(clock.clone()), metrics()).unwrap();
    ledger.begin(opening(0)).unwrap().settle(settlement(0));
    let mut open_attempt = ledger.begin(opening(1)).unwrap();
    clock.advance(Duration::from_secs(5));
    open_attempt.progress(40);
    ledger.flush().unwrap();

    let copy = as_if_killed(dir.path());
    for start in 1..=2 {
        let metrics = metrics();
        let after = Ledger::open(&state(copy.path()), Arc::new(HandClock::new()), metrics.clone()).unwrap();
        let totals = after.totals();
        let estimated = totals.by(|group| group.origin);
        assert_eq!(totals.sum().attempts, 2, "start {start}");
        assert_eq!(estimated[UsageOrigin::Estimated.name()].usage.output, 40);
        assert_eq!(estimated[UsageOrigin::Estimated.name()].usage.input, 101);
        // 101 × 0.15 + 40 × 0.60 USD a million, in nano-dollars.
        assert_eq!(estimated[UsageOrigin::Estimated.name()].cost, NanoUsd(15_150 + 24_000));
        assert_eq!(metrics.recovered.get(), if start == 1 { 1 } else { 0 });
        after.close();
    }
}

#[test]
fn a_second_process_is_refused_and_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let refused = Ledger::open(&state(dir.path()), Arc::new(HandClock::new()), metrics());
    assert!(matches!(&refused, Err(LedgerError::Locked { pid: Some(pid), .. }) if *pid == std::process::id()));
    ledger.close();
    drop(open(dir.path()));
}

#[test]
fn an_abandoned_attempt_costs_nothing_before_it_is_sent_and_its_progress_after() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    drop(ledger.begin(opening(0)).unwrap());
    assert_eq!(ledger.totals().sum().cost, NanoUsd::ZERO);
    let mut sent = ledger.begin(opening(1)).unwrap();
    sent.mark_sent();
    sent.progress(10);
    drop(sent);
    let sum = ledger.totals().sum();
    assert_eq!((sum.attempts, sum.errors, sum.cost), (2, 2, NanoUsd(15_150 + 6_000)));
}

#[tokio::test]
async fn power_durability_waits_for_the_flush_to_disk() {
    let dir = tempfile::tempdir().unwrap();
    let state = crate::config::State { durability: Durability::Power, ..state(dir.path()) };
    let ledger = Ledger::open(&state, Arc::new(HandClock::new()), metrics()).unwrap();
    let attempt = ledger.begin(opening(0)).unwrap();
    tokio::time::timeout(Duration::from_secs(20), attempt.durable()).await.unwrap().unwrap();
    attempt.settle(settlement(0));
}

#[test]
fn nothing_begins_after_closing_and_what_is_open_can_still_be_settled() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let late = ledger.begin(opening(0)).unwrap();
    ledger.close();
    ledger.close();
    assert!(matches!(ledger.begin(opening(1)), Err(LedgerError::Closed)));
    // An upgrade: the next process serves while this one still settles.
    let next = open(dir.path());
    late.settle(settlement(0));
    drop(ledger);
    next.flush().unwrap();
    assert_eq!(next.totals().sum().attempts, 1);
    assert_eq!(next.totals().sum().cost, NanoUsd(1_000));
}

#[test]
fn an_upgrade_loses_no_attempt_while_two_processes_write() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path());
    let long = old.begin(opening(0)).unwrap();
    old.release_authority();
    let new = open(dir.path());
    std::thread::scope(|scope| {
        for (ledger, first) in [(&old, 1), (&new, 1_000)] {
            scope.spawn(move || {
                for n in first..first + 999 {
                    ledger.begin(opening(n)).unwrap().settle(settlement(n));
                    if n % 300 == 0 {
                        ledger.flush().unwrap();
                    }
                }
            });
        }
    });
    let during = verify(dir.path()).unwrap();
    assert_eq!((during.problems, during.open), (vec![], 1));
    // The old process dies with an attempt open: the new one settles it.
    std::mem::forget(long);
    old.close();
    old.die();
    new.flush().unwrap();
    let sum = new.totals().sum();
    assert_eq!((sum.attempts, new.totals().by(|group| group.origin)["estimated"].attempts), (1_999, 1));
    new.close();
    let found = verify(dir.path()).unwrap();
    assert_eq!((found.problems, found.rows, found.crashed), (vec![], 1_999, 0));
}

#[test]
fn reports_are_whole_while_threads_write_and_segments_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let state = crate::config::State {
        segment_bytes: NonZeroU64::new(30_000).unwrap(),
        max_bytes: NonZeroU64::new(400_000).unwrap(),
        ..state(dir.path())
    };
    let ledger = Ledger::open(&state, Arc::new(HandClock::new()), metrics()).unwrap();
    const EACH: u64 = 3_000;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|thread| {
                let ledger = &ledger;
                scope.spawn(move || {
                    for n in thread * EACH..(thread + 1) * EACH {
                        ledger.begin(opening(n)).unwrap().settle(settlement(n));
                        if n % 1_000 == 0 {
                            ledger.retain();
                        }
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            let found = verify(dir.path()).unwrap();
            assert_eq!(found.problems, Vec::<String>::new());
            let mut lines = Vec::new();
            export(dir.path(), &Filter::default(), &mut lines).unwrap();
            let lines = String::from_utf8(lines).unwrap();
            let ids: HashSet<&str> = lines.lines().map(|line| &line[..40]).collect();
            assert_eq!(ids.len(), lines.lines().count(), "every attempt once");
        }
    });
    assert_eq!(ledger.totals().sum().attempts, 4 * EACH);
    ledger.flush().unwrap();
    ledger.retain();
    ledger.close();
    let found = verify(dir.path()).unwrap();
    assert_eq!((found.problems, found.total.attempts), (vec![], 4 * EACH));
    assert!(found.dropped_segments > 0);
}
