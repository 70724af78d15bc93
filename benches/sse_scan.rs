//! What one streamed answer costs between the socket and the meter.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use weighbridge::sse::SseScanner;

/// 1,000 events of 120 bytes, one long answer, in chunks as they come off the wire.
fn scan_answer(criterion: &mut Criterion) {
    let stream = Bytes::from(format!("data: {}\n\n", "x".repeat(112)).repeat(1_000));
    let mut group = criterion.benchmark_group("sse_scan");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    for size in [1, 120, 1_400, 16_384] {
        let chunks: Vec<Bytes> =
            (0..stream.len()).step_by(size).map(|at| stream.slice(at..stream.len().min(at + size))).collect();
        let mut events = Vec::new();
        group.bench_function(format!("chunks_of_{size}"), |bencher| {
            bencher.iter(|| {
                let mut scanner = SseScanner::new(1 << 20);
                for chunk in &chunks {
                    scanner.push(black_box(chunk), &mut events).expect("events are short");
                    events.clear();
                }
            });
        });
    }
}

criterion_group!(benches, scan_answer);
criterion_main!(benches);
