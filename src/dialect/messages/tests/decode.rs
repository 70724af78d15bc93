//! From a request to a conversation.

use crate::{
    dialect::{BadRequest, decode, parse},
    model::{
        Api, CacheMark, Chat, Content, Draft, Effort, Feature, Format, Json, Message, Part, Reasoned, Role, Seal,
        Source, Tool, ToolCall, ToolChoice, ToolResult,
    },
};
use serde_json::{Value, json};

const CLAUDE_CODE: &str = include_str!("../fixtures/claude_code.json");

fn read(body: &str) -> Result<Chat, BadRequest> {
    let ask = parse(Api::Messages, Draft::copy_of(body.as_bytes())).expect("the strict parse takes it");
    decode(&ask).map(|chat| chat.expect("messages are a conversation"))
}

/// A request with the members of `with`.
fn request(with: &Value) -> String {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().expect("an object").extend(with.as_object().expect("an object").clone());
    body.to_string()
}

fn chat(with: &Value) -> Chat {
    read(&request(with)).unwrap_or_else(|bad| panic!("{bad} in {with}"))
}

/// The parts of one message of `role`, and what was noted.
fn parts(role: &str, blocks: &Value) -> (Vec<Part>, Vec<(Feature, String)>) {
    let chat = chat(&json!({"messages": [{"role": role, "content": blocks}]}));
    let uses = uses(&chat);
    (chat.messages.into_iter().flat_map(|message| message.parts).collect(), uses)
}

fn uses(chat: &Chat) -> Vec<(Feature, String)> {
    chat.uses.iter().map(|used| (used.feature, used.path.clone())).collect()
}

fn noted(list: &[(Feature, &str)]) -> Vec<(Feature, String)> {
    list.iter().map(|(feature, path)| (*feature, (*path).to_owned())).collect()
}

fn schema(text: &str) -> Json {
    Json::new(text).expect("it is JSON")
}

