//! Slow is down, and so is broken: whatever goes wrong before the first output moves the request to the next target,
//! unseen by the client; when all fail, the status tells why.

use crate::support::call::Answer;
use crate::support::config::Setup;
use crate::support::gateway::Gateway;
use crate::support::ledger::Row;
use crate::support::ports;
use crate::support::sample;
use crate::support::script::{Script, Step};
use crate::support::upstream::{Recorded, Upstream};

/// Time-outs that make a silent target fail soon, and never a lively one.
const SOON: &str = "connect: 400ms, first_token: 600ms, response: 600ms, idle: 10s";

/// Asks `first`, then a healthy upstream, and asserts that the client saw nothing of the first.
async fn assert_unseen(name: &str, first: Upstream, path: &str, ask: &'static str) -> (Upstream, Vec<Row>) {
    let second = Upstream::start().await;
    let gateway = Setup::speaking(path, &[&first, &second]).timeouts(2, SOON).start().await;
    let answer = gateway.post(path, ask).await;
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    assert_eq!(answer.unbroken(), expected(path, ask), "{name}: as if the first had never been asked");
    assert_eq!(answer.field("x-weighbridge-attempts"), Some("2"), "{name}");
    assert_asked(name, &second.only(), ask, "model-b");
    for seen in first.requests().iter().filter(|seen| seen.whole && !seen.body.is_empty()) {
        assert_asked(name, seen, ask, "model-a");
    }
    let rows = gateway.settled(2).await;
    let ids: Vec<u64> = rows.iter().map(|row| row.number("attempt")).collect();
    assert_eq!(ids, [1, 2], "{name}: one row an attempt");
    assert_eq!(rows[0].text("id"), rows[1].text("id"), "{name}: both of one request");
    assert_eq!(rows[1].tokens(), (sample::INPUT, sample::OUTPUT), "{name}");
    (first, rows)
}

/// What a client gets from an upstream that is well.
fn expected(path: &str, ask: &str) -> String {
    match (path, ask.contains("\"stream\":true")) {
        ("/v1/messages", true) => sample::message_events().concat(),
        ("/v1/messages", false) => sample::MESSAGE.to_owned(),
        (_, true) => sample::chat_events_without_usage().concat(),
        (_, false) => sample::CHAT.to_owned(),
    }
}

/// Asserts that an upstream got the client's body with its own model, and the wish for usage on streams of chat.
fn assert_asked(name: &str, seen: &Recorded, ask: &str, model: &str) {
    if seen.path().contains("chat") && ask.contains("\"stream\":true") {
        let mut want: serde_json::Value = serde_json::from_str(ask).expect("the test's own");
        want["model"] = model.into();
        want["stream_options"] = serde_json::json!({ "include_usage": true });
        assert_eq!(seen.json(), want, "{name}");
    } else {
        assert_eq!(seen.body, sample::renamed(ask.as_bytes(), model), "{name}");
    }
}

async fn scripted(script: Script) -> Upstream {
    let upstream = Upstream::start().await;
    upstream.always(script);
    upstream
}

fn assert_costs_nothing(name: &str, row: &Row) {
    assert_eq!((row.tokens(), row.number("cost_nano_usd")), ((0, 0), 0), "{name}: {row:?}");
}

#[tokio::test]
async fn a_refused_connection_moves_on_and_costs_nothing() {
    let second = Upstream::start().await;
    let setup = Setup::openai(&[&second, &second]).timeouts(2, SOON);
    let gateway = setup.dead_first(ports::free()).start().await;
    let answer = gateway.post("/v1/chat/completions", sample::CHAT_ASK).await;
    assert_eq!((answer.status, answer.text()), (200, sample::CHAT));
    let rows = gateway.settled(2).await;
    assert_costs_nothing("refused", &rows[0]);
}

#[tokio::test]
async fn a_failed_tls_handshake_moves_on_and_costs_nothing() {
    let first = Upstream::start_clear_on_tls_port().await;
    let (_, rows) = assert_unseen("clear text", first, "/v1/chat/completions", sample::CHAT_ASK).await;
    assert_costs_nothing("clear text", &rows[0]);
}

