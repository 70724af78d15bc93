//! Streams: the client sees what the provider would have sent it, wherever the network cuts; a break is told as an
//! error and never as a clean end; a client that leaves takes the upstream call with it.

use crate::support::call::{Call, Transport};
use crate::support::config::{KEY, Setup};
use crate::support::events::{data, events};
use crate::support::h1::H1;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use std::time::Duration;
use tokio::time::Instant;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

#[tokio::test]
async fn the_usage_chunk_is_hidden_from_clients_that_did_not_ask() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let answer = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
    assert_eq!(answer.unbroken(), sample::chat_events_without_usage().concat());
    assert!(!answer.text().contains("usage"), "nor does any chunk say `usage: null`");
    let row = gateway.only_row().await;
    assert_eq!((row.tokens(), row.text("usage_origin")), ((sample::INPUT, sample::OUTPUT), "reported"));
}

#[tokio::test]
async fn the_usage_chunk_reaches_clients_that_asked_byte_for_byte() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let answer = gateway.post(CHAT, sample::CHAT_USAGE_ASK).await;
    assert_eq!(answer.unbroken(), sample::chat_events().concat());
}

#[tokio::test]
async fn the_cost_comes_as_a_comment_before_the_end_marker_when_it_is_asked_for() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let ask = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY).field("x-weighbridge-include", "cost");
    let answer = ask.send(gateway.address).await;
    let cost = gateway.only_row().await.number("cost_nano_usd");
    let comment = format!(": x-weighbridge-cost-usd 0.{cost:09}\n\n");
    let mut want = sample::chat_events_without_usage();
    let end = want.pop().expect("an end marker");
    assert_eq!(answer.unbroken(), want.concat() + &comment + &end);
}

#[tokio::test]
async fn completions_of_the_older_kind_hide_it_too() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let answer = gateway.post("/v1/completions", r#"{"model":"fast","prompt":"hi","stream":true}"#).await;
    assert!(!answer.unbroken().contains("usage"), "{}", answer.text());
    assert!(answer.text().ends_with(sample::CHAT_DONE));
    assert_eq!(gateway.only_row().await.tokens(), (sample::INPUT, sample::OUTPUT));
}

#[tokio::test]
async fn where_the_network_cuts_does_not_matter() {
    let crlf = |events: Vec<String>| events.concat().replace('\n', "\r\n");
    let cases = [
        (CHAT, sample::CHAT_STREAM_ASK, sample::chat_events().concat(), sample::chat_events_without_usage().concat()),
        (CHAT, sample::CHAT_STREAM_ASK, crlf(sample::chat_events()), crlf(sample::chat_events_without_usage())),
        (CHAT, sample::CHAT_USAGE_ASK, crlf(sample::chat_events()), crlf(sample::chat_events())),
        (MESSAGES, sample::MESSAGE_STREAM_ASK, sample::message_events().concat(), sample::message_events().concat()),
        (MESSAGES, sample::MESSAGE_STREAM_ASK, crlf(sample::message_events()), crlf(sample::message_events())),
    ];
    for (number, (path, ask, sent, want)) in cases.into_iter().enumerate() {
        let upstream = Upstream::start().await;
        let gateway = Setup::speaking(path, &[&upstream]).start().await;
        upstream.next(Script::sse().bytewise(sent.clone()).end());
        let answer = gateway.post(path, ask).await;
        assert_eq!(answer.unbroken(), want, "case {number}, byte by byte");
        upstream.next(Script::sse().body(sent).end());
        let answer = gateway.post(path, ask).await;
        assert_eq!(answer.unbroken(), want, "case {number}, all at once");
        let rows = gateway.settled(2).await;
        assert!(rows.iter().all(|row| row.tokens() == (sample::INPUT, sample::OUTPUT)), "case {number}: {rows:?}");
    }
}

