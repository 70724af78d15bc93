//! The simulated provider over real sockets, with a plain hyper client.

mod anthropic;
mod bedrock;
mod cohere;
mod faults;
mod gemini;
mod openai;
mod pace;
mod realtime;
mod services;
mod transport;
mod vertex;

use super::{Knobs, Simulator};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A simulator and a client of it.
struct Bench {
    sim: Simulator,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer that was read whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("an answer is JSON")
    }

    /// Name (empty if none) and data of each event.
    fn events(&self) -> Vec<(String, String)> {
        let field = |event: &str, name: &str| {
            let line = event.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().to_owned()
        };
        let events = self.text.split_terminator("\n\n");
        events.map(|event| (field(event, "event: "), field(event, "data: "))).collect()
    }

    /// Data of each event but `[DONE]`.
    fn data(&self) -> Vec<Value> {
        let parse = |(_, data): &(String, String)| serde_json::from_str(data).expect("data is JSON");
        self.events().iter().filter(|(_, data)| data != "[DONE]").map(parse).collect()
    }
}

fn anywhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

impl Bench {
    async fn new(knobs: &str) -> Self {
        let mut all = Knobs::default();
        all.apply(knobs).expect("good knobs");
        let sim = Simulator::start(anywhere(), all).await.expect("a free port");
        Self { sim, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn h2(knobs: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self { client, ..Self::new(knobs).await }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.sim.addr));
        if path.starts_with("/v1/messages") {
            request = request.header("anthropic-version", "2023-06-01");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).expect("a request");
        self.client.request(request).await.expect("an answer")
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (head, body) = self.send(method, path, headers, body).await.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Answer { status: head.status, headers: head.headers, text }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[], &body.to_string()).await
    }
}

/// Waits until something holds that happens soon on another task.
async fn soon(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap_or_else(|_| panic!("not soon: {what}"));
}

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";
