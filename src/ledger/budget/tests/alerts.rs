//! Alerts are told once.

use super::{NOW_US, at, budget, budgets, charges, nano};
use crate::config::{Budget, Unit};
use crate::ledger::budget::Hold;
use parking_lot::Mutex;
use std::sync::Arc;

fn with_alerts(limit: i64) -> Budget {
    Budget { alerts: vec![50, 80, 100], ..budget("a", Unit::Usd, limit) }
}

#[test]
fn a_share_is_told_once_in_a_period() {
    let all = budgets();
    let rule = all.rule(&with_alerts(100));
    let on = charges(&[(&rule, "")]);
    let spend = |amount, now_us| Hold::reserve(&on, nano(amount), now_us).unwrap().settle(Some(amount), 0);
    let told = || all.take_alerts().iter().map(|alert| (alert.percent, alert.used)).collect::<Vec<_>>();
    spend(49, NOW_US);
    assert!(told().is_empty());
    spend(1, NOW_US);
    assert_eq!(told(), [(50, 50)]);
    spend(50, NOW_US);
    assert_eq!(told(), [(80, 100), (100, 100)]);
    spend(0, NOW_US);
    assert!(told().is_empty());
    spend(60, at("2026-12-01T00:00:00Z"));
    assert_eq!(told(), [(50, 60)], "the next period tells anew");
}

#[test]
fn another_amount_is_told_of_anew() {
    let all = budgets();
    let spend = |limit, amount| {
        let rule = all.rule(&with_alerts(limit));
        Hold::reserve(&charges(&[(&rule, "")]), nano(amount), NOW_US).unwrap().settle(Some(amount), 0);
        all.take_alerts().iter().map(|alert| alert.percent).collect::<Vec<_>>()
    };
    assert_eq!(spend(100, 90), [50, 80]);
    assert!(spend(1_000, 310).is_empty());
    assert_eq!(spend(1_000, 200), [50]);
}

#[test]
fn who_listens_late_is_told_what_came_before() {
    let all = budgets();
    let rule = all.rule(&with_alerts(100));
    let spend = |amount| Hold::reserve(&charges(&[(&rule, "")]), nano(amount), NOW_US).unwrap().settle(Some(amount), 0);
    spend(50);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    assert!(all.on_alert(Box::new(move |alert| ear.lock().push(alert.percent))));
    spend(30);
    assert_eq!(*heard.lock(), [50, 80]);
    assert!(!all.on_alert(Box::new(|_| {})), "there is one listener");
}

#[test]
fn a_request_that_another_budget_refuses_rings_nothing_and_leaves_the_share_to_be_told() {
    let all = budgets();
    let (wide, narrow) = (all.rule(&with_alerts(100)), all.rule(&budget("narrow", Unit::Usd, 40)));
    let on = charges(&[(&wide, ""), (&narrow, "")]);
    assert!(Hold::reserve(&on, nano(60), NOW_US).is_err());
    assert!(all.take_alerts().is_empty(), "nothing was spent");
    Hold::reserve(&charges(&[(&wide, "")]), nano(60), NOW_US).unwrap().settle(Some(60), 0);
    assert_eq!(all.take_alerts().iter().map(|alert| alert.percent).collect::<Vec<_>>(), [50]);
}
