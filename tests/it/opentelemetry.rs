//! OpenTelemetry: every request has its span and every attempt its own, in the client's trace if it has one; nothing of
//! contents and secrets gets into them; and a collector that is slow, broken or gone costs nobody anything.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::ports;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::{Recorded, Upstream};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, metric};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;

const CHAT: &str = "/v1/chat/completions";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PLANTED: &str = "planted-collector-token-0123456789";
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A collector that takes everything.
async fn collector() -> Upstream {
    let collector = Upstream::start().await;
    collector.always(Script::answer(200, "application/x-protobuf", ""));
    collector
}

fn telemetry(collector: &Upstream, more: &str) -> String {
    let scheme = if collector.tls { "https" } else { "http" };
    let host = if collector.tls { "localhost" } else { "127.0.0.1" };
    let ca = if collector.tls { ", ca_file: ca.pem" } else { "" };
    let protocol = if collector.protocol == "http1" { "http" } else { "grpc" };
    let endpoint = format!("{scheme}://{host}:{}", collector.address.port());
    format!(
        "telemetry:\n  otlp: {{ endpoint: '{endpoint}', protocol: {protocol}, delay: 20ms{ca}, \
         headers: {{ x-token: {PLANTED} }} }}\n{more}"
    )
}

/// The message of a call, unpacked.
fn message(request: &Recorded) -> Vec<u8> {
    let (packed, name) = match request.path() == TRACES {
        true => (framed(request), "grpc-encoding"),
        false => (&request.body[..], "content-encoding"),
    };
    match request.head.get(name) {
        None => packed.to_vec(),
        Some(encoding) => {
            assert_eq!(encoding, "gzip");
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).expect("gzip");
            assert!(plain.len() > packed.len(), "it is worth it: {} of {}", packed.len(), plain.len());
            plain
        }
    }
}

/// The message of a call of gRPC.
fn framed(request: &Recorded) -> &[u8] {
    assert_eq!(request.head.get("content-type"), Some("application/grpc"));
    assert_eq!(request.head.get("te"), Some("trailers"));
    let length = u32::from_be_bytes(request.body[1..5].try_into().expect("four bytes"));
    let packed = u8::from(request.head.get("grpc-encoding").is_some());
    assert_eq!((request.body[0], length as usize), (packed, request.body.len() - 5));
    &request.body[5..]
}

fn plain(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(bool)) => bool.to_string(),
        other => panic!("{other:?}"),
    };
    let all: BTreeMap<_, _> = pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect();
    assert_eq!(all.len(), pairs.len(), "no attribute stands there twice: {all:?}");
    all
}

/// A span, with its attributes in words.
#[derive(Debug, Clone)]
struct Seen {
    span: Span,
    told: BTreeMap<String, String>,
}

impl Seen {
    fn get(&self, key: &str) -> &str {
        self.told.get(key).map_or("-", String::as_str)
    }

    fn trace(&self) -> String {
        hex::encode(&self.span.trace_id)
    }

    fn id(&self) -> String {
        hex::encode(&self.span.span_id)
    }

    fn parent(&self) -> String {
        hex::encode(&self.span.parent_span_id)
    }
}

/// All spans so far, servers before their attempts.
fn spans(collector: &Upstream) -> Vec<Seen> {
    let calls = collector.requests().into_iter().filter(|call| call.whole);
    let spans = calls.filter(|call| ["/v1/traces", TRACES].contains(&call.path())).flat_map(|call| {
        let read = ExportTraceServiceRequest::decode(&*message(&call)).expect("spans");
        assert_eq!(read.resource_spans.len(), 1);
        let of = &read.resource_spans[0];
        let resource = plain(&of.resource.as_ref().expect("a resource").attributes);
        assert!(resource.contains_key("service.instance.id") && resource.contains_key("service.version"));
        assert_eq!(of.scope_spans[0].scope.as_ref().expect("a scope").name, "weighbridge");
        of.scope_spans[0].spans.clone()
    });
    spans.map(|span| Seen { told: plain(&span.attributes), span }).collect()
}

async fn seen(collector: &Upstream, count: usize) -> Vec<Seen> {
    eventually("the collector has the spans", || async {
        let spans = spans(collector);
        (spans.len() >= count).then_some(spans)
    })
    .await
}

