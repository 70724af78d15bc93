//! The settings of kind `anthropic`.

use super::{Anthropic, codec::Messages};
use crate::{
    config::{self, ConfigError},
    model::Api,
    providers::{endpoint::endpoint, mask::Key},
};
use http::HeaderValue;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Local servers need none.
    #[serde(default)]
    api_key: Option<String>,
    /// With or without `/v1` at its end.
    #[serde(default = "default_base_url")]
    base_url: String,
    /// `anthropic-version`, sent when the client sends none.
    #[serde(default = "default_version")]
    version: String,
}

fn default_base_url() -> String {
    "https://api.anthropic.com/v1".to_owned()
}

fn default_version() -> String {
    "2023-06-01".to_owned()
}

pub(super) fn read(provider: &config::Provider) -> Result<Anthropic, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let mut endpoint = endpoint(&settings.base_url).map_err(|why| section.error("base_url", why))?;
    if !endpoint.base_path.ends_with("/v1") {
        endpoint.base_path = format!("{}/v1", endpoint.base_path).into();
    }
    let key = Key::new(settings.api_key);
    let bad = |name: &str| section.error(name, "holds characters that no HTTP header can carry".to_owned());
    let credential = key.header("").map_err(|_| bad("api_key"))?;
    let version = HeaderValue::from_str(&settings.version).map_err(|_| bad("version"))?;
    let path = |api: Api| format!("{}/{}", endpoint.base_path, api.path());
    let (messages, count_tokens) = (path(Api::Messages), path(Api::CountTokens));
    let codec = Messages::new(key.clone());
    Ok(Anthropic { key, codec, endpoint, messages, count_tokens, credential, version })
}
