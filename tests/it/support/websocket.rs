//! Websockets: a client of realtime sessions, and a provider of them that the test plays itself.

use super::within;
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

/// A provider of sessions.
pub struct Sessions {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

/// One end of a session.
pub struct Talk {
    /// The websocket.
    pub socket: WebSocketStream<TcpStream>,
    /// The client's handshake, at the provider; the provider's answer, at the client.
    pub head: Vec<(String, String)>,
    /// Path and query, at the provider.
    pub target: String,
}

/// How a session was refused.
#[derive(Debug)]
pub struct Refused {
    /// The status.
    pub status: u16,
    /// The error's code.
    pub code: String,
}

impl Sessions {
    /// Listens.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        Self { listener, address }
    }

    async fn connection(&self) -> TcpStream {
        within("the gateway connects to the provider", self.listener.accept()).await.expect("a connection").0
    }

    /// Takes the next session; of the subprotocols `realtime` is chosen, if it is offered.
    #[allow(clippy::result_large_err, reason = "tungstenite's own callback")]
    pub async fn accept(&self) -> Talk {
        let seen = Arc::new(Mutex::new((String::new(), Vec::new())));
        let note = Arc::clone(&seen);
        let callback = move |request: &Request, mut response: Response| {
            *note.lock() = (request.uri().to_string(), fields(request.headers()));
            let offered = request.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
            if offered.is_some_and(|names| names.split(", ").any(|name| name == "realtime")) {
                response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("realtime"));
            }
            Ok(response)
        };
        let connection = self.connection().await;
        let socket = within("the handshake", accept_hdr_async(connection, callback)).await.expect("a handshake");
        let (target, head) = std::mem::take(&mut *seen.lock());
        Talk { socket, head, target }
    }

    /// Answers the next session with these bytes, and closes when the gateway does.
    pub async fn say(&self, bytes: &[u8]) {
        let mut connection = self.connection().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("a request", connection.read_u8()).await.expect("a whole head"));
        }
        // The gateway may have heard enough before the end.
        let _ = connection.write_all(bytes).await;
        tokio::spawn(async move { connection.read_to_end(&mut Vec::new()).await });
    }

    /// Refuses the next session with `status`.
    pub async fn refuse(&self, status: u16) {
        let mut connection = self.connection().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("a request", connection.read_u8()).await.expect("a whole head"));
        }
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        connection.write_all(answer.as_bytes()).await.expect("it is read");
    }
}

fn fields(headers: &tokio_tungstenite::tungstenite::http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// Opens a session at the gateway.
pub async fn connect(gateway: SocketAddr, query: &str, headers: &[(&'static str, &str)]) -> Result<Talk, Refused> {
    let mut request = format!("ws://{gateway}/v1/realtime{query}").into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a value"));
    }
    let socket = TcpStream::connect(gateway).await.expect("the gateway listens");
    match within("an answer to the handshake", client_async(request, socket)).await {
        Ok((socket, response)) => {
            assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
            Ok(Talk { socket, head: fields(response.headers()), target: String::new() })
        }
        Err(Error::Http(response)) => {
            let status = response.status().as_u16();
            let body = response.body().clone().unwrap_or_default();
            let json: Value = serde_json::from_slice(&body).unwrap_or_default();
            let code = json["error"]["code"].as_str().unwrap_or_default().to_owned();
            Err(Refused { status, code })
        }
        Err(error) => panic!("neither a session nor a refusal: {error}"),
    }
}

impl Talk {
    /// A header of the other side.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Sends an event.
    pub async fn say(&mut self, event: &Value) {
        self.socket.send(Message::text(event.to_string())).await.expect("the session is open");
    }

    /// The next event.
    pub async fn hear(&mut self) -> Value {
        loop {
            match within("an event", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("an event is JSON"),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no event: {other:?}"),
            }
        }
    }

    /// The close frame: its code, or `None` where the connection ends without one.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match within("the end of the session", self.socket.next()).await {
                Some(Ok(Message::Close(frame))) => {
                    // The answer to it; who closed may be gone.
                    let _ = self.socket.flush().await;
                    return Some(frame.map_or(1005, |frame| u16::from(frame.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Closes the session and waits until the other side has, too.
    pub async fn close(&mut self) {
        let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // The other side may have closed already.
        let _ = self.socket.close(Some(frame)).await;
        self.closed().await;
    }

    /// Says that a response has begun, and that it is done and used so much: input, of it sound, output, of it sound.
    pub async fn respond(&mut self, used: [u64; 4]) {
        self.say(&json!({"type": "response.created", "response": {}})).await;
        self.say(&done(used)).await;
    }
}

/// `response.done`.
pub fn done([input, sound_in, output, sound_out]: [u64; 4]) -> Value {
    json!({"type": "response.done", "event_id": "event_1", "response": {"id": "resp_1", "status": "completed", "usage": {
        "total_tokens": input + output, "input_tokens": input, "output_tokens": output,
        "input_token_details": {"text_tokens": input - sound_in, "audio_tokens": sound_in, "cached_tokens": 0},
        "output_token_details": {"text_tokens": output - sound_out, "audio_tokens": sound_out},
    }}})
}
