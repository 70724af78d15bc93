//! Requests that can be translated, and what they note.

use super::{decode, notes};
use crate::model::{
    CacheMark, Chat, Content, Effort, Format, Message, Part, Reasoned, Role, Seal, Source, ToolCall, ToolChoice,
    ToolResult,
};
use serde_json::{Value, json};

fn ask(more: Value) -> Chat {
    let mut body = json!({"model": "m", "input": "hello"});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    decode(&body).expect("it can be translated")
}

fn input(items: Value) -> Chat {
    ask(json!({ "input": items }))
}

fn said(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts }
}

#[test]
fn a_text_is_the_users_and_instructions_come_first() {
    let chat = ask(json!({"instructions": "Be brief.", "stream": true}));
    assert!(chat.stream);
    let want = [said(Role::System, vec![Part::text("Be brief.")]), said(Role::User, vec![Part::text("hello")])];
    assert_eq!(chat.messages, want);
    assert!(notes(&chat).is_empty());
}

#[test]
fn what_means_nothing_is_not_noted() {
    let chat = ask(json!({
        "store": false, "stream": true, "stream_options": {"include_obfuscation": false}, "background": false,
        "tool_choice": "auto", "tools": [], "parallel_tool_calls": true, "truncation": "disabled",
        "text": {"format": {"type": "text"}}, "include": ["reasoning.encrypted_content"], "top_logprobs": 0,
        "metadata": {}, "service_tier": "auto", "user": null, "max_output_tokens": 64, "reasoning": {"summary": "auto"},
        "prompt_cache_retention": "in_memory", "previous_response_id": null,
    }));
    assert!(notes(&chat).is_empty(), "{:?}", notes(&chat));
    assert_eq!((chat.max_output_tokens, chat.tool_choice), (Some(64), Some(ToolChoice::Auto)));
}

#[test]
fn each_setting_goes_into_its_field_and_is_noted_with_its_path() {
    let chat = ask(json!({
        "temperature": 0.5, "top_p": 1, "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"verbosity": "low", "format": {"type": "json_object"}}, "service_tier": "flex",
        "include": ["message.output_text.logprobs"], "top_logprobs": 3, "metadata": {"a": "b"},
        "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "parallel_tool_calls": false, "store": true,
    }));
    assert_eq!((chat.sampling.temperature, chat.sampling.top_p), (Some(0.5), Some(1.0)));
    assert_eq!((chat.thinking.effort, chat.thinking.shown), (Some(Effort::High), Some(true)));
    assert_eq!((chat.verbosity.as_deref(), &chat.format), (Some("low"), &Format::Json));
    assert_eq!((chat.service_tier.as_deref(), chat.logprobs), (Some("flex"), Some(3)));
    assert_eq!(chat.metadata, [("a".to_owned(), "b".to_owned())]);
    assert_eq!((chat.user.as_deref(), chat.cache_key.as_deref()), (Some("s"), Some("k")));
    assert_eq!(chat.parallel_tool_calls, Some(false));
    let mut got = notes(&chat);
    got.sort_unstable();
    let want = [
        "CacheKey prompt_cache_key",
        "JsonObject text.format",
        "Logprobs include[0]",
        "Logprobs top_logprobs",
        "Metadata metadata",
        "ParallelToolControl parallel_tool_calls",
        "ReasoningEffort reasoning.effort",
        "ServiceTier service_tier",
        "Store store",
        "Temperature temperature",
        "TopP top_p",
        "User safety_identifier",
        "User user",
        "Verbosity text.verbosity",
    ];
    assert_eq!(got, want);
}

#[test]
fn a_schema_is_carried_whole() {
    let format = json!({"type": "json_schema", "name": "n", "strict": true, "description": "d",
        "schema": {"type": "object", "properties": {"z": {"type": "number", "minimum": 0.5}, "a": {}}}});
    let chat = ask(json!({ "text": { "format": format } }));
    let Format::Schema { name, description, schema, strict } = &chat.format else { panic!("a schema") };
    assert_eq!((name.as_str(), description.as_deref(), *strict), ("n", Some("d"), Some(true)));
    assert_eq!(serde_json::from_str::<Value>(schema.text()).expect("JSON"), format["schema"]);
    assert_eq!(notes(&chat), ["JsonSchema text.format"]);
}

