//! What version 0.1.0 wrote is read on.

use super::budgets::whole;
use super::fixture::{open, opening, segments, settlement};
use crate::ledger::export::{Filter, export};
use crate::ledger::journal::frame::{Frame, Peek, encode, peek};
use crate::ledger::journal::used::MoreUsage;
use crate::ledger::row::{Names, Settlement};
use crate::ledger::store::schema::{backup_path, downgrade};
use crate::ledger::verify::verify;
use crate::model::{AttemptId, NanoUsd, ServiceTier, Usage, UsageOrigin};
use rusqlite::Connection;
use serde::Serialize;

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
    downgrade(dir.path(), 1);
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
    downgrade(dir.path(), 1);
    std::fs::write(backup_path(dir.path(), 1), b"half a copy").unwrap();
    open(dir.path()).close();
    whole(dir.path());
}

/// The records as versions before units wrote them, member by member: postcard knows positions and no names.
#[derive(Serialize)]
#[allow(dead_code, reason = "the variants before stand for their number")]
enum OldFrame<'a> {
    Open,
    Progress,
    Settle(OldSettle<'a>),
}

#[derive(Serialize)]
struct OldSettle<'a> {
    id: AttemptId,
    status: u16,
    usage: [u64; 8],
    origin: UsageOrigin,
    cost_nano: Option<i64>,
    price_version: Option<&'a str>,
    tier: ServiceTier,
    latency_us: u64,
    first_token_us: Option<u64>,
    overhead_us: Option<u64>,
    error: Option<&'a str>,
}

fn old_settle(id: AttemptId, end: &Settlement) -> OldFrame<'_> {
    let Usage {
        input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio_input, audio_output, ..
    } = end.usage;
    OldFrame::Settle(OldSettle {
        id,
        status: end.status,
        usage: [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio_input, audio_output],
        origin: end.origin,
        cost_nano: end.cost.map(|cost| cost.0),
        price_version: end.price_version.as_deref(),
        tier: end.tier,
        latency_us: end.latency_us,
        first_token_us: end.first_token_us,
        overhead_us: end.overhead_us,
        error: end.error.as_deref(),
    })
}

/// Byte for byte what version 0.1.0 wrote before there were units, for the end of attempt 3 of [`full`].
const OLD_SETTLE: &str = "430000b7d84d1efb0283808080808080808080808080fd99caa10301c8010dac020304f0a2040607080001d60f0107323032362d\
    313100d20901c102012d010b696e746572727570746564";

fn full() -> Settlement {
    let usage = Usage {
        input: 13,
        cache_read: 300,
        cache_write_5m: 3,
        cache_write_1h: 4,
        output: 70_000,
        reasoning: 6,
        audio_input: 7,
        audio_output: 8,
        ..Usage::ZERO
    };
    Settlement { usage, error: Some("interrupted".to_owned()), ..settlement(3) }
}

#[test]
fn the_end_of_an_attempt_without_units_is_written_and_read_as_before() {
    let (id, end) = (opening(3).id, full());
    let (mut old, mut new) = (Vec::new(), Vec::new());
    encode(&old_settle(id, &end), &mut old).unwrap();
    encode(&end.record(id), &mut new).unwrap();
    assert_eq!(hex::encode(&old), OLD_SETTLE);
    assert_eq!(hex::encode(&new), OLD_SETTLE, "old rows stay as small as they were");
    let Peek::Whole(payload) = peek(&old) else { panic!("a whole frame") };
    let Ok(Frame::Settle(frame)) = postcard::from_bytes(payload) else { panic!("a settlement") };
    assert_eq!(Settlement::from_frame(&frame, MoreUsage::default(), NanoUsd::ZERO, &mut Names::default()), end);
}

#[test]
fn a_segment_of_a_version_before_units_is_read_folded_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let begun: Vec<_> = (0..3).map(|n| ledger.begin(opening(n)).unwrap()).collect();
    let crashed = super::fixture::as_if_killed(dir.path());
    drop(begun);
    ledger.close();
    // What the old version wrote before it was killed.
    let segment = segments(crashed.path()).pop().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    for n in 0..3 {
        encode(&old_settle(opening(n).id, &full()), &mut bytes).unwrap();
    }
    std::fs::write(&segment, bytes).unwrap();
    let again = open(crashed.path());
    let sum = again.totals().sum();
    assert_eq!((sum.attempts, sum.usage.output, sum.usage.audio_output), (3, 210_000, 24));
    again.close();
    whole(crashed.path());
}

/// Usage of every class, each with another figure.
fn everything() -> Usage {
    let mut usage = Usage::ZERO;
    usage.classes_mut().into_iter().zip(1_u64..).for_each(|(class, n)| *class = n * 1_001);
    usage
}

#[test]
fn every_class_comes_back_from_the_journal_the_store_and_the_export() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let end = Settlement { usage: everything(), ..settlement(0) };
    ledger.begin(opening(0)).unwrap().settle(end.clone());
    let killed = super::fixture::as_if_killed(dir.path());
    ledger.close();
    for dir in [dir.path(), killed.path()] {
        let again = open(dir);
        assert_eq!(again.totals().sum().usage, everything());
        again.close();
        whole(dir);
        let mut out = Vec::new();
        export(dir, &Filter::default(), &mut out).unwrap();
        let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let fields = ["image_input_tokens", "image_output_tokens", "images", "audio_seconds", "characters", "searches"];
        let shown = fields.map(|field| line[field].to_string());
        assert_eq!(shown, ["9009", "10010", "11011", "12.012", "13013", "14014"]);
        assert_eq!(line["input_tokens"], 1001 * (1 + 2 + 3 + 4 + 7 + 9), "tokens of pictures are tokens of input");
        assert_eq!(line["output_tokens"], 1001 * (5 + 6 + 8 + 10));
    }
    assert_eq!(end.tokens(), 1001 * (1..=10).sum::<i64>(), "units are no tokens");
}

#[test]
fn a_store_of_version_2_is_migrated_and_its_sums_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..20).for_each(|n| ledger.begin(opening(n)).unwrap().settle(settlement(n)));
    let totals = ledger.totals();
    ledger.close();
    downgrade(dir.path(), 2);
    let refused = verify(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("start the gateway"), "{refused}");

    let again = open(dir.path());
    assert_eq!(again.totals(), totals);
    again.begin(opening(20)).unwrap().settle(Settlement { usage: everything(), ..settlement(20) });
    again.close();
    whole(dir.path());
    let sum = open(dir.path()).totals().sum();
    assert_eq!((sum.attempts, sum.usage.searches, sum.usage.audio_ms), (21, 14_014, 12_012));
    let old = Connection::open(backup_path(dir.path(), 2)).unwrap();
    assert_eq!(old.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 2);
}

#[test]
fn more_than_the_store_holds_of_a_unit_is_recorded_as_the_most() {
    let usage = Usage { searches: u64::MAX, images: u64::MAX, ..Usage::ZERO };
    let kept = Settlement { usage, ..settlement(0) }.bounded().usage;
    assert_eq!((kept.searches, kept.images), (i64::MAX as u64, i64::MAX as u64));
}
