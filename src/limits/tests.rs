use super::*;
use crate::config::{Each, Limit, LimitWhat, Mode, Per, Rules, Scope};
use prometheus::Registry;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn limits() -> Limits {
    let metrics = LimitMetrics::register(&Registry::new()).expect("metrics");
    Limits::new(metrics, Steady::new(1_795_000_000_000_000))
}

fn most(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).expect("not 0")
}

fn requests(n: u64) -> LimitWhat {
    LimitWhat::Requests { most: most(n), per: Per::Minute }
}

fn tokens(n: u64) -> LimitWhat {
    LimitWhat::Tokens { most: most(n), per: Per::Minute }
}

fn concurrent(n: u32) -> LimitWhat {
    LimitWhat::Concurrent { most: NonZeroU32::new(n).expect("not 0") }
}

fn rule(scope: Scope, what: LimitWhat) -> Limit {
    let id = format!("{scope}/{what:?}").into();
    Limit { id, scope, what, each: None, mode: Mode::Enforce }
}

fn each(limit: Limit, each: Each) -> Limit {
    let id = format!("{}/each {each:?}", limit.id).into();
    Limit { id, each: Some(each), ..limit }
}

fn set(limits: &Limits, rules: Vec<Limit>) -> RuleSet {
    limits.resolve(&Rules { limits: rules, budgets: Vec::new() })
}

fn team() -> Scope {
    Scope::Team("t".into())
}

fn key() -> Scope {
    Scope::Key("k".into())
}

const ALICE: Subject<'_> = Subject { key: "k", team: "t", model: "m", user: Some("alice"), metadata: &[] };
const BOB: Subject<'_> = Subject { user: Some("bob"), ..ALICE };

