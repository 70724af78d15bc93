//! Heads that are none, lie, or are too much.

use super::{LEAK, Siege, WAYS, Way, raw};
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK";
const JSON: &str = "content-type: application/json";

/// A JSON answer with further lines of head.
fn with(lines: &[&str]) -> Script {
    raw(OK, &[&[JSON], lines].concat(), sample::CHAT)
}

#[tokio::test]
async fn statuses_that_are_no_answer_are_not_passed_on() {
    let mut siege = Siege::with(Upstream::start().await).await;
    let length = format!("content-length: {}", sample::CHAT.len());
    for status in [204, 205, 206, 226, 301, 302, 303, 304, 307, 308, 402, 405, 418, 451, 599, 999] {
        let line = format!("HTTP/1.1 {status} Odd");
        let location = format!("location: http://{LEAK}.example/");
        let body = if matches!(status, 204 | 304) { "" } else { sample::CHAT };
        let lines = [JSON, &location, if body.is_empty() { "x: y" } else { &length }];
        siege.assert_held(&line, raw(&line, &lines, body), 502, &WAYS).await;
    }
    for line in
        ["HTTP/1.1 0 Zero", "HTTP/1.1 42 Odd", "HTTP/1.1 1000 Odd", "HTTP/1.1 -1 Odd", "HTTP/1.1 OK", "HTTP/2.0 200 OK"]
    {
        siege.assert_held(line, raw(line, &[JSON, &length], sample::CHAT), 502, &WAYS).await;
    }
    siege.assert_over().await;
}

#[tokio::test]
async fn an_unasked_upgrade_and_a_flood_of_interim_answers_are_garbage() {
    let mut siege = Siege::with(Upstream::start().await).await;
    let upgrade = raw("HTTP/1.1 101 Switching Protocols", &["connection: upgrade", "upgrade: websocket"], LEAK);
    siege.assert_held("101", upgrade, 502, &WAYS).await;
    let hints = format!("HTTP/1.1 103 Early Hints\r\nlink: {LEAK}\r\n\r\n").repeat(200);
    siege.assert_held("a flood of 103", Script::new().raw(hints.clone()).stall(), 502, &WAYS).await;
    siege.assert_held("a flood of 103 and a close", Script::new().raw(hints).close(), 502, &WAYS).await;
    let few = format!("HTTP/1.1 103 Early Hints\r\nlink: {LEAK}\r\n\r\n").repeat(3);
    siege.assert_held("interim answers, then silence", Script::new().raw(few).stall(), 504, &WAYS).await;
    siege.assert_over().await;
}

#[tokio::test]
async fn heads_that_are_no_http_or_too_much_of_it_are_garbage() {
    let mut siege = Siege::with(Upstream::start().await).await;
    let rows: Vec<(&str, Script)> = vec![
        ("HTTP/0.9", Script::new().raw(format!("<html>{LEAK}</html>")).close()),
        ("another protocol", Script::new().raw(format!("SSH-2.0-{LEAK}\r\n")).close()),
        ("TLS in the clear", Script::new().raw(&b"\x15\x03\x03\x00\x02\x02\x28"[..]).close()),
        ("a name without a colon", with(&["nocolon"])),
        ("NUL in a value", with(&["x-a: b\0c"])),
        ("NUL in a name", with(&["x\0a: b"])),
        ("a bare CR", with(&["x-a: b\rx-b: c"])),
        ("300 lines", with(&["x-a: b"; 300])),
        ("100 KiB of head", with(&[&format!("x-a: {}", "b".repeat(100 * 1024))])),
        ("2 MiB of head", with(&[&format!("x-a: {}", "b".repeat(2 << 20))])),
        ("gzip, though identity was asked for", with(&["content-encoding: gzip"])),
        ("an unknown coding", with(&["content-encoding: x-own"])),
        ("a list of codings", with(&["content-encoding: identity, gzip"])),
        ("a second coding", with(&["content-encoding: identity", "content-encoding: br"])),
        ("a page of HTML", raw(OK, &["content-type: text/html"], &format!("<html>{LEAK}</html>"))),
        ("plain text", raw(OK, &["content-type: text/plain"], LEAK)),
        ("a second content type", with(&["content-type: text/html"])),
        ("a page of HTML with 503", raw("HTTP/1.1 503 Bad", &["content-type: text/html"], LEAK)),
        ("a page of HTML with 404", raw("HTTP/1.1 404 None", &["content-type: text/html"], LEAK)),
    ];
    for (name, script) in rows {
        siege.assert_held(name, script, 502, &WAYS).await;
    }
    siege.assert_over().await;
}

