//! How the answer is to be made: everything beside messages and tools.

use super::tools::schema;
use crate::{
    dialect::{
        BadRequest, node,
        node::Node,
        object::{Object, Place},
    },
    model::{Chat, Effort, Feature, Format, Json},
};

/// How the next token is chosen.
pub(super) fn sampling(root: &mut Object<'_, '_>, chat: &mut Chat) -> Result<(), BadRequest> {
    chat.sampling.temperature = root.number("temperature")?;
    if chat.sampling.temperature.is_some() {
        chat.uses(Feature::Temperature, "temperature");
    }
    // Values that change nothing ask for nothing.
    chat.sampling.top_p = root.number("top_p")?.filter(|top_p| *top_p < 1.0);
    if chat.sampling.top_p.is_some() {
        chat.uses(Feature::TopP, "top_p");
    }
    // vLLM: 0 and -1 are all tokens.
    let top_k = root.integer("top_k")?.and_then(|top_k| u64::try_from(top_k).ok());
    chat.sampling.top_k = top_k.filter(|top_k| *top_k > 0);
    if chat.sampling.top_k.is_some() {
        chat.uses(Feature::TopK, "top_k");
    }
    for (name, frequency) in [("frequency_penalty", true), ("presence_penalty", false)] {
        let Some(penalty) = root.number(name)?.filter(|penalty| *penalty != 0.0) else { continue };
        let sampling = &mut chat.sampling;
        let place = if frequency { &mut sampling.frequency_penalty } else { &mut sampling.presence_penalty };
        *place = Some(penalty);
        chat.uses(Feature::Penalties, name);
    }
    chat.sampling.seed = root.integer("seed")?;
    if chat.sampling.seed.is_some() {
        chat.uses(Feature::Seed, "seed");
    }
    match root.take("logit_bias") {
        None => {}
        Some(Node::Map(bias)) if bias.0.is_empty() => {}
        Some(bias @ Node::Map(_)) => {
            chat.sampling.logit_bias = node::raw(&bias).map(Json::from);
            chat.uses(Feature::LogitBias, "logit_bias");
        }
        Some(other) => return Err(root.at().member("logit_bias").wrong("an object", &other)),
    }
    Ok(())
}

/// What the answer is to be like.
pub(super) fn answer(root: &mut Object<'_, '_>, chat: &mut Chat) -> Result<(), BadRequest> {
    if let Some(format) = root.take("response_format") {
        response_format(format, &root.at().member("response_format"), chat)?;
    }
    stop(root, chat)?;
    root.take("n"); // counted by the parse
    if chat.choices > 1 {
        chat.uses(Feature::Choices, "n");
    }
    let asked = root.flag("logprobs")? == Some(true);
    let top = root.integer("top_logprobs")?;
    let at = root.at().member("top_logprobs");
    let top_count = top.map_or(Ok(0), u32::try_from).map_err(|_| at.bad("must be between 0 and 20"))?;
    if asked {
        chat.logprobs = Some(top_count);
        chat.uses(Feature::Logprobs, "logprobs");
    } else if top_count > 0 {
        return Err(at.bad("needs `logprobs` to be true"));
    }
    if let Some(verbosity) = root.owned("verbosity")? {
        if !matches!(&*verbosity, "low" | "medium" | "high") {
            return Err(root.at().member("verbosity").bad("must be `low`, `medium` or `high`"));
        }
        chat.verbosity = Some(verbosity);
        chat.uses(Feature::Verbosity, "verbosity");
    }
    if let Some(options) = root.take("stream_options") {
        let at = root.at().member("stream_options");
        let mut options = Object::of(options, &at)?;
        options.take("include_usage"); // answered by the encoder
        options.take("include_obfuscation"); // padding against eavesdroppers; only OpenAI's own servers have it
        options.leave(chat);
    }
    Ok(())
}

/// <https://platform.openai.com/docs/guides/structured-outputs>.
fn response_format(node: Node<'_>, at: &Place<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let mut format = Object::of(node, at)?;
    let kind = format.need("type", "name the format, `json_schema` for one")?;
    match &*kind {
        "text" => {}
        "json_object" => {
            chat.format = Format::Json;
            chat.uses(Feature::JsonObject, at.to_string());
        }
        "json_schema" => {
            let inner_at = at.member("json_schema");
            let inner = format.take("json_schema");
            let inner = inner.ok_or_else(|| inner_at.bad("is missing: send an object with `name` and `schema`"))?;
            let mut inner = Object::of(inner, &inner_at)?;
            chat.format = Format::Schema {
                name: inner.need("name", "name the schema")?.into_owned(),
                description: inner.owned("description")?,
                schema: schema(&mut inner, "schema")?
                    .ok_or_else(|| inner_at.member("schema").bad("is missing: send a JSON Schema"))?,
                strict: inner.flag("strict")?,
            };
            inner.leave(chat);
            chat.uses(Feature::JsonSchema, at.to_string());
        }
        _ => return Err(at.member("type").bad("must be `text`, `json_object` or `json_schema`")),
    }
    format.leave(chat);
    Ok(())
}

