//! Realtime sessions over a real websocket.

use super::Bench;
use crate::simulate::Outcome;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(bench: &Bench, query: &str, headers: &str) -> (String, Self) {
        let mut stream = TcpStream::connect(bench.sim.addr).await.expect("it listens");
        let head = format!(
            "GET /v1/realtime?{query} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("a head"));
        }
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        (String::from_utf8(answer).expect("text"), Self(socket))
    }

    async fn say(&mut self, event: Value) {
        self.0.send(Message::text(event.to_string())).await.expect("sent");
    }

    /// The next event; `None` at the end of the connection.
    async fn hear(&mut self) -> Option<Value> {
        match self.0.next().await? {
            Ok(Message::Text(text)) => serde_json::from_str(&text).ok(),
            _ => None,
        }
    }

    async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut heard = Vec::new();
        while let Some(event) = self.hear().await {
            let done = event["type"] == kind;
            heard.push(event);
            if done {
                break;
            }
        }
        heard
    }
}

const AUTH: &str = "authorization: Bearer sim\r\n";

#[tokio::test]
async fn a_handshake_is_answered_as_the_rfc_has_it() {
    let bench = Bench::new("").await;
    let (head, mut socket) = Socket::open(&bench, "model=gpt-realtime", AUTH).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the RFC's own sample: {head}");
    assert_eq!(socket.hear().await.expect("an event")["session"]["model"], "gpt-realtime");
    let (head, _) =
        Socket::open(&bench, "model=m", "sec-websocket-protocol: realtime, openai-insecure-api-key.k\r\n").await;
    assert!(head.contains("sec-websocket-protocol: realtime"), "{head}");
    for (query, headers, status) in [("model=m", "", "401"), ("", AUTH, "400"), ("model=m%3Ferror=503", AUTH, "503")] {
        let (head, _) = Socket::open(&bench, query, headers).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{query}: {head}");
    }
}

#[tokio::test]
async fn a_response_is_told_in_order_and_billed() {
    let bench = Bench::new("output=2,cached=5").await;
    let (_, mut socket) = Socket::open(&bench, "model=m", AUTH).await;
    socket.say(json!({"type": "response.create", "response": {"output_modalities": ["text"]}})).await;
    let heard = socket.until("response.done").await;
    let kinds: Vec<&str> = heard.iter().filter_map(|event| event["type"].as_str()).collect();
    let want = [
        "session.created",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ];
    assert_eq!(kinds, want);
    let usage = &heard[11]["response"]["usage"];
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(6), &json!(2)));
    assert_eq!(usage["input_token_details"]["cached_tokens"], 5);
    socket.0.close(None).await.expect("closed");
    super::soon("the session is over", || bench.sim.stats().open == 0).await;
    let recorded = bench.sim.recorded();
    let last = recorded.last().expect("one");
    assert_eq!(
        (last.outcome, last.status, last.reported.map(|billed| billed.sent)),
        (Outcome::Completed, 101, Some(2))
    );
}

#[tokio::test]
async fn clients_of_the_beta_hear_the_betas_names() {
    let bench = Bench::new("output=1").await;
    let (_, mut socket) = Socket::open(&bench, "model=m", &format!("{AUTH}openai-beta: realtime=v1\r\n")).await;
    socket
        .say(json!({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": []}}))
        .await;
    socket.say(json!({"type": "response.create"})).await;
    let heard = socket.until("response.done").await;
    let kinds: Vec<&str> = heard.iter().filter_map(|event| event["type"].as_str()).collect();
    assert!(kinds.contains(&"conversation.item.created") && kinds.contains(&"response.audio.delta"), "{kinds:?}");
    assert!(!kinds.contains(&"conversation.item.added"), "{kinds:?}");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_the_clients_own_id() {
    let bench = Bench::new("").await;
    let (_, mut socket) = Socket::open(&bench, "model=m", AUTH).await;
    socket.hear().await.expect("the session");
    let wrong = [
        (json!({"type": "session.update", "session": {"instructions": "x"}}), "missing_required_parameter"),
        (
            json!({"type": "session.update", "session": {"type": "realtime", "modalities": ["text"]}}),
            "unknown_parameter",
        ),
        (json!({"type": "input_audio_buffer.append", "audio": "%"}), "invalid_value"),
        (json!({"type": "input_audio_buffer.commit"}), "input_audio_buffer_commit_empty"),
        (json!({"type": "conversation.item.delete", "item_id": "none"}), "item_not_found"),
        (json!({"type": "response.cancel"}), "response_cancel_not_active"),
        (json!({"type": "response.create", "response": {"output_modalities": ["text", "audio"]}}), "invalid_value"),
        (json!({"type": "nonsense"}), "invalid_value"),
    ];
    for (mut event, code) in wrong {
        event["event_id"] = json!("mine");
        socket.say(event.clone()).await;
        let heard = socket.hear().await.expect("an event");
        assert_eq!(
            (&heard["type"], &heard["error"]["code"], &heard["error"]["event_id"]),
            (&json!("error"), &json!(code), &json!("mine")),
            "{event}"
        );
    }
}

#[tokio::test]
async fn faults_strike_within_a_response() {
    let bench = Bench::new("output=5").await;
    let (_, mut socket) = Socket::open(&bench, "model=m%3Fcut_after=2", AUTH).await;
    socket.say(json!({"type": "response.create", "response": {"output_modalities": ["text"]}})).await;
    let heard = socket.until("response.done").await;
    assert_eq!(heard.iter().filter(|event| event["type"] == "response.output_text.delta").count(), 2);
    assert_eq!(heard.last().expect("some")["type"], "response.output_text.delta");
    let (_, mut socket) = Socket::open(&bench, "model=m%3Ferror_after=1", AUTH).await;
    socket.say(json!({"type": "response.create", "response": {"output_modalities": ["text"]}})).await;
    let heard = socket.until("response.done").await;
    assert_eq!(heard.last().expect("an end")["response"]["status"], "failed");
    assert!(heard.iter().any(|event| event["type"] == "error"));
}
