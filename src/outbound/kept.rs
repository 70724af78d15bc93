//! Connections that stay open between calls to one place, for what is called with each request: else a busy gateway
//! would run out of ports, and pay for a handshake each time.
//!
//! Nothing runs between calls: a connection that nobody uses is not polled. What the other end did to it meanwhile
//! shows when it is taken, and one that fails before anything of an answer came is replaced by a new one, once.

use super::{Client, Failed, OutboundError, Place, Socket, dial, host_of, place};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// One that nobody used for so long is closed when the next one is looked for: some servers close after five seconds.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// Idle connections, all to the same place.
pub struct Kept {
    idle: Mutex<Vec<(Line, Instant)>>,
    most: usize,
}

impl Kept {
    /// None yet; keeps `most` of them.
    pub const fn new(most: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), most }
    }

    fn take(&self) -> Option<Line> {
        let mut idle = self.idle.lock();
        while let Some((mut line, since)) = idle.pop() {
            if since.elapsed() < LONGEST_IDLE && line.is_open() {
                return Some(line);
            }
        }
        None
    }

    fn give(&self, mut line: Line) {
        if line.is_open() {
            let mut idle = self.idle.lock();
            if idle.len() < self.most {
                idle.push((line, Instant::now()));
            }
        }
    }
}

impl Client {
    /// As [`Self::send`], over an idle connection of `kept`, or a new one, which stays there. All calls with the same
    /// `kept` go to the same host.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn send_kept(
        &self,
        kept: &Kept,
        request: Request<Bytes>,
        within: Duration,
        most: usize,
    ) -> Result<Response<Bytes>, OutboundError> {
        let host = host_of(request.uri());
        let answered = timeout(within, self.exchange_kept(kept, request, most)).await;
        answered.unwrap_or(Err(OutboundError::Slow { host, within }))
    }

    async fn exchange_kept(
        &self,
        kept: &Kept,
        mut request: Request<Bytes>,
        most: usize,
    ) -> Result<Response<Bytes>, OutboundError> {
        let wrong = || OutboundError::Url(host_of(request.uri()));
        let place = place(request.uri()).ok_or_else(wrong)?;
        let host = HeaderValue::from_str(place.authority.as_str()).map_err(|_| wrong())?;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| wrong())?;
        request.headers_mut().insert(HOST, host);
        let broken = |source| OutboundError::Broken { host: place.authority.to_string(), source };
        if let Some(mut line) = kept.take() {
            match line.ask(request.clone(), most).await {
                Ok(answer) => {
                    kept.give(line);
                    return Ok(answer);
                }
                Err(Lost::Behind(source)) => return Err(broken(source)),
                // It was closed while it was taken.
                Err(Lost::Before(_)) => {}
            }
        }
        let mut line = self.line(&place).await?;
        let answered = line.ask(request, most).await;
        let answer = answered.map_err(|lost| match lost {
            Lost::Before(source) | Lost::Behind(source) => broken(source),
        })?;
        kept.give(line);
        Ok(answer)
    }

    async fn line(&self, place: &Place) -> Result<Line, OutboundError> {
        let socket = dial(place, place.secure.then(|| self.tls())).await?;
        let broken = |source| OutboundError::Broken { host: place.authority.to_string(), source };
        Line::over(socket).await.map_err(broken)
    }
}

/// A connection, which moves only while it is asked.
struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: BoxFuture<'static, hyper::Result<()>>,
    ended: bool,
}

/// Why a connection gave no answer.
enum Lost {
    /// Nothing of an answer came.
    Before(Failed),
    /// A part of it came.
    Behind(Failed),
}

impl Line {
    async fn over(io: Box<dyn Socket>) -> Result<Self, Failed> {
        let (sender, connection) = http1::handshake(TokioIo::new(io)).await?;
        Ok(Self { sender, driver: connection.boxed(), ended: false })
    }

    async fn ask(&mut self, request: Request<Bytes>, most: usize) -> Result<Response<Bytes>, Lost> {
        let Self { sender, driver, ended } = self;
        let exchange = async {
            let answer = sender.send_request(request.map(Full::new)).await;
            let (parts, body) = answer.map_err(|error| Lost::Before(error.into()))?.into_parts();
            let body = Limited::new(body, most).collect().await.map_err(Lost::Behind)?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        let mut exchange = pin!(exchange);
        poll_fn(|context| {
            // A connection that broke behind a whole answer harms nobody.
            if !*ended && driver.as_mut().poll(context).is_ready() {
                *ended = true;
            }
            exchange.as_mut().poll(context)
        })
        .await
    }

    /// Whether a request may be sent, as far as is known here.
    fn is_open(&mut self) -> bool {
        if !self.ended && (&mut self.driver).now_or_never().is_some() {
            self.ended = true;
        }
        !self.ended && self.sender.is_ready()
    }
}
