//! Tools: what they are, which must be called, and calls of earlier turns.

use super::parts::cache_mark;
use crate::{
    dialect::{
        BadRequest, free_form, node,
        node::Node,
        object::{Object, Place},
    },
    model::{Chat, Feature, Json, Tool, ToolCall, ToolChoice},
};
use std::borrow::Cow;

/// A call of an earlier turn, with its id and name in the client's letters.
pub(super) fn call<'a>(
    node: Node<'a>,
    at: &Place<'_>,
    chat: &mut Chat,
) -> Result<(Cow<'a, str>, Cow<'a, str>, ToolCall), BadRequest> {
    let mut call = Object::of(node, at)?;
    let id = call.need("id", "send the id of the call")?;
    let kind = call.text("type")?.unwrap_or(Cow::Borrowed("function"));
    let (member, input) = match &*kind {
        "function" => ("function", "arguments"),
        "custom" => ("custom", "input"),
        _ => return Err(at.member("type").bad("must be `function` or `custom`")),
    };
    let free = member == "custom";
    if free {
        chat.uses(Feature::CustomTool, at.to_string());
    }
    call.take("index"); // of a stream's deltas; the order says it
    let inner_at = at.member(member);
    let inner = call.take(member).ok_or_else(|| inner_at.bad("is missing: send an object with a `name`"))?;
    let mut inner = Object::of(inner, &inner_at)?;
    let name = inner.need("name", "name the tool that was called")?;
    let arguments = inner.owned(input)?.unwrap_or_default();
    let arguments = if free { free_form::arguments(&arguments) } else { arguments };
    inner.leave(chat);
    call.leave(chat);
    let made = ToolCall { id: id.clone().into_owned(), name: name.clone().into_owned(), arguments };
    Ok((id, name, made))
}

/// The `function_call` of an earlier turn: the deprecated way to call one function.
pub(super) fn legacy_call(node: Node<'_>, at: &Place<'_>, id: String, chat: &mut Chat) -> Result<ToolCall, BadRequest> {
    let mut call = Object::of(node, at)?;
    let name = call.need("name", "name the function that was called")?.into_owned();
    let arguments = call.owned("arguments")?.unwrap_or_default();
    call.leave(chat);
    Ok(ToolCall { id, name, arguments })
}

/// An element of `tools`: <https://platform.openai.com/docs/guides/function-calling>.
pub(super) fn tool(node: Node<'_>, at: &Place<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let mut tool = Object::of(node, at)?;
    let kind = tool.need("type", "name the type of the tool, `function` for one")?;
    match &*kind {
        "function" => {}
        "custom" => return custom(tool, chat),
        _ => {
            chat.uses(Feature::HostedTool, at.to_string());
            return Ok(());
        }
    }
    let inner_at = at.member("function");
    let inner = tool.take("function").ok_or_else(|| inner_at.bad("is missing: send an object with a `name`"))?;
    let mut made = function(inner, &inner_at, chat)?;
    // Where the marker of a tool stands is told in two ways; both are read.
    made.cache = made.cache.or(cache_mark(&mut tool, chat)?);
    tool.leave(chat);
    chat.tools.push(made);
    Ok(())
}

/// A free-form tool: <https://platform.openai.com/docs/guides/function-calling#custom-tools>. Nobody else keeps a model to
/// a grammar: that it is only told is noted.
fn custom(mut tool: Object<'_, '_>, chat: &mut Chat) -> Result<(), BadRequest> {
    chat.uses(Feature::CustomTool, tool.at().to_string());
    let inner_at = tool.at().member("custom");
    let inner = tool.take("custom").ok_or_else(|| inner_at.bad("is missing: send an object with a `name`"))?;
    let mut inner = Object::of(inner, &inner_at)?;
    let name = inner.need("name", "name the tool")?.into_owned();
    let description = inner.owned("description")?;
    let at = inner_at.member("format");
    let mut grammar = None;
    if let Some(node) = inner.take("format") {
        let mut format = Object::of(node, &at)?;
        match &*format.need("type", "it must be `text` or `grammar`")? {
            "text" => {}
            "grammar" => {
                let rules_at = at.member("grammar");
                let rules = format.take("grammar").ok_or_else(|| rules_at.bad("is missing: send an object"))?;
                let mut rules = Object::of(rules, &rules_at)?;
                let syntax = rules.need("syntax", "it must be `lark` or `regex`")?;
                grammar = Some((syntax, rules.need("definition", "send the grammar")?));
                rules.leave(chat);
                chat.uses(Feature::Unknown, at.to_string());
            }
            _ => return Err(at.member("type").bad("must be `text` or `grammar`")),
        }
        format.leave(chat);
    }
    inner.leave(chat);
    tool.leave(chat);
    let grammar = grammar.as_ref().map(|(syntax, rules)| (&**syntax, &**rules));
    chat.tools.push(free_form::tool(name, description, grammar));
    Ok(())
}

