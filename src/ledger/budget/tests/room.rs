//! Accounts of entities come and go: only what is held keeps one.

use super::{Charges, NOW_US, at, charges, each_user, nano, parts};
use crate::ledger::LedgerMetrics;
use crate::ledger::budget::{Amount, Balances, BudgetRule, Budgets, Hold, Why, left, view_of};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Barrier};

/// Budgets with room for so many entities each, over a state directory in which nothing is yet.
fn with_room(entities: usize) -> (tempfile::TempDir, Budgets) {
    let dir = tempfile::tempdir().unwrap();
    let metrics = LedgerMetrics::register(&prometheus::Registry::new()).unwrap();
    let all = Budgets::with_most(Arc::new(Balances::new(Some(dir.path()))), metrics, entities);
    (dir, all)
}

/// Settles as the ledger does: first in the balances, then in memory.
fn settle(all: &Budgets, hold: Hold, amount: i64) {
    all.balances().add(hold.charged(), |_| Amount { nano: amount, tokens: 0, attempts: 1 });
    hold.settle(Some(amount), 0);
}

fn of(rule: &Arc<BudgetRule>, user: &str) -> Charges {
    charges(&[(rule, user)])
}

fn in_memory(rule: &BudgetRule) -> usize {
    let mut count = 0;
    rule.book.entities(|_| count += 1);
    count
}

#[test]
fn any_number_of_users_one_after_the_other_fill_nothing() {
    let (_dir, all) = with_room(3);
    let rule = all.rule(&each_user("a", 100));
    let open = Hold::reserve(&of(&rule, "held"), nano(7), NOW_US).unwrap();
    for n in 0..200 {
        let hold = Hold::reserve(&of(&rule, &format!("u{n}")), nano(60), NOW_US).unwrap();
        settle(&all, hold, 60);
    }
    assert_eq!(in_memory(&rule), 3);
    assert!(Hold::reserve(&of(&rule, "u0"), nano(41), NOW_US).is_err(), "what went is found again");
    assert_eq!(parts(&rule, "u1", NOW_US), (60, 0));
    assert_eq!(parts(&rule, "held", NOW_US), (0, 7));
    drop(open);
}

#[test]
fn accounts_that_are_held_of_stay_and_a_new_entity_is_refused() {
    let (_dir, all) = with_room(2);
    let rule = all.rule(&each_user("a", 100));
    let reserve = |user: &str| Hold::reserve(&of(&rule, user), nano(5), NOW_US);
    let (one, _two) = (reserve("u1").unwrap(), reserve("u2").unwrap());
    assert_eq!(reserve("u3").unwrap_err().why, Why::TooManyEntities);
    assert_eq!((parts(&rule, "u1", NOW_US), parts(&rule, "u2", NOW_US)), ((0, 5), (0, 5)));
    settle(&all, one, 5);
    drop(reserve("u3").unwrap());
    assert_eq!(parts(&rule, "u1", NOW_US), (5, 0));
}

#[test]
fn looking_makes_no_account_and_keeps_none() {
    let (_dir, all) = with_room(2);
    let rule = all.rule(&each_user("a", 100));
    for n in 0..50 {
        let on = of(&rule, &format!("u{n}"));
        assert_eq!(left(&on, NOW_US).nano, Some(100));
        assert_eq!(view_of(&on, NOW_US).len(), 1);
    }
    assert_eq!(in_memory(&rule), 0);
    settle(&all, Hold::reserve(&of(&rule, "u1"), nano(9), NOW_US).unwrap(), 9);
    let next_month = at("2026-12-02T00:00:00Z");
    assert!(all.view(next_month).is_empty(), "nothing is loaded for a report");
    assert_eq!(all.view(NOW_US).iter().map(|view| view.settled).collect::<Vec<_>>(), [9], "and no period is turned");
    assert!(all.view_single(NOW_US).is_empty());
    assert_eq!(left(&of(&rule, "u1"), NOW_US).nano, Some(91));
}

/// Eight threads, four users, room for three: whatever comes and goes meanwhile, each user gets exactly its limit.
#[test]
fn no_hold_is_lost_when_accounts_come_and_go() {
    const LIMIT: i64 = 400;
    let (_dir, all) = with_room(3);
    let rule = all.rule(&each_user("a", LIMIT));
    let users: Vec<String> = (0..4).map(|n| format!("u{n}")).collect();
    let paid: Vec<AtomicI64> = users.iter().map(|_| AtomicI64::new(0)).collect();
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let (all, rule, users, paid, barrier) = (&all, &rule, &users, &paid, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let (mut spent, mut turn) = ([false; 4], thread);
                while spent != [true; 4] {
                    turn += 1;
                    let user = turn % 4;
                    match Hold::reserve(&of(rule, &users[user]), nano(1), NOW_US) {
                        Ok(hold) if turn.is_multiple_of(3) => drop(hold),
                        Ok(hold) => {
                            settle(all, hold, 1);
                            paid[user].fetch_add(1, Ordering::AcqRel);
                        }
                        // Held by others at this moment, who may drop it.
                        Err(refused) => spent[user] |= refused.why == Why::Spent && refused.used == LIMIT,
                    }
                }
            });
        }
    });
    for (user, paid) in users.iter().zip(paid) {
        assert_eq!((paid.into_inner(), parts(&rule, user, NOW_US)), (LIMIT, (LIMIT, 0)), "{user}");
    }
}

/// What another process settles is added to an account that is loaded, and to none that is not.
#[test]
fn what_is_settled_elsewhere_makes_no_account() {
    let (_dir, all) = with_room(2);
    let rule = all.rule(&each_user("a", 100));
    let hold = Hold::reserve(&of(&rule, "u1"), nano(9), NOW_US).unwrap();
    let charge = hold.charged()[0].clone();
    drop(hold);
    let one = Amount { nano: 20, tokens: 0, attempts: 1 };
    for user in ["u1", "u2", "u3", "u4"] {
        let charge = crate::ledger::budget::Charged { entity: Arc::from(user), ..charge.clone() };
        all.add(&[charge], None, |_| one);
    }
    assert_eq!(in_memory(&rule), 1);
    for user in ["u1", "u2", "u3", "u4"] {
        assert_eq!(left(&of(&rule, user), NOW_US).nano, Some(80), "{user}");
    }
}
