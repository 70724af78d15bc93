//! The settings of kind `bedrock`.

use super::chain::{Chain, Found, Way};
use super::{Bedrock, Converse, credentials::Credentials, fetched::Fetched};
use crate::{
    config::{self, ConfigError},
    providers::{endpoint::endpoint, feed::Feed},
};
use arc_swap::ArcSwapOption;
use std::env;
use std::sync::Arc;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// `us-east-1`; else that of the environment.
    #[serde(default)]
    region: Option<String>,
    /// Instead of the region's own host: a VPC endpoint, a simulator.
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    pub(super) access_key_id: Option<String>,
    #[serde(default)]
    pub(super) secret_access_key: Option<String>,
    #[serde(default)]
    pub(super) session_token: Option<String>,
    /// A shared credentials file, looked at once a second at most.
    #[serde(default)]
    pub(super) credentials_file: Option<String>,
    /// Of that file; `default` unless said.
    #[serde(default)]
    pub(super) profile: Option<String>,
    /// A Bedrock API key, instead of keys to sign with.
    #[serde(default)]
    pub(super) api_key: Option<String>,
    /// Which of the ways to come by credentials is taken.
    #[serde(default)]
    pub(super) credentials: Way,
    /// The role that is assumed with a web identity.
    #[serde(default)]
    pub(super) role_arn: Option<String>,
    /// Where the token for that is; read again each time.
    #[serde(default)]
    pub(super) web_identity_token_file: Option<String>,
    /// Instead of the region's own STS.
    #[serde(default)]
    pub(super) sts_url: Option<String>,
    /// Instead of the instance's own metadata service.
    #[serde(default)]
    pub(super) metadata_url: Option<String>,
}

pub(super) fn read(provider: &config::Provider) -> Result<Bedrock, ConfigError> {
    read_with(provider, &|name| env::var(name).ok())
}

/// The settings say who we are in one way; where they say nothing, the environment does.
pub(super) fn read_with(
    provider: &config::Provider,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Bedrock, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let env = |name: &str| env(name).filter(|value| !value.is_empty());
    let region = settings.region.clone().or_else(|| env("AWS_REGION")).or_else(|| env("AWS_DEFAULT_REGION"));
    let region = region.ok_or_else(|| section.error("region", "is missing; write it as `us-east-1`".to_owned()))?;
    if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(section.error("region", "is no region; write it as `us-east-1`".to_owned()));
    }
    let base_url = settings.base_url.clone().unwrap_or_else(|| own_host(&region));
    let endpoint = endpoint(&base_url).map_err(|why| section.error("base_url", why))?;
    let fault = section_error(section);
    let found = Chain { settings: &settings, region: &region, env: &env, fault: &fault }.find()?;
    let (credentials, feed) = match found {
        Found::Held(credentials) => (credentials, None),
        Found::Asked(asked) => {
            let keys = Arc::new(ArcSwapOption::empty());
            let fetched: Arc<dyn Feed> = Arc::new(Fetched::new(&provider.name, asked, Arc::clone(&keys)));
            (Credentials::Fed(keys), Some(fetched))
        }
    };
    let credentials = Arc::new(credentials);
    Ok(Bedrock { endpoint, region, codec: Converse::new(credentials.clone()), credentials, feed })
}

/// The runtime's host of `region` (<https://docs.aws.amazon.com/general/latest/gr/bedrock.html>).
fn own_host(region: &str) -> String {
    let of_china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://bedrock-runtime.{region}.amazonaws.com{of_china}")
}

fn section_error(section: &config::Section) -> impl Fn(&str, &str) -> ConfigError + '_ {
    |key, message| section.error(key, message.to_owned())
}