/// A function: `{"name","description","parameters","strict"}`.
pub(super) fn function(node: Node<'_>, at: &Place<'_>, chat: &mut Chat) -> Result<Tool, BadRequest> {
    let mut function = Object::of(node, at)?;
    let name = function.need("name", "name the function")?.into_owned();
    let description = function.owned("description")?;
    let parameters = schema(&mut function, "parameters")?;
    let strict = function.flag("strict")?;
    if strict == Some(true) {
        chat.uses(Feature::StrictTool, at.member("strict").to_string());
    }
    let cache = cache_mark(&mut function, chat)?;
    function.leave(chat);
    Ok(Tool { name, description, parameters, strict, cache })
}

/// A JSON Schema.
pub(super) fn schema(of: &mut Object<'_, '_>, name: &str) -> Result<Option<Json>, BadRequest> {
    match of.take(name) {
        None => Ok(None),
        Some(schema @ Node::Map(_)) => Ok(node::raw(&schema).map(Json::from)),
        Some(other) => Err(of.at().member(name).wrong("an object, a JSON Schema", &other)),
    }
}

/// `tool_choice`.
pub(super) fn choice(node: Node<'_>, at: &Place<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let choice = match node {
        Node::Text(word) => word_choice(&word, at)?,
        node => {
            let mut choice = Object::of(node, at)?;
            let kind = choice.need("type", "name the type of the choice, `function` for one")?;
            match &*kind {
                "function" | "custom" => {
                    if kind == "custom" {
                        chat.uses(Feature::CustomTool, at.to_string());
                    }
                    let inner_at = at.member(&kind);
                    let inner =
                        choice.take(&kind).ok_or_else(|| inner_at.bad("is missing: send an object with a `name`"))?;
                    let named = named(inner, &inner_at, chat)?;
                    choice.leave(chat);
                    named
                }
                "allowed_tools" => allowed(choice, chat)?,
                _ => {
                    chat.uses(Feature::HostedTool, at.to_string());
                    return Ok(());
                }
            }
        }
    };
    set(choice, at, chat);
    Ok(())
}

/// `function_call`, the deprecated way to say it.
pub(super) fn legacy_choice(node: Node<'_>, at: &Place<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let choice = match node {
        Node::Text(word) => word_choice(&word, at)?,
        node => named(node, at, chat)?,
    };
    set(choice, at, chat);
    Ok(())
}

fn word_choice(word: &str, at: &Place<'_>) -> Result<ToolChoice, BadRequest> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        _ => Err(at.bad("must be `auto`, `none`, `required` or an object that names a tool")),
    }
}

fn named(node: Node<'_>, at: &Place<'_>, chat: &mut Chat) -> Result<ToolChoice, BadRequest> {
    let mut inner = Object::of(node, at)?;
    let name = inner.need("name", "name the tool to call")?.into_owned();
    inner.leave(chat);
    Ok(ToolChoice::Named(name))
}

/// `{"type":"allowed_tools","allowed_tools":{"mode","tools"}}`: that some of the tools only may be called is told as
/// not carried; whether one must be called is carried.
fn allowed(mut choice: Object<'_, '_>, chat: &mut Chat) -> Result<ToolChoice, BadRequest> {
    let at = choice.at().member("allowed_tools");
    let node = choice.take("allowed_tools").ok_or_else(|| at.bad("is missing: send an object with `mode`"))?;
    let mut allowed = Object::of(node, &at)?;
    let mode = allowed.text("mode")?.unwrap_or(Cow::Borrowed("auto"));
    let made = match &*mode {
        "auto" => ToolChoice::Auto,
        "required" => ToolChoice::Required,
        _ => return Err(at.member("mode").bad("must be `auto` or `required`")),
    };
    chat.uses(Feature::Unknown, at.to_string());
    choice.leave(chat);
    Ok(made)
}

fn set(choice: ToolChoice, at: &Place<'_>, chat: &mut Chat) {
    if matches!(choice, ToolChoice::Required | ToolChoice::Named(_)) {
        chat.uses(Feature::ForcedTool, at.to_string());
    }
    chat.tool_choice = Some(choice);
}