#[tokio::test]
async fn a_tls_handshake_that_is_never_answered_moves_on() {
    let mut first = Upstream::start().await;
    first.tls = true;
    let (_, rows) = assert_unseen("no handshake", first, "/v1/chat/completions", sample::CHAT_ASK).await;
    assert_costs_nothing("no handshake", &rows[0]);
}

#[tokio::test]
async fn an_untrusted_certificate_moves_on_and_no_credential_is_sent() {
    let (first, second) = (Upstream::start_tls().await, Upstream::start().await);
    let url = format!("https://localhost:{}", first.address.port());
    let setup = Setup::new().provider("a", "openai", &url, "").provider(
        "b",
        "openai",
        &format!("http://{}", second.address),
        "",
    );
    let gateway = setup.model("fast", 2, "").start().await;
    assert_eq!(gateway.post("/v1/chat/completions", sample::CHAT_ASK).await.status, 200);
    assert_eq!((first.count(), second.count()), (0, 1), "without the private authority `a` is not trusted");
}

#[tokio::test]
async fn refusals_of_the_provider_move_on_and_cost_nothing() {
    for status in [408, 429, 500, 502, 503, 504, 529] {
        for ask in [sample::CHAT_ASK, sample::CHAT_STREAM_ASK] {
            let first = scripted(Script::error(status)).await;
            let (_, rows) = assert_unseen(&status.to_string(), first, "/v1/chat/completions", ask).await;
            assert_costs_nothing(&status.to_string(), &rows[0]);
        }
    }
}

#[tokio::test]
async fn a_header_that_does_not_come_in_time_moves_on() {
    for (path, ask) in [
        ("/v1/chat/completions", sample::CHAT_ASK),
        ("/v1/chat/completions", sample::CHAT_STREAM_ASK),
        ("/v1/messages", sample::MESSAGE_STREAM_ASK),
    ] {
        let (first, _) = assert_unseen("no header", scripted(Script::silence()).await, path, ask).await;
        first.gone(0).await;
    }
}

