//! Balances outlive the process: whatever happens to it, a balance is what its rows come to.

use super::fixture::{HandClock, NOW_US, as_if_killed, metrics, open, opening, settlement, state};
use crate::config::{Budget, Calendar, Each, Mode, OnExhausted, Scope, Unit};
use crate::ledger::budget::{BudgetRule, BudgetView, Hold, Worst, left, view_of};
use crate::ledger::verify::verify;
use crate::ledger::{Ledger, OpenAttempt, Opening, Settlement};
use crate::model::NanoUsd;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const LIMIT: i64 = 1_000_000;

fn budget(id: &str, unit: Unit, per: Calendar, each: Option<Each>) -> Budget {
    Budget {
        id: Arc::from(id),
        scope: Scope::Gateway,
        unit,
        limit: LIMIT,
        per,
        zone: TimeZone::UTC,
        each,
        overrides: BTreeMap::new(),
        metadata: BTreeMap::new(),
        alerts: vec![50],
        mode: Mode::Enforce,
        min_output_tokens: 256,
        on_exhausted: OnExhausted::Refuse,
    }
}

pub(crate) type Charges = Vec<(Arc<BudgetRule>, Arc<str>)>;

/// Money by day, tokens for ever, money by month and user.
pub(crate) fn charges(ledger: &Ledger, n: u64) -> Charges {
    let rule = |id: &str, unit, per, each| ledger.budgets().rule(&budget(id, unit, per, each));
    vec![
        (rule("day", Unit::Usd, Calendar::Day, None), Arc::from("")),
        (rule("life", Unit::Tokens, Calendar::Lifetime, None), Arc::from("")),
        (rule("user", Unit::Usd, Calendar::Month, Some(Each::User)), Arc::from(format!("u{}", n % 3))),
    ]
}

/// Begins the `n`-th attempt, holding 5,000 nano-dollars and 500 tokens.
pub(crate) fn begin(ledger: &Arc<Ledger>, n: u64) -> OpenAttempt {
    let on = charges(ledger, n);
    let hold = Hold::reserve(&on, Worst { nano: Some(5_000), tokens: 500 }, ledger.now_us()).unwrap();
    let mut attempt = ledger.begin(Opening { charges: hold.charged().to_vec(), ..opening(n) }).unwrap();
    attempt.carry(hold);
    attempt
}

/// Settled of each balance, by id and entity.
pub(crate) fn settled(ledger: &Ledger) -> BTreeMap<(String, String), i64> {
    let views = (0..3).flat_map(|n| view_of(&charges(ledger, n), ledger.now_us()));
    let of = |view: BudgetView| {
        assert_eq!(view.reserved, 0);
        ((view.id.to_string(), view.entity.to_string()), view.settled)
    };
    views.map(of).collect()
}

/// What the attempts come to: unknown costs as they were held.
fn expected(ends: &[(u64, Settlement)]) -> BTreeMap<(String, String), i64> {
    let mut sums = BTreeMap::new();
    for (n, end) in ends {
        let nano = end.cost.map_or(5_000, |cost| cost.0);
        let keys = [
            ("day", String::new(), nano),
            ("life", String::new(), end.tokens()),
            ("user", format!("u{}", n % 3), nano),
        ];
        for (id, entity, amount) in keys {
            *sums.entry((id.to_owned(), entity)).or_default() += amount;
        }
    }
    sums
}

pub(crate) fn whole(dir: &Path) {
    assert_eq!(verify(dir).unwrap().problems, Vec::<String>::new());
}

#[test]
fn balances_are_the_same_after_a_restart_folded_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..30).for_each(|n| begin(&ledger, n).settle(settlement(n)));
    let want = expected(&(0..30).map(|n| (n, settlement(n))).collect::<Vec<_>>());
    let want: BTreeMap<_, _> = want.into_iter().collect();
    let _keep = charges(&ledger, 0);
    assert_eq!(settled(&ledger), want);
    let unfolded = as_if_killed(dir.path());
    ledger.close();
    for dir in [dir.path(), unfolded.path()] {
        let again = open(dir);
        let _keep = charges(&again, 0);
        assert_eq!(settled(&again), want);
        again.flush().unwrap();
        assert_eq!(settled(&again), want, "a fold changes nothing");
        again.close();
        whole(dir);
        assert_eq!(verify(dir).unwrap().balances, 5);
    }
}

