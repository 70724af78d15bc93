//! A sick target is left alone: requests shut it and open it again, or probes do where there are none; and nobody is
//! refused because all are shut.

use crate::support::config::{Setup, VIEWER_TOKEN, secret};
use crate::support::gateway::{Gateway, run};
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use crate::support::{eventually, ports, sample};
use futures::future::join_all;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;

const PATH: &str = "/v1/chat/completions";
const A_STATE: &str = r#"weighbridge_routing_target_state{provider="a",target="model-a"}"#;

/// Providers `a` and `b` behind `fast`, with these lines about health.
fn setup(upstreams: &[&Upstream], health: &str) -> Setup {
    Setup::openai(upstreams).with_admin().top(&format!("health: {{ {health} }}"))
}

/// `count` requests one after the other, all of which are answered.
async fn served(gateway: &Gateway, count: usize) {
    for _ in 0..count {
        let answer = gateway.post(PATH, sample::CHAT_ASK).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// How the target at `provider` stands, as a viewer sees it.
async fn target(gateway: &Gateway, provider: &str) -> Value {
    let answer = gateway.admin_as(VIEWER_TOKEN, "GET", "/targets", Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let targets = answer.json()["targets"].as_array().expect("a list").clone();
    targets.into_iter().find(|target| target["provider"] == provider).expect("it is shown")
}

/// Waits until the target at `provider` is in `state`.
async fn state(gateway: &Gateway, provider: &str, state: &str) -> Value {
    eventually(state, || async {
        let target = target(gateway, provider).await;
        (target["state"] == state).then_some(target)
    })
    .await
}

#[tokio::test]
async fn five_failures_shut_a_target_which_is_told_once_and_costs_no_client_an_error() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    first.always(Script::error(503));
    let gateway = setup(&[&first, &second], "").start().await;
    gateway.shows(A_STATE, 1.0).await;
    served(&gateway, 20).await;
    assert_eq!((first.count(), second.count()), (5, 20));
    let seen = target(&gateway, "a").await;
    assert_eq!((&seen["state"], &seen["reason"]), (&"shut".into(), &"failures".into()), "{seen}");
    let pause = seen["until_us"].as_u64().expect("a time") - seen["since_us"].as_u64().expect("a time");
    assert!((3_750_000..=5_000_000).contains(&pause), "{pause}");
    assert_eq!(target(&gateway, "b").await["state"], "open");
    gateway.shows(A_STATE, 0.0).await;
    let ejections = r#"weighbridge_routing_ejections_total{provider="a",reason="failures",target="model-a"}"#;
    gateway.shows(ejections, 1.0).await;
    assert_eq!(gateway.log().matches("a target is shut").count(), 1, "{}", gateway.log());
    assert_eq!(gateway.admin_status("/readyz").await, Some(200), "providers are no reason to go elsewhere");
}

#[tokio::test]
async fn a_half_open_target_gets_one_of_fifty_requests_and_all_of_them_once_that_is_answered() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    first.always(Script::error(500));
    let gateway = setup(&[&first, &second], "pause: 300ms").start().await;
    served(&gateway, 5).await;
    let gate = Gate::new();
    first.always(Script::new().wait(&gate).head(200, &[("content-type", "application/json")]).body(sample::CHAT).end());
    state(&gateway, "a", "half_open").await;
    let fifty = join_all((0..50).map(|_| served(&gateway, 1)));
    let others = async {
        first.begun(5).await;
        eventually("the others are answered", || async { (second.count() == 5 + 49).then_some(()) }).await;
        assert_eq!(first.count(), 6, "one at a time");
        gate.open();
    };
    tokio::join!(fifty, others);
    assert_eq!(state(&gateway, "a", "open").await["reason"], Value::Null);
    first.always(Script::json(200, sample::CHAT));
    served(&gateway, 10).await;
    assert_eq!((first.count(), second.count()), (16, 54));
    assert_eq!(gateway.log().matches("a target is open again").count(), 1);
}

#[tokio::test]
async fn a_target_is_left_alone_for_exactly_as_long_as_it_asks() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    first.next(Script::error(429).field("retry-after", "2"));
    first.always(Script::json(200, sample::CHAT));
    let gateway = setup(&[&first, &second], "").start().await;
    served(&gateway, 1).await;
    let seen = target(&gateway, "a").await;
    assert_eq!(seen["reason"], "rate_limited");
    assert_eq!(seen["until_us"].as_u64().expect("a time") - seen["since_us"].as_u64().expect("a time"), 2_000_000);
    served(&gateway, 5).await;
    state(&gateway, "a", "half_open").await;
    assert_eq!(first.count(), 1);
    served(&gateway, 1).await;
    assert_eq!(first.count(), 2);
    assert_eq!(target(&gateway, "a").await["state"], "open");
}

