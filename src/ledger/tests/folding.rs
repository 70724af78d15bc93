//! Folding loses nothing and doubles nothing, wherever it is interrupted.

use super::fixture::{NOW_US, open, opening, settlement};
use crate::ledger::journal::frame::{Frame, encode};
use crate::ledger::journal::segment::Position;
use crate::ledger::journal::writer::Writer;
use crate::ledger::store::fold::Folder;
use crate::ledger::totals::Totals;
use crate::ledger::verify::verify;
use crate::ledger::{Opening, Row};
use proptest::prelude::*;
use std::path::Path;

/// An epoch in which attempt `n` ends when attempt `n + overlap` begins; returns the end of each record.
fn write(dir: &Path, attempts: u64, overlap: u64, rotate_each: u64) -> Vec<Position> {
    let journal = dir.join("journal");
    std::fs::create_dir_all(&journal).unwrap();
    let mut writer = Writer::begin(&journal, 1, Vec::new(), NOW_US).unwrap();
    let mut ends = Vec::new();
    let hash = |file: &std::fs::File, end: u64| {
        let mut hash = crate::ledger::journal::chain::RunningHash::default();
        hash.advance(file, end)?;
        Ok(hash.finish())
    };
    for n in 0..attempts + overlap {
        let mut frame = Vec::new();
        if n < attempts {
            let opening: Opening = opening(n);
            encode(&Frame::Open(opening.frame()), &mut frame).unwrap();
            writer.append(&frame).unwrap();
            writer.count(|counts| counts.opened += 1);
            ends.push(writer.end());
        }
        if let Some(n) = n.checked_sub(overlap) {
            let settlement = settlement(n);
            frame.clear();
            encode(&settlement.record(opening(n).id), &mut frame).unwrap();
            writer.append(&frame).unwrap();
            writer.count(|counts| {
                counts.settled += 1;
                counts.cost_nano += settlement.cost.unwrap_or_default().0;
            });
            ends.push(writer.end());
        }
        if n % rotate_each == rotate_each - 1 {
            writer.rotate(NOW_US, hash).unwrap();
        }
    }
    writer.seal(true).unwrap();
    ends.push(writer.end());
    ends
}

fn totals(attempts: u64) -> Totals {
    let mut totals = Totals::default();
    (0..attempts).for_each(|n| totals.add_row(&Row { opening: opening(n), settlement: settlement(n) }));
    totals
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    /// Stopped or killed after any number of batches that end anywhere, the folder goes on where it was.
    #[test]
    fn folding_in_any_pieces_comes_to_the_same(
        attempts in 1..60_u64,
        overlap in 0..20_u64,
        rotate_each in 5..30_u64,
        stops in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        killed in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let ends = write(dir.path(), attempts, overlap, rotate_each);
        let mut stops: Vec<Position> = stops.iter().map(|stop| ends[stop.index(ends.len())]).collect();
        stops.sort_unstable();
        let mut folder = Folder::open(dir.path()).unwrap();
        for stop in stops {
            folder.fold(1, Some(stop)).unwrap();
            if killed {
                folder = Folder::open(dir.path()).unwrap();
            }
        }
        prop_assert!(folder.fold(1, None).unwrap().damage.is_empty());
        prop_assert_eq!(folder.totals().unwrap(), totals(attempts));
        let found = verify(dir.path()).unwrap();
        prop_assert_eq!(found.problems, Vec::<String>::new());
        prop_assert_eq!((found.rows, found.journaled), (attempts, attempts));
    }
}

#[test]
fn folding_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 2_500, 3, 700);
    let fold_all = || {
        let mut folder = Folder::open(dir.path()).unwrap();
        while !folder.fold(1, None).unwrap().at_end {}
        (folder.totals().unwrap(), folder.positions().unwrap())
    };
    let once = fold_all();
    assert_eq!(fold_all(), once);
    assert_eq!(once.0, totals(2_500));
}

#[test]
fn a_store_that_is_older_than_the_journal_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let ends = write(dir.path(), 50, 10, 20);
    Folder::open(dir.path()).unwrap().fold(1, Some(ends[30])).unwrap();
    let old = dir.path().join("ledger.sqlite");
    let backup = std::fs::read(&old).unwrap();
    Folder::open(dir.path()).unwrap().fold(1, None).unwrap();
    std::fs::write(&old, backup).unwrap();
    for log in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
        drop(std::fs::remove_file(dir.path().join(log)));
    }
    Folder::open(dir.path()).unwrap().fold(1, None).unwrap();
    let found = verify(dir.path()).unwrap();
    assert_eq!((found.problems, found.rows), (vec![], 50));
}

#[test]
fn the_write_ahead_log_is_written_back_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..6_000).for_each(|n| ledger.begin(opening(n)).unwrap().settle(settlement(n)));
    ledger.flush().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("without-its-log.sqlite");
    std::fs::copy(dir.path().join("ledger.sqlite"), &copy).unwrap();
    let rows = |sql: &str| rusqlite::Connection::open(&copy).unwrap().query_row(sql, [], |row| row.get::<_, i64>(0));
    assert!(rows("SELECT count(*) FROM attempt").unwrap() >= 3_000);
    ledger.close();
}
