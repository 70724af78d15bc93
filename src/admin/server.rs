//! Accepts connections and owns them: none outlives [`serve`].

use super::{AdminState, FindClient, Peer, routes};
use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Answers on `listener` until `shutdown` resolves; then open requests get up to 5 seconds.
///
/// # Errors
///
/// When the listener cannot be used with this runtime. A connection's own errors end that connection only.
pub async fn serve(
    listener: std::net::TcpListener,
    state: AdminState,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let client = Arc::clone(&state.client);
    let service = TowerToHyperService::new(routes::router(state));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            // Ended connections are taken out, so that the set does not grow.
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    let service = Bounded { routes: service.clone(), peer: peer.ip().to_canonical(), client: Arc::clone(&client) };
                    let connection = graceful.watch(connection(stream, service));
                    connections.spawn(async { drop(timeout(CONNECTION_LIFE, connection).await) });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("admin connections were still open after {} seconds and are cut", GRACE.as_secs());
    }
    connections.shutdown().await;
    Ok(())
}

fn connection(stream: TcpStream, service: Bounded) -> http1::Connection<TokioIo<TcpStream>, Bounded> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
}

/// The routes, each answer within [`ANSWER_TIMEOUT`].
#[derive(Clone)]
struct Bounded {
    routes: TowerToHyperService<Router>,
    peer: IpAddr,
    client: Arc<FindClient>,
}

impl Service<hyper::Request<Incoming>> for Bounded {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        let peer = Peer((self.client)(self.peer, request.headers()));
        request.extensions_mut().insert(peer);
        let answer = self.routes.call(request);
        Box::pin(async move {
            match timeout(ANSWER_TIMEOUT, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(routes::too_slow()),
            }
        })
    }
}

/// Further clients wait in the listener's queue.
const MAX_CONNECTIONS: usize = 64;

/// A larger head is answered with 431.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A slower head, and a kept-alive connection without a request for so long, is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A slower answer becomes 503; a report over all rows of a large ledger takes a while.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection is closed after this long, however busy: it may not hold a place for ever.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);

/// After a failed accept (no file descriptors left), instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What open requests get at shutdown.
const GRACE: Duration = Duration::from_secs(5);
