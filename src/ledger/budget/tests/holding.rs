//! Holding, settling, releasing.

use super::{NOW_US, budget, budgets, charges, each_user, nano, parts};
use crate::config::{Budget, Mode, OnExhausted, Unit};
use crate::ledger::budget::{Budgets, Hold, Why, Worst, left};
use std::collections::BTreeMap;
use std::sync::Arc;

#[test]
fn what_does_not_fit_is_refused_with_how_the_budget_stands() {
    let rule = budgets().rule(&budget("gateway/usd/month", Unit::Usd, 100));
    let on = charges(&[(&rule, "")]);
    Hold::reserve(&on, nano(60), NOW_US).unwrap().settle(Some(50), 0);
    let _open = Hold::reserve(&on, nano(30), NOW_US).unwrap();
    let refused = Hold::reserve(&on, nano(21), NOW_US).unwrap_err();
    assert_eq!((refused.limit, refused.used, refused.reserved), (100, 50, 30));
    assert_eq!((refused.why, refused.resets_us), (Why::Spent, Some(super::at("2026-12-01T00:00:00Z"))));
    assert_eq!(
        refused.to_string(),
        "budget `gateway/usd/month` is exhausted: 0.000000050 USD of 0.000000100 USD used, 0.000000030 USD reserved"
    );
    drop(Hold::reserve(&on, nano(20), NOW_US).unwrap());
    assert_eq!(parts(&rule, "", NOW_US), (50, 30));
}

#[test]
fn a_hold_that_is_dropped_gives_all_back() {
    let all = budgets();
    let money = all.rule(&budget("a", Unit::Usd, 100));
    let tokens = all.rule(&budget("b", Unit::Tokens, 100));
    let hold = Hold::reserve(&charges(&[(&money, ""), (&tokens, "")]), Worst { nano: Some(40), tokens: 7 }, NOW_US);
    let hold = hold.unwrap();
    assert_eq!((parts(&money, "", NOW_US), parts(&tokens, "", NOW_US)), ((0, 40), (0, 7)));
    assert_eq!(hold.charged().iter().map(|charge| charge.held).collect::<Vec<_>>(), [40, 7]);
    drop(hold);
    assert_eq!((parts(&money, "", NOW_US), parts(&tokens, "", NOW_US)), ((0, 0), (0, 0)));
}

#[test]
fn one_budget_that_cannot_pay_leaves_the_others_untouched() {
    let all = budgets();
    let wide = all.rule(&budget("wide", Unit::Usd, 1_000));
    let narrow = all.rule(&budget("narrow", Unit::Usd, 10));
    let refused = Hold::reserve(&charges(&[(&wide, ""), (&narrow, "")]), nano(11), NOW_US).unwrap_err();
    assert_eq!(&*refused.budget, "narrow");
    assert_eq!(parts(&wide, "", NOW_US), (0, 0));
}

#[test]
fn what_is_used_beyond_the_hold_is_debt() {
    let rule = budgets().rule(&budget("a", Unit::Usd, 100));
    let on = charges(&[(&rule, "")]);
    Hold::reserve(&on, nano(100), NOW_US).unwrap().settle(Some(130), 0);
    assert_eq!(parts(&rule, "", NOW_US), (130, 0));
    assert!(Hold::reserve(&on, nano(0), NOW_US).is_err(), "a budget in debt pays nothing");
    assert_eq!(left(&on, NOW_US).nano, Some(0));
    assert_eq!(rule.shared().metrics.debt.with_label_values(&["usd"]).get(), 30);
}

/// Figures from providers: the extremes of 64 bits in any order never wrap and never make a balance negative.
#[test]
fn no_usage_wraps_a_balance_or_makes_it_negative() {
    let extremes = [i64::MIN, -1, 0, 1, i64::MAX - 1, i64::MAX];
    for mode in [Mode::Enforce, Mode::Warn] {
        let rule = budgets().rule(&Budget { mode, ..budget("a", Unit::Usd, i64::MAX) });
        let on = charges(&[(&rule, "")]);
        let mut holds = Vec::new();
        for worst in extremes {
            for actual in extremes {
                if let Ok(hold) = Hold::reserve(&on, nano(worst), NOW_US) {
                    hold.settle(Some(actual), actual);
                }
                holds.extend(Hold::reserve(&on, nano(worst), NOW_US));
                let (settled, reserved) = parts(&rule, "", NOW_US);
                assert!(settled >= 0 && reserved >= 0 && settled.checked_add(reserved).is_some());
            }
        }
        drop(holds);
        assert_eq!(parts(&rule, "", NOW_US).1, 0, "{mode:?}");
    }
}

#[test]
fn an_unknown_price_is_never_free_under_a_money_budget() {
    let all = budgets();
    let money = all.rule(&budget("money", Unit::Usd, 100));
    let tokens = all.rule(&budget("tokens", Unit::Tokens, 100));
    let unknown = Worst { nano: None, tokens: 10 };
    let refused = Hold::reserve(&charges(&[(&tokens, ""), (&money, "")]), unknown, NOW_US).unwrap_err();
    assert_eq!((&*refused.budget, refused.why), ("money", Why::Unpriced));
    Hold::reserve(&charges(&[(&tokens, "")]), unknown, NOW_US).unwrap().settle(None, 9);
    assert_eq!(parts(&tokens, "", NOW_US), (9, 0));
    // Held with a price, settled without: what was held is charged.
    Hold::reserve(&charges(&[(&money, "")]), nano(40), NOW_US).unwrap().settle(None, 9);
    assert_eq!(parts(&money, "", NOW_US), (40, 0));
    assert_eq!(money.shared().metrics.unpriced_settlements.get(), 1);
}