/// Points of a histogram, by what they are told with.
fn points(collector: &Upstream, name: &str) -> Vec<(BTreeMap<String, String>, HistogramDataPoint)> {
    let last = collector.requests().into_iter().rfind(|call| call.whole && call.path() == "/v1/metrics");
    let Some(last) = last else { return Vec::new() };
    let read = ExportMetricsServiceRequest::decode(&*last.body).expect("metrics");
    let all = read.resource_metrics[0].scope_metrics[0].metrics.clone();
    let found = all.into_iter().find(|metric| metric.name == name).and_then(|metric| metric.data);
    let Some(metric::Data::Histogram(found)) = found else { return Vec::new() };
    assert_eq!(found.aggregation_temporality, 2, "cumulative");
    found.data_points.into_iter().map(|point| (plain(&point.attributes), point)).collect()
}

async fn ask(gateway: &Gateway, parent: Option<&str>) -> u16 {
    let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY);
    let call = match parent {
        Some(parent) => call.field("traceparent", parent).field("tracestate", "vendor=a,other@b=c"),
        None => call,
    };
    call.send(gateway.address).await.status
}

#[tokio::test]
async fn a_request_is_one_span_and_each_attempt_one_below_it_in_the_clients_trace() {
    let (broken, healthy, collector) = (Upstream::start().await, Upstream::start().await, collector().await);
    broken.always(Script::error(503));
    let more = "  service_name: gate-1\n  resource: { deployment.environment.name: test }\n";
    let setup = Setup::openai(&[&broken, &healthy]).top(&telemetry(&collector, more));
    let gateway = setup.start().await;
    assert_eq!(ask(&gateway, Some(PARENT)).await, 200);
    let spans = seen(&collector, 3).await;
    let [server, first, second] = &spans[..] else { panic!("{spans:#?}") };
    assert!(spans.iter().all(|span| span.trace() == TRACE && span.span.trace_state == "vendor=a,other@b=c"));
    assert_eq!((server.parent(), server.span.kind), ("00f067aa0ba902b7".to_owned(), 2));
    assert_eq!((first.parent(), second.parent(), first.span.kind), (server.id(), server.id(), 3));
    assert_eq!((server.span.flags, first.span.flags), (0x301, 0x101));
    assert_eq!(server.span.name, "POST /v1/chat/completions");
    assert_eq!((&*first.span.name, &*second.span.name), ("chat model-a", "chat model-b"));
    let server_says = [
        ("http.route", CHAT),
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "fast"),
        ("gen_ai.response.model", "model-b"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.usage.input_tokens", "11"),
        ("gen_ai.usage.output_tokens", "7"),
        ("weighbridge.team", "search"),
        ("weighbridge.key", "search-ci"),
        ("weighbridge.provider", "b"),
        ("weighbridge.usage.origin", "reported"),
        ("weighbridge.cost.nano_usd", "78000"),
        ("weighbridge.attempts", "2"),
        ("error.type", "-"),
    ];
    server_says.into_iter().for_each(|(key, want)| assert_eq!(server.get(key), want, "{key}"));
    let first_says = [
        ("gen_ai.request.model", "model-a"),
        ("http.response.status_code", "503"),
        ("weighbridge.attempt.number", "1"),
        ("weighbridge.attempt.outcome", "provider_error"),
        ("weighbridge.attempt.action", "next"),
        ("gen_ai.usage.input_tokens", "-"),
        ("server.address", "127.0.0.1"),
    ];
    first_says.into_iter().for_each(|(key, want)| assert_eq!(first.get(key), want, "{key}"));
    assert_eq!(first.get("server.port"), broken.address.port().to_string());
    assert_eq!(first.span.status.as_ref().expect("a status").code, 2);
    assert_ne!(first.get("error.type"), "-");
    let second_says = [
        ("weighbridge.attempt.outcome", "answered"),
        ("http.response.status_code", "200"),
        ("gen_ai.usage.output_tokens", "7"),
        ("weighbridge.cost.nano_usd", "78000"),
        ("error.type", "-"),
    ];
    second_says.into_iter().for_each(|(key, want)| assert_eq!(second.get(key), want, "{key}"));
    assert!(second.span.status.is_none());
    let times = [server, first, second].map(|seen| (seen.span.start_time_unix_nano, seen.span.end_time_unix_nano));
    assert!(times[0].0 <= times[1].0 && times[1].1 <= times[2].0 && times[2].1 <= times[0].1 + 1_000, "{times:?}");
    let call = collector.request(0).await;
    assert_eq!((call.path(), call.head.get("x-token")), ("/v1/traces", Some(PLANTED)));
    let resource = ExportTraceServiceRequest::decode(&*call.body).expect("spans").resource_spans.remove(0);
    let resource = plain(&resource.resource.expect("a resource").attributes);
    assert_eq!((&*resource["service.name"], &*resource["deployment.environment.name"]), ("gate-1", "test"));
}

