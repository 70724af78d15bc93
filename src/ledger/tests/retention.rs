//! What is dropped is replaced by its sums and hashes.

use super::fixture::{HandClock, NOW_US, metrics, open, opening, segments, settlement, state};
use crate::config::State;
use crate::ledger::Ledger;
use crate::ledger::store::fold::Folder;
use crate::ledger::store::retention::Policy;
use crate::ledger::totals::Totals;
use crate::ledger::usage::{Dimension, report};
use crate::ledger::verify::verify;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const ATTEMPTS: u64 = 7_200;

/// Attempts of two hours in several epochs and segments.
fn filled(dir: &Path) -> Totals {
    let state = State { segment_bytes: NonZeroU64::new(100_000).unwrap(), ..state(dir) };
    for part in 0..2 {
        let ledger = Ledger::open(&state, Arc::new(HandClock::new()), metrics()).unwrap();
        for n in (0..ATTEMPTS).filter(|n| n % 2 == part) {
            ledger.begin(opening(n)).unwrap().settle(settlement(n));
        }
        ledger.close();
    }
    open(dir).totals()
}

fn retain(dir: &Path, policy: Policy) -> (u64, u64) {
    let mut folder = Folder::open(dir).unwrap();
    let dropped = folder.retain(&policy).unwrap();
    (dropped.segments, dropped.rows)
}

#[test]
fn old_rows_go_and_the_ledger_is_still_whole() {
    let dir = tempfile::tempdir().unwrap();
    let before = filled(dir.path());
    let hour = Duration::from_secs(3_600);
    let now_us = NOW_US + 2 * 3_600_000_000;
    // The files were written just now by the machine's clock: only rows are old.
    let (_, rows) = retain(dir.path(), Policy { now_us, retention: hour, max_bytes: u64::MAX });
    assert_eq!(rows, 3_600);
    let found = verify(dir.path()).unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!((found.rows, found.dropped.attempts), (3_600, 3_600));
    assert_eq!(open(dir.path()).totals(), before);
    let spent = report(dir.path(), &[Dimension::Team], NOW_US, now_us).unwrap();
    assert_eq!(spent.total.attempts, ATTEMPTS, "roll-ups are kept");
}

#[test]
fn folded_segments_go_before_rows_when_it_is_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let before = filled(dir.path());
    let (count, bytes) = segments(dir.path())
        .iter()
        .fold((0, 0), |(count, bytes), path| (count + 1, bytes + std::fs::metadata(path).unwrap().len()));
    let store = std::fs::metadata(dir.path().join("ledger.sqlite")).unwrap().len();
    let keep = Duration::from_secs(86_400 * 365);
    let policy = Policy { now_us: NOW_US, retention: keep, max_bytes: store + bytes / 2 };
    let (dropped, rows) = retain(dir.path(), policy);
    assert!(dropped > 0 && dropped < count && rows == 0, "{dropped} of {count} segments, {rows} rows");
    assert_eq!(verify(dir.path()).unwrap().problems, Vec::<String>::new());

    let (_, rows) = retain(dir.path(), Policy { max_bytes: store / 2, ..policy });
    assert!(rows > 0 && rows < ATTEMPTS, "{rows} rows");
    let found = verify(dir.path()).unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!(found.rows + found.dropped.attempts, ATTEMPTS);
    assert_eq!(open(dir.path()).totals(), before);
}

#[test]
fn a_segment_that_an_open_attempt_lies_in_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let state = State { segment_bytes: NonZeroU64::new(10_000).unwrap(), ..state(dir.path()) };
    let ledger = Ledger::open(&state, Arc::new(HandClock::new()), metrics()).unwrap();
    let long = ledger.begin(opening(0)).unwrap();
    let mut n = 1;
    while segments(dir.path()).len() < 4 {
        ledger.begin(opening(n)).unwrap().settle(settlement(n));
        n += 1;
    }
    ledger.flush().unwrap();
    let nothing = Policy { now_us: NOW_US, retention: Duration::from_secs(86_400 * 365), max_bytes: 1 };
    assert_eq!(retain(dir.path(), nothing).0, 0);
    long.settle(settlement(0));
    ledger.flush().unwrap();
    assert!(retain(dir.path(), nothing).0 >= 3);
    assert_eq!(verify(dir.path()).unwrap().problems, Vec::<String>::new());
    ledger.close();
    assert_eq!(open(dir.path()).totals().sum().attempts, n);
}