fn admit(limits: &Limits, set: &RuleSet, subject: &Subject<'_>, tokens: u64) -> Result<Permit, Refusal> {
    let permit = limits.admit(Permit::default(), Phase::Caller, &[set], subject, 0)?;
    let mut permit = limits.admit(permit, Phase::Request, &[set], subject, tokens)?;
    permit.keep();
    Ok(permit)
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_takes_nothing_from_any_window() {
    let limits = limits();
    let set = set(&limits, vec![rule(team(), requests(3)), rule(key(), concurrent(5)), rule(key(), tokens(100))]);
    admit(&limits, &set, &ALICE, 90).expect("it fits").take_tokens().settle(90);
    for _ in 0..10 {
        let refusal = admit(&limits, &set, &ALICE, 11).expect_err("too many tokens");
        assert_eq!(refusal.what, tokens(100));
    }
    assert_eq!(limits.shares(&[&set], &ALICE, limits.clock().now_us()).requests.expect("a rule").remaining, 2);
    admit(&limits, &set, &ALICE, 10).expect("the stages before gave back what they took");
}

#[tokio::test(start_paused = true)]
async fn of_several_refusals_the_one_that_takes_longest_is_told_and_its_wait_is_true() {
    let limits = limits();
    let hour = LimitWhat::Requests { most: most(2), per: Per::Hour };
    let set = set(&limits, vec![rule(team(), requests(2)), rule(key(), hour)]);
    admit(&limits, &set, &ALICE, 0).expect("room");
    admit(&limits, &set, &ALICE, 0).expect("room");
    let refusal = admit(&limits, &set, &ALICE, 0).expect_err("full");
    assert_eq!(refusal.what, hour);
    let wait = refusal.wait.expect("it passes some day");
    assert!(wait > Duration::from_secs(3_600) && wait <= Duration::from_secs(3_660));
    tokio::time::advance(wait).await;
    admit(&limits, &set, &ALICE, 0).expect("as was told");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_corrected_to_what_was_used_and_given_back_when_nothing_was() {
    let limits = limits();
    let set = set(&limits, vec![rule(key(), tokens(100))]);
    let left = || limits.shares(&[&set], &ALICE, limits.clock().now_us()).tokens.expect("a rule").remaining;
    let mut permit = admit(&limits, &set, &ALICE, 80).expect("room");
    assert_eq!(left(), 20);
    let reserved = permit.take_tokens();
    drop(permit);
    reserved.settle(30);
    assert_eq!(left(), 70);
    drop(admit(&limits, &set, &ALICE, 60).expect("room"));
    assert_eq!(left(), 70, "dropped unsettled");
    let mut permit = admit(&limits, &set, &ALICE, 10).expect("room");
    permit.take_tokens().settle(500);
    assert_eq!(left(), 0);
    let refusal = admit(&limits, &set, &ALICE, 101).expect_err("more than ever");
    assert!(refusal.wait.is_none() && refusal.to_string().contains("ever admits"), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn places_are_free_when_the_permit_is_dropped_also_those_of_unknown_users() {
    let limits = limits();
    let rules = vec![rule(key(), concurrent(3)), each(rule(Scope::Gateway, concurrent(1)), Each::User)];
    let set = set(&limits, rules);
    let alice = admit(&limits, &set, &ALICE, 0).expect("room");
    let refusal = admit(&limits, &set, &ALICE, 0).expect_err("she has one open");
    assert!(refusal.rule.contains("each"), "{refusal}");
    let bob = admit(&limits, &set, &BOB, 0).expect("another user");
    drop(alice);
    let _alice = admit(&limits, &set, &ALICE, 0).expect("free again");
    let third = admit(&limits, &set, &Subject { user: None, ..ALICE }, 0).expect("the user `-`");
    assert!(admit(&limits, &set, &Subject { user: Some("eve"), ..ALICE }, 0).is_err(), "three of the key are open");
    drop((bob, third));
}

#[tokio::test(start_paused = true)]
async fn each_user_and_each_metadata_value_counts_alone_and_the_gateways_share_is_not_shown() {
    let limits = limits();
    let rules = vec![
        each(rule(team(), requests(1)), Each::User),
        each(rule(Scope::Gateway, requests(2)), Each::Metadata("project".into())),
        rule(Scope::Gateway, requests(1000)),
    ];
    let set = set(&limits, rules);
    let metadata = [("project".into(), "x".into())];
    let of = |user, metadata| Subject { user: Some(user), metadata, ..ALICE };
    admit(&limits, &set, &of("alice", &metadata), 0).expect("her first");
    admit(&limits, &set, &of("alice", &metadata), 0).expect_err("her second");
    admit(&limits, &set, &of("bob", &metadata), 0).expect("his first");
    admit(&limits, &set, &of("carol", &metadata), 0).expect_err("the third of the project");
    admit(&limits, &set, &of("carol", &[]), 0).expect("of no project");
    let shares = limits.shares(&[&set], &of("dave", &[]), limits.clock().now_us());
    assert_eq!(shares.requests.expect("rules").limit, 2, "half is left of it");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_enforced_passes_and_warn_is_told() {
    let limits = limits();
    let warn = Limit { mode: Mode::Warn, ..rule(team(), requests(1)) };
    let audit = Limit { mode: Mode::Audit, ..rule(key(), requests(1)) };
    let set = set(&limits, vec![warn, audit]);
    let first = admit(&limits, &set, &ALICE, 0).expect("room");
    assert_eq!(first.warnings().count(), 0);
    let second = admit(&limits, &set, &ALICE, 0).expect("not enforced");
    assert_eq!(second.warnings().collect::<Vec<_>>(), [&*set[0].limit.id]);
    assert_eq!(limits.shares(&[&set], &ALICE, limits.clock().now_us()), Shares::default());
}

#[tokio::test(start_paused = true)]
async fn counters_live_through_a_reload_also_with_another_amount() {
    let limits = limits();
    let old = Limit { id: "team/t/requests/minute".into(), ..rule(team(), requests(2)) };
    let set_before = set(&limits, vec![old.clone()]);
    admit(&limits, &set_before, &ALICE, 0).expect("room");
    let set_after = set(&limits, vec![Limit { what: requests(1), ..old }]);
    admit(&limits, &set_after, &ALICE, 0).expect_err("one was taken before");
}

#[tokio::test(start_paused = true)]
async fn what_was_used_before_a_start_counts_for_the_windows_of_an_hour_and_more() {
    let limits = limits();
    let hour = LimitWhat::Tokens { most: most(1_000), per: Per::Hour };
    let set = set(&limits, vec![rule(key(), hour), rule(key(), requests(1))]);
    assert_eq!(set.iter().filter_map(|rule| rule.rebuilt()).count(), 1);
    let now = limits.clock().now_us();
    for (minutes, tokens) in [(90, 800), (59, 300), (1, 600)] {
        let at_us = now - minutes * 60_000_000;
        set[0].restore(&Past { subject: ALICE, at_us, requests: 1, attempts: 1, tokens }, now);
    }
    let refusal = admit(&limits, &set, &ALICE, 101).expect_err("900 are used");
    assert!(refusal.wait.is_some_and(|wait| wait <= Duration::from_secs(180)), "when the 300 have gone: {refusal:?}");
    admit(&limits, &set, &ALICE, 100).expect("100 are left");
}

#[test]
fn of_a_thousand_that_race_exactly_as_many_as_every_rule_allows_pass() {
    let limits = limits();
    let set = set(&limits, vec![rule(team(), requests(100)), each(rule(team(), tokens(1_000)), Each::User)]);
    let passed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..125 {
                    if let Ok(mut permit) = admit(&limits, &set, &ALICE, 10) {
                        permit.take_tokens().settle(10);
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(passed.load(Ordering::Relaxed), 100);
    let shares = limits.shares(&[&set], &ALICE, limits.clock().now_us());
    assert_eq!(shares.tokens.map(|share| share.remaining), Some(0));
    assert_eq!(shares.requests.map(|share| share.remaining), Some(0));
}

#[test]
fn a_refusal_names_the_rule_its_value_unit_and_period() {
    let refusal = Refusal {
        rule: "team/search/requests/minute".into(),
        what: requests(600),
        asked: 1,
        wait: Some(Duration::from_millis(12_345)),
    };
    let text = refusal.to_string();
    assert!(text.contains("`team/search/requests/minute` of 600 requests per minute") && text.contains("12.345 s"));
}

#[tokio::test(start_paused = true)]
async fn what_was_used_already_counts_also_past_the_limit_which_is_told() {
    let limits = limits();
    let set = set(&limits, vec![rule(team(), requests(3)), rule(key(), tokens(100))]);
    assert_eq!(limits.spend(&[&set], &ALICE, 60), None);
    let shares = limits.shares(&[&set], &ALICE, limits.clock().now_us());
    assert_eq!((shares.tokens.expect("a rule").remaining, shares.requests.expect("a rule").remaining), (40, 3));
    let refusal = limits.spend(&[&set], &ALICE, 60).expect("it is past");
    assert_eq!(refusal.what, tokens(100));
    assert!(refusal.wait.is_some(), "it will be over");
    admit(&limits, &set, &ALICE, 1).expect_err("nothing is left");
    tokio::time::advance(Duration::from_secs(62)).await;
    admit(&limits, &set, &ALICE, 100).expect("all of it has expired");
}