#[tokio::test]
async fn a_trace_begins_here_where_the_client_says_none_that_is_right_and_providers_are_told_only_where_asked_for() {
    let (told, untold, collector) = (Upstream::start().await, Upstream::start().await, collector().await);
    let setup = Setup::new()
        .provider("a", "openai", &format!("http://{}", told.address), "trace_context: true")
        .provider("b", "openai", &format!("http://{}", untold.address), "")
        .model_of("fast", &["a"], "")
        .model_of("other", &["b"], "")
        .top(&telemetry(&collector, ""));
    let gateway = setup.start().await;
    for parent in [None, Some("00-garbage"), Some(&*PARENT.to_uppercase()), Some(PARENT)] {
        assert_eq!(ask(&gateway, parent).await, 200);
    }
    let other = sample::CHAT_ASK.replace("fast", "other");
    let call = Call::post(CHAT, other).key(KEY).field("traceparent", PARENT).field("baggage", "a=1");
    assert_eq!(call.send(gateway.address).await.status, 200);
    let spans = seen(&collector, 10).await;
    let servers: Vec<&Seen> = spans.iter().filter(|seen| seen.span.kind == 2).collect();
    for (server, begins) in servers.iter().zip([true, true, true, false, false]) {
        assert_eq!(server.parent().is_empty(), begins);
        assert_eq!(server.trace() == server.get("weighbridge.id"), begins, "the request's id is its trace's");
    }
    let states = servers.iter().map(|server| &*server.span.trace_state).collect::<Vec<_>>();
    assert_eq!(states, ["", "", "", "vendor=a,other@b=c", ""]);
    for (number, attempt) in spans.iter().filter(|seen| seen.span.kind == 3).take(4).enumerate() {
        let request = told.request(number).await;
        let want = format!("00-{}-{}-01", attempt.trace(), attempt.id());
        assert_eq!(request.head.get("traceparent"), Some(&*want), "{number}");
        let state = (number == 3).then_some("vendor=a,other@b=c");
        assert_eq!(request.head.get("tracestate"), state, "{number}");
    }
    let request = untold.only();
    assert_eq!(["traceparent", "tracestate", "baggage"].map(|name| request.head.get(name)), [None; 3]);
}

#[tokio::test]
async fn what_a_client_does_not_sample_has_no_span_and_is_counted_all_the_same() {
    let (upstream, collector) = (Upstream::start().await, collector().await);
    let more = "  sample: 0%\n  metrics_every: 1s\n";
    let gateway = Setup::openai(&[&upstream]).with_admin().top(&telemetry(&collector, more)).start().await;
    let unsampled = PARENT.replace("-01", "-00");
    for parent in [None, Some(&*unsampled), Some(PARENT), None] {
        assert_eq!(ask(&gateway, parent).await, 200);
    }
    let stream = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
    assert_eq!(stream.status, 200);
    let counted = eventually("all five are counted", || async {
        let points = points(&collector, "gen_ai.client.operation.duration");
        (points.iter().map(|(_, point)| point.count).sum::<u64>() == 5).then_some(points)
    })
    .await;
    assert_eq!(spans(&collector).len(), 2, "only the one that its client samples");
    let (told, _) = &counted[0];
    let want = [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "model-a"),
        ("weighbridge.provider", "a"),
    ];
    want.into_iter().for_each(|(key, want)| assert_eq!(told[key], want, "{key}"));
    let tokens = points(&collector, "gen_ai.client.token.usage");
    let sums: BTreeMap<_, _> =
        tokens.iter().map(|(told, point)| (&*told["gen_ai.token.type"], (point.count, point.sum))).collect();
    assert_eq!(sums["input"], (5, Some(5.0 * sample::INPUT as f64)));
    assert_eq!(sums["output"], (5, Some(5.0 * sample::OUTPUT as f64)));
    for (_, point) in &tokens {
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
        assert_eq!(point.bucket_counts[2], 5, "from 4 to 16");
    }
    for name in ["gen_ai.server.time_to_first_token", "gen_ai.client.operation.time_to_first_chunk"] {
        let first = points(&collector, name);
        assert_eq!(first.iter().map(|(_, point)| point.count).sum::<u64>(), 1, "{name}: only streams have one");
    }
    let served = points(&collector, "gen_ai.server.request.duration");
    assert_eq!((served[0].1.count, &*served[0].0["gen_ai.request.model"]), (5, "fast"));
    // A reload changes who is sampled, and the headers of calls.
    gateway.edit(|text| text.replace("sample: 0%", "sample: 100%").replace(PLANTED, "another-token-for-it"));
    let told = gateway.admin("POST", "/reload", Value::Null).await;
    assert_eq!((told.status, told.json()["needs_restart"].as_array().map(Vec::len)), (200, Some(0)));
    assert!(!told.text().contains("another-token-for-it") && !told.text().contains(PLANTED), "{}", told.text());
    assert_eq!(ask(&gateway, None).await, 200);
    seen(&collector, 4).await;
    let last = collector.requests().into_iter().rfind(|call| call.path() == "/v1/traces").expect("a call");
    assert_eq!(last.head.get("x-token"), Some("another-token-for-it"));
    gateway.edit(|text| text.replace("delay: 20ms", "delay: 21ms"));
    let told = gateway.admin("POST", "/reload", Value::Null).await.json();
    assert_eq!(told["needs_restart"][0], "telemetry.otlp.delay");
}