const fn marked(content: Content, hour: bool) -> Part {
    Part { content, cache: Some(CacheMark { hour }) }
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

#[test]
fn claude_code_is_understood_and_asks_for_nothing_but_hints_and_effort() {
    let mut body: Value = serde_json::from_str(CLAUDE_CODE).expect("it is JSON");
    let tools = body["tools"].as_array_mut().expect("an array");
    let read_tool = tools[1].clone();
    tools.extend((0..22).map(|_| read_tool.clone()));
    let chat = read(&body.to_string()).expect("it decodes");
    let hard: Vec<_> = chat.uses.iter().filter(|used| !used.feature.is_hint()).map(|used| used.path.as_str()).collect();
    assert_eq!(hard, ["thinking", "output_config.effort"]);
    let hints: Vec<_> = chat.uses.iter().filter(|used| used.feature.is_hint()).cloned().collect();
    let hints: Vec<_> = hints.iter().map(|used| (used.feature, used.path.as_str())).collect();
    assert_eq!(
        hints,
        [
            (Feature::CacheMarkers, "system[1].cache_control"),
            (Feature::CacheMarkers, "system[2].cache_control"),
            (Feature::CacheMarkers, "messages[0].content[1].cache_control"),
            (Feature::SealedReasoning, "messages[1].content[0]"),
            (Feature::CacheMarkers, "messages[2].content[1].cache_control"),
            (Feature::FailedToolResult, "messages[2].content[1].is_error"),
            (Feature::User, "metadata.user_id"),
            (Feature::Unknown, "context_management"),
        ]
    );
    assert_eq!((chat.tools.len(), chat.stream, chat.max_output_tokens), (24, true, Some(64_000)));
    assert_eq!((chat.thinking.adaptive, chat.thinking.effort), (true, Some(Effort::Medium)));
    assert_eq!(chat.sampling.temperature, Some(1.0));
    assert_eq!(chat.user.as_deref(), Some(r#"{"device_id":"d","account_uuid":"","session_id":"s"}"#));
}

#[test]
fn turns_keep_their_order_and_their_parts() {
    let chat = read(CLAUDE_CODE).expect("it decodes");
    let seal = Seal { maker: "anthropic".to_owned(), data: "EqQBCgIYAhIM1gbcDa9GJwZA2b3h".to_owned(), hidden: false };
    let call = |id: &str, name: &str, arguments: &str| {
        let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
        Part::new(Content::ToolCall(ToolCall { id, name, arguments }))
    };
    let result = |id: &str, name: &str, failed, said: &str| {
        let parts = vec![Part::text(said)];
        Content::ToolResult(ToolResult { id: id.to_owned(), name: Some(name.to_owned()), failed, parts })
    };
    let want = [
        (
            Role::System,
            vec![
                Part::text("x-anthropic-billing-header: cc_version=2.1.197"),
                marked(text("You are a coding agent."), false),
                marked(text("Be brief."), false),
            ],
        ),
        (
            Role::User,
            vec![
                Part::text("<system-reminder>\nThe date is 2026-11-23.\n</system-reminder>"),
                marked(text("Say hello"), false),
            ],
        ),
        (
            Role::Assistant,
            vec![
                Part::new(Content::Reasoning(Reasoned { text: "Look first.".to_owned(), seal: Some(seal) })),
                Part::text("I look around."),
                call("toolu_01A", "Bash", r#"{"command":"ls","timeout":5}"#),
                call("toolu_01B", "Read", r#"{"file_path":"/tmp/a"}"#),
            ],
        ),
        (
            Role::User,
            vec![
                Part::new(result("toolu_01A", "Bash", false, "a\nb")),
                marked(result("toolu_01B", "Read", true, "no such file"), true),
            ],
        ),
    ];
    let want: Vec<_> = want.into_iter().map(|(role, parts)| Message { role, name: None, parts }).collect();
    assert_eq!(chat.messages, want);
}

#[test]
fn a_plain_request_notes_nothing() {
    let body = json!({
        "system": "be brief", "stop_sequences": [], "tools": [], "temperature": 1.0, "top_p": 1, "stream": false,
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": false}, "thinking": {"type": "disabled"},
        "service_tier": "auto", "speed": "standard", "metadata": {"user_id": null},
        "container": null, "mcp_servers": [],
    });
    let chat = chat(&body);
    assert_eq!(uses(&chat), []);
    let said: Vec<_> = chat.messages.iter().map(|message| (message.role, message.parts.clone())).collect();
    assert_eq!(said, [(Role::System, vec![Part::text("be brief")]), (Role::User, vec![Part::text("hi")])]);
    assert_eq!((chat.tool_choice, chat.thinking.off), (Some(ToolChoice::Auto), true));
}

#[test]
fn settings_are_taken_and_noted() {
    let body = json!({
        "temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop_sequences": ["END"],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
        "output_config": {"effort": "xhigh", "task_budget": {"type": "tokens", "total": 9}},
        "metadata": {"user_id": "u", "team": "t"}, "service_tier": "standard_only", "container": "c_1",
        "mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}], "inference_geo": "us", "speed": "fast",
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
    });
    let chat = chat(&body);
    let want = noted(&[
        (Feature::ForcedTool, "tool_choice"),
        (Feature::ParallelToolControl, "tool_choice.disable_parallel_tool_use"),
        (Feature::Temperature, "temperature"),
        (Feature::TopP, "top_p"),
        (Feature::TopK, "top_k"),
        (Feature::StopSequences, "stop_sequences"),
        (Feature::ReasoningEffort, "thinking"),
        (Feature::ReasoningEffort, "output_config.effort"),
        (Feature::Unknown, "output_config.task_budget"),
        (Feature::User, "metadata.user_id"),
        (Feature::Unknown, "metadata.team"),
        (Feature::ServiceTier, "service_tier"),
        (Feature::Unknown, "speed"),
        (Feature::ServerState, "container"),
        (Feature::HostedTool, "mcp_servers"),
        (Feature::CacheMarkers, "cache_control"),
        (Feature::Unknown, "inference_geo"),
    ]);
    assert_eq!(uses(&chat), want);
    let sampling = &chat.sampling;
    assert_eq!((sampling.temperature, sampling.top_p, sampling.top_k), (Some(0.5), Some(0.9), Some(40)));
    assert_eq!((chat.tool_choice, chat.parallel_tool_calls), (Some(ToolChoice::Named("f".to_owned())), Some(false)));
    assert_eq!((chat.thinking.budget_tokens, chat.thinking.shown), (Some(2000), Some(false)));
    assert_eq!((chat.thinking.effort, chat.stop.as_slice()), (Some(Effort::XHigh), &["END".to_owned()][..]));
    assert_eq!((chat.user.as_deref(), chat.service_tier.as_deref()), (Some("u"), Some("standard_only")));
    assert_eq!(chat.messages[0].parts, [marked(text("hi"), true)], "the mark of all is that of the last block");
}

#[test]
fn tools_of_anthropics_that_the_client_runs_become_functions() {
    let chat = chat(&json!({"tools": [
        {"type": "bash_20250124", "name": "bash", "cache_control": {"type": "ephemeral"}},
        {"type": "text_editor_20250728", "name": "edit", "max_characters": 900},
        {"type": "computer_20250124", "name": "computer", "display_width_px": 1024, "display_height_px": 768, "new": 1},
    ]}));
    let names: Vec<_> = chat.tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["bash", "edit", "computer"], "as the client calls them");
    assert!(chat.tools[0].parameters.as_ref().is_some_and(|schema| schema.text().contains("\"restart\"")));
    assert!(chat.tools[0].cache.is_some());
    let said = |at: usize| chat.tools[at].description.as_deref().unwrap_or_default();
    assert!(said(1).ends_with("Most characters that are shown of a file: 900."), "{}", said(1));
    assert!(said(2).contains("Width of the screen in pixels: 1024."), "{}", said(2));
    let want = noted(&[(Feature::CacheMarkers, "tools[0].cache_control"), (Feature::Unknown, "tools[2].new")]);
    assert_eq!(uses(&chat), want);
}

#[test]
fn tools_are_functions_or_the_providers_own() {
    let own = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}});
    let chat = chat(&json!({"tools": [
        {"name": "f", "description": "d", "input_schema": own, "strict": true, "cache_control": {"type": "ephemeral"}},
        {"type": "custom", "name": "g", "input_schema": {"type": "object"}, "strict": false, "defer_loading": true,
            "allowed_callers": ["direct", "code_execution_20260120"], "input_examples": [{}], "new": 1},
        {"type": "custom", "name": "h", "input_schema": {"type": "object"}, "allowed_callers": ["direct"]},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        {"type": "code_execution_20250825", "name": "code_execution"},
    ], "tool_choice": {"type": "any"}}));
    let tool = |name: &str, parameters: &str, strict| Tool {
        name: name.to_owned(),
        description: None,
        parameters: Some(schema(parameters)),
        strict,
        cache: None,
    };
    let f = Tool {
        description: Some("d".to_owned()),
        cache: Some(CacheMark::default()),
        ..tool("f", &own.to_string(), Some(true))
    };
    let object = r#"{"type":"object"}"#;
    assert_eq!(chat.tools, [f, tool("g", object, Some(false)), tool("h", object, None)]);
    let want = noted(&[
        (Feature::StrictTool, "tools[0].strict"),
        (Feature::CacheMarkers, "tools[0].cache_control"),
        (Feature::Unknown, "tools[1].defer_loading"),
        (Feature::Unknown, "tools[1].allowed_callers"),
        (Feature::Unknown, "tools[1].input_examples"),
        (Feature::Unknown, "tools[1].new"),
        (Feature::HostedTool, "tools[3]"),
        (Feature::HostedTool, "tools[4]"),
        (Feature::ForcedTool, "tool_choice"),
    ]);
    assert_eq!(uses(&chat), want);
    assert_eq!(chat.tool_choice, Some(ToolChoice::Required));
}

#[test]
fn a_schema_is_strict_where_it_leaves_nothing_open() {
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false});
    let deep = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}},
        "required": ["a"], "additionalProperties": false});
    let optional = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let format = |schema: &Value| json!({"type": "json_schema", "schema": schema});
    let cases = [
        ("closed", json!({"output_config": {"format": format(&closed)}}), &closed, Some(true), "output_config.format"),
        ("open inside", json!({"output_config": {"format": format(&deep)}}), &deep, None, "output_config.format"),
        ("optional", json!({"output_format": format(&optional)}), &optional, None, "output_format"),
    ];
    for (name, body, want, want_strict, path) in cases {
        let chat = chat(&body);
        let Format::Schema { schema: got, strict, .. } = &chat.format else { panic!("{name}: {:?}", chat.format) };
        assert_eq!((got, *strict), (&schema(&want.to_string()), want_strict), "{name}");
        assert_eq!(uses(&chat), noted(&[(Feature::JsonSchema, path)]), "{name}");
    }
}