/// Killed after every single write: what was reserved is gone, what was begun is charged, and balances are their rows.
#[test]
fn killed_after_any_write_each_balance_is_what_its_rows_come_to() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let mut open_attempts = Vec::new();
    let mut ends: Vec<(u64, Settlement)> = Vec::new();
    for n in 0..12 {
        open_attempts.push((n, begin(&ledger, n)));
        for settle in [false, true] {
            if settle {
                let (n, attempt) = open_attempts.remove(0);
                if n % 2 == 0 {
                    open_attempts.push((n, attempt));
                    continue;
                }
                attempt.settle(settlement(n));
                ends.push((n, settlement(n)));
            }
            let copy = as_if_killed(dir.path());
            let metrics = metrics();
            let after = Ledger::open(&state(copy.path()), Arc::new(HandClock::new()), metrics.clone()).unwrap();
            let crashed = open_attempts.iter().map(|(n, _)| (*n, opening(*n).crashed(0)));
            let all: Vec<_> = ends.iter().cloned().chain(crashed.clone()).collect();
            let _keep = charges(&after, 0);
            let got: BTreeMap<_, _> = settled(&after).into_iter().filter(|(_, amount)| *amount != 0).collect();
            assert_eq!(got, expected(&all));
            // 5,000 held against what is estimated from the input.
            let released: i64 = crashed.map(|(_, end)| (5_000 - end.cost.unwrap().0).max(0)).sum();
            assert_eq!(metrics.released.get(), released as u64);
            after.close();
            whole(copy.path());
        }
    }
}

#[test]
fn a_clock_that_goes_back_finds_periods_in_the_store_that_memory_forgot() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(clock.clone()), metrics()).unwrap();
    let day = Duration::from_secs(86_400);
    for n in 0..9 {
        begin(&ledger, n).settle(Settlement { cost: Some(NanoUsd(100 + n as i64)), ..settlement(n) });
        clock.advance(day);
    }
    for n in 0..9 {
        let on = &charges(&ledger, n)[..1];
        let now_us = NOW_US + n * 86_400_000_000;
        assert_eq!(left(on, now_us).nano, Some(LIMIT - 100 - n as i64), "day {n}");
    }
}

#[test]
fn an_attempt_that_is_abandoned_is_charged_as_its_row_is() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    drop(begin(&ledger, 0));
    let mut sent = begin(&ledger, 1);
    sent.mark_sent();
    sent.progress(10);
    drop(sent);
    let _keep = charges(&ledger, 0);
    let before = settled(&ledger);
    assert_eq!(before[&("day".to_owned(), String::new())], 101 * 150 + 10 * 600);
    ledger.close();
    let again = open(dir.path());
    assert_eq!(
        settled(&again),
        before
            .into_iter()
            .filter(|((_, user), _)| user != "u2")
            .chain([(("user".to_owned(), "u2".to_owned()), 0)])
            .collect()
    );
    again.close();
    whole(dir.path());
}

#[test]
fn a_budget_that_is_made_later_starts_with_what_the_rows_know() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..30).for_each(|n| ledger.begin(opening(n)).unwrap().settle(settlement(n)));
    let spent: i64 = (0..30).filter_map(|n| settlement(n).cost).map(|cost| cost.0).sum();
    let of_users = |user: &str| -> i64 {
        let named = |n: &u64| opening(*n).user.as_deref().unwrap_or("-") == user;
        (0..30).filter(named).filter_map(|n| settlement(n).cost).map(|cost| cost.0).sum()
    };
    let rule = |budget: &Budget, entity: &str| vec![(ledger.budgets().rule(budget), Arc::from(entity))];
    let now_us = NOW_US + 3_600_000_000;
    let month = budget("month", Unit::Usd, Calendar::Month, None);
    assert_eq!(left(&rule(&month, ""), now_us).nano, Some(LIMIT - spent));
    let teams = budget("teams", Unit::Tokens, Calendar::Lifetime, Some(Each::Team));
    let tokens: i64 = (0..30).filter(|n| n % 2 == 0).map(|n| settlement(n).tokens()).sum();
    assert_eq!(left(&rule(&teams, "search"), now_us).tokens, Some(LIMIT - tokens));
    let users = budget("users", Unit::Usd, Calendar::Month, Some(Each::User));
    assert_eq!(left(&rule(&users, "u1"), now_us).nano, Some(LIMIT - of_users("u1")));
    assert_eq!(left(&rule(&users, "-"), now_us).nano, Some(LIMIT - of_users("-")));
    let other = Budget { scope: Scope::Team(Arc::from("nobody")), ..budget("other", Unit::Usd, Calendar::Month, None) };
    assert_eq!(left(&rule(&other, ""), now_us).nano, Some(LIMIT));
    ledger.close();
    whole(dir.path());
    // Once: what is spent later is charged, not found in rows.
    let again = open(dir.path());
    assert_eq!(left(&[(again.budgets().rule(&month), Arc::from(""))], now_us).nano, Some(LIMIT - spent));
}

