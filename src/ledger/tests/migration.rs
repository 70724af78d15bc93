//! What version 0.1.0 wrote is read on.

use super::budgets::whole;
use super::fixture::{open, opening, settlement};
use crate::ledger::journal::frame::{Frame, Peek, encode, peek};
use crate::ledger::store::schema::{backup_path, downgrade};
use crate::ledger::verify::verify;
use rusqlite::Connection;

/// Byte for byte what version 0.1.0 wrote for the beginning of attempt 3.
const OLD_OPEN: &str = "780000b7634ce5320083808080808080808080808080fd99caa10301c08dc0b0bbe59703076c6162656c2d330a737570706f72742d63690\
    7737570706f72740102753104666173741063\
    6861745f636f6d706c6574696f6e7300066f70656e61690b6770742d346f2d6d696e690107323032362d313180a3c347808c8d9e0267";

#[test]
fn the_beginning_of_an_attempt_without_charges_is_written_and_read_as_before() {
    let opening = opening(3);
    let mut bytes = Vec::new();
    encode(&opening.record(), &mut bytes).unwrap();
    assert_eq!(hex::encode(&bytes), OLD_OPEN);
    let Peek::Whole(payload) = peek(&bytes) else { panic!("a whole frame") };
    let frame: Frame<'_> = postcard::from_bytes(payload).unwrap();
    assert_eq!(frame, Frame::Open(opening.frame()));
}

#[test]
fn a_store_of_version_1_is_migrated_and_a_copy_of_it_kept() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..20).for_each(|n| ledger.begin(opening(n)).unwrap().settle(settlement(n)));
    let totals = ledger.totals();
    ledger.close();
    downgrade(dir.path());
    let refused = verify(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("start the gateway"), "{refused}");

    let again = open(dir.path());
    assert_eq!(again.totals(), totals);
    again.begin(opening(20)).unwrap().settle(settlement(20));
    again.close();
    whole(dir.path());
    let old = Connection::open(backup_path(dir.path(), 1)).unwrap();
    let rows = |conn: &Connection| conn.query_row("SELECT count(*) FROM attempt", [], |row| row.get::<_, i64>(0));
    assert_eq!(rows(&old).unwrap(), 20);
    assert_eq!(old.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 1);
    assert_eq!(rows(&Connection::open(dir.path().join("ledger.sqlite")).unwrap()).unwrap(), 21);
}

#[test]
fn a_migration_that_was_killed_after_its_copy_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..5).for_each(|n| ledger.begin(opening(n)).unwrap().settle(settlement(n)));
    ledger.close();
    downgrade(dir.path());
    std::fs::write(backup_path(dir.path(), 1), b"half a copy").unwrap();
    open(dir.path()).close();
    whole(dir.path());
}
