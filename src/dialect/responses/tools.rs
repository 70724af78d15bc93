//! Tools of a request, and which of them must be called.

use super::{
    members::{Members, wrong},
    names::told,
};
use crate::{
    dialect::{
        BadRequest, free_form,
        node::{Node, raw},
    },
    model::{Chat, Feature, Tool, ToolChoice},
};
use std::{borrow::Cow, collections::HashSet};

/// Reads `tools`, `tool_choice` and `parallel_tool_calls`. <https://platform.openai.com/docs/guides/function-calling>
pub(super) fn read(root: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    list(root, chat)?;
    choice(root, chat)?;
    chat.parallel_tool_calls = root.flag("parallel_tool_calls")?;
    if chat.parallel_tool_calls == Some(false) {
        chat.uses(Feature::ParallelToolControl, "parallel_tool_calls");
    }
    Ok(())
}

/// Takes the `tools` of `from`, which is the body or an item that brings more of them.
pub(super) fn list(from: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    each(from, None, chat)
}

fn each(from: &mut Members<'_>, space: Option<&Space<'_>>, chat: &mut Chat) -> Result<(), BadRequest> {
    let path = from.at("tools");
    for (index, node) in from.list("tools")?.unwrap_or_default().into_iter().enumerate() {
        tool(Members::of(node, format!("{path}[{index}]"))?, space, chat)?;
    }
    Ok(())
}

/// What several tools belong to: <https://platform.openai.com/docs/guides/function-calling>.
struct Space<'a> {
    name: Cow<'a, str>,
    description: Option<Cow<'a, str>>,
}

impl Space<'_> {
    /// What a tool of it is for: what all of them are for stands before.
    fn describe(space: Option<&Self>, own: Option<Cow<'_, str>>) -> Option<String> {
        match (space.and_then(|space| space.description.as_deref()), own) {
            (Some(all), Some(own)) => Some(format!("{all}\n\n{own}")),
            (Some(all), None) => Some(all.to_owned()),
            (None, own) => own.map(Cow::into_owned),
        }
    }
}

fn tool(mut from: Members<'_>, space: Option<&Space<'_>>, chat: &mut Chat) -> Result<(), BadRequest> {
    match (&*from.needed("type")?, space) {
        ("function", _) => {}
        ("custom", _) => return custom(from, space, chat),
        ("namespace", None) => {
            let space = Space { name: from.needed("name")?, description: from.text("description")? };
            each(&mut from, Some(&space), chat)?;
            from.rest(chat);
            return Ok(());
        }
        _ => {
            chat.uses(Feature::HostedTool, from.path());
            return Ok(());
        }
    }
    let name = told(space.map(|space| &*space.name), &from.needed("name")?);
    let description = Space::describe(space, from.text("description")?);
    let parameters = match from.take("parameters") {
        None => None,
        Some(schema @ Node::Map(_)) => raw(&schema).map(Into::into),
        Some(other) => return Err(wrong(from.at("parameters"), "a JSON Schema object", &other)),
    };
    let strict = from.flag("strict")?;
    if strict == Some(true) {
        chat.uses(Feature::StrictTool, from.at("strict"));
    }
    from.rest(chat);
    chat.tools.push(Tool { name, description, parameters, strict, cache: None });
    Ok(())
}

/// A free-form tool: <https://platform.openai.com/docs/guides/function-calling#custom-tools>. Nobody else keeps a model to
/// a grammar: that it is only told is noted.
fn custom(mut from: Members<'_>, space: Option<&Space<'_>>, chat: &mut Chat) -> Result<(), BadRequest> {
    chat.uses(Feature::CustomTool, from.path());
    let name = told(space.map(|space| &*space.name), &from.needed("name")?);
    let description = Space::describe(space, from.text("description")?);
    let mut grammar = None;
    if let Some(mut format) = from.object("format")? {
        match &*format.needed("type")? {
            "text" => {}
            "grammar" => {
                grammar = Some((format.needed("syntax")?, format.needed("definition")?));
                chat.uses(Feature::Unknown, format.path());
            }
            other => return Err(format.unknown_word("type", other, "`text`, `grammar`")),
        }
        format.rest(chat);
    }
    from.rest(chat);
    let grammar = grammar.as_ref().map(|(syntax, rules)| (&**syntax, &**rules));
    chat.tools.push(free_form::tool(name, description, grammar));
    Ok(())
}

