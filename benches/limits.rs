//! What a request pays for its limits: admission under three rules in both phases, and the correction of its tokens.

use criterion::{Criterion, criterion_group, criterion_main};
use prometheus::Registry;
use std::hint::black_box;
use std::num::{NonZeroU32, NonZeroU64};
use weighbridge::config::{Each, Limit, LimitWhat, Mode, Per, Rules, Scope};
use weighbridge::limits::{LimitMetrics, Limits, Permit, Phase, RuleSet, Shares, Steady, Subject};

fn limit(id: &str, scope: Scope, what: LimitWhat, each: Option<Each>) -> Limit {
    Limit { id: id.into(), scope, what, each, mode: Mode::Enforce }
}

/// Requests a minute of the team, tokens a minute of the key, and open requests of the gateway (or, of each user).
fn rules(limits: &Limits, each: Option<Each>) -> RuleSet {
    let most = NonZeroU64::new(1 << 39).expect("not 0");
    let rules = vec![
        limit(
            if each.is_some() { "team/each" } else { "team" },
            Scope::Team("t".into()),
            LimitWhat::Requests { most, per: Per::Minute },
            each,
        ),
        limit("key", Scope::Key("k".into()), LimitWhat::Tokens { most, per: Per::Minute }, None),
        limit("gateway", Scope::Gateway, LimitWhat::Concurrent { most: NonZeroU32::new(20_000).expect("not 0") }, None),
    ];
    limits.resolve(&Rules { limits: rules, budgets: Vec::new() })
}

fn request(limits: &Limits, set: &RuleSet, subject: &Subject<'_>) -> Shares {
    let permit = limits.admit(Permit::default(), Phase::Caller, &[set], subject, 0).expect("room");
    let mut permit = limits.admit(permit, Phase::Request, &[set], subject, 700).expect("room");
    permit.keep();
    permit.take_tokens().settle(512);
    Shares::default()
}

/// Goal: under 1 µs for admission and correction.
fn admit(c: &mut Criterion) {
    let metrics = LimitMetrics::register(&Registry::new()).expect("metrics");
    let limits = Limits::new(metrics, Steady::new(1_795_000_000_000_000));
    let subject = Subject { key: "k", team: "t", model: "m", user: Some("alice"), metadata: &[] };
    let mut group = c.benchmark_group("limits");
    for (name, each) in [("three_rules", None), ("three_rules_one_by_user", Some(Each::User))] {
        let set = rules(&limits, each);
        group.bench_function(name, |b| b.iter(|| request(&limits, black_box(&set), black_box(&subject))));
        group.bench_function(format!("{name}_shares"), |b| {
            b.iter(|| limits.shares(&[black_box(&set)], black_box(&subject), limits.clock().now_us()))
        });
    }
    group.finish();
}

criterion_group!(benches, admit);
criterion_main!(benches);
