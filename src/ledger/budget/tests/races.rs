//! Many threads on one budget.

use super::{NOW_US, budget, budgets, charges, each_user, nano, parts};
use crate::config::Unit;
use crate::ledger::budget::{Hold, left};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Settled + reserved <= limit at every instant: a watcher looks all the time.
#[test]
fn a_thousand_at_once_get_exactly_what_a_hundred_can_be_paid() {
    let rule = budgets().rule(&budget("a", Unit::Usd, 100));
    let on = charges(&[(&rule, "")]);
    let (barrier, done) = (Barrier::new(1_000), AtomicBool::new(false));
    let paid = AtomicI64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let state = rule.state(&std::sync::Arc::from(""), NOW_US).unwrap();
            while !done.load(Ordering::Acquire) {
                assert!(state.committed() <= 100);
            }
        });
        let threads: Vec<_> = (0..1_000)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let hold = Hold::reserve(&on, nano(1), NOW_US).ok();
                    paid.fetch_add(i64::from(hold.is_some()), Ordering::AcqRel);
                    barrier.wait();
                    if let Some(hold) = hold {
                        hold.settle(Some(1), 0);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::Release);
    });
    assert_eq!(paid.into_inner(), 100);
    assert_eq!(parts(&rule, "", NOW_US), (100, 0));
}

/// In waves all of a budget can be used, and what is dropped is there for the next.
#[test]
fn waves_of_holds_that_settle_for_less_use_all_of_it() {
    let all = budgets();
    let (wide, narrow) =
        (all.rule(&budget("wide", Unit::Usd, 100_000)), all.rule(&budget("narrow", Unit::Usd, 10_000)));
    let on = charges(&[(&wide, ""), (&narrow, "")]);
    std::thread::scope(|scope| {
        for n in 0..8_i64 {
            let on = &on;
            scope.spawn(move || {
                let mut turn = n;
                while left(on, NOW_US).nano > Some(0) {
                    turn += 1;
                    let Ok(hold) = Hold::reserve(on, nano(9), NOW_US).or_else(|_| Hold::reserve(on, nano(1), NOW_US))
                    else {
                        continue;
                    };
                    if turn % 3 != 0 {
                        let held = hold.amount().nano.unwrap();
                        hold.settle(Some(held.min(turn % 5)), 0);
                    }
                }
            });
        }
    });
    assert_eq!((parts(&wide, "", NOW_US), parts(&narrow, "", NOW_US)), ((10_000, 0), (10_000, 0)));
}

#[test]
fn first_requests_of_a_new_user_share_one_account() {
    for n in 0..200 {
        let rule = budgets().rule(&each_user("a", 3));
        let user = format!("u{n}");
        let on = charges(&[(&rule, &user)]);
        let barrier = Barrier::new(8);
        let holds: Vec<_> = std::thread::scope(|scope| {
            let race = || {
                barrier.wait();
                Hold::reserve(&on, nano(1), NOW_US).ok()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(race)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((holds.len(), parts(&rule, &user, NOW_US)), (3, (0, 3)));
    }
}
