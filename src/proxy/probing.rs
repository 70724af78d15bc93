//! What active probes look at: one provider's account, for all targets there. Opens no connection itself.

use super::gateway::Snapshot;
use super::generating::{self, Asker, Generated, Generator};
use super::target::Target;
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

/// One provider that is looked at; where looks generate, one of its targets.
#[derive(Debug)]
pub struct Probing {
    /// Its name in the file.
    pub name: Arc<str>,
    /// How, and how often. Where looks generate: what is done while that cannot be paid.
    pub active: Active,
    /// Its targets.
    pub standings: Vec<Arc<Standing>>,
    /// Certificate authorities instead of the system's.
    pub roots: Option<RootCertStore>,
    provider: Arc<dyn Provider>,
    asker: Option<Asker>,
}

impl Probing {
    /// Asks for a token, if that is how it is looked at.
    pub async fn generate(&self, generator: &Generator) -> Option<Generated> {
        Some(generator.ask(self.asker.as_ref()?, self.active.timeout).await)
    }

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
    pub fn probings(self: &Arc<Self>, config: &Config) -> Vec<Probing> {
        let wanted = config.providers.values().filter(|provider| provider.health.active.probe != Probe::Off);
        wanted.flat_map(|provider| self.looks_at(config, provider)).collect()
    }

    fn looks_at(self: &Arc<Self>, config: &Config, provider: &ProviderConfig) -> Vec<Probing> {
        let routes = self.table.names().iter().filter_map(|name| self.table.find(name));
        let all = routes.flat_map(|route| route.targets.iter().map(|target| (&route.name, target)));
        let mut targets: Vec<(&Arc<str>, &Arc<Target>)> = Vec::new();
        for (name, target) in all.filter(|(_, target)| target.provider_name == provider.name) {
            if !targets.iter().any(|(_, known)| Arc::ptr_eq(&known.standing, &target.standing)) {
                targets.push((name, target));
            }
        }
        let Some((_, first)) = targets.first() else { return Vec::new() };
        let probing = |active, standings, asker| Probing {
            name: Arc::clone(&provider.name),
            active,
            standings,
            roots: first.uplink.authorities().map(roots),
            provider: Arc::clone(&first.provider),
            asker,
        };
        let active = provider.health.active;
        let Some(budget) = active.budget.filter(|_| active.probe == Probe::Generate) else {
            return vec![probing(
                active,
                targets.iter().map(|(_, target)| Arc::clone(&target.standing)).collect(),
                None,
            )];
        };
        let active = Active { probe: instead(provider, &*first.provider), ..active };
        let caller = generating::caller(config, provider, budget);
        let of_one = |one: (&Arc<str>, &Arc<Target>)| {
            probing(active, vec![Arc::clone(&one.1.standing)], Asker::new(self, one, &caller))
        };
        targets.into_iter().map(of_one).collect()
    }
}

/// How a provider is looked at where looks should generate and cannot.
fn instead(config: &ProviderConfig, provider: &dyn Provider) -> Probe {
    let by_http1 = !matches!(config.protocol, Protocol::Http2);
    match () {
        () if unlike(config).is_some() => Probe::Off,
        () if provider.models_path().is_some() && by_http1 => Probe::Models,
        () if provider.endpoint().tls => Probe::Tls,
        () => Probe::Tcp,
    }
}

/// What of the way to a provider looks do not go by, but for those that generate.
fn unlike(config: &ProviderConfig) -> Option<&'static str> {
    let way = &config.uplink;
    let other = [
        ("proxy", way.proxy.is_some()),
        ("client_cert", way.client_cert.is_some()),
        ("server_name", way.server_name.is_some()),
    ];
    other.into_iter().find(|(_, set)| *set).map(|(key, _)| key)
}

/// What keeps `provider` from being looked at as `config` says.
pub(super) fn mistake(config: &ProviderConfig, provider: &dyn Provider) -> Option<ConfigError> {
    let (kind, tls) = (provider.kind(), provider.endpoint().tls);
    let connect = if tls { "tls" } else { "tcp" };
    let by_itself = matches!(config.health.active.probe, Probe::Off | Probe::Generate);
    if let Some(key) = unlike(config).filter(|_| !by_itself) {
        let message = format!("probes do not go by `{key}`; write `health: {{ probe: off }}` for this provider");
        return Some(config.settings.error("health", message));
    }
    let why = match config.health.active.probe {
        Probe::Off | Probe::Tcp | Probe::Generate => return None,
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
