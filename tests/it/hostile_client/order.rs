//! Requests one behind the other, heads that dribble, and heads that are cut.

use super::{CHAT, SMUGGLED, Siege, answers};
use crate::support::config::{KEY, Setup};
use crate::support::h1::chunk;
use crate::support::within;
use std::time::Duration;

fn ask(content: &str) -> (String, String) {
    let body = format!("{{\"model\":\"fast\",\"messages\":[{{\"role\":\"user\",\"content\":\"{content}\"}}]}}");
    (
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n"),
        body,
    )
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_none_is_lost() {
    let siege = Siege::start().await;
    let models = format!("GET /v1/models/fast HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    let unknown = models.replace("fast", "other");
    for tls in [false, true] {
        for cut in [usize::MAX, 1_000, 7] {
            let (head, _) = ask("");
            let bad = "{\"model\":1}";
            let sized = format!("{head}content-length: {}\r\n\r\n{bad}", bad.len());
            let chunked =
                [format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes(), chunk(bad.as_bytes())].concat();
            let chunked = String::from_utf8(chunked).expect("text") + "0\r\n\r\n";
            let last = models.replace("host: x", "host: x\r\nconnection: close");
            // A stray CR LF behind a body is what some old clients send.
            let all = format!("{models}{unknown}{sized}{models}{chunked}\r\n{unknown}{models}{last}{models}");
            let mut client = siege.connect(tls).await;
            for piece in all.as_bytes().chunks(cut.min(all.len())) {
                client.raw(piece).await;
            }
            let statuses: Vec<u16> = answers(&client.closed().await).into_iter().map(|(status, _)| status).collect();
            assert_eq!(statuses, [200, 404, 400, 200, 400, 404, 200, 200], "cut {cut}");
        }
    }
    siege.lift().await;
}

#[tokio::test]
async fn behind_a_refused_request_nothing_is_read() {
    let siege = Siege::start().await;
    let models = format!("GET /v1/models/fast HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    let (head, body) = ask(SMUGGLED);
    let smuggled = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let mut client = siege.connect(false).await;
    client.raw(format!("{models}GET /v1/models HTTP/1.1\r\nhost : x\r\n\r\n{smuggled}{smuggled}")).await;
    let statuses: Vec<u16> = answers(&client.closed().await).into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses, [200, 400]);
    // A body that holds a request is a body.
    let inner = format!("content-length: {}\r\n\r\n{smuggled}", smuggled.len());
    let mut client = siege.connect(false).await;
    client.raw(format!("{head}{inner}{}", models.replace("host: x", "host: x\r\nconnection: close"))).await;
    let statuses: Vec<u16> = answers(&client.closed().await).into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses, [400, 200]);
    siege.lift().await;
}

#[tokio::test]
async fn a_head_that_dribbles_is_408_also_on_a_kept_connection() {
    let siege = Siege::with(Setup::new().server("head_timeout", "600ms")).await;
    let models = format!("GET /v1/models/fast HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    for tls in [false, true] {
        for kept in [0, 1, 3] {
            let mut client = siege.connect(tls).await;
            client.raw(models.repeat(kept)).await;
            let dribble = async {
                for piece in format!("GET /v1/models HTTP/1.1\r\nx: {}", "y".repeat(10_000)).as_bytes().chunks(1) {
                    if !client.raw(piece).await {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if client.is_over().await {
                        break;
                    }
                }
                client.closed().await
            };
            let said = within("the connection ends", dribble).await;
            let statuses: Vec<u16> = answers(&said).into_iter().map(|(status, _)| status).collect();
            let want = [vec![200; kept], vec![408]].concat();
            assert_eq!(statuses, want, "tls {tls}, behind {kept}");
        }
    }
    siege.lift().await;
}

#[tokio::test]
async fn a_head_that_is_cut_is_400() {
    let siege = Siege::start().await;
    for bytes in ["G", "P", "PRI", "GET /v1/models HTTP/1.1\r\n", "GET /v1/models HTTP/1.1\r\nhost: x\r\n"] {
        let mut client = siege.connect(false).await;
        client.raw(bytes).await;
        client.finish_writing().await;
        let told = answers(&client.closed().await);
        assert_eq!(told.first().map(|(status, _)| *status), Some(400), "{bytes:?}: {told:?}");
    }
    siege.lift().await;
}
