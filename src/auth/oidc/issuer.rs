//! What the issuer is asked: its discovery document (OpenID Connect Discovery 1.0), and an ID token for a code.

use super::SignInError;
use crate::{
    auth::jwt::{KeySource, Verifier},
    config::{JwtKeys, Oidc, Secret, is_private},
    outbound::Client,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Uri};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// What is used of an issuer.
pub(super) struct Found {
    /// Where browsers are sent.
    pub authorization: String,
    /// Where browsers sign out.
    pub end_session: Option<String>,
    /// Of its ID tokens for us.
    pub verifier: Verifier,
    token: Uri,
    /// Whether it takes the secret in the form only.
    posts_secret: bool,
    client: Client,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// Reads the document of the issuer.
pub(super) async fn find(config: &Oidc) -> Result<Found, String> {
    let client = match &config.ca_file {
        Some(path) => Client::trusting(authorities(path)?),
        None => Client::default(),
    };
    let at = format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
    let uri: Uri = at.parse().map_err(|_| "its name is no URL".to_owned())?;
    let text = client.get(&uri, WITHIN, MOST_BYTES).await.map_err(|error| error.to_string())?;
    let no_document = |error| format!("its discovery document cannot be read: {error}");
    let document: Document = serde_json::from_slice(&text).map_err(no_document)?;
    if *document.issuer != *config.issuer {
        let theirs: String = document.issuer.chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(format!(
            "its discovery document is of the issuer `{theirs}`; `admin.oidc.issuer` has to be exactly that, `/` included"
        ));
    }
    let secure = config.issuer.starts_with("https:");
    let endpoint = |name: &str, text: &str| {
        // What an `https` issuer names is `https` too: else it could send secrets, and us, anywhere on this machine.
        let fits = |uri: &Uri| is_private(uri) && (!secure || uri.scheme_str() == Some("https"));
        let uri = text.parse::<Uri>().ok().filter(fits);
        uri.ok_or_else(|| format!("`{name}` of its discovery document is no `https` URL"))
    };
    let methods = document.token_endpoint_auth_methods_supported.unwrap_or_default();
    let keys = JwtKeys::Url(endpoint("jwks_uri", &document.jwks_uri)?);
    Ok(Found {
        authorization: endpoint("authorization_endpoint", &document.authorization_endpoint)?.to_string(),
        // An odd one is as none: nobody is kept from signing in by it.
        end_session: document
            .end_session_endpoint
            .and_then(|text| endpoint("end_session_endpoint", &text).ok())
            .map(|uri| uri.to_string()),
        token: endpoint("token_endpoint", &document.token_endpoint)?,
        posts_secret: methods.iter().any(|method| method == "client_secret_post")
            && !methods.iter().any(|method| method == "client_secret_basic"),
        verifier: Verifier {
            issuer: Arc::clone(&config.issuer),
            audience: Arc::clone(&config.client_id),
            algorithms: config.algorithms.clone(),
            leeway: LEEWAY,
            // No pause: a token comes from the issuer itself, for a code that it just took.
            keys: KeySource::asked(keys, client.clone(), Duration::ZERO),
        },
        client,
    })
}

/// What is taken of the answer for a code.
#[derive(Deserialize)]
struct Answer {
    id_token: Option<String>,
    error: Option<String>,
}

impl Found {
    /// The ID token for `code`.
    pub async fn exchange(
        &self,
        config: &Oidc,
        code: &str,
        redirect: &str,
        verifier: &str,
    ) -> Result<String, SignInError> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        let mut request = Request::post(self.token.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        match config.client_secret.as_ref().map(Secret::expose) {
            Some(secret) if !self.posts_secret => {
                let pair = format!("{}:{}", escaped(&config.client_id), escaped(secret));
                request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
            }
            secret => {
                form.push(("client_id", &config.client_id));
                form.extend(secret.map(|secret| ("client_secret", secret)));
            }
        }
        let issuer = |why: String| SignInError::Issuer { issuer: Arc::clone(&config.issuer), why };
        let request = request.body(Bytes::from(query(&form))).map_err(|_| issuer("it cannot be asked".to_owned()))?;
        let answer = self.client.send(request, WITHIN, MOST_TOKEN_BYTES).await;
        let answer = answer.map_err(|error| issuer(error.to_string()))?;
        let status = answer.status();
        let told = serde_json::from_slice::<Answer>(answer.body()).unwrap_or(Answer { id_token: None, error: None });
        match (status.is_success(), told) {
            (_, Answer { error: Some(error), .. }) => {
                let error = word(&error);
                tracing::warn!(issuer = &*config.issuer, error, %status, "the issuer refused a code");
                Err(SignInError::Refused(error))
            }
            (true, Answer { id_token: Some(token), .. }) => Ok(token),
            (true, _) => Err(issuer("its answer holds no ID token; is `openid` among the scopes?".to_owned())),
            (false, _) => Err(issuer(format!("it answered the code with status {status}"))),
        }
    }
}

/// The certificate authorities of a PEM file.
fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let wrong = |why: &dyn std::fmt::Display| format!("`admin.oidc.ca_file` cannot be used: {why}");
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() { Err(wrong(&"it holds no certificate")) } else { Ok(roots) }
}

/// `url` with these parameters behind those that it has.
pub(super) fn with_query(url: &str, pairs: &[(&str, &str)]) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{}", query(pairs))
}

fn query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    pairs.join("&")
}

/// As it stands in a form or a URL.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all");
        }
    }
    out
}

/// A code of an error, as it may be shown: what others wrote is cut.
pub(super) fn word(text: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let word: String = text.chars().filter(fits).take(64).collect();
    if word.is_empty() { "no reason".to_owned() } else { word }
}

/// How long each call may take.
const WITHIN: Duration = Duration::from_secs(5);
/// A larger document is a mistake.
const MOST_BYTES: usize = 256 << 10;
/// A larger answer for a code is a mistake; what a session keeps comes out of it.
const MOST_TOKEN_BYTES: usize = 64 << 10;
/// Clocks may differ by so much.
const LEEWAY: Duration = Duration::from_secs(30);