#[test]
fn what_a_provider_would_have_to_keep_or_nobody_knows_is_noted() {
    let rows = [
        (json!({"previous_response_id": "resp_1"}), "ServerState previous_response_id"),
        (json!({"conversation": {"id": "conv_1"}}), "ServerState conversation"),
        (json!({"prompt": {"id": "pmpt_1"}}), "ServerState prompt"),
        (json!({"background": true}), "Background background"),
        (json!({"truncation": "auto"}), "Unknown truncation"),
        (json!({"prompt_cache_retention": "24h"}), "Unknown prompt_cache_retention"),
        (json!({"max_tool_calls": 3}), "Unknown max_tool_calls"),
        (json!({"seed": 3}), "Unknown seed"),
        (json!({"reasoning": {"mode": "pro"}}), "Unknown reasoning.mode"),
        (json!({"reasoning": {"summary": "none"}}), "Unknown reasoning.summary"),
        (json!({"text": {"tone": "dry"}}), "Unknown text.tone"),
        (json!({"include": ["web_search_call.results"]}), "Unknown include[0]"),
        (json!({"tool_choice": "required"}), "ForcedTool tool_choice"),
        (json!({"tool_choice": {"type": "function", "name": "f"}}), "ForcedTool tool_choice"),
        (json!({"tool_choice": {"type": "file_search"}}), "HostedTool tool_choice"),
        (json!({"tools": [{"type": "custom", "name": "f"}]}), "CustomTool tools[0]"),
        (json!({"tools": [{"type": "local_shell"}]}), "HostedTool tools[0]"),
        (json!({"tools": [{"type": "web_search", "filters": {}}]}), "HostedTool tools[0]"),
        (json!({"tools": [{"type": "function", "name": "f", "strict": true}]}), "StrictTool tools[0].strict"),
        (
            json!({"tools": [{"type": "function", "name": "f", "defer_loading": true}]}),
            "Unknown tools[0].defer_loading",
        ),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "ServerState input[0]"),
        (json!({"input": [{"id": "msg_1"}]}), "ServerState input[0]"),
        (json!({"input": [{"type": "compaction", "encrypted_content": "x"}]}), "ServerState input[0]"),
        (json!({"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}), "HostedTool input[0]"),
        (json!({"input": [{"type": "computer_call", "call_id": "c"}]}), "HostedTool input[0]"),
        (json!({"input": [{"type": "local_shell_call", "call_id": "c"}]}), "HostedTool input[0]"),
        (json!({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}), "Unknown input[0]"),
        (json!({"input": [{"role": "assistant", "content": "x", "phase": "commentary"}]}), "Unknown input[0].phase"),
    ];
    for (more, want) in rows {
        assert_eq!(notes(&ask(more.clone())), [want], "{more}");
    }
    let chosen = ask(json!({"tool_choice": {"type": "custom", "name": "f"}}));
    assert_eq!(notes(&chosen), ["CustomTool tool_choice", "ForcedTool tool_choice"]);
    assert_eq!(chosen.tool_choice, Some(ToolChoice::Named("f".to_owned())));
}

#[test]
fn a_free_form_tool_is_a_function_of_one_text_and_a_namespace_stands_before_the_name() {
    let chat = ask(json!({
        "tools": [
            {"type": "custom", "name": "patch", "description": "Patches.",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: W"}},
            {"type": "namespace", "name": "agents", "description": "All about agents.", "tools": [
                {"type": "function", "name": "close", "description": "Closes.", "parameters": {"type": "object"}},
                {"type": "custom", "name": "say"}, {"type": "web_search"}, {"type": "namespace", "name": "x"}]},
        ],
        "tool_choice": {"type": "function", "name": "close", "namespace": "agents"},
        "input": [{"type": "function_call", "call_id": "c", "name": "close", "namespace": "agents", "arguments": "{}"}],
    }));
    let tools: Vec<_> = chat.tools.iter().map(|tool| (&*tool.name, tool.description.as_deref())).collect();
    let want = [
        ("patch", Some("Patches.")),
        ("agents__close", Some("All about agents.\n\nCloses.")),
        ("agents__say", Some("All about agents.")),
    ];
    assert_eq!(tools, want);
    assert!(chat.tools[0].parameters.as_ref().is_some_and(|schema| schema.text().contains("start: W")));
    assert_eq!(chat.tool_choice, Some(ToolChoice::Named("agents__close".to_owned())));
    let Content::ToolCall(call) = &chat.messages[0].parts[0].content else { panic!("a call") };
    assert_eq!(call.name, "agents__close");
    let told = [
        "CustomTool tools[0]",
        "Unknown tools[0].format",
        "CustomTool tools[1].tools[1]",
        "HostedTool tools[1].tools[2]",
        "HostedTool tools[1].tools[3]",
        "ForcedTool tool_choice",
    ];
    assert_eq!(notes(&chat), told);
}

#[test]
fn functions_are_flat_and_only_allowed_ones_are_left() {
    let tool = |name: &str| {
        json!({"type": "function", "name": name, "description": "d", "strict": false,
        "parameters": {"type": "object", "properties": {}}})
    };
    let tools = json!([tool("a"), tool("b"), {"type": "function", "name": "c", "parameters": null}]);
    let chat = ask(json!({ "tools": tools }));
    assert_eq!(chat.tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!((chat.tools[0].strict, chat.tools[0].description.as_deref()), (Some(false), Some("d")));
    let schema = chat.tools[0].parameters.as_ref().expect("a schema").text();
    assert_eq!(serde_json::from_str::<Value>(schema).expect("JSON"), tools[0]["parameters"]);
    assert!(chat.tools[2].parameters.is_none() && notes(&chat).is_empty());

    let choice = json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]});
    let chat = ask(json!({"tools": tools, "tool_choice": choice}));
    assert_eq!(chat.tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["b"]);
    assert_eq!(
        (chat.tool_choice.as_ref(), notes(&chat)),
        (Some(&ToolChoice::Required), vec!["ForcedTool tool_choice".to_owned()])
    );
}

#[test]
fn what_the_model_said_is_one_turn_and_results_are_one_turn() {
    let chat = input(json!([
        {"role": "developer", "content": "Rules."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "One."},
            {"type": "summary_text", "text": "Two."}], "encrypted_content": "gAAA"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "Looking.", "annotations": [], "logprobs": []},
            {"type": "refusal", "refusal": "No."}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}",
            "status": "completed"},
        {"type": "function_call", "call_id": "call_2", "name": "time", "arguments": "{\"z\":1}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "noon"}]},
        {"role": "user", "content": "Thanks."},
    ]));
    let seal = Seal { maker: "openai".to_owned(), data: "gAAA".to_owned(), hidden: true };
    let call = |id: &str, name: &str, arguments: &str| {
        let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
        Part::new(Content::ToolCall(ToolCall { id, name, arguments }))
    };
    let result = |id: &str, name: &str, text: &str| {
        let (id, name) = (id.to_owned(), Some(name.to_owned()));
        Part::new(Content::ToolResult(ToolResult { id, name, failed: false, parts: vec![Part::text(text)] }))
    };
    let want = [
        said(Role::System, vec![Part::text("Rules.")]),
        said(Role::User, vec![Part::text("Weather?")]),
        said(
            Role::Assistant,
            vec![
                Part::new(Content::Reasoning(Reasoned { text: "One.\n\nTwo.".to_owned(), seal: Some(seal) })),
                Part::text("Looking."),
                Part::new(Content::Refusal("No.".to_owned())),
                call("call_1", "weather", "{}"),
                call("call_2", "time", "{\"z\":1}"),
            ],
        ),
        said(Role::User, vec![result("call_1", "weather", "sunny"), result("call_2", "time", "noon")]),
        said(Role::User, vec![Part::text("Thanks.")]),
    ];
    assert_eq!(chat.messages, want);
    assert_eq!(notes(&chat), ["SealedReasoning input[2].encrypted_content"]);
}

