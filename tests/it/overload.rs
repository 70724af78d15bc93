//! More is asked than can be served: who waits is served in turn, who cannot be served is told at once, and what is held for
//! those who do not read is bounded.

use crate::support::call::{Answer, Call};
use crate::support::config::{KEY, Setup};
use crate::support::gateway::Gateway;
use crate::support::h1::H1;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use crate::support::{eventually, within};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CHAT: &str = "/v1/chat/completions";
const LOUD: &str = "wb-test-key-of-team-loud-0123456789abc";
const QUIET: &str = "wb-test-key-of-team-quiet-0123456789ab";
const HIGH: &str = "wb-test-key-of-high-priority-0123456789";
const LOW: &str = "wb-test-key-of-low-priority-01234567890";

const FULL: &str = r#"weighbridge_proxy_overload_refusals_total{priority="normal",reason="full"}"#;

/// One place, and a queue; teams `loud` and `quiet`, and keys of other priorities.
fn setup(upstream: &Upstream, length: u32, wait: &str) -> Setup {
    Setup::openai(&[upstream])
        .server("max_in_flight", 1)
        .server("queue", format!("{{ length: {length}, wait: {wait} }}"))
        .team("loud", "")
        .team("quiet", "")
        .team("batch", "priority: low")
        .key("loud-ci", "loud", LOUD, "")
        .key("quiet-ci", "quiet", QUIET, "")
        .key("batch-ci", "batch", LOW, "")
        .key("urgent", "batch", HIGH, "priority: high")
}

/// Answers when the gate is open.
fn gated(gate: &Gate) -> Script {
    Script::new().wait(gate).head(200, &[("content-type", "application/json")]).body(sample::CHAT).end()
}

fn ask(key: &str) -> Call {
    Call::post(CHAT, sample::CHAT_ASK).key(key)
}

async fn send(address: SocketAddr, key: &'static str) -> (&'static str, Answer, Instant) {
    (key, ask(key).send(address).await, Instant::now())
}

async fn waiting(gateway: &Gateway) -> f64 {
    let mut sum = 0.0;
    for priority in ["low", "normal", "high"] {
        sum += gateway.metric(&format!("weighbridge_proxy_queued_requests{{priority=\"{priority}\"}}")).await;
    }
    sum
}

/// Until so many wait.
async fn until_waiting(gateway: &Gateway, count: f64) {
    eventually("requests wait", || async { (waiting(gateway).await == count).then_some(()) }).await;
}

async fn nothing_is_left(gateway: &Gateway) {
    eventually("places and buffers are given back", || async {
        let held = gateway.metric("weighbridge_proxy_in_flight_requests").await
            + gateway.metric("weighbridge_proxy_buffered_bytes").await
            + waiting(gateway).await;
        (held == 0.0).then_some(())
    })
    .await;
}

/// Holds the only place until the gate is opened.
async fn hold(upstream: &Upstream, gateway: &Gateway, gate: &Gate) -> JoinSet<(&'static str, Answer, Instant)> {
    upstream.next(gated(gate));
    let mut tasks = JoinSet::new();
    tasks.spawn(send(gateway.address, KEY));
    upstream.request(0).await;
    tasks
}

#[tokio::test]
async fn places_go_to_teams_in_turn_and_to_higher_priorities_first() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, 100, "20s").start().await;
    let gate = Gate::new();
    let mut tasks = hold(&upstream, &gateway, &gate).await;
    let order = [LOUD, LOUD, LOUD, LOUD, LOUD, LOUD, LOW, QUIET, HIGH];
    for (count, key) in (1u8..).zip(order) {
        tasks.spawn(send(gateway.address, key));
        until_waiting(&gateway, f64::from(count)).await;
    }
    gate.open();
    let mut done = tasks.join_all().await;
    assert!(done.iter().all(|(_, answer, _)| answer.status == 200), "{done:?}");
    done.sort_by_key(|(_, _, at)| *at);
    // One is served at a time, so that they are answered in the order in which they got the place.
    let served: Vec<_> = done.iter().map(|(key, _, _)| *key).collect();
    let place = |key| served.iter().position(|one| *one == key).expect("it was served");
    assert_eq!(served[0], KEY);
    assert_eq!(place(HIGH), 1, "the highest class before all others: {served:?}");
    assert!(place(QUIET) <= place(LOUD) + 1, "one of `loud` at most before it: {served:?}");
    assert!(place(LOW) < 9, "`low` is served: {served:?}");
    let record = eventually("it is recorded", || async {
        gateway.access_records().into_iter().find(|record| record["key"] == "quiet-ci")
    })
    .await;
    let (queued, overhead) = (record["queued_us"].as_u64().expect("it waited"), record["overhead_us"].as_u64());
    assert!(queued > 0 && overhead.expect("it was sent") < record["latency_us"].as_u64().expect("always") - queued);
    nothing_is_left(&gateway).await;
}

