//! The way to a provider: by an egress proxy, with a client certificate, under another name.

use crate::support::certs::certs;
use crate::support::config::{Setup, secret};
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::upstream::Upstream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const PASSWORD: &str = "planted-proxy-word";

/// A proxy that leads everywhere to one address, or answers what it is told to.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    async fn start(to: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        if client.read_buf(&mut head).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    seen.lock().push(String::from_utf8_lossy(&head).into_owned());
                    if client.write_all(answer.as_bytes()).await.is_err() || !answer.contains(" 200 ") {
                        return;
                    }
                    let mut server = TcpStream::connect(to).await.expect("the upstream listens");
                    drop(copy_bidirectional(&mut client, &mut server).await);
                });
            }
        });
        Self { address, asked, task }
    }

    fn url(&self) -> String {
        format!("http://gate:{PASSWORD}@{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\nVia: LEAK-7\r\n\r\n";

/// Nothing that the gateway says or keeps holds a secret of the way.
async fn assert_nothing_planted(gateway: &Gateway, said: &[&str]) {
    let basic = STANDARD.encode(format!("gate:{PASSWORD}"));
    assert_kept_secret(gateway, &[PASSWORD, &basic, &secret("a"), "PRIVATE KEY"], said).await;
}

/// Nothing that the gateway says or keeps holds one of these.
pub async fn assert_kept_secret(gateway: &Gateway, planted: &[&str], said: &[&str]) {
    let log = gateway.log();
    let metrics = gateway.metrics().await;
    let rows = format!("{:?}", gateway.rows().await);
    let check = gateway.command(&["check"]).await.ok();
    for planted in planted {
        for (what, text) in [("log", &log), ("metrics", &metrics), ("rows", &rows), ("check", &check)] {
            assert!(!text.contains(planted), "{what}: {text}");
        }
        assert!(said.iter().all(|text| !text.contains(planted)), "{said:?}");
        for file in files_below(&gateway.config().with_file_name("state")) {
            let bytes = std::fs::read(&file).unwrap_or_default();
            assert!(memchr::memmem::find(&bytes, planted.as_bytes()).is_none(), "{}", file.display());
        }
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.path())).collect()
}

#[tokio::test]
async fn calls_go_by_the_proxy_and_the_name_is_resolved_there() {
    for tls in [false, true] {
        let upstream = if tls { Upstream::start_tls().await } else { Upstream::start().await };
        let proxy = Proxy::start(upstream.address, ESTABLISHED).await;
        // A name that nobody but the proxy could resolve.
        let (scheme, more) = if tls { ("https", ", ca_file: ca.pem, server_name: localhost") } else { ("http", "") };
        let url = format!("{scheme}://api.provider.invalid:4443");
        let setup = Setup::new().provider("a", "openai", &url, &format!("proxy: \"{}\"{more}", proxy.url()));
        let gateway = setup.model("fast", 1, "").start().await;
        for count in 1..=2 {
            let answer = gateway.post("/v1/chat/completions", sample::CHAT_ASK).await;
            assert_eq!((answer.status, answer.text()), (200, sample::CHAT), "{}", gateway.log());
            gateway.over(count).await;
        }
        let asked = proxy.asked.lock().clone();
        let basic = STANDARD.encode(format!("gate:{PASSWORD}"));
        let want = format!(
            "CONNECT api.provider.invalid:4443 HTTP/1.1\r\nHost: api.provider.invalid:4443\r\n\
             Proxy-Authorization: Basic {basic}\r\n\r\n"
        );
        assert_eq!(asked, [want], "one tunnel, used again");
        let heads = upstream.requests();
        assert!(heads.iter().all(|seen| seen.head.get("proxy-authorization").is_none()), "never sent on");
        assert_eq!(heads[0].head.get("host"), Some("api.provider.invalid:4443"));
        assert_nothing_planted(&gateway, &[]).await;
    }
}

#[tokio::test]
async fn what_the_proxy_says_instead_moves_on_and_is_named() {
    let upstream = Upstream::start().await;
    for (answer, want) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\nx: LEAK-7\r\n\r\n<html>LEAK-7", "status 407"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502"),
        ("LEAK-7", "broke off"),
        ("SSH-2.0-LEAK-7 and more\r\n", "no HTTP"),
    ] {
        let proxy = Proxy::start(upstream.address, answer).await;
        let more = format!("proxy: \"{}\"", proxy.url());
        let setup = Setup::new().provider("a", "openai", "http://api.provider.invalid", &more);
        let setup = setup.provider("b", "openai", &format!("http://{}", upstream.address), "");
        let gateway = setup.model("fast", 2, "").model_of("alone", &["a"], "").start().await;
        let alone = gateway.post("/v1/chat/completions", sample::CHAT_ASK.replace("fast", "alone")).await;
        assert_eq!(alone.openai_error(502), "upstream_failed", "{answer}");
        assert!(alone.text().contains(want) && !alone.text().contains("LEAK"), "{answer}: {}", alone.text());
        let second = gateway.post("/v1/chat/completions", sample::CHAT_ASK).await;
        assert_eq!((second.status, second.text()), (200, sample::CHAT), "{answer}");
        assert_nothing_planted(&gateway, &[alone.text(), second.text()]).await;
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_or_silent_moves_on() {
    let second = Upstream::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = silent.local_addr().map(|address| (address, silent)).expect("bound");
    for address in [crate::support::ports::free(), silent.0] {
        let setup = Setup::new().provider(
            "a",
            "openai",
            "http://api.provider.invalid",
            &format!("proxy: \"http://{address}\""),
        );
        let setup = setup.provider("b", "openai", &format!("http://{}", second.address), "");
        let gateway = setup.timeouts(2, "connect: 300ms").start().await;
        let answer = gateway.post("/v1/chat/completions", sample::CHAT_ASK).await;
        assert_eq!((answer.status, answer.field("x-weighbridge-attempts")), (200, Some("2")), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_asked_for() {
    let upstream = Upstream::start_tls_for(certs().server_for_clients()).await;
    let url = format!("https://localhost:{}", upstream.address.port());
    let with = "ca_file: ca.pem, client_cert: { cert: cert.pem, key: key.pem }";
    let setup = Setup::new().provider("a", "openai", &url, with).provider("b", "openai", &url, "ca_file: ca.pem");
    let gateway = setup.model_of("fast", &["a"], "").model_of("bare", &["b"], "").start().await;
    let answer = gateway.post("/v1/chat/completions", sample::CHAT_ASK).await;
    assert_eq!((answer.status, answer.text()), (200, sample::CHAT));
    let bare = gateway.post("/v1/chat/completions", sample::CHAT_ASK.replace("fast", "bare")).await;
    assert_eq!(bare.openai_error(502), "upstream_failed", "without one it is refused, and no connection is shared");
    let check = gateway.command(&["check"]).await.ok();
    assert!(check.contains("shows a client certificate, valid until "), "{check}");
    assert_nothing_planted(&gateway, &[answer.text(), bare.text()]).await;
}

/// `localhost` is `::1` and 127.0.0.1 in most places, of which only the latter is listened on.
#[tokio::test]
async fn a_closed_address_is_gone_around_within_the_same_attempt() {
    let upstream = Upstream::start().await;
    let url = format!("http://localhost:{}", upstream.address.port());
    let gateway = Setup::new().provider("a", "openai", &url, "").model("fast", 1, "").start().await;
    for _ in 0..3 {
        let answer = gateway.post("/v1/chat/completions", sample::CHAT_ASK).await;
        assert_eq!((answer.status, answer.field("x-weighbridge-attempts")), (200, Some("1")), "{}", answer.text());
    }
    assert_eq!(gateway.settled(3).await.len(), 3);
}
