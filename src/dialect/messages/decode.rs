//! From a request to the conversation that it is.
//!
//! The members are those of Anthropic's reference, <https://platform.claude.com/docs/en/api/messages/create>, and of
//! its beta, <https://platform.claude.com/docs/en/api/beta/messages/create>.

use super::known::{self, Known};
use crate::{
    dialect::{
        BadRequest,
        node::{Node, raw},
        object::{Object, Place},
    },
    model::{Ask, CacheMark, Chat, Effort, Feature, Format, Json, Tool, ToolChoice},
};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// A conversation in the making.
pub(super) struct Decoder<'b> {
    /// The client's body.
    pub(super) body: &'b Bytes,
    pub(super) chat: Chat,
    /// Names of the tools that were called, by the call's id.
    pub(super) calls: HashMap<Cow<'b, str>, Cow<'b, str>>,
}

/// The conversation that `ask` is.
///
/// # Errors
///
/// When a member that is translated is not of its kind; its path is in the message.
pub(in crate::dialect) fn decode(ask: &Ask) -> Result<Chat, BadRequest> {
    let body = ask.body.bytes();
    let node = Node::read(&body)
        .map_err(|_| BadRequest { message: "the body must be a JSON object".to_owned(), param: None })?;
    let chat = Chat { stream: ask.stream, ..Chat::default() };
    let mut decoder = Decoder { body: &body, chat, calls: HashMap::new() };
    decoder.request(Object::of(node, &Place::Body)?)?;
    Ok(decoder.chat)
}

impl<'b> Decoder<'b> {
    fn request(&mut self, mut body: Object<'b, '_>) -> Result<(), BadRequest> {
        // The parse before this one acted on them.
        body.take("model");
        body.take("stream");
        self.chat.max_output_tokens = body.whole("max_tokens")?;
        self.system(&mut body)?;
        self.messages(&mut body)?;
        for (index, tool) in body.list("tools")?.into_iter().enumerate() {
            self.tool(tool, &Place::Body.member("tools").element(index))?;
        }
        self.tool_choice(&mut body)?;
        self.sampling(&mut body)?;
        self.thinking(&mut body)?;
        self.output(&mut body)?;
        self.labels(&mut body)?;
        self.kept(&mut body)?;
        body.done(&mut self.chat);
        Ok(())
    }

    /// One tool. Those that have a type and no schema are Anthropic's own: a client runs some of them, Anthropic the others:
    /// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-reference>.
    fn tool(&mut self, node: Node<'b>, at: &Place<'_>) -> Result<(), BadRequest> {
        let mut tool = Object::of(node, at)?;
        if let Some(kind) = tool.text("type")?.filter(|kind| kind != "custom") {
            match known::find(&kind) {
                Some(known) => self.known(known, tool)?,
                None => self.chat.uses(Feature::HostedTool, at.to_string()),
            }
            return Ok(());
        }
        let name = tool.needed_text("name")?.into_owned();
        let description = tool.text("description")?.map(Cow::into_owned);
        let schema_at = at.member("input_schema");
        let parameters = match tool.take("input_schema") {
            Some(schema @ Node::Map(_)) => json(&schema),
            Some(other) => return Err(schema_at.wrong("an object", &other)),
            None => return Err(schema_at.missing("the JSON Schema of the tool's arguments")),
        };
        let strict = tool.flag("strict")?;
        if strict == Some(true) {
            tool.uses("strict", Feature::StrictTool, &mut self.chat);
        }
        let cache = self.cache(&mut tool)?;
        // It asks for arguments to be streamed as they are made, which is how they come from anybody else.
        tool.flag("eager_input_streaming")?;
        if tool.flag("defer_loading")? == Some(true) {
            tool.uses("defer_loading", Feature::Unknown, &mut self.chat);
        }
        let callers = tool.list("allowed_callers")?;
        if callers.iter().any(|caller| *caller != Node::Text(Cow::Borrowed("direct"))) {
            tool.uses("allowed_callers", Feature::Unknown, &mut self.chat);
        }
        if !tool.list("input_examples")?.is_empty() {
            tool.uses("input_examples", Feature::Unknown, &mut self.chat);
        }
        tool.done(&mut self.chat);
        self.chat.tools.push(Tool { name, description, parameters, strict, cache });
        Ok(())
    }

    /// A tool of Anthropic's that the client runs: others are told what its models know by themselves.
    fn known(&mut self, known: &Known, mut tool: Object<'b, '_>) -> Result<(), BadRequest> {
        let name = tool.text("name")?.map_or_else(|| known.name.to_owned(), Cow::into_owned);
        let mut description = known.description.to_owned();
        for (member, words) in known.settings {
            match tool.take(member) {
                Some(Node::Whole(value)) => description.push_str(&format!(" {words}: {value}.")),
                Some(other) => return Err(tool.at().member(member).wrong("a whole number", &other)),
                None => {}
            }
        }
        let cache = self.cache(&mut tool)?;
        tool.done(&mut self.chat);
        let parameters = Json::new(known.schema);
        self.chat.tools.push(Tool { name, description: Some(description), parameters, strict: None, cache });
        Ok(())
    }

