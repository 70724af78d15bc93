//! One call of a client, over any of the transports that the gateway serves.

use super::certs::certs;
use super::events::{EventCutter, text};
use super::h1::H1;
use super::{h2 as frames, within};
use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// How a client reaches the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1.1 in clear.
    H1,
    /// HTTP/2 in clear, with prior knowledge.
    H2c,
    /// HTTP/1.1 over TLS.
    TlsH1,
    /// HTTP/2 over TLS.
    TlsH2,
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// Fields besides host and framing.
    pub fields: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
    /// HTTP/1.1: chunks of this size instead of `content-length`; HTTP/2: no `content-length`.
    pub chunked: Option<usize>,
    /// How it goes.
    pub transport: Transport,
}

impl Call {
    /// A POST of JSON.
    pub fn post(path: &str, body: impl Into<Bytes>) -> Self {
        let fields = vec![("content-type".to_owned(), "application/json".to_owned())];
        let (path, body) = (path.to_owned(), body.into());
        Self { method: "POST", path, fields, body, chunked: None, transport: Transport::H1 }
    }

    /// A GET.
    pub fn get(path: &str) -> Self {
        Self { method: "GET", fields: Vec::new(), ..Self::post(path, "") }
    }

    /// With this key, as OpenAI's clients send it.
    pub fn key(self, key: &str) -> Self {
        self.field("authorization", &format!("Bearer {key}"))
    }

    /// With this field.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// In chunks of `size`.
    pub fn chunked(mut self, size: usize) -> Self {
        self.chunked = Some(size);
        self
    }

    /// Over `transport`.
    pub fn over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Sends it on a connection of its own and waits for the final answer's head.
    pub async fn open(&self, address: SocketAddr) -> Open {
        within("a connection and the head of an answer", self.exchange(address)).await
    }

    /// Sends it on a connection of its own and waits for the whole answer.
    pub async fn send(&self, address: SocketAddr) -> Answer {
        self.open(address).await.whole().await
    }

    async fn exchange(&self, address: SocketAddr) -> Open {
        let socket = TcpStream::connect(address).await.expect("the gateway listens");
        self.on(socket).await
    }

    /// Sends it on `socket`, which is connected, and waits for the final answer's head.
    pub async fn on(&self, socket: TcpStream) -> Open {
        socket.set_nodelay(true).expect("an option of every socket");
        match self.transport {
            Transport::H1 => self.over_h1(Box::new(socket)).await,
            Transport::H2c => self.over_h2(socket, "http").await,
            Transport::TlsH1 => self.over_h1(Box::new(encrypt(socket, "http/1.1").await)).await,
            Transport::TlsH2 => self.over_h2(encrypt(socket, "h2").await, "https").await,
        }
    }

    async fn over_h1(&self, io: Box<dyn Io>) -> Open {
        let mut h1 = H1::over(io);
        h1.send(self).await;
        h1.open().await
    }

    async fn over_h2(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, scheme: &str) -> Open {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 20);
        let (client, connection) = builder.handshake(io).await.expect("the gateway speaks HTTP/2");
        let driver = tokio::spawn(async move { drop(connection.await) });
        let mut client: SendRequest<Bytes> = client.ready().await.expect("a first stream is free");
        let mut request = Request::builder().method(self.method).uri(format!("{scheme}://localhost{}", self.path));
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        if self.chunked.is_none() && !self.body.is_empty() {
            request = request.header("content-length", self.body.len());
        }
        let request = request.body(()).expect("the call is valid");
        let (answer, mut upload) = client.send_request(request, self.body.is_empty()).expect("a stream");
        let body = self.body.clone();
        let upload = async move {
            if !body.is_empty() && frames::send(&mut upload, body).await.is_some() {
                upload.send_data(Bytes::new(), true).ok();
            }
            upload // kept: dropping it would reset the stream
        };
        let upload = tokio::spawn(upload);
        let answer = answer.await.expect("the gateway answers");
        let (parts, body) = answer.into_parts();
        let source = Source::H2 { body, client, upload, driver };
        Open { status: parts.status.as_u16(), headers: parts.headers, source, cutter: EventCutter::default() }
    }
}

/// A TLS connection that offers `alpn` only.
pub async fn encrypt(socket: TcpStream, alpn: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
    let connector = TlsConnector::from(certs().client(&[alpn]));
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = connector.connect(name, socket).await.expect("the gateway's certificate is good");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()), "the gateway agrees to `{alpn}`");
    stream
}

