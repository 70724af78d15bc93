//! The latest attempts and their times are found in the journal's tail and in the store alike.

use super::fixture::{NOW_US, id, open, opening, settlement};
use crate::ledger::latest::{Wanted, attempts_of, latest};
use crate::ledger::pace::{Whose, pace};
use crate::ledger::{OpenAttempt, Settlement};
use std::path::Path;

/// Ten attempts, of which the third failed, and one that is under way.
fn labels(dir: &Path, wanted: &Wanted, most: usize) -> Vec<String> {
    let found = latest(dir, wanted, most).unwrap();
    found.rows.iter().map(|row| row.opening.request_label.to_string()).collect()
}

fn look(dir: &Path) {
    assert_eq!(labels(dir, &Wanted::default(), 3), ["label-9", "label-8", "label-7"]);
    let of = |team: &str| Wanted { team: Some(team.to_owned()), ..Wanted::default() };
    assert_eq!(labels(dir, &of("search"), 2), ["label-8", "label-6"]);
    assert!(labels(dir, &of("' OR 1=1 --"), 9).is_empty());
    let failed = Wanted { failed: true, ..Wanted::default() };
    assert_eq!(labels(dir, &failed, 9), ["label-3"]);
    let early = Wanted { until_us: Some(NOW_US + 2_000_000), ..Wanted::default() };
    assert_eq!(labels(dir, &early, 9), ["label-1", "label-0"]);
    let (rows, _) = attempts_of(dir, id(4).request).unwrap();
    assert_eq!(rows.iter().map(|row| &*row.opening.request_label).collect::<Vec<_>>(), ["label-4"]);
    let second = 1_000_000;
    let stretches = [(NOW_US, NOW_US + 5 * second), (NOW_US + 5 * second, NOW_US + 100 * second)];
    let samples = pace(dir, &stretches, &Whose::default(), 4).unwrap();
    assert_eq!(samples.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4], "at most so many of each stretch");
    assert_eq!((samples[0][0].latency_us, samples[0][0].overhead_us), (1_234, Some(45)));
    let search = Whose { team: Some("search".to_owned()), ..Whose::default() };
    let samples = pace(dir, &stretches, &search, 4).unwrap();
    assert_eq!(samples.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2], "its own, though others are among the latest");
    assert!(samples.iter().flatten().all(|sample| &*sample.team == "search"));
}

#[test]
fn the_latest_attempts_are_found_wherever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for n in 0..10 {
        let end = if n == 3 { Settlement { status: 503, ..settlement(n) } } else { settlement(n) };
        ledger.begin(opening(n)).unwrap().settle(end);
    }
    let under_way: OpenAttempt = ledger.begin(opening(10)).unwrap();
    look(dir.path());
    let open = latest(dir.path(), &Wanted::default(), 9).unwrap().open;
    assert_eq!(open.iter().map(|opening| &*opening.request_label).collect::<Vec<_>>(), ["label-10"]);
    under_way.settle(settlement(10));
    ledger.close();
    let before = Wanted { until_us: Some(NOW_US + 10_000_000), ..Wanted::default() };
    assert_eq!(labels(dir.path(), &before, 1), ["label-9"]);
}
