//! Who we are at Google: a service account, a user who has logged in with `gcloud`, or the machine itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

/// What a token is asked for with. It has no `Debug` that shows a secret.
pub(super) enum Identity {
    Account(Box<ServiceAccount>),
    User(User),
    /// The metadata service of Google's machines, without a slash at its end.
    Machine(String),
}

/// A service account: proves itself with a key of its own.
pub(super) struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    key: RsaKeyPair,
    pub(super) token_uri: String,
}

/// A user: proves itself with a token that is good until it is revoked.
pub(super) struct User {
    client_id: String,
    client_secret: String,
    refresh_token: String,
    pub(super) token_uri: String,
}

/// What a credentials file says besides who we are.
#[derive(Default)]
pub(super) struct Aside {
    pub(super) project: Option<String>,
    pub(super) quota_project: Option<String>,
}

/// Whatever the account may do at Google Cloud.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where tokens are asked for unless the file names another place.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// Seconds that an assertion is good for; Google takes no more.
const ASSERTION_LIFE_S: u64 = 3_600;

/// As in the file (<https://google.aip.dev/auth/4112>, <https://google.aip.dev/auth/4113>).
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    project_id: Option<String>,
    #[serde(default)]
    quota_project_id: Option<String>,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    private_key: Option<String>,
    #[serde(default)]
    client_email: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    token_uri: Option<String>,
}

impl Identity {
    /// As a credentials file tells it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without a piece of it.
    pub(super) fn of_file(text: &str) -> Result<(Self, Aside), String> {
        let file: File = serde_json::from_str(text).map_err(|_| "is no JSON with Google credentials".to_owned())?;
        let aside = Aside { project: file.project_id.clone(), quota_project: file.quota_project_id.clone() };
        let given = |name: &str, value: Option<String>| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| format!("has no `{name}`"))
        };
        let token_uri = file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
        match file.r#type.as_str() {
            "service_account" => {
                let email = given("client_email", file.client_email)?;
                let key = rsa(&given("private_key", file.private_key)?)?;
                let account = ServiceAccount { email, key_id: file.private_key_id, key, token_uri };
                // A service account's project is its own; quota is charged to it anyway.
                Ok((Self::Account(Box::new(account)), Aside { quota_project: None, ..aside }))
            }
            "authorized_user" => Ok((
                Self::User(User {
                    client_id: given("client_id", file.client_id)?,
                    client_secret: given("client_secret", file.client_secret)?,
                    refresh_token: given("refresh_token", file.refresh_token)?,
                    token_uri,
                }),
                aside,
            )),
            other => {
                let other: String = other.chars().take(64).collect();
                Err(format!("is of type `{other}`; there are `service_account` and `authorized_user`"))
            }
        }
    }

    /// Where tokens are asked for, for the log.
    pub(super) fn whom(&self) -> String {
        match self {
            Self::Account(account) => format!("{} for service account {}", account.token_uri, account.email),
            Self::User(user) => format!("{} for a user's login", user.token_uri),
            Self::Machine(base) => format!("the metadata service at {base}"),
        }
    }
}

fn rsa(pem: &str) -> Result<RsaKeyPair, String> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes());
    let der = der.map_err(|_| "has a `private_key` that is no PEM of PKCS #8".to_owned())?;
    RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
        .map_err(|why| format!("has a `private_key` that is of no use: {why}"))
}

impl ServiceAccount {
    /// The form that asks for a token at `now_s` (seconds since the Unix epoch): a signed assertion
    /// (<https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>).
    ///
    /// # Errors
    ///
    /// When the machine has no randomness.
    pub(super) fn form(&self, now_s: u64) -> Result<String, String> {
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = id.as_str().into();
        }
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": self.token_uri, "iat": now_s, "exp": now_s + ASSERTION_LIFE_S,
        });
        let encoded = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encoded(&header), encoded(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let signed = self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
        signed.map_err(|_| "the assertion cannot be signed: there is no randomness".to_owned())?;
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        Ok(format!("grant_type={grant}&assertion={message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl User {
    /// The form that asks for a token
    /// (<https://developers.google.com/identity/protocols/oauth2/web-server#offline>).
    pub(super) fn form(&self) -> String {
        let mut form = "grant_type=refresh_token".to_owned();
        let members = [
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
            ("refresh_token", &self.refresh_token),
        ];
        for (name, value) in members {
            form.extend(["&", name, "="]);
            encode(value, &mut form);
        }
        form
    }
}

/// Appends `text` with everything percent-encoded but letters, digits and `-._~`.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}
