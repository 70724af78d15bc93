//! A client that reads nothing holds little of the gateway's memory, and the provider hears that nobody reads.

use crate::support::call::{Call, Transport};
use crate::support::config::{KEY, Setup};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const MESSAGE: &str =
    r#"{"model":"fast","max_tokens":100000000,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const MIB: u64 = 1 << 20;
/// What the provider has to say to each client.
const ANSWER: u64 = 64 * MIB;
const CLIENTS: u64 = 8;

/// A provider that answers each connection with a stream of [`ANSWER`] bytes, as fast as it is taken; `sent` counts what the
/// sockets took.
struct Torrent {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    /// Ends with this value.
    _task: JoinSet<()>,
}

impl Torrent {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let sent = Arc::new(AtomicU64::new(0));
        let (count, mut task) = (Arc::clone(&sent), JoinSet::new());
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(pour(socket, Arc::clone(&count)));
            }
        });
        Self { address, sent, _task: task }
    }

    /// Until nothing was sent for a second; how much it was by then.
    async fn stalled(&self) -> u64 {
        let mut before = u64::MAX;
        loop {
            let sent = self.sent.load(Ordering::Relaxed);
            if sent == before && sent > 0 {
                return sent;
            }
            before = sent;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }
}

async fn pour(mut socket: TcpStream, sent: Arc<AtomicU64>) {
    let mut request = vec![0; 64 * 1024];
    if socket.read(&mut request).await.is_err() {
        return;
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let piece = sample::chat_delta(&"x".repeat(1000)).repeat(32);
    let mut left = ANSWER;
    let mut told = socket.write_all(head.as_bytes()).await;
    while left > 0 && told.is_ok() {
        told = socket.write_all(piece.as_bytes()).await;
        left = left.saturating_sub(piece.len() as u64);
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
}

/// What the kernel may hold of one connection on both sides: buffers grow to a few MiB each where somebody read fast.
const KERNEL: u64 = 12 * MIB;

async fn nothing_is_held(gateway: &Gateway) {
    eventually("all are given up", || async {
        let held = gateway.metric("weighbridge_proxy_in_flight_requests").await
            + gateway.metric("weighbridge_proxy_buffered_bytes").await;
        (held == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_less_than_a_mebibyte_and_stops_the_provider() {
    // Passed and translated; over HTTP/1.1 and HTTP/2.
    for (transport, path) in [(Transport::H1, CHAT), (Transport::H2c, CHAT), (Transport::H1, MESSAGES)] {
        let torrent = Torrent::start().await;
        let url = format!("http://{}", torrent.address);
        let gateway = Setup::new().provider("a", "openai", &url, "").model("fast", 1, "").start().await;
        let ask = if path == CHAT { sample::CHAT_STREAM_ASK } else { MESSAGE };
        let mut call = Call::post(path, ask).key(KEY);
        call.transport = transport;
        // With one stream there is all that is there once for all of them.
        let mut clients = vec![call.open(gateway.address).await];
        torrent.stalled().await;
        torrent.sent.store(0, Ordering::Relaxed);
        let before = gateway.resident_bytes();
        for _ in 0..CLIENTS {
            let open = call.open(gateway.address).await;
            assert_eq!(open.status, 200);
            clients.push(open);
        }
        let sent = torrent.stalled().await;
        // What was used in passing goes back to the kernel within a second (`.cargo/config.toml`).
        let held = eventually("a stream holds less than a MiB", || async {
            let grown = gateway.resident_bytes().saturating_sub(before);
            println!("{transport:?} {path}: {} KiB held a stream", grown / CLIENTS / 1024);
            (grown < CLIENTS * MIB).then_some(grown)
        });
        let held = held.await;
        println!("{transport:?} {path}: {} KiB held, {} KiB sent", held / CLIENTS / 1024, sent / CLIENTS / 1024);
        assert!(sent < CLIENTS * KERNEL, "{transport:?} {path}: {} KiB sent a stream", sent / CLIENTS / 1024);
        gateway.assert_serves().await;
        drop(clients);
        nothing_is_held(&gateway).await;
        eventually("what was sent is metered", || async {
            let records = gateway.access_records();
            let metered = records.iter().filter(|one| one["output_tokens"].as_u64() > Some(0)).count();
            (metered as u64 >= CLIENTS).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_provider_over_http_2_is_stopped_by_its_window() {
    let upstream = Upstream::start_h2().await;
    let piece = sample::chat_delta(&"x".repeat(1000)).repeat(200);
    let pieces = usize::try_from(ANSWER).expect("it fits") / piece.len();
    let script = (0..pieces).fold(Script::sse(), |script, _| script.body(piece.clone()));
    let gateway = Setup::openai(&[&upstream]).start().await;
    gateway.post(CHAT, sample::CHAT_ASK).await;
    upstream.always(script.end());
    // Until it neither grows nor shrinks: what was used in passing goes back to the kernel within a second or two.
    let at_rest = async || {
        let mut last = None;
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let resident = gateway.resident_bytes();
            if last.is_some_and(|last: u64| resident.abs_diff(last) <= 64 * 1024) {
                return resident;
            }
            last = Some(resident);
        }
    };
    // With one stream there is all that is there once for all of them.
    let mut clients = vec![gateway.open(CHAT, sample::CHAT_STREAM_ASK).await];
    let before = at_rest().await;
    for _ in 0..CLIENTS {
        clients.push(gateway.open(CHAT, sample::CHAT_STREAM_ASK).await);
    }
    let grown = at_rest().await.saturating_sub(before);
    println!("HTTP/2 provider: {} KiB held a stream", grown / CLIENTS / 1024);
    assert!(grown < CLIENTS * MIB, "{} KiB a stream", grown / CLIENTS / 1024);
    gateway.assert_serves().await;
}
