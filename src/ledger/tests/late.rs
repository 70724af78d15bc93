//! What is booked long after it was used: one row, whenever the process is killed and however often it is told.

use super::budgets::whole;
use super::fixture::{NOW_US, as_if_killed, id, open, opening, settlement};
use crate::config::Unit;
use crate::ledger::budget::Charged;
use crate::ledger::usage::report;
use crate::ledger::{Ledger, Opening};
use crate::model::NanoUsd;
use std::sync::Arc;

/// A batch that is charged to a budget that nobody has.
fn late() -> Opening {
    let charge = Charged { budget: "team/gone".into(), entity: "".into(), period_us: 0, unit: Unit::Usd, held: 0 };
    Opening { api: "batches", price: None, charges: vec![charge], ..opening(7) }
}

fn book(ledger: &Arc<Ledger>) -> bool {
    ledger.book_late(&late(), settlement(7)).unwrap()
}

#[test]
fn what_is_booked_late_has_one_row_over_kills_and_repetitions() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.begin(opening(1)).unwrap().settle(settlement(1));
    assert!(book(&ledger));
    let killed = as_if_killed(dir.path());
    assert!(!book(&ledger), "it is known");
    assert_eq!(ledger.totals().sum().cost, NanoUsd(1_001 + 1_007));
    ledger.close();
    drop(ledger);
    for dir in [&dir, &killed] {
        let ledger = open(dir.path());
        assert!(!book(&ledger), "it is known after a restart");
        ledger.flush().unwrap();
        assert_eq!(ledger.totals().sum().cost, NanoUsd(1_001 + 1_007));
        assert_eq!(report(dir.path(), &[], 0, NOW_US + 60_000_000).unwrap().total.attempts, 2);
        ledger.close();
        whole(dir.path());
    }
    assert_eq!(late().id, id(7));
}
