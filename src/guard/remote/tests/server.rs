//! The scripted server: one connection a request, unless an answer keeps it; it writes down what it is asked and
//! answers by a list.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What it does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These bytes, and the end.
    Raw(Vec<u8>),
    /// These bytes, and nothing more.
    Stops(Vec<u8>),
    /// This body; the connection stays open.
    Kept(String),
    /// Nothing, ever.
    Silent,
    /// This body, once the test lets it go.
    Held(String),
}

impl Reply {
    pub fn answer(status: u16, body: &str) -> Self {
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        Self::Raw((head + body).into_bytes())
    }
}

#[derive(Default)]
struct Log {
    requests: Vec<(String, Vec<u8>)>,
    connections: usize,
    open: usize,
    most_open: usize,
}

struct Script {
    /// The last one is for all that follow.
    replies: Vec<Reply>,
    log: Mutex<Log>,
    seen: watch::Sender<usize>,
    gate: Semaphore,
}

pub struct Server {
    pub url: String,
    script: Arc<Script>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub async fn start(replies: Vec<Reply>) -> Self {
        Self::listen(replies, None).await
    }

    /// With TLS for `localhost`, and the certificate to trust.
    pub async fn start_tls(replies: Vec<Reply>) -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they fit");
        let server = Self::listen(replies, Some(TlsAcceptor::from(Arc::new(config)))).await;
        (server, made.cert.pem())
    }

    async fn listen(replies: Vec<Reply>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let url = match tls {
            Some(_) => format!("https://localhost:{port}/check"),
            None => format!("http://127.0.0.1:{port}/check"),
        };
        let script = Script { replies, log: Mutex::default(), seen: watch::Sender::new(0), gate: Semaphore::new(0) };
        let script = Arc::new(script);
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&script);
        tasks.spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (script, tls) = (Arc::clone(&shared), tls.clone());
                calls.spawn(async move {
                    match tls {
                        None => script.serve(socket).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                script.serve(socket).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, script, _tasks: tasks }
    }

    /// Requests so far.
    pub fn seen(&self) -> usize {
        self.script.log.lock().requests.len()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.script.log.lock().connections
    }

    /// The most that were open at once.
    pub fn most_open(&self) -> usize {
        self.script.log.lock().most_open
    }

    pub async fn wait_for(&self, requests: usize) {
        self.script.seen.subscribe().wait_for(|seen| *seen >= requests).await.expect("the server is there");
    }

    pub fn release(&self, answers: usize) {
        self.script.gate.add_permits(answers);
    }

    pub fn last_head(&self) -> String {
        self.script.log.lock().requests.last().expect("a request").0.clone()
    }

    pub fn last_json(&self) -> serde_json::Value {
        self.json(self.seen() - 1)
    }

    pub fn json(&self, index: usize) -> serde_json::Value {
        serde_json::from_slice(&self.script.log.lock().requests[index].1).expect("JSON")
    }
}

impl Script {
    async fn serve(&self, mut socket: impl AsyncRead + AsyncWrite + Unpin) {
        self.log.lock().connections += 1;
        while self.answer(&mut socket).await {}
    }

    /// Whether the connection goes on.
    async fn answer(&self, mut socket: impl AsyncRead + AsyncWrite + Unpin) -> bool {
        let Some(request) = read(&mut socket).await else { return false };
        let index = {
            let mut log = self.log.lock();
            log.requests.push(request);
            log.open += 1;
            log.most_open = log.most_open.max(log.open);
            log.requests.len()
        };
        self.seen.send_replace(index);
        let reply = self.replies.get(index - 1).or(self.replies.last()).expect("a reply").clone();
        let (bytes, ends) = match reply {
            Reply::Raw(bytes) => (bytes, true),
            Reply::Stops(bytes) => (bytes, false),
            Reply::Silent => (Vec::new(), false),
            Reply::Kept(body) => {
                let Reply::Raw(bytes) = Reply::answer(200, &body) else { return false };
                self.log.lock().open -= 1;
                return socket.write_all(&bytes).await.is_ok();
            }
            Reply::Held(body) => {
                self.gate.acquire().await.expect("the gate is open").forget();
                let Reply::Raw(bytes) = Reply::answer(200, &body) else { return false };
                (bytes, true)
            }
        };
        self.log.lock().open -= 1;
        // A client that left is none of our business.
        drop(socket.write_all(&bytes).await);
        drop(socket.flush().await);
        if ends {
            drop(socket.shutdown().await);
        } else {
            let mut rest = [0; 64];
            while matches!(socket.read(&mut rest).await, Ok(1..)) {}
        }
        false
    }
}

/// Head and body of a request.
async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some((head, bytes[end + 4..end + 4 + length].to_vec()));
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
