//! A provider that does what a test tells it to, and remembers what it was asked.
//!
//! It speaks HTTP/1.1 byte by byte, so that any garbage can be sent, and HTTP/2 frame by frame ([`super::h2`]).

use super::certs::certs;
use super::h2;
use super::head::{BodyReader, Framing, Head, read_head};
use super::sample;
use super::script::{Script, Step};
use super::within;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// One request as the upstream got it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Counts from 0 in the order of the heads.
    pub number: usize,
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// Method, path and fields; for HTTP/2 the line is made up and `host` is `:authority`.
    pub head: Head,
    /// The body as far as it came.
    pub body: Bytes,
    /// Whether all of the body came.
    pub whole: bool,
    /// When the script was left because the other side had gone.
    pub gone: Option<Instant>,
}

impl Recorded {
    /// The path and query.
    pub fn path(&self) -> &str {
        self.head.word(1)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }
}

/// A scripted provider; it ends when dropped.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether the gateway reaches it by `https`.
    pub tls: bool,
    /// The value of `protocol:` that reaches it.
    pub protocol: &'static str,
    board: Arc<Board>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// HTTP/1.1 in clear.
    pub async fn start() -> Self {
        Self::listen(Speaks::Http1, None, "http1").await
    }

    /// HTTP/1.1 over TLS, with the certificate of [`certs`].
    pub async fn start_tls() -> Self {
        Self::listen(Speaks::Http1, Some(TlsAcceptor::from(certs().server(&["http/1.1"]))), "http1").await
    }

    /// HTTP/1.1 over TLS of this kind.
    pub async fn start_tls_for(server: Arc<tokio_rustls::rustls::ServerConfig>) -> Self {
        Self::listen(Speaks::Http1, Some(TlsAcceptor::from(server)), "http1").await
    }

    /// HTTP/2 in clear, with prior knowledge.
    pub async fn start_h2() -> Self {
        Self::listen(Speaks::Http2 { window: h2::WINDOW }, None, "http2").await
    }

    /// HTTP/2 over TLS.
    pub async fn start_tls_h2() -> Self {
        let acceptor = TlsAcceptor::from(certs().server(&["h2"]));
        Self::listen(Speaks::Http2 { window: h2::WINDOW }, Some(acceptor), "auto").await
    }

    /// HTTP/2 in clear; `window` bytes of each request's body are let through, and never more.
    pub async fn start_h2_with_window(window: u32) -> Self {
        Self::listen(Speaks::Http2 { window }, None, "http2").await
    }

    /// Speaks clear text where a TLS handshake is expected.
    pub async fn start_clear_on_tls_port() -> Self {
        let mut upstream = Self::start().await;
        upstream.tls = true;
        upstream.always(Script::new().raw("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").close());
        upstream
    }

    async fn listen(speaks: Speaks, acceptor: Option<TlsAcceptor>, protocol: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let board = Arc::new(Board::default());
        let tls = acceptor.is_some();
        let task = tokio::spawn(accept(listener, Arc::clone(&board), speaks, acceptor));
        Self { address, tls, protocol, board, task }
    }

    /// Plays `script` for the next request that no script is queued for yet.
    pub fn next(&self, script: Script) -> &Self {
        self.board.queue.lock().push_back(script);
        self
    }

    /// Plays `script` whenever the queue is empty. Without a call of this a well-formed answer is given.
    pub fn always(&self, script: Script) -> &Self {
        *self.board.rule.lock() = Rule::Always(script);
        self
    }

    /// Plays what `rule` says of a request whenever the queue is empty.
    pub fn by(&self, rule: impl Fn(&Recorded) -> Script + Send + Sync + 'static) -> &Self {
        *self.board.rule.lock() = Rule::By(Arc::new(rule));
        self
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.board.seen.borrow().clone()
    }

    /// How often it was asked so far.
    pub fn count(&self) -> usize {
        self.board.seen.borrow().len()
    }

    /// The only request so far.
    pub fn only(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "exactly one request reached the upstream: {requests:#?}");
        requests.remove(0)
    }

    /// Waits until request `number` (from 0) is there with all of its body.
    pub async fn request(&self, number: usize) -> Recorded {
        self.wait_for("a request at the upstream", |seen| seen.get(number).filter(|r| r.whole).cloned()).await
    }

    /// Waits until the head of request `number` is there.
    pub async fn begun(&self, number: usize) -> Recorded {
        self.wait_for("a request's head at the upstream", |seen| seen.get(number).cloned()).await
    }

    /// Waits until the other side left request `number` before its script was over.
    pub async fn gone(&self, number: usize) -> Instant {
        self.wait_for("the upstream call's cancellation", |seen| seen.get(number).and_then(|r| r.gone)).await
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        *self.board.connections.lock()
    }

    async fn wait_for<T>(&self, what: &str, probe: impl Fn(&[Recorded]) -> Option<T>) -> T {
        let mut seen = self.board.seen.subscribe();
        let found = async {
            let seen = seen.wait_for(|seen| probe(seen).is_some()).await.expect("the board lives");
            probe(&seen).expect("it was there just now")
        };
        within(what, found).await
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections of one upstream share.
pub struct Board {
    seen: watch::Sender<Vec<Recorded>>,
    queue: Mutex<VecDeque<Script>>,
    rule: Mutex<Rule>,
    connections: Mutex<usize>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            seen: watch::Sender::new(Vec::new()),
            queue: Mutex::default(),
            rule: Mutex::new(Rule::By(Arc::new(sample::proper_answer))),
            connections: Mutex::new(0),
        }
    }
}

