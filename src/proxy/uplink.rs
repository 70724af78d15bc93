//! The way to one provider, ready for Pingora: trust, client certificate, name, and the proxy in between.

use super::tunnel::Tunnel;
use crate::{
    config::{ConfigError, EgressProxy, Provider, Tls},
    providers::Endpoint,
};
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::CertifiedKey;

/// How a provider is reached. Default: straight, with the system's authorities.
#[derive(Default)]
pub struct Uplink {
    /// Certificate authorities instead of the system's.
    ca: Option<Arc<CaType>>,
    client_cert: Option<Arc<CertKey>>,
    server_name: Option<Arc<str>>,
    proxy: Option<EgressProxy>,
    /// Calls tell of their trace.
    pub trace_context: bool,
}

impl fmt::Debug for Uplink {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Uplink").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

impl Uplink {
    /// Reads the certificates of `config`, whose provider lives at `endpoint`.
    ///
    /// # Errors
    ///
    /// A file that does not hold what it should; a setting of TLS for a provider without TLS.
    pub fn build(config: &Provider, endpoint: &Endpoint) -> Result<Self, ConfigError> {
        let written = &config.uplink;
        // An authority that is not needed does no harm; these would promise what is not done.
        let settings = [("client_cert", written.client_cert.is_some()), ("server_name", written.server_name.is_some())];
        if let Some((key, _)) = settings.into_iter().find(|(_, set)| *set && !endpoint.tls) {
            let message = "is about TLS, but `base_url` begins with `http://`; leave it out, or use `https://`";
            return Err(config.settings.error(key, message.to_owned()));
        }
        Ok(Self {
            ca: written.ca_file.as_deref().map(|path| read_ca(config, path)).transpose()?,
            client_cert: written.client_cert.as_ref().map(|files| read_pair(config, files)).transpose()?,
            server_name: written.server_name.clone(),
            proxy: written.proxy.clone(),
            trace_context: written.trace_context,
        })
    }

    /// Certificate authorities instead of the system's.
    pub fn authorities(&self) -> Option<&CaType> {
        self.ca.as_deref()
    }

    /// Host and port that a connection for `endpoint` is made to: the proxy's, if there is one. Names behind a proxy are
    /// never looked up here.
    pub fn next_hop<'a>(&'a self, endpoint: &'a Endpoint) -> (&'a Arc<str>, u16) {
        self.proxy.as_ref().map_or((&endpoint.host, endpoint.port), |proxy| (&proxy.host, proxy.port))
    }

    /// What leads through the proxy to `endpoint` within a time; `None`: connections are made straight.
    pub fn tunnel(&self, endpoint: &Endpoint, within: Duration) -> Option<Tunnel> {
        self.proxy.as_ref().map(|proxy| Tunnel::new(proxy, &endpoint.host, endpoint.port, within))
    }

    /// The peer `endpoint` by the next hop at `address`; a tunnel takes `within` at most.
    pub fn peer(&self, address: SocketAddr, endpoint: &Endpoint, within: Duration) -> HttpPeer {
        let name = self.server_name.as_ref().unwrap_or(&endpoint.host);
        let sni = if endpoint.tls { name.to_string() } else { String::new() };
        let mut peer = HttpPeer::new(address, endpoint.tls, sni);
        peer.client_cert_key = self.client_cert.clone();
        peer.options.ca = self.ca.clone();
        if let Some(tunnel) = self.tunnel(endpoint, within) {
            peer.options.custom_l4 = Some(Arc::new(tunnel));
        }
        peer
    }

    /// For `weighbridge check`.
    pub fn notes(&self) -> Vec<String> {
        let proxy = self.proxy.as_ref().map(|EgressProxy { host, port, authorization }| {
            let how = if authorization.is_some() { ", with user and password" } else { "" };
            format!("by the proxy {host}:{port}{how}")
        });
        let certificate = self.client_cert.as_ref().map(|pair| {
            let leaf = pair.leaf();
            let over = leaf.borrow_cert().validity.not_after.timestamp();
            let expired = if over < jiff::Timestamp::now().as_second() { ": it has EXPIRED" } else { "" };
            format!("shows a client certificate, valid until {}{expired}", leaf.not_after())
        });
        let name = self.server_name.as_ref().map(|name| format!("its certificate must be of {name}"));
        proxy.into_iter().chain(certificate).chain(name).collect()
    }
}

fn read_ca(config: &Provider, path: &Path) -> Result<Arc<CaType>, ConfigError> {
    let wrong = |why: String| config.settings.error("ca_file", format!("`{}` {why}", path.display()));
    let mut roots = RootCertStore::empty();
    let mut certificates = Vec::new();
    for der in certificates_of(path).map_err(wrong)? {
        // Checked here, because Pingora's own parser panics on a broken certificate.
        roots
            .add(der.clone())
            .map_err(|error| wrong(format!("holds a certificate that cannot be trusted: {error}")))?;
        certificates.push(WrappedX509::new(der.to_vec(), parse_x509));
    }
    Ok(Arc::from(certificates.into_boxed_slice()))
}

/// Certificate chain and key, which fit each other.
fn read_pair(config: &Provider, Tls { cert, key }: &Tls) -> Result<Arc<CertKey>, ConfigError> {
    let wrong = |key: &str, path: &Path, why: String| {
        config.settings.error(&format!("client_cert.{key}"), format!("`{}` {why}", path.display()))
    };
    let chain = certificates_of(cert).map_err(|why| wrong("cert", cert, why))?;
    if let Some(error) = chain.iter().find_map(|der| ParsedCertificate::try_from(der).err()) {
        return Err(wrong("cert", cert, format!("holds a certificate that cannot be read: {error}")));
    }
    let no_key = |_| wrong("key", key, "holds no private key in PEM without a passphrase".to_owned());
    let pem = std::fs::read(key).map_err(|error| wrong("key", key, format!("cannot be read: {error}")))?;
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(no_key)?;
    let unfit = |error| wrong("key", key, format!("does not fit the certificate in `{}`: {error}", cert.display()));
    CertifiedKey::from_der(chain.clone(), der.clone_key(), &default_provider()).map_err(unfit)?;
    let bytes = der.secret_der().to_vec();
    // Pingora tells the kind of key by its bytes at each connection, and panics where it cannot.
    if PrivateKeyDer::try_from(bytes.as_slice()).is_err() {
        return Err(wrong("key", key, "is of no known kind; write it as PKCS #8".to_owned()));
    }
    let chain = chain.iter().map(|der| der.to_vec()).collect();
    Ok(Arc::new(CertKey::new(chain, bytes)))
}

/// The certificates of a PEM file: at least one.
fn certificates_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let all = all.map_err(|error| format!("is no PEM file: {error}"))?;
    if all.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(all) }
}
