//! The settings of kind `openai`.

use super::codec_chat::{ChatCodec, Manner};
use super::codec_responses::ResponsesCodec;
use super::{APIS, KEEPS, MEDIA, OWN, OpenAi, Path};
use crate::{
    config::{self, ConfigError, Section},
    model::Api,
    providers::{cap::CapField, codec::Codec, endpoint::endpoint, mask::Key},
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
    /// What clients of other dialects are translated to. Chat completions are known to all servers; responses keep
    /// what a reasoning model thought between the calls of its tools.
    #[serde(default)]
    translate_to: TranslateTo,
}

/// What clients of other dialects are translated to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::providers) enum TranslateTo {
    /// Chat completions.
    #[default]
    ChatCompletions,
    /// Responses.
    Responses,
}

impl TranslateTo {
    /// The call, and who speaks it.
    pub(in crate::providers) fn codec(self, manner: Manner, cap: CapField, key: &Key) -> (Api, Box<dyn Codec>) {
        let key = key.clone();
        match self {
            Self::ChatCompletions => (Api::ChatCompletions, Box::new(ChatCodec { manner, cap, key })),
            Self::Responses => (Api::Responses, Box::new(ResponsesCodec { key })),
        }
    }
}

/// Refuses what caps no chat completion.
///
/// # Errors
///
/// When `field` is the Responses API's own.
pub(in crate::providers) fn check_cap(section: &Section, field: Option<CapField>) -> Result<(), ConfigError> {
    if field == Some(CapField::Responses) {
        let why = "is `max_tokens` or `max_completion_tokens`; `max_output_tokens` is the Responses API's own";
        return Err(section.error("output_cap_field", why.to_owned()));
    }
    Ok(())
}

fn default_base_url() -> String {
    "https://api.openai.com/v1".to_owned()
}

pub(super) fn read(provider: &config::Provider) -> Result<OpenAi, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let endpoint = endpoint(&settings.base_url).map_err(|why| section.error("base_url", why))?;
    check_cap(section, settings.output_cap_field)?;
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
    // OpenAI itself, whatever its region: `eu.api.openai.com`.
    let own = endpoint.host.ends_with("api.openai.com");
    let manner = if own { Manner::OPENAI } else { Manner::OTHERS };
    // OpenAI ranks nothing; vLLM and others do, as clients ask for it.
    let ranks = (!own).then_some(Api::Rerank);
    Ok(OpenAi {
        kind: "openai",
        paths: APIS
            .into_iter()
            .chain(MEDIA)
            .chain(OWN)
            .chain(ranks)
            .map(|api| (api, Path::plain(format!("{}/{}", endpoint.base_path, api.path()))))
            .chain([(Api::Realtime, Path::ending(format!("{}/realtime?model=", endpoint.base_path)))])
            .chain(KEEPS.map(|api| (api, Path::plain(format!("{}/{}", endpoint.base_path, api.path())))))
            .collect(),
        translates: settings.translate_to.codec(manner, chat_cap, &key),
        key,
        endpoint,
        credentials,
        chat_cap,
        chat_cap_only,
        strict: false,
        asks_for_usage: true,
        embeds: None,
    })
}
