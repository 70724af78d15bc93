//! What a request pays for its price: the cost of one answer, and what a configuration pays to look its targets up.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use weighbridge::catalogue::Catalogue;
use weighbridge::model::{ServiceTier, Usage};

/// One settled attempt: cached and fresh input, text and reasoning. Goal: under 50 ns.
fn cost(c: &mut Criterion) {
    let usage = Usage { input: 812, cache_read: 2_048, output: 240, reasoning: 96, ..Usage::default() };
    let mut group = c.benchmark_group("price_cost");
    for (name, provider, model) in [("one_size", "openai", "gpt-4o-mini"), ("two_sizes", "gemini", "gemini-2.5-pro")] {
        let price = Catalogue::builtin().find(provider, model).expect("listed");
        group.bench_function(name, |b| b.iter(|| black_box(&price).cost(black_box(&usage), ServiceTier::Standard)));
    }
    group.finish();
}

/// One target of a configuration that is being loaded; never part of a request.
fn find(c: &mut Criterion) {
    let builtin = Catalogue::builtin();
    c.bench_function("price_find", |b| b.iter(|| builtin.find(black_box("openai"), black_box("gpt-4o-mini"))));
}

criterion_group!(benches, cost, find);
criterion_main!(benches);