#[tokio::test]
async fn grpc_is_spoken_in_clear_and_over_tls_and_the_older_names_are_kept() {
    for collector in [Upstream::start_h2().await, Upstream::start_tls_h2().await] {
        let refused = Script::new().head(200, &[("content-type", "application/grpc"), ("grpc-status", "14")]).end();
        let taken = Script::new()
            .head(200, &[("content-type", "application/grpc")])
            .body(&b"\0\0\0\0\0"[..])
            .step(crate::support::script::Step::Trailers(vec![("grpc-status".into(), "0".into())]));
        collector.next(refused).always(taken);
        let upstream = Upstream::start().await;
        let more = "  semantic_conventions: \"1.36\"\n  metrics_every: off\n";
        let gateway = Setup::openai(&[&upstream]).top(&telemetry(&collector, more)).start().await;
        assert_eq!(ask(&gateway, None).await, 200);
        // The first call was told to come again.
        let spans = seen(&collector, 4).await;
        assert_eq!(
            spans[..2].iter().map(Seen::id).collect::<Vec<_>>(),
            spans[2..].iter().map(Seen::id).collect::<Vec<_>>()
        );
        assert_eq!((spans[1].get("gen_ai.system"), spans[1].get("gen_ai.provider.name")), ("openai", "-"));
        assert_eq!(collector.request(0).await.head.get("x-token"), Some(PLANTED));
        eventually("it is counted once", || async {
            (gateway.metric("weighbridge_otel_sent_total{signal=\"traces\"}").await == 2.0).then_some(())
        })
        .await;
        assert_eq!(collector.connections(), 1, "the connection is kept");
    }
}

