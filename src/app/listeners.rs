//! The listeners of data plane and admin API, as services of the server.

use super::certificates::Certificates;
use super::upgrade::{Course, DataPlane, Phase, Sockets, Successor, bind};
use super::{AppError, system};
use crate::{
    admin::{self, AdminState},
    config::{Config, Listen},
    proxy::{self, Bounds, Edge, Front, Gateway, Listener, Services},
};
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::listeners::TcpSocketOptions;
use pingora::protocols::TcpKeepalive;
use pingora::server::{Server, ShutdownWatch};
use pingora::services::background::BackgroundService;
use pingora::services::listening::Service;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// A client whose machine is gone sends no word of it: after so much silence it is asked whether it lives, so often, and
/// so many times.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_EACH: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: usize = 4;
/// A connection is given up when nothing that was sent on it was taken for so long.
const DEAD: Duration = Duration::from_secs(120);

/// A client that reads nothing holds this much of the kernel's memory at most (twice: the kernel counts its own part too);
/// by itself it lets a connection's buffer grow to 4 MiB. Less where `net.core.wmem_max` says so.
const SEND_BUFFER: usize = 512 * 1024;

/// What the data plane listens with.
pub(super) struct Ports<'a> {
    /// Where copies of the sockets are kept, for a successor.
    pub(super) sockets: &'a Sockets,
    /// Who has sockets to take over.
    pub(super) successor: Option<&'a Successor>,
    pub(super) course: &'a Arc<Course>,
}

impl Ports<'_> {
    /// The socket of an address: the one that there is, or a new one.
    fn open(&self, listen: &Listen) -> Result<(String, TcpListener), AppError> {
        let inherited = self.successor.and_then(|successor| successor.listener(listen.address));
        let listener = inherited.map_or_else(|| bind("server.listen", listen.address), Ok)?;
        let address = listen.address.to_string();
        self.sockets.keep(address.clone(), &listener).map_err(|error| system("a listening socket", &error))?;
        Ok((address, listener))
    }
}

/// The service that takes the connections of clients.
///
/// # Errors
///
/// When an address cannot be listened on, or its certificate cannot be used.
pub(super) fn data_plane(
    config: &Config,
    server: &Server,
    gateway: Gateway,
    services: &Services,
    certificates: &mut Certificates,
    ports: &Ports<'_>,
) -> Result<DataPlane<Service<Front>>, AppError> {
    let proxy = proxy::build(gateway, &server.configuration, &config.server);
    let (head, idle) = (config.server.head_timeout, config.server.keepalive_timeout);
    let (mut listeners, mut sockets) = (Vec::new(), Vec::new());
    for listen in &config.server.listen {
        sockets.push(ports.open(listen)?);
        let tls = listen.tls.as_ref().map(|tls| certificates.acceptor(listen.address, tls)).transpose();
        let tls = tls.map_err(|why| AppError::Tls { address: listen.address.to_string(), why })?;
        listeners.push(Listener { address: listen.address, tls, proxy_protocol: listen.proxy_protocol });
    }
    let shared = (Arc::clone(&services.connections), services.unproven.clone(), services.metrics.clone());
    let trusted = services.trusted.clone();
    let edge = Edge::new(proxy, head, idle, Bounds::of(config).head);
    let course = Arc::clone(ports.course);
    let front = Front::new(edge, listeners, head, trusted, shared).lingering(move || course.phase() == Phase::Handed);
    let mut service = Service::new("gateway".to_owned(), front);
    for listen in &config.server.listen {
        let keepalive = TcpKeepalive {
            idle: KEEPALIVE_IDLE,
            interval: KEEPALIVE_EACH,
            count: KEEPALIVE_PROBES,
            user_timeout: DEAD,
        };
        let mut options = TcpSocketOptions::default();
        options.tcp_keepalive = Some(keepalive);
        options.tcp_snd_buf = Some(SEND_BUFFER);
        let listener = proxy::light_listener(listen.address.to_string(), listen.tls.is_some());
        service.add_listener(listener.tcp_socket_options(options));
    }
    Ok(DataPlane::new(service, sockets, Arc::clone(ports.course)))
}

/// The admin listener.
pub(super) struct Admin {
    /// `None`: not yet, or taken.
    pub(super) listener: Arc<Mutex<Option<TcpListener>>>,
    pub(super) state: AdminState,
    pub(super) course: Arc<Course>,
}

#[async_trait]
impl BackgroundService for Admin {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        // It goes on answering while requests are drained: `/readyz` says so, and metrics are still read. Of a gateway that
        // was handed over the other process tells.
        tokio::select! {
            () = self.course.wait_for(|phase| phase != Phase::Starting) => {}
            _ = shutdown.changed() => return,
        }
        let Some(listener) = self.listener.lock().take() else { return };
        let handed = self.course.wait_for(|phase| phase == Phase::Handed);
        if let Err(error) = admin::serve(listener, self.state.clone(), handed).await {
            tracing::error!(%error, "the admin listener ended");
        }
    }
}
