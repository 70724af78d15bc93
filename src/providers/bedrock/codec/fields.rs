//! What models of one maker know: the sampling of the tail, and how much they think.

use super::MAKER;
use crate::{
    model::{Chat, Content, Effort, Message, Reasoned, Role},
    providers::{
        anthropic::codec::{Ability, Off},
        codec::{Goal, is_forced},
    },
};
use serde_json::{Map, Value, json};

/// A model's id or ARN at Bedrock: `us.anthropic.claude-sonnet-4-5-20250929-v1:0`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model<'a>(pub(super) &'a str);

impl Model<'_> {
    /// Whether it is Anthropic's. An ARN may name no model: then it is not.
    pub(super) fn is_claude(self) -> bool {
        self.0.contains("anthropic")
    }

    fn is_nova(self) -> bool {
        self.0.contains("amazon.nova")
    }

    /// Whether it may be of any maker: an ARN of an application's profile or of a router.
    fn is_unnamed(self) -> bool {
        self.0.starts_with("arn:") && !self.0.contains("foundation-model/") && !self.0.contains(":inference-profile/")
    }

    /// Whether cache points are taken: others refuse the request for them
    /// (<https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>).
    pub(super) fn caches(self) -> bool {
        self.is_claude() || self.is_nova() || self.is_unnamed()
    }

    /// Whether sampling can be told: the newer Claudes refuse it.
    pub(super) fn samples(self) -> bool {
        !self.is_claude() || Ability::of(self.0).sampling
    }

    /// Whether it is a Claude that cannot be made to call a tool, for it cannot part its calls from its thoughts.
    pub(super) fn never_calls_by_force(self) -> bool {
        self.is_claude() && !Ability::of(self.0).forced_calls
    }

    /// Whether it does not think unless it is told to.
    pub(super) fn thinks_only_when_told(self) -> bool {
        self.is_claude() && Ability::of(self.0).off == Off::Default
    }

    /// How it can be made to call a tool: `tool` is known to Claude and Nova, `any` to Mistral's too
    /// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html>).
    pub(super) fn forces(self) -> Forces {
        if self.never_calls_by_force() {
            Forces::Nothing
        } else if self.is_claude() || self.is_nova() || self.is_unnamed() {
            Forces::Tool
        } else if self.0.contains("mistral.") {
            Forces::Any
        } else {
            Forces::Nothing
        }
    }

    /// Whether a Claude decides itself how much it thinks, by an effort: those from 4.6 on. The newest refuse a number of
    /// tokens (<https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html>).
    fn adapts(self) -> bool {
        let name = self.0.split_once("claude-").map_or("", |(_, name)| name);
        // `sonnet-4-5-20250929-v1:0`, `3-7-sonnet-20250219-v1:0`, `opus-4-20250514-v1:0`: a long number is a date.
        let mut numbers = name.split('-').skip_while(|word| word.parse::<u32>().is_err());
        let mut number = || numbers.next().and_then(|word| word.parse::<u32>().ok()).filter(|number| *number < 100);
        match number() {
            Some(major) => (major, number().unwrap_or(0)) >= (4, 6),
            // `mythos-preview`: without a number are the newest only.
            None => !name.starts_with("v2") && !name.starts_with("instant") && !name.is_empty(),
        }
    }
}

/// What makes a model call a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forces {
    /// That one by its name.
    Tool,
    /// Some tool.
    Any,
    /// It can only be asked to.
    Nothing,
}

/// Whether the model will think, as far as the request decides it.
pub(super) fn thinks(chat: &Chat, to: &Goal<'_>) -> bool {
    thinking(chat, to).is_some()
}

/// `additionalModelRequestFields`: each maker's own.
pub(super) fn additional(chat: &Chat, to: &Goal<'_>) -> Map<String, Value> {
    let model = Model(to.model);
    let mut fields = Map::new();
    if let Some(top_k) = chat.sampling.top_k.filter(|_| model.samples()) {
        if model.is_nova() {
            // <https://docs.aws.amazon.com/nova/latest/userguide/using-converse-api.html>
            fields.insert("inferenceConfig".to_owned(), json!({ "topK": top_k }));
        } else {
            fields.insert("top_k".to_owned(), top_k.into());
        }
    }
    if let Some(thinking) = thinking(chat, to) {
        if model.adapts()
            && let Some(effort) = wanted_effort(chat)
        {
            fields.insert("output_config".to_owned(), json!({ "effort": effort }));
        }
        fields.insert("thinking".to_owned(), thinking);
    }
    fields
}

