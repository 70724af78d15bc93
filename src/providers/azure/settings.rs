//! The settings of kind `azure`.

use crate::{
    config::{self, ConfigError},
    model::Api,
    providers::{
        cap::CapField,
        endpoint::endpoint,
        mask::Key,
        openai::{
            APIS, KEEPS, MEDIA, OpenAi, Path,
            codec_chat::Manner,
            settings::{TranslateTo, check_cap},
        },
    },
};
use http::HeaderName;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Sent as `api-key`.
    #[serde(default)]
    api_key: Option<String>,
    /// The resource's name, of which the address is made; or `base_url`.
    #[serde(default)]
    resource: Option<String>,
    /// The resource's address, with or without `/openai` or `/openai/v1` at its end.
    #[serde(default)]
    base_url: Option<String>,
    /// The version of the dated API: `2024-10-21`. Without it the v1 API is called.
    #[serde(default)]
    api_version: Option<String>,
    /// As of kind `openai`. Default: `max_completion_tokens`.
    #[serde(default)]
    output_cap_field: Option<CapField>,
    /// As of kind `openai`.
    #[serde(default)]
    translate_to: TranslateTo,
}

const API_KEY: HeaderName = HeaderName::from_static("api-key");

pub(super) fn read(provider: &config::Provider) -> Result<OpenAi, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let (key_path, base_url) = match (&settings.resource, settings.base_url) {
        (None, Some(base_url)) => ("base_url", base_url),
        (Some(name), None)
            if !name.is_empty() && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric()) =>
        {
            ("resource", format!("https://{name}.openai.azure.com"))
        }
        (Some(_), None) => {
            let why = "is the name of a resource (letters, digits and `-`); an address goes into `base_url`";
            return Err(section.error("resource", why.to_owned()));
        }
        (Some(_), Some(_)) => {
            return Err(section.error("resource", "stands beside `base_url`; set one of the two".to_owned()));
        }
        (None, None) => return Err(section.error("", "set `resource` or `base_url`".to_owned())),
    };
    let mut endpoint = endpoint(&base_url).map_err(|why| section.error(key_path, why))?;
    let base = &*endpoint.base_path;
    let base = base.strip_suffix("/v1").filter(|base| base.ends_with("/openai")).unwrap_or(base);
    endpoint.base_path = format!("{}/openai", base.strip_suffix("/openai").unwrap_or(base)).into();
    let version = settings.api_version.as_deref();
    let is_version =
        |text: &str| !text.is_empty() && text.bytes().all(|c| c == b'-' || c == b'.' || c.is_ascii_alphanumeric());
    if version.is_some_and(|version| !is_version(version)) {
        let why = "is a version such as `2024-10-21`; leave it out for the v1 API";
        return Err(section.error("api_version", why.to_owned()));
    }
    check_cap(section, settings.output_cap_field)?;
    let key = Key::new(settings.api_key);
    let bad = |_| section.error("api_key", "holds characters that no HTTP header can carry".to_owned());
    let chat_cap = settings.output_cap_field.unwrap_or(CapField::Newer);
    Ok(OpenAi {
        kind: "azure",
        paths: APIS
            .into_iter()
            .chain(MEDIA)
            .map(|api| (api, path(&endpoint.base_path, api, version)))
            .chain([(Api::Realtime, sessions(&endpoint.base_path, version))])
            .chain(KEEPS.map(|api| (api, kept(&endpoint.base_path, api, version))))
            .collect(),
        credentials: key.header("").map_err(bad)?.map(|value| (API_KEY, value)).into_iter().collect(),
        translates: settings.translate_to.codec(Manner::OPENAI, chat_cap, &key),
        key,
        endpoint,
        chat_cap,
        chat_cap_only: settings.output_cap_field.is_some(),
        strict: false,
        asks_for_usage: true,
        embeds: None,
    })
}

/// Where sessions are, below `base`: the dated API names the deployment in the query
/// (<https://learn.microsoft.com/azure/ai-foundry/openai/how-to/realtime-audio-websockets>).
fn sessions(base: &str, version: Option<&str>) -> Path {
    match version {
        None => Path::ending(format!("{base}/v1/realtime?model=")),
        Some(version) => Path::ending(format!("{base}/realtime?api-version={version}&deployment=")),
    }
}

/// Where files and batches are, below `base`: they belong to the resource, not to a deployment
/// (<https://learn.microsoft.com/rest/api/azureopenai/batch/create>).
fn kept(base: &str, api: Api, version: Option<&str>) -> Path {
    let name = api.path();
    Path::plain(match version {
        None => format!("{base}/v1/{name}"),
        Some(version) => format!("{base}/{name}?api-version={version}"),
    })
}

/// Where `api` is, below `base`. Of the dated API only responses are not called below a deployment.
fn path(base: &str, api: Api, version: Option<&str>) -> Path {
    let name = api.path();
    match (version, api) {
        (None, _) => Path::plain(format!("{base}/v1/{name}")),
        (Some(version), Api::Responses) => Path::plain(format!("{base}/{name}?api-version={version}")),
        (Some(version), _) => {
            Path { head: format!("{base}/deployments/"), tail: Some(format!("/{name}?api-version={version}")) }
        }
    }
}
