//! What a request pays for its place: one that is free, and the refusal of one more where many wait.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use weighbridge::config::{Config, Priority};
use weighbridge::limits::FairQueue;
use weighbridge::proxy::Admission;
use weighbridge::telemetry::Metrics;

/// Goal: under 50 ns for a place that is taken and given back.
fn place(c: &mut Criterion) {
    let text = "providers: { p: { kind: openai, api_key: k } }\n\
                models: { m: { targets: [{ provider: p, model: m }] } }\n\
                teams: { t: {} }\n";
    let config = Config::from_text(text, None).expect("the configuration is right");
    let places = Admission::new(&config.server, Metrics::new().expect("metrics").proxy.overload);
    c.bench_function("admission/free_place", |b| b.iter(|| drop(black_box(places.take().expect("room")))));
}

/// Goal: under 20 µs with a full queue of a thousand teams, which is looked through.
fn queue(c: &mut Criterion) {
    let teams: Vec<Arc<str>> = (0..1000).map(|team| format!("team-{team}").into()).collect();
    let mut queue = FairQueue::default();
    for team in &teams {
        queue.push(Priority::Normal, team, 0, ());
    }
    let mut group = c.benchmark_group("queue");
    group.bench_function("turn", |b| {
        b.iter(|| {
            queue.pop(None).expect("a thousand wait");
            black_box(queue.push(Priority::Normal, &teams[0], 0, ()))
        })
    });
    group.bench_function("no_room", |b| b.iter(|| black_box(queue.displace(Priority::Low, &teams[0], None))));
    group.bench_function("no_room_of_a_thousand_teams", |b| {
        b.iter(|| black_box(queue.displace(Priority::Normal, &teams[1], Some(0))))
    });
    // The first of the thousand came long ago: it is found without a look at the others.
    group.bench_function("late_turn", |b| {
        b.iter(|| {
            queue.pop(Some(1)).expect("a thousand wait");
            black_box(queue.push(Priority::Normal, &teams[0], 0, ()))
        })
    });
    group.finish();
}

criterion_group!(benches, place, queue);
criterion_main!(benches);
