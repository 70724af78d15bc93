//! Providers of sessions that never become a websocket.

use crate::support::config::{KEY, Setup};
use crate::support::gateway::Gateway;
use crate::support::websocket::Sessions;
use crate::support::{eventually, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A session that is opened by raw bytes: what the client gets of these heads.
async fn raw_session(gateway: &Gateway, provider: &Sessions, heads: &[u8]) -> String {
    let mut client = tokio::net::TcpStream::connect(gateway.address).await.expect("a connection");
    let ask = format!(
        "GET /v1/realtime?model=voice HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         expect: 100-continue\r\n\r\n"
    );
    client.write_all(ask.as_bytes()).await.expect("sent");
    provider.say(heads).await;
    let mut said = vec![0; 12];
    within("an answer", client.read_exact(&mut said)).await.expect("a status line");
    String::from_utf8(said).expect("text")
}

#[tokio::test]
async fn interim_answers_of_a_provider_are_counted_and_do_not_pass_and_its_head_is_bounded() {
    let provider = Sessions::start().await;
    let setup = Setup::new().top("health: { failures: 1000000, least: 1000000 }");
    let setup = setup.provider("a", "openai", &format!("http://{}", provider.address), "");
    let target = "{ provider: a, model: m, max_input_tokens: 1000, max_output_tokens: 100 }";
    let setup = setup.models_text(&format!("  voice:\n    max_attempts: 1\n    targets: [{target}]\n"));
    let gateway = setup.start().await;
    let interim = |status: &str, count: usize| format!("HTTP/1.1 {status} Wait\r\nx: y\r\n\r\n").repeat(count);
    let refused = "HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n";
    for status in ["100", "102", "103"] {
        // A 403 is told as a 502 too: the reason tells which it was.
        let few = format!("{}{refused}", interim(status, 5));
        assert_eq!(raw_session(&gateway, &provider, few.as_bytes()).await, "HTTP/1.1 502", "{status}");
        let flood = raw_session(&gateway, &provider, interim(status, 100).as_bytes()).await;
        assert_eq!(flood, "HTTP/1.1 502", "{status}");
    }
    let large = format!("HTTP/1.1 101 Up\r\nx: {}\r\n\r\n", "a".repeat(100 * 1024));
    assert_eq!(raw_session(&gateway, &provider, large.as_bytes()).await, "HTTP/1.1 502");
    let sessions = || async {
        let all: Vec<_> = gateway.access_records().into_iter().filter(|record| record["api"] == "realtime").collect();
        (all.len() == 7).then_some(all)
    };
    let reasons: Vec<_> = eventually("all are recorded", sessions).await;
    let reason = |at: usize| reasons[at]["attempts"][0]["reason"].as_str().unwrap_or_default().to_owned();
    for at in [0, 2, 4] {
        assert_eq!(reason(at), "status 403", "{:?}", reasons[at]);
        assert_eq!(reason(at + 1), "garbage: too many interim answers", "{:?}", reasons[at + 1]);
    }
    assert_eq!(reason(6), "garbage: a head of more than 64 KiB", "{:?}", reasons[6]);
}
