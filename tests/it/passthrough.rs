//! Same dialect on both sides: what the client sent goes up byte for byte but for what must change, and what the
//! provider answered comes down byte for byte, whatever the size, the framing and the protocol.

use crate::support::call::{Call, Transport};
use crate::support::config::{KEY, Setup, secret};
use crate::support::sample::{self, CALLS};
use crate::support::script::Script;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn every_call_passes_byte_for_byte_but_for_the_model() {
    for (path, ask, want) in CALLS {
        let upstream = Upstream::start().await;
        let gateway = Setup::speaking(path, &[&upstream]).start().await;
        let answer = gateway.post(path, ask).await;
        assert_eq!((answer.status, answer.text()), (200, want), "{path}");
        let seen = upstream.only();
        assert_eq!(seen.path(), path);
        assert_eq!(seen.text(), sample::renamed(ask.as_bytes(), "model-a"), "{path}");
        let row = gateway.only_row().await;
        assert_eq!(row.text("target_model"), "model-a", "{path}");
        assert_eq!(row.text("model"), "fast", "{path}");
    }
}

#[tokio::test]
async fn the_providers_credentials_go_up_and_the_clients_key_does_not() {
    let (openai, anthropic) = (Upstream::start().await, Upstream::start().await);
    let first = Setup::openai(&[&openai]).start().await;
    let second = Setup::anthropic(&[&anthropic]).start().await;
    first.post("/v1/chat/completions", sample::CHAT_ASK).await;
    let call = Call::post("/v1/messages", sample::MESSAGE_ASK).field("x-api-key", KEY);
    let call = call.field("anthropic-version", "2023-06-01").field("anthropic-beta", "one-2025-01-01,two-2025-02-02");
    assert_eq!(call.send(second.address).await.status, 200);

    let head = openai.only().head;
    assert_eq!(head.get("authorization"), Some(&*format!("Bearer {}", secret("a"))));
    assert_eq!(head.get("host"), Some(&*openai.address.to_string()));
    assert!(!format!("{head:?}").contains(KEY), "{head:?}");

    let head = anthropic.only().head;
    assert_eq!(head.get("x-api-key"), Some(&*secret("a")));
    assert_eq!(head.get("anthropic-version"), Some("2023-06-01"));
    assert_eq!(head.get("anthropic-beta"), Some("one-2025-01-01,two-2025-02-02"), "unchanged");
    assert!(head.get("authorization").is_none() && !format!("{head:?}").contains(KEY), "{head:?}");
}

#[tokio::test]
async fn a_client_cannot_choose_the_upstream_or_smuggle_headers_up() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let mut call = Call::post("/v1/chat/completions", sample::CHAT_ASK).key(KEY);
    for name in ["x-forwarded-host", "x-upstream-url", "cookie", "x-api-base", "proxy-authorization", "forwarded"] {
        call = call.field(name, "evil.example");
    }
    assert_eq!(call.send(gateway.address).await.status, 200);
    let head = upstream.only().head;
    assert!(!format!("{head:?}").contains("evil.example"), "{head:?}");
}

#[tokio::test]
async fn bodies_of_every_size_arrive_byte_exact() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let least = sample::chat_of_length(60).len();
    let kib64 = 64 * 1024;
    let sizes = [least, kib64 - 1, kib64, kib64 + 1, 1 << 20, 20_000_000];
    for (number, size) in sizes.into_iter().enumerate() {
        let body = sample::chat_of_length(size);
        let call = Call::post("/v1/chat/completions", body.clone()).key(KEY);
        let call = if number % 2 == 0 { call } else { call.chunked(7_919) };
        let answer = call.send(gateway.address).await;
        assert_eq!(answer.status, 200, "{size} bytes: {}", answer.text());
        let seen = upstream.request(number).await;
        assert!(seen.body == sample::renamed(&body, "model-a"), "{size} bytes arrive as they were sent");
        assert_eq!(seen.head.get("content-length"), Some(&*seen.body.len().to_string()), "{size} bytes");
    }
}

