//! What active probes look at: one provider's account, for all targets there. Opens no connection itself.

use super::gateway::Snapshot;
use crate::{
    config::{Active, Config, ConfigError, Probe, Protocol, Provider as ProviderConfig},
    model::Api,
    providers::{Endpoint, Provider},
    routing::Standing,
};
use bytes::Bytes;
use http::{HeaderMap, Request};
use pingora::protocols::tls::CaType;
use std::sync::Arc;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// One provider that is looked at.
#[derive(Debug)]
pub struct Probing {
    /// Its name in the file.
    pub name: Arc<str>,
    /// How, and how often.
    pub active: Active,
    /// Its targets.
    pub standings: Vec<Arc<Standing>>,
    /// Certificate authorities instead of the system's.
    pub roots: Option<RootCertStore>,
    provider: Arc<dyn Provider>,
}

impl Probing {
    /// Where it lives.
    pub fn endpoint(&self) -> &Endpoint {
        self.provider.endpoint()
    }

    /// The request for its list of models; `None`: it has none.
    pub fn request(&self) -> Option<Request<Bytes>> {
        let Endpoint { tls, authority, .. } = self.provider.endpoint();
        let scheme = if *tls { "https" } else { "http" };
        let uri = format!("{scheme}://{authority}{}", self.provider.models_path()?);
        let mut request = Request::get(uri).body(Bytes::new()).ok()?;
        let api = Api::ALL.into_iter().find(|&api| self.provider.speaks(api))?;
        self.provider.headers(api, &HeaderMap::new(), request.headers_mut());
        Some(request)
    }
}

impl Snapshot {
    /// The providers that are looked at and that some model uses.
    pub fn probings(&self, config: &Config) -> Vec<Probing> {
        let wanted = config.providers.values().filter(|provider| provider.health.active.probe != Probe::Off);
        wanted.filter_map(|provider| self.probing(provider)).collect()
    }

    fn probing(&self, config: &ProviderConfig) -> Option<Probing> {
        let routes = self.table.names().iter().filter_map(|name| self.table.find(name));
        let targets: Vec<_> =
            routes.flat_map(|route| route.targets.iter()).filter(|one| one.provider_name == config.name).collect();
        let first = targets.first()?;
        let mut standings: Vec<Arc<Standing>> = Vec::new();
        for target in &targets {
            if !standings.iter().any(|known| Arc::ptr_eq(known, &target.standing)) {
                standings.push(Arc::clone(&target.standing));
            }
        }
        Some(Probing {
            name: Arc::clone(&config.name),
            active: config.health.active,
            standings,
            roots: first.uplink.authorities().map(roots),
            provider: Arc::clone(&first.provider),
        })
    }
}

/// What keeps `provider` from being looked at as `config` says.
pub(super) fn mistake(config: &ProviderConfig, provider: &dyn Provider) -> Option<ConfigError> {
    let (kind, tls) = (provider.kind(), provider.endpoint().tls);
    let connect = if tls { "tls" } else { "tcp" };
    let way = &config.uplink;
    let other = [
        ("proxy", way.proxy.is_some()),
        ("client_cert", way.client_cert.is_some()),
        ("server_name", way.server_name.is_some()),
    ];
    let other = other.into_iter().find(|(_, set)| *set).filter(|_| config.health.active.probe != Probe::Off);
    if let Some((key, _)) = other {
        let message = format!("probes do not go by `{key}`; write `health: {{ probe: off }}` for this provider");
        return Some(config.settings.error("health", message));
    }
    let why = match config.health.active.probe {
        Probe::Off | Probe::Tcp => return None,
        Probe::Tls if tls => return None,
        Probe::Tls => "`tls` has nothing to look at: its `base_url` is `http`".to_owned(),
        Probe::Models if provider.models_path().is_none() => format!("the kind `{kind}` has no list of models"),
        Probe::Models if matches!(config.protocol, Protocol::Http2) => {
            "`models` asks by HTTP/1.1, and `protocol` is `http2`".to_owned()
        }
        Probe::Models => return None,
    };
    let message = format!("{why}; write `health: {{ probe: {connect} }}` or `{{ probe: off }}` for this provider");
    Some(config.settings.error("health", message))
}

fn roots(ca: &CaType) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Each was taken when the file was read.
    roots.add_parsable_certificates(ca.iter().map(|one| CertificateDer::from(one.borrow_raw_cert().clone())));
    roots
}
