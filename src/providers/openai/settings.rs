//! The settings of kind `openai`.

use super::{APIS, OpenAi};
use crate::{
    config::{self, ConfigError},
    providers::{cap::CapField, endpoint::endpoint, mask::Key},
};
use http::{HeaderName, HeaderValue, header};

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Local servers need none.
    #[serde(default)]
    api_key: Option<String>,
    #[serde(default = "default_base_url")]
    base_url: String,
    /// Sent as `OpenAI-Organization`.
    #[serde(default)]
    organization: Option<String>,
    /// Sent as `OpenAI-Project`.
    #[serde(default)]
    project: Option<String>,
    /// What caps the output of a chat completion here. Default: `max_completion_tokens` at OpenAI itself, which takes
    /// nothing else for its reasoning models; `max_tokens` where `base_url` is set, which all servers know.
    #[serde(default)]
    output_cap_field: Option<CapField>,
}

fn default_base_url() -> String {
    "https://api.openai.com/v1".to_owned()
}

pub(super) fn read(provider: &config::Provider) -> Result<OpenAi, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let endpoint = endpoint(&settings.base_url).map_err(|why| section.error("base_url", why))?;
    if settings.output_cap_field == Some(CapField::Responses) {
        let why = "is `max_tokens` or `max_completion_tokens`; `max_output_tokens` is the Responses API's own";
        return Err(section.error("output_cap_field", why.to_owned()));
    }
    let chat_cap_only = settings.output_cap_field.is_some();
    let default_cap = if section.has("base_url") { CapField::Older } else { CapField::Newer };
    let chat_cap = settings.output_cap_field.unwrap_or(default_cap);
    let key = Key::new(settings.api_key);
    let bad = |name: &str| section.error(name, "holds characters that no HTTP header can carry".to_owned());
    let mut credentials = Vec::new();
    if let Some(bearer) = key.header("Bearer ").map_err(|_| bad("api_key"))? {
        credentials.push((header::AUTHORIZATION, bearer));
    }
    let ours = [
        ("organization", "openai-organization", settings.organization),
        ("project", "openai-project", settings.project),
    ];
    for (setting, name, value) in ours {
        if let Some(value) = value {
            let value = HeaderValue::from_str(&value).map_err(|_| bad(setting))?;
            credentials.push((HeaderName::from_static(name), value));
        }
    }
    let paths = APIS.map(|api| format!("{}/{}", endpoint.base_path, api.path()));
    Ok(OpenAi { key, endpoint, paths, credentials, chat_cap, chat_cap_only })
}
