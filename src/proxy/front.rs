//! What a new connection meets first, before a byte of HTTP: is there room for it, who is behind it, TLS, and the bytes that
//! tell HTTP/2 from HTTP/1.1. All of this within one deadline.
//!
//! The handshake of TLS is made here and not by Pingora's listeners, which are all clear ones to it: theirs has a fixed
//! deadline of 60 s, and what is in front of it (PROXY header, room) would be in two places. Pingora's filter for
//! connections cannot do it: it does not learn when one ends.

use super::Edge;
use super::preamble::{self, Preamble};
use crate::{
    config::Networks,
    limits::{Connection, Connections, ConnectionsFull},
    telemetry::ProxyMetrics,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::apps::ServerApp;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::protocols::{ALPN, GetSocketDigest, Peek, SocketDigest, Stream};
use pingora::server::ShutdownWatch;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// What stands in front of the proxy.
pub struct Front {
    edge: Arc<Edge>,
    listeners: Vec<Listener>,
    /// Longest wait for all that comes before HTTP.
    within: Duration,
    trusted: Networks,
    connections: Arc<Connections>,
    unproven: Unproven,
    metrics: ProxyMetrics,
    /// Whether connections that wait for a request are kept for a while at the end.
    lingers: Box<dyn Fn() -> bool + Send + Sync>,
}

/// Between two looks whether all clients have left.
const LINGER_LOOK: Duration = Duration::from_millis(20);

/// One address that is listened on.
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Makes the handshake of TLS; `None`: in clear.
    pub tls: Option<Acceptor>,
    /// Each connection begins with a PROXY header.
    pub proxy_protocol: bool,
}

/// Connections over TLS that chose HTTP/2 and sent no request yet. Pingora waits for such a preface without end, and what
/// is encrypted cannot be peeked: so who has sent no request in time is let go. A connection is known by its digest, which
/// its requests share: addresses that proxies tell of may repeat.
#[derive(Debug, Clone, Default)]
pub struct Unproven(Arc<Mutex<HashSet<usize>>>);

impl Unproven {
    fn add(&self, digest: &Arc<SocketDigest>) {
        self.0.lock().insert(Arc::as_ptr(digest).addr());
    }

    /// The client sent a request, or is gone. True when it was not known to have sent one before.
    pub fn remove(&self, digest: &Arc<SocketDigest>) -> bool {
        self.0.lock().remove(&Arc::as_ptr(digest).addr())
    }
}

/// Why a connection is closed before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    /// There is no room.
    Full(ConnectionsFull),
    /// It came to a listener of proxies, and is of none.
    NoProxy,
    /// Its PROXY header is missing or wrong.
    NoPreamble,
    /// TLS failed.
    Handshake,
    /// It said too little in time.
    Silent,
    /// The client left, or nobody knows what it came to: no refusal.
    Gone,
}

impl Closed {
    /// The label of the metric; `None`: it is not counted.
    const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Full(ConnectionsFull::All) => Some("max_connections"),
            Self::Full(ConnectionsFull::Address) => Some("per_address"),
            Self::NoProxy => Some("untrusted_proxy"),
            Self::NoPreamble => Some("proxy_header"),
            Self::Handshake => Some("tls_handshake"),
            Self::Silent => Some("timeout"),
            Self::Gone => None,
        }
    }
}

/// A connection that may send requests.
struct Admitted {
    stream: Stream,
    _place: Connection,
}

impl Front {
    /// Serves `edge` behind `listeners`.
    pub fn new(
        edge: Edge,
        listeners: Vec<Listener>,
        within: Duration,
        trusted: Networks,
        (connections, unproven, metrics): (Arc<Connections>, Unproven, ProxyMetrics),
    ) -> Self {
        Self {
            edge: Arc::new(edge),
            listeners,
            within,
            trusted,
            connections,
            unproven,
            metrics,
            lingers: Box::new(|| false),
        }
    }

    /// At the end, where `when` says so, connections are kept until their clients have been told to go: the process ends them.
    pub fn lingering(mut self, when: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.lingers = Box::new(when);
        self
    }

    /// The listener that took a connection to `local`.
    fn listener(&self, local: Option<SocketAddr>) -> Option<&Listener> {
        if let [only] = self.listeners.as_slice() {
            return Some(only);
        }
        let (ip, port) = local.map(|local| (local.ip().to_canonical(), local.port()))?;
        let of = |wanted: &dyn Fn(IpAddr) -> bool| {
            self.listeners.iter().find(|one| one.address.port() == port && wanted(one.address.ip()))
        };
        // Where one listens on all addresses of a kind, another may have one of the other kind.
        of(&|address| address.to_canonical() == ip)
            .or_else(|| of(&|address| address.is_unspecified() && address.is_ipv4() == ip.is_ipv4()))
            .or_else(|| of(&|address| address.is_unspecified()))
    }

