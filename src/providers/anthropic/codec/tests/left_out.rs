//! What is left out for the sake of something else is told.

use super::encode::{asking, call, codec, message, result, says, thought, tool};
use crate::{
    model::{Chat, Content, Effort, Feature, Format, Json, Part, Role, Source, Thinking, ToolChoice},
    providers::codec::{Codec, Gaps, Goal, gaps},
};
use bytes::Bytes;

const ALL: [(Feature, &str); 9] = [
    (Feature::Temperature, "temperature"),
    (Feature::TopP, "top_p"),
    (Feature::TopK, "top_k"),
    (Feature::ReasoningEffort, "thinking"),
    (Feature::ForcedTool, "tool_choice"),
    (Feature::JsonObject, "response_format"),
    (Feature::JsonSchema, "output_config.format"),
    (Feature::StopSequences, "stop"),
    (Feature::ServiceTier, "service_tier"),
];

/// What is refused and what is told to be dropped, of a request that notes all that it might use.
fn told(mut chat: Chat, model: &str) -> (Vec<String>, Vec<String>) {
    for (feature, path) in ALL {
        chat.uses(feature, path);
    }
    let goal = Goal { model, cap: None, most_output: None };
    let Gaps { unsupported, hints } = gaps(&codec(), &chat, &goal);
    (unsupported.into_iter().map(|used| used.path).collect(), hints)
}

fn refused(chat: Chat, model: &str) -> Vec<String> {
    told(chat, model).0
}

fn dropped(chat: Chat, model: &str) -> Vec<String> {
    told(chat, model).1
}

fn sampled(temperature: Option<f64>, top_p: Option<f64>, top_k: Option<u64>) -> Chat {
    let mut chat = asking();
    chat.sampling.temperature = temperature;
    chat.sampling.top_p = top_p;
    chat.sampling.top_k = top_k;
    chat
}

fn budget(tokens: u64) -> Thinking {
    Thinking { budget_tokens: Some(tokens), ..Thinking::default() }
}

fn effort(effort: Effort) -> Thinking {
    Thinking { effort: Some(effort), ..Thinking::default() }
}

fn forced() -> Chat {
    Chat { tools: vec![tool("f", None)], tool_choice: Some(ToolChoice::Required), ..asking() }
}

const NOTHING: [&str; 0] = [];

#[test]
fn what_newer_models_refuse_is_told_whatever_it_says() {
    let samplers = ["temperature", "top_p", "top_k"];
    assert_eq!(refused(asking(), "claude-sonnet-4-5"), NOTHING);
    assert_eq!(refused(asking(), "claude-opus-4-7"), samplers);
    assert_eq!(refused(asking(), "claude-haiku-5-5"), samplers);
    assert_eq!(refused(asking(), "claude-opus-5-5"), ["temperature", "top_p", "top_k", "tool_choice"]);
    assert_eq!(refused(asking(), "claude-fable-5-1"), ["temperature", "top_p", "top_k", "tool_choice"]);
}

#[test]
fn of_two_samplers_the_one_left_out_is_told() {
    let both = |temperature, top_p| sampled(Some(temperature), Some(top_p), None);
    assert_eq!(refused(both(0.5, 0.9), "claude-3-5-haiku-20241022"), NOTHING);
    assert_eq!(refused(both(0.5, 0.9), "claude-sonnet-4-5"), ["top_p"]);
    assert_eq!(refused(both(1.5, 0.9), "claude-sonnet-4-5"), ["temperature"]);
    assert_eq!(refused(both(1.0, 0.9), "claude-sonnet-4-5"), NOTHING, "a temperature of 1 says nothing");
    assert_eq!(refused(both(0.5, 1.0), "claude-sonnet-4-5"), NOTHING, "a `top_p` of 1 says nothing");
}

#[test]
fn sampling_that_thinking_excludes_is_told() {
    let thinking = |chat| Chat { thinking: budget(2_000), ..chat };
    let chat = thinking(sampled(Some(0.5), Some(0.5), Some(3)));
    assert_eq!(refused(chat, "claude-sonnet-4-5"), ["temperature", "top_p", "top_k"]);
    let chat = thinking(sampled(Some(1.0), Some(0.97), None));
    assert_eq!(told(chat, "claude-sonnet-4-5"), (vec![], vec![]));
}

