//! A request as a conversation (<https://ai.google.dev/api/generate-content>).

use super::object::{Object, wrong};
use super::parts::Turns;
use super::{config, tools};
use crate::{
    dialect::{BadRequest, node::Node},
    model::{Ask, Chat, Feature},
};

/// Reads the whole of `ask`.
///
/// # Errors
///
/// When a member is not of its kind.
pub(in crate::dialect) fn decode(ask: &Ask) -> Result<Chat, BadRequest> {
    let body = ask.body.bytes();
    let root = Node::read(&body).map_err(|error| BadRequest { message: error.to_string(), param: None })?;
    let mut root = Object::of(root, "")?;
    let mut turns = Turns::new(&body);
    turns.chat.stream = ask.stream;
    if let Some(system) = root.take("systemInstruction") {
        turns.system(system)?;
    }
    let contents = root.list("contents")?;
    if contents.is_empty() {
        let message = "`contents` is missing: send at least one turn".to_owned();
        return Err(BadRequest { message, param: Some("contents".to_owned()) });
    }
    for (index, content) in contents.into_iter().enumerate() {
        turns.turn(content, format!("contents[{index}]"))?;
    }
    let mut chat = turns.end();
    tools::declared(root.list("tools")?, &mut chat)?;
    if let Some(chosen) = root.object("toolConfig")? {
        tools::chosen(chosen, &mut chat)?;
    }
    if let Some(settings) = root.object("generationConfig")? {
        config::read(settings, &mut chat)?;
    }
    aside(&mut root, &mut chat)?;
    root.take("model"); // stands in the path
    root.rest(Feature::Unknown, &mut chat);
    Ok(chat)
}

/// What stands beside the conversation.
fn aside(root: &mut Object<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    if !root.list("safetySettings")?.is_empty() {
        chat.uses(Feature::SafetySettings, "safetySettings");
    }
    if root.text("cachedContent")?.is_some_and(|name| !name.is_empty()) {
        chat.uses(Feature::CachedContent, "cachedContent");
    }
    if let Some(tier) = root.text("serviceTier")?
        && !tier.eq_ignore_ascii_case("unspecified")
    {
        chat.service_tier = Some(tier.to_ascii_lowercase());
        chat.uses(Feature::ServiceTier, "serviceTier");
    }
    if root.flag("store")? == Some(true) {
        chat.uses(Feature::Store, "store");
    }
    match root.take("labels") {
        Some(Node::Map(labels)) if !labels.0.is_empty() => {
            for (name, value) in labels.0 {
                match value {
                    Node::Text(value) => chat.metadata.push((name.into_owned(), value.into_owned())),
                    other => return Err(wrong(&format!("labels.{name}"), "a string", &other)),
                }
            }
            chat.uses(Feature::Metadata, "labels");
        }
        Some(Node::Map(_)) | None => {}
        Some(other) => return Err(wrong("labels", "an object", &other)),
    }
    Ok(())
}
