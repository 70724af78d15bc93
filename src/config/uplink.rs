//! How a provider is reached: whom to trust, what to show, and by which way.

use super::{Secret, Tls};
use std::path::PathBuf;
use std::sync::Arc;

/// The way to one provider. Default: straight, with the system's authorities and no certificate of our own.
#[derive(Debug, Default)]
pub struct Uplink {
    /// PEM file with the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key that are shown to the provider, PEM.
    pub client_cert: Option<Tls>,
    /// The name that the provider's certificate must have, if not the host of its `base_url`; also sent as SNI.
    pub server_name: Option<Arc<str>>,
    /// The HTTP proxy that connections are made by; `None`: straight.
    pub proxy: Option<EgressProxy>,
    /// Whether requests tell it of their traces (`traceparent`, `tracestate`). Default: no.
    pub trace_context: bool,
}

/// An HTTP proxy that is told the provider's name by `CONNECT`.
#[derive(Debug, Clone)]
pub struct EgressProxy {
    /// Its host: a name or an address, without brackets.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// `Basic …` for `Proxy-Authorization`.
    pub authorization: Option<Secret>,
}
