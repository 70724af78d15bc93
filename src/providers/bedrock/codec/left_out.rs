//! What a request leaves out of what the model could be told, for something else in the request excludes it.

use super::{
    encode::{labels, tier},
    fields::{self, Model},
};
use crate::{
    model::{Chat, Content, Feature, Format, ToolChoice, Use},
    providers::codec::{Goal, forces_nothing, is_forced, sounds_to_fetch, uses_of},
};

/// What of `chat.uses` the body does not say.
pub(super) fn uses(chat: &Chat, to: &Goal<'_>) -> Vec<Use> {
    let mut lost = Vec::new();
    if is_thoughtless(chat, to) {
        lost.push(Feature::ReasoningEffort);
    }
    if chat.format != Format::Text && is_forced(chat) {
        match chat.tool_choice {
            // Calling it excludes the call that is the answer.
            Some(ToolChoice::Named(_)) if !Model(to.model).never_calls_by_force() => {
                lost.extend([Feature::JsonObject, Feature::JsonSchema]);
            }
            // The answer is one of the calls that may come.
            _ => lost.push(Feature::ForcedTool),
        }
    }
    if forces_nothing(chat) {
        lost.push(Feature::ForcedTool);
    }
    if has_sound_in_results(chat) {
        lost.push(Feature::RichToolResult);
    }
    if labels(chat).len() < chat.metadata.len() {
        lost.push(Feature::Metadata);
    }
    if chat.service_tier.as_deref().is_some_and(|asked| tier(asked).is_none()) {
        lost.push(Feature::ServiceTier);
    }
    [uses_of(chat, &lost), sounds_to_fetch(chat)].concat()
}

/// Whether what is asked of thinking is not said. That it is off need not be said to a model that does not think by
/// itself.
fn is_thoughtless(chat: &Chat, to: &Goal<'_>) -> bool {
    let said = fields::thinks(chat, to) || fields::effort(chat, to).is_some();
    let off = !chat.thinking.is_on() && Model(to.model).thinks_only_when_told();
    chat.thinking.is_said() && !said && !off
}

/// Whether a tool answers with sound, for which results have no piece.
fn has_sound_in_results(chat: &Chat) -> bool {
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let mut results = parts.filter_map(|part| match &part.content {
        Content::ToolResult(result) => Some(&result.parts),
        _ => None,
    });
    results.any(|parts| parts.iter().any(|part| matches!(part.content, Content::Audio { .. })))
}
