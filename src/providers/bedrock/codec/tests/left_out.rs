//! What is left out, by the model or for the sake of something else, is told.

use super::*;
use crate::{
    model::{Feature, Thinking},
    providers::codec::gaps,
};

const NOVA: &str = "amazon.nova-pro-v1:0";
const LLAMA: &str = "meta.llama3-3-70b-instruct-v1:0";
const OPUS: &str = "us.anthropic.claude-opus-5-5";

/// What is refused and what is told to be dropped, of a request that notes all that it might use.
fn told(model: &str, mut chat: Chat) -> (Vec<String>, Vec<String>) {
    for (feature, path) in [
        (Feature::Temperature, "temperature"),
        (Feature::TopK, "top_k"),
        (Feature::ForcedTool, "tool_choice"),
        (Feature::JsonObject, "response_format"),
        (Feature::RichToolResult, "result"),
        (Feature::AudioInput, "audio"),
        (Feature::ReasoningEffort, "thinking"),
        (Feature::CacheMarkers, "cache_control"),
        (Feature::Metadata, "metadata"),
        (Feature::ServiceTier, "service_tier"),
    ] {
        chat.uses(feature, path);
    }
    let gaps = gaps(&converse(), &chat, &Goal { model, cap: None, most_output: None });
    (gaps.unsupported.into_iter().map(|used| used.path).collect(), gaps.hints)
}

fn refused(model: &str, chat: Chat) -> Vec<String> {
    told(model, chat).0
}

fn dropped(model: &str, chat: Chat) -> Vec<String> {
    told(model, chat).1
}

fn asking() -> Chat {
    Chat { messages: vec![user("Hi")], tools: vec![tool("f")], ..Chat::default() }
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_model_decides_what_is_carried() {
    let profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc";
    for model in [SONNET, NOVA, profile] {
        assert_eq!(told(model, asking()), (vec![], vec![]), "{model}");
    }
    assert_eq!(dropped(LLAMA, asking()), ["cache_control"]);
    assert_eq!(refused("anthropic.claude-opus-4-7", asking()), ["temperature", "top_k"]);
    assert_eq!(refused(OPUS, asking()), ["temperature", "top_k", "tool_choice"]);
    let mut chat = asking();
    chat.sampling.temperature = Some(0.5);
    chat.sampling.top_k = Some(3);
    chat.tool_choice = Some(ToolChoice::Required);
    assert_eq!(encoded_for(OPUS, &chat), encoded_for(OPUS, &asking()), "and is left out else");
}

#[test]
fn thinking_that_has_no_room_is_told_and_never_refused() {
    let thinking = |thinking, cap| Chat { thinking, max_output_tokens: cap, ..asking() };
    let budget = || Thinking { budget_tokens: Some(2_000), ..Thinking::default() };
    let off = || Thinking { off: true, ..Thinking::default() };
    assert_eq!(told(SONNET, thinking(budget(), Some(1_024))), (vec![], vec!["thinking".to_owned()]));
    assert_eq!(dropped(SONNET, thinking(budget(), Some(3_000))), NOTHING);
    let mut chat = thinking(budget(), None);
    chat.messages.push(message(Role::Assistant, vec![call("a", "f", "{}")]));
    chat.messages.push(message(Role::User, vec![result("a", false, Vec::new())]));
    assert_eq!(dropped(SONNET, chat), ["thinking"], "a call without its thought");
    let forced = |model| {
        let chat = Chat { tool_choice: Some(ToolChoice::Required), ..thinking(budget(), None) };
        (encoded_for(model, &chat)["additionalModelRequestFields"].clone(), dropped(model, chat))
    };
    for model in [SONNET, "anthropic.claude-sonnet-4-6"] {
        assert_eq!(forced(model), (Value::Null, vec!["thinking".to_owned()]), "a forced call at {model}");
    }
    assert_eq!(forced(OPUS).0["thinking"]["type"], "adaptive", "no call is forced there");
    assert_eq!(dropped(SONNET, thinking(off(), None)), NOTHING, "it is off anyway");
    assert_eq!(dropped("anthropic.claude-opus-5", thinking(off(), None)), ["thinking"], "it is on unless told");
}

#[test]
fn what_something_else_excludes_is_told() {
    let json = |tool_choice| Chat { format: Format::Json, tool_choice: Some(tool_choice), ..asking() };
    assert_eq!(refused(SONNET, json(ToolChoice::Auto)), NOTHING);
    assert_eq!(refused(SONNET, json(ToolChoice::Named("f".to_owned()))), ["response_format"]);
    assert_eq!(refused(SONNET, json(ToolChoice::Required)), ["tool_choice"], "the answer is a call as well");
    let forced = Chat { tools: vec![], tool_choice: Some(ToolChoice::Required), ..asking() };
    assert_eq!(refused(SONNET, forced), ["tool_choice"], "there is no tool");
    let sound = |source| Part::new(Content::Audio { source });
    let said = |part| Chat { messages: vec![message(Role::User, vec![part])], ..asking() };
    assert_eq!(refused(NOVA, said(sound(inline("audio/wav", "UklG")))), NOTHING);
    assert_eq!(refused(NOVA, said(sound(Source::Url("https://h/a.wav".to_owned())))), ["audio"]);
    let answered = result("a", false, vec![sound(inline("audio/wav", "UklG"))]);
    assert_eq!(refused(NOVA, said(answered)), ["result"]);
}

#[test]
fn values_without_a_word_are_told() {
    let labelled = |value: &str| Chat { metadata: vec![("a".to_owned(), value.to_owned())], ..asking() };
    assert_eq!(dropped(SONNET, labelled("b")), NOTHING);
    assert_eq!(dropped(SONNET, labelled("ü")), ["metadata"]);
    let tier = |tier: &str| Chat { service_tier: Some(tier.to_owned()), ..asking() };
    assert_eq!(dropped(SONNET, tier("scale")), ["service_tier"]);
    assert_eq!(dropped(SONNET, tier("flex")), NOTHING);
}

#[test]
fn a_hundred_thousand_sounds_that_would_have_to_be_fetched_are_all_refused() {
    let sound = |_| Part::new(Content::Audio { source: Source::Url("https://a".to_owned()) });
    let parts: Vec<_> = (0..100_000).map(sound).collect();
    let mut chat = Chat { messages: vec![Message { role: Role::User, name: None, parts }], ..Chat::default() };
    for index in 0..100_000 {
        chat.uses(Feature::AudioInput, format!("messages[0].content[{index}]"));
    }
    let gaps = gaps(&converse(), &chat, &Goal { model: NOVA, cap: None, most_output: None });
    assert_eq!(gaps.unsupported, chat.uses);
}