#[test]
fn pictures_and_documents_come_from_all_their_sources() {
    let inline = |media_type: &str, data: &'static str| Source::Inline {
        media_type: media_type.to_owned(),
        base64: data.as_bytes().into(),
    };
    let document = |source, name: Option<&str>| Content::Document { source, name: name.map(str::to_owned) };
    let image = |source| Content::Image { source, detail: None };
    let base64 = |media: &str| json!({"type": "base64", "media_type": media, "data": "AAAA"});
    let url = json!({"type": "url", "url": "https://x/y"});
    let file = json!({"type": "file", "file_id": "file_1"});
    let content = json!({"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
    let of_url = || Source::Url("https://x/y".to_owned());
    let of_file = || Source::File("file_1".to_owned());
    let cases = [
        ("image", base64("image/png"), Feature::ImageInline, image(inline("image/png", "AAAA"))),
        ("image", url.clone(), Feature::ImageUrl, image(of_url())),
        ("image", file.clone(), Feature::FileId, image(of_file())),
        (
            "document",
            base64("application/pdf"),
            Feature::DocumentInline,
            document(inline("application/pdf", "AAAA"), None),
        ),
        (
            "document",
            json!({"type": "text", "media_type": "text/plain", "data": "words"}),
            Feature::DocumentInline,
            document(Source::Text("words".to_owned()), None),
        ),
        ("document", content, Feature::DocumentInline, document(Source::Text("a\n\nb".to_owned()), None)),
        ("document", url, Feature::DocumentUrl, document(of_url(), None)),
        ("document", file, Feature::FileId, document(of_file(), None)),
    ];
    for (kind, source, feature, want) in cases {
        let (got, uses) = parts("user", &json!([{"type": kind, "source": source}]));
        assert_eq!(got, [Part::new(want)], "{kind} {source}");
        assert_eq!(uses, noted(&[(feature, "messages[0].content[0].source")]), "{kind} {source}");
    }
    let (got, uses) = parts(
        "user",
        &json!([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"},
            "title": "t", "context": "c", "citations": {"enabled": true}, "cache_control": {"type": "ephemeral"}}]),
    );
    let words = document(Source::Text("words".to_owned()), Some("t"));
    assert_eq!(got, [Part::text("c"), marked(words, false)]);
    let want = noted(&[
        (Feature::CacheMarkers, "messages[0].content[0].cache_control"),
        (Feature::Citations, "messages[0].content[0].citations"),
        (Feature::DocumentInline, "messages[0].content[0].source"),
    ]);
    assert_eq!(uses, want);
}

