//! `generationConfig` (<https://ai.google.dev/api/generate-content#generationconfig>).

use super::object::{Object, wrong};
use super::schema::json_schema;
use crate::{
    dialect::{
        BadRequest,
        node::{self, Node},
        path::echo,
    },
    model::{Chat, Content, Effort, Feature, Format, Json},
};

/// Reads it.
pub(super) fn read(mut config: Object<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    chat.max_output_tokens = config.count("maxOutputTokens")?.filter(|tokens| *tokens > 0);
    sampling(&mut config, chat)?;
    answers(&mut config, chat)?;
    format(&mut config, chat)?;
    modalities(&mut config, chat)?;
    if let Some(thinking) = config.object("thinkingConfig")? {
        think(thinking, chat)?;
    }
    config.rest(Feature::Unknown, chat);
    Ok(())
}

fn sampling(config: &mut Object<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let mut used = Vec::new();
    let mut note = |there: bool, feature, path: String| {
        if there {
            used.push((feature, path));
        }
    };
    let sampling = &mut chat.sampling;
    sampling.temperature = config.number("temperature")?;
    note(sampling.temperature.is_some(), Feature::Temperature, config.path("temperature"));
    sampling.top_p = config.number("topP")?;
    note(sampling.top_p.is_some(), Feature::TopP, config.path("topP"));
    sampling.top_k = config.count("topK")?;
    note(sampling.top_k.is_some(), Feature::TopK, config.path("topK"));
    let said = |penalty: Option<f64>| penalty.filter(|penalty| *penalty != 0.0);
    sampling.presence_penalty = said(config.number("presencePenalty")?);
    note(sampling.presence_penalty.is_some(), Feature::Penalties, config.path("presencePenalty"));
    sampling.frequency_penalty = said(config.number("frequencyPenalty")?);
    note(sampling.frequency_penalty.is_some(), Feature::Penalties, config.path("frequencyPenalty"));
    sampling.seed = config.whole("seed")?;
    note(sampling.seed.is_some(), Feature::Seed, config.path("seed"));
    for (feature, path) in used {
        chat.uses(feature, path);
    }
    Ok(())
}

/// How many answers, where they end, and how probable they are.
fn answers(config: &mut Object<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let path = config.path("stopSequences");
    for stop in config.list("stopSequences")? {
        match stop {
            Node::Text(text) => chat.stop.push(text.into_owned()),
            other => return Err(wrong(&path, "an array of strings", &other)),
        }
    }
    if !chat.stop.is_empty() {
        chat.uses(Feature::StopSequences, path);
    }
    let choices = config.count("candidateCount")?.unwrap_or(1);
    chat.choices = u32::try_from(choices).unwrap_or(u32::MAX);
    if chat.choices > 1 {
        chat.uses(Feature::Choices, config.path("candidateCount"));
    }
    let asked = config.flag("responseLogprobs")?.unwrap_or_default();
    let alternatives = config.count("logprobs")?.unwrap_or_default();
    if asked {
        chat.logprobs = Some(u32::try_from(alternatives).unwrap_or(u32::MAX));
        chat.uses(Feature::Logprobs, config.path("responseLogprobs"));
    }
    Ok(())
}

fn format(config: &mut Object<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let media_type = config.text("responseMimeType")?.unwrap_or_default().to_ascii_lowercase();
    let (json, google) = (config.take("responseJsonSchema"), config.take("responseSchema"));
    let path = config.path(if json.is_some() { "responseJsonSchema" } else { "responseSchema" });
    let schema = match json.or_else(|| google.map(json_schema)) {
        Some(schema @ (Node::Map(_) | Node::Bool(_))) => Some(schema),
        Some(other) => return Err(wrong(&path, "an object", &other)),
        None => None,
    };
    match (&*media_type, schema) {
        ("text/x.enum", _) => chat.uses(Feature::Unknown, config.path("responseMimeType")),
        (_, Some(schema)) => {
            let Some(schema) = node::raw(&schema).map(Json::from) else { return Ok(()) };
            let name = "response".to_owned(); // other APIs want one
            chat.format = Format::Schema { name, description: None, schema, strict: None };
            chat.uses(Feature::JsonSchema, path);
        }
        ("application/json", None) => {
            chat.format = Format::Json;
            chat.uses(Feature::JsonObject, config.path("responseMimeType"));
        }
        ("" | "text/plain", None) => {}
        (other, None) => {
            let path = config.path("responseMimeType");
            let message = format!("`{path}` must be `text/plain` or `application/json`, not `{}`", echo(other));
            return Err(BadRequest { message, param: Some(path) });
        }
    }
    Ok(())
}

