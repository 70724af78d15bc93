//! The HTTP client for side calls (an issuer's keys, the admin API): small answers, whole, within a time. Models are
//! called by Pingora, never by this.

mod grpc;
mod kept;

pub use grpc::{Grpc, Message, Replied};
pub use kept::Kept;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Why there is no answer. Names the host, and nothing of path or headers.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The URL is none that can be called.
    #[error("`{0}` is no URL of the schemes `http` and `https`")]
    Url(String),
    /// No connection.
    #[error("no connection to {host}: {source}")]
    Connect {
        /// Where to.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It broke, or is no HTTP.
    #[error("{host} did not answer: {source}")]
    Broken {
        /// Where to.
        host: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Too slow.
    #[error("{host} did not answer within {within:?}")]
    Slow {
        /// Where to.
        host: String,
        /// The limit.
        within: Duration,
    },
    /// A status where an answer was expected.
    #[error("{host} answered with status {status}")]
    Status {
        /// Where to.
        host: String,
        /// The status.
        status: StatusCode,
    },
}

/// Makes one connection a call; trusts the system's authorities, which are read at the first call that needs them.
#[derive(Clone, Default)]
pub struct Client {
    tls: Arc<OnceLock<TlsConnector>>,
}

impl Client {
    /// The body behind `uri`, if the status is 200. Redirects are not followed.
    ///
    /// # Errors
    ///
    /// [`OutboundError`].
    pub async fn get(&self, uri: &Uri, within: Duration, most: usize) -> Result<Bytes, OutboundError> {
        let request = Request::get(uri.clone()).body(Bytes::new()).expect("a URL makes a request");
        let answer = self.send(request, within, most).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(OutboundError::Status { host: host_of(uri), status }),
        }
    }

    /// The whole answer, of at most `most` bytes.
    ///
    /// # Errors
    ///
    /// [`OutboundError`]; never because of the status.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
        most: usize,
    ) -> Result<Response<Bytes>, OutboundError> {
        let host = host_of(request.uri());
        let answered = timeout(within, self.exchange(request, most)).await;
        answered.unwrap_or(Err(OutboundError::Slow { host, within }))
    }

    async fn exchange(&self, request: Request<Bytes>, most: usize) -> Result<Response<Bytes>, OutboundError> {
        let wrong = || OutboundError::Url(host_of(request.uri()));
        let place = place(request.uri()).ok_or_else(wrong)?;
        let socket = dial(&place, place.secure.then(|| self.tls())).await?;
        let broken = |source| OutboundError::Broken { host: place.authority.to_string(), source };
        over(socket, request, &place.authority, most).await.map_err(broken)
    }

    /// Trusts `roots` instead of the system's authorities.
    pub fn trusting(roots: RootCertStore) -> Self {
        Self { tls: Arc::new(OnceLock::from(connector(roots, &[]))) }
    }

    /// Connects, makes TLS of it where `secure`, and closes again.
    ///
    /// # Errors
    ///
    /// [`OutboundError::Connect`], [`OutboundError::Slow`].
    pub async fn reach(&self, host: &str, port: u16, secure: bool, within: Duration) -> Result<(), OutboundError> {
        let reached = async {
            let socket = TcpStream::connect((host, port)).await?;
            if secure {
                let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                self.tls().connect(name, socket).await?;
            }
            Ok(())
        };
        match timeout(within, reached).await {
            Ok(reached) => reached.map_err(|source| OutboundError::Connect { host: host.to_owned(), source }),
            Err(_) => Err(OutboundError::Slow { host: host.to_owned(), within }),
        }
    }

    fn tls(&self) -> &TlsConnector {
        self.tls.get_or_init(|| connector(system_roots(), &[]))
    }
}

/// A connection in clear or over TLS.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// Connects to `place`; over `tls`, if there is one.
///
/// # Errors
///
/// [`OutboundError::Connect`]; [`OutboundError::Url`]: its host is no name for TLS.
async fn dial(place: &Place, tls: Option<&TlsConnector>) -> Result<Box<dyn Socket>, OutboundError> {
    let Place { authority, host, port, .. } = place;
    let connect = |source| OutboundError::Connect { host: authority.to_string(), source };
    let socket = TcpStream::connect((&**host, *port)).await.map_err(connect)?;
    let Some(tls) = tls else { return Ok(Box::new(socket)) };
    let name = ServerName::try_from(host.clone()).map_err(|_| OutboundError::Url(authority.to_string()))?;
    Ok(Box::new(tls.connect(name, socket).await.map_err(connect)?))
}

/// The authorities that the system trusts.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    match rustls_native_certs::load_native_certs() {
        // An authority that cannot be read is one fewer to trust.
        Ok(found) => drop(roots.add_parsable_certificates(found)),
        Err(error) => tracing::error!(%error, "the system's certificate authorities cannot be read"),
    }
    roots
}

/// `protocols`: what is offered by ALPN.
fn connector(roots: RootCertStore, protocols: &[&[u8]]) -> TlsConnector {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One exchange on a connection of its own.
async fn over(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Bytes>,
    authority: &Authority,
    most: usize,
) -> Result<Response<Bytes>, Failed> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse()?;
    parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let exchange = async move {
        let answer = sender.send_request(Request::from_parts(parts, Full::new(body))).await?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, most).collect().await?.to_bytes();
        // `sender` ends here, and the connection with it.
        Ok::<_, Failed>(Response::from_parts(parts, body))
    };
    let (answer, ended) = futures::future::join(exchange, connection).await;
    // A connection that broke behind a whole answer harms nobody.
    drop(ended);
    answer
}

/// Where a URL leads.
struct Place {
    authority: Authority,
    secure: bool,
    host: String,
    port: u16,
}

/// `None`: nowhere that can be called.
fn place(uri: &Uri) -> Option<Place> {
    let authority = uri.authority().cloned()?;
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return None,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    Some(Place { authority, secure, host, port })
}

fn host_of(uri: &Uri) -> String {
    uri.authority().map_or_else(
        || "-".to_owned(),
        |authority| {
            // What stands before `@` may be a secret.
            authority.as_str().rsplit('@').next().unwrap_or_default().to_owned()
        },
    )
}
