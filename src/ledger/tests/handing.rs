//! One process hands its balances to the next: at every moment what both have settled and hold together is within the limit.

use super::budgets::{Charges, LIMIT, charges, settled, whole};
use super::fixture::{HandClock, NOW_US, metrics, open, opening, settlement, state};
use crate::{
    ledger::budget::{Hold, Why, Worst, left, view_of},
    ledger::verify::verify,
    ledger::{Handed, Ledger, LedgerError, OpenAttempt, Opening, Settlement},
    model::NanoUsd,
};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn beside(dir: &Path) -> Arc<Ledger> {
    Ledger::open_beside(&state(dir), Arc::new(HandClock::new()), metrics()).unwrap()
}

/// How `old` finds `new`, as a process finds the socket.
fn dial(old: &Ledger, new: &Arc<Ledger>) -> impl Fn() -> io::Result<UnixStream> + Send + Sync + 'static {
    let (new, epoch) = (Arc::downgrade(new), old.epoch());
    move || {
        let new = new.upgrade().ok_or(io::ErrorKind::ConnectionRefused)?;
        let (here, there) = UnixStream::pair()?;
        std::thread::spawn(move || new.serve(epoch, there));
        Ok(here)
    }
}

fn hand_over(old: &Ledger, new: &Arc<Ledger>) {
    let handed = old.hand_over(|held| new.take_over(Some(held)).is_ok(), dial(old, new));
    assert_eq!(handed, Handed::Over);
}

/// Begins the `n`-th attempt, which may come to `nano` and 500 tokens.
fn try_begin(ledger: &Arc<Ledger>, on: &Charges, n: u64, nano: i64) -> Option<OpenAttempt> {
    let hold = Hold::reserve(on, Worst { nano: Some(nano), tokens: 500 }, ledger.now_us()).ok()?;
    let mut attempt = ledger.begin(Opening { charges: hold.charged().to_vec(), ..opening(n) }).unwrap();
    attempt.carry(hold);
    Some(attempt)
}

fn end(n: u64, nano: i64) -> Settlement {
    Settlement { cost: Some(NanoUsd(nano)), ..settlement(n % 4) }
}

/// Settled and reserved of the budget of a day.
fn stands(ledger: &Ledger) -> (i64, i64) {
    let view = view_of(&charges(ledger, 0)[..1], NOW_US).remove(0);
    (view.settled, view.reserved)
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("{what}");
}

#[test]
fn what_the_old_process_holds_the_new_one_cannot_spend_and_has_when_it_is_settled() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path());
    let on_old = charges(&old, 0);
    try_begin(&old, &on_old, 0, 100_000).unwrap().settle(end(0, 100_000));
    let long = try_begin(&old, &on_old, 1, 600_000).unwrap();
    let new = beside(dir.path());
    let on = charges(&new, 0);
    hand_over(&old, &new);
    assert_eq!(stands(&new), (100_000, 600_000));
    assert!(try_begin(&new, &on, 10, 300_001).is_none(), "the old one holds it");
    let short = try_begin(&new, &on, 11, 200_000).unwrap();
    // What the old one still begins, it asks for.
    assert!(try_begin(&old, &on_old, 2, 100_001).is_none(), "the new one holds it");
    assert_eq!(left(&on_old, NOW_US).nano, Some(100_000), "as the new one has it");
    let late = try_begin(&old, &on_old, 3, 100_000).unwrap();
    assert!(try_begin(&new, &on, 12, 1).is_none());
    assert_eq!(stands(&new), (100_000, 900_000));
    long.settle(end(1, 50_000));
    late.settle(end(3, 1));
    eventually("the new process counts what the old one settled", || stands(&new) == (150_001, 200_000));
    short.settle(end(11, 7));
    old.close();
    old.die();
    new.flush().unwrap();
    assert_eq!(settled(&new)[&("day".to_owned(), String::new())], 150_008);
    new.close();
    whole(dir.path());
    assert_eq!(verify(dir.path()).unwrap().rows, 4);
}

#[test]
fn what_comes_to_nothing_leaves_the_old_process_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path());
    let on = charges(&old, 0);
    let long = try_begin(&old, &on, 0, 600_000).unwrap();
    let new = beside(dir.path());
    let _keep = charges(&new, 0);
    assert!(matches!(new.take_over(None), Err(LedgerError::Locked { .. })), "it is not given");
    assert_eq!(old.hand_over(|_| false, dial(&old, &new)), Handed::Not);
    new.close();
    drop(new);
    assert!(old.keeps_balances());
    assert!(try_begin(&old, &on, 1, 400_001).is_none());
    try_begin(&old, &on, 2, 400_000).unwrap().settle(end(2, 5));
    long.settle(end(0, 6));
    assert_eq!(stands(&old), (11, 0));
    old.close();
    drop(old);
    let again = open(dir.path());
    assert_eq!(stands(&again), (11, 0));
    again.close();
    whole(dir.path());
}