/// Anything that bytes go through.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// An answer whose head has come. Dropping it closes the connection: the client has left.
pub struct Open {
    /// Status.
    pub status: u16,
    /// Fields.
    pub headers: HeaderMap,
    source: Source,
    cutter: EventCutter,
}

enum Source {
    H1(Box<H1>),
    H2 {
        body: RecvStream,
        #[expect(dead_code, reason = "the last handle keeps the connection open")]
        client: SendRequest<Bytes>,
        upload: tokio::task::JoinHandle<h2::SendStream<Bytes>>,
        driver: tokio::task::JoinHandle<()>,
    },
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::H2 { upload, driver, .. } = self {
            upload.abort();
            driver.abort();
        }
    }
}

impl Open {
    /// An answer over HTTP/1.1.
    pub fn over_h1(status: u16, fields: &[(String, String)], h1: H1) -> Self {
        let field = |(name, value): &(String, String)| {
            let name: HeaderName = name.parse().expect("the gateway sends valid names");
            (name, HeaderValue::from_str(value).expect("the gateway sends valid values"))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().map(field) {
            headers.append(name, value);
        }
        Self { status, headers, source: Source::H1(Box::new(h1)), cutter: EventCutter::default() }
    }

    /// The next piece of body: `Ok(None)` is its proper end, `Err` a broken one.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        let next = async {
            match &mut self.source {
                Source::H1(h1) => h1.piece().await.map_err(|e| e.to_string()),
                Source::H2 { body, .. } => match body.data().await {
                    None => Ok(None),
                    Some(Err(error)) => Err(error.to_string()),
                    Some(Ok(piece)) => {
                        body.flow_control().release_capacity(piece.len()).expect("what came may be released");
                        Ok(Some(piece))
                    }
                },
            }
        };
        within("the next piece of an answer", next).await
    }

    /// Sends more bytes on the same HTTP/1.1 connection.
    pub async fn raw(&mut self, bytes: &str) {
        match &mut self.source {
            Source::H1(h1) => assert!(h1.raw(bytes).await, "the gateway takes bytes"),
            Source::H2 { .. } => panic!("an HTTP/2 connection"),
        }
    }

    /// The next event; `None` when the body has ended, in whatever way.
    pub async fn event(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.cutter.next() {
                return Some(text(event));
            }
            let piece = self.piece().await.ok()??;
            self.cutter.push(&piece);
        }
    }

    /// Reads the rest.
    pub async fn whole(mut self) -> Answer {
        let mut body = BytesMut::from(self.cutter.rest());
        let broken = loop {
            match self.piece().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        Answer { status: self.status, headers: self.headers.clone(), body: body.freeze(), broken }
    }

    /// The HTTP/1.1 connection, for the next request on it; the body must have been read.
    pub async fn finish_h1(mut self) -> (Answer, H1) {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece().await.expect("the body ends properly") {
            body.extend_from_slice(&piece);
        }
        let answer = Answer { status: self.status, headers: self.headers, body: body.freeze(), broken: None };
        let empty = Source::H1(Box::new(H1::over(Box::new(tokio::io::empty()))));
        match std::mem::replace(&mut self.source, empty) {
            Source::H1(ref mut h1) => (answer, H1::take(h1)),
            Source::H2 { .. } => panic!("an HTTP/2 connection"),
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Fields.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Why the body did not end properly.
    pub broken: Option<String>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body of an answer that has ended properly.
    pub fn unbroken(&self) -> &str {
        assert_eq!(self.broken, None, "the body ends properly: {}", self.text());
        self.text()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, self.body))
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("the gateway sends text"))
    }

    /// Asserts an error in OpenAI's shape, and tells its `code`.
    pub fn openai_error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.field("content-type"), Some("application/json"), "an error is JSON");
        let error = &self.json()["error"];
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "a message: {}", self.text());
        assert!(error["type"].as_str().is_some_and(|text| !text.is_empty()), "a type: {}", self.text());
        assert!(error.as_object().is_some_and(|members| members.contains_key("param")), "`param`: {}", self.text());
        error["code"].as_str().unwrap_or_else(|| panic!("a stable code: {}", self.text())).to_owned()
    }

    /// Asserts an error in Anthropic's shape, and tells its type.
    pub fn anthropic_error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.field("content-type"), Some("application/json"), "an error is JSON");
        let body = self.json();
        assert_eq!(body["type"], "error", "{}", self.text());
        let error = &body["error"];
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "a message: {}", self.text());
        error["type"].as_str().unwrap_or_else(|| panic!("a type: {}", self.text())).to_owned()
    }
}