impl Board {
    /// Notes a request whose head has come.
    pub fn begin(&self, connection: usize, head: Head) -> Recorded {
        let mut noted = None;
        self.seen.send_modify(|seen| {
            let request =
                Recorded { number: seen.len(), connection, head, body: Bytes::new(), whole: false, gone: None };
            noted = Some(request.clone());
            seen.push(request);
        });
        noted.expect("`send_modify` calls at once")
    }

    /// Notes what is new about `request`.
    pub fn update(&self, request: &Recorded) {
        self.seen.send_modify(|seen| seen[request.number] = request.clone());
    }

    /// The script for a request whose body has not come yet; `None`: the rule must see the body first.
    pub fn choose(&self) -> Option<Script> {
        self.queue.lock().pop_front().or_else(|| match &*self.rule.lock() {
            Rule::Always(script) => Some(script.clone()),
            Rule::By(_) => None,
        })
    }

    /// The rule's script.
    pub fn decide(&self, request: &Recorded) -> Script {
        let rule = self.rule.lock().clone();
        match rule {
            Rule::Always(script) => script,
            Rule::By(rule) => rule(request),
        }
    }
}

#[derive(Clone)]
enum Rule {
    Always(Script),
    By(Arc<dyn Fn(&Recorded) -> Script + Send + Sync>),
}

#[derive(Debug, Clone, Copy)]
enum Speaks {
    Http1,
    Http2 { window: u32 },
}

async fn accept(listener: TcpListener, board: Arc<Board>, speaks: Speaks, acceptor: Option<TlsAcceptor>) {
    // Ends its connections with the upstream.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        socket.set_nodelay(true).ok();
        let number = std::mem::replace(&mut *board.connections.lock(), 0);
        *board.connections.lock() = number + 1;
        let (board, acceptor) = (Arc::clone(&board), acceptor.clone());
        connections.spawn(async move {
            let wire = match acceptor {
                None => Wire::Clear(socket),
                Some(acceptor) => match acceptor.accept(socket).await {
                    Ok(stream) => Wire::Tls(Box::new(stream)),
                    Err(_) => return,
                },
            };
            match speaks {
                Speaks::Http1 => drop(serve(wire, &board, number).await),
                Speaks::Http2 { window } => h2::serve(wire, &board, number, window).await,
            }
        });
    }
}