#[test]
fn a_payload_is_a_slice_of_the_body() {
    let body = request(&json!({"messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}]}]}));
    let ask = parse(Api::Messages, Draft::copy_of(body.as_bytes())).expect("it parses");
    let chat = decode(&ask).expect("it decodes").expect("a conversation");
    let Content::Image { source: Source::Inline { base64, .. }, .. } = &chat.messages[0].parts[0].content else {
        panic!("a picture")
    };
    let bytes = ask.body.bytes();
    let at = body.find("QUJD").expect("it is there");
    assert_eq!(base64.as_ptr(), bytes[at..].as_ptr());
}

#[test]
fn results_of_tools_may_be_rich_or_have_failed() {
    let block = json!([{"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": [
        {"type": "text", "text": "a"},
        {"type": "image", "source": {"type": "url", "url": "https://x"}},
        {"type": "tool_reference", "tool_name": "x"},
    ]}, {"type": "tool_result", "tool_use_id": "u"}]);
    let (got, uses) = parts("user", &block);
    let picture = Content::Image { source: Source::Url("https://x".to_owned()), detail: None };
    let first = vec![Part::text("a"), Part::new(picture), Part::text("x")];
    let result = |id: &str, failed, parts| ToolResult { id: id.to_owned(), name: None, failed, parts };
    let want = [result("t", true, first), result("u", false, Vec::new())];
    assert_eq!(got, want.map(|result| Part::new(Content::ToolResult(result))));
    let want = noted(&[
        (Feature::ImageUrl, "messages[0].content[0].content[1].source"),
        (Feature::Unknown, "messages[0].content[0].content[2]"),
        (Feature::RichToolResult, "messages[0].content[0].content"),
        (Feature::FailedToolResult, "messages[0].content[0].is_error"),
    ]);
    assert_eq!(uses, want);
}

#[test]
fn thoughts_keep_the_seal_of_their_maker() {
    let seal = |maker: &str, data: &str, hidden| Some(Seal { maker: maker.to_owned(), data: data.to_owned(), hidden });
    let cases = [
        (json!({"type": "thinking", "thinking": "a", "signature": "s"}), "a", seal("anthropic", "s", false)),
        (json!({"type": "thinking", "thinking": "", "signature": "s"}), "", seal("anthropic", "s", false)),
        (json!({"type": "thinking", "thinking": "a", "signature": "wb1:gemini:g"}), "a", seal("gemini", "g", false)),
        (json!({"type": "thinking", "thinking": "a", "signature": ""}), "a", None),
        (json!({"type": "thinking", "thinking": "a"}), "a", None),
        (json!({"type": "redacted_thinking", "data": "x"}), "", seal("anthropic", "x", true)),
        (json!({"type": "redacted_thinking", "data": "wb1:openai:e"}), "", seal("openai", "e", true)),
    ];
    for (block, text, seal) in cases {
        let (got, uses) = parts("assistant", &json!([block]));
        let feature = if seal.is_some() { Feature::SealedReasoning } else { Feature::PlainReasoning };
        assert_eq!(got, [Part::new(Content::Reasoning(Reasoned { text: text.to_owned(), seal }))], "{block}");
        assert_eq!(uses, noted(&[(feature, "messages[0].content[0]")]), "{block}");
    }
}

#[test]
fn blocks_of_anthropics_own_tools_are_told() {
    let cases = [
        (json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}), Feature::HostedTool),
        (json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}), Feature::HostedTool),
        (json!({"type": "mcp_tool_use", "id": "s", "name": "x", "server_name": "y", "input": {}}), Feature::HostedTool),
        (json!({"type": "container_upload", "file_id": "f"}), Feature::FileId),
        (json!({"type": "compaction", "content": "so far"}), Feature::ServerState),
        (json!({"type": "yet_to_come", "x": 1}), Feature::Unknown),
    ];
    for (block, feature) in cases {
        let (got, uses) = parts("assistant", &json!([{"type": "text", "text": "a"}, block]));
        assert_eq!(got, [Part::text("a")], "{block}");
        assert_eq!(uses, noted(&[(feature, "messages[0].content[1]")]), "{block}");
    }
    let cited = json!([{"type": "text", "text": "a", "citations": [{"type": "char_location"}], "new": 1}]);
    let want =
        [(Feature::Citations, "messages[0].content[0].citations"), (Feature::Unknown, "messages[0].content[0].new")];
    assert_eq!(parts("assistant", &cited), (vec![Part::text("a")], noted(&want)));
    let found = json!([{"type": "search_result", "title": "t", "source": "https://x",
        "content": [{"type": "text", "text": "a"}], "citations": {"enabled": false}}]);
    let want = noted(&[(Feature::Unknown, "messages[0].content[0]")]);
    assert_eq!(parts("user", &found), (vec![Part::text("t"), Part::text("https://x"), Part::text("a")], want));
}

