//! The settings of kind `bedrock`.

use super::{
    Bedrock, Converse,
    credentials::{Credentials, File, Keys},
};
use crate::{
    config::{self, ConfigError},
    providers::{endpoint::endpoint, mask::Key},
};
use std::env;
use std::sync::Arc;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// `us-east-1`; else that of the environment.
    #[serde(default)]
    region: Option<String>,
    /// Instead of the region's own host: a VPC endpoint, a simulator.
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    access_key_id: Option<String>,
    #[serde(default)]
    secret_access_key: Option<String>,
    #[serde(default)]
    session_token: Option<String>,
    /// A shared credentials file, looked at once a second at most.
    #[serde(default)]
    credentials_file: Option<String>,
    /// Of that file; `default` unless said.
    #[serde(default)]
    profile: Option<String>,
    /// A Bedrock API key, instead of keys to sign with.
    #[serde(default)]
    api_key: Option<String>,
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
    let credentials = Arc::new(credentials(&settings, &section_error(section), &env)?);
    Ok(Bedrock { endpoint, region, codec: Converse::new(credentials.clone()), credentials })
}

/// The runtime's host of `region` (<https://docs.aws.amazon.com/general/latest/gr/bedrock.html>).
fn own_host(region: &str) -> String {
    let of_china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://bedrock-runtime.{region}.amazonaws.com{of_china}")
}

type Fault<'f> = dyn Fn(&str, &str) -> ConfigError + 'f;

fn section_error(section: &config::Section) -> impl Fn(&str, &str) -> ConfigError + '_ {
    |key, message| section.error(key, message.to_owned())
}

fn credentials(
    settings: &Settings,
    fault: &Fault<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Credentials, ConfigError> {
    let Settings { access_key_id, secret_access_key, session_token, credentials_file, profile, api_key, .. } = settings;
    let fixed = access_key_id.is_some() || secret_access_key.is_some() || session_token.is_some();
    let ways = [api_key.is_some(), fixed, credentials_file.is_some()];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return Err(fault("", "names several credentials; keep `api_key`, the access key or `credentials_file`"));
    }
    if profile.is_some() && credentials_file.is_none() {
        return Err(fault("profile", "has no `credentials_file` to stand in"));
    }
    if let Some(key) = api_key {
        return bearer(key)
            .ok_or_else(|| fault("api_key", "is empty or holds characters that no HTTP header can carry"));
    }
    if let Some(path) = credentials_file {
        let profile = profile.clone().unwrap_or_else(|| "default".to_owned());
        return File::open(path.into(), profile).map(Credentials::File).map_err(|error| {
            let message = format!("cannot be read: {error}");
            fault("credentials_file", &message)
        });
    }
    if fixed {
        let given = |key: &str, value: &Option<String>| {
            let value = value.clone().filter(|value| !value.is_empty());
            value.ok_or_else(|| fault(key, "is missing; an access key has an id and a secret"))
        };
        let (id, secret) = (given("access_key_id", access_key_id)?, given("secret_access_key", secret_access_key)?);
        return Ok(Credentials::Fixed(Arc::new(Keys::new(&id, &secret, session_token.as_deref()))));
    }
    of_environment(env).ok_or_else(|| {
        let message = "has no credentials: set `api_key`, `access_key_id` and `secret_access_key`, or \
                       `credentials_file`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment";
        fault("", message)
    })
}

/// An API key comes before an access key there too, as in AWS's own SDKs.
fn of_environment(env: &dyn Fn(&str) -> Option<String>) -> Option<Credentials> {
    if let Some(bearer) = env("AWS_BEARER_TOKEN_BEDROCK").as_deref().and_then(bearer) {
        return Some(bearer);
    }
    let (id, secret) = (env("AWS_ACCESS_KEY_ID")?, env("AWS_SECRET_ACCESS_KEY")?);
    let token = env("AWS_SESSION_TOKEN");
    Some(Credentials::Fixed(Arc::new(Keys::new(&id, &secret, token.as_deref()))))
}

fn bearer(key: &str) -> Option<Credentials> {
    let key = Key::new(Some(key.to_owned()));
    let header = key.header("Bearer ").ok()??;
    Some(Credentials::Bearer { key, header })
}