#[tokio::test]
async fn when_all_targets_are_shut_they_are_tried_nevertheless() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    first.always(Script::error(503));
    second.always(Script::error(503));
    let gateway = setup(&[&first, &second], "").start().await;
    for _ in 0..20 {
        let answer = gateway.post(PATH, sample::CHAT_ASK).await;
        assert_eq!(answer.openai_error(502), "upstream_failed");
    }
    // Each request has four attempts, and asks both first.
    assert_eq!(first.count() + second.count(), 80);
    assert!(first.count() >= 20 && second.count() >= 20, "{} {}", first.count(), second.count());
    second.always(Script::json(200, sample::CHAT));
    served(&gateway, 5).await;
    assert_eq!(target(&gateway, "b").await["state"], "open", "opened by the first that was answered");
}

#[tokio::test]
async fn a_probe_of_the_connection_shuts_and_opens_a_target_without_a_request() {
    let second = Upstream::start().await;
    let address = ports::free();
    let setup = setup(&[&second, &second], "probe: tcp, every: 1s").dead_first(address);
    let gateway = setup.start().await;
    assert_eq!(state(&gateway, "a", "shut").await["reason"], "probe");
    served(&gateway, 1).await;
    assert_eq!(gateway.settled(1).await.len(), 1, "the dead one was not tried");
    let _listener = TcpListener::bind(address).await.expect("the port is free");
    state(&gateway, "a", "open").await;
    assert!(gateway.metric(r#"weighbridge_routing_probes_total{provider="a",result="failed"}"#).await >= 2.0);
    assert!(gateway.metric(r#"weighbridge_routing_probes_total{provider="a",result="well"}"#).await >= 1.0);
}

#[tokio::test]
async fn a_list_of_models_is_asked_for_with_the_providers_credentials() {
    let upstream = Upstream::start().await;
    let sick = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&sick);
    upstream.by(move |request| {
        assert_eq!((request.head.word(0), request.path()), ("GET", "/v1/models"));
        let authorized = request.head.get("authorization") == Some(&format!("Bearer {}", secret("a")));
        match seen.load(Ordering::SeqCst) {
            true => Script::error(500),
            false if authorized => Script::json(200, r#"{"object":"list","data":[]}"#),
            false => Script::error(401),
        }
    });
    let gateway = setup(&[&upstream], "probe: models, every: 1s").start().await;
    assert_eq!(state(&gateway, "a", "shut").await["reason"], "probe");
    sick.store(false, Ordering::SeqCst);
    state(&gateway, "a", "open").await;
    assert!(!gateway.log().contains(&secret("a")));
}

#[tokio::test]
async fn check_refuses_a_probe_that_a_provider_has_nothing_to_answer_with() {
    let dir = tempfile::tempdir().expect("a directory");
    let cases = [
        ("openai", "probe: tls", "providers.a.health", "probe: tcp"),
        ("cohere", "probe: models", "providers.a.health", "has no list of models"),
        ("openai", "probe: generate", "health.probe", "say how much it may"),
        ("openai", "probe: generate, probe_budget: { usd: 0, per: day }", "probe_budget.usd", "more than 0"),
        (
            "openai",
            "probe_budget: { usd: 1, per: day }",
            "health.probe_budget",
            "only the probe `generate` costs money",
        ),
        ("openai", "probe: modles", "health.probe", "did you mean `models`?"),
        ("openai", "every: 10ms", "health.every", "must be at least 1s"),
        ("openai", "pause: 1m", "health.pause", "longer than `most_pause`"),
        ("openai", "ratio: 200%", "health.ratio", "is never reached"),
    ];
    for (kind, health, path, why) in cases {
        let setup = Setup::new().provider("a", kind, "http://127.0.0.1:9", "").model("fast", 1, "");
        let setup = setup.top(&format!("health: {{ {health} }}"));
        let file = dir.path().join("weighbridge.yaml");
        std::fs::write(&file, setup.text(ports::free(), None, ports::free(), dir.path())).expect("written");
        let told = run(&["check", "-c", file.to_str().expect("a text")]).await.failed();
        assert!(told.contains(path) && told.contains(why), "{health}: {told}");
    }
}
