//! What it costs to put eight targets in order, by each kind of route, and to take the first that takes requests.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use weighbridge::config::{RouteKind, Share, Sticky};
use weighbridge::routing::{
    Affinity, ByHand, Ended, Order, Pace, Place, Plan, Route, Rule, Standing, Standings, Stands, Wish,
};

struct Target(Arc<Standing>, u128);

impl Stands for Target {
    fn standing(&self) -> &Arc<Standing> {
        &self.0
    }
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const NOW_US: u64 = 1_795_000_000_000_000;

/// Goal: under 0.5 µs for each kind.
fn order(c: &mut Criterion) {
    let standings = Standings::default();
    let targets: Vec<Arc<Target>> =
        NAMES.iter().zip(1_u128..).map(|(name, cost)| Arc::new(Target(standings.of("p", name), cost))).collect();
    for (target, ms) in targets.iter().zip((100_u64..).step_by(7)) {
        let pace = Pace { first: Some(Duration::from_millis(ms)), token: Some(Duration::from_millis(10)) };
        target.0.paces().note(pace, NOW_US);
    }
    let mut group = c.benchmark_group("routes");
    let session = Affinity::of(b"session").and(b"0123456789abcdef");
    let cases = [
        ("priority", RouteKind::Priority, None, None),
        ("weighted", RouteKind::Weighted, None, None),
        ("weighted_canary", RouteKind::Weighted, None, Share::new(500)),
        ("sticky", RouteKind::Weighted, Some(session), None),
        ("latency", RouteKind::Latency, None, None),
        ("cost", RouteKind::Cost, None, None),
    ];
    for (name, kind, affinity, share) in cases {
        let place = |(at, name): (usize, &&'static str)| Place {
            name: ("p", name),
            weight: 1 + u32::try_from(at).unwrap_or(0),
            canary: share.filter(|_| at == 7),
        };
        let places: Vec<Place<'_>> = NAMES.iter().enumerate().map(place).collect();
        let rule = Rule::new(kind, Sticky::Session, &places);
        let wish = Wish { affinity, output_tokens: 256, now_us: NOW_US, looking: false };
        group.bench_function(name, |b| {
            b.iter(|| {
                let eligible: Order = (0..8).collect();
                rule.order(black_box(&targets), eligible, black_box(&wish), |target| Some(target.1))
            });
        });
    }
    group.finish();
}

/// The beginning of a conversation: two parts of 8 KiB.
fn prefix(c: &mut Criterion) {
    let part = vec![b'x'; 8 * 1024];
    c.bench_function("routes/prefix_16_kib", |b| {
        b.iter(|| Affinity::of(b"prefix").and(black_box(&part)).and(black_box(&part)).hash());
    });
}

/// An attempt's way into its target and out of it, as each request makes it once at least. Goal: under 0.3 µs.
fn take(c: &mut Criterion) {
    let standings = Standings::default();
    let targets = NAMES.iter().map(|name| Arc::new(Target(standings.of("p", name), 1))).collect();
    let rule = Rule::new(RouteKind::Priority, Sticky::None, &[]);
    let route = Arc::new(Route { name: "fast".into(), targets, max_attempts: 4, rule });
    let mut group = c.benchmark_group("routes");
    let attempt = || {
        let mut plan = Plan::new(Arc::clone(&route));
        let (target, entry) = plan.take_next(black_box(NOW_US), |_| true).expect("one takes requests");
        entry.end(Ended::Well(Pace::default()), NOW_US);
        target.1
    };
    group.bench_function("attempt", |b| b.iter(attempt));
    for name in &NAMES[..7] {
        let out = ByHand { reason: "bench".into(), since_us: NOW_US, until_us: None };
        standings.set_by_hand("p", name, Some(out));
    }
    group.bench_function("attempt_past_seven_that_are_shut", |b| b.iter(attempt));
    group.finish();
}

criterion_group!(benches, order, prefix, take);
criterion_main!(benches);