fn modalities(config: &mut Object<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let path = config.path("responseModalities");
    for modality in config.list("responseModalities")? {
        let Node::Text(word) = &modality else { return Err(wrong(&path, "an array of strings", &modality)) };
        match word.to_ascii_uppercase().as_str() {
            "TEXT" | "MODALITY_UNSPECIFIED" => {}
            "AUDIO" => chat.uses(Feature::AudioOutput, path.as_str()),
            _ => chat.uses(Feature::ImageOutput, path.as_str()),
        }
    }
    if let Some(level) = config.text("mediaResolution")?.as_deref().and_then(detail) {
        let path = config.path("mediaResolution");
        let shown = detailed(chat, level);
        chat.uses(if shown { Feature::ImageDetail } else { Feature::Unknown }, path);
    }
    for (name, feature) in [("speechConfig", Feature::AudioOutput), ("imageConfig", Feature::ImageOutput)] {
        if config.take(name).is_some() {
            chat.uses(feature, config.path(name));
        }
    }
    Ok(())
}

/// OpenAI's word for a resolution (<https://ai.google.dev/api/generate-content#MediaResolution>).
pub(super) fn detail(level: &str) -> Option<&'static str> {
    match level.to_ascii_uppercase().as_str() {
        "MEDIA_RESOLUTION_LOW" => Some("low"),
        "MEDIA_RESOLUTION_HIGH" | "MEDIA_RESOLUTION_ULTRA_HIGH" => Some("high"),
        "MEDIA_RESOLUTION_UNSPECIFIED" => None,
        _ => Some("auto"),
    }
}

/// Tells each picture that has no detail of its own; whether there is any.
fn detailed(chat: &mut Chat, level: &str) -> bool {
    let parts = chat.messages.iter_mut().flat_map(|message| &mut message.parts);
    let mut any = false;
    for part in parts {
        if let Content::Image { detail: detail @ None, .. } = &mut part.content {
            *detail = Some(level.to_owned());
            any = true;
        }
    }
    any
}

/// <https://ai.google.dev/gemini-api/docs/thinking>: a budget of -1 leaves it to the model, 0 turns it off.
fn think(mut config: Object<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let budget = config.whole("thinkingBudget")?;
    match budget {
        None => {}
        Some(0) => chat.thinking.off = true,
        Some(tokens) => match u64::try_from(tokens) {
            Ok(tokens) => chat.thinking.budget_tokens = Some(tokens),
            Err(_) => chat.thinking.adaptive = true,
        },
    }
    if budget.is_some() {
        chat.uses(Feature::ReasoningEffort, config.path("thinkingBudget"));
    }
    let path = config.path("thinkingLevel");
    if let Some(level) = config.text("thinkingLevel")? {
        let word = level.to_ascii_lowercase();
        chat.thinking.effort = Effort::by_name(&word);
        match chat.thinking.effort {
            Some(_) => chat.uses(Feature::ReasoningEffort, path),
            None if word == "thinking_level_unspecified" => {}
            None => {
                let message = format!("`{path}` must be `MINIMAL`, `LOW`, `MEDIUM` or `HIGH`, not `{}`", echo(&level));
                return Err(BadRequest { message, param: Some(path) });
            }
        }
    }
    chat.thinking.shown = config.flag("includeThoughts")?;
    config.rest(Feature::Unknown, chat);
    Ok(())
}