#[tokio::test]
async fn with_a_full_queue_refusals_come_at_once_and_another_team_still_gets_in() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, 4, "20s").start().await;
    let gate = Gate::new();
    let mut tasks = hold(&upstream, &gateway, &gate).await;
    for count in 1u8..=4 {
        tasks.spawn(send(gateway.address, LOUD));
        until_waiting(&gateway, f64::from(count)).await;
    }
    let mut fastest = Duration::MAX;
    for path in [CHAT, "/v1/files"] {
        for _ in 0..20 {
            let begun = Instant::now();
            let call = if path == CHAT { ask(LOUD) } else { Call::get(path).key(LOUD) };
            let answer = call.send(gateway.address).await;
            fastest = fastest.min(begun.elapsed());
            answer.openai_error(503);
            assert!(answer.text().contains("\"overloaded\""), "{}", answer.text());
            let wait = answer.field("retry-after").and_then(|wait| wait.parse::<u64>().ok()).expect("it is told");
            assert!((1..=45).contains(&wait), "{wait}");
        }
    }
    assert!(fastest < Duration::from_millis(20), "{fastest:?}");
    gateway.shows(FULL, 40.0).await;
    // The newest of the team that has the most makes room.
    tasks.spawn(send(gateway.address, QUIET));
    let (key, displaced, _) = tasks.join_next().await.expect("one").expect("no panic");
    assert_eq!((key, displaced.status), (LOUD, 503), "{}", displaced.text());
    gate.open();
    let rest = tasks.join_all().await;
    assert!(rest.len() == 5 && rest.iter().all(|(_, answer, _)| answer.status == 200), "{rest:?}");
    assert_eq!(upstream.count(), 5, "what was refused was not sent");
    nothing_is_left(&gateway).await;
}

#[tokio::test]
async fn when_the_wait_is_over_it_is_503_and_who_leaves_gives_up_its_turn() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, 10, "600ms").start().await;
    let gate = Gate::new();
    let tasks = hold(&upstream, &gateway, &gate).await;
    let begun = Instant::now();
    let answer = ask(LOUD).send(gateway.address).await;
    answer.openai_error(503);
    assert!(answer.field("retry-after").is_some() && begun.elapsed() >= Duration::from_millis(600), "{answer:?}");
    // One that leaves with its whole body sent, one in mid-body, one over HTTP/2.
    let mut whole = H1::connect(gateway.address).await;
    whole.send(&ask(QUIET)).await;
    until_waiting(&gateway, 1.0).await;
    drop(whole);
    until_waiting(&gateway, 0.0).await;
    let mut half = H1::connect(gateway.address).await;
    half.send_head(&ask(QUIET)).await;
    until_waiting(&gateway, 1.0).await;
    drop(half);
    until_waiting(&gateway, 0.0).await;
    assert!(begun.elapsed() < Duration::from_secs(15));
    let left = r#"weighbridge_proxy_overload_refusals_total{priority="normal",reason="left"}"#;
    eventually("both are counted", || async { (gateway.metric(left).await >= 1.0).then_some(()) }).await;
    gate.open();
    assert_eq!(tasks.join_all().await[0].1.status, 200);
    assert_eq!(upstream.count(), 1, "nothing of those who left or were refused was sent");
    nothing_is_left(&gateway).await;
}

#[tokio::test]
async fn the_drain_serves_those_who_wait() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, 10, "20s").server("drain_timeout", "20s").start().await;
    let gate = Gate::new();
    let mut tasks = hold(&upstream, &gateway, &gate).await;
    for count in 1u8..=3 {
        tasks.spawn(send(gateway.address, LOUD));
        until_waiting(&gateway, f64::from(count)).await;
    }
    gateway.terminate();
    eventually("it drains", || async { (gateway.admin_status("/readyz").await == Some(503)).then_some(()) }).await;
    gate.open();
    let done = tasks.join_all().await;
    assert!(done.len() == 4 && done.iter().all(|(_, answer, _)| answer.status == 200), "{done:?}");
    assert!(within("it ends", gateway.exited()).await.success());
}
