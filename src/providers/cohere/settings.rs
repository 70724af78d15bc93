//! The settings of kind `cohere`.

use super::{Cohere, codec::Chat};
use crate::{
    config::{self, ConfigError},
    providers::{endpoint::endpoint, mask::Key},
};

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Private deployments may need none.
    #[serde(default)]
    api_key: Option<String>,
    /// With or without the version (`/v2`) at its end.
    #[serde(default = "default_base_url")]
    base_url: String,
}

fn default_base_url() -> String {
    "https://api.cohere.com".to_owned()
}

pub(super) fn read(provider: &config::Provider) -> Result<Cohere, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let mut endpoint = endpoint(&settings.base_url).map_err(|why| section.error("base_url", why))?;
    if !endpoint.base_path.ends_with("/v2") {
        endpoint.base_path = format!("{}/v2", endpoint.base_path).into();
    }
    let key = Key::new(settings.api_key);
    let bad = |_| section.error("api_key", "holds characters that no HTTP header can carry".to_owned());
    let credential = key.header("Bearer ").map_err(bad)?;
    Ok(Cohere { codec: Chat::new(key.clone()), key, endpoint, credential })
}
