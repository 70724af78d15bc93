//! Any interleaving of requests, ends and steps of the clock against a small exact model.

use super::{NOW_US, budget, budgets, charges, each_user};
use crate::config::{Budget, Calendar, Mode, Unit};
use crate::ledger::budget::{BudgetRule, Hold, Worst};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

const DAY_US: u64 = 86_400_000_000;

#[derive(Debug, Clone)]
enum Act {
    Reserve { user: u8, nano: i64, tokens: i64 },
    Settle { which: prop::sample::Index, nano: Option<i64>, tokens: i64 },
    Drop { which: prop::sample::Index },
    Step { days: u8 },
}

fn act() -> impl Strategy<Value = Act> {
    let amount = prop_oneof![8 => 0..60_i64, 1 => Just(i64::MAX), 1 => Just(-5_i64)];
    let which = any::<prop::sample::Index>;
    prop_oneof![
        4 => (0..4_u8, amount.clone(), 0..60_i64).prop_map(|(user, nano, tokens)| Act::Reserve { user, nano, tokens }),
        3 => (which(), prop::option::weighted(0.9, 0..90_i64), 0..60_i64)
            .prop_map(|(which, nano, tokens)| Act::Settle { which, nano, tokens }),
        1 => which().prop_map(|which| Act::Drop { which }),
        1 => (0..6_u8).prop_map(|days| Act::Step { days }),
    ]
}

/// Three budgets: enforced money by day and user, enforced tokens for ever, money by day that only warns.
struct Real {
    rules: [Arc<BudgetRule>; 3],
}

impl Real {
    fn new() -> Self {
        let all = budgets();
        let by_day = Budget { per: Calendar::Day, ..each_user("a", 100) };
        let tokens = Budget { per: Calendar::Lifetime, ..budget("b", Unit::Tokens, 400) };
        let warns = Budget { per: Calendar::Day, mode: Mode::Warn, ..budget("c", Unit::Usd, 50) };
        Self { rules: [&by_day, &tokens, &warns].map(|budget| all.rule(budget)) }
    }
}

/// One balance: settled, reserved.
type Balance = (i64, i64);

#[derive(Default)]
struct Model {
    balances: HashMap<(usize, String, u64), Balance>,
}

/// What an open request holds.
struct Held {
    hold: Hold,
    keys: [(usize, String, u64); 3],
    held: [i64; 3],
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_balance_is_exact_after_every_step(acts in prop::collection::vec(act(), 1..80)) {
        let (real, mut model) = (Real::new(), Model::default());
        let mut open: Vec<Held> = Vec::new();
        let mut now_us = NOW_US;
        for act in acts {
            match act {
                Act::Step { days } => now_us = NOW_US + u64::from(days) * DAY_US,
                Act::Reserve { user, nano, tokens } => {
                    let user = format!("u{user}");
                    let on = charges(&[(&real.rules[0], &user), (&real.rules[1], ""), (&real.rules[2], "")]);
                    let keys = [(0, user, now_us), (1, String::new(), 0), (2, String::new(), now_us)];
                    let held = [nano.max(0), tokens, nano.max(0)];
                    let committed = |at: usize| {
                        let (settled, reserved) = model.balances.get(&keys[at]).copied().unwrap_or_default();
                        settled + reserved
                    };
                    let fits = |at: usize, limit: i64| committed(at).checked_add(held[at]).is_some_and(|c| c <= limit);
                    let want = fits(0, 100) && fits(1, 400);
                    let got = Hold::reserve(&on, Worst { nano: Some(nano), tokens }, now_us);
                    prop_assert_eq!(got.is_ok(), want);
                    if let Ok(hold) = got {
                        prop_assert_eq!(hold.passed_over().len() == 1, committed(2) + held[2] > 50);
                        keys.iter().zip(held).for_each(|(key, held)| {
                            model.balances.entry(key.clone()).or_default().1 += held;
                        });
                        open.push(Held { hold, keys, held });
                    }
                }
                Act::Settle { which, nano, tokens } if !open.is_empty() => {
                    let Held { hold, keys, held } = open.swap_remove(which.index(open.len()));
                    let actual = [nano.unwrap_or(held[0]), tokens, nano.unwrap_or(held[2])];
                    hold.settle(nano, tokens);
                    for ((key, held), actual) in keys.into_iter().zip(held).zip(actual) {
                        let balance = model.balances.entry(key).or_default();
                        *balance = (balance.0 + actual, balance.1 - held);
                    }
                }
                Act::Drop { which } if !open.is_empty() => {
                    let Held { hold, keys, held } = open.swap_remove(which.index(open.len()));
                    drop(hold);
                    keys.into_iter().zip(held).for_each(|(key, held)| model.balances.entry(key).or_default().1 -= held);
                }
                Act::Settle { .. } | Act::Drop { .. } => {}
            }
            for ((rule, entity, at_us), want) in &model.balances {
                let at_us = if *rule == 1 { now_us } else { *at_us };
                prop_assert_eq!(super::parts(&real.rules[*rule], entity, at_us), *want, "{} {} {}", rule, entity, at_us);
            }
        }
    }
}