#[tokio::test]
async fn comments_multi_line_data_and_utf8_cut_in_two_pass() {
    let role = sample::CHAT_ROLE;
    let multi = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\ndata: \"choices\":[{\"index\":0,\"delta\":{\"content\":\"grüß 😀\"}}]}\n\n";
    let sent = format!(
        ": comment\n\n{role}{multi}: ping\n\n{}{}{}",
        sample::CHAT_FINISH,
        sample::CHAT_USAGE,
        sample::CHAT_DONE
    );
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    upstream.next(Script::sse().bytewise(sent.clone()).end());
    let answer = gateway.post(CHAT, sample::CHAT_USAGE_ASK).await;
    assert_eq!(answer.unbroken(), sent);
}

#[tokio::test]
async fn each_event_is_passed_on_when_it_comes_and_not_at_the_end() {
    for transport in [Transport::H1, Transport::H2c] {
        let upstream = Upstream::start().await;
        let gateway = Setup::openai(&[&upstream]).start().await;
        let gates: Vec<Gate> = (0..3).map(|_| Gate::new()).collect();
        let mut script = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("one"));
        for gate in &gates {
            script = script.wait(gate).body(sample::chat_delta("more"));
        }
        upstream.next(script.body(sample::CHAT_FINISH).body(sample::CHAT_DONE).end());
        let call = Call::post(CHAT, sample::CHAT_USAGE_ASK).key(KEY).over(transport);
        let mut answer = call.open(gateway.address).await;
        assert_eq!(answer.event().await.as_deref(), Some(sample::CHAT_ROLE));
        assert_eq!(answer.event().await, Some(sample::chat_delta("one")));
        for gate in &gates {
            gate.open();
            assert_eq!(answer.event().await, Some(sample::chat_delta("more")), "{transport:?}");
        }
        let rest = answer.whole().await;
        assert!(rest.unbroken().ends_with(sample::CHAT_DONE));
    }
}

#[tokio::test]
async fn the_header_is_withheld_until_the_first_output() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let gate = Gate::new();
    first.next(Script::sse().body(sample::CHAT_ROLE).wait(&gate).body(sample::CHAT_ERROR).end());
    let gateway = Setup::openai(&[&first, &second]).start().await;
    let asked = tokio::spawn({
        let call = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY);
        let address = gateway.address;
        async move { call.send(address).await }
    });
    first.request(0).await;
    gate.open(); // the role delta was there long before
    let answer = asked.await.expect("the client does not fail");
    assert_eq!(answer.unbroken(), sample::chat_events_without_usage().concat());
    assert_eq!(answer.field("x-weighbridge-attempts"), Some("2"));
}

/// Ways in which a stream breaks after its first output, for each dialect.
fn breaks(begin: &Script, in_band: &str) -> Vec<(&'static str, Script)> {
    let begin = || begin.clone();
    vec![
        ("cut between events", begin().close()),
        ("cut within an event", begin().body("data: {\"id\":\"c1\",\"choices\":[{\"ind").close()),
        ("reset", begin().reset()),
        ("a proper end of the body without the end marker", begin().end()),
        ("an error event", begin().body(in_band.to_owned()).end()),
        ("an error event, and an end marker behind it", begin().body(in_band.to_owned()).body(sample::CHAT_DONE).end()),
        ("data that is no JSON", begin().body("data: {]\n\n").end()),
        ("a broken chunk", begin().raw("zz\r\nrubbish").close()),
        ("an event without end", begin().body(format!("data: {}", "x".repeat(9_000_000))).stall()),
        ("silence", begin().stall()),
    ]
}

#[tokio::test]
async fn a_break_after_the_first_token_is_an_error_event_and_never_a_clean_end() {
    let begin = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel"));
    for (name, script) in breaks(&begin, sample::CHAT_ERROR) {
        let (first, second) = (Upstream::start().await, Upstream::start().await);
        first.next(script);
        let gateway = Setup::openai(&[&first, &second]).timeouts(2, "idle: 500ms").start().await;
        let answer = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
        assert_eq!(answer.status, 200, "{name}");
        let all = events(&answer.body);
        let last = all.last().unwrap_or_else(|| panic!("{name}: no event"));
        let error = &data(last)["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{name}: {all:?}");
        assert!(!answer.text().contains("[DONE]"), "{name}: {all:?}");
        assert!(answer.text().contains("Hel"), "{name}: what came before is passed on");
        assert_eq!(second.count(), 0, "{name}: the client has seen output, nobody else is asked");
        let row = gateway.only_row().await;
        assert!(!row.text("error").is_empty(), "{name}: {row:?}");
        assert!(row.number("output_tokens") > 0, "{name}: what was received is counted: {row:?}");
        gateway.assert_serves().await;
    }
}