    async fn admit(&self, stream: Stream) -> Result<Admitted, Closed> {
        let mut place = self.connections.open().map_err(Closed::Full)?;
        let socket = stream.into_any().downcast::<Socket>().map_err(|_| Closed::Gone)?;
        let digest = socket.get_socket_digest().ok_or(Closed::Gone)?;
        let inet = |address: Option<&pingora::protocols::l4::socket::SocketAddr>| {
            address.and_then(|address| address.as_inet()).copied()
        };
        // Without an address it is gone already.
        let peer = inet(digest.peer_addr()).ok_or(Closed::Gone)?;
        let listener = self.listener(inet(digest.local_addr())).ok_or(Closed::Gone)?;
        if listener.proxy_protocol {
            if !self.trusted.contain(peer.ip()) {
                return Err(Closed::NoProxy);
            }
        } else {
            self.count(&mut place, peer)?;
        }
        let within = timeout(self.within, self.greet(*socket, listener, &mut place));
        let stream = within.await.map_err(|_| Closed::Silent)??;
        Ok(Admitted { stream, _place: place })
    }

    /// Counts the connection for its client. A proxy that is trusted stands for many.
    fn count(&self, place: &mut Connection, client: SocketAddr) -> Result<(), Closed> {
        if self.trusted.contain(client.ip()) {
            return Ok(());
        }
        place.belongs_to(client.ip()).map_err(Closed::Full)
    }

    async fn greet(&self, mut socket: Socket, listener: &Listener, place: &mut Connection) -> Result<Stream, Closed> {
        if listener.proxy_protocol {
            let told = preamble::read(&mut socket).await.map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidData => Closed::NoPreamble,
                _ => Closed::Gone,
            })?;
            if let Preamble::Client(client) = told {
                self.count(place, client)?;
                let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
                digest.peer_addr.set(Some(client.into())).map_err(|_| Closed::Gone)?;
                socket.set_socket_digest(digest);
            }
        }
        match &listener.tls {
            Some(tls) => {
                // Who says nothing and leaves, as a check of health may, has not failed.
                let mut first = [0; 1];
                socket.try_peek(&mut first).await.map_err(|_| Closed::Gone)?;
                match tls.tls_handshake(socket).await {
                    Ok(stream) => Ok(Box::new(stream)),
                    Err(error) => {
                        tracing::debug!(%error, "a handshake failed");
                        Err(Closed::Handshake)
                    }
                }
            }
            None => {
                // Who says nothing is let go here; what else there is to tell of the first bytes, the edge does.
                let mut first = [0; 1];
                socket.try_peek(&mut first).await.map_err(|_| Closed::Gone)?;
                Ok(Box::new(socket))
            }
        }
    }

    /// The connection, if HTTP/2 was chosen in the TLS handshake.
    fn chose_http2(stream: &Stream) -> Option<Arc<SocketDigest>> {
        let chose = stream.selected_alpn_proto() == Some(ALPN::H2);
        stream.get_socket_digest().filter(|_| chose)
    }
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        // Boxed: what it needs is not kept while the connection is served.
        let Admitted { stream, _place } = match Box::pin(self.admit(stream)).await {
            Ok(admitted) => admitted,
            Err(closed) => {
                if let Some(reason) = closed.reason() {
                    self.metrics.refused_connection(reason);
                    tracing::debug!(reason, "a connection was closed before its first request");
                }
                return None;
            }
        };
        let Some(client) = Self::chose_http2(&stream) else {
            return self.edge.first(stream, shutdown).await;
        };
        self.unproven.add(&client);
        let served = self.edge.first(stream, shutdown);
        tokio::pin!(served);
        tokio::select! {
            biased;
            stream = &mut served => {
                self.unproven.remove(&client);
                return stream;
            }
            () = sleep(self.within) => {}
        }
        if self.unproven.remove(&client) {
            self.metrics.refused_connection("timeout");
            tracing::debug!("a connection was closed: no request came over HTTP/2 in time");
            return None;
        }
        served.await
    }

    async fn cleanup(&self) {
        if (self.lingers)() {
            self.edge.hand_over();
            while self.connections.count() > 0 {
                sleep(LINGER_LOOK).await;
            }
        }
        self.edge.cleanup().await;
    }
}

/// HTTP/2 towards clients, with at most `streams` open on a connection.
pub fn h2_options(streams: u32) -> H2Options {
    let mut options = default_h2_options();
    options.max_concurrent_streams(streams);
    options.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    options.max_send_buffer_size(SEND_BUFFER);
    options
}

/// Bytes of one body that a client may send before they are read. They are held in memory until then.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection together: what one connection can make the gateway hold unread.
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// Bytes of one answer that are held for a client that takes them slowly, beside what its window lets through.
const SEND_BUFFER: usize = 256 * 1024;
