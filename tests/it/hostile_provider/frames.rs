//! The same over HTTP/2 and TLS: resets, closes and lies at each phase.

use super::{LEAK, Siege, WAYS, Way, assert_no_leak};
use crate::support::config::Setup;
use crate::support::sample;
use crate::support::script::{Gate, Script, Step};
use crate::support::upstream::Upstream;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

async fn besiege(hostile: Upstream) {
    let mut siege = Siege::with(hostile).await;
    let json = || Script::new().head(200, &[("content-type", "application/json"), ("x-leak", LEAK)]);
    let rows = [
        ("closed without a word", Script::hang_up()),
        ("reset without a word", Script::new().reset()),
        ("closed behind the head", json().close()),
        ("reset behind the head", json().reset()),
        ("reset in mid-body", json().body(format!("{{\"id\":\"{LEAK}")).reset()),
        ("closed in mid-body", json().body(format!("{{\"id\":\"{LEAK}")).close()),
        ("no body", json().end()),
        ("a redirect", Script::answer(302, "text/html", LEAK).field("location", LEAK)),
        ("a page of HTML", Script::answer(200, "text/html", LEAK)),
        ("another coding", Script::json(200, sample::CHAT).field("content-encoding", "gzip")),
        (
            "100 KiB of head",
            Script::json(200, sample::CHAT).field("x-a", &"b".repeat(15_000)).field("x-b", &"b".repeat(60_000)),
        ),
    ];
    for (name, script) in rows {
        siege.assert_held(name, script, 502, &WAYS).await;
    }
    siege.assert_over().await;
}

#[tokio::test]
async fn a_hostile_provider_over_http2_is_held() {
    besiege(Upstream::start_h2().await).await;
}

#[tokio::test]
async fn a_hostile_provider_over_tls_is_held() {
    besiege(Upstream::start_tls().await).await;
}

#[tokio::test]
async fn streams_that_break_over_http2_and_tls_never_end_cleanly() {
    for hostile in [Upstream::start_h2().await, Upstream::start_tls().await, Upstream::start_tls_h2().await] {
        let siege = Siege::with(hostile).await;
        let begun = || Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel"));
        for (name, step) in [("reset", Step::Reset), ("closed", Step::Close), ("ended", Step::End)] {
            // A reset overtakes what was sent before it: it waits until the client has some of it.
            let gate = Gate::new();
            siege.hostile.always(begun().wait(&gate).step(step));
            let mut open = Way::ChatStream.call("fast").open(siege.gateway.address).await;
            let first = open.event().await.unwrap_or_default();
            gate.open();
            let mut answer = open.whole().await;
            answer.body = [first.as_bytes(), &answer.body].concat().into();
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(text.contains("Hel") && !text.contains("[DONE]") && text.contains("\"error\""), "{name}: {text}");
            assert_no_leak(name, &answer);
            assert_eq!(Way::Chat.call("other").send(siege.gateway.address).await.status, 200, "{name}");
        }
        assert!(siege.gateway.runs());
    }
}

/// Passes everything on to `to`, and says something of its own to who called when `gate` opens.
async fn meddler(to: SocketAddr, own: &'static [u8], gate: Gate) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let gate = gate.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.expect("the upstream listens");
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => return,
                    () = gate.opened() => {}
                }
                let _ = client.write_all(own).await;
                let _ = client.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    address
}

/// Alerts that break a stream: what anybody on the way can put there, for TLS to find out.
#[tokio::test]
async fn an_alert_in_mid_stream_is_an_error_and_no_end() {
    // A record of TLS 1.2: fatal, `handshake_failure`; a warning, `close_notify`; half a record.
    for (name, alert) in [
        ("fatal", &b"\x15\x03\x03\x00\x02\x02\x28"[..]),
        ("close", &b"\x15\x03\x03\x00\x02\x01\x00"[..]),
        ("half", &b"\x15\x03\x03\x00\x02"[..]),
    ] {
        let (upstream, gate) = (Upstream::start_tls().await, Gate::new());
        upstream.always(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).stall());
        let between = meddler(upstream.address, alert, gate.clone()).await;
        let url = format!("https://localhost:{}", between.port());
        let setup = Setup::new().provider("a", "openai", &url, "ca_file: ca.pem");
        let gateway = setup.model_of("alone", &["a"], "timeouts: { idle: 2s }").start().await;
        let mut open = Way::ChatStream.call("alone").open(gateway.address).await;
        let first = open.event().await.unwrap_or_default();
        gate.open();
        let mut answer = open.whole().await;
        answer.body = [first.as_bytes(), &answer.body].concat().into();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains("Hel") && !text.contains("[DONE]") && text.contains("\"error\""), "{name}: {text}");
        assert_eq!((upstream.count(), answer.status), (1, 200), "{name}");
        let rows = gateway.settled(1).await;
        assert!(rows[0].tokens().0 > 0, "{name}: what was sent is paid: {rows:?}");
        gateway.assert_verified().await;
        assert!(!gateway.log().contains("panicked"), "{name}");
    }
}

/// A provider that grants no window takes no body: `send` ends it, and the second target answers.
#[tokio::test]
async fn a_provider_that_takes_no_body_is_left() {
    let siege = Siege::with(Upstream::start_h2_with_window(0).await).await;
    siege.sound.by(super::sound_answer);
    let answer = Way::Chat.call("other").send(siege.gateway.address).await;
    assert_eq!(answer.status, 200);
}