/// `outputConfig.effort`, which models other than Claude are told by.
pub(super) fn effort(chat: &Chat, to: &Goal<'_>) -> Option<&'static str> {
    if Model(to.model).is_claude() || !chat.thinking.is_on() { None } else { wanted_effort(chat) }
}

/// The effort asked for in Bedrock's words, of which `low` is the least.
fn wanted_effort(chat: &Chat) -> Option<&'static str> {
    let thinking = &chat.thinking;
    let effort = thinking.effort.or_else(|| thinking.budget_tokens.map(Effort::by_budget))?;
    Some(match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => effort.name(),
    })
}

/// Fewest tokens of a budget
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html>).
const LEAST_BUDGET: u64 = 1024;

/// Claude's `thinking`; left out where it is off, which is the default. A budget lies inside of the output cap; under a
/// cap that has no room for the least budget the model cannot think, nor in the middle of calls that it did not begin
/// with a thought of its own, nor before a call that it must make: Claude refuses all three
/// (<https://platform.claude.com/docs/en/build-with-claude/extended-thinking>).
fn thinking(chat: &Chat, to: &Goal<'_>) -> Option<Value> {
    let model = Model(to.model);
    if !model.is_claude() || !chat.thinking.is_on() {
        return None;
    }
    if is_forced(chat) && !chat.tools.is_empty() && !model.never_calls_by_force() {
        return None;
    }
    if model.adapts() {
        return Some(json!({ "type": "adaptive" }));
    }
    if calls_without_thought(chat) {
        return None;
    }
    let asked = chat.thinking.budget_tokens.or_else(|| chat.thinking.effort.map(Effort::budget_tokens));
    let asked = asked.unwrap_or(Effort::High.budget_tokens()).max(LEAST_BUDGET);
    let budget = to.output_cap(chat).map_or(asked, |cap| asked.min(cap.saturating_sub(1)));
    (budget >= LEAST_BUDGET).then(|| json!({ "type": "enabled", "budget_tokens": budget }))
}

/// Whether the model's last turn has calls and does not begin with a sealed thought: another model began it, or the
/// client's dialect keeps no thoughts.
fn calls_without_thought(chat: &Chat) -> bool {
    let of_model = |message: &&Message| message.role == Role::Assistant;
    let behind = chat.messages.iter().rev().skip_while(|message| !of_model(message));
    let mut turn: Vec<_> = behind.take_while(of_model).collect();
    turn.reverse();
    let mut contents = turn.iter().flat_map(|message| &message.parts).map(|part| &part.content);
    let sealed = |reasoned: &Reasoned| reasoned.seal.as_ref().is_some_and(|seal| seal.maker == MAKER);
    let said = |content: &&Content| match content {
        // Neither is sent.
        Content::Text(text) => !text.trim().is_empty(),
        Content::Reasoning(reasoned) => sealed(reasoned),
        _ => true,
    };
    let calls = contents.clone().any(|content| matches!(content, Content::ToolCall(_)));
    calls && !contents.find(said).is_some_and(|first| matches!(first, Content::Reasoning(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_claude_decides_how_it_is_told_to_think() {
        let cases = [
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", false),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", false),
            ("anthropic.claude-opus-4-1-20250805-v1:0", false),
            ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", false),
            ("anthropic.claude-opus-4-6-v1", true),
            ("anthropic.claude-sonnet-4-6", true),
            ("us.anthropic.claude-opus-4-7", true),
            ("anthropic.claude-opus-5", true),
            ("anthropic.claude-mythos-preview", true),
            ("anthropic.claude-v2:1", false),
            ("anthropic.claude-instant-v1", false),
            ("amazon.nova-pro-v1:0", false),
            ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0", false),
        ];
        for (model, want) in cases {
            assert_eq!(Model(model).adapts(), want, "{model}");
        }
    }

    #[test]
    fn makers_are_told_by_the_model() {
        let profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc";
        assert!(Model(profile).caches() && !Model(profile).is_claude());
        assert!(!Model("meta.llama3-3-70b-instruct-v1:0").caches());
        assert_eq!(Model("mistral.mistral-large-2407-v1:0").forces(), Forces::Any);
        assert_eq!(Model("openai.gpt-oss-120b-1:0").forces(), Forces::Nothing);
        assert_eq!(Model("us.amazon.nova-lite-v1:0").forces(), Forces::Tool);
    }
}