#[test]
fn pictures_documents_and_sound_are_noted_where_they_stand() {
    let chat = input(json!([{"role": "user", "content": [
        {"type": "input_image", "image_url": "https://a/b.png", "detail": "auto"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "low"},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        {"type": "input_file", "filename": "a.CSV", "file_data": "YSxi"},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_file", "file_id": "file_2"},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}, "extra": 1},
    ]}]));
    let inline = |media_type: &str, base64: &'static str| Source::Inline {
        media_type: media_type.to_owned(),
        base64: base64.into(),
    };
    let url = |url: &str| Source::Url(url.to_owned());
    let name = |name: &str| Some(name.to_owned());
    let contents = [
        Content::Image { source: url("https://a/b.png"), detail: None },
        Content::Image { source: inline("image/png", "iVBO"), detail: name("low") },
        Content::Image { source: Source::File("file_1".to_owned()), detail: None },
        Content::Document { source: inline("application/pdf", "JVBE"), name: name("a.pdf") },
        Content::Document { source: inline("text/csv", "YSxi"), name: name("a.CSV") },
        Content::Document { source: url("https://a/b.pdf"), name: None },
        Content::Document { source: Source::File("file_2".to_owned()), name: None },
        Content::Audio { source: inline("audio/wav", "UklG") },
    ];
    let mut want = contents.map(Part::new).to_vec();
    want.push(Part { content: Content::Text("x".to_owned()), cache: Some(CacheMark { hour: false }) });
    assert_eq!(chat.messages, [said(Role::User, want)]);
    let at = |index: usize, rest: &str| format!("input[0].content[{index}].{rest}");
    let want = [
        format!("ImageUrl {}", at(0, "image_url")),
        format!("ImageInline {}", at(1, "image_url")),
        format!("ImageDetail {}", at(1, "detail")),
        format!("FileId {}", at(2, "file_id")),
        format!("DocumentInline {}", at(3, "file_data")),
        format!("DocumentInline {}", at(4, "file_data")),
        format!("DocumentUrl {}", at(5, "file_url")),
        format!("FileId {}", at(6, "file_id")),
        format!("AudioInput {}", at(7, "input_audio")),
        format!("CacheMarkers {}", at(8, "prompt_cache_breakpoint")),
        format!("Unknown {}", at(8, "extra")),
    ];
    assert_eq!(notes(&chat), want);
}