fn stop(root: &mut Object<'_, '_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let at = root.at().member("stop");
    chat.stop = match root.take("stop") {
        None => return Ok(()),
        Some(Node::Text(stop)) => vec![stop.into_owned()],
        Some(Node::List(list)) => {
            let text = |(index, node)| match node {
                Node::Text(text) => Ok(text.into_owned()),
                other => Err(at.element(index).wrong("a string", &other)),
            };
            list.into_iter().enumerate().map(text).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(at.wrong("a string or an array of strings", &other)),
    };
    if !chat.stop.is_empty() {
        chat.uses(Feature::StopSequences, "stop");
    }
    Ok(())
}

/// `reasoning_effort`, OpenRouter's `reasoning`, or Anthropic's and DeepSeek's `thinking`, which clients of gateways
/// send here, too (<https://platform.claude.com/docs/en/build-with-claude/extended-thinking>).
pub(super) fn thinking(root: &mut Object<'_, '_>, chat: &mut Chat) -> Result<(), BadRequest> {
    if let Some(effort) = effort(root, "reasoning_effort")? {
        chat.thinking.effort = Some(effort);
        chat.uses(Feature::ReasoningEffort, "reasoning_effort");
    }
    reasoning(root, chat)?;
    let at = root.at().member("thinking");
    let Some(node) = root.take("thinking") else { return Ok(()) };
    let mut thinking = Object::of(node, &at)?;
    let kind = thinking.need("type", "say `enabled` or `disabled`")?;
    let budget = tokens(&mut thinking, "budget_tokens")?;
    match &*kind {
        "disabled" => chat.thinking.off = true,
        "enabled" if budget.is_some() => chat.thinking.budget_tokens = budget,
        "enabled" | "adaptive" => chat.thinking.adaptive = true,
        _ => return Err(at.member("type").bad("must be `enabled`, `adaptive` or `disabled`")),
    }
    thinking.leave(chat);
    chat.uses(Feature::ReasoningEffort, at.to_string());
    Ok(())
}

fn reasoning(root: &mut Object<'_, '_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let at = root.at().member("reasoning");
    let Some(node) = root.take("reasoning") else { return Ok(()) };
    let mut reasoning = Object::of(node, &at)?;
    let thinking = &mut chat.thinking;
    thinking.effort = effort(&mut reasoning, "effort")?.or(thinking.effort);
    thinking.budget_tokens = tokens(&mut reasoning, "max_tokens")?;
    match reasoning.flag("enabled")? {
        Some(false) => thinking.off = true,
        Some(true) if thinking.effort.is_none() && thinking.budget_tokens.is_none() => {
            thinking.effort = Some(Effort::Medium); // as OpenRouter documents
        }
        Some(true) | None => {}
    }
    if let Some(excluded) = reasoning.flag("exclude")? {
        thinking.shown = Some(!excluded);
    }
    let said = thinking.is_said();
    reasoning.leave(chat);
    if said {
        chat.uses(Feature::ReasoningEffort, at.to_string());
    }
    Ok(())
}

/// A number of tokens; none at all is no number.
fn tokens(of: &mut Object<'_, '_>, name: &str) -> Result<Option<u64>, BadRequest> {
    Ok(of.integer(name)?.and_then(|tokens| u64::try_from(tokens).ok()).filter(|tokens| *tokens > 0))
}

fn effort(of: &mut Object<'_, '_>, name: &str) -> Result<Option<Effort>, BadRequest> {
    let Some(word) = of.text(name)? else { return Ok(None) };
    let known = Effort::by_name(&word);
    let wrong = || of.at().member(name).bad("must be `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`");
    known.map(Some).ok_or_else(wrong)
}

/// Who asks, how it is labelled, and how it is to be served.
pub(super) fn labels(root: &mut Object<'_, '_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let safety = root.owned("safety_identifier")?.filter(|name| !name.is_empty());
    let user = root.owned("user")?.filter(|name| !name.is_empty());
    if safety.is_some() {
        chat.uses(Feature::User, "safety_identifier");
    }
    if user.is_some() {
        // Of two names one is carried.
        chat.uses(if safety.is_some() { Feature::Unknown } else { Feature::User }, "user");
    }
    chat.user = safety.or(user);
    if let Some(metadata) = root.take("metadata") {
        let at = root.at().member("metadata");
        for (name, value) in Object::of(metadata, &at)?.rest() {
            match value {
                Node::Text(text) => chat.metadata.push((name.into_owned(), text.into_owned())),
                other => return Err(at.member(&name).wrong("a string", &other)),
            }
        }
        if !chat.metadata.is_empty() {
            chat.uses(Feature::Metadata, "metadata");
        }
    }
    if root.flag("store")? == Some(true) {
        chat.uses(Feature::Store, "store");
    }
    chat.service_tier = root.owned("service_tier")?.filter(|tier| tier != "auto");
    if chat.service_tier.is_some() {
        chat.uses(Feature::ServiceTier, "service_tier");
    }
    chat.cache_key = root.owned("prompt_cache_key")?;
    if chat.cache_key.is_some() {
        chat.uses(Feature::CacheKey, "prompt_cache_key");
    }
    Ok(())
}

/// Answers that are no text, and what else only OpenAI's own API knows: noted, for there are no words for it.
pub(super) fn beside_text(root: &mut Object<'_, '_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let at = root.at().member("modalities");
    for (index, modality) in root.list("modalities")?.into_iter().enumerate() {
        match &modality {
            Node::Text(word) if word == "text" => {}
            Node::Text(word) if word == "audio" => chat.uses(Feature::AudioOutput, at.to_string()),
            Node::Text(word) if word == "image" => chat.uses(Feature::ImageOutput, at.to_string()),
            Node::Text(_) => return Err(at.element(index).bad("must be `text`, `audio` or `image`")),
            other => return Err(at.element(index).wrong("a string", other)),
        }
    }
    for (name, feature) in [
        ("audio", Feature::AudioOutput),
        ("prediction", Feature::Prediction),
        ("web_search_options", Feature::HostedTool),
    ] {
        if root.take(name).is_some() {
            chat.uses(feature, name);
        }
    }
    Ok(())
}
