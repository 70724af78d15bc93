//! Keys that are fetched: where from, and how the answers of AWS's services are read.

use super::credentials::Keys;
use super::metadata::{Container, Instance};
use super::web_identity::WebIdentity;
use crate::{
    model::{Clock as _, SystemClock},
    outbound::{Client, OutboundError},
    providers::feed::Feed,
};
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Whom the keys are asked of.
#[derive(Debug)]
pub(super) enum Asked {
    Instance(Instance),
    Container(Container),
    WebIdentity(WebIdentity),
}

/// Fetches the keys of one provider.
pub(super) struct Fetched {
    provider: String,
    source: String,
    asked: Asked,
    keys: Arc<ArcSwapOption<Keys>>,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Fetched").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Fetched {
    /// For `provider`; puts what it gets into `keys`.
    pub(super) fn new(provider: &str, asked: Asked, keys: Arc<ArcSwapOption<Keys>>) -> Self {
        let whom = match &asked {
            Asked::Instance(instance) => format!("the instance's metadata service at {}", instance.base),
            Asked::Container(container) => format!("the container's credentials at {}", shown(&container.uri)),
            Asked::WebIdentity(identity) => format!("{} for role {}", shown(&identity.sts), identity.role_arn),
        };
        Self { provider: provider.to_owned(), source: format!("providers.{provider}.credentials: {whom}"), asked, keys }
    }
}

/// Where a URL leads, without its path, which may be of use to nobody else.
fn shown(uri: &http::Uri) -> String {
    uri.authority().map_or_else(|| "-".to_owned(), ToString::to_string)
}

#[async_trait]
impl Feed for Fetched {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn source(&self) -> &str {
        &self.source
    }

    async fn refresh(&self, http: &Client) -> Result<Duration, String> {
        let keys = match &self.asked {
            Asked::Instance(instance) => instance.fetch(http).await,
            Asked::Container(container) => container.fetch(http).await,
            Asked::WebIdentity(identity) => identity.fetch(http).await,
        }?;
        let now_us = SystemClock.now_us();
        let life = keys.expires_us().map_or(UNKNOWN_LIFE, |end| Duration::from_micros(end.saturating_sub(now_us)));
        if life.is_zero() {
            return Err("the keys that came have expired already; is the clock of this machine right?".to_owned());
        }
        let before = self.keys.load_full();
        self.keys.store(Some(Arc::new(keys.after(before.as_deref()))));
        Ok(life)
    }
}

/// The answer to `request` if its status is 200.
///
/// # Errors
///
/// The status, or why there is no answer.
pub(super) async fn ask(http: &Client, request: Request<Bytes>) -> Result<Bytes, Refused> {
    let answer = http.send(request, WITHIN, MOST_BYTES).await.map_err(Refused::Unheard)?;
    if answer.status() == http::StatusCode::OK {
        Ok(answer.into_body())
    } else {
        Err(Refused::Status(answer.status().as_u16(), answer.into_body()))
    }
}

/// Why something was not told.
#[derive(Debug)]
pub(super) enum Refused {
    Unheard(OutboundError),
    Status(u16, Bytes),
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unheard(error) => error.fmt(out),
            Self::Status(status, _) => write!(out, "status {status}"),
        }
    }
}

/// Keys as both metadata services write them
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>,
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>).
///
/// # Errors
///
/// What is missing, or the service's own code.
pub(super) fn of_document(body: &[u8]) -> Result<Keys, String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document {
        #[serde(default, alias = "code")]
        code: Option<String>,
        #[serde(default)]
        access_key_id: String,
        #[serde(default)]
        secret_access_key: String,
        #[serde(default)]
        token: Option<String>,
        #[serde(default)]
        expiration: Option<String>,
    }
    let document: Document =
        serde_json::from_slice(body).map_err(|_| "the answer is no document with keys".to_owned())?;
    if let Some(code) = document.code.filter(|code| code != "Success") {
        return Err(format!("the service answered with code `{}`", cut(&code)));
    }
    keys(&document.access_key_id, &document.secret_access_key, document.token.as_deref(), document.expiration)
}

/// Keys of these parts; `expiration` as RFC 3339 has it.
///
/// # Errors
///
/// When one is missing or unreadable.
pub(super) fn keys(id: &str, secret: &str, token: Option<&str>, expiration: Option<String>) -> Result<Keys, String> {
    if id.is_empty() || secret.is_empty() {
        return Err("the answer holds no access key".to_owned());
    }
    let keys = Keys::new(id, secret, token);
    let Some(expiration) = expiration else { return Ok(keys) };
    let at: jiff::Timestamp =
        expiration.parse().map_err(|_| "the answer holds an expiration that is no time".to_owned())?;
    Ok(keys.until(u64::try_from(at.as_microsecond()).unwrap_or(0)))
}

/// Text of a service, shortened for the log.
pub(super) fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// How long one call may take.
const WITHIN: Duration = Duration::from_secs(5);
/// A longer answer is a mistake.
const MOST_BYTES: usize = 64 * 1024;
/// Keys whose end is not told are fetched anew as if they held for so long.
const UNKNOWN_LIFE: Duration = Duration::from_secs(900);

#[cfg(test)]
#[path = "fetched_tests.rs"]
mod tests;
