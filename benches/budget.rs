//! What a request pays for its budgets: one hold over three of them, reserved and settled.

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use weighbridge::config::{Budget, Calendar, Each, Mode, OnExhausted, Scope, Unit};
use weighbridge::ledger::LedgerMetrics;
use weighbridge::ledger::budget::{Budgets, Hold, Worst, left};

/// 2026-11-27T00:00:00Z.
const NOW_US: u64 = 1_795_737_600_000_000;

fn budget(id: &str, unit: Unit, per: Calendar, each: Option<Each>) -> Budget {
    Budget {
        id: Arc::from(id),
        scope: Scope::Gateway,
        unit,
        limit: i64::MAX / 2,
        per,
        zone: TimeZone::UTC,
        each,
        overrides: BTreeMap::new(),
        metadata: BTreeMap::new(),
        alerts: vec![50, 80, 100],
        mode: Mode::Enforce,
        min_output_tokens: 256,
        on_exhausted: OnExhausted::Refuse,
    }
}

/// The gateway's dollars of the month, a team's tokens of the day, a user's dollars of the month. Goal: under 1 µs.
fn hold(c: &mut Criterion) {
    let registry = prometheus::Registry::new();
    let budgets = Budgets::in_memory(LedgerMetrics::register(&registry).expect("a new registry"));
    let charges: Vec<(_, Arc<str>)> = vec![
        (budgets.rule(&budget("gateway", Unit::Usd, Calendar::Month, None)), Arc::from("")),
        (budgets.rule(&budget("team", Unit::Tokens, Calendar::Day, None)), Arc::from("")),
        (budgets.rule(&budget("user", Unit::Usd, Calendar::Month, Some(Each::User))), Arc::from("u-17")),
    ];
    let worst = Worst { nano: Some(1_500), tokens: 900 };
    let mut group = c.benchmark_group("budget");
    group.bench_function("reserve_settle_3", |b| {
        b.iter(|| {
            let hold = Hold::reserve(black_box(&charges), black_box(worst), NOW_US).expect("it is far from its limit");
            hold.settle(Some(1_200), 700);
        });
    });
    group.bench_function("left_3", |b| b.iter(|| left(black_box(&charges), NOW_US)));
    group.finish();
}

criterion_group!(benches, hold);
criterion_main!(benches);