#[test]
fn without_anybody_to_ask_a_budget_that_enforces_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path());
    let on = charges(&old, 0);
    let nobody = || Err(io::ErrorKind::ConnectionRefused.into());
    // Who took over died at once: its lock is free.
    assert_eq!(old.hand_over(|_| true, nobody), Handed::Over);
    let refused = Hold::reserve(&on, Worst { nano: Some(1), tokens: 1 }, NOW_US).unwrap_err();
    assert_eq!(refused.why, Why::Unreadable);
    assert!(old.begin(opening(0)).is_ok(), "what no budget watches goes on");
}

#[test]
fn a_third_process_knows_what_the_first_holds_also_where_nobody_told_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let on_first = charges(&first, 0);
    let long = try_begin(&first, &on_first, 0, 300_000).unwrap();
    let second = beside(dir.path());
    let on_second = charges(&second, 0);
    hand_over(&first, &second);
    let other = try_begin(&second, &on_second, 1, 300_000).unwrap();
    // An ordinary hand-over: told by the second, also of the first.
    let third = beside(dir.path());
    let _keep = charges(&third, 0);
    hand_over(&second, &third);
    assert_eq!(stands(&third), (0, 600_000));
    other.settle(end(1, 10));
    eventually("it is counted", || stands(&third) == (10, 300_000));
    // The third is killed, the fourth starts afresh: journals say what is held.
    third.close();
    third.die();
    drop(third);
    let fourth = open(dir.path());
    let on = charges(&fourth, 0);
    fourth.take_over(None).unwrap();
    assert_eq!(stands(&fourth), (10, 300_000));
    assert!(try_begin(&fourth, &on, 2, LIMIT - 300_000).is_none());
    // The first dies with its attempt open: it is settled as estimated, and nothing is held.
    std::mem::forget(long);
    first.close();
    first.die();
    fourth.flush().unwrap();
    assert_eq!(stands(&fourth).1, 0);
    second.close();
    second.die();
    fourth.flush().unwrap();
    fourth.close();
    whole(dir.path());
    assert_eq!(verify(dir.path()).unwrap().rows, 2);
}

/// Both processes race for one budget while the balances go from one to the other: never is more granted than there is, and
/// in the end what is used is what the rows cost.
#[test]
fn a_race_of_two_processes_through_the_hand_over_never_passes_the_limit() {
    const EACH: i64 = 1_000;
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path());
    let _keep_old = charges(&old, 0);
    let new = beside(dir.path());
    let _keep_new = charges(&new, 0);
    // Held and settled together, as the witness counts it: raised before a hold is asked for is too much, so only after.
    let (granted, next) = (AtomicU64::new(0), AtomicU64::new(0));
    let handed = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..6_u64 {
            let (old, new, granted, next, handed) = (&old, &new, &granted, &next, &handed);
            scope.spawn(move || {
                let on_old = charges(old, 0);
                let on_new = charges(new, 0);
                let mut open = Vec::new();
                for _ in 0..400 {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    // A new process admits nothing before it was handed over to.
                    let there = thread % 2 == 1 && handed.load(Ordering::Acquire);
                    let (ledger, on) = if there { (new, &on_new) } else { (old, &on_old) };
                    let Some(attempt) = try_begin(ledger, on, n, EACH) else { continue };
                    let sum = granted.fetch_add(EACH as u64, Ordering::AcqRel) + EACH as u64;
                    assert!(sum <= LIMIT as u64, "{sum} nano-dollars are granted");
                    open.push((n, attempt));
                    if open.len() > 20 {
                        // All of what was held is used: nothing is given back, so the witness needs not know of it.
                        for (n, attempt) in open.drain(..10) {
                            attempt.settle(end(n, EACH));
                        }
                    }
                }
                open.into_iter().for_each(|(n, attempt)| attempt.settle(end(n, EACH)));
            });
        }
        std::thread::park_timeout(Duration::from_millis(20));
        hand_over(&old, &new);
        handed.store(true, Ordering::Release);
    });
    let granted = i64::try_from(granted.into_inner()).unwrap();
    eventually("all is counted", || stands(&new) == (granted, 0));
    assert!(granted > LIMIT / 2, "most of it was given: {granted}");
    old.close();
    old.die();
    new.flush().unwrap();
    assert_eq!(stands(&new), (granted, 0));
    new.close();
    whole(dir.path());
}
