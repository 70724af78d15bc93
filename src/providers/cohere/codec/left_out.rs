//! What a request leaves out of what Cohere could be told, for something else in the request excludes it, or for there is
//! no word for this one value.

use super::{
    encode::{MOST_STOPS, loses_penalty, thinking},
    tools::{Shape, is_strict, named},
    turns::knows_detail,
};
use crate::{
    model::{Chat, Content, Feature, Format, ToolChoice, Use},
    providers::codec::{Goal, forces_nothing, is_forced, uses_lost},
};

/// What of `chat.uses` the body does not say.
pub(super) fn uses(chat: &Chat, to: &Goal<'_>) -> Vec<Use> {
    let shape = Shape::of(chat);
    let shapeless = chat.format != Format::Text && shape == Shape::Free;
    let nameless = matches!(chat.tool_choice, Some(ToolChoice::Named(_))) && named(chat).is_none();
    // Beside an answer that is a call, it is one of the calls that may come.
    let unforced = forces_nothing(chat) || nameless || (shape == Shape::Tool && is_forced(chat));
    let lenient = chat.tools.iter().any(|tool| tool.strict == Some(true)) && !is_strict(chat);
    let lost = [
        (chat.stop.len() > MOST_STOPS, Feature::StopSequences),
        (loses_penalty(&chat.sampling), Feature::Penalties),
        (chat.thinking.is_said() && thinking(chat, to).is_none(), Feature::ReasoningEffort),
        (unforced, Feature::ForcedTool),
        (shapeless, Feature::JsonObject),
        (shapeless, Feature::JsonSchema),
        (lenient, Feature::StrictTool),
    ];
    [uses_lost(chat, lost), details(chat)].concat()
}

/// Details of pictures for which there is no word. Like the decoders, this goes through the parts in order.
fn details(chat: &Chat) -> Vec<Use> {
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let details = parts.filter_map(|part| match &part.content {
        Content::Image { detail, .. } => detail.as_deref(),
        _ => None,
    });
    let uses = chat.uses.iter().filter(|used| used.feature == Feature::ImageDetail);
    uses.zip(details).filter(|(_, word)| !knows_detail(word)).map(|(used, _)| used.clone()).collect()
}
