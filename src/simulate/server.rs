//! The listener: HTTP/1.1 and h2c on one port, or TLS with ALPN. Owns every task that it starts.

use super::serve::{Provider, serve};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Certificate chain and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetup {
    /// Not PEM, or nothing in it.
    #[error("no certificate or no key can be read from the PEM text")]
    Pem(#[source] tokio_rustls::rustls::pki_types::pem::Error),
    /// Read, but refused.
    #[error("certificate and key are not accepted")]
    Refused(#[source] tokio_rustls::rustls::Error),
}

/// A TLS set-up that offers h2 and HTTP/1.1 by ALPN.
///
/// # Errors
///
/// When the PEM texts hold no certificate chain and matching key.
pub fn tls_config(cert_pem: &[u8], key_pem: &[u8]) -> Result<Arc<ServerConfig>, TlsSetup> {
    let chain = CertificateDer::pem_slice_iter(cert_pem).collect::<Result<Vec<_>, _>>().map_err(TlsSetup::Pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(TlsSetup::Pem)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsSetup::Refused)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Accepts connections until `stop` says so, then gives open ones `DRAIN` to end.
pub(super) async fn run(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    provider: Arc<Provider>,
    stop: watch::Receiver<bool>,
) {
    let mut stop_here = stop.clone();
    let acceptor = tls.map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    provider.books.connected();
                    let (acceptor, provider, stop) = (acceptor.clone(), Arc::clone(&provider), stop.clone());
                    connections.spawn(connection(stream, acceptor, provider, stop));
                }
                // Out of descriptors, most likely: some must be closed first.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
            () = told(&mut stop_here) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN, drained).await.is_err() {
        connections.shutdown().await;
    }
}

/// Waits for the word to stop, or for the end of whoever could give it.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// How long open requests may take once the simulator stops. A fake need not be patient.
const DRAIN: Duration = Duration::from_millis(300);

/// Longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    provider: Arc<Provider>,
    stop: watch::Receiver<bool>,
) {
    // A small answer must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => http(stream, provider, stop).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await {
                http(stream, provider, stop).await;
            }
        }
    }
}

async fn http<S>(stream: S, provider: Arc<Provider>, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(Owned::default());
    builder.http1().timer(TokioTimer::new());
    // As the large providers do: many streams on one connection, and room for uploads of many megabytes.
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(1_000)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(16 << 20);
    let service = service_fn(move |request| serve(Arc::clone(&provider), request));
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        // An error here is a client that left, or a cut by knob; both are in the books.
        _ = serving.as_mut() => return,
        () = told(&mut stop) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// Runs the h2 streams of one connection, or the sockets of a provider; they end with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Owned(Arc<Mutex<JoinSet<()>>>);

impl<F> Executor<F> for Owned
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mut streams = self.0.lock();
        while streams.try_join_next().is_some() {}
        streams.spawn(stream);
    }
}

/// Listens, without a connection being accepted yet.
pub(super) async fn bind(listen: std::net::SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(listen).await
}