    fn tool_choice(&mut self, body: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        let at = Place::Body.member("tool_choice");
        let Some(node) = body.take("tool_choice") else { return Ok(()) };
        let mut choice = Object::of(node, &at)?;
        let kind = choice.needed_text("type")?;
        self.chat.tool_choice = Some(match &*kind {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "any" => ToolChoice::Required,
            "tool" => ToolChoice::Named(choice.needed_text("name")?.into_owned()),
            _ => return Err(at.member("type").bad("must be `auto`, `any`, `tool` or `none`")),
        });
        if matches!(&*kind, "any" | "tool") {
            self.chat.uses(Feature::ForcedTool, at.to_string());
        }
        if choice.flag("disable_parallel_tool_use")? == Some(true) {
            self.chat.parallel_tool_calls = Some(false);
            choice.uses("disable_parallel_tool_use", Feature::ParallelToolControl, &mut self.chat);
        }
        choice.done(&mut self.chat);
        Ok(())
    }

    /// Temperature and the like. 1 is the API's own default of `temperature` and `top_p`, which some clients always
    /// send: it goes on to whom it can be said, and is missed nowhere else.
    fn sampling(&mut self, body: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        let is_default = |value: Option<f64>| value.is_none_or(|value| value.total_cmp(&1.0).is_eq());
        self.chat.sampling.temperature = body.number("temperature")?;
        if !is_default(self.chat.sampling.temperature) {
            body.uses("temperature", Feature::Temperature, &mut self.chat);
        }
        self.chat.sampling.top_p = body.number("top_p")?;
        if !is_default(self.chat.sampling.top_p) {
            body.uses("top_p", Feature::TopP, &mut self.chat);
        }
        self.chat.sampling.top_k = body.whole("top_k")?;
        if self.chat.sampling.top_k.is_some() {
            body.uses("top_k", Feature::TopK, &mut self.chat);
        }
        let at = Place::Body.member("stop_sequences");
        for (index, stop) in body.list("stop_sequences")?.into_iter().enumerate() {
            match stop {
                Node::Text(stop) => self.chat.stop.push(stop.into_owned()),
                other => return Err(at.element(index).wrong("a string", &other)),
            }
        }
        if !self.chat.stop.is_empty() {
            self.chat.uses(Feature::StopSequences, at.to_string());
        }
        Ok(())
    }

    /// `disabled` needs no note: where thinking cannot be spoken of, none is asked for.
    /// <https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking>
    fn thinking(&mut self, body: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        let at = Place::Body.member("thinking");
        let Some(node) = body.take("thinking") else { return Ok(()) };
        let mut thinking = Object::of(node, &at)?;
        let kind = thinking.needed_text("type")?;
        let said = &mut self.chat.thinking;
        match &*kind {
            "enabled" => {
                let tokens = thinking.whole("budget_tokens")?;
                said.budget_tokens =
                    Some(tokens.ok_or_else(|| at.member("budget_tokens").missing("a number of tokens"))?);
            }
            "adaptive" => said.adaptive = true,
            "disabled" => said.off = true,
            // Yet to come, or of one model only (`between_tools`).
            _ => thinking.uses("type", Feature::Unknown, &mut self.chat),
        }
        let said = &mut self.chat.thinking;
        match thinking.text("display")?.as_deref() {
            None => {}
            Some("omitted") => said.shown = Some(false),
            Some(_) => said.shown = Some(true),
        }
        if said.is_on() {
            self.chat.uses(Feature::ReasoningEffort, at.to_string());
        }
        thinking.done(&mut self.chat);
        Ok(())
    }

    /// Effort and the shape of the answer; `output_format` is where the shape stood in the beta.
    /// <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>,
    /// <https://platform.claude.com/docs/en/build-with-claude/effort>
    fn output(&mut self, body: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        if let Some(format) = body.take("output_format") {
            self.format(format, &Place::Body.member("output_format"))?;
        }
        let at = Place::Body.member("output_config");
        let Some(node) = body.take("output_config") else { return Ok(()) };
        let mut config = Object::of(node, &at)?;
        if let Some(word) = config.text("effort")? {
            let effort = Effort::by_name(&word).filter(|effort| *effort != Effort::None);
            let effort =
                effort.ok_or_else(|| at.member("effort").bad("must be `low`, `medium`, `high`, `xhigh` or `max`"))?;
            self.chat.thinking.effort = Some(effort);
            config.uses("effort", Feature::ReasoningEffort, &mut self.chat);
        }
        if let Some(format) = config.take("format") {
            self.format(format, &at.member("format"))?;
        }
        config.done(&mut self.chat);
        Ok(())
    }

