//! Whatever a process was doing when it died: each attempt that was begun is there once, with what is known of it.

use super::fixture::{NOW_US, opening, settlement};
use crate::ledger::journal::cursor::Cursor;
use crate::ledger::journal::frame::{Frame, ProgressFrame, encode};
use crate::ledger::journal::recover::recover;
use crate::ledger::journal::segment::{Position, SegmentId};
use crate::ledger::journal::writer::Writer;
use crate::ledger::row::{Row, Settlement};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// What the gateway does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Begin,
    Progress { which: usize, tokens: u64 },
    Settle { which: usize },
    Rotate,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Begin),
        2 => (any::<usize>(), 0..1_000_u64).prop_map(|(which, tokens)| Step::Progress { which, tokens }),
        3 => any::<usize>().prop_map(|which| Step::Settle { which }),
        1 => Just(Step::Rotate),
    ]
}

/// What is known after each write: by attempt its progress, and its end if it has one.
type Known = BTreeMap<u64, (u64, Option<Settlement>)>;

/// Writes `steps` to an epoch; returns what was known at each position.
fn write(journal: &Path, epoch: u64, first: u64, steps: &[Step]) -> Vec<(Position, Known)> {
    let mut writer = Writer::begin(journal, epoch, Vec::new(), NOW_US).unwrap();
    let mut known = Known::new();
    let mut history = vec![(writer.end(), known.clone())];
    let (mut open, mut next) = (Vec::new(), first);
    for step in steps {
        let mut frame = Vec::new();
        match *step {
            Step::Begin => {
                encode(&Frame::Open(opening(next).frame()), &mut frame).unwrap();
                writer.append(&frame).unwrap();
                writer.count(|counts| counts.opened += 1);
                known.insert(next, (0, None));
                open.push(next);
                next += 1;
            }
            Step::Progress { which, tokens } if !open.is_empty() => {
                let n = open[which % open.len()];
                let progress = ProgressFrame { id: opening(n).id, output_tokens: tokens };
                encode(&Frame::Progress(progress), &mut frame).unwrap();
                writer.append(&frame).unwrap();
                let entry = known.get_mut(&n).unwrap();
                entry.0 = entry.0.max(tokens);
            }
            Step::Settle { which } if !open.is_empty() => {
                let n = open.swap_remove(which % open.len());
                let end = settlement(n);
                encode(&end.record(opening(n).id), &mut frame).unwrap();
                writer.append(&frame).unwrap();
                writer.count(|counts| {
                    counts.settled += 1;
                    counts.cost_nano += end.cost.unwrap_or_default().0;
                });
                known.get_mut(&n).unwrap().1 = Some(end);
            }
            Step::Rotate => writer.rotate(NOW_US, |_, _| Ok([7; 32])).unwrap(),
            Step::Progress { .. } | Step::Settle { .. } => {}
        }
        history.push((writer.end(), known.clone()));
    }
    history
}

/// Cuts the journal of an epoch at a position, as if nothing behind it had been written.
fn cut(journal: &Path, epoch: u64, at: Position) {
    for id in crate::ledger::journal::segment::list(journal).unwrap() {
        if id.epoch == epoch && id.number > at.number {
            std::fs::remove_file(id.path(journal)).unwrap();
        }
    }
    let path = SegmentId { epoch, number: at.number }.path(journal);
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(at.offset).unwrap();
}

fn expected(known: &Known) -> Vec<Row> {
    let rows = known.iter().map(|(n, (progress, end))| {
        let opening = opening(*n);
        let settlement = end.clone().unwrap_or_else(|| opening.crashed(*progress));
        Row { opening, settlement }
    });
    rows.collect()
}

fn rows(journal: &Path, epoch: u64) -> Vec<Row> {
    let mut cursor = Cursor::start(journal, epoch);
    let mut rows = Vec::new();
    while let Some(row) = cursor.next(None).unwrap() {
        rows.push(row);
    }
    assert!(cursor.pending.is_empty() && cursor.unknown.is_empty(), "nothing is left open");
    assert_eq!(cursor.damage, [], "nothing is damaged");
    assert!(cursor.sealed && cursor.torn.is_none());
    rows.sort_by_key(|row| row.opening.id);
    rows
}