#[tokio::test]
async fn calls_are_compressed_where_the_file_says_so() {
    for collector in [collector().await, Upstream::start_h2().await] {
        if collector.protocol != "http1" {
            let head = Script::new().head(200, &[("content-type", "application/grpc")]).body(&b"\0\0\0\0\0"[..]);
            let ok = crate::support::script::Step::Trailers(vec![("grpc-status".into(), "0".into())]);
            collector.always(head.step(ok));
        }
        let upstream = Upstream::start().await;
        let packed =
            telemetry(&collector, "  metrics_every: off\n").replace("delay: 20ms", "delay: 20ms, compression: gzip");
        let gateway = Setup::openai(&[&upstream]).top(&packed).start().await;
        assert_eq!(ask(&gateway, None).await, 200);
        let spans = seen(&collector, 2).await;
        assert_eq!(spans[1].get("gen_ai.provider.name"), "openai");
        let call = collector.request(0).await;
        assert!(
            call.head.get("content-encoding").or(call.head.get("grpc-encoding")) == Some("gzip"),
            "{:?}",
            call.head
        );
        eventually("it is taken", || async {
            (gateway.metric("weighbridge_otel_sent_total{signal=\"traces\"}").await == 2.0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn no_content_and_no_secret_gets_to_a_collector_and_verdicts_do() {
    const MAIL: &str = "ann.lee@example.com";
    let (upstream, collector) = (Upstream::start().await, collector().await);
    let top = telemetry(&collector, "  registry: true\n  metrics_every: 1s\n")
        + "guardrails: { no-pii: { kind: pii, entities: [email], on: [input], action: redact } }\n";
    let setup = Setup::openai(&[&upstream]).search("guardrails: [no-pii]").top(&top);
    let gateway = setup.start().await;
    let body = sample::CHAT_ASK.replace("hi", &format!("write to {MAIL}, planted-prompt"));
    assert_eq!(Call::post(CHAT, body).key(KEY).send(gateway.address).await.status, 200);
    let wrong = Call::post(CHAT, sample::CHAT_ASK).key("sk-planted-wrong-key-0123456789abcdef");
    assert_eq!(wrong.send(gateway.address).await.status, 401);
    assert_eq!(gateway.get("/healthz").await.status, 200);
    let spans = seen(&collector, 3).await;
    let event = &spans[0].span.events[0];
    let told = plain(&event.attributes);
    assert_eq!(event.name, "weighbridge.guardrail");
    let want = [("name", "no-pii"), ("hook", "input"), ("action", "redact"), ("entity", "email"), ("count", "1")];
    want.into_iter().for_each(|(key, want)| assert_eq!(told[&format!("weighbridge.guardrail.{key}")], want));
    let refused = spans.iter().find(|seen| seen.get("http.response.status_code") == "401").expect("a span");
    assert_eq!((refused.get("weighbridge.code"), refused.get("error.type")), ("invalid_api_key", "-"));
    assert!(refused.span.status.is_none(), "a client's mistake");
    eventually("metrics came, with all of the registry", || async {
        let calls = collector.requests();
        let has = |name: &str| calls.iter().any(|call| String::from_utf8_lossy(&call.body).contains(name));
        (has("weighbridge_otel_sent_total") && has("weighbridge_proxy_requests_total")).then_some(())
    })
    .await;
    assert_eq!(gateway.stop().await.code(), Some(0));
    assert_eq!(crate::opentelemetry::spans(&collector).len(), 3, "a probe of health has none");
    let secrets = [KEY, "planted-wrong", MAIL, "planted-prompt", "Hello there", PLANTED, "key-of-a"];
    for call in collector.requests() {
        let sent = String::from_utf8_lossy(&call.body).into_owned();
        for secret in secrets {
            assert!(!sent.contains(secret), "{secret} in {}", call.path());
        }
    }
}

#[tokio::test]
async fn a_collector_that_is_gone_or_hangs_holds_nobody_up_and_losses_are_counted() {
    let upstream = Upstream::start().await;
    let gone = ports::free();
    let hanging = Upstream::start().await;
    hanging.always(Script::silence());
    for address in [gone, hanging.address] {
        let top =
            format!("telemetry:\n  otlp: {{ endpoint: 'http://{address}', delay: 10ms, timeout: 60s, queue: 512 }}\n");
        let gateway = Setup::openai(&[&upstream]).top(&top).start().await;
        // Two spans each: more than the queue and what is on its way.
        for _ in 0..300 {
            assert_eq!(ask(&gateway, None).await, 200);
        }
        eventually("what does not fit is counted", || async {
            let lost = gateway.metric("weighbridge_otel_dropped_total{reason=\"queue_full\",signal=\"traces\"}").await;
            (lost > 0.0).then_some(())
        })
        .await;
        // Within the time that tests wait for anything.
        assert_eq!(gateway.stop().await.code(), Some(0));
        assert_eq!(gateway.access_records().len(), 300, "the log has all");
    }
}

#[tokio::test]
async fn what_the_collector_says_is_heard_and_the_rest_is_sent_when_the_gateway_stops() {
    let (upstream, collector) = (Upstream::start().await, collector().await);
    let busy = Script::answer(503, "text/plain", "busy").field("retry-after", "0");
    collector.next(busy.clone()).next(busy).next(Script::error(400));
    let text = telemetry(&collector, "  metrics_every: off\n");
    let gateway = Setup::openai(&[&upstream]).top(&text).start().await;
    assert_eq!(ask(&gateway, None).await, 200);
    // Twice it is busy, then it refuses for good: the batch is not sent a fourth time.
    eventually("the batch is given up", || async {
        let lost = gateway.metric("weighbridge_otel_dropped_total{reason=\"rejected\",signal=\"traces\"}").await;
        (lost == 2.0).then_some(())
    })
    .await;
    assert_eq!((collector.count(), spans(&collector).len()), (3, 6));
    // A partial success: one of the two was refused, and nothing is sent again.
    collector.next(Script::answer(200, "application/x-protobuf", &b"\x0a\x02\x08\x01"[..]));
    assert_eq!(ask(&gateway, None).await, 200);
    eventually("one is refused", || async {
        let lost = gateway.metric("weighbridge_otel_dropped_total{reason=\"rejected\",signal=\"traces\"}").await;
        let sent = gateway.metric("weighbridge_otel_sent_total{signal=\"traces\"}").await;
        (lost == 3.0 && sent == 1.0).then_some(())
    })
    .await;
    drop(gateway);
    let text = telemetry(&collector, "").replace("delay: 20ms", "delay: 60s");
    let gate = Gate::new();
    upstream
        .next(Script::new().wait(&gate).head(200, &[("content-type", "application/json")]).body(sample::CHAT).end());
    let gateway = Setup::openai(&[&upstream]).top(&text).start().await;
    let before = spans(&collector).len();
    let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY);
    let (answer, status) = tokio::join!(call.send(gateway.address), async {
        upstream.begun(2).await;
        gateway.terminate();
        gate.open();
        gateway.exited().await
    });
    assert_eq!((answer.status, status.code()), (200, Some(0)));
    assert_eq!(spans(&collector).len() - before, 2, "the last request's spans are there");
    assert!(!points(&collector, "gen_ai.client.operation.duration").is_empty(), "and the last metrics");
}

/// Events with contents: what was said by whom, in the span that is named.
fn conversations(collector: &Upstream) -> Vec<(String, Vec<String>)> {
    let calls = collector.requests().into_iter().filter(|call| call.whole && call.path() == "/v1/logs");
    let logs = calls.flat_map(|call| {
        let read = ExportLogsServiceRequest::decode(&*call.body).expect("events");
        read.resource_logs[0].scope_logs[0].log_records.clone()
    });
    logs.map(|log| {
        assert_eq!(log.event_name, "gen_ai.client.inference.operation.details");
        let told = log.attributes.iter().filter(|pair| pair.key.ends_with(".messages"));
        (hex::encode(&log.span_id), told.map(|pair| format!("{:?}", pair.value)).collect())
    })
    .collect()
}

#[tokio::test]
async fn contents_are_sent_only_where_they_are_asked_for_and_only_as_they_are_kept() {
    const MAIL: &str = "ann.lee@example.com";
    const OPEN: &str = "wb-test-key-of-team-open-0123456789abc";
    let (upstream, collector) = (Upstream::start().await, collector().await);
    let top = telemetry(&collector, "  content: true\n") + "records: { content: none }\n";
    let setup = Setup::openai(&[&upstream]).team("open", "records: { content: full }").key("open", "open", OPEN, "");
    let gateway = setup.search("records: { content: redacted }").top(&top).start().await;
    let ask = |key: &str, body: String| {
        let (call, address) = (Call::post(CHAT, body).key(key), gateway.address);
        async move { call.send(address).await.status }
    };
    let body = |text: &str| sample::CHAT_ASK.replace("hi", text);
    assert_eq!(ask(KEY, body(&format!("mail {MAIL} please"))).await, 200);
    let told = |count: usize| {
        let collector = &collector;
        eventually("the events came", move || async move {
            let told = conversations(collector);
            (told.len() == count).then_some(told)
        })
    };
    let (span, texts) = told(1).await.remove(0);
    assert_eq!(seen(&collector, 2).await[0].id(), span, "in the request's span");
    assert!(
        texts[0].contains("\"user\"") && texts[0].contains("mail [EMAIL] please") && !texts[0].contains(MAIL),
        "{texts:?}"
    );
    assert!(texts[1].contains("\"assistant\"") && texts[1].contains("Hello there"), "{texts:?}");
    let stream = sample::CHAT_STREAM_ASK.replace("hi", &format!("mail {MAIL} please"));
    assert_eq!(ask(OPEN, stream).await, 200);
    let (_, texts) = told(2).await.remove(1);
    assert!(texts[0].contains(&format!("mail {MAIL} please")) && texts[1].contains("\"text\""), "{texts:?}");
    assert_eq!(gateway.stop().await.code(), Some(0));
}
