//! Unary calls of gRPC, over a connection of HTTP/2 that is kept between calls
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). Messages are bytes here.

use super::{Failed, OutboundError, Place, Socket, connector, dial, host_of, place, system_roots};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Uri, Version};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::RootCertStore;

/// One that was not used for so long is replaced.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// What is read of an answer.
const MOST_ANSWER: usize = 1 << 20;

/// What a call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replied {
    /// The status of HTTP; other than 200 there is nothing else.
    pub http: u16,
    /// The status of gRPC; 0 is success, 2 if there is none.
    pub status: u32,
    /// `grpc-status-details-bin`, in base64.
    pub details: Option<String>,
    /// The message, empty if there is none.
    pub message: Bytes,
}

/// What a call says.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The message, packed where there is an `encoding`.
    pub bytes: &'a [u8],
    /// What it is packed by: `grpc-encoding`.
    pub encoding: Option<&'static str>,
}

/// Calls one server, one call after the other.
pub struct Grpc {
    place: Place,
    tls: Option<TlsConnector>,
    line: Option<(Line, Instant)>,
}

impl Grpc {
    /// The server at `uri`; `roots`: trusted instead of the system's authorities.
    ///
    /// # Errors
    ///
    /// [`OutboundError::Url`].
    pub fn new(uri: &Uri, roots: Option<RootCertStore>) -> Result<Self, OutboundError> {
        let place = place(uri).ok_or_else(|| OutboundError::Url(host_of(uri)))?;
        let tls = place.secure.then(|| connector(roots.unwrap_or_else(system_roots), &[b"h2"]));
        Ok(Self { place, tls, line: None })
    }

    /// Calls `path` (`/package.Service/Method`) with `message`. Nothing is sent twice: a connection that turns out to be
    /// dead is an error, and the next call makes another one.
    ///
    /// # Errors
    ///
    /// [`OutboundError`]; never because of a status.
    pub async fn call(
        &mut self,
        path: &str,
        headers: &HeaderMap,
        message: Message<'_>,
        within: Duration,
    ) -> Result<Replied, OutboundError> {
        let host = self.place.authority.to_string();
        match timeout(within, self.exchange(path, headers, message)).await {
            Ok(replied) => replied,
            Err(_) => {
                self.line = None;
                Err(OutboundError::Slow { host, within })
            }
        }
    }

    async fn exchange(
        &mut self,
        path: &str,
        headers: &HeaderMap,
        message: Message<'_>,
    ) -> Result<Replied, OutboundError> {
        let broken = |source| OutboundError::Broken { host: self.place.authority.to_string(), source };
        let request = self.request(path, headers, message).map_err(|error| broken(error.into()))?;
        let kept = self.line.take().filter(|(_, since)| since.elapsed() < LONGEST_IDLE).map(|(line, _)| line);
        let mut line = match kept.and_then(Line::open) {
            Some(line) => line,
            None => self.connect().await?,
        };
        let replied = line.ask(request).await.map_err(broken)?;
        self.line = Some((line, Instant::now()));
        Ok(replied)
    }

    fn request(
        &self,
        path: &str,
        headers: &HeaderMap,
        message: Message<'_>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let scheme = if self.place.secure { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(self.place.authority.clone()).path_and_query(path).build()?;
        let Message { bytes, encoding } = message;
        let mut body = BytesMut::with_capacity(bytes.len() + 5);
        // Whether it is compressed, then its length.
        body.put_u8(encoding.is_some().into());
        body.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        body.put_slice(bytes);
        let mut request = Request::post(uri).version(Version::HTTP_2).body(Full::new(body.freeze()))?;
        request.headers_mut().extend(headers.clone());
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        if let Some(encoding) = encoding {
            request.headers_mut().insert("grpc-encoding", HeaderValue::from_static(encoding));
        }
        Ok(request)
    }

    async fn connect(&self) -> Result<Line, OutboundError> {
        let socket = dial(&self.place, self.tls.as_ref()).await?;
        let broken = |source| OutboundError::Broken { host: self.place.authority.to_string(), source };
        Line::over(socket).await.map_err(broken)
    }
}

/// A connection, which moves only while it is asked.
struct Line {
    sender: http2::SendRequest<Full<Bytes>>,
    driver: BoxFuture<'static, hyper::Result<()>>,
    ended: bool,
}

impl Line {
    async fn over(io: Box<dyn Socket>) -> Result<Self, Failed> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.timer(TokioTimer::new()).handshake(TokioIo::new(io)).await?;
        Ok(Self { sender, driver: connection.boxed(), ended: false })
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Replied, Failed> {
        let Self { sender, driver, ended } = self;
        let exchange = async {
            sender.ready().await?;
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, MOST_ANSWER).collect().await?;
            let trailers = body.trailers().cloned();
            Ok::<_, Failed>(replied(parts.status.as_u16(), &parts.headers, trailers.as_ref(), &body.to_bytes()))
        };
        let mut exchange = pin!(exchange);
        poll_fn(|context| {
            if !*ended && driver.as_mut().poll(context).is_ready() {
                *ended = true;
            }
            exchange.as_mut().poll(context)
        })
        .await
    }

    /// Itself, if a request may be sent, as far as is known here.
    fn open(mut self) -> Option<Self> {
        if !self.ended && (&mut self.driver).now_or_never().is_some() {
            self.ended = true;
        }
        (!self.ended && !self.sender.is_closed()).then_some(self)
    }
}

/// A refusal may have no body, and its status in the head.
fn replied(http: u16, head: &HeaderMap, trailers: Option<&HeaderMap>, body: &Bytes) -> Replied {
    const NONE: u32 = 2;
    let told = |name| trailers.and_then(|trailers| trailers.get(name)).or_else(|| head.get(name));
    let text = |name| told(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let status = text("grpc-status").and_then(|status| status.trim().parse().ok()).unwrap_or(NONE);
    Replied {
        http,
        status,
        details: text("grpc-status-details-bin").map(str::to_owned),
        message: body.slice(5.min(body.len())..),
    }
}