#[tokio::test]
async fn a_first_token_that_is_late_moves_on_and_cancels_the_late_call() {
    let openai = [
        ("header only", Script::sse().stall()),
        ("role only", Script::sse().body(sample::CHAT_ROLE).stall()),
        ("comments", Script::sse().body(": ping\n\n").body(": ping\n\n").stall()),
    ];
    for (name, script) in openai {
        let first = scripted(script).await;
        let (first, _) = assert_unseen(name, first, "/v1/chat/completions", sample::CHAT_STREAM_ASK).await;
        first.gone(0).await;
    }
    let start = Script::sse().body(sample::message_start()).body(sample::message_event("ping", r#"{"type":"ping"}"#));
    let first = scripted(start.stall()).await;
    let (first, _) = assert_unseen("message_start", first, "/v1/messages", sample::MESSAGE_STREAM_ASK).await;
    first.gone(0).await;
}

#[tokio::test]
async fn an_error_inside_the_stream_before_the_first_token_moves_on() {
    let openai = [
        ("at once", Script::events([sample::CHAT_ERROR])),
        ("after the role", Script::events([sample::CHAT_ROLE, sample::CHAT_ERROR])),
    ];
    for (name, script) in openai {
        assert_unseen(name, scripted(script).await, "/v1/chat/completions", sample::CHAT_STREAM_ASK).await;
    }
    let script = Script::events([sample::message_start(), sample::message_error()]);
    assert_unseen("overloaded", scripted(script).await, "/v1/messages", sample::MESSAGE_STREAM_ASK).await;
}

#[tokio::test]
async fn answers_that_are_none_move_on() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    let huge = format!("HTTP/1.1 200 OK\r\nx-huge: {}\r\ncontent-length: 2\r\n\r\n{{}}", "h".repeat(2_000_000));
    let cases = [
        ("empty", Script::json(200, "")),
        ("no content", Script::new().head(204, &[("content-length", "0")]).end()),
        ("103 then silence", Script::new().head(103, &[("link", "</x>; rel=preload")]).stall()),
        ("html", Script::answer(200, "text/html", "<html><body>Welcome to nginx!</body></html>")),
        ("half of the body", Script::new().raw(head).raw("{\"id\":").close()),
        ("half of the body, then a reset", Script::new().raw(head).raw("{\"id\":").reset()),
        ("closed at once", Script::hang_up()),
        ("reset at once", Script::new().reset()),
        ("garbage", Script::new().raw("\u{1}\u{2}\u{3}SSH-2.0-OpenSSH\r\n\r\n").close()),
        ("a huge header", Script::new().raw(huge).close()),
        ("not JSON", Script::json(200, "{\"id\":")),
        ("an html error page", Script::answer(502, "text/html", "<html>502 Bad Gateway</html>")),
        ("a redirect", Script::new().head(302, &[("location", "http://127.0.0.1:1/"), ("content-length", "0")]).end()),
        ("a switch of protocols", Script::new().raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n").close()),
    ];
    for (name, script) in cases {
        assert_unseen(name, scripted(script).await, "/v1/chat/completions", sample::CHAT_ASK).await;
    }
}

#[tokio::test]
async fn streams_that_are_none_move_on() {
    let gzip = [("content-type", "text/event-stream"), ("content-encoding", "gzip")];
    let huge = format!("data: {{\"x\":\"{}\"}}\n\n", "h".repeat(9_000_000));
    let cases = [
        ("empty", Script::events::<&str>([])),
        ("an empty 200 without a body", Script::answer(200, "text/event-stream", "")),
        ("only trailers", Script::sse().step(Step::Trailers(vec![("x-t".to_owned(), "1".to_owned())]))),
        ("an end marker alone", Script::events([sample::CHAT_DONE])),
        ("html", Script::answer(200, "text/html", "<html>login</html>")),
        ("gzip that nobody asked for", Script::new().head(200, &gzip).body(&b"\x1f\x8b\x08\x00\x00\x00"[..]).end()),
        ("cut in the first event", Script::sse().body("data: {\"id\":\"c1\",\"cho").close()),
        ("reset after the role", Script::sse().body(sample::CHAT_ROLE).reset()),
        ("data that is no JSON", Script::events(["data: {]\n\n"])),
        ("a huge event", Script::events([huge])),
        (
            "a broken chunk",
            Script::new()
                .raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nxx")
                .close(),
        ),
    ];
    for (name, script) in cases {
        assert_unseen(name, scripted(script).await, "/v1/chat/completions", sample::CHAT_STREAM_ASK).await;
    }
}

#[tokio::test]
async fn an_h2_upstream_that_fails_moves_on() {
    let cases = [
        ("refused stream", Script::new().reset()),
        ("only a head", Script::new().head(200, &[("content-type", "text/event-stream")]).end()),
        ("only trailers", Script::sse().step(Step::Trailers(vec![("x-t".to_owned(), "1".to_owned())]))),
        ("head then silence", Script::sse().stall()),
        ("reset after the role", Script::sse().body(sample::CHAT_ROLE).reset()),
        ("refused", Script::error(503)),
    ];
    for (name, script) in cases {
        let first = Upstream::start_h2().await;
        first.always(script);
        assert_unseen(name, first, "/v1/chat/completions", sample::CHAT_STREAM_ASK).await;
    }
}

#[tokio::test]
async fn large_bodies_are_byte_exact_on_each_retry() {
    let upstreams = [Upstream::start().await, Upstream::start_h2().await, Upstream::start_tls().await];
    upstreams[0].always(Script::error(503));
    upstreams[1].always(Script::error(500));
    let all: Vec<&Upstream> = upstreams.iter().collect();
    let gateway = Setup::openai(&all).start().await;
    for (number, size) in [100, 64 * 1024 + 1, 3_000_000, 22_000_000].into_iter().enumerate() {
        let body = sample::chat_of_length(size);
        let answer = gateway.post("/v1/chat/completions", body.clone()).await;
        assert_eq!((answer.status, answer.text()), (200, sample::CHAT), "{size} bytes");
        for (upstream, model) in upstreams.iter().zip(["model-a", "model-b", "model-c"]) {
            assert!(upstream.request(number).await.body == sample::renamed(&body, model), "{size} bytes at {model}");
        }
    }
}

#[tokio::test]
async fn an_answer_during_the_upload_is_heard() {
    for status in [413, 429] {
        let (first, second) = (Upstream::start().await, Upstream::start().await);
        first.always(Script::error(status).early().reset());
        let gateway = Setup::openai(&[&first, &second]).start().await;
        let answer = gateway.post("/v1/chat/completions", sample::chat_of_length(20_000_000)).await;
        // The reset may overtake the answer: then the target is broken, and the next one answers.
        let want: &[u16] = if status == 413 { &[413, 200] } else { &[200] };
        assert!(want.contains(&answer.status), "{status}: {} {}", answer.status, answer.text());
    }
}

#[tokio::test]
async fn an_h2_upstream_that_grants_no_window_times_out_and_the_next_is_asked() {
    let (first, second) = (Upstream::start_h2_with_window(1_000).await, Upstream::start().await);
    let gateway = Setup::openai(&[&first, &second])
        .timeouts(2, "send: 1s, first_token: 1s, idle: 1s, response: 1s")
        .start()
        .await;
    let body = sample::chat_of_length(3_000_000);
    let answer = gateway.post("/v1/chat/completions", body.clone()).await;
    assert_eq!((answer.status, answer.text()), (200, sample::CHAT));
    assert!(second.only().body == sample::renamed(&body, "model-b"));
    let rows = gateway.settled(2).await;
    assert_costs_nothing("not sent whole", &rows[0]);
}

#[tokio::test]
async fn a_stale_pooled_connection_is_no_failure_of_the_target() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let (mut stale, mut warmed, mut calls) = (0, Vec::new(), 0);
    for round in 0..20 {
        calls += 2;
        assert_eq!(gateway.post("/v1/chat/completions", sample::CHAT_ASK).await.status, 200, "warms the pool");
        warmed.push(upstream.requests().last().expect("it came").connection);
        upstream.next(Script::hang_up());
        let before = upstream.count();
        let answer = gateway.post("/v1/chat/completions", sample::CHAT_ASK).await;
        let seen = upstream.requests();
        if !warmed.contains(&seen[before].connection) {
            // The client had its answer before the pool had its connection: this one was a fresh one that closed.
            answer.openai_error(502);
            continue;
        }
        assert_eq!((answer.status, answer.text()), (200, sample::CHAT), "round {round}: retried on a fresh connection");
        assert_eq!(answer.field("x-weighbridge-attempts"), Some("1"), "the same attempt");
        let [_, fresh] = &seen[before..] else { panic!("both were seen: {seen:?}") };
        assert!(!warmed.contains(&fresh.connection), "round {round}");
        warmed.push(fresh.connection);
        stale += 1;
        if stale == 3 {
            break;
        }
    }
    assert_eq!(stale, 3, "of 20 rounds");
    let rows = gateway.settled(calls).await;
    assert_eq!(rows.iter().filter(|row| row.tokens() == (sample::INPUT, sample::OUTPUT)).count(), warmed.len());
}

#[tokio::test]
async fn a_fresh_connection_that_closes_is_a_failure_and_is_not_retried_for_ever() {
    let upstream = scripted(Script::hang_up()).await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    gateway.post("/v1/chat/completions", sample::CHAT_ASK).await.openai_error(502);
    assert_eq!(upstream.count(), 1);
    assert_eq!(gateway.settled(1).await.len(), 1);
}

#[tokio::test]
async fn no_more_attempts_are_made_than_the_model_allows() {
    let upstreams = [scripted(Script::error(503)).await, scripted(Script::error(503)).await, Upstream::start().await];
    let all: Vec<&Upstream> = upstreams.iter().collect();
    let gateway = Setup::openai(&all).model("fast", 3, "max_attempts: 2").start().await;
    gateway.post("/v1/chat/completions", sample::CHAT_ASK).await.openai_error(502);
    assert_eq!(upstreams.each_ref().map(Upstream::count), [1, 1, 0]);
}

#[tokio::test]
async fn the_total_bounds_all_attempts_together() {
    let upstreams = [scripted(Script::silence()).await, scripted(Script::silence()).await];
    let all: Vec<&Upstream> = upstreams.iter().collect();
    let gateway = Setup::openai(&all).timeouts(2, "total: 1s").start().await;
    let began = tokio::time::Instant::now();
    gateway.post("/v1/chat/completions", sample::CHAT_ASK).await.openai_error(504);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert_eq!(upstreams[1].count(), 0, "no time is left for a second attempt");
}

/// What the client gets when these scripts are all there is.
async fn all_failed(scripts: &[Script], ask: &'static str) -> (Gateway, Vec<Upstream>, Answer) {
    let mut upstreams = Vec::new();
    for script in scripts {
        upstreams.push(scripted(script.clone()).await);
    }
    let all: Vec<&Upstream> = upstreams.iter().collect();
    // Each is asked once.
    let more = format!("max_attempts: {}\ntimeouts: {{ {SOON} }}", all.len());
    let gateway = Setup::openai(&all).model("fast", all.len(), &more).start().await;
    let answer = gateway.post("/v1/chat/completions", ask).await;
    (gateway, upstreams, answer)
}

#[tokio::test]
async fn what_the_provider_says_about_the_request_is_passed_on_and_nobody_else_is_asked() {
    for status in [400, 413, 422] {
        let (gateway, upstreams, answer) =
            all_failed(&[Script::error(status), Script::error(500)], sample::CHAT_ASK).await;
        assert_eq!(answer.status, status);
        assert!(answer.text().contains(&format!("scripted {status}")), "{}", answer.text());
        assert_eq!(upstreams[1].count(), 0, "a retry cannot help");
        assert_costs_nothing("refused", &gateway.only_row().await);
    }
}

#[tokio::test]
async fn a_provider_that_refuses_our_credentials_is_502_and_says_so() {
    for (status, code) in [
        (401, "upstream_rejected_credentials"),
        (403, "upstream_rejected_credentials"),
        (404, "upstream_no_such_model"),
    ] {
        let (_gateway, _upstreams, answer) = all_failed(&[Script::error(status)], sample::CHAT_ASK).await;
        assert_eq!(answer.openai_error(502), code, "{status}");
        assert!(!answer.text().contains("sk-secret"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_key_that_the_provider_repeats_does_not_reach_the_client() {
    let leak = r#"{"error":{"message":"Incorrect API key provided: sk-secret-of-provider-a","type":"invalid_request_error","code":"invalid_api_key","param":null}}"#;
    for status in [400, 401, 500] {
        let (gateway, _upstreams, answer) = all_failed(&[Script::json(status, leak)], sample::CHAT_ASK).await;
        assert!(!answer.text().contains("sk-secret-of-provider-a"), "{status}: {}", answer.text());
        gateway.settled(1).await;
        let export = gateway.command(&["ledger", "export"]).await.ok();
        assert!(
            !export.contains("sk-secret-of-provider-a") && !gateway.log().contains("sk-secret-of-provider-a"),
            "{status}"
        );
    }
}

#[tokio::test]
async fn when_all_are_rate_limited_the_smallest_wait_is_told() {
    let limited = |seconds: &str| Script::error(429).field("retry-after", seconds);
    let (_gateway, _upstreams, answer) = all_failed(&[limited("30"), limited("7")], sample::CHAT_ASK).await;
    answer.openai_error(429);
    let wait: u64 = answer.field("retry-after").and_then(|wait| wait.parse().ok()).expect("a true wait");
    assert!((5..=7).contains(&wait), "{wait}");
}

#[tokio::test]
async fn when_the_last_was_too_slow_it_is_504_and_otherwise_502() {
    let cases = [
        ("slow last", [Script::error(500), Script::silence()], 504),
        ("slow first", [Script::silence(), Script::error(500)], 502),
        ("limited and broken", [Script::error(429), Script::error(500)], 502),
        ("broken", [Script::hang_up(), Script::error(503)], 502),
    ];
    for (name, scripts, want) in cases {
        for ask in [sample::CHAT_ASK, sample::CHAT_STREAM_ASK] {
            let (gateway, _upstreams, answer) = all_failed(&scripts, ask).await;
            assert_eq!(answer.status, want, "{name}: {}", answer.text());
            answer.openai_error(want);
            gateway.settled(2).await;
            gateway.assert_serves().await;
        }
    }
}

#[tokio::test]
async fn errors_of_upstreams_come_in_the_clients_dialect() {
    let upstream = scripted(Script::hang_up()).await;
    let gateway = Setup::anthropic(&[&upstream]).start().await;
    let answer = gateway.post("/v1/messages", sample::MESSAGE_ASK).await;
    assert_eq!(answer.anthropic_error(502), "api_error");
}