#[tokio::test]
async fn the_largest_body_passes_and_one_byte_more_is_413_in_both_framings() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).server("max_body_bytes", 300_000).start().await;
    for chunked in [None, Some(10_000)] {
        let mut call = Call::post("/v1/chat/completions", sample::chat_of_length(300_000)).key(KEY);
        call.chunked = chunked;
        assert_eq!(call.send(gateway.address).await.status, 200, "{chunked:?}");
        call.body = sample::chat_of_length(300_001);
        call.send(gateway.address).await.openai_error(413);
    }
    assert_eq!(upstream.count(), 2, "what is too large is not forwarded");
}

#[tokio::test]
async fn an_empty_body_is_400_and_not_a_hang() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    gateway.post("/v1/chat/completions", "").await.openai_error(400);
    let chunked = Call::post("/v1/chat/completions", "").key(KEY).chunked(1);
    chunked.send(gateway.address).await.openai_error(400);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn every_transport_of_the_client_carries_bodies_and_streams() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_tls().start().await;
    let tls = gateway.tls_address.expect("asked for");
    let ways = [
        (Transport::H1, gateway.address),
        (Transport::H2c, gateway.address),
        (Transport::TlsH1, tls),
        (Transport::TlsH2, tls),
    ];
    let mut count = 0;
    for (transport, address) in ways {
        for (size, chunked) in [(60, None), (64 * 1024 + 1, Some(5_000)), (3_000_000, None)] {
            let body = sample::chat_of_length(size);
            let mut call = Call::post("/v1/chat/completions", body.clone()).key(KEY).over(transport);
            call.chunked = chunked;
            let answer = call.send(address).await;
            assert_eq!((answer.status, answer.text()), (200, sample::CHAT), "{transport:?}, {size} bytes");
            let seen = upstream.request(count).await;
            assert!(seen.body == sample::renamed(&body, "model-a"), "{transport:?}, {size} bytes");
            count += 1;
        }
        let stream = Call::post("/v1/chat/completions", sample::CHAT_USAGE_ASK).key(KEY).over(transport);
        let answer = stream.send(address).await;
        assert_eq!(answer.unbroken(), &*sample::chat_events().concat(), "{transport:?}");
        count += 1;
    }
}

#[tokio::test]
async fn every_transport_of_the_upstream_carries_bodies_and_streams() {
    let upstreams = [
        ("h1 over tls", Upstream::start_tls().await),
        ("h2 in clear", Upstream::start_h2().await),
        ("h2 over tls", Upstream::start_tls_h2().await),
    ];
    for (name, upstream) in upstreams {
        let gateway = Setup::openai(&[&upstream]).start().await;
        for (number, size) in [60, 64 * 1024 + 1, 3_000_000, 20_000_000].into_iter().enumerate() {
            let body = sample::chat_of_length(size);
            let answer = gateway.post("/v1/chat/completions", body.clone()).await;
            assert_eq!((answer.status, answer.text()), (200, sample::CHAT), "{name}, {size} bytes");
            assert!(upstream.request(number).await.body == sample::renamed(&body, "model-a"), "{name}, {size} bytes");
        }
        let answer = gateway.post("/v1/chat/completions", sample::CHAT_USAGE_ASK).await;
        assert_eq!(answer.unbroken(), &*sample::chat_events().concat(), "{name}");
        assert_eq!(gateway.settled(5).await.iter().filter(|row| row.text("usage_origin") == "reported").count(), 5);
    }
}

