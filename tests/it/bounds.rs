//! Memory is bounded: by the sum of what is buffered, by the number of open requests, and by not copying bodies.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup};
use crate::support::h1::H1;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use crate::support::{eventually, within};
use tokio::task::JoinSet;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn past_max_buffered_bytes_it_is_503_with_retry_after_and_then_served_again() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream])
        .server("max_body_bytes", 2_500_000)
        .server("max_buffered_bytes", 3_000_000)
        .server("max_withheld_bytes", 1_000_000);
    let gateway = setup.start().await;
    let call = Call::post(CHAT, sample::chat_of_length(2_000_000)).key(KEY);
    let mut holder = H1::connect(gateway.address).await;
    holder.send_head(&call).await;
    holder.raw(call.body.slice(..1_999_999)).await;
    eventually("the first body is held", || async {
        (gateway.metric("weighbridge_proxy_buffered_bytes").await >= 1_900_000.0).then_some(())
    })
    .await;
    for chunked in [None, Some(50_000)] {
        let mut second = call.clone();
        second.chunked = chunked;
        let answer = second.send(gateway.address).await;
        answer.openai_error(503);
        assert!(answer.field("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok()), "{answer:?}");
    }
    assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200, "what fits is served meanwhile");
    holder.raw(call.body.slice(1_999_999..)).await;
    assert_eq!(holder.answer().await.0.status, 200, "the holder is not harmed");
    assert_eq!(call.send(gateway.address).await.status, 200, "its share was given back");
    drop(H1::connect(gateway.address).await);
    eventually("all shares are given back", || async {
        (gateway.metric("weighbridge_proxy_buffered_bytes").await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_upload_gives_its_share_back() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream])
        .server("max_body_bytes", 2_500_000)
        .server("max_buffered_bytes", 3_000_000)
        .server("max_withheld_bytes", 1_000_000);
    let gateway = setup.start().await;
    let call = Call::post(CHAT, sample::chat_of_length(2_000_000)).key(KEY);
    for _ in 0..5 {
        let mut client = H1::connect(gateway.address).await;
        client.send_head(&call).await;
        client.raw(call.body.slice(..1_500_000)).await;
    }
    eventually("a whole body is taken again", || async {
        (call.send(gateway.address).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(upstream.count(), 1, "halves are not forwarded");
}

#[tokio::test]
async fn withheld_answers_count_as_buffered() {
    let upstream = Upstream::start().await;
    let huge = sample::CHAT.replace("Hello there", &"x".repeat(2_000_000));
    let gate = Gate::new();
    let length = huge.len().to_string();
    let head = Script::new().head(200, &[("content-type", "application/json"), ("content-length", &length)]);
    let (begin, rest) = huge.split_at(1_900_000);
    upstream.always(head.body(begin.to_owned()).wait(&gate).body(rest.to_owned()).end());
    let gateway = Setup::openai(&[&upstream])
        .server("max_body_bytes", 1_000_000)
        .server("max_buffered_bytes", 3_000_000)
        .server("max_withheld_bytes", 2_500_000);
    let gateway = gateway.start().await;
    let address = gateway.address;
    let ask = || async move { Call::post(CHAT, sample::CHAT_ASK).key(KEY).send(address).await };
    let first = tokio::spawn(ask());
    eventually("the first answer is held", || async {
        (gateway.metric("weighbridge_proxy_buffered_bytes").await >= 1_800_000.0).then_some(())
    })
    .await;
    let second = ask().await;
    assert_eq!(second.status, 503, "{}", second.text());
    gate.open();
    let first = first.await.expect("the client does not fail");
    assert!(first.status == 200 && first.text() == huge);
}

#[tokio::test]
async fn past_max_in_flight_it_is_503_and_slots_come_back() {
    let upstream = Upstream::start().await;
    let gate = Gate::new();
    upstream
        .next(Script::new().wait(&gate).head(200, &[("content-type", "application/json")]).body(sample::CHAT).end());
    upstream.next(Script::silence());
    let gateway = Setup::openai(&[&upstream]).server("max_in_flight", 2).start().await;
    let address = gateway.address;
    let first = tokio::spawn(async move { Call::post(CHAT, sample::CHAT_ASK).key(KEY).send(address).await });
    upstream.request(0).await;
    let mut leaver = H1::connect(address).await;
    leaver.send(&Call::post(CHAT, sample::CHAT_ASK).key(KEY)).await;
    upstream.request(1).await;
    let third = gateway.post(CHAT, sample::CHAT_ASK).await;
    third.openai_error(503);
    assert!(third.field("retry-after").is_some(), "{third:?}");
    gateway.assert_serves().await;
    gate.open();
    assert_eq!(first.await.expect("the client does not fail").status, 200);
    // Given back when the request is recorded, a moment after its client has its answer.
    eventually("the slot of the first", || async {
        (gateway.post(CHAT, sample::CHAT_ASK).await.status == 200).then_some(())
    })
    .await;
    drop(leaver);
    upstream.gone(1).await;
    // Its upstream call ends before its request is recorded, and the probe above holds its own slot a moment longer too.
    eventually("all slots are back", || async {
        (gateway.metric("weighbridge_proxy_in_flight_requests").await == 0.0).then_some(())
    })
    .await;
    let mut both = JoinSet::new();
    let gates = [Gate::new(), Gate::new()];
    for gate in &gates {
        upstream
            .next(Script::new().wait(gate).head(200, &[("content-type", "application/json")]).body(sample::CHAT).end());
        both.spawn(async move { Call::post(CHAT, sample::CHAT_ASK).key(KEY).send(address).await.status });
    }
    within("both are open at once", async { upstream.request(4).await }).await;
    gates.iter().for_each(Gate::open);
    assert_eq!(both.join_all().await, [200, 200], "the slot of the one that left");
}

#[tokio::test]
async fn a_body_of_20_mb_adds_one_copy_and_not_five() {
    const MB: u64 = 1_000_000;
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    gateway.post(CHAT, sample::chat_of_length(100_000)).await;
    let before = gateway.resident_bytes();
    let call = Call::post(CHAT, sample::chat_of_length(20_000_000)).key(KEY);
    assert_eq!(call.send(gateway.address).await.status, 200);
    let grown = gateway.peak_bytes().saturating_sub(before);
    assert!(grown < 45 * MB, "one body of 20 MB: {} MB more at the peak", grown / MB);
    for _ in 0..8 {
        assert_eq!(call.send(gateway.address).await.status, 200);
    }
    let grown = gateway.peak_bytes().saturating_sub(before);
    // Room for two at once: a body may outlive its answer for a moment. Eight that leak would be 160 MB.
    assert!(grown < 100 * MB, "eight more in turn: {} MB more at the peak", grown / MB);
}
