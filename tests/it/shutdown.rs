//! SIGTERM: running streams end, nothing new is taken, and an idle gateway goes at once.

use crate::support::config::Setup;
use crate::support::eventually;
use crate::support::gateway::status_of;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use std::time::Duration;
use tokio::time::Instant;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_running_stream_is_finished_before_the_process_ends() {
    let upstream = Upstream::start().await;
    let gate = Gate::new();
    let script = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).wait(&gate);
    upstream.next(
        script
            .body(sample::chat_delta("lo"))
            .body(sample::CHAT_FINISH)
            .body(sample::CHAT_USAGE)
            .body(sample::CHAT_DONE)
            .end(),
    );
    let gateway = Setup::openai(&[&upstream]).start().await;
    let mut answer = gateway.open(CHAT, sample::CHAT_USAGE_ASK).await;
    answer.event().await.expect("the stream has begun");
    gateway.terminate();
    eventually("readiness goes", || async { (gateway.admin_status("/readyz").await != Some(200)).then_some(()) }).await;
    eventually("no new connection is taken", || async {
        (status_of(gateway.address, "/readyz").await != Some(200)).then_some(())
    })
    .await;
    assert!(gateway.runs(), "it waits for the stream");
    gate.open();
    let rest = answer.whole().await;
    assert!(rest.unbroken().ends_with(sample::CHAT_DONE), "{}", rest.text());
    assert!(gateway.exited().await.success());
    assert_eq!(gateway.only_row().await.tokens(), (sample::INPUT, sample::OUTPUT), "settled before the end");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn an_idle_gateway_ends_at_once() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    gateway.post(CHAT, sample::CHAT_ASK).await;
    let began = Instant::now();
    assert!(gateway.stop().await.success());
    assert!(began.elapsed() < Duration::from_secs(8), "not the whole grace period: {:?}", began.elapsed());
    assert_eq!(gateway.settled(1).await.len(), 1);
}

#[tokio::test]
async fn what_outlives_the_drain_timeout_is_cut_and_settled() {
    let upstream = Upstream::start().await;
    upstream.next(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hello there")).stall());
    let gateway = Setup::openai(&[&upstream]).server("drain_timeout", "1s").start().await;
    let mut answer = gateway.open(CHAT, sample::CHAT_STREAM_ASK).await;
    answer.event().await.expect("the stream has begun");
    gateway.stop().await;
    let rest = answer.whole().await;
    assert!(!rest.text().contains("[DONE]"), "not a clean end: {}", rest.text());
    let row = gateway.only_row().await;
    assert!(row.number("output_tokens") > 0, "what was received is counted, though the task was dropped: {}", row.0);
    gateway.assert_verified().await;
}
