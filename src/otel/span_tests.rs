use super::*;
use crate::config::Conventions;
use crate::model::{NanoUsd, RequestId, Sampler, UsageOrigin};
use crate::telemetry::AttemptDetail;
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use prost::Message as _;
use std::sync::Arc;

fn record() -> AccessRecord {
    let mut record = AccessRecord::new(1_700_000_000_000_000, RequestId(0xabc));
    record.api = Some(Api::Generate);
    record.stream = true;
    record.model = Some("fast".into());
    record.status = 200;
    record.latency_us = 900;
    record.usage_origin = UsageOrigin::Counted;
    record.usage = Usage { input: 5, cache_read: 3, output: 4, reasoning: 2, ..Usage::ZERO };
    record.attempts = vec![AccessAttempt {
        provider: "p".into(),
        target_model: "m".into(),
        status: Some(200),
        outcome: Outcome::Answered,
        time_us: 700,
        reason: None,
        action: None,
        pause_us: 0,
        detail: AttemptDetail {
            start_us: 100,
            first_token_us: Some(500_000),
            error: None,
            usage: record.usage,
            cost: Some(NanoUsd(12)),
        },
    }];
    record
}

fn told(record: &AccessRecord, conventions: Conventions) -> Vec<opentelemetry_proto::tonic::trace::v1::Span> {
    let sampler = Sampler::default();
    sampler.set(1_000_000, true);
    let mut out = Proto::default();
    let trace = Trace::begin(record.id, None, &sampler);
    let count = write(&mut out, record, &trace, &Names::of(conventions), &Places::new());
    let spans = ScopeSpans::decode(out.0.as_slice()).expect("spans").spans;
    assert_eq!(spans.len(), count);
    spans
}

fn has(span: &opentelemetry_proto::tonic::trace::v1::Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|pair| pair.key == key)?;
    Some(format!("{:?}", found.value.clone()?.value?))
}

#[test]
fn names_are_those_of_the_version_and_times_are_those_of_the_record() {
    let record = record();
    let new = told(&record, Conventions::V1_41);
    assert_eq!(new[0].name, "POST /v1beta/models/{model}:streamGenerateContent");
    assert_eq!(new[1].name, "generate_content m");
    assert_eq!(
        has(&new[1], "gen_ai.provider.name").as_deref(),
        Some("StringValue(\"p\")"),
        "its own name, if no other"
    );
    assert_eq!(has(&new[1], "gen_ai.usage.input_tokens").as_deref(), Some("IntValue(8)"));
    assert_eq!(has(&new[1], "gen_ai.usage.cache_read.input_tokens").as_deref(), Some("IntValue(3)"));
    assert_eq!(has(&new[1], "gen_ai.usage.output_tokens").as_deref(), Some("IntValue(6)"));
    assert_eq!(has(&new[1], "gen_ai.response.time_to_first_chunk").as_deref(), Some("DoubleValue(0.5)"));
    assert_eq!(has(&new[1], "weighbridge.cost.nano_usd").as_deref(), Some("IntValue(12)"));
    assert_eq!(new[1].start_time_unix_nano, 1_700_000_000_000_100_000);
    assert_eq!(new[1].end_time_unix_nano, 1_700_000_000_000_800_000);
    assert_eq!(new[1].parent_span_id, new[0].span_id);
    let old = told(&record, Conventions::V1_36);
    let modern = ["gen_ai.provider.name", "gen_ai.usage.cache_read.input_tokens", "gen_ai.request.stream"];
    assert!(modern.iter().all(|key| has(&new[1], key).is_some() && has(&old[1], key).is_none()));
    assert!(has(&old[1], "gen_ai.system").is_some());
}

#[test]
fn a_servers_errors_are_errors_and_a_clients_are_not() {
    let cases = [
        (200, None, None),
        (404, Some("model_not_found"), None),
        (429, Some("rate_limited"), None),
        (499, Some("client_gone"), None),
        (200, Some("client_gone"), None),
        (200, Some("idle_timeout"), Some("idle_timeout")),
        (502, Some("upstream_failed"), Some("upstream_failed")),
        (500, None, Some("error")),
    ];
    for (status, code, want) in cases {
        let mut record = record();
        (record.status, record.code) = (status, code);
        let spans = told(&record, Conventions::V1_41);
        let want = want.map(|error| format!("StringValue({error:?})"));
        assert_eq!(has(&spans[0], "error.type"), want, "{status} {code:?}");
        assert_eq!(spans[0].status.is_some(), want.is_some());
    }
}

#[test]
fn what_is_long_or_odd_is_cut_and_harms_nothing() {
    let mut record = record();
    record.user = Some("ü".repeat(1_000));
    record.guardrails = Some("pii;input;redact;a;b=c=2, garbage, ;;;, words;output;audit:block;word=1".to_owned());
    record.attempts[0].outcome = Outcome::Broken;
    record.attempts[0].reason = Some("x".repeat(100_000));
    record.attempts[0].detail.cost = Some(NanoUsd(-1));
    record.attempts[0].target_model = Arc::default();
    let spans = told(&record, Conventions::V1_41);
    assert!(has(&spans[0], "weighbridge.user").expect("some").len() < 300);
    assert_eq!(spans[0].events.len(), 3);
    assert_eq!(spans[1].status.as_ref().expect("a status").message.len(), 256);
    assert_eq!((&*spans[1].name, has(&spans[1], "gen_ai.request.model")), ("generate_content", None));
    record.api = None;
    assert_eq!(told(&record, Conventions::V1_41)[0].name, "HTTP");
    assert!(!is_wanted(&AccessRecord::new(1, RequestId(1))));
}
