//! Certificates of the TLS listeners. A handshake takes the one that holds at that moment, so that a reload swaps them
//! under connections that go on.

use crate::config::{Config, Tls};
use arc_swap::ArcSwap;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// The certificates of all TLS listeners, by address.
#[derive(Debug, Default)]
pub(super) struct Certificates(Vec<(SocketAddr, Arc<Current>)>);

/// A listener's certificate that was read and not shown yet.
pub(super) struct Fresh {
    pub(super) address: SocketAddr,
    pair: Arc<CertifiedKey>,
    /// It is another one than before.
    pub(super) is_new: bool,
}

/// What a listener shows.
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    /// Whatever name is asked for: a listener has one certificate.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Current").finish_non_exhaustive()
    }
}

impl Certificates {
    /// What makes the handshakes of the listener at `address`; Pingora's own listeners do not, see `proxy/front.rs`.
    ///
    /// # Errors
    ///
    /// Why certificate and key cannot be used.
    pub(super) fn acceptor(&mut self, address: SocketAddr, tls: &Tls) -> Result<Acceptor, String> {
        let current = Arc::new(Current(ArcSwap::new(read(tls)?)));
        // Paths are not looked at where there is a resolver.
        let mut settings = TlsSettings::intermediate("", "").map_err(|error| error.to_string())?;
        settings.set_cert_resolver(Arc::clone(&current) as _);
        settings.enable_h2();
        self.0.push((address, current));
        Ok(settings.build())
    }

    /// Reads what `config` names for the listeners that there are; none is shown yet.
    ///
    /// # Errors
    ///
    /// The key path of a pair that cannot be used, and why.
    pub(super) fn read(&self, config: &Config) -> Result<Vec<Fresh>, (String, String)> {
        let mut fresh = Vec::new();
        for (index, listen) in config.server.listen.iter().enumerate() {
            let Some(tls) = &listen.tls else { continue };
            let Some((_, current)) = self.0.iter().find(|(address, _)| *address == listen.address) else { continue };
            let pair = read(tls).map_err(|why| (format!("server.listen[{index}].tls"), why))?;
            let is_new = pair.cert != current.0.load().cert;
            fresh.push(Fresh { address: listen.address, pair, is_new });
        }
        Ok(fresh)
    }

    /// From now on handshakes show these. Returns the listeners whose certificate is another one.
    pub(super) fn show(&self, fresh: Vec<Fresh>) -> Vec<String> {
        let mut changed = Vec::new();
        for Fresh { address, pair, is_new } in fresh {
            if let Some((_, current)) = self.0.iter().find(|(known, _)| *known == address) {
                current.0.store(pair);
                changed.extend(is_new.then(|| address.to_string()));
            }
        }
        changed
    }
}

/// Certificate chain and key, which fit each other.
fn read(Tls { cert, key }: &Tls) -> Result<Arc<CertifiedKey>, String> {
    let bytes =
        |path: &Path| std::fs::read(path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(cert)?).collect();
    let chain = chain.map_err(|error| format!("`{}` is no PEM file: {error}", cert.display()))?;
    if chain.is_empty() {
        return Err(format!("`{}` holds no certificate", cert.display()));
    }
    let no_key = |_| format!("`{}` holds no private key in PEM without a passphrase", key.display());
    let der = PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(no_key)?;
    let pair = CertifiedKey::from_der(chain, der, &default_provider());
    let unfit = |error| format!("`{}` does not fit the certificate in `{}`: {error}", key.display(), cert.display());
    pair.map(Arc::new).map_err(unfit)
}