#[tokio::test]
async fn framing_that_can_be_read_in_two_ways_is_garbage() {
    let mut siege = Siege::with(Upstream::start().await).await;
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", sample::CHAT.len(), sample::CHAT);
    let own = format!("content-length: {}", sample::CHAT.len());
    let rows: Vec<(&str, Script)> = vec![
        ("two lengths", with(&[&own, "content-length: 3"])),
        ("a list of lengths", with(&["content-length: 3, 4"])),
        ("a length with a sign", with(&["content-length: +3"])),
        ("a length below zero", with(&["content-length: -3"])),
        ("a length past 64 bits", with(&["content-length: 99999999999999999999999"])),
        ("a length in hexadecimals", with(&["content-length: 0x10"])),
        ("no length", with(&["content-length: "])),
        ("chunks with a bad size", raw(OK, &[JSON, "transfer-encoding: chunked"], "zz\r\n{}\r\n0\r\n\r\n")),
        ("chunks past 64 bits", raw(OK, &[JSON, "transfer-encoding: chunked"], "ffffffffffffffffff\r\n{}\r\n")),
        ("chunks without an end", raw(OK, &[JSON, "transfer-encoding: chunked"], &chunked[..chunked.len() - 10])),
        ("a coding that was not asked for", raw(OK, &[JSON, "transfer-encoding: gzip, chunked"], &chunked)),
        ("a body that is shorter than its length", with(&["content-length: 100000"])),
    ];
    for (name, script) in rows {
        siege.assert_held(name, script, 502, &WAYS).await;
    }
    siege.assert_over().await;
}

#[tokio::test]
async fn connections_that_break_or_stall_at_any_phase_move_on() {
    let mut siege = Siege::with(Upstream::start().await).await;
    let part = "HTTP/1.1 200 OK\r\ncontent-type: applica";
    let head = format!("HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-length: 1000\r\n\r\n");
    let half = format!("{head}{{\"id\":\"{LEAK}");
    for (name, sent) in [("nothing", ""), ("half a head", part), ("a head", &head), ("half a body", &half)] {
        let sent = || if sent.is_empty() { Script::new() } else { Script::new().raw(sent.to_owned()) };
        siege.assert_held(&format!("closed behind {name}"), sent().close(), 502, &WAYS).await;
        siege.assert_held(&format!("reset behind {name}"), sent().reset(), 502, &WAYS).await;
        // Streams find that the answer is none before they find that it is late.
        let whole = [Way::Chat, Way::Messages];
        siege.assert_held(&format!("silent behind {name}"), sent().stall(), 504, &whole).await;
    }
    siege.assert_held("reset before the request is read", Script::new().reset().early(), 502, &WAYS).await;
    siege.assert_over().await;
}

/// Odd, but whole and to be read in one way only: nobody else is asked, and the books have it.
#[tokio::test]
async fn answers_of_an_older_time_and_with_trailers_are_answers() {
    const ZERO: &str = "HTTP/1.0 200 OK";
    const CHUNKED: &str = "transfer-encoding: chunked";
    let siege = Siege::with(Upstream::start().await).await;
    let chunks = |body: &str| format!("{:x}\r\n{body}\r\n0\r\n", body.len());
    let trailed = |body: &str| format!("{}x-leak: {LEAK}\r\ncontent-length: 3\r\n\r\n", chunks(body));
    let rows = |kind: &str, body: &str| {
        let own = format!("content-length: {}", body.len());
        [
            ("trailers", raw(OK, &[kind, CHUNKED], &trailed(body))),
            // The chunks decide (RFC 9112 §6.3), whatever the length says.
            ("a length and chunks", raw(OK, &[kind, "content-length: 3", CHUNKED], &format!("{}\r\n", chunks(body)))),
            ("chunks and a length", raw(OK, &[kind, CHUNKED, "content-length: 3"], &format!("{}\r\n", chunks(body)))),
            ("HTTP/1.0 with a length", raw(ZERO, &[kind, &own], body)),
            ("HTTP/1.0 to its end", raw(ZERO, &[kind], body)),
        ]
    };
    let events = sample::chat_events().concat();
    let whole = rows(JSON, sample::CHAT).map(|row| (Way::Chat, sample::CHAT.to_owned(), row));
    let shown = sample::chat_events_without_usage().concat();
    let streamed = rows("content-type: text/event-stream", &events).map(|row| (Way::ChatStream, shown.clone(), row));
    let mut asked = 0;
    for (way, want, (name, script)) in whole.into_iter().chain(streamed) {
        siege.hostile.always(script);
        let answer = way.call("fast").send(siege.gateway.address).await;
        asked += 1;
        assert_eq!((answer.status, answer.text()), (200, &*want), "{name} {way:?}");
        assert_eq!(answer.broken, None, "{name} {way:?}");
        super::assert_no_leak(name, &answer);
        assert_eq!((siege.hostile.count(), siege.sound.count()), (asked, 0), "{name} {way:?}");
    }
    let rows = siege.gateway.settled(asked).await;
    assert!(rows.iter().all(|row| row.tokens() == (sample::INPUT, sample::OUTPUT)), "{rows:?}");
    siege.gateway.assert_verified().await;
}

#[tokio::test]
async fn answers_of_an_older_time_that_are_cut_are_none() {
    let mut siege = Siege::with(Upstream::start().await).await;
    let half = &sample::CHAT[..90];
    let chunked = format!("{:x}\r\n{}\r\n", sample::CHAT.len(), sample::CHAT);
    for (name, script) in [
        ("HTTP/1.0 that ends too soon", raw("HTTP/1.0 200 OK", &[JSON], half)),
        ("HTTP/1.0 with a length that does not come", raw("HTTP/1.0 200 OK", &[JSON, "content-length: 9999"], half)),
        ("half a trailer", raw(OK, &[JSON, "transfer-encoding: chunked"], &format!("{chunked}0\r\nx: {LEAK}"))),
    ] {
        siege.assert_held(name, script, 502, &WAYS).await;
    }
    siege.assert_over().await;
}
