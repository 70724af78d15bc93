//! The listener's app: Pingora's proxy behind one deadline for a whole request head.
//!
//! Pingora bounds each read of a head (60 s), not the head: a client that dribbles a byte a minute would hold its
//! connection for ever (shared notes §9).

use super::Gateway;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::protocols::{ALPN, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use std::cell::Cell;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

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

/// What a new connection meets first. To tell HTTP/2 from HTTP/1.1 in clear, Pingora waits without end for as many bytes
/// as HTTP/2's preface has: who sends fewer would hold its connection for ever. Here they are waited for with an end.
pub struct Front {
    edge: Arc<Edge>,
    /// Longest wait for the first bytes.
    within: Duration,
    unproven: Unproven,
}

/// Connections over TLS that chose HTTP/2 and sent no request yet, by the client's address. Pingora waits for such a
/// preface without end, and what is encrypted cannot be peeked: so who has sent no request in time is let go.
#[derive(Debug, Clone, Default)]
pub struct Unproven(Arc<Mutex<HashSet<SocketAddr>>>);

impl Unproven {
    fn add(&self, client: SocketAddr) {
        self.0.lock().insert(client);
    }

    /// The client sent a request, or is gone. True when it was not known to have sent one before.
    pub fn remove(&self, client: SocketAddr) -> bool {
        self.0.lock().remove(&client)
    }
}

impl Front {
    /// Serves `edge`.
    pub fn new(edge: Edge, within: Duration, unproven: Unproven) -> Self {
        Self { edge: Arc::new(edge), within, unproven }
    }

    /// The client's address, if HTTP/2 was chosen in the TLS handshake.
    fn chose_http2(stream: &Stream) -> Option<SocketAddr> {
        let chose = stream.selected_alpn_proto() == Some(ALPN::H2);
        let digest = stream.get_socket_digest().filter(|_| chose)?;
        digest.peer_addr().and_then(|address| address.as_inet()).copied()
    }
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        if stream.get_ssl_digest().is_none() {
            let mut preface = [0; PREFACE_BYTES];
            // What is peeked is given back: Pingora reads it again.
            timeout(self.within, stream.try_peek(&mut preface)).await.ok()?.ok()?;
        }
        let Some(client) = Self::chose_http2(&stream) else {
            return FIRST.scope(Cell::new(true), self.edge.process_new(stream, shutdown)).await;
        };
        self.unproven.add(client);
        let served = self.edge.process_new(stream, shutdown);
        tokio::pin!(served);
        tokio::select! {
            biased;
            stream = &mut served => {
                self.unproven.remove(client);
                return stream;
            }
            () = sleep(self.within) => {}
        }
        if self.unproven.remove(client) {
            tracing::debug!(%client, "a connection was closed: no request came over HTTP/2 in time");
            return None;
        }
        served.await
    }

    async fn cleanup(&self) {
        self.edge.cleanup().await;
    }
}

/// Length of `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`. The shortest request in use is longer.
const PREFACE_BYTES: usize = 24;

/// The proxy behind its head deadline.
pub struct Edge {
    proxy: Arc<HttpProxy<Gateway>>,
    /// Longest wait for the head of a connection's first request.
    head: Duration,
    /// How long a kept connection may be idle before the next head begins.
    idle: Duration,
}

impl Edge {
    /// Serves `proxy`.
    pub fn new(proxy: HttpProxy<Gateway>, head: Duration, idle: Duration) -> Self {
        Self { proxy: Arc::new(proxy), head, idle }
    }
}

#[async_trait]
impl HttpServerApp for Edge {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if session.is_http2() {
            // Its heads come whole, as frames; the preface is bounded by `Front`, idle time by the listener.
            return self.proxy.process_new_http(session, shutdown).await;
        }
        let kept = FIRST.try_with(|first| !first.replace(false)).unwrap_or(false);
        let deadline = Instant::now() + self.head + if kept { self.idle } else { Duration::ZERO };
        HEAD_READ
            .scope(Cell::new(false), async {
                let request = self.proxy.process_new_http(session, shutdown);
                tokio::pin!(request);
                tokio::select! {
                    biased;
                    stream = &mut request => return stream,
                    () = sleep_until(deadline) => {}
                }
                if HEAD_READ.with(Cell::get) {
                    return request.await;
                }
                tracing::debug!("a connection was closed: its request head did not arrive in time");
                None
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
        self.proxy.h2_options()
    }
}
