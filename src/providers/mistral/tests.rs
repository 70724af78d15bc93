//! What differs from OpenAI.

use super::*;
use crate::{
    config::{Protocol, Section},
    model::{
        Api, Ask, CapMember, Caps, Chat, Content, Demand, Draft, Effort, IncludeUsage, Message, Part, Role, Sampling,
        Source, Span, Thinking, ToolCall, ToolResult,
    },
    providers::{
        codec::Goal,
        openai::tests::{carried, tell},
    },
};
use bytes::Bytes;
use serde_json::{Value, json};

fn mistral() -> Box<dyn Provider> {
    let settings = Section::from_yaml("providers.p", "{ api_key: k }").expect("YAML");
    let provider = config::Provider {
        name: "p".into(),
        kind: "mistral".to_owned(),
        settings,
        catalogue: None,
        protocol: Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    };
    build(&provider).expect("the settings are right")
}

fn turn(role: Role, contents: Vec<Content>) -> Message {
    Message { role, name: None, parts: contents.into_iter().map(Part::new).collect() }
}

#[test]
fn it_speaks_chat_completions_and_embeddings_only() {
    let provider = mistral();
    let spoken: Vec<_> = Api::ALL.into_iter().filter(|api| provider.speaks(*api)).collect();
    assert_eq!(spoken, [Api::ChatCompletions, Api::Embeddings]);
    assert_eq!(provider.path(Api::ChatCompletions, "m", false), "/v1/chat/completions");
    assert_eq!(
        (&*provider.endpoint().authority, &*provider.codec_path("m", false)),
        ("api.mistral.ai", "/v1/chat/completions")
    );
}

#[test]
fn what_is_carried_is_there_and_nothing_else() {
    carried::check(mistral().codec().expect("a codec"));
}

#[test]
fn a_conversation_is_said_in_its_words() {
    let id = "toolu_01A09q90qw90lq917835lq9";
    let call = ToolCall { id: id.to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
    let result = ToolResult { id: id.to_owned(), parts: vec![Part::text("r")], ..ToolResult::default() };
    let audio = Source::Inline { media_type: "audio/mpeg".to_owned(), base64: Bytes::from_static(b"SUQz") };
    let pdf = Content::Document { source: Source::Url("https://h/a.pdf".to_owned()), name: Some("a".to_owned()) };
    let chat = Chat {
        stream: true,
        messages: vec![
            turn(Role::User, vec![Content::Audio { source: audio }, pdf]),
            turn(Role::Assistant, vec![Content::ToolCall(call)]),
            turn(Role::User, vec![Content::ToolResult(result)]),
        ],
        max_output_tokens: Some(50),
        sampling: Sampling { seed: Some(7), ..Sampling::default() },
        thinking: Thinking { effort: Some(Effort::Medium), ..Thinking::default() },
        user: Some("u".to_owned()),
        ..Chat::default()
    };
    let provider = mistral();
    let body = provider.codec().expect("a codec").encode(&chat, &Goal { model: "m", cap: None, most_output: None });
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let id = body["messages"][1]["tool_calls"][0]["id"].as_str().expect("an id").to_owned();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    let call = json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let want = json!({"model": "m", "stream": true, "max_tokens": 50, "random_seed": 7, "reasoning_effort": "high", "messages": [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": "SUQz"},
            {"type": "document_url", "document_url": "https://h/a.pdf", "document_name": "a"}]},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": id, "content": "r"}]});
    assert_eq!(body, want);
}

#[test]
fn a_body_that_passes_through_gets_no_stream_options_and_its_own_cap() {
    let body = r#"{"max_completion_tokens":9,"model":"x","stream":true}"#;
    let at = |part: &str| {
        let start = body.find(part).expect("there");
        Span { start, end: start + part.len() }
    };
    let member = CapMember { key: at(r#""max_completion_tokens""#), value: at("9"), tokens: Some(9) };
    let mut ask = Ask {
        api: Api::ChatCompletions,
        body: Draft::copy_of(body.as_bytes()),
        model: "x".to_owned(),
        model_span: at(r#""x""#),
        stream: true,
        include_usage: Some(IncludeUsage::NoOptions { insert_at: 1 }),
        caps: Caps { insert_at: 1, max_completion_tokens: Some(member), ..Caps::default() },
        user: None,
        max_output_tokens: Some(9),
        choices: 1,
        text_bytes: 0,
        metadata: Vec::new(),
        demand: Demand::default(),
        form: false,
        opening: Default::default(),
        sealed_elsewhere: false,
    };
    let edits = mistral().edits(&ask, &Bytes::from_static(br#""m""#), Some(100));
    assert_eq!(ask.body.apply(&edits), r#"{"max_tokens":9,"model":"m","stream":true}"#);
    assert!(mistral().takes(&ask));
    ask.demand.of_openai = true;
    assert!(!mistral().takes(&ask), "what it would refuse is translated");
    ask.api = Api::Embeddings;
    assert!(!mistral().takes(&ask) && mistral().embedder("m").is_some(), "of embeddings too");
}

#[test]
fn its_stream_is_told_with_the_usage_of_the_last_chunk() {
    let provider = mistral();
    let codec = provider.codec().expect("a codec");
    let body = json!({"id": "c", "object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message":
        {"role": "assistant", "tool_calls": null, "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]}}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10}});
    let mut said = Vec::new();
    let reading = codec.decode_whole(body.to_string().as_bytes(), &mut |event| said.push(tell(&event)));
    assert_eq!(said, ["start c", "0 thought hm", "0 text Hi", "0 finish Stop", "usage 4 6"]);
    assert!(reading.expect("an answer").complete);
}