/// One HTTP/1.1 connection: requests in turn, until a script or the other side ends it.
async fn serve(mut wire: Wire, board: &Board, connection: usize) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    while let Some(head) = read_head(&mut wire, &mut buffer).await? {
        let framing = head.framing();
        let last = head.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let mut request = board.begin(connection, head);
        let mut script = board.choose();
        if !script.as_ref().is_some_and(|script| script.early) {
            let read = read_body(&mut wire, &mut buffer, framing, &mut request).await;
            if read.is_err() {
                request.gone = Some(Instant::now());
            }
            board.update(&request);
            read?;
        }
        let script = script.take().unwrap_or_else(|| board.decide(&request));
        match play(&mut wire, &mut buffer, script).await {
            Ok(Next::Request) if !last => {}
            Ok(_) => return Ok(()),
            Err(_) => {
                request.gone = Some(Instant::now());
                board.update(&request);
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn read_body(wire: &mut Wire, buffer: &mut BytesMut, framing: Framing, request: &mut Recorded) -> io::Result<()> {
    if framing != Framing::None {
        let mut reader = BodyReader::new(framing);
        let mut body = BytesMut::new();
        while let Some(piece) = reader.piece(wire, buffer).await? {
            body.extend_from_slice(&piece);
        }
        request.body = body.freeze();
    }
    request.whole = true;
    Ok(())
}

enum Next {
    Request,
    Closed,
}

/// Plays one script; an error means that the other side had gone.
async fn play(wire: &mut Wire, buffer: &mut BytesMut, script: Script) -> io::Result<Next> {
    let mut chunked = false;
    for step in script.steps {
        match step {
            Step::Head(status, fields) => {
                let informational = status < 200;
                let sized = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
                let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
                for (name, value) in fields {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                if !informational {
                    chunked = !sized;
                    text.push_str(if sized { "" } else { "transfer-encoding: chunked\r\n" });
                }
                text.push_str("\r\n");
                wire.write_all(text.as_bytes()).await?;
            }
            Step::Body(piece) => write_piece(wire, &piece, chunked).await?,
            Step::Bytewise(piece) => {
                for byte in piece.chunks(1) {
                    write_piece(wire, byte, chunked).await?;
                }
            }
            Step::End if chunked => wire.write_all(b"0\r\n\r\n").await?,
            Step::End => {}
            Step::Trailers(fields) => {
                let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                wire.write_all(format!("0\r\n{lines}\r\n").as_bytes()).await?;
            }
            Step::Raw(bytes) => wire.write_all(&bytes).await?,
            Step::Wait(gate) => {
                wire.flush().await?;
                tokio::select! {
                    () = gate.opened() => {}
                    error = departure(wire, buffer) => return Err(error),
                }
            }
            Step::Stall => {
                wire.flush().await?;
                return Err(departure(wire, buffer).await);
            }
            Step::Close => {
                wire.shutdown().await?;
                return Ok(Next::Closed);
            }
            Step::Reset => {
                wire.flush().await?;
                wire.socket().set_zero_linger()?;
                return Ok(Next::Closed);
            }
        }
    }
    wire.flush().await?;
    Ok(Next::Request)
}

async fn write_piece(wire: &mut Wire, piece: &[u8], chunked: bool) -> io::Result<()> {
    if !chunked {
        return wire.write_all(piece).await;
    }
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    wire.write_all(&chunk).await
}

/// Reads on until the other side is gone; what it sends meanwhile is kept.
async fn departure(wire: &mut Wire, buffer: &mut BytesMut) -> io::Error {
    loop {
        match wire.read_buf(buffer).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// A connection, clear or encrypted.
#[derive(Debug)]
pub enum Wire {
    /// TCP.
    Clear(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
