//! Tools and which of them must be called (<https://ai.google.dev/api/caching#Tool>).

use super::object::{Object, wrong};
use super::schema::json_schema;
use crate::{
    dialect::{
        BadRequest,
        node::{self, Node},
        path::echo,
    },
    model::{Chat, Feature, Json, Tool, ToolChoice},
};
use std::borrow::Cow;
use std::collections::HashSet;

/// Reads `tools`.
pub(super) fn declared(tools: Vec<Node<'_>>, chat: &mut Chat) -> Result<(), BadRequest> {
    for (index, tool) in tools.into_iter().enumerate() {
        let mut tool = Object::of(tool, format!("tools[{index}]"))?;
        let path = tool.path("functionDeclarations");
        for (index, function) in tool.list("functionDeclarations")?.into_iter().enumerate() {
            function_of(Object::of(function, format!("{path}[{index}]"))?, chat)?;
        }
        tool.rest(Feature::HostedTool, chat); // Google's own, whatever they are called
    }
    Ok(())
}

fn function_of(mut function: Object<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let name = function.must("name")?.into_owned();
    let description = function.text("description")?.map(Cow::into_owned);
    let path = function.path("parameters");
    let parameters = match (function.take("parametersJsonSchema"), function.take("parameters")) {
        (Some(schema), _) => Some(schema),
        (None, Some(schema @ Node::Map(_))) => Some(json_schema(schema)),
        (None, Some(other)) => return Err(wrong(&path, "an object", &other)),
        (None, None) => None,
    };
    function.rest(Feature::Unknown, chat);
    let parameters = parameters.as_ref().and_then(node::raw).map(Json::from);
    chat.tools.push(Tool { name, description, parameters, strict: None, cache: None });
    Ok(())
}

/// Reads `toolConfig`.
pub(super) fn chosen(mut config: Object<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let calling = config.object("functionCallingConfig")?;
    if config.take("retrievalConfig").is_some() {
        chat.uses(Feature::HostedTool, config.path("retrievalConfig"));
    }
    config.rest(Feature::Unknown, chat);
    let Some(mut calling) = calling else { return Ok(()) };
    let path = calling.path("mode");
    let mode = calling.text("mode")?.map(|mode| mode.to_ascii_uppercase());
    let allowed = names(&mut calling)?;
    if calling.flag("streamFunctionCallArguments")? == Some(true) {
        chat.uses(Feature::Unknown, calling.path("streamFunctionCallArguments"));
    }
    calling.rest(Feature::Unknown, chat);
    chat.tool_choice = match mode.as_deref() {
        None | Some("MODE_UNSPECIFIED") => return Ok(()),
        Some("AUTO") => Some(ToolChoice::Auto),
        Some("NONE") => Some(ToolChoice::None),
        Some("VALIDATED") => {
            // Other APIs are strict only with schemas that say so themselves.
            chat.uses(Feature::Unknown, path);
            narrow(&allowed, chat);
            Some(ToolChoice::Auto)
        }
        Some("ANY") => {
            chat.uses(Feature::ForcedTool, path);
            narrow(&allowed, chat);
            Some(match &*allowed {
                [only] => ToolChoice::Named(only.clone()),
                _ => ToolChoice::Required,
            })
        }
        Some(other) => {
            let message = format!("`{path}` must be `AUTO`, `ANY`, `NONE` or `VALIDATED`, not `{}`", echo(other));
            return Err(BadRequest { message, param: Some(path) });
        }
    };
    Ok(())
}

fn names(calling: &mut Object<'_>) -> Result<Vec<String>, BadRequest> {
    let path = calling.path("allowedFunctionNames");
    let name = |node: Node<'_>| match node {
        Node::Text(name) => Ok(name.into_owned()),
        other => Err(wrong(&path, "an array of strings", &other)),
    };
    calling.list("allowedFunctionNames")?.into_iter().map(name).collect()
}

/// Where only some functions may be called, the others are not offered: few APIs have a word for it, and it means the
/// same.
fn narrow(allowed: &[String], chat: &mut Chat) {
    if !allowed.is_empty() {
        let allowed: HashSet<_> = allowed.iter().collect();
        chat.tools.retain(|tool| allowed.contains(&&tool.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_thousand_tools_those_that_are_allowed_stay() {
        let tool =
            |n: usize| Tool { name: format!("f{n}"), description: None, parameters: None, strict: None, cache: None };
        let mut chat = Chat { tools: (0..100_000).map(tool).collect(), ..Chat::default() };
        let allowed: Vec<_> = (1..100_000).rev().map(|n| format!("f{n}")).collect();
        narrow(&allowed, &mut chat);
        assert_eq!(chat.tools.len(), 99_999);
        narrow(&[], &mut chat);
        assert_eq!(chat.tools.len(), 99_999, "no names allow all");
    }
}
