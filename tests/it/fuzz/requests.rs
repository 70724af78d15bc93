//! Requests of clients.

use super::{config, corpus::seeds, mutate::mutants, providers};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use std::sync::Arc;
use weighbridge::dialect;
use weighbridge::model::{Api, Ask, Draft};
use weighbridge::providers::Provider;
use weighbridge::providers::codec::{Goal, gaps};

const MODELS: [&str; 4] = ["m", "claude-sonnet-4-5", "gemini-3-pro", "anthropic.claude-sonnet-4-5-20250929-v1:0"];

fn parsed(api: Api, body: &[u8]) -> Option<Ask> {
    let draft = Draft::copy_of(body);
    let parsed = match api {
        Api::Generate => dialect::parse_generate("m", true, draft),
        api => dialect::parse(api, draft),
    };
    parsed.map_err(|bad| assert!(!bad.message.is_empty(), "a refusal says why")).ok()
}

/// A request that is read says the same or less to each provider, in valid JSON; one that is not is told why.
fn holds(api: Api, body: &[u8], providers: &[Arc<dyn Provider>]) {
    let Some(ask) = parsed(api, body) else { return };
    let chat = match dialect::decode(&ask) {
        Ok(Some(chat)) => chat,
        Ok(None) => panic!("{api} is a conversation"),
        Err(bad) => return assert!(!bad.message.is_empty(), "a refusal says why"),
    };
    for provider in providers {
        let codec = provider.codec().expect("it translates");
        for model in MODELS {
            let goal = Goal { model, cap: Some(7), most_output: Some(64_000) };
            let sent = codec.encode(&chat, &goal);
            let valid = serde_json::from_slice::<IgnoredAny>(&sent);
            assert!(valid.is_ok(), "{} for {model}: {valid:?}: {:?}", provider.kind(), String::from_utf8_lossy(&sent));
            gaps(codec, &chat, &goal);
        }
    }
}

fn fuzz(api: Api, words: &[&str]) {
    let providers = providers();
    let mut runner = proptest::test_runner::TestRunner::new(config(300));
    let bodies = mutants(seeds(words, &["request.json", "claude_code.json", "calls.json"]));
    let run = runner.run(&bodies, |body| {
        holds(api, &body, &providers);
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{api}: {why}"));
}

#[test]
fn requests_in_the_dialect_of_chat_completions() {
    fuzz(Api::ChatCompletions, &["corpora/chat/", "openai/codec_chat/fixtures"]);
}

#[test]
fn requests_in_the_dialect_of_responses() {
    fuzz(Api::Responses, &["dialect/responses/fixtures", "openai/codec_responses/fixtures"]);
}

#[test]
fn requests_in_the_dialect_of_messages() {
    fuzz(Api::Messages, &["dialect/messages/fixtures", "anthropic/codec/fixtures"]);
}

#[test]
fn requests_in_the_dialect_of_generate_content() {
    fuzz(Api::Generate, &["dialect/gemini/fixtures", "gemini/codec/fixtures"]);
}

/// Bodies that are no conversations, of every call that has one.
#[test]
fn requests_of_any_call() {
    let bodies = mutants(seeds(&["fixtures", "corpora"], &[".json"]));
    let run = proptest::test_runner::TestRunner::new(config(300)).run(&bodies, |body| {
        for api in Api::ALL {
            parsed(api, &body);
        }
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
}

proptest! {
    #![proptest_config(config(300))]

    /// JSON of any shape under the names that the gateway acts on.
    #[test]
    fn requests_of_any_shape(
        name in proptest::sample::select(&[
            "model", "messages", "input", "contents", "tools", "tool_choice", "stream", "stream_options", "max_tokens",
            "n", "metadata", "user", "response_format", "reasoning", "thinking", "system", "stop", "generationConfig",
        ][..]),
        value in r#"(null|true|0|-1|1e9|"x"|\[\]|\{\}|\[\{\}\]|\{"type":"x"\}|\[\{"role":"user","content":\[\{\}\]\}\]|\[\[\]\])"#,
        beside in r#"(,"messages":\[\{"role":"user","content":"hi"\}\])?"#,
    ) {
        let body = format!(r#"{{"{name}":{value}{beside}}}"#);
        let providers = providers();
        for api in [Api::ChatCompletions, Api::Responses, Api::Messages, Api::Generate] {
            holds(api, body.as_bytes(), &providers);
        }
    }
}
