//! What goes up, written from the references: translated, and passed through with its edits.

use super::{PLAIN, vertex};
use crate::{
    model::{
        Api, Ask, CapMember, Caps, Carry, Chat, Content, Demand, Draft, Feature, Format, Json, Message, Part, Role,
        Source, Span, Tool, ToolCall, ToolResult,
    },
    providers::{carried, codec::Goal},
};
use bytes::Bytes;
use serde_json::{Value, json};

fn said(role: Role, contents: Vec<Content>) -> Message {
    Message { role, name: None, parts: contents.into_iter().map(Part::new).collect() }
}

/// Instructions, a picture by its URL, a call with its result, a tool, a cap and a tier.
fn conversation() -> Chat {
    let call = ToolCall { id: "call_1".to_owned(), name: "f".to_owned(), arguments: r#"{"a":1}"#.to_owned() };
    let result = ToolResult { id: "call_1".to_owned(), parts: vec![Part::text("r")], ..ToolResult::default() };
    let picture = Content::Image { source: Source::Url("https://h/a.png".to_owned()), detail: None };
    Chat {
        stream: true,
        messages: vec![
            said(Role::System, vec![Content::Text("Be brief.".into())]),
            said(Role::User, vec![Content::Text("Hi".into()), picture]),
            said(Role::Assistant, vec![Content::ToolCall(call)]),
            said(Role::User, vec![Content::ToolResult(result)]),
        ],
        tools: vec![Tool {
            name: "f".to_owned(),
            description: None,
            parameters: Json::new(r#"{"type":"object"}"#),
            strict: None,
            cache: None,
        }],
        max_output_tokens: Some(100),
        service_tier: Some("default".to_owned()),
        ..Chat::default()
    }
}

fn sent(model: &str, chat: &Chat) -> Value {
    let goal = Goal { model, cap: None, most_output: None };
    let body = vertex(PLAIN, model).codec().expect("it translates").encode(chat, &goal);
    serde_json::from_slice(&body).expect("JSON")
}

#[test]
fn a_conversation_goes_to_gemini_with_roles_and_types_and_without_ids() {
    let want = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "Hi"}, {"fileData": {"mimeType": "image/png", "fileUri": "https://h/a.png"}},
            ]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "r"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
        "generationConfig": {"maxOutputTokens": 100},
    });
    assert_eq!(sent("gemini-2.5-flash", &conversation()), want);
}

#[test]
fn a_conversation_goes_to_claude_with_a_version_and_without_the_model() {
    let want = json!({
        "anthropic_version": "vertex-2023-10-16", "max_tokens": 100, "stream": true,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]}, // a picture by URL is not for Vertex
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "r"}]},
            ]},
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    });
    assert_eq!(sent("claude-sonnet-4-5@20250929", &conversation()), want);
}

#[test]
fn what_stands_at_an_url_is_not_carried_to_claude() {
    let claude = vertex(PLAIN, "claude-sonnet-4-5");
    let carried = |feature| claude.codec().expect("it translates").carries(feature, "claude-sonnet-4-5");
    for (url, inline) in [(Feature::ImageUrl, Feature::ImageInline), (Feature::DocumentUrl, Feature::DocumentInline)] {
        assert_eq!((carried(url), carried(inline)), (Carry::No, Carry::Yes));
    }
}

