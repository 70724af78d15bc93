//! From a request to a conversation.

use super::{
    input,
    members::{Members, bad, wrong},
    tools,
};
use crate::{
    dialect::{
        BadRequest,
        node::{Node, raw},
    },
    model::{Ask, Chat, Content, Effort, Feature, Format, Message, Part, Role},
};

/// The conversation that `ask` is.
///
/// <https://platform.openai.com/docs/api-reference/responses/create>
///
/// # Errors
///
/// When a member is not of its kind, or an item, a part or a tool has a type or a word that nobody could translate.
pub(in crate::dialect) fn decode(ask: &Ask) -> Result<Chat, BadRequest> {
    let body = ask.body.bytes();
    let root = Node::read(&body).map_err(|error| BadRequest { message: error.to_string(), param: None })?;
    let mut root = Members::of(root, String::new())?;
    let mut chat = Chat { stream: ask.stream, ..Chat::default() };
    root.skip(&["model", "stream", "stream_options"]);
    state(&mut root, &mut chat);
    if let Some(text) = root.text("instructions")? {
        let parts = vec![Part::new(Content::Text(text.into_owned()))];
        chat.messages.push(Message { role: Role::System, name: None, parts });
    }
    input::read(&mut root, &body, &mut chat)?;
    tools::read(&mut root, &mut chat)?;
    sampling(&mut root, &mut chat)?;
    thinking(&mut root, &mut chat)?;
    format(&mut root, &mut chat)?;
    logprobs(&mut root, &mut chat)?;
    labels(&mut root, &mut chat)?;
    handling(&mut root, &mut chat)?;
    root.rest(&mut chat);
    Ok(chat)
}

/// What the provider would have to keep.
fn state(root: &mut Members<'_>, chat: &mut Chat) {
    for name in ["previous_response_id", "conversation", "prompt"] {
        if root.take(name).is_some() {
            chat.uses(Feature::ServerState, name);
        }
    }
}

fn sampling(root: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    chat.max_output_tokens = root.whole("max_output_tokens")?;
    chat.sampling.temperature = root.number("temperature")?;
    chat.sampling.top_p = root.number("top_p")?;
    if chat.sampling.temperature.is_some() {
        chat.uses(Feature::Temperature, "temperature");
    }
    if chat.sampling.top_p.is_some() {
        chat.uses(Feature::TopP, "top_p");
    }
    Ok(())
}

/// <https://platform.openai.com/docs/guides/reasoning>: `generate_summary` is the old name of `summary`.
fn thinking(root: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let Some(mut reasoning) = root.object("reasoning")? else { return Ok(()) };
    if let Some(word) = reasoning.text("effort")? {
        let known = || "`none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`";
        let effort = Effort::by_name(&word).ok_or_else(|| reasoning.unknown_word("effort", &word, known()))?;
        chat.thinking.effort = Some(effort);
        chat.uses(Feature::ReasoningEffort, "reasoning.effort");
    }
    for name in ["summary", "generate_summary"] {
        let Some(word) = reasoning.text(name)? else { continue };
        if matches!(&*word, "auto" | "concise" | "detailed") {
            // Not a use: thoughts are shown if there are any. Codex asks for it of every model.
            chat.thinking.shown = Some(true);
        } else {
            chat.uses(Feature::Unknown, reasoning.at(name));
        }
    }
    reasoning.rest(chat);
    Ok(())
}

/// `text`: the shape of the answer, and how wordy it is. <https://platform.openai.com/docs/guides/structured-outputs>
fn format(root: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let Some(mut text) = root.object("text")? else { return Ok(()) };
    if let Some(word) = text.text("verbosity")? {
        chat.verbosity = Some(word.into_owned());
        chat.uses(Feature::Verbosity, "text.verbosity");
    }
    if let Some(mut format) = text.object("format")? {
        match &*format.needed("type")? {
            "text" => {}
            "json_object" => {
                chat.format = Format::Json;
                chat.uses(Feature::JsonObject, "text.format");
            }
            "json_schema" => {
                chat.format = schema(&mut format)?;
                chat.uses(Feature::JsonSchema, "text.format");
            }
            other => return Err(format.unknown_word("type", other, "`text`, `json_object`, `json_schema`")),
        }
        format.rest(chat);
    }
    text.rest(chat);
    Ok(())
}

fn schema(format: &mut Members<'_>) -> Result<Format, BadRequest> {
    let name = format.needed("name")?.into_owned();
    let description = format.text("description")?.map(Into::into);
    let strict = format.flag("strict")?;
    let schema = format.take("schema").ok_or_else(|| format.missing("schema", "a JSON Schema"))?;
    match raw(&schema) {
        Some(json) if matches!(schema, Node::Map(_)) => {
            Ok(Format::Schema { name, description, schema: json.into(), strict })
        }
        _ => Err(wrong(format.at("schema"), "an object", &schema)),
    }
}

/// `include` and `top_logprobs`. Thoughts come with their seal in any case.
fn logprobs(root: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    for (index, node) in root.list("include")?.unwrap_or_default().iter().enumerate() {
        let path = format!("include[{index}]");
        match node {
            Node::Text(word) if word == "reasoning.encrypted_content" => {}
            Node::Text(word) if word == "message.output_text.logprobs" => {
                chat.logprobs = Some(0);
                chat.uses(Feature::Logprobs, path);
            }
            // About the provider's own tools, which are noted where they stand.
            Node::Text(_) => chat.uses(Feature::Unknown, path),
            other => return Err(wrong(path, "a string", other)),
        }
    }
    if let Some(most) = root.whole("top_logprobs")?.filter(|most| *most > 0) {
        chat.logprobs = Some(u32::try_from(most).unwrap_or(u32::MAX));
        chat.uses(Feature::Logprobs, "top_logprobs");
    }
    Ok(())
}

/// Whose the request is and how it is marked.
fn labels(root: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    if let Some(metadata) = root.take("metadata") {
        let Node::Map(pairs) = metadata else { return Err(wrong("metadata".to_owned(), "an object", &metadata)) };
        for (key, value) in pairs.0 {
            let Node::Text(value) = value else {
                let message = format!("the values of `metadata` must be strings, not {}", value.kind());
                return Err(bad(message, "metadata".to_owned()));
            };
            chat.metadata.push((key.into_owned(), value.into_owned()));
        }
        if !chat.metadata.is_empty() {
            chat.uses(Feature::Metadata, "metadata");
        }
    }
    for name in ["safety_identifier", "user"] {
        if let Some(user) = root.text(name)?.filter(|user| !user.is_empty()) {
            chat.user.get_or_insert_with(|| user.into_owned());
            chat.uses(Feature::User, name);
        }
    }
    Ok(())
}

/// How the provider is to go about it.
fn handling(root: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    if root.flag("store")? == Some(true) {
        chat.uses(Feature::Store, "store");
    }
    if root.flag("background")? == Some(true) {
        chat.uses(Feature::Background, "background");
    }
    if let Some(tier) = root.text("service_tier")?.filter(|tier| tier != "auto") {
        chat.service_tier = Some(tier.into_owned());
        chat.uses(Feature::ServiceTier, "service_tier");
    }
    if let Some(key) = root.text("prompt_cache_key")? {
        chat.cache_key = Some(key.into_owned());
        chat.uses(Feature::CacheKey, "prompt_cache_key");
    }
    // The words for what happens anyway.
    for (name, default) in [("prompt_cache_retention", "in_memory"), ("truncation", "disabled")] {
        if root.text(name)?.is_some_and(|word| word != default) {
            chat.uses(Feature::Unknown, name);
        }
    }
    Ok(())
}