#[tokio::test]
async fn a_stream_asks_for_usage_in_place_and_changes_nothing_else() {
    let cases = [
        ("no options", r#"{"model":"fast","stream":true,"messages":[]}"#),
        ("null options", r#"{"model":"fast","stream_options":null,"stream":true,"messages":[]}"#),
        ("empty options", r#"{"model":"fast","stream":true,"stream_options":{ },"messages":[]}"#),
        ("another option", r#"{"model":"fast","stream":true,"stream_options":{"x":1},"messages":[]}"#),
        (
            "usage refused",
            r#"{"stream_options":{"include_usage": false ,"y":2},"model":"fast","stream":true,"messages":[]}"#,
        ),
    ];
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    for (number, (name, ask)) in cases.into_iter().enumerate() {
        let answer = gateway.post("/v1/chat/completions", ask).await;
        assert_eq!(answer.text(), sample::chat_events_without_usage().concat(), "{name}");
        let seen = upstream.request(number).await;
        let mut want: serde_json::Value = serde_json::from_str(ask).expect("the test's own");
        want["model"] = "model-a".into();
        if want["stream_options"].is_null() {
            want["stream_options"] = serde_json::json!({});
        }
        want["stream_options"]["include_usage"] = true.into();
        assert_eq!(seen.json(), want, "{name}");
    }
    let asked = gateway.post("/v1/chat/completions", sample::CHAT_USAGE_ASK).await;
    assert_eq!(asked.text(), sample::chat_events().concat());
    let want = sample::renamed(sample::CHAT_USAGE_ASK.as_bytes(), "model-a");
    assert_eq!(upstream.request(cases.len()).await.body, want, "nothing but the model changes");
}

#[tokio::test]
async fn other_streams_pass_byte_for_byte() {
    let cases = [
        ("/v1/messages", sample::MESSAGE_STREAM_ASK, sample::message_events()),
        ("/v1/responses", r#"{"model":"fast","input":"hi","stream":true}"#, sample::response_events()),
    ];
    for (path, ask, events) in cases {
        let upstream = Upstream::start().await;
        let gateway = Setup::speaking(path, &[&upstream]).start().await;
        let answer = gateway.post(path, ask).await;
        assert_eq!(answer.field("content-type"), Some("text/event-stream"), "{path}");
        assert_eq!(answer.unbroken(), &*events.concat(), "{path}");
        assert_eq!(upstream.only().body, sample::renamed(ask.as_bytes(), "model-a"), "{path}");
    }
}

#[tokio::test]
async fn answers_tell_who_answered_and_carry_the_clients_label() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let call = Call::post("/v1/chat/completions", sample::CHAT_ASK).key(KEY);
    let labelled = call.clone().field("x-request-id", "label-1.2_3").send(gateway.address).await;
    assert_eq!(labelled.field("x-request-id"), Some("label-1.2_3"));
    assert_eq!(labelled.field("x-weighbridge-attempts"), Some("1"));
    assert!(labelled.field("x-weighbridge-model").is_some_and(|model| model.contains("model-a")), "{labelled:?}");
    assert_eq!(labelled.field("x-weighbridge-cost-usd"), Some("0.000078000"), "11 x 2 + 7 x 8 USD per million");
    assert!(labelled.field("x-weighbridge-overhead-us").is_some_and(|us| us.parse::<u64>().is_ok()), "{labelled:?}");

    let bad = call.field("x-request-id", "no spaces allowed").send(gateway.address).await;
    let id = bad.field("x-request-id").expect("without a good label the id is told");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let rows = gateway.settled(2).await;
    assert_eq!(rows.iter().filter(|row| row.text("request_id") == "label-1.2_3").count(), 1);
    assert!(rows.iter().any(|row| row.text("id").contains(id)), "{rows:?}");
}

#[tokio::test]
async fn an_answer_longer_than_what_is_withheld_still_passes_whole_and_is_metered() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).server("max_withheld_bytes", 100_000).start().await;
    let padded = sample::CHAT.replace("Hello there", &"x".repeat(1_000_000));
    upstream.next(Script::json(200, padded.clone()));
    let answer = gateway.post("/v1/chat/completions", sample::CHAT_ASK).await;
    assert!(answer.status == 200 && answer.text() == padded, "all of it");
    assert_eq!(gateway.only_row().await.text("model"), "fast");
}