#[test]
fn thinking_that_has_no_room_is_told_and_never_refused() {
    let capped = |thinking, cap| Chat { thinking, max_output_tokens: Some(cap), ..asking() };
    let sonnet = "claude-sonnet-4-5";
    assert_eq!(told(capped(budget(5_000), 1_024), sonnet), (vec![], vec!["thinking".to_owned()]));
    assert_eq!(told(capped(effort(Effort::High), 1_200), sonnet), (vec![], vec!["thinking".to_owned()]));
    assert_eq!(dropped(capped(budget(5_000), 1_025), sonnet), NOTHING);
    for model in [sonnet, "claude-sonnet-4-6", "claude-opus-5"] {
        let (refused, dropped) = told(Chat { thinking: effort(Effort::High), ..forced() }, model);
        assert_eq!(dropped, ["thinking"], "a forced call at {model}");
        assert!(!refused.contains(&"thinking".to_owned()), "{model}");
    }
    let json = Chat { thinking: budget(2_000), format: Format::Json, ..asking() };
    assert_eq!(dropped(json, sonnet), ["thinking"], "the answer is a forced call");
    let after = |first| {
        let messages = vec![
            says(Role::User, "Hi"),
            message(Role::Assistant, first),
            message(Role::User, vec![result("a", false, vec![])]),
        ];
        dropped(Chat { messages, thinking: budget(2_000), ..Chat::default() }, sonnet)
    };
    assert_eq!(after(vec![call("a", "{}")]), ["thinking"], "a call without its thought");
    assert_eq!(after(vec![thought("Hm.", "anthropic", "Eq", false), call("a", "{}")]), NOTHING);
}

#[test]
fn that_thinking_is_off_is_never_lost() {
    let off = || Chat { thinking: Thinking { off: true, ..Thinking::default() }, ..asking() };
    for model in ["claude-sonnet-4-5", "claude-opus-4-7", "claude-sonnet-5-5", "claude-opus-5-5"] {
        assert_eq!(dropped(off(), model), NOTHING, "{model}");
    }
}

#[test]
fn a_format_that_loses_to_a_call_is_told() {
    let json = || Chat { format: Format::Json, ..forced() };
    assert_eq!(refused(json(), "claude-sonnet-4-5"), ["response_format", "output_config.format"]);
    assert!(!refused(json(), "claude-opus-5-5").contains(&"response_format".to_owned()), "the call loses there");
    let schema = Json::new(r#"{"type":"object","additionalProperties":false}"#).expect("it is JSON");
    let format = Format::Schema { name: "s".to_owned(), description: None, schema, strict: None };
    assert_eq!(refused(Chat { format, ..forced() }, "claude-sonnet-4-5"), NOTHING, "its own form goes with calls");
}

#[test]
fn a_call_that_cannot_be_forced_is_not_asked_for() {
    let goal = Goal { model: "claude-opus-5-5", cap: None, most_output: None };
    let free = Chat { tool_choice: None, ..forced() };
    assert_eq!(codec().encode(&forced(), &goal), codec().encode(&free, &goal));
    assert_eq!(refused(Chat { tools: vec![], ..forced() }, "claude-sonnet-4-5"), ["tool_choice"], "there is none");
}

#[test]
fn a_text_that_is_none_is_not_lost() {
    let source = Source::Inline { media_type: "text/plain".to_owned(), base64: Bytes::from_static(b"/w==") };
    let part = Part::new(Content::Document { source, name: None });
    let chat = Chat { messages: vec![message(Role::User, vec![part])], ..Chat::default() };
    let body = codec().encode(&chat, &Goal { model: "m", cap: None, most_output: None });
    assert!(std::str::from_utf8(&body).expect("UTF-8").contains("/w=="), "Anthropic says what is wrong with it");
}

#[test]
fn values_without_a_word_are_told() {
    let stop = |text: &str| Chat { stop: vec!["END".to_owned(), text.to_owned()], ..asking() };
    assert_eq!(refused(stop("\n"), "m"), ["stop"]);
    assert_eq!(refused(stop(""), "m"), NOTHING);
    assert_eq!(refused(stop("\nEND"), "m"), NOTHING);
    let tier = |tier: &str| Chat { service_tier: Some(tier.to_owned()), ..asking() };
    assert_eq!(dropped(tier("flex"), "m"), ["service_tier"]);
    assert_eq!(dropped(tier("default"), "m"), NOTHING);
}

#[test]
fn a_temperature_over_1_is_told_as_a_hint_where_it_is_sent() {
    let hot = |top_p| sampled(Some(1.5), top_p, None);
    let old = "claude-3-5-haiku-latest";
    assert_eq!((refused(hot(None), old), dropped(hot(None), old)), (vec![], vec!["temperature".to_owned()]));
    assert_eq!(dropped(sampled(Some(1.0), None, None), old), NOTHING);
}