#[tokio::test]
async fn a_break_of_a_message_stream_is_anthropics_error_event() {
    let begin = sample::message_events().iter().take(4).fold(Script::sse(), |script, event| script.body(event.clone()));
    for (name, script) in breaks(&begin, &sample::message_error()) {
        let upstream = Upstream::start().await;
        upstream.next(script);
        let gateway = Setup::anthropic(&[&upstream]).timeouts(1, "idle: 500ms").start().await;
        let answer = gateway.post(MESSAGES, sample::MESSAGE_STREAM_ASK).await;
        assert_eq!(answer.status, 200, "{name}");
        let all = events(&answer.body);
        let last = all.last().unwrap_or_else(|| panic!("{name}: no event"));
        assert!(last.starts_with("event: error\n"), "{name}: events without a name are dropped by SDKs: {all:?}");
        assert_eq!(data(last)["type"], "error", "{name}");
        assert!(data(last)["error"]["type"].is_string(), "{name}: {last}");
        assert!(!answer.text().contains("message_stop"), "{name}: {all:?}");
    }
}

#[tokio::test]
async fn a_break_of_a_response_stream_is_an_error_and_no_completion() {
    let mut script = Script::sse();
    for event in sample::response_events().iter().take(3) {
        script = script.body(event.clone());
    }
    let upstream = Upstream::start().await;
    upstream.next(script.close());
    let gateway = Setup::openai(&[&upstream]).start().await;
    let answer = gateway.post("/v1/responses", r#"{"model":"fast","input":"hi","stream":true}"#).await;
    let all = events(&answer.body);
    let last = data(all.last().expect("events"));
    assert!(last["type"] == "error" || last["type"] == "response.failed", "{last}");
    assert!(!answer.text().contains("response.completed"));
}

#[tokio::test]
async fn a_break_over_h2_is_told_on_both_sides() {
    let upstream = Upstream::start_h2().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    for transport in [Transport::H1, Transport::H2c] {
        let gate = Gate::new();
        upstream.next(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).wait(&gate).reset());
        let call = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY).over(transport);
        let mut answer = call.open(gateway.address).await;
        answer.event().await.expect("the stream has begun");
        gate.open(); // a reset overtakes what is still to be sent
        let answer = answer.whole().await;
        let all = events(&answer.body);
        assert!(data(all.last().expect("events"))["error"].is_object(), "{transport:?}: {all:?}");
        assert!(!answer.text().contains("[DONE]"), "{transport:?}");
    }
}

#[tokio::test]
async fn silence_after_output_ends_after_idle_and_cancels_the_call() {
    let upstream = Upstream::start().await;
    upstream.next(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).stall());
    let gateway = Setup::openai(&[&upstream]).timeouts(1, "idle: 400ms").start().await;
    let began = Instant::now();
    let answer = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
    assert!(began.elapsed() >= Duration::from_millis(400), "not before its time");
    assert!(answer.text().contains("error"), "{}", answer.text());
    upstream.gone(0).await;
}

