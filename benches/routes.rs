//! What it costs to put eight targets in order, by each kind of route.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use weighbridge::config::{RouteKind, Share, Sticky};
use weighbridge::routing::{Affinity, Order, Pace, Place, Rule, Standing, Standings, Stands, Wish};

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

criterion_group!(benches, order, prefix);
criterion_main!(benches);
