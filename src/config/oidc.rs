//! How people sign in to the dashboard by OpenID Connect.

use super::{JwtAlgorithm, Secret};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What somebody may do at the admin listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// To look, but not at content.
    Viewer,
}

impl Role {
    /// As the audit log names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }
}

/// Who vouches for people, and what they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// `iss` is exactly this, and so is `issuer` of the discovery document below it.
    pub issuer: Arc<str>,
    /// What the gateway is called there.
    pub client_id: Arc<str>,
    /// `None`: a public client; PKCE alone binds the code to us.
    pub client_secret: Option<Secret>,
    /// What is asked for. Default `openid profile email`.
    pub scopes: Vec<String>,
    /// Where the issuer sends browsers back to; `None`: made of the name that the browser asked for.
    pub redirect_url: Option<Arc<str>>,
    /// What an ID token may be signed with. Default RS256, ES256 and EdDSA.
    pub algorithms: Vec<JwtAlgorithm>,
    /// PEM file with the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The claim that gives roles: its name, or a path with dots into objects. Default `groups`.
    pub claim: Arc<str>,
    /// Values of the claim.
    pub roles: Granted,
    /// Verified e-mail addresses, lower case; `@example.com`: all of a domain.
    pub emails: Granted,
    /// No session is longer. Default 12h.
    pub session: Duration,
    /// Whether the dashboard takes tokens too. Default: yes.
    pub token_sign_in: bool,
}

impl Oidc {
    /// Where issuers send browsers back to, on the admin listener.
    pub const CALLBACK: &str = "/dashboard/oidc/callback";
}

/// What gives which role; who has both is an administrator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    /// To administrators.
    pub admin: Vec<String>,
    /// To viewers.
    pub viewer: Vec<String>,
}

/// Whether what goes to `uri` stays between us and it: over TLS, or on this machine. Keys and codes that come over an
/// open network in clear could be anybody's.
pub fn is_private(uri: &http::Uri) -> bool {
    match uri.scheme_str() {
        Some("https") => uri.host().is_some_and(|host| !host.is_empty()),
        Some("http") => is_local(uri.host().unwrap_or_default()),
        _ => false,
    }
}

/// Whether `host` is a name or address of this machine.
pub fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}
