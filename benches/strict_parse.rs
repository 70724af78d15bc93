//! What a request costs between the socket and the upstream: the strict parse and the edits; and what each event
//! of an answer costs.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use weighbridge::config::{Protocol, Provider, Section};
use weighbridge::dialect::{self, strict};
use weighbridge::model::{Api, Draft};
use weighbridge::providers::{self, Build, PROVIDERS};
use weighbridge::sse::{SseEvent, SseScanner};

/// A chat of about 1 KiB: a system prompt, three messages, a handful of options.
fn chat() -> Vec<u8> {
    let text = "Answer in one sentence, and say so when you don't know. ".repeat(4);
    let body = serde_json::json!({
        "model": "fast",
        "messages": [
            {"role": "system", "content": text},
            {"role": "user", "content": "What is \"the capital\" of France?\nAnd of Spain?"},
            {"role": "assistant", "content": text},
            {"role": "user", "content": text},
        ],
        "temperature": 0.7, "max_tokens": 256, "stream": true, "user": "u-1234567890", "stop": ["\n\n", "END"],
        "metadata": {"trace": "0123456789abcdef", "app": "search"},
    });
    body.to_string().into_bytes()
}

/// One question about a picture: 1 MiB of base64 in a data URL.
fn image() -> Vec<u8> {
    let url = format!("data:image/png;base64,{}", "iVBORw0KGgoAAAAN".repeat(1 << 16));
    let content = serde_json::json!([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]);
    serde_json::json!({"model": "fast", "messages": [{"role": "user", "content": content}]}).to_string().into_bytes()
}

/// A prompt of 100 KiB with an escape every 80 bytes, as code in JSON has it.
fn code() -> Vec<u8> {
    let text = "    let value = map.get(\"key\").copied().unwrap_or_default(); // a line of code\n".repeat(1_300);
    serde_json::json!({"model": "fast", "messages": [{"role": "user", "content": text}]}).to_string().into_bytes()
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("strict_parse");
    for (name, body) in [("chat_1k", chat()), ("image_1m", image()), ("code_100k", code())] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{name}_check"), |bencher| {
            bencher.iter(|| strict::check(black_box(&body)).expect("it is strict").text_bytes);
        });
        group.bench_function(format!("{name}_utf8_only"), |bencher| {
            bencher.iter(|| std::str::from_utf8(black_box(&body)).expect("it is UTF-8").len());
        });
        group.bench_function(format!("{name}_ask"), |bencher| {
            let draft = || Draft::copy_of(&body);
            let read = |draft| dialect::parse(Api::ChatCompletions, draft).expect("it is a request");
            bencher.iter_batched(draft, read, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn provider(kind: &str) -> Box<dyn providers::Provider> {
    let build: Build = PROVIDERS.iter().find(|row| row.0 == kind).expect("a kind").1;
    build(&Provider {
        name: kind.into(),
        kind: kind.to_owned(),
        settings: Section::from_yaml("providers.p", "{ api_key: k }").expect("YAML"),
        catalogue: None,
        protocol: Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    })
    .expect("the settings are right")
}

/// The model's name replaced and usage asked for, in place: what each attempt costs.
fn splice(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("splice");
    let openai = provider("openai");
    for (name, body) in [("chat_1k", chat()), ("image_1m", image())] {
        let mut ask = dialect::parse(Api::ChatCompletions, Draft::copy_of(&body)).expect("it is a request");
        let model = Bytes::from_static(b"\"gpt-4o-mini\"");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let edits = openai.edits(&ask, &model, None);
                ask.body.apply(&edits).len()
            });
        });
    }
    group.finish();
}

fn event(data: &str) -> SseEvent {
    let mut out = Vec::new();
    let chunk = Bytes::from(format!("event: x\ndata: {data}\n\n"));
    SseScanner::new(1 << 20).push(&chunk, &mut out).expect("short");
    out.remove(0)
}

/// One event of each API in mid-answer, as its reader sees it.
fn read_event(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read_event");
    let cases = [
        (
            "chat",
            Api::ChatCompletions,
            r#"{"id":"chatcmpl-B9MBs8CjcvOlj2tiUjpVEhMQgCDCn","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_06737a9306","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aB3"}"#,
        ),
        (
            "responses",
            Api::Responses,
            r#"{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654","output_index":0,"content_index":0,"delta":" word","logprobs":[],"obfuscation":"aB3"}"#,
        ),
        (
            "messages",
            Api::Messages,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}"#,
        ),
    ];
    for (name, api, data) in cases {
        let kind = if api == Api::Messages { "anthropic" } else { "openai" };
        let (provider, event) = (provider(kind), event(data));
        let mut reader = provider.stream_reader(api, true);
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| reader.event(black_box(&event))));
    }
    group.finish();
}

criterion_group!(benches, parse, splice, read_event);
criterion_main!(benches);
