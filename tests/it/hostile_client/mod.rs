//! Clients that mean harm: whatever they send, they get a 4xx in their dialect and the end of the connection, nothing of it
//! goes up, the process lives, and another client is served all the while.

mod flood;
mod frames;
mod headers;
mod heads;
mod order;
mod uploads;

use crate::support::call::{Call, encrypt};
use crate::support::config::{KEY, Setup};
use crate::support::gateway::Gateway;
use crate::support::h1::H1;
use crate::support::sample;
use crate::support::upstream::Upstream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const CHAT: &str = "/v1/chat/completions";
/// Stands in whatever a hostile client would have sent up.
const SMUGGLED: &str = "smuggled";

/// A gateway with both dialects, its upstream, and a client that behaves.
struct Siege {
    gateway: Gateway,
    upstream: Upstream,
    neighbour: Neighbour,
}

impl Siege {
    async fn start() -> Self {
        Self::with(Setup::new()).await
    }

    async fn with(setup: Setup) -> Self {
        let upstream = Upstream::start().await;
        let url = format!("http://{}", upstream.address);
        let setup = setup.provider("a", "openai", &url, "").provider("b", "anthropic", &url, "");
        let gateway = setup.model_of("fast", &["a", "b"], "").with_tls().start().await;
        let neighbour = Neighbour::start(&gateway);
        Self { gateway, upstream, neighbour }
    }

    /// A connection in clear or over TLS.
    async fn connect(&self, tls: bool) -> H1 {
        if !tls {
            return H1::connect(self.gateway.address).await;
        }
        let address = self.gateway.tls_address.expect("a listener with TLS");
        let socket = TcpStream::connect(address).await.expect("the gateway listens");
        H1::over(Box::new(encrypt(socket, "http/1.1").await))
    }

    /// Asserts that nobody else noticed.
    async fn lift(self) {
        let asked = self.neighbour.stop().await;
        let seen = self.upstream.requests();
        assert!(seen.iter().all(|request| !format!("{request:?}").contains(SMUGGLED)), "{seen:#?}");
        assert_eq!(seen.len(), asked, "only what the other client asked went up");
        assert!(self.gateway.runs());
        assert!(!self.gateway.log().contains("panicked"), "{}", self.gateway.log());
        self.gateway.assert_serves().await;
    }
}

/// A client that asks one thing after the other.
struct Neighbour {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<Duration>>,
}

impl Neighbour {
    fn start(gateway: &Gateway) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ends, address) = (Arc::clone(&stop), gateway.address);
        let asking = tokio::spawn(async move {
            let mut took = Vec::new();
            let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY);
            while !ends.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let answer = call.send(address).await;
                assert_eq!((answer.status, answer.text()), (200, sample::CHAT), "another client is served");
                took.push(begun.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            took
        });
        Self { stop, asking }
    }

    /// How many requests were served.
    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = self.asking.await.expect("every request was served");
        took.sort();
        let at = |share: usize| took.get(took.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
        eprintln!("the other client: {} requests, p50 {:?}, p99 {:?}", took.len(), at(50), at(99));
        took.len()
    }
}

/// The answers of a connection that was closed, by their own lengths: status and body of each.
fn answers(said: &[u8]) -> Vec<(u16, String)> {
    let (mut rest, mut told) = (String::from_utf8_lossy(said).into_owned(), Vec::new());
    while let Some((head, behind)) = rest.split_once("\r\n\r\n") {
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok()).flatten()
        });
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)?.parse().ok());
        let (body, next) = behind.split_at_checked(length.unwrap_or(0)).expect("a whole body");
        told.push((status.unwrap_or_else(|| panic!("no answer: {head}")), body.to_owned()));
        rest = next.to_owned();
    }
    assert!(rest.is_empty(), "half an answer: {rest}");
    told
}