/// Also back and forth, while it runs and over restarts: what was spent in between is found in the rows.
#[test]
fn a_change_of_calendar_or_zone_forgets_nothing_of_the_running_period() {
    let dir = tempfile::tempdir().unwrap();
    let now_us = NOW_US + 3 * 86_400_000_000;
    let zone = |name: &str| TimeZone::get(name).unwrap();
    let month = budget("named", Unit::Usd, Calendar::Month, None);
    let quarter = Budget { per: Calendar::Quarter, ..month.clone() };
    let berlin = Budget { zone: zone("Europe/Berlin"), ..month.clone() };
    let london = Budget { zone: zone("Europe/London"), ..month.clone() };
    let tokens = Budget { unit: Unit::Tokens, ..month.clone() };
    let (mut spent, mut used) = (0, 0);
    let mut ledger = open(dir.path());
    for (n, budget) in [&month, &quarter, &month, &berlin, &london, &month, &tokens, &month].into_iter().enumerate() {
        let n = n as u64;
        let on = vec![(ledger.budgets().rule(budget), Arc::from(""))];
        let want = if budget.unit == Unit::Usd { spent } else { used };
        assert_eq!(view_of(&on, now_us)[0].settled, want, "before {n}");
        let hold = Hold::reserve(&on, Worst { nano: Some(5_000), tokens: 500 }, now_us).unwrap();
        let mut attempt = ledger.begin(Opening { charges: hold.charged().to_vec(), ..opening(n) }).unwrap();
        attempt.carry(hold);
        let end = Settlement { cost: Some(NanoUsd(100 + n as i64)), ..settlement(n) };
        spent += 100 + n as i64;
        used += end.tokens();
        attempt.settle(end);
        let want = if budget.unit == Unit::Usd { spent } else { used };
        assert_eq!(view_of(&on, now_us)[0].settled, want, "after {n}");
        if n % 2 == 1 {
            ledger.close();
            ledger = open(dir.path());
        }
    }
    ledger.close();
    whole(dir.path());
}

/// Whatever the calendar, zone or unit is changed to while requests are under way.
#[test]
fn what_is_under_way_when_a_budget_is_counted_otherwise_counts_there_too() {
    let now_us = NOW_US + 86_400_000_000;
    let month = budget("named", Unit::Usd, Calendar::Month, None);
    let zone = TimeZone::get("Asia/Tokyo").unwrap();
    let same_start = TimeZone::get("Europe/London").unwrap();
    for (name, after) in [
        ("per", Budget { per: Calendar::Quarter, ..month.clone() }),
        ("zone", Budget { zone, ..month.clone() }),
        ("zone of the same midnight", Budget { zone: same_start, ..month.clone() }),
        ("unit", Budget { unit: Unit::Tokens, ..month.clone() }),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        let on = |budget: &Budget| vec![(ledger.budgets().rule(budget), Arc::<str>::from(""))];
        let worst = Worst { nano: Some(LIMIT - 10), tokens: LIMIT - 10 };
        let hold = Hold::reserve(&on(&month), worst, now_us).unwrap();
        let mut attempt = ledger.begin(Opening { charges: hold.charged().to_vec(), ..opening(0) }).unwrap();
        attempt.carry(hold);
        let changed = on(&after);
        let eleven = Worst { nano: Some(11), tokens: 11 };
        if after.unit == Unit::Usd {
            assert!(Hold::reserve(&changed, eleven, now_us).is_err(), "{name}: held");
            assert!(Hold::reserve(&on(&after), eleven, now_us).is_err(), "{name}: also by another rule");
        } else {
            drop(Hold::reserve(&changed, eleven, now_us).unwrap());
        }
        let end = Settlement { cost: Some(NanoUsd(700)), ..settlement(0) };
        let want = if after.unit == Unit::Usd { 700 } else { end.tokens() };
        attempt.settle(end);
        let parts = |ledger: &Ledger| {
            let view = view_of(&[(ledger.budgets().rule(&after), Arc::from(""))], now_us).remove(0);
            (view.settled, view.reserved)
        };
        assert_eq!(parts(&ledger), (want, 0), "{name}: settled");
        ledger.flush().unwrap();
        ledger.close();
        whole(dir.path());
        assert_eq!(parts(&open(dir.path())), (want, 0), "{name}: in the store");
    }
}

