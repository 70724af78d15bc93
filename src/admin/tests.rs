use super::*;
use prometheus::IntCounter;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// An admin listener on a free port.
struct Running {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

fn start() -> Running {
    let registry = Registry::new();
    let counter = IntCounter::new("weighbridge_test_total", "A test").expect("a name");
    counter.inc_by(3);
    registry.register(Box::new(counter)).expect("a new name");
    let ready = Arc::new(AtomicBool::new(true));
    let is_ready = Arc::clone(&ready);
    let state = AdminState {
        registry,
        refresh: Arc::new(|| {}),
        ready: Arc::new(move || {
            if is_ready.load(Ordering::SeqCst) { Ok(()) } else { Err("the ledger is not open".to_owned()) }
        }),
        api: api(),
        pages: axum::Router::new(),
        client: Arc::new(client),
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    #[expect(clippy::disallowed_methods, reason = "the test joins it")]
    let served = tokio::spawn(serve(listener, state, async {
        let _ = stopped.await;
    }));
    Running { address, ready, stop, served }
}

/// The tests come through a proxy that says who they are.
fn client(peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let told = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    told.and_then(|told| told.parse().ok()).unwrap_or(peer)
}

fn api() -> Arc<Api> {
    staging::api(tempfile::tempdir().expect("a directory").keep())
}

/// Sends `head` on a connection of its own and reads until the server closes it.
async fn exchange(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> String {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: anything.example\r\nconnection: close\r\n\r\n");
    exchange(address, &head).await
}

#[tokio::test]
async fn metrics_are_printed_in_prometheus_text_format() {
    let admin = start();
    let answer = ask(admin.address, "GET", "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("# TYPE weighbridge_test_total counter\nweighbridge_test_total 3\n"), "{answer}");
}

#[tokio::test]
async fn readiness_says_why_not_while_health_stays_good() {
    let admin = start();
    assert!(ask(admin.address, "GET", "/readyz").await.starts_with("HTTP/1.1 200 OK\r\n"));
    admin.ready.store(false, Ordering::SeqCst);
    let answer = ask(admin.address, "GET", "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nnot ready: the ledger is not open\n"), "{answer}");
    let answer = ask(admin.address, "GET", "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_json() {
    let admin = start();
    let cases = [
        ("GET", "/", "404", "not_found"),
        ("GET", "/metrics/", "404", "not_found"),
        ("GET", "/v1/chat/completions", "404", "not_found"),
        ("POST", "/nothing", "404", "not_found"),
        ("POST", "/metrics", "405", "method_not_allowed"),
        ("DELETE", "/healthz", "405", "method_not_allowed"),
    ];
    for (method, path, status, code) in cases {
        let answer = ask(admin.address, method, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
        assert!(answer.contains("content-type: application/json"), "{method} {path}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("json");
        assert_eq!(body["error"]["code"], code, "{method} {path}");
    }
    let answer = ask(admin.address, "POST", "/metrics").await.to_lowercase();
    assert!(answer.contains("\r\nallow: get,head\r\n"), "{answer}");
}

#[tokio::test]
async fn a_head_request_gets_no_body() {
    let admin = start();
    let answer = ask(admin.address, "HEAD", "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn bad_requests_harm_no_other_client() {
    let admin = start();
    let long = format!("GET /healthz HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n", "x".repeat(32 * 1024));
    for (head, status) in [("nonsense\r\n\r\n", "400"), (&*long, "431")] {
        let mut stream = TcpStream::connect(admin.address).await.expect("a connection");
        // The server may close before it has read all.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert!(ask(admin.address, "GET", "/healthz").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_client_that_sends_nothing_does_not_hold_up_shutdown() {
    let admin = start();
    let mut idle = TcpStream::connect(admin.address).await.expect("a connection");
    assert!(ask(admin.address, "GET", "/healthz").await.contains("ok"), "it was accepted behind the idle one");
    admin.stop.send(()).expect("it runs");
    admin.served.await.expect("no panic").expect("no error");
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    assert!(TcpStream::connect(admin.address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn guessing_tokens_at_the_api_ends_after_ten_a_minute_by_the_clients_true_address() {
    let Running { address, stop, served, .. } = start();
    let get = async |from: &str, token: &str| {
        let head = format!(
            "GET /admin/v1/keys HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {from}\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\n\r\n"
        );
        exchange(address, &head).await
    };
    for guess in 0..10 {
        let answer = get("192.0.2.7", &format!("a-guess-{guess}")).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    let answer = get("192.0.2.7", staging::ADMIN).await;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("too_many_wrong_tokens"), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: "), "{answer}");
    let answer = get("192.0.2.8", staging::ADMIN).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop.send(()).expect("it serves");
    served.await.expect("no panic").expect("served");
}