#[test]
fn a_large_picture_is_not_copied() {
    let data = "A".repeat(1 << 20);
    let body = json!({"model": "m", "input": [{"role": "user", "content": [
        {"type": "input_image", "image_url": format!("data:image/png;base64,{data}")}]}]});
    let draft = crate::model::Draft::copy_of(body.to_string().as_bytes());
    let ask = crate::dialect::parse(crate::model::Api::Responses, draft).expect("strict");
    let chat = crate::dialect::decode(&ask).expect("it can be translated").expect("a conversation");
    let Content::Image { source: Source::Inline { base64, .. }, .. } = &chat.messages[0].parts[0].content else {
        panic!("a picture")
    };
    assert!(ask.body.as_slice().as_ptr_range().contains(&base64.as_ptr()), "a slice of the body");
    assert_eq!(base64.len(), 1 << 20);
}

#[test]
fn a_tools_picture_is_noted_as_such() {
    let chat = input(json!([
        {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls | wc"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": [
            {"type": "input_image", "image_url": "https://a/b.png"}]},
    ]));
    let Content::ToolCall(call) = &chat.messages[0].parts[0].content else { panic!("a call") };
    assert_eq!(call.arguments, r#"{"input":"ls | wc"}"#);
    let want = [
        "CustomTool input[0]",
        "CustomTool input[1]",
        "ImageUrl input[1].output[0].image_url",
        "RichToolResult input[1].output[0]",
    ];
    assert_eq!(notes(&chat), want);
}

#[test]
fn a_thought_comes_back_to_its_maker() {
    let rows = [
        (json!({"summary": [{"type": "summary_text", "text": "Hm."}]}), "Hm.", None, "PlainReasoning input[0]"),
        (
            json!({"summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}),
            "Hm.",
            None,
            "PlainReasoning input[0]",
        ),
        (
            json!({"summary": [], "encrypted_content": "gAAA"}),
            "",
            Some(("openai", "gAAA", true)),
            "SealedReasoning input[0].encrypted_content",
        ),
        (
            json!({"summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "wb1:anthropic:Eq:=="}),
            "Hm.",
            Some(("anthropic", "Eq:==", false)),
            "SealedReasoning input[0].encrypted_content",
        ),
        (
            json!({"summary": [], "encrypted_content": "wb1:anthropic+hidden:Eq"}),
            "",
            Some(("anthropic", "Eq", true)),
            "SealedReasoning input[0].encrypted_content",
        ),
    ];
    for (mut item, text, seal, note) in rows {
        item["type"] = json!("reasoning");
        let chat = input(json!([item]));
        let seal = seal.map(|(maker, data, hidden)| Seal { maker: maker.into(), data: data.into(), hidden });
        let want = Part::new(Content::Reasoning(Reasoned { text: text.to_owned(), seal }));
        assert_eq!(chat.messages, [said(Role::Assistant, vec![want])], "{item}");
        assert_eq!(notes(&chat), [note], "{item}");
    }
}

#[test]
fn a_request_that_uses_much_notes_all_of_it() {
    let body: Value = serde_json::from_str(include_str!("../fixtures/request.json")).expect("JSON");
    let mut got = notes(&decode(&body).expect("it can be translated"));
    got.sort_unstable();
    let want = [
        "AudioInput input[1].content[4].input_audio",
        "CacheKey prompt_cache_key",
        "CustomTool input[6]",
        "CustomTool input[7]",
        "CustomTool tools[1]",
        "DocumentInline input[1].content[3].file_data",
        "ForcedTool tool_choice",
        "HostedTool input[8]",
        "HostedTool tools[2]",
        "ImageDetail input[1].content[1].detail",
        "ImageInline input[1].content[1].image_url",
        "ImageUrl input[1].content[2].image_url",
        "JsonSchema text.format",
        "Logprobs include[1]",
        "Logprobs top_logprobs",
        "Metadata metadata",
        "ParallelToolControl parallel_tool_calls",
        "ReasoningEffort reasoning.effort",
        "SealedReasoning input[2].encrypted_content",
        "ServerState input[9]",
        "ServiceTier service_tier",
        "StrictTool tools[0].strict",
        "Temperature temperature",
        "TopP top_p",
        "Unknown truncation",
        "User safety_identifier",
        "Verbosity text.verbosity",
    ];
    assert_eq!(got, want);
}
