use super::*;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A webhook that answers each call with the next of `statuses`, and tells their bodies.
async fn webhook(statuses: &'static [u16]) -> (String, tokio::sync::mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}/hook?token=planted", listener.local_addr().expect("bound"));
    let (sender, bodies) = channel(8);
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move {
        for status in statuses {
            let (mut socket, _) = listener.accept().await.expect("a call");
            let mut text = String::new();
            let body = loop {
                let mut piece = [0; 1024];
                let count = socket.read(&mut piece).await.expect("readable");
                text.push_str(&String::from_utf8_lossy(&piece[..count]));
                let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
                if let Ok(body) = serde_json::from_str(body) {
                    break body;
                }
            };
            sender.send(body).await.expect("the test listens");
            let answer = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.expect("writable");
        }
    });
    (address, bodies)
}

fn start(address: String) -> (Bell, Messenger, Arc<AlertMetrics>) {
    let metrics = AlertMetrics::register(&Registry::new()).expect("a new registry");
    let (bell, messenger) = messenger(Secret::new(address), Client::default(), metrics.clone());
    (bell, messenger, Arc::new(metrics))
}

fn notice() -> Notice {
    Notice { text: "budget `team/search/usd/month` is used to 90 %".to_owned(), facts: json!({ "kind": "budget" }) }
}

#[tokio::test]
async fn a_notice_reaches_the_webhook_in_slacks_form() {
    let (address, mut bodies) = webhook(&[200]).await;
    let (bell, messenger, metrics) = start(address);
    bell.ring(notice());
    drop(bell);
    messenger.run().await;
    let body = bodies.recv().await.expect("a call");
    assert_eq!(body["text"], "budget `team/search/usd/month` is used to 90 %");
    assert_eq!(body["weighbridge"]["kind"], "budget");
    assert_eq!(metrics.notices.with_label_values(&["delivered"]).get(), 1);
}

#[tokio::test]
async fn a_webhook_that_fails_is_tried_again() {
    let (address, mut bodies) = webhook(&[500, 200]).await;
    let (bell, messenger, metrics) = start(address);
    bell.ring(notice());
    drop(bell);
    messenger.run().await;
    assert!(bodies.recv().await.is_some() && bodies.recv().await.is_some());
    assert_eq!(metrics.notices.with_label_values(&["delivered"]).get(), 1);
}

#[test]
fn a_full_queue_drops_and_counts_and_holds_nobody_up() {
    let (bell, _messenger, metrics) = start("http://127.0.0.1:9/".to_owned());
    for _ in 0..MOST_WAITING + 3 {
        bell.ring(notice());
    }
    assert_eq!(metrics.notices.with_label_values(&["dropped"]).get(), 3);
}
