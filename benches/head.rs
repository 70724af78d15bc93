//! What the judge of request heads costs, in front of Pingora's own parser.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use weighbridge::proxy::edge::head::{HeadLimits, HeadReader};

const LIMITS: HeadLimits = HeadLimits { bytes: 64 << 10, fields: 100 };

/// As an SDK sends it.
fn usual() -> Vec<u8> {
    let fields = [
        "host: gateway.example.com",
        "accept: application/json",
        "accept-encoding: gzip, deflate",
        "connection: keep-alive",
        "user-agent: OpenAI/Python 1.109.1",
        "x-stainless-lang: python",
        "x-stainless-package-version: 1.109.1",
        "x-stainless-os: Linux",
        "x-stainless-arch: x64",
        "x-stainless-runtime: CPython",
        "x-stainless-runtime-version: 3.11.7",
        "x-stainless-async: false",
        "x-stainless-retry-count: 0",
        "authorization: Bearer wb-0123456789abcdef0123456789abcdef0123456789ab",
        "content-type: application/json",
        "content-length: 1024",
    ];
    format!("POST /v1/chat/completions HTTP/1.1\r\n{}\r\n\r\n", fields.join("\r\n")).into_bytes()
}

/// Goal: under 2 µs for a usual head in one piece.
fn read(criterion: &mut Criterion) {
    let head = usual();
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Bytes(head.len() as u64));
    group.bench_function("usual", |bencher| {
        bencher
            .iter(|| HeadReader::default().read(black_box(&head), LIMITS).expect("it is right").expect("it is whole"));
    });
    group.bench_function("usual_in_pieces_of_100", |bencher| {
        bencher.iter(|| {
            let mut reader = HeadReader::default();
            let mut ends = (100..head.len()).step_by(100).chain([head.len()]);
            ends.find_map(|end| reader.read(black_box(&head[..end]), LIMITS).expect("it is right"))
                .expect("it is whole")
        });
    });
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
