//! What is wrong is found and named; what is good is kept.

use super::fixture::{HandClock, as_if_killed, metrics, open, opening, segments, settlement, state};
use crate::config::State;
use crate::ledger::verify::verify;
use crate::ledger::{Ledger, LedgerError};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A closed ledger of `attempts` attempts in several segments.
fn closed(attempts: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for part in 0..3 {
        let ledger = open(dir.path());
        for n in (0..attempts).filter(|n| n % 3 == part) {
            ledger.begin(opening(n)).unwrap().settle(settlement(n));
        }
        ledger.close();
    }
    assert_eq!(verify(dir.path()).unwrap().problems, Vec::<String>::new());
    dir
}

fn sql(dir: &Path, statement: &str) {
    rusqlite::Connection::open(dir.join("ledger.sqlite")).unwrap().execute_batch(statement).unwrap();
}

fn problems(dir: &Path) -> String {
    verify(dir).map_or_else(|e| e.to_string(), |found| found.problems.join("\n"))
}

#[test]
fn a_changed_byte_in_a_segment_is_found_wherever_it_is() {
    let dir = closed(9);
    let path = segments(dir.path())[1].clone();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        let found = problems(dir.path());
        assert!(found.contains(&path.display().to_string()), "byte {at}: {found}");
    }
}

#[test]
fn a_segment_that_is_gone_is_named() {
    let dir = closed(9);
    let path = segments(dir.path())[1].clone();
    std::fs::remove_file(&path).unwrap();
    let found = problems(dir.path());
    assert!(found.contains(&format!("{}", path.display())) && found.contains("missing"), "{found}");
}

#[test]
fn what_was_changed_in_the_store_is_named() {
    let cases = [
        ("a cost", "UPDATE attempt SET cost_nano = cost_nano + 1 WHERE opened_us % 7 = 0", "store and journal differ"),
        ("a row that is gone", "DELETE FROM attempt WHERE opened_us % 7 = 0", "folded, but not in the store"),
        ("a roll-up", "UPDATE rollup SET output = output + 1", "the roll-up"),
        ("a total", "UPDATE total SET requests = requests + 1", "the totals"),
    ];
    for (name, statement, want) in cases {
        let dir = closed(40);
        sql(dir.path(), statement);
        let found = problems(dir.path());
        assert!(found.contains(want), "{name}: {found}");
    }
}

#[test]
fn a_damaged_record_does_not_take_those_behind_it_along() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let open_attempts: Vec<_> = (0..20).map(|n| ledger.begin(opening(n)).unwrap()).collect();
    let copy = as_if_killed(dir.path());
    drop(open_attempts);
    let path = segments(copy.path())[0].clone();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();

    let metrics = metrics();
    let after = Ledger::open(&state(copy.path()), Arc::new(HandClock::new()), metrics.clone()).unwrap();
    after.flush().unwrap();
    assert_eq!(after.totals().sum().attempts, 19, "only the damaged record is missing");
    assert_eq!(metrics.damaged.get(), 1);
    after.close();
    assert!(problems(copy.path()).contains(&format!("{} at byte", path.display())));
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let dir = closed(3);
    sql(dir.path(), "PRAGMA user_version = 99");
    let refused = Ledger::open(&state(dir.path()), Arc::new(HandClock::new()), metrics());
    assert!(matches!(refused, Err(LedgerError::Schema { found: 99, .. })));
    assert!(matches!(verify(dir.path()), Err(LedgerError::Schema { found: 99, .. })));
}

#[test]
fn a_segment_of_a_newer_version_refuses_the_start_and_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let _open = ledger.begin(opening(0)).unwrap();
    let copy = as_if_killed(dir.path());
    let path = segments(copy.path())[0].clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[7] += 1;
    std::fs::write(&path, &bytes).unwrap();
    let refused = Ledger::open(&state(copy.path()), Arc::new(HandClock::new()), metrics());
    assert!(matches!(&refused, Err(LedgerError::Format { newer: true, .. })), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(segments(copy.path()), [path]);
}

#[test]
fn a_store_that_was_lost_is_rebuilt_from_the_journal() {
    let dir = closed(30);
    let before = open(dir.path()).totals();
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        drop(std::fs::remove_file(dir.path().join(file)));
    }
    let ledger = open(dir.path());
    assert_eq!(ledger.totals(), before);
    ledger.flush().unwrap();
    let found = verify(dir.path()).unwrap();
    assert_eq!((found.problems, found.rows), (vec![], 30));
}

#[test]
fn segments_are_sealed_at_their_size_and_chained() {
    let dir = tempfile::tempdir().unwrap();
    let state = State { segment_bytes: NonZeroU64::new(20_000).unwrap(), ..state(dir.path()) };
    let ledger = Ledger::open(&state, Arc::new(HandClock::new()), metrics()).unwrap();
    let mut n = 0;
    while segments(dir.path()).len() < 4 {
        ledger.begin(opening(n)).unwrap().settle(settlement(n));
        n += 1;
    }
    let during = verify(dir.path()).unwrap();
    assert_eq!(during.problems, Vec::<String>::new());
    ledger.close();
    let found = verify(dir.path()).unwrap();
    assert_eq!((found.problems, found.rows, found.journaled), (vec![], n, n));
}
