//! What guardrails pay to find texts: once per event of a stream, once per request.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use weighbridge::{
    dialect::view::{Events, request},
    model::Api,
};

/// One delta of a usual chat, of a message and of a response, as they come off the wire.
fn look_at_a_delta(criterion: &mut Criterion) {
    let chat = br#"{"id":"chatcmpl-B9MBs8CjcvOlj2tiUjpVEhMQgCDCn","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_06737a9306","choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"obfuscation":"aB3"}"#;
    let messages = br#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#;
    let responses = br#"{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654","output_index":0,"content_index":0,"delta":"Hello"}"#;
    let generate = br#"{"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"totalTokenCount":109},"modelVersion":"gemini-3-flash-preview","responseId":"Qx1"}"#;
    let mut group = criterion.benchmark_group("view_event");
    for (api, data) in [
        (Api::ChatCompletions, &chat[..]),
        (Api::Messages, &messages[..]),
        (Api::Responses, &responses[..]),
        (Api::Generate, &generate[..]),
    ] {
        let mut events = Events::new(api);
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function(api.name(), |bencher| bencher.iter(|| events.event(None, black_box(data))));
    }
}

/// A conversation of 100 turns of 300 bytes with ten tools.
fn look_at_a_request(criterion: &mut Criterion) {
    let turn = format!(r#"{{"role":"user","content":[{{"type":"text","text":"{}"}}]}}"#, "word ".repeat(60));
    let tool = r#"{"type":"function","function":{"name":"f","description":"Does it.","parameters":{"type":"object","properties":{"a":{"type":"string","description":"what"}}}}}"#;
    let (turns, tools) = (vec![turn; 100].join(","), [tool; 10].join(","));
    let body = format!(r#"{{"model":"m","messages":[{turns}],"tools":[{tools}]}}"#);
    let mut group = criterion.benchmark_group("view_request");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("conversation", |bencher| {
        bencher.iter(|| request(Api::ChatCompletions, None, black_box(body.as_bytes())));
    });
}

criterion_group!(benches, look_at_a_delta, look_at_a_request);
criterion_main!(benches);
