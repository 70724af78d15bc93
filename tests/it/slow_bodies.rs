//! How slowly the body of a request may come.

use crate::support::call::Answer;
use crate::support::config::{KEY, Setup};
use crate::support::gateway::Gateway;
use crate::support::h1::H1;
use crate::support::upstream::Upstream;
use crate::support::within;
use bytes::Bytes;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const CHAT: &str = "/v1/chat/completions";

/// Sends a chat over HTTP/1.1, its body in `pieces` with `gap` in between, until the gateway answers.
async fn paced_h1(gateway: &Gateway, pieces: Vec<Bytes>, gap: Duration) -> Answer {
    paced(gateway, (CHAT, "application/json"), pieces, gap).await
}

/// The same to any path.
async fn paced(gateway: &Gateway, (path, kind): (&str, &str), pieces: Vec<Bytes>, gap: Duration) -> Answer {
    let mut socket = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: {kind}\r\n\
         content-length: {length}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.expect("taken");
    for piece in pieces {
        if socket.write_all(&piece).await.is_err() {
            break;
        }
        // Its pace is what the test is about.
        if tokio::time::timeout(gap, socket.readable()).await.is_ok() {
            break;
        }
    }
    let (answer, mut client) = H1::over(Box::new(socket)).answer().await;
    if answer.status == 408 {
        client.closed().await;
    }
    answer
}

/// The same over HTTP/2 in clear.
async fn paced_h2(gateway: &Gateway, pieces: Vec<Bytes>, gap: Duration) -> u16 {
    let socket = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let (client, connection) = h2::client::handshake(socket).await.expect("the gateway speaks HTTP/2");
    let driver = tokio::spawn(connection);
    let mut client = client.ready().await.expect("a stream");
    let request = http::Request::post(format!("http://localhost{CHAT}"))
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(())
        .expect("a request");
    let (answer, mut upload) = client.send_request(request, false).expect("a stream");
    tokio::pin!(answer);
    let mut status = None;
    for piece in pieces {
        upload.send_data(piece, false).ok();
        if let Ok(answer) = tokio::time::timeout(gap, &mut answer).await {
            status = Some(answer.expect("an answer").status().as_u16());
            break;
        }
    }
    upload.send_data(Bytes::new(), true).ok();
    let status = match status {
        Some(status) => status,
        None => within("an answer", answer).await.expect("an answer").status().as_u16(),
    };
    driver.abort();
    status
}

#[tokio::test]
async fn a_body_that_keeps_its_pace_is_waited_for_and_one_that_dribbles_is_not() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).server("body_timeout", "600ms").server("body_min_rate", "1KiB");
    let gateway = setup.start().await;
    // 1 KiB each 150 ms is more than 1 KiB a second; the whole takes more than `body_timeout`.
    let steady = || {
        let body = format!(
            "{{\"model\":\"fast\",\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}",
            "x".repeat(8_000)
        );
        let body = Bytes::from(body);
        (0..body.len()).step_by(1024).map(|at| body.slice(at..body.len().min(at + 1024))).collect::<Vec<_>>()
    };
    let dribble = || (0..2_000).map(|_| Bytes::from_static(b" ")).collect::<Vec<_>>();
    let (gap, drip) = (Duration::from_millis(150), Duration::from_millis(20));
    assert_eq!(paced_h1(&gateway, steady(), gap).await.status, 200);
    assert_eq!(paced_h2(&gateway, steady(), gap).await, 200);
    assert_eq!(upstream.count(), 2);
    let begun = tokio::time::Instant::now();
    assert_eq!(paced_h1(&gateway, dribble(), drip).await.openai_error(408), "body_timeout");
    assert_eq!(paced_h2(&gateway, dribble(), drip).await, 408);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(upstream.count(), 2, "nothing of it went up");
    gateway.assert_serves().await;
}

#[tokio::test]
async fn a_file_that_is_passed_on_must_keep_its_pace_too() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).server("body_timeout", "600ms").server("body_min_rate", "1MiB");
    let gateway = setup.top("files: { provider: a }").start().await;
    let begin = "--edge\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--edge\r\n\
                 content-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let mut pieces = vec![Bytes::from(format!("{begin}{}", "x".repeat(200_000)))];
    pieces.extend((0..2_000).map(|_| Bytes::from_static(b"x")));
    let what = ("/v1/files", "multipart/form-data; boundary=edge");
    let answer = paced(&gateway, what, pieces, Duration::from_millis(20)).await;
    assert_eq!(answer.openai_error(408), "body_timeout");
    assert!(!upstream.requests().pop().expect("it began").whole, "the provider never had it");
    gateway.assert_serves().await;
}

#[tokio::test]
async fn without_a_least_rate_the_whole_body_has_one_deadline() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).server("body_timeout", "600ms").server("body_min_rate", "0");
    let gateway = setup.start().await;
    let pieces = (0..20).map(|_| Bytes::from(vec![b' '; 4096])).collect();
    assert_eq!(paced_h1(&gateway, pieces, Duration::from_millis(100)).await.status, 408);
    assert_eq!(upstream.count(), 0);
}
