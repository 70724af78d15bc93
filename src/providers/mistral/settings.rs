//! The settings of kind `mistral`.

use super::vectors::Embeddings;
use crate::{
    config::{self, ConfigError},
    model::{Api, Effort, Feature},
    providers::{
        cap::CapField,
        endpoint::endpoint,
        mask::Key,
        openai::{OpenAi, Path, call_id::Ids, codec_chat::Manner, settings::TranslateTo},
    },
};
use http::header;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    api_key: Option<String>,
    /// With `/v1` at its end.
    #[serde(default = "default_base_url")]
    base_url: String,
}

fn default_base_url() -> String {
    "https://api.mistral.ai/v1".to_owned()
}

const APIS: [Api; 2] = [Api::ChatCompletions, Api::Embeddings];

/// What of the request Mistral takes, and how
/// (<https://github.com/mistralai/client-python/blob/main/src/mistralai/client/models/chatcompletionrequest.py>).
const MANNER: Manner = Manner {
    takes: |feature| {
        !matches!(
            feature,
            Feature::DocumentInline
                | Feature::VideoInput
                | Feature::Logprobs
                | Feature::LogitBias
                | Feature::ServiceTier
                | Feature::User
                | Feature::Verbosity
                | Feature::ParticipantName
        )
    },
    takes_thoughts: false,
    asks_for_usage: false,
    efforts: &[Effort::None, Effort::High],
    most_stops: usize::MAX,
    seed: "random_seed",
    bare_media: true,
    refusal_parts: false,
    // <https://github.com/anomalyco/opencode/issues/1680>
    ids: Ids::NineLetters,
};

pub(super) fn read(provider: &config::Provider) -> Result<OpenAi, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let endpoint = endpoint(&settings.base_url).map_err(|why| section.error("base_url", why))?;
    let key = Key::new(settings.api_key);
    let bad = |_| section.error("api_key", "holds characters that no HTTP header can carry".to_owned());
    Ok(OpenAi {
        kind: "mistral",
        paths: APIS.map(|api| (api, Path::plain(format!("{}/{}", endpoint.base_path, api.path())))).into(),
        credentials: key
            .header("Bearer ")
            .map_err(bad)?
            .map(|value| (header::AUTHORIZATION, value))
            .into_iter()
            .collect(),
        translates: TranslateTo::ChatCompletions.codec(MANNER, CapField::Older, &key),
        key,
        endpoint,
        chat_cap: CapField::Older,
        chat_cap_only: true,
        strict: true,
        asks_for_usage: false,
        embeds: Some(&Embeddings),
    })
}