#[test]
fn a_budget_that_only_warns_charges_and_tells() {
    let rule = budgets().rule(&Budget { mode: Mode::Warn, ..budget("a", Unit::Usd, 10) });
    let on = charges(&[(&rule, "")]);
    assert!(Hold::reserve(&on, nano(10), NOW_US).unwrap().passed_over().is_empty());
    let hold = Hold::reserve(&on, nano(11), NOW_US).unwrap();
    assert_eq!(&*hold.passed_over()[0].0.config().id, "a");
    hold.settle(Some(11), 0);
    assert_eq!(parts(&rule, "", NOW_US), (11, 0));
    assert_eq!(left(&on, NOW_US).nano, None, "it limits nothing");
    let unpriced = Hold::reserve(&on, Worst { nano: None, tokens: 1 }, NOW_US).unwrap();
    assert_eq!(unpriced.passed_over().len(), 1);
}

#[test]
fn the_same_id_keeps_its_balance_when_its_amount_changes() {
    let all = budgets();
    let before = all.rule(&budget("a", Unit::Usd, 100));
    let hold = Hold::reserve(&charges(&[(&before, "")]), nano(90), NOW_US).unwrap();
    let after = all.rule(&budget("a", Unit::Usd, 50));
    assert_eq!(left(&charges(&[(&after, "")]), NOW_US).nano, Some(0));
    hold.settle(Some(20), 0);
    assert_eq!(left(&charges(&[(&after, "")]), NOW_US).nano, Some(30));
    assert!(Arc::ptr_eq(&after, &all.rule(&budget("a", Unit::Usd, 50))), "an unchanged rule is the same");
    let shown = all.view(NOW_US);
    assert_eq!((shown.len(), shown[0].limit, shown[0].settled), (1, 50, 20));
}

#[test]
fn left_is_the_least_of_all_that_enforce() {
    let all = budgets();
    let (wide, narrow) = (all.rule(&budget("wide", Unit::Usd, 100)), all.rule(&budget("narrow", Unit::Usd, 40)));
    let tokens = all.rule(&budget("tokens", Unit::Tokens, 1_000));
    let on = charges(&[(&wide, ""), (&narrow, ""), (&tokens, "")]);
    Hold::reserve(&on, Worst { nano: Some(30), tokens: 100 }, NOW_US).unwrap().settle(Some(30), 100);
    let left = left(&on, NOW_US);
    assert_eq!((left.nano, left.tokens), (Some(10), Some(900)));
    assert_eq!(&*left.tightest.unwrap().0.config().id, "narrow");
}

#[test]
fn a_budget_near_its_limit_names_the_model_that_answers_instead() {
    let on_exhausted = OnExhausted::Fallback { model: Arc::from("cheap"), at: 80 };
    let rule = budgets().rule(&Budget { on_exhausted, ..budget("a", Unit::Usd, 100) });
    let on = charges(&[(&rule, "")]);
    let hold = Hold::reserve(&on, nano(79), NOW_US).unwrap();
    assert_eq!(left(&on, NOW_US).fallback, None);
    hold.settle(Some(80), 0);
    assert_eq!(left(&on, NOW_US).fallback.as_deref(), Some("cheap"));
}

#[test]
fn each_entity_has_its_own_balance_and_limit() {
    let overrides = BTreeMap::from([(Arc::from("vip"), 1_000)]);
    let rule = budgets().rule(&Budget { overrides, ..each_user("a", 100) });
    let reserve = |user: &str, amount| Hold::reserve(&charges(&[(&rule, user)]), nano(amount), NOW_US);
    reserve("u1", 100).unwrap().settle(Some(100), 0);
    assert!(reserve("u1", 1).is_err());
    assert!(reserve("u2", 100).is_ok());
    assert!(reserve("vip", 1_000).is_ok());
}

#[test]
fn entities_past_the_bound_are_refused_until_a_period_is_over() {
    let metrics = crate::ledger::LedgerMetrics::register(&prometheus::Registry::new()).unwrap();
    let all = Budgets::with_most(Arc::new(crate::ledger::budget::Balances::new(None)), metrics, 2);
    let rule = all.rule(&each_user("a", 100));
    let reserve = |user: &str, now_us| Hold::reserve(&charges(&[(&rule, user)]), nano(1), now_us);
    let open = reserve("u1", NOW_US).unwrap();
    drop(reserve("u2", NOW_US).unwrap());
    assert_eq!(reserve("u3", NOW_US).unwrap_err().why, Why::TooManyEntities);
    let next_month = super::at("2026-12-02T00:00:00Z");
    drop(reserve("u3", next_month).unwrap());
    assert_eq!(reserve("u4", next_month).unwrap_err().why, Why::TooManyEntities, "what is held stays");
    drop(open);
    assert!(reserve("u4", next_month + 20_000_000).is_ok());
}