#[tokio::test]
async fn comments_count_as_life_after_the_first_output() {
    let upstream = Upstream::start().await;
    let gates: Vec<Gate> = (0..4).map(|_| Gate::new()).collect();
    let mut script = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel"));
    for gate in &gates {
        script = script.wait(gate).body(": ping\n\n");
    }
    upstream.next(script.body(sample::CHAT_FINISH).body(sample::CHAT_USAGE).body(sample::CHAT_DONE).end());
    let gateway = Setup::openai(&[&upstream]).timeouts(1, "idle: 1500ms").start().await;
    let ping = async {
        for gate in &gates {
            tokio::time::sleep(Duration::from_millis(700)).await; // real gaps are what is tested
            gate.open();
        }
    };
    let (answer, ()) = tokio::join!(gateway.post(CHAT, sample::CHAT_STREAM_ASK), ping);
    assert!(answer.unbroken().ends_with(sample::CHAT_DONE), "2.8 s of pings under an idle time of 1.5 s");
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_upstream_call_with_it_within_100_ms() {
    for transport in [Transport::H1, Transport::H2c] {
        for over_h2 in [false, true] {
            let upstream = if over_h2 { Upstream::start_h2().await } else { Upstream::start().await };
            upstream.always(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).stall());
            let gateway = Setup::openai(&[&upstream]).start().await;
            let mut waits = Vec::new();
            for round in 0..5 {
                let call = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY).over(transport);
                let mut answer = call.open(gateway.address).await;
                answer.event().await.expect("the stream has begun");
                let left = Instant::now();
                drop(answer);
                waits.push(upstream.gone(round).await.saturating_duration_since(left));
            }
            waits.sort();
            // The median: one of five may be held up by whatever else this machine is doing.
            assert!(waits[2] <= Duration::from_millis(100), "{transport:?}, upstream h2 {over_h2}: {waits:?}");
            let rows = gateway.settled(5).await;
            assert!(rows.iter().all(|row| row.number("output_tokens") > 0), "what passed is counted: {rows:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_cancels_too() {
    let upstream = Upstream::start().await;
    upstream.always(Script::silence());
    let gateway = Setup::openai(&[&upstream]).start().await;
    for ask in [sample::CHAT_ASK, sample::CHAT_STREAM_ASK] {
        let number = upstream.count();
        let mut client = H1::connect(gateway.address).await;
        client.send(&Call::post(CHAT, ask).key(KEY)).await;
        upstream.request(number).await;
        drop(client);
        upstream.gone(number).await;
    }
    assert_eq!(gateway.settled(2).await.len(), 2);
}

#[tokio::test]
async fn a_slow_reader_gets_all_and_holds_nobody_up() {
    let upstream = Upstream::start().await;
    let many: Vec<String> = (0..20_000).map(|n| sample::chat_delta(&format!("piece {n}"))).collect();
    let sent = format!("{}{}{}{}", sample::CHAT_ROLE, many.concat(), sample::CHAT_USAGE, sample::CHAT_DONE);
    upstream.next(Script::sse().body(sent.clone()).end());
    let gateway = Setup::openai(&[&upstream]).start().await;
    let slow = gateway.open(CHAT, sample::CHAT_USAGE_ASK).await;
    for _ in 0..5 {
        assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200, "others are served meanwhile");
    }
    assert!(slow.whole().await.unbroken() == sent, "not a byte is lost");
}

#[tokio::test]
async fn an_http_1_0_client_gets_the_body_without_chunks() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let mut client = H1::connect(gateway.address).await;
    let body = sample::CHAT_STREAM_ASK;
    let head = format!(
        "POST {CHAT} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.raw(head).await;
    let head = client.head().await.expect("an answer");
    assert_eq!((head.status(), head.get("transfer-encoding")), (200, None), "{head:?}");
    let text = client.closed().await;
    assert_eq!(String::from_utf8_lossy(&text), sample::chat_events_without_usage().concat());
}

#[tokio::test]
async fn bytes_behind_the_request_do_not_abort_its_stream() {
    let upstream = Upstream::start().await;
    let gate = Gate::new();
    let script = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).wait(&gate);
    upstream.next(script.body(sample::CHAT_FINISH).body(sample::CHAT_USAGE).body(sample::CHAT_DONE).end());
    let gateway = Setup::openai(&[&upstream]).start().await;
    let mut client = H1::connect(gateway.address).await;
    client.send(&Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY)).await;
    let mut answer = client.open().await;
    answer.event().await.expect("the stream has begun");
    answer.raw("\r\n").await;
    gate.open();
    assert!(answer.whole().await.unbroken().ends_with(sample::CHAT_DONE));
}