    fn format(&mut self, node: Node<'b>, at: &Place<'_>) -> Result<(), BadRequest> {
        let mut format = Object::of(node, at)?;
        if format.needed_text("type")? != "json_schema" {
            return Err(at.member("type").bad("must be `json_schema`"));
        }
        let schema_at = at.member("schema");
        let schema = format.take("schema").ok_or_else(|| schema_at.missing("a JSON Schema"))?;
        // An API that knows both keeps exactly only to a schema that leaves nothing open, and refuses others.
        let strict = is_closed(&schema).then_some(true);
        let schema = json(&schema).ok_or_else(|| schema_at.bad("must be a JSON Schema"))?;
        self.chat.format = Format::Schema { name: SCHEMA.to_owned(), description: None, schema, strict };
        self.chat.uses(Feature::JsonSchema, at.to_string());
        format.done(&mut self.chat);
        Ok(())
    }

    fn labels(&mut self, body: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        let at = Place::Body.member("metadata");
        if let Some(node) = body.take("metadata") {
            let mut metadata = Object::of(node, &at)?;
            if let Some(user) = metadata.text("user_id")?.filter(|user| !user.is_empty()) {
                self.chat.user = Some(user.into_owned());
                metadata.uses("user_id", Feature::User, &mut self.chat);
            }
            metadata.done(&mut self.chat);
        }
        if let Some(tier) = body.text("service_tier")?.filter(|tier| tier != "auto") {
            self.chat.service_tier = Some(tier.into_owned());
            body.uses("service_tier", Feature::ServiceTier, &mut self.chat);
        }
        if body.text("speed")?.is_some_and(|speed| speed != "standard") {
            body.uses("speed", Feature::Unknown, &mut self.chat);
        }
        Ok(())
    }

    /// What stands for things that are not in the body, and the marker that stands for the whole of it.
    fn kept(&mut self, body: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        for name in ["container", "thread"] {
            if body.take(name).is_some() {
                body.uses(name, Feature::ServerState, &mut self.chat);
            }
        }
        if !body.list("mcp_servers")?.is_empty() {
            body.uses("mcp_servers", Feature::HostedTool, &mut self.chat);
        }
        // It marks the last block that can be cached:
        // <https://platform.claude.com/docs/en/build-with-claude/prompt-caching>.
        if let Some(mark) = self.cache(body)?
            && let Some(last) = self.chat.messages.last_mut().and_then(|message| message.parts.last_mut())
        {
            last.cache.get_or_insert(mark);
        }
        Ok(())
    }

    /// The `cache_control` of `fields`.
    pub(super) fn cache(&mut self, fields: &mut Object<'b, '_>) -> Result<Option<CacheMark>, BadRequest> {
        let at = fields.at().member("cache_control");
        let Some(node) = fields.take("cache_control") else { return Ok(None) };
        let mut control = Object::of(node, &at)?;
        control.text("type")?;
        let hour = control.text("ttl")?.is_some_and(|ttl| ttl == "1h");
        self.chat.uses(Feature::CacheMarkers, at.to_string());
        control.done(&mut self.chat);
        Ok(Some(CacheMark { hour }))
    }
}

/// The name of the answer's schema, which has none here and must have one elsewhere.
const SCHEMA: &str = "answer";

/// `node` as JSON text.
pub(super) fn json(node: &Node<'_>) -> Option<Json> {
    raw(node).map(Json::from)
}

/// Whether each object in `schema` names all its members as required and allows no others.
fn is_closed(schema: &Node<'_>) -> bool {
    let map = match schema {
        Node::List(list) => return list.iter().all(is_closed),
        Node::Map(map) => map,
        _ => return true,
    };
    let member = |name: &str| map.0.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let closed = match member("properties") {
        Some(Node::Map(properties)) => {
            let required = match member("required") {
                Some(Node::List(required)) => required.as_slice(),
                _ => &[],
            };
            let names = required.iter().filter_map(|node| match node {
                Node::Text(name) => Some(&**name),
                _ => None,
            });
            let required: HashSet<&str> = names.collect();
            properties.0.iter().all(|(name, schema)| required.contains(&**name) && is_closed(schema))
                && member("additionalProperties") == Some(&Node::Bool(false))
        }
        _ => member("type") != Some(&Node::Text(Cow::Borrowed("object"))),
    };
    closed && map.0.iter().filter(|(key, _)| key != "properties").all(|(_, value)| is_closed(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_of_a_hundred_thousand_members_is_closed_if_all_are_required() {
        let schema = |all: usize| {
            let properties: Vec<_> = (0..100_000).map(|n| format!(r#""m{n}":{{"type":"string"}}"#)).collect();
            let required: Vec<_> = (0..all).rev().map(|n| format!(r#""m{n}""#)).collect();
            let (properties, required) = (properties.join(","), required.join(","));
            format!(
                r#"{{"type":"object","properties":{{{properties}}},"required":[{required}],"additionalProperties":false}}"#
            )
        };
        for (all, closed) in [(100_000, true), (99_999, false)] {
            let text = schema(all);
            assert_eq!(is_closed(&Node::read(text.as_bytes()).expect("JSON")), closed, "{all}");
        }
    }
}
