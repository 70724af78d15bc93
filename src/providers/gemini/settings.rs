//! The settings of kind `gemini`.

use super::{Gemini, codec::Generate};
use crate::{
    config::{self, ConfigError},
    providers::{endpoint::endpoint, mask::Key},
};

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Local servers need none.
    #[serde(default)]
    api_key: Option<String>,
    /// With or without a version (`/v1beta`, `/v1`) at its end.
    #[serde(default = "default_base_url")]
    base_url: String,
}

fn default_base_url() -> String {
    "https://generativelanguage.googleapis.com".to_owned()
}

pub(super) fn read(provider: &config::Provider) -> Result<Gemini, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let mut endpoint = endpoint(&settings.base_url).map_err(|why| section.error("base_url", why))?;
    let versioned = ["/v1", "/v1beta", "/v1alpha"].iter().any(|version| endpoint.base_path.ends_with(version));
    if !versioned {
        endpoint.base_path = format!("{}/v1beta", endpoint.base_path).into();
    }
    let key = Key::new(settings.api_key);
    let bad = |name: &str| section.error(name, "holds characters that no HTTP header can carry".to_owned());
    let credential = key.header("").map_err(|_| bad("api_key"))?;
    Ok(Gemini { codec: Generate::new(key.clone()), key, endpoint, credential })
}