#[test]
fn what_was_changed_in_a_balance_is_named() {
    for statement in [
        "UPDATE balance SET nano = nano + 1 WHERE budget = 'day'",
        "UPDATE balance_base SET tokens = tokens + 1",
        "DELETE FROM balance WHERE budget = 'user' AND entity = 'u1'",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        ledger.begin(opening(99)).unwrap().settle(settlement(99));
        (0..6).for_each(|n| begin(&ledger, n).settle(settlement(n)));
        ledger.close();
        whole(dir.path());
        rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap().execute_batch(statement).unwrap();
        let found = verify(dir.path()).unwrap().problems.join("\n");
        assert!(found.contains("the rows come to"), "{statement}: {found}");
    }
}

#[test]
fn balances_stay_when_retention_drops_their_rows() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(clock.clone()), metrics()).unwrap();
    (0..30).for_each(|n| begin(&ledger, n).settle(settlement(n)));
    let tokens: i64 = (0..30).map(|n| settlement(n).tokens()).sum();
    ledger.flush().unwrap();
    clock.advance(Duration::from_secs(500 * 86_400));
    ledger.retain();
    ledger.close();
    let found = verify(dir.path()).unwrap();
    assert_eq!((found.problems, found.rows, found.dropped.attempts), (vec![], 0, 30));
    let again = open(dir.path());
    assert_eq!(left(&charges(&again, 0), NOW_US).tokens, Some(LIMIT - tokens));
}

/// The old process of an upgrade settles on while the new one admits: the new one counts it once, whenever its
/// accounts are loaded, and whoever folds it.
#[test]
fn what_an_old_process_settles_during_an_upgrade_is_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path());
    (0..3).for_each(|n| begin(&old, n).settle(settlement(n)));
    let draining: Vec<_> = (3..9).map(|n| (n, begin(&old, n))).collect();
    old.release_authority();
    let new = open(dir.path());
    // One account is loaded before, the others after the old process has folded.
    let day = &charges(&new, 0)[..1];
    left(day, NOW_US);
    for (n, attempt) in draining {
        attempt.settle(settlement(n));
        if n == 6 {
            old.flush().unwrap();
            left(&charges(&new, 0), NOW_US);
        }
    }
    (9..12).for_each(|n| begin(&new, n).settle(settlement(n)));
    new.flush().unwrap();
    left(&charges(&new, 2), NOW_US);
    old.close();
    old.die();
    new.flush().unwrap();
    new.flush().unwrap();
    let want = expected(&(0..12).map(|n| (n, settlement(n))).collect::<Vec<_>>());
    assert_eq!(settled(&new), want);
    new.close();
    let again = open(dir.path());
    assert_eq!(settled(&again), want);
    again.close();
    whole(dir.path());
}

#[test]
fn a_hold_whose_attempt_cannot_begin_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let on = charges(&ledger, 0);
    ledger.close();
    let hold = Hold::reserve(&on, Worst { nano: Some(5_000), tokens: 500 }, NOW_US).unwrap();
    assert!(ledger.begin(Opening { charges: hold.charged().to_vec(), ..opening(0) }).is_err());
    drop(hold);
    assert_eq!(left(&on, NOW_US).nano, Some(LIMIT));
}
