//! What OpenTelemetry costs a request beside its access record: on its way (`context`: its trace is read from the client's
//! headers) and on the log's thread (`convert`: two spans of usual size into bytes, metrics counted, handed to the queue).

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use weighbridge::config::{Conventions, Otlp, OtlpCompression, OtlpProtocol, Telemetry};
use weighbridge::model::{Api, NanoUsd, RequestId, Sampler, SystemClock, Trace, TraceParent, Usage, UsageOrigin};
use weighbridge::otel::Otel;
use weighbridge::telemetry::{AccessAttempt, AccessRecord, AttemptDetail, Outcome, Tap as _};

const PARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn record(trace: Trace) -> AccessRecord {
    let mut record = AccessRecord::new(1_700_000_000_000_000, RequestId(0x0123_4567_89ab_cdef));
    (record.key, record.team) = (Some("search-ci".into()), Some("search".into()));
    (record.api, record.model) = (Some(Api::ChatCompletions), Some("fast".into()));
    (record.provider, record.target_model) = (Some("openai".into()), Some("gpt-4o-mini".into()));
    (record.status, record.routed) = (200, Some("priority"));
    record.usage = Usage { input: 1_200, output: 300, ..Usage::ZERO };
    record.usage_origin = UsageOrigin::Reported;
    record.cost = Some(NanoUsd(360_000));
    (record.latency_us, record.overhead_us) = (850_000, Some(70));
    record.attempts = vec![AccessAttempt {
        provider: "openai".into(),
        target_model: "gpt-4o-mini".into(),
        status: Some(200),
        outcome: Outcome::Answered,
        time_us: 849_000,
        reason: None,
        action: None,
        pause_us: 0,
        detail: AttemptDetail {
            start_us: 60,
            first_token_us: None,
            error: None,
            usage: record.usage,
            cost: record.cost,
        },
    }];
    record.trace = Some(Arc::new(trace));
    record
}

fn bench(criterion: &mut Criterion) {
    let sampler = Arc::new(Sampler::default());
    let config = Telemetry {
        otlp: Otlp {
            // Nobody listens: what is made is dropped in the end.
            endpoint: "http://127.0.0.1:9".parse().expect("a URL"),
            protocol: OtlpProtocol::Http,
            compression: OtlpCompression::None,
            headers: Default::default(),
            ca_file: None,
            timeout: std::time::Duration::from_secs(1),
            delay: std::time::Duration::from_secs(1),
            queue: 16_384,
        },
        service_name: "bench".into(),
        resource: Default::default(),
        conventions: Conventions::default(),
        sample_millionths: 1_000_000,
        follow_parent: true,
        metrics_every: Some(std::time::Duration::from_secs(60)),
        registry: false,
        content: false,
    };
    let started = Otel::start(&config, &prometheus::Registry::new(), Arc::new(SystemClock), Arc::clone(&sampler));
    let (_otel, mut spans, _) = started.expect("the exporter starts");
    let begin = |id| Trace::begin(id, TraceParent::read([PARENT].into_iter(), std::iter::empty()), &sampler);
    let record = record(begin(RequestId(7)));
    criterion.bench_function("otel/context", |bencher| {
        bencher.iter(|| Arc::new(begin(black_box(RequestId(7)))));
    });
    criterion.bench_function("otel/convert", |bencher| bencher.iter(|| spans.record(black_box(&record))));
}

criterion_group!(benches, bench);
criterion_main!(benches);
