//! What translation costs beside passing through: a streamed chunk, and a short request.

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use weighbridge::config::{Protocol, Provider as Section, Section as Settings};
use weighbridge::dialect::{About, decode, encoder, parse};
use weighbridge::model::{Api, Draft};
use weighbridge::providers::codec::{Goal, Meter};
use weighbridge::providers::{PROVIDERS, Provider};
use weighbridge::sse::{SseEvent, SseScanner};

const EVENTS: usize = 1_000;

fn provider(kind: &str) -> Box<dyn Provider> {
    let (_, build) = PROVIDERS.iter().find(|(name, _)| *name == kind).expect("a kind");
    let settings = Settings::from_yaml("providers.p", "{ api_key: sk-0123456789 }").expect("YAML");
    let section = Section {
        name: "p".into(),
        kind: kind.to_owned(),
        settings,
        catalogue: None,
        protocol: Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: Arc::default(),
    };
    build(&section).expect("the settings are right")
}

/// Deltas of a word each, as the provider of `kind` sends them.
fn deltas(kind: &str) -> Vec<SseEvent> {
    let event = match kind {
        "anthropic" => {
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" weighed\"}}\n\n"
        }
        "gemini" => {
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" weighed\"}],\"role\":\"model\"},\"index\":0}],\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"x\"}\r\n\r\n"
        }
        _ => {
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" weighed\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n"
        }
    };
    let (mut scanner, mut events) = (SseScanner::new(1 << 20), Vec::new());
    scanner.push(&Bytes::from(event.repeat(EVENTS)), &mut events).expect("short events");
    events
}

fn about() -> About {
    About {
        id: "01a21bfc62126c75a8b5dbb6b1928f69".into(),
        model: "fast".into(),
        created_s: 1_700_000_000,
        include_usage: false,
        request: Bytes::from_static(b"{\"model\":\"fast\",\"input\":\"hi\"}"),
    }
}

/// A thousand words of an answer: read and passed on, and read and written in each dialect.
fn streamed_chunks(c: &mut Criterion) {
    let mut group = c.benchmark_group("streamed_chunk");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (kind, api) in [("openai", Api::ChatCompletions), ("anthropic", Api::Messages), ("gemini", Api::Generate)] {
        let (provider, events) = (provider(kind), deltas(kind));
        group.bench_function(format!("{kind}_passed"), |b| {
            b.iter(|| {
                let mut reader = provider.stream_reader(api, true);
                events.iter().for_each(|event| drop(black_box(reader.event(event))));
            });
        });
        for to in [Api::ChatCompletions, Api::Responses, Api::Messages] {
            let codec = provider.codec().expect("it translates");
            group.bench_function(format!("{kind}_to_{to}"), |b| {
                b.iter(|| {
                    let (mut decoder, mut meter, mut out) = (codec.decoder(), Meter::default(), BytesMut::new());
                    let mut encoder = encoder(to, true, about()).expect("a conversation");
                    for event in &events {
                        out.clear();
                        decoder.event(event, &mut |event| {
                            meter.take(&event);
                            encoder.event(&event, &mut out);
                        });
                        black_box(&out);
                    }
                });
            });
        }
    }
    group.finish();
}

/// A question of one sentence: parsed and edited, and parsed, decoded and written for another API.
fn short_requests(c: &mut Criterion) {
    let body = r#"{"model":"fast","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What does a weighbridge weigh?"}],"temperature":0.5,"max_tokens":200}"#;
    let mut group = c.benchmark_group("short_request");
    let openai = provider("openai");
    let model = Bytes::from_static(b"\"gpt-4o-mini\"");
    group.bench_function("passed", |b| {
        b.iter(|| {
            let mut ask = parse(Api::ChatCompletions, Draft::copy_of(body.as_bytes())).expect("it is right");
            let edits = openai.edits(&ask, &model, None);
            black_box(ask.body.apply(&edits))
        });
    });
    for kind in ["anthropic", "gemini"] {
        let provider = provider(kind);
        let codec = provider.codec().expect("it translates");
        group.bench_function(format!("to_{kind}"), |b| {
            b.iter(|| {
                let ask = parse(Api::ChatCompletions, Draft::copy_of(body.as_bytes())).expect("it is right");
                let chat = decode(&ask).expect("it is right").expect("a conversation");
                black_box(
                    codec.encode(&chat, &Goal { model: "claude-haiku-4-5", cap: None, most_output: Some(64_000) }),
                )
            });
        });
    }
    group.finish();
}

/// A picture of 20 MB on its way to another API.
fn large_picture(c: &mut Criterion) {
    let body = format!(
        r#"{{"model":"fast","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{}"}}}}]}}]}}"#,
        "A".repeat(20 << 20)
    );
    let mut group = c.benchmark_group("picture_of_20_mb");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(body.len() as u64));
    let ask = parse(Api::ChatCompletions, Draft::copy_of(body.as_bytes())).expect("it is right");
    for kind in ["anthropic", "gemini"] {
        let provider = provider(kind);
        let codec = provider.codec().expect("it translates");
        group.bench_function(format!("to_{kind}"), |b| {
            b.iter(|| {
                let chat = decode(&ask).expect("it is right").expect("a conversation");
                black_box(
                    codec.encode(&chat, &Goal { model: "claude-haiku-4-5", cap: None, most_output: Some(64_000) }),
                )
            });
        });
    }
    group.finish();
}

criterion_group!(benches, streamed_chunks, short_requests, large_picture);
criterion_main!(benches);