/// What was known when the last write before `at` was done.
fn known_at(history: &[(Position, Known)], at: Position) -> &Known {
    &history.iter().rev().find(|(end, _)| *end <= at).unwrap().1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// A crash at any byte loses no attempt that was begun, doubles none, and keeps every figure that was settled.
    #[test]
    fn a_crash_anywhere_keeps_every_attempt_once(
        steps in prop::collection::vec(step(), 0..40),
        whole in any::<prop::sample::Index>(),
        beyond in 0..120_u64,
        crash_in_recovery in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let history = write(dir.path(), 1, 0, &steps);
        let from = history[whole.index(history.len())].0;
        let path = SegmentId { epoch: 1, number: from.number }.path(dir.path());
        let length = std::fs::metadata(path).unwrap().len();
        let at = Position { offset: (from.offset + beyond).min(length), ..from };
        cut(dir.path(), 1, at);
        let want = expected(known_at(&history, at));

        let found = recover(dir.path(), 1, Position::START, Position::START).unwrap();
        prop_assert_eq!(found.damage, []);
        prop_assert_eq!(rows(dir.path(), 1), want.clone());

        // Dying in the middle of recovery, and recovering again.
        let number = crate::ledger::journal::segment::list(dir.path()).unwrap().last().unwrap().number;
        let now = std::fs::metadata(SegmentId { epoch: 1, number }.path(dir.path())).unwrap().len();
        let kept = if number == at.number { at.offset.min(now) } else { 0 };
        prop_assume!(number == at.number);
        let again = kept + crash_in_recovery.index((now - kept + 1) as usize) as u64;
        // The torn tail was cut first, so that a crash in recovery leaves a prefix of what recovery wrote.
        let again = again.max(known_end(&history, at));
        cut(dir.path(), 1, Position { number, offset: again.min(now) });
        recover(dir.path(), 1, Position::START, Position::START).unwrap();
        prop_assert_eq!(rows(dir.path(), 1), want);
    }
}

fn known_end(history: &[(Position, Known)], at: Position) -> u64 {
    history.iter().rev().find(|(end, _)| *end <= at).unwrap().0.offset
}

#[test]
fn a_tail_torn_at_every_byte_is_cut_at_the_last_whole_record() {
    use Step::{Begin, Progress, Settle};
    let steps = [Begin, Begin, Progress { which: 1, tokens: 9 }, Settle { which: 0 }, Begin];
    let dir = tempfile::tempdir().unwrap();
    let history = write(dir.path(), 1, 0, &steps);
    let whole = std::fs::read(SegmentId { epoch: 1, number: 1 }.path(dir.path())).unwrap();
    for end in history[0].0.offset..=whole.len() as u64 {
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(SegmentId { epoch: 1, number: 1 }.path(copy.path()), &whole[..end as usize]).unwrap();
        let at = Position { number: 1, offset: end };
        let found = recover(copy.path(), 1, Position::START, Position::START).unwrap();
        assert_eq!(found.cut_bytes, end - known_end(&history, at), "cut at {end}");
        assert_eq!(rows(copy.path(), 1), expected(known_at(&history, at)), "cut at {end}");
    }
}

#[test]
fn two_processes_append_to_their_own_epochs_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let steps = [Step::Begin, Step::Begin, Step::Settle { which: 0 }];
    let old = write(dir.path(), 1, 0, &steps);
    let new = write(dir.path(), 2, 100, &steps);
    recover(dir.path(), 1, Position::START, Position::START).unwrap();
    recover(dir.path(), 2, Position::START, Position::START).unwrap();
    assert_eq!(rows(dir.path(), 1), expected(&old.last().unwrap().1));
    assert_eq!(rows(dir.path(), 2), expected(&new.last().unwrap().1));
}

#[test]
fn a_failed_write_leaves_nothing_behind_and_loses_nothing_that_waited() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::begin(dir.path(), 1, Vec::new(), NOW_US).unwrap();
    let frame = |frame: Frame<'_>| {
        let mut bytes = Vec::new();
        encode(&frame, &mut bytes).unwrap();
        bytes
    };
    let (first, second) = (opening(0), opening(1));
    writer.append(&frame(Frame::Open(first.frame()))).unwrap();
    let settled = settlement(0);
    writer.break_with(|healthy| {
        // Half a record reaches the file before the disk is full.
        assert!(healthy.append(&frame(Frame::Open(second.frame()))).is_err());
        healthy.queue(&frame(settled.record(first.id)));
        assert!(healthy.append(&[]).is_err());
    });
    writer.append(&[]).unwrap();
    assert!(!writer.has_queued());
    writer.seal(true).unwrap();
    assert_eq!(rows(dir.path(), 1), [Row { opening: first, settlement: settled }]);
}
