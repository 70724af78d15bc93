//! From the body of a chat completion to a conversation.
//!
//! The members are those of <https://platform.openai.com/docs/api-reference/chat/create>; `top_k` is vLLM's,
//! `reasoning` OpenRouter's (<https://openrouter.ai/docs/use-cases/reasoning-tokens>).

mod parts;
mod settings;
mod tools;
mod turns;

use crate::{
    dialect::{
        BadRequest,
        node::Node,
        object::{Object, Place},
    },
    model::{Ask, Chat, Feature},
};
use turns::Turns;

/// The conversation that `ask` is.
///
/// # Errors
///
/// When a member is not of its kind, or a message or a piece of one is of a type that is not known.
pub(in crate::dialect) fn decode(ask: &Ask) -> Result<Chat, BadRequest> {
    let body = ask.body.bytes();
    let at = Place::Body;
    let root = Node::read(&body).map_err(|error| BadRequest { message: error.to_string(), param: None })?;
    let mut root = Object::of(root, &at)?;
    for known_by_now in ["model", "stream", "max_tokens", "max_completion_tokens"] {
        root.take(known_by_now);
    }
    let mut chat =
        Chat { stream: ask.stream, max_output_tokens: ask.max_output_tokens, choices: ask.choices, ..Chat::default() };
    messages(&mut root, &body, &mut chat)?;
    tools(&mut root, &mut chat)?;
    settings::sampling(&mut root, &mut chat)?;
    settings::answer(&mut root, &mut chat)?;
    settings::thinking(&mut root, &mut chat)?;
    settings::labels(&mut root, &mut chat)?;
    settings::beside_text(&mut root, &mut chat)?;
    root.leave(&mut chat);
    Ok(chat)
}

fn messages(root: &mut Object<'_, '_>, body: &bytes::Bytes, chat: &mut Chat) -> Result<(), BadRequest> {
    let at = root.at().member("messages");
    let messages = root.list("messages")?;
    if messages.is_empty() {
        return Err(at.bad("is missing or empty: send at least one message"));
    }
    let mut turns = Turns::new(body, chat);
    for (index, message) in messages.into_iter().enumerate() {
        turns.take(message, &at.element(index))?;
    }
    Ok(())
}

fn tools(root: &mut Object<'_, '_>, chat: &mut Chat) -> Result<(), BadRequest> {
    let at = root.at().member("tools");
    for (index, tool) in root.list("tools")?.into_iter().enumerate() {
        tools::tool(tool, &at.element(index), chat)?;
    }
    let at = root.at().member("functions");
    for (index, function) in root.list("functions")?.into_iter().enumerate() {
        let function = tools::function(function, &at.element(index), chat)?;
        chat.tools.push(function);
        // A `function_call` is one call: an answer with several has no way to say them.
        chat.parallel_tool_calls = Some(false);
    }
    if let Some(choice) = root.take("tool_choice") {
        tools::choice(choice, &root.at().member("tool_choice"), chat)?;
    }
    if let Some(choice) = root.take("function_call") {
        tools::legacy_choice(choice, &root.at().member("function_call"), chat)?;
    }
    if let Some(parallel) = root.flag("parallel_tool_calls")? {
        chat.parallel_tool_calls = Some(parallel);
        if !parallel {
            chat.uses(Feature::ParallelToolControl, "parallel_tool_calls");
        }
    }
    Ok(())
}