#[test]
fn instructions_may_stand_among_the_turns() {
    let chat = chat(&json!({"system": "a", "messages": [{"role": "user", "content": "b"},
        {"role": "system", "content": [{"type": "text", "text": "c"}]}, {"role": "user", "content": "d"}]}));
    let roles: Vec<_> = chat.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::System, Role::User]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let block = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let at = "messages[0].content[0]";
    let cases = [
        (json!({"messages": []}), "messages".to_owned()),
        (json!({"messages": null}), "messages".to_owned()),
        (json!({"messages": "hi"}), "messages".to_owned()),
        (json!({"messages": ["hi"]}), "messages[0]".to_owned()),
        (json!({"messages": [{"role": "tool", "content": "a"}]}), "messages[0].role".to_owned()),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content".to_owned()),
        (json!({"messages": [{"role": "user", "content": 1}]}), "messages[0].content".to_owned()),
        (block(json!({"text": "a"})), format!("{at}.type")),
        (block(json!({"type": "text"})), format!("{at}.text")),
        (block(json!({"type": "text", "text": "a", "cache_control": "x"})), format!("{at}.cache_control")),
        (block(json!({"type": "image"})), format!("{at}.source")),
        (block(json!({"type": "image", "source": {"type": "x"}})), format!("{at}.source.type")),
        (block(json!({"type": "image", "source": {"type": "base64", "data": "A"}})), format!("{at}.source.media_type")),
        (
            json!({"messages": [{"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "b", "input": "{}"}]}]}),
            format!("{at}.input"),
        ),
        (block(json!({"type": "tool_use", "id": "a", "name": "b", "input": {}})), format!("{at}.type")),
        (
            block(json!({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "thinking"}]})),
            format!("{at}.content[0].type"),
        ),
        (json!({"system": [{"type": "image"}]}), "system[0].type".to_owned()),
        (block(json!({"type": "tool_result", "content": "a"})), format!("{at}.tool_use_id")),
        (json!({"messages": [{"role": "assistant", "content": [{"type": "thinking"}]}]}), format!("{at}.thinking")),
        (json!({"system": 1}), "system".to_owned()),
        (json!({"tools": [{"name": "f"}]}), "tools[0].input_schema".to_owned()),
        (json!({"tools": [{"input_schema": {}}]}), "tools[0].name".to_owned()),
        (json!({"tool_choice": "auto"}), "tool_choice".to_owned()),
        (json!({"tool_choice": {"type": "required"}}), "tool_choice.type".to_owned()),
        (json!({"tool_choice": {"type": "tool"}}), "tool_choice.name".to_owned()),
        (json!({"temperature": "hot"}), "temperature".to_owned()),
        (json!({"top_k": 1.5}), "top_k".to_owned()),
        (json!({"stop_sequences": [1]}), "stop_sequences[0]".to_owned()),
        (json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens".to_owned()),
        (json!({"output_config": {"effort": "some"}}), "output_config.effort".to_owned()),
        (json!({"output_config": {"format": {"type": "json"}}}), "output_config.format.type".to_owned()),
        (json!({"output_config": {"format": {"type": "json_schema"}}}), "output_config.format.schema".to_owned()),
    ];
    for (body, path) in cases {
        let bad = read(&request(&body)).expect_err(&path);
        assert_eq!(bad.param.as_deref(), Some(path.as_str()), "{body}");
        assert!(bad.message.starts_with(&format!("`{path}` ")), "{}", bad.message);
    }
}
