//! Tools, and the shape of the answer, which may be one.

use super::ANSWER;
use crate::{
    model::{Chat, Format, Json, Tool, ToolChoice},
    providers::openai::body::Body,
};
use std::borrow::Cow;

/// How the answer is brought into shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// It has none.
    Free,
    /// `response_format`, which excludes tools.
    Format,
    /// The arguments of the tool [`ANSWER`].
    Tool,
}

impl Shape {
    /// How `chat` asks for it. Where a tool must be called by its name, the answer has no shape.
    pub(super) fn of(chat: &Chat) -> Self {
        let offered = !chat.tools.is_empty() && chat.tool_choice != Some(ToolChoice::None);
        match chat.format {
            Format::Text => Self::Free,
            _ if !offered => Self::Format,
            _ if named(chat).is_some() => Self::Free,
            Format::Json | Format::Schema { .. } => Self::Tool,
        }
    }
}

/// The tool that must be called by its name, if there is one of that name.
pub(super) fn named(chat: &Chat) -> Option<&Tool> {
    match &chat.tool_choice {
        Some(ToolChoice::Named(name)) => chat.tools.iter().find(|tool| tool.name == *name),
        _ => None,
    }
}

/// The client's tools that go up.
fn told(chat: &Chat) -> &[Tool] {
    match named(chat) {
        Some(tool) => std::slice::from_ref(tool),
        None if Shape::of(chat) == Shape::Format => &[],
        None => &chat.tools,
    }
}

/// Whether all that may be called is to be called strictly.
pub(super) fn is_strict(chat: &Chat) -> bool {
    let tools = told(chat);
    let answer = Shape::of(chat) != Shape::Tool || matches!(&chat.format, Format::Schema { strict: Some(true), .. });
    !tools.is_empty() && answer && tools.iter().all(|tool| tool.strict == Some(true))
}

/// Writes `tools`, `tool_choice`, `strict_tools` and `response_format`.
pub(super) fn write(chat: &Chat, body: &mut Body) {
    let (tools, shape) = (told(chat), Shape::of(chat));
    if !tools.is_empty() {
        body.key("tools").array(|body| {
            for Tool { name, description, parameters, .. } in tools {
                tool(name, description.as_deref(), parameters.as_ref(), body);
            }
            if shape == Shape::Tool {
                answer(&chat.format, body);
            }
        });
        body.maybe("tool_choice", choice(chat, shape).as_ref());
        if is_strict(chat) {
            body.member("strict_tools", &true);
        }
    }
    if shape == Shape::Format {
        body.key("response_format").object(|body| {
            body.member("type", &"json_object");
            if let Format::Schema { schema, .. } = &chat.format {
                body.member("json_schema", schema);
            }
        });
    }
}

/// As it likes is what Cohere does when nothing is said.
fn choice(chat: &Chat, shape: Shape) -> Option<&'static str> {
    match &chat.tool_choice {
        _ if shape == Shape::Tool => Some("REQUIRED"),
        None | Some(ToolChoice::Auto) => None,
        Some(ToolChoice::None) => Some("NONE"),
        Some(ToolChoice::Required) => Some("REQUIRED"),
        Some(ToolChoice::Named(_)) => named(chat).map(|_| "REQUIRED"),
    }
}

/// A tool. Cohere wants a schema of every one.
fn tool(name: &str, description: Option<&str>, parameters: Option<&Json>, body: &mut Body) {
    body.object(|body| {
        body.member("type", &"function");
        body.key("function").object(|body| {
            body.member("name", &name);
            body.maybe("description", description.filter(|text| !text.is_empty()).as_ref());
            match parameters {
                Some(schema) => body.member("parameters", schema),
                None => body.key("parameters").object(|body| {
                    body.member("type", &"object");
                    body.key("properties").object(|_| {});
                }),
            }
        });
    });
}

/// The tool whose arguments are the answer.
fn answer(format: &Format, body: &mut Body) {
    const HOW: &str = "Gives the answer to the user. Call it with the whole answer.";
    match format {
        Format::Text => {}
        Format::Json => tool(ANSWER, Some(HOW), None, body),
        Format::Schema { schema, description, .. } => {
            let how = description.as_ref().map_or(Cow::Borrowed(HOW), |it| format!("{HOW} {it}").into());
            tool(ANSWER, Some(&how), Some(schema), body);
        }
    }
}

/// What the model must be told in words beside `response_format`.
pub(super) fn instruction(chat: &Chat) -> Option<Cow<'_, str>> {
    const HOW: &str = "Answer with a JSON object and nothing else.";
    if Shape::of(chat) != Shape::Format {
        return None;
    }
    match &chat.format {
        Format::Schema { description: Some(it), .. } => Some(format!("{HOW} {it}").into()),
        Format::Text | Format::Json | Format::Schema { .. } => Some(HOW.into()),
    }
}
