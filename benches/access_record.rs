//! What the access record of a request costs: to hand it over, which the request waits for, and to write it, on the log's thread.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use weighbridge::config;
use weighbridge::model::{Api, IdSource, NanoUsd, Usage, UsageOrigin};
use weighbridge::telemetry::{AccessAttempt, AccessLog, AccessLogMetrics, AccessRecord, AttemptDetail, Outcome};

const NOW_US: u64 = 1_795_000_000_000_000;
/// Fewer than the log's queue takes: none is lost.
const MANY: usize = 1_000;

/// One answered request, with one attempt.
fn record(ids: &IdSource, names: &[Arc<str>; 5]) -> Box<AccessRecord> {
    let [key, team, model, provider, target_model] = names.clone();
    Box::new(AccessRecord {
        key: Some(key),
        team: Some(team),
        user: Some("u-17".to_owned()),
        api: Some(Api::ChatCompletions),
        model: Some(model),
        provider: Some(Arc::clone(&provider)),
        target_model: Some(Arc::clone(&target_model)),
        status: 200,
        usage: Usage { input: 190, output: 140, ..Usage::default() },
        usage_origin: UsageOrigin::Reported,
        cost: Some(NanoUsd(112_500)),
        latency_us: 812_345,
        overhead_us: Some(61),
        attempts: vec![AccessAttempt {
            provider,
            target_model,
            status: Some(200),
            outcome: Outcome::Answered,
            time_us: 812_000,
            reason: None,
            action: None,
            pause_us: 0,
            detail: AttemptDetail::default(),
        }],
        bytes_in: 1_024,
        bytes_out: 980,
        ..AccessRecord::new(NOW_US, ids.next(NOW_US))
    })
}

fn write(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let metrics = AccessLogMetrics::register(&prometheus::Registry::new()).expect("a new registry");
    let start = || {
        let to = config::AccessLog::File(dir.path().join("access.jsonl"));
        AccessLog::start(&to, None, metrics.clone()).expect("a file and a thread")
    };
    let ids = IdSource::from_os().expect("randomness");
    let names = ["search-ci", "search", "fast", "openai", "gpt-4o-mini"].map(Arc::from);
    let mut group = criterion.benchmark_group("access_record");
    let log = start();
    group.bench_function("make_and_hand_over", |bencher| bencher.iter(|| log.write(black_box(record(&ids, &names)))));
    log.close(Duration::from_secs(30));
    group.throughput(Throughput::Elements(MANY as u64));
    // With the start of the thread, which is little beside them.
    group.bench_function("thousand_to_the_file", |bencher| {
        bencher.iter_batched(
            || (0..MANY).map(|_| record(&ids, &names)).collect::<Vec<_>>(),
            |records| {
                let log = start();
                records.into_iter().for_each(|record| log.write(record));
                assert!(log.close(Duration::from_secs(30)));
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, write);
criterion_main!(benches);
