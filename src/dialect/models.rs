//! `/v1/models` and `/v1/models/{id}`, in each dialect's shape.

use crate::model::Dialect;
use bytes::Bytes;
use serde::Serialize;

/// One model that the caller may name.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// The name that clients ask for.
    pub id: &'a str,
    /// Seconds since the Unix epoch.
    pub created_s: u32,
    /// Who answers it, as OpenAI's `owned_by` has it.
    pub owned_by: &'a str,
}

/// The list, in the order of `models`. It always comes whole: there are no further pages.
pub fn list(dialect: Dialect, models: &[Listed<'_>]) -> Bytes {
    match dialect {
        Dialect::OpenAi => json(&OpenAiList { object: "list", data: models.iter().map(openai).collect() }),
        Dialect::Anthropic => json(&AnthropicList {
            data: models.iter().map(anthropic).collect(),
            has_more: false,
            first_id: models.first().map(|model| model.id),
            last_id: models.last().map(|model| model.id),
        }),
        Dialect::Gemini => json(&GeminiList { models: models.iter().map(gemini).collect() }),
    }
}

/// One model.
pub fn one(dialect: Dialect, model: &Listed<'_>) -> Bytes {
    match dialect {
        Dialect::OpenAi => json(&openai(model)),
        Dialect::Anthropic => json(&anthropic(model)),
        Dialect::Gemini => json(&gemini(model)),
    }
}

#[derive(Serialize)]
struct OpenAiList<'a> {
    object: &'static str,
    data: Vec<OpenAiModel<'a>>,
}

#[derive(Serialize)]
struct OpenAiModel<'a> {
    id: &'a str,
    object: &'static str,
    created: u32,
    owned_by: &'a str,
}

#[derive(Serialize)]
struct AnthropicList<'a> {
    data: Vec<AnthropicModel<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct AnthropicModel<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    /// RFC 3339.
    created_at: String,
}

/// Without `nextPageToken`: there are no further pages (<https://ai.google.dev/api/models>).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GeminiList<'a> {
    models: Vec<GeminiModel<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GeminiModel<'a> {
    /// `models/{id}`
    name: String,
    version: &'static str,
    display_name: &'a str,
    supported_generation_methods: [&'static str; 2],
}

fn gemini<'a>(model: &Listed<'a>) -> GeminiModel<'a> {
    GeminiModel {
        name: format!("models/{}", model.id),
        version: "001",
        display_name: model.id,
        supported_generation_methods: ["generateContent", "streamGenerateContent"],
    }
}

fn openai<'a>(model: &Listed<'a>) -> OpenAiModel<'a> {
    OpenAiModel { id: model.id, object: "model", created: model.created_s, owned_by: model.owned_by }
}

fn anthropic<'a>(model: &Listed<'a>) -> AnthropicModel<'a> {
    let created = jiff::Timestamp::from_second(i64::from(model.created_s)).unwrap_or_default();
    AnthropicModel { r#type: "model", id: model.id, display_name: model.id, created_at: created.to_string() }
}

fn json(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("strings and numbers always serialize"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn models_are_listed_in_each_dialect() {
        let models = [
            Listed { id: "fast", created_s: 1_721_172_741, owned_by: "openai" },
            Listed { id: "slow", created_s: 0, owned_by: "weighbridge" },
        ];
        let value = |bytes: Bytes| serde_json::from_slice::<Value>(&bytes).expect("it is JSON");
        let fast = json!({"id": "fast", "object": "model", "created": 1_721_172_741, "owned_by": "openai"});
        let slow = json!({"id": "slow", "object": "model", "created": 0, "owned_by": "weighbridge"});
        assert_eq!(value(list(Dialect::OpenAi, &models)), json!({"object": "list", "data": [fast, slow]}));
        assert_eq!(value(one(Dialect::OpenAi, &models[0])), fast);
        let fast = json!({"type": "model", "id": "fast", "display_name": "fast",
            "created_at": "2024-07-16T23:32:21Z"});
        assert_eq!(value(one(Dialect::Anthropic, &models[0])), fast);
        let page = value(list(Dialect::Anthropic, &models));
        assert_eq!((&page["data"][0], &page["first_id"], &page["last_id"]), (&fast, &json!("fast"), &json!("slow")));
        let empty = json!({"data": [], "has_more": false, "first_id": null, "last_id": null});
        assert_eq!(value(list(Dialect::Anthropic, &[])), empty);
        let fast = json!({"name": "models/fast", "version": "001", "displayName": "fast",
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent"]});
        assert_eq!(value(one(Dialect::Gemini, &models[0])), fast);
        let page = value(list(Dialect::Gemini, &models));
        assert_eq!((&page["models"][0], page.as_object().expect("an object").len()), (&fast, 1), "one page");
    }
}
