//! Tools, and JSON by a schema, which is one.

use super::{
    ANSWER,
    block::CachePoint,
    fields::{Forces, Model, thinks},
};
use crate::{
    model::{Chat, Content, Format, Json, Tool, ToolChoice},
    providers::codec::{Goal, is_forced},
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// `toolConfig`
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html>).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config<'a> {
    tools: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Entry<'a> {
    ToolSpec(Spec<'a>),
    CachePoint(CachePoint),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    input_schema: Schema<'a>,
}

#[derive(Serialize)]
struct Schema<'a> {
    json: Cow<'a, Json>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Choice<'a> {
    Auto {},
    Any {},
    Tool { name: &'a str },
}

impl<'a> Config<'a> {
    /// `None` where there is nothing to call. Bedrock wants tools wherever the history has calls or results: they are
    /// told though none may be called, and made up from the history where the client sends none.
    pub(super) fn of(chat: &'a Chat, to: &Goal<'a>) -> Option<Self> {
        let model = Model(to.model);
        let past = past(chat);
        let offered = chat.tool_choice != Some(ToolChoice::None) && !chat.tools.is_empty();
        let mut tools = Vec::new();
        if offered || !past.is_empty() {
            for tool in &chat.tools {
                tools.push(Entry::ToolSpec(spec(tool)));
                tools.extend(CachePoint::of(tool.cache, model).map(Entry::CachePoint));
            }
        }
        if tools.is_empty() {
            let of_name = |name| Spec { name, description: None, input_schema: anything() };
            tools.extend(past.into_iter().map(of_name).map(Entry::ToolSpec));
        }
        let answer = answer(&chat.format);
        let tool_choice = match &answer {
            Some(_) => Some(choice_of_answer(chat, to, offered)),
            None => choice(chat.tool_choice.as_ref().filter(|_| !(model.never_calls_by_force() && is_forced(chat)))),
        };
        tools.extend(answer.map(Entry::ToolSpec));
        (!tools.is_empty()).then_some(Self { tools, tool_choice })
    }
}

/// Names of the tools that were called before; of a result without a call, some name.
fn past(chat: &Chat) -> BTreeSet<&str> {
    let contents = chat.messages.iter().flat_map(|message| &message.parts).map(|part| &part.content);
    contents
        .filter_map(|content| match content {
            Content::ToolCall(call) => Some(call.name.as_str()),
            Content::ToolResult(result) => Some(result.name.as_deref().unwrap_or("tool")),
            _ => None,
        })
        .collect()
}

fn spec(tool: &Tool) -> Spec<'_> {
    let input_schema = match &tool.parameters {
        Some(json) => of_object(json),
        None => anything(),
    };
    let description = tool.description.as_deref().filter(|text| !text.is_empty()).map(Cow::Borrowed);
    Spec { name: &tool.name, description, input_schema }
}

/// A schema that does not say `type` is one of an object all the same; Bedrock wants to be told.
fn of_object(json: &Json) -> Schema<'_> {
    let said = |mut members: Map<String, Value>| {
        members.entry("type").or_insert_with(|| "object".into());
        Json::of(&members)
    };
    let bare = || serde_json::from_str::<Map<String, Value>>(json.text()).ok().and_then(said);
    let typed = serde_json::from_str::<Typed>(json.text()).is_ok();
    Schema { json: if typed { Cow::Borrowed(json) } else { bare().map_or(Cow::Borrowed(json), Cow::Owned) } }
}

/// What says `type`, whatever else it says.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    _type: IgnoredAny,
}

/// The schema of an object with any members, or none.
fn anything() -> Schema<'static> {
    let json = Json::new(r#"{"type":"object","properties":{}}"#).expect("it is JSON");
    Schema { json: Cow::Owned(json) }
}

/// The tool whose arguments are the answer.
fn answer(format: &Format) -> Option<Spec<'_>> {
    const HOW: &str = "Gives the answer to the user. Call it with the whole answer, and write no other text.";
    let (description, input_schema) = match format {
        Format::Text => return None,
        Format::Json => (Cow::Borrowed(HOW), anything()),
        Format::Schema { description, schema, .. } => {
            let description = description.as_ref().map_or(Cow::Borrowed(HOW), |it| format!("{HOW} {it}").into());
            (description, of_object(schema))
        }
    };
    Some(Spec { name: ANSWER, description: Some(description), input_schema })
}

/// With tools of the client's the model must call one of them or give the answer. Claude cannot be forced while it
/// thinks, so it is asked only.
fn choice_of_answer<'a>(chat: &'a Chat, to: &Goal<'_>, offered: bool) -> Choice<'a> {
    if let (Some(ToolChoice::Named(name)), true) =
        (&chat.tool_choice, offered && !Model(to.model).never_calls_by_force())
    {
        return Choice::Tool { name };
    }
    match Model(to.model).forces() {
        _ if thinks(chat, to) => Choice::Auto {},
        Forces::Nothing => Choice::Auto {},
        Forces::Tool if !offered => Choice::Tool { name: ANSWER },
        Forces::Tool | Forces::Any => Choice::Any {},
    }
}

/// `none` cannot be said: it is auto, where tools are told for the history's sake.
fn choice(choice: Option<&ToolChoice>) -> Option<Choice<'_>> {
    match choice? {
        ToolChoice::None => None,
        ToolChoice::Auto => Some(Choice::Auto {}),
        ToolChoice::Required => Some(Choice::Any {}),
        ToolChoice::Named(name) => Some(Choice::Tool { name }),
    }
}
