//! Access tokens: asked for with what proves who we are, and put where requests read them.

use super::account::Token;
use super::identity::Identity;
use crate::{
    model::{Clock as _, SystemClock},
    outbound::Client,
    providers::{feed::Feed, mask::Key},
};
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Fetches the tokens of one provider.
pub(super) struct Tokens {
    provider: String,
    source: String,
    identity: Identity,
    token: Arc<ArcSwapOption<Token>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tokens").field("source", &self.source).finish_non_exhaustive()
    }
}

/// An answer of the token endpoint, or of the metadata service.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Tokens {
    /// For `provider`, whose credentials stand at `key`; puts what it gets into `token`.
    pub(super) fn new(provider: &str, key: &str, identity: Identity, token: Arc<ArcSwapOption<Token>>) -> Self {
        let source = format!("providers.{provider}.{key}: {}", identity.whom());
        Self { provider: provider.to_owned(), source, identity, token }
    }

    fn request(&self, now_s: u64) -> Result<Request<Bytes>, String> {
        let posted = |uri: &str, form: String| {
            let form_type = "application/x-www-form-urlencoded";
            Request::post(uri).header(header::CONTENT_TYPE, form_type).body(Bytes::from(form))
        };
        let request = match &self.identity {
            Identity::Account(account) => posted(&account.token_uri, account.form(now_s)?),
            Identity::User(user) => posted(&user.token_uri, user.form()),
            // <https://docs.cloud.google.com/compute/docs/access/authenticate-workloads>
            Identity::Machine(base) => {
                Request::get(format!("{base}/computeMetadata/v1/instance/service-accounts/default/token"))
                    .header("metadata-flavor", "Google")
                    .body(Bytes::new())
            }
        };
        request.map_err(|_| "the request for a token cannot be made: its address is no URL".to_owned())
    }
}

#[async_trait]
impl Feed for Tokens {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn source(&self) -> &str {
        &self.source
    }

    async fn refresh(&self, http: &Client) -> Result<Duration, String> {
        // Its life begins while we wait for the answer at the latest.
        let asked_us = SystemClock.now_us();
        let request = self.request(asked_us / 1_000_000)?;
        let answer = http.send(request, WITHIN, MOST_BYTES).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let told: Option<Answer> = serde_json::from_slice(answer.body()).ok();
        if status != StatusCode::OK {
            let why = told
                .map_or_else(String::new, |told| format!(": {} {}", cut(&told.error), cut(&told.error_description)));
            return Err(format!("no token is given (status {}){}", status.as_u16(), why.trim_end()));
        }
        let told = told.filter(|told| !told.access_token.is_empty()).ok_or("the answer holds no access token")?;
        let life = told.expires_in.filter(|life| *life > 0).ok_or("the answer holds a token that does not last")?;
        let life = Duration::from_secs(life.min(LONGEST_LIFE_S));
        let key = Key::new(Some(told.access_token));
        let header = key.header("Bearer ").ok().flatten().ok_or("the access token is no header")?;
        let expires_us = asked_us.saturating_add(u64::try_from(life.as_micros()).unwrap_or(u64::MAX));
        self.token.store(Some(Arc::new(Token { header, key, expires_us })));
        Ok(life)
    }
}

/// Text of a service, shortened for the log.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// How long the answer may take.
const WITHIN: Duration = Duration::from_secs(10);
/// A longer answer is a mistake.
const MOST_BYTES: usize = 64 * 1024;
/// Tokens are renewed after a day at the latest, whatever they say.
const LONGEST_LIFE_S: u64 = 86_400;