const CHOICES: &str = "`auto`, `none`, `required`";

fn choice(root: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let object = match root.take("tool_choice") {
        None => return Ok(()),
        Some(Node::Text(word)) => {
            chat.tool_choice = Some(by_word(&word).ok_or_else(|| root.unknown_word("tool_choice", &word, CHOICES))?);
            if chat.tool_choice == Some(ToolChoice::Required) {
                chat.uses(Feature::ForcedTool, "tool_choice");
            }
            return Ok(());
        }
        Some(object @ Node::Map(_)) => object,
        Some(other) => return Err(wrong("tool_choice".to_owned(), "a string or an object", &other)),
    };
    let mut object = Members::of(object, "tool_choice".to_owned())?;
    match &*object.needed("type")? {
        kind @ ("function" | "custom") => {
            if kind == "custom" {
                chat.uses(Feature::CustomTool, "tool_choice");
            }
            chat.tool_choice = Some(ToolChoice::Named(named(&mut object)?));
            chat.uses(Feature::ForcedTool, "tool_choice");
            object.rest(chat);
        }
        "allowed_tools" => allowed(object, chat)?,
        _ => chat.uses(Feature::HostedTool, "tool_choice"),
    }
    Ok(())
}

/// The tool that `object` names, as the model is told of it.
fn named(object: &mut Members<'_>) -> Result<String, BadRequest> {
    let namespace = object.text("namespace")?;
    Ok(told(namespace.as_deref(), &object.needed("name")?))
}

fn by_word(word: &str) -> Option<ToolChoice> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" => Some(ToolChoice::Required),
        _ => None,
    }
}

/// Only some of the tools may be called: the others are as good as not there.
fn allowed(mut object: Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let mode = object.needed("mode")?;
    let choice = by_word(&mode).filter(|choice| *choice != ToolChoice::None);
    let choice = choice.ok_or_else(|| object.unknown_word("mode", &mode, "`auto`, `required`"))?;
    if choice == ToolChoice::Required {
        chat.uses(Feature::ForcedTool, "tool_choice");
    }
    let mut names = HashSet::new();
    for (index, node) in object.list("tools")?.unwrap_or_default().into_iter().enumerate() {
        let mut tool = Members::of(node, format!("tool_choice.tools[{index}]"))?;
        // Of the other types, that they are declared is noted.
        if matches!(&*tool.needed("type")?, "function" | "custom") {
            names.insert(named(&mut tool)?);
        }
    }
    object.rest(chat);
    chat.tools.retain(|tool| names.contains(&tool.name));
    chat.tool_choice = Some(choice);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_thousand_tools_those_that_are_allowed_stay() {
        let named = |n: usize| format!(r#"{{"type":"function","name":"f{n}"}}"#);
        let tools: Vec<_> = (0..100_000).map(named).collect();
        let allowed: Vec<_> = (1..100_000).rev().map(named).collect();
        let (tools, allowed) = (tools.join(","), allowed.join(","));
        let text = format!(
            r#"{{"tools":[{tools}],"tool_choice":{{"type":"allowed_tools","mode":"auto","tools":[{allowed}]}}}}"#
        );
        let root = Node::read(text.as_bytes()).expect("JSON");
        let mut chat = Chat::default();
        let mut root = Members::of(root, String::new()).expect("an object");
        read(&mut root, &mut chat).expect("tools");
        assert_eq!(chat.tools.len(), 99_999);
        assert_eq!(chat.tools.first().map(|tool| &*tool.name), Some("f1"));
    }
}
