//! What serves a connection that [`super::Front`] let in: Pingora's proxy behind one deadline for a whole request head.
//!
//! Pingora bounds each read of a head (60 s), not the head: a client that dribbles a byte a minute would hold its
//! connection for ever (shared notes §9). What a head may say is judged in front of Pingora: see `gate`.

pub mod chunks;
pub mod fields;
pub mod frames;
pub mod framing;
pub mod gate;
pub mod head;
mod meter;
pub mod target;
mod wire;

pub use gate::{fault, upgraded};

use super::Gateway;
use async_trait::async_trait;
use bytes::BytesMut;
use frames::PREFACE;
use gate::{Gate, SIGNALS, Signals};
use head::HeadLimits;
use meter::Meter;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::protocols::{ALPN, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

tokio::task_local! {
    /// Set by `early_request_filter`: the head was read in time.
    static HEAD_READ: Cell<bool>;
    /// No request of this connection was begun. Pingora's sessions do not tell: each has a keep-alive from its start.
    static FIRST: Cell<bool>;
}

/// Tells the deadline that the head was read. Outside of an [`Edge`] there is nothing to tell.
pub fn head_was_read() {
    let _ = HEAD_READ.try_with(|read| read.set(true));
}

/// The proxy behind its head deadline.
pub struct Edge {
    proxy: Arc<HttpProxy<Gateway>>,
    /// Longest wait for the head of a connection's first request.
    head: Duration,
    /// How long a kept connection may be idle before the next head begins.
    idle: Duration,
    limits: HeadLimits,
    /// Set when another process has taken over.
    handed: watch::Sender<bool>,
}

/// After another process took over, clients may still ask over connections that they have, for so long each: the answer says
/// that it is the last, and no connection is closed into a request of its client.
const LINGER: Duration = Duration::from_secs(5);

impl Edge {
    /// Serves `proxy`.
    pub fn new(proxy: HttpProxy<Gateway>, head: Duration, idle: Duration, limits: HeadLimits) -> Self {
        Self { proxy: Arc::new(proxy), head, idle, limits, handed: watch::Sender::new(false) }
    }

    /// Another process has taken over: connections that wait for a request are closed by and by.
    pub fn hand_over(&self) {
        self.handed.send_replace(true);
    }

    /// Waits until a connection that waits for a request from now on is to be closed for that.
    async fn lingered(&self) {
        if self.handed.subscribe().wait_for(|handed| *handed).await.is_err() {
            std::future::pending::<()>().await;
        }
        sleep(LINGER).await;
    }

    /// Serves a new connection to its end.
    pub async fn first(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let deadline = Instant::now() + self.head;
        let (stream, begin, http2) = if stream.get_ssl_digest().is_some() {
            let chosen = stream.selected_alpn_proto() == Some(ALPN::H2);
            (stream, BytesMut::new(), chosen)
        } else {
            timeout_at(deadline, told(stream)).await.ok()??
        };
        if http2 {
            return self.process_new(Box::new(Meter::new(stream, begin)), shutdown).await;
        }
        let signals = Arc::<Signals>::default();
        let gate = Gate::new(stream, begin, Arc::clone(&signals), self.limits, (deadline, self.head));
        let served = SIGNALS.scope(signals, self.process_new(Box::new(gate), shutdown));
        FIRST.scope(Cell::new(true), served).await
    }
}

/// Tells HTTP/2 in clear by its preface: it takes as many bytes as are like it, for which Pingora would wait without end.
/// Returns what was read. `None`: nothing came.
async fn told(mut stream: Stream) -> Option<(Stream, BytesMut, bool)> {
    let mut begin = BytesMut::new();
    loop {
        let came = stream.read_buf(&mut begin).await.ok()?;
        if begin.is_empty() {
            return None;
        }
        let alike = begin.iter().zip(PREFACE).all(|(one, other)| one == other);
        if came == 0 || !alike || begin.len() >= PREFACE.len() {
            let http2 = alike && begin.len() >= PREFACE.len();
            return Some((stream, begin, http2));
        }
    }
}

/// Pingora waits for a connection's first byte as long as its keep-alive is at that moment, which is a minute (pingora-core
/// 0.9.1, `apps/mod.rs`, `process_new`): where a head may take longer, longer. It says when the connection is to close, too.
fn outlast(session: &mut ServerSession, head: Duration) {
    if let Some(seconds) = session.get_keepalive() {
        session.set_keepalive(Some(seconds.max(head.as_secs().saturating_add(1))));
    }
}

#[async_trait]
impl HttpServerApp for Edge {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if session.is_http2() {
            // Its heads come whole, as frames; the preface is bounded by `Front`, idle time by the listener.
            return self.proxy.process_new_http(session, shutdown).await;
        }
        gate::expect_head();
        let kept = FIRST.try_with(|first| !first.replace(false)).unwrap_or(false);
        if !kept {
            outlast(&mut session, self.head);
        }
        let deadline = Instant::now() + self.head + if kept { self.idle } else { Duration::ZERO };
        HEAD_READ
            .scope(Cell::new(false), async {
                let request = self.proxy.process_new_http(session, shutdown);
                let late = async {
                    tokio::select! {
                        () = sleep_until(deadline) => {}
                        () = self.lingered() => {}
                    }
                };
                tokio::pin!(request, late);
                poll_fn(|context| {
                    let served = request.as_mut().poll(context);
                    // From its head on only the request counts: no timer is looked at for each piece of an answer.
                    if served.is_ready() || HEAD_READ.with(Cell::get) {
                        return served;
                    }
                    ready!(late.as_mut().poll(context));
                    tracing::debug!("a connection was closed: its request head did not arrive in time");
                    Poll::Ready(None)
                })
                .await
            })
            .await
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.proxy.server_options()
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = self.proxy.h2_options().unwrap_or_else(default_h2_options);
        // Past it `h2` itself answers with a bare 431: up to twice the limit a client is told in its dialect.
        let most = self.limits.bytes.saturating_mul(2);
        options.max_header_list_size(u32::try_from(most).unwrap_or(u32::MAX));
        Some(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::protocols::l4;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_first_head_may_take_as_long_as_it_is_allowed_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("a connection");
        let mut session = ServerSession::new_http1(Box::new(l4::stream::Stream::from(client)));
        for (before, head, want) in [(Some(60), 10, Some(60)), (Some(60), 300, Some(301)), (None, 300, None)] {
            session.set_keepalive(before);
            outlast(&mut session, Duration::from_secs(head));
            assert_eq!(session.get_keepalive(), want, "{before:?} {head}");
        }
    }
}
