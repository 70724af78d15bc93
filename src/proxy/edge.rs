//! What serves a connection that [`super::Front`] let in: Pingora's proxy behind one deadline for a whole request head.
//!
//! Pingora bounds each read of a head (60 s), not the head: a client that dribbles a byte a minute would hold its
//! connection for ever (shared notes §9).

use super::Gateway;
use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

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
}

impl Edge {
    /// Serves `proxy`.
    pub fn new(proxy: HttpProxy<Gateway>, head: Duration, idle: Duration) -> Self {
        Self { proxy: Arc::new(proxy), head, idle }
    }

    /// Serves a new connection to its end.
    pub async fn first(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        FIRST.scope(Cell::new(true), self.process_new(stream, shutdown)).await
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
