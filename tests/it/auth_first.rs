//! Authentication first: no byte of a body is read before the key is known.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup};
use crate::support::h1::H1;
use crate::support::sample;
use crate::support::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_wrong_key_is_refused_while_the_body_is_still_to_come() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    for framing in ["content-length: 20000000", "transfer-encoding: chunked"] {
        let mut client = H1::connect(gateway.address).await;
        client
            .raw(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\n{framing}\r\n\r\n"))
            .await;
        let answer = client.open().await.whole().await; // not a byte of the body was sent
        assert_eq!(answer.openai_error(401), "invalid_api_key", "{framing}");
    }
    gateway.shows("weighbridge_proxy_request_bytes_total", 0.0).await;
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn expect_100_continue_is_answered_after_authentication_only() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let call = Call::post(CHAT, sample::CHAT_ASK).field("expect", "100-continue");

    let mut stranger = H1::connect(gateway.address).await;
    stranger.send_head(&call).await;
    let first = stranger.any_head().await.expect("an answer");
    assert_eq!(first.status(), 401, "no 100 for a stranger");

    let mut client = H1::connect(gateway.address).await;
    client.send_head(&call.clone().key(KEY)).await;
    assert_eq!(client.any_head().await.expect("an answer").status(), 100);
    client.raw(&call.body).await;
    let (answer, mut client) = client.answer().await;
    assert_eq!((answer.status, answer.text()), (200, sample::CHAT));

    client.send(&Call::post(CHAT, sample::CHAT_ASK).key(KEY)).await;
    assert_eq!(client.answer().await.0.status, 200, "the connection is kept");
    assert!(upstream.requests().iter().all(|seen| seen.head.get("expect").is_none()), "it is hop by hop");
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_its_answer_and_no_100_before_it() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let ask = sample::CHAT_ASK;
    let mut client = H1::connect(gateway.address).await;
    let head = format!(
        "POST {CHAT} HTTP/1.0\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        ask.len()
    );
    client.raw(format!("{head}{ask}")).await;
    assert_eq!(client.any_head().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_connection_outlives_a_refusal_whose_small_body_was_sent() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let mut client = H1::connect(gateway.address).await;
    for wrong in
        [Call::post(CHAT, sample::CHAT_ASK), Call::post(CHAT, "{").key(KEY), Call::post("/nowhere", "{}").key(KEY)]
    {
        client.send(&wrong).await;
        let (answer, kept) = client.answer().await;
        assert!((400..405).contains(&answer.status), "{}", answer.text());
        client = kept;
    }
    client.send(&Call::post(CHAT, sample::CHAT_ASK).key(KEY)).await;
    assert_eq!(client.answer().await.0.status, 200);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let mut client = H1::connect(gateway.address).await;
    for round in 0..20 {
        let ask = if round % 2 == 0 { sample::CHAT_ASK } else { sample::CHAT_STREAM_ASK };
        client.send(&Call::post(CHAT, ask).key(KEY)).await;
        let (answer, kept) = client.answer().await;
        assert_eq!(answer.status, 200, "round {round}");
        client = kept;
    }
    assert_eq!(upstream.connections(), 1, "the upstream's connection is kept as well");
    gateway.settled(20).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_keepalive_timeout() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).server("keepalive_timeout", "1s").start().await;
    let mut client = H1::connect(gateway.address).await;
    client.send(&Call::post(CHAT, sample::CHAT_ASK).key(KEY)).await;
    let (_, mut client) = client.answer().await;
    client.closed().await;
}