#[test]
fn structured_output_of_claude_is_a_tool() {
    let schema = Json::new(r#"{"type":"object","properties":{},"additionalProperties":false}"#).expect("JSON");
    let format = Format::Schema { name: "s".to_owned(), description: None, schema, strict: Some(true) };
    let sent = sent("claude-opus-4-6", &Chat { tools: Vec::new(), format, ..conversation() });
    assert!(sent.get("output_config").is_none(), "{sent}");
    assert_eq!(sent["tool_choice"]["name"], "wb_json_answer", "{sent}");
}

#[test]
fn what_is_carried_is_there_and_nothing_else() {
    for model in ["gemini-2.5-pro", "gemini-3-pro", "claude-sonnet-4-5", "claude-opus-4-1"] {
        carried::obeys(vertex(PLAIN, model).codec().expect("a codec"), model);
    }
}

/// What the parser would have made of `body`.
fn ask(api: Api, body: &str) -> Ask {
    let start = body.find(r#""was""#).expect("there");
    let cap = body.find("4096").map(|at| CapMember {
        key: Span { start: at, end: at },
        value: Span { start: at, end: at + 4 },
        tokens: Some(4096),
    });
    Ask {
        api,
        body: Draft::copy_of(body.as_bytes()),
        model: "was".to_owned(),
        model_span: Span { start, end: start + 5 },
        stream: false,
        include_usage: None,
        user: None,
        max_output_tokens: None,
        choices: 1,
        text_bytes: 0,
        caps: Caps { insert_at: 1, max_tokens: cap, ..Caps::default() },
        metadata: Vec::new(),
        demand: Demand::default(),
        opening: Default::default(),
        sealed_elsewhere: false,
        form: false,
    }
}

/// The body of `body` that goes to Claude.
fn passed(api: Api, body: &str, cap: Option<u64>) -> String {
    let mut ask = ask(api, body);
    let target = Bytes::from_static(br#""anthropic/claude-opus-4-6@20260205""#);
    let edits = vertex(PLAIN, "anthropic/claude-opus-4-6@20260205").edits(&ask, &target, cap);
    String::from_utf8(ask.body.apply(&edits).to_vec()).expect("UTF-8")
}

#[test]
fn a_message_that_passes_through_changes_its_model_for_a_version() {
    let version = r#""anthropic_version":"vertex-2023-10-16""#;
    let cases = [
        (r#"{"model":"was","max_tokens":4096}"#, format!(r#"{{{version},"max_tokens":4096}}"#)),
        (r#"{ "max_tokens":4096, "mod\u0065l" : "was" }"#, format!(r#"{{ "max_tokens":4096, {version} }}"#)),
        (
            r#"{"a":"say \"anthropic_version\"","model":"was","system":"\"model\""}"#,
            format!(r#"{{"a":"say \"anthropic_version\"",{version},"system":"\"model\""}}"#),
        ),
        // As one does that was written for Vertex.
        (r#"{"model":"was" , "anthropic_version":"vertex-2"}"#, r#"{ "anthropic_version":"vertex-2"}"#.to_owned()),
        (r#"{"anthropic_version":"vertex-2", "model" : "was"}"#, r#"{"anthropic_version":"vertex-2"}"#.to_owned()),
        (r#"{"x":["anthropic_version"],"model":"was"}"#, format!(r#"{{"x":["anthropic_version"],{version}}}"#)),
    ];
    for (body, want) in cases {
        assert_eq!(passed(Api::Messages, body, None), want, "{body}");
    }
    let capped = passed(Api::Messages, r#"{"model":"was","max_tokens":4096}"#, Some(7));
    assert_eq!(capped, format!(r#"{{{version},"max_tokens":7}}"#));
    let inserted = passed(Api::Messages, r#"{"model":"was","x":1}"#, Some(7));
    assert_eq!(inserted, format!(r#"{{"max_tokens":7,{version},"x":1}}"#));
}

#[test]
fn counting_names_the_model_without_its_version_and_that_of_the_api() {
    let body = r#"{"model":"was","messages":[]}"#;
    let want = r#"{"model":"claude-opus-4-6","anthropic_version":"vertex-2023-10-16","messages":[]}"#;
    assert_eq!(passed(Api::CountTokens, body, None), want);
    let named = r#"{"model":"was","anthropic_version":"v"}"#;
    assert_eq!(passed(Api::CountTokens, named, None), r#"{"model":"claude-opus-4-6","anthropic_version":"v"}"#);
}
