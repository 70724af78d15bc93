//! A disk that is full, played by the limit on file sizes: a write is cut short and the rest refused, as by a full
//! disk. The limit holds for a whole process, so that the test runs itself in one of its own.

use super::fixture::{HandClock, NOW_US, metrics, opening, segments, settlement, state};
use crate::ledger::budget::{Hold, Worst};
use crate::ledger::verify::verify;
use crate::ledger::{Ledger, LedgerError, Opening};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_full_disk_refuses_new_attempts_and_loses_no_settlement() {
    let test = std::env::current_exe().unwrap();
    // Without the trap the kernel would kill the process instead of refusing the write.
    let done = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; exec "$0" --ignored --exact ledger::tests::full_disk::with_a_limit"#])
        .arg(test)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
#[ignore = "limits the whole process; run by the test above"]
fn with_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(clock.clone()), metrics()).unwrap();
    let mut open: Vec<_> = (0..20).map(|n| (n, ledger.begin(opening(n)).unwrap())).collect();
    for (n, attempt) in open.drain(..5) {
        attempt.settle(settlement(n));
    }
    let before = getrlimit(Resource::Fsize);
    let size = std::fs::metadata(&segments(dir.path())[0]).unwrap().len();
    setrlimit(Resource::Fsize, Rlimit { current: Some(size + 40), ..before }).unwrap();

    for n in 20..30 {
        assert!(matches!(ledger.begin(opening(n)), Err(LedgerError::Io { what: "write", .. })));
    }
    // What was held for an attempt that cannot begin is free again.
    let on = super::budgets::charges(&ledger, 0);
    let hold = Hold::reserve(&on, Worst { nano: Some(1), tokens: 1 }, NOW_US).unwrap();
    assert!(ledger.begin(Opening { charges: hold.charged().to_vec(), ..opening(20) }).is_err());
    drop(hold);
    assert!(ledger.budgets().view(NOW_US).iter().all(|view| view.reserved == 0));
    for (n, attempt) in open.drain(..5) {
        attempt.settle(settlement(n));
    }
    clock.advance(Duration::from_secs(2));
    open[0].1.progress(1);
    assert!(ledger.flush().is_err());

    setrlimit(Resource::Fsize, before).unwrap();
    ledger.flush().unwrap();
    let again = ledger.begin(opening(20)).unwrap();
    for (n, attempt) in open {
        attempt.settle(settlement(n));
    }
    again.settle(settlement(20));
    assert_eq!(ledger.totals().sum().attempts, 21);
    ledger.close();
    let found = verify(dir.path()).unwrap();
    assert_eq!((found.problems, found.rows, found.crashed), (vec![], 21, 0));
}
