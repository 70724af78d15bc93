//! What the ledger costs an attempt: its beginning before the first byte leaves, and its end.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use weighbridge::config::{Durability, State};
use weighbridge::ledger::{Ledger, LedgerMetrics, OpenPrice, Opening, Settlement};
use weighbridge::model::{AttemptId, Clock, IdSource, NanoUsd, ServiceTier, SystemClock, Usage, UsageOrigin};

/// What the proxy has at hand for every attempt: interned names, an id, a label.
struct Names {
    ids: IdSource,
    texts: [Arc<str>; 7],
}

impl Names {
    fn new() -> Self {
        let texts = ["req_0123456789abcdef", "search-ci", "search", "fast", "openai", "gpt-4o-mini", "2026-11-01"];
        Self { ids: IdSource::from_os().expect("the system has randomness"), texts: texts.map(Arc::from) }
    }

    fn opening(&self) -> Opening {
        let opened_us = SystemClock.now_us();
        let [label, key, team, model, provider, target_model, version] = self.texts.clone();
        Opening {
            id: AttemptId { request: self.ids.next(opened_us), attempt: 1 },
            request_label: label,
            opened_us,
            key,
            team,
            user: None,
            model,
            api: "chat_completions",
            stream: false,
            provider,
            target_model,
            price: Some(OpenPrice {
                version,
                input_nano_per_million: 150_000_000,
                output_nano_per_million: 600_000_000,
            }),
            estimated_input_tokens: 812,
            charges: Vec::new(),
        }
    }

    fn settlement(&self) -> Settlement {
        Settlement {
            status: 200,
            usage: Usage { input: 300, cache_read: 512, output: 96, ..Usage::default() },
            origin: UsageOrigin::Reported,
            cost: Some(NanoUsd(141_000)),
            price_version: Some(Arc::clone(&self.texts[6])),
            tier: ServiceTier::Standard,
            latency_us: 812_345,
            first_token_us: None,
            overhead_us: Some(61),
            error: None,
            saved: NanoUsd::ZERO,
        }
    }
}

fn open(dir: &std::path::Path) -> Arc<Ledger> {
    let state = State {
        dir: dir.to_owned(),
        durability: Durability::Process,
        retention: Duration::from_secs(400 * 86_400),
        max_bytes: NonZeroU64::new(10 << 30).expect("not zero"),
        segment_bytes: NonZeroU64::new(64 << 20).expect("not zero"),
    };
    let metrics = LedgerMetrics::register(&prometheus::Registry::new()).expect("the registry is new");
    Ledger::open(&state, Arc::new(SystemClock), metrics).expect("the directory is new")
}

/// One attempt of a short request, begun and settled, with the journal and folder threads at their work.
fn begin_and_settle(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = open(dir.path());
    let names = Names::new();
    let mut group = c.benchmark_group("journal_append");
    group.bench_function("begin_and_settle", |b| {
        b.iter_batched(
            || (names.opening(), names.settlement()),
            |(opening, settlement)| {
                let attempt = ledger.begin(black_box(opening)).expect("the disk has room");
                attempt.settle(settlement);
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("raw_two_writes", |b| {
        use std::io::Write;
        let path = dir.path().join("raw");
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("a file");
        b.iter(|| {
            file.write_all(black_box(&[7; 150])).expect("the disk has room");
            file.write_all(black_box(&[7; 70])).expect("the disk has room");
        });
    });
    group.finish();
    ledger.close();
}

criterion_group!(benches, begin_and_settle);
criterion_main!(benches);
